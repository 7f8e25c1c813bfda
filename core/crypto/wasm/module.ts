/** SM3 in a module, and the memory that it shares with its host (see `assembly/sm3.ts`). */
export interface Sm3Module {
  readonly memory: WebAssembly.Memory;
  /** Addresses and sizes in bytes. */
  readonly DIGEST: WebAssembly.Global<"i32">;
  readonly CHUNK: WebAssembly.Global<"i32">;
  readonly CHUNK_BYTES: WebAssembly.Global<"i32">;
  readonly KEY: WebAssembly.Global<"i32">;
  initialise(): void;
  sm3Start(): void;
  sm3Update(length: number): void;
  sm3Finish(): void;
}

/** What `sm2verify.wasm` exports (see `assembly/index.ts`, whose doc comments these follow). */
export interface Sm2VerifyModule extends Sm3Module {
  readonly SIGNATURE: WebAssembly.Global<"i32">;
  readonly TABLES: WebAssembly.Global<"i32">;
  readonly SMALL_TABLE_BYTES: WebAssembly.Global<"i32">;
  readonly LARGE_TABLE_BYTES: WebAssembly.Global<"i32">;
  loadKey(): number;
  keepTable(kind: number, address: number): void;
  verify(kind: number, address: number): number;
}

/** What `sm2private.wasm` exports (see `assembly/private.ts`, whose doc comments these follow). */
export interface Sm2PrivateModule extends Sm3Module {
  readonly PRIVATE_KEY: WebAssembly.Global<"i32">;
  readonly INVERSE: WebAssembly.Global<"i32">;
  readonly ENTROPY: WebAssembly.Global<"i32">;
  readonly RESULT: WebAssembly.Global<"i32">;
  prepare(): number;
  sign(): number;
  multiplyBase(): number;
  multiplyPoint(): number;
  wipe(): void;
}

const SM3_GLOBALS = ["DIGEST", "CHUNK", "CHUNK_BYTES", "KEY"] as const;
const SM3_FUNCTIONS = ["initialise", "sm3Start", "sm3Update", "sm3Finish"] as const;

function has(exports: object, globals: readonly string[], functions: readonly string[]): boolean {
  const named = new Map<string, unknown>(Object.entries(exports));
  return (
    named.get("memory") instanceof WebAssembly.Memory &&
    [...SM3_GLOBALS, ...globals].every((name) => named.get(name) instanceof WebAssembly.Global) &&
    [...SM3_FUNCTIONS, ...functions].every((name) => typeof named.get(name) === "function")
  );
}

function isSm2VerifyModule(exports: object): exports is Sm2VerifyModule {
  return has(exports, ["SIGNATURE", "TABLES", "SMALL_TABLE_BYTES", "LARGE_TABLE_BYTES"], ["loadKey", "keepTable", "verify"]);
}

function isSm2PrivateModule(exports: object): exports is Sm2PrivateModule {
  const functions = ["prepare", "sign", "multiplyBase", "multiplyPoint", "wipe"];
  return has(exports, ["PRIVATE_KEY", "INVERSE", "ENTROPY", "RESULT"], functions);
}

/** A module with a memory of its own, initialised. Throws when `module` is another one, or the runtime refuses it. */
export async function instantiateSm2Verify(module: WebAssembly.Module): Promise<Sm2VerifyModule> {
  const { exports } = await WebAssembly.instantiate(module, {});
  if (!isSm2VerifyModule(exports)) throw new Error("this is not sm2verify.wasm");
  exports.initialise();
  return exports;
}

/** See {@link instantiateSm2Verify}. */
export async function instantiateSm2Private(module: WebAssembly.Module): Promise<Sm2PrivateModule> {
  const { exports } = await WebAssembly.instantiate(module, {});
  if (!isSm2PrivateModule(exports)) throw new Error("this is not sm2private.wasm");
  exports.initialise();
  return exports;
}

/** The compiled module from the file beside this one, where the runtime has files (Node, Deno, Bun). */
export async function compileSm2VerifyFile(): Promise<WebAssembly.Module> {
  const { readFile } = await import("node:fs/promises");
  return WebAssembly.compile(await readFile(new URL("./sm2verify.wasm", import.meta.url)));
}

/** See {@link compileSm2VerifyFile}. */
export async function compileSm2PrivateFile(): Promise<WebAssembly.Module> {
  const { readFile } = await import("node:fs/promises");
  return WebAssembly.compile(await readFile(new URL("./sm2private.wasm", import.meta.url)));
}
