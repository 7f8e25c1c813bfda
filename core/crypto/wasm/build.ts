/**
 * Builds `sm2verify.wasm`, `sm2private.wasm` and `sm3many.wasm` from `assembly/`, byte for byte the same each time (the
 * compiler's version is in the lock file).
 *
 * node core/crypto/wasm/build.ts           writes them
 * node core/crypto/wasm/build.ts --check   fails when a committed file is not what the source gives
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const COMPILER = fileURLToPath(new URL("../../../node_modules/assemblyscript/bin/asc.js", import.meta.url));

const ASSEMBLY = new URL("./assembly/", import.meta.url);

interface Module {
  readonly name: string;
  readonly entry: string;
  readonly options: readonly string[];
}

/** No collector and no assertions, so nothing to import; no threads. */
const COMMON = ["-O3", "--runtime", "stub", "--noAssert"];
const SM2_VERIFY: Module = {
  name: "sm2verify.wasm",
  entry: "./index.ts",
  // The six pages hold the fixed map and the base point's table; the host grows the memory for the tables of keys. No SIMD.
  options: [...COMMON, "--initialMemory", "6"],
};
const SM2_PRIVATE: Module = {
  name: "sm2private.wasm",
  entry: "./private.ts",
  options: [...COMMON, "--initialMemory", "2"],
};
const SM3_MANY: Module = {
  name: "sm3many.wasm",
  entry: "./sm3-many.ts",
  options: [...COMMON, "--initialMemory", "4", "--enable", "simd"],
};

/** The module that `assembly/index.ts` gives. */
export function buildSm2Verify(): Uint8Array {
  return build(SM2_VERIFY);
}

/** The module that `assembly/sm3-many.ts` gives. */
export function buildSm3Many(): Uint8Array {
  return build(SM3_MANY);
}

/** The module that `private.ts` gives, in `assembly/` or in a folder that is like it. */
export function buildSm2Private(folder: URL = ASSEMBLY): Uint8Array {
  return build(SM2_PRIVATE, folder);
}

/** Compiled in a folder of its own. */
function build({ name, entry, options }: Module, sources = ASSEMBLY): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "wasm-"));
  try {
    const file = join(folder, name);
    const source = fileURLToPath(new URL(entry, sources));
    const run = spawnSync(process.execPath, [COMPILER, source, "--outFile", file, ...options], { encoding: "utf8" });
    if (run.status !== 0) throw new Error(`the AssemblyScript compiler failed: ${run.stderr}`);
    if (run.stderr !== "") process.stderr.write(run.stderr);
    return readFileSync(file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function main(isCheck: boolean): void {
  for (const module of [SM2_VERIFY, SM2_PRIVATE, SM3_MANY]) {
    const built = build(module);
    const file = fileURLToPath(new URL(module.name, import.meta.url));
    if (!isCheck) {
      writeFileSync(file, built);
      process.stdout.write(`${module.name}: ${built.length} bytes\n`);
    } else if (Buffer.compare(built, readFileSync(file)) === 0) {
      process.stdout.write(`${module.name}: ${built.length} bytes, as its source gives them\n`);
    } else {
      process.stderr.write(`${module.name} is not what its source gives: run \`node core/crypto/wasm/build.ts\` and commit it\n`);
      process.exitCode = 1;
    }
  }
}

if (import.meta.main) main(process.argv.includes("--check"));
