/** What `sm2verify.wasm` exports (see `assembly/index.ts`, whose doc comments these follow). */
export interface Sm2VerifyModule {
  readonly memory: WebAssembly.Memory;
  /** Addresses and sizes in bytes. */
  readonly KEY: WebAssembly.Global<"i32">;
  readonly SIGNATURE: WebAssembly.Global<"i32">;
  readonly DIGEST: WebAssembly.Global<"i32">;
  readonly CHUNK: WebAssembly.Global<"i32">;
  readonly CHUNK_BYTES: WebAssembly.Global<"i32">;
  readonly TABLES: WebAssembly.Global<"i32">;
  readonly SMALL_TABLE_BYTES: WebAssembly.Global<"i32">;
  readonly LARGE_TABLE_BYTES: WebAssembly.Global<"i32">;
  initialise(): void;
  sm3Start(): void;
  sm3Update(length: number): void;
  sm3Finish(): void;
  loadKey(): number;
  keepTable(kind: number, address: number): void;
  verify(kind: number, address: number): number;
}

const GLOBALS = ["KEY", "SIGNATURE", "DIGEST", "CHUNK", "CHUNK_BYTES", "TABLES", "SMALL_TABLE_BYTES", "LARGE_TABLE_BYTES"] as const;
const FUNCTIONS = ["initialise", "sm3Start", "sm3Update", "sm3Finish", "loadKey", "keepTable", "verify"] as const;

function isSm2VerifyModule(exports: object): exports is Sm2VerifyModule {
  const named = new Map<string, unknown>(Object.entries(exports));
  return (
    named.get("memory") instanceof WebAssembly.Memory &&
    GLOBALS.every((name) => named.get(name) instanceof WebAssembly.Global) &&
    FUNCTIONS.every((name) => typeof named.get(name) === "function")
  );
}

/** A module with a memory of its own, initialised. Throws when `module` is another one, or the runtime refuses it. */
export async function instantiateSm2Verify(module: WebAssembly.Module): Promise<Sm2VerifyModule> {
  const { exports } = await WebAssembly.instantiate(module, {});
  if (!isSm2VerifyModule(exports)) throw new Error("this is not sm2verify.wasm");
  exports.initialise();
  return exports;
}

/** The compiled module from the file beside this one, where the runtime has files (Node, Deno, Bun). */
export async function compileSm2VerifyFile(): Promise<WebAssembly.Module> {
  const { readFile } = await import("node:fs/promises");
  return WebAssembly.compile(await readFile(new URL("./sm2verify.wasm", import.meta.url)));
}
