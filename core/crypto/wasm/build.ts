/**
 * Builds `sm2verify.wasm` from `assembly/`, byte for byte the same each time (the compiler's version is in the lock file).
 *
 * node core/crypto/wasm/build.ts           writes it
 * node core/crypto/wasm/build.ts --check   fails when the committed file is not what the source gives
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const OUTPUT = fileURLToPath(new URL("./sm2verify.wasm", import.meta.url));
const ENTRY = fileURLToPath(new URL("./assembly/index.ts", import.meta.url));
const COMPILER = fileURLToPath(new URL("../../../node_modules/assemblyscript/bin/asc.js", import.meta.url));

/** The six pages hold the fixed map and the base point's table; the host grows the memory for the tables of keys. */
const PAGES = 6;
/** No collector and no assertions, so nothing to import; neither SIMD nor threads, which stay off unless asked for. */
const OPTIONS = ["-O3", "--runtime", "stub", "--noAssert", "--initialMemory", `${PAGES}`];

/** The module that `assembly/` gives, compiled in a folder of its own. */
export function buildSm2Verify(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "sm2verify-"));
  try {
    const file = join(folder, "sm2verify.wasm");
    const run = spawnSync(process.execPath, [COMPILER, ENTRY, "--outFile", file, ...OPTIONS], { encoding: "utf8" });
    if (run.status !== 0) throw new Error(`the AssemblyScript compiler failed: ${run.stderr}`);
    if (run.stderr !== "") process.stderr.write(run.stderr);
    return readFileSync(file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const built = buildSm2Verify();
  if (!process.argv.includes("--check")) {
    writeFileSync(OUTPUT, built);
    process.stdout.write(`sm2verify.wasm: ${built.length} bytes\n`);
  } else if (Buffer.compare(built, readFileSync(OUTPUT)) === 0) {
    process.stdout.write(`sm2verify.wasm: ${built.length} bytes, as its source gives them\n`);
  } else {
    process.stderr.write(
      "sm2verify.wasm is not what core/crypto/wasm/assembly gives: run `node core/crypto/wasm/build.ts` and commit it\n",
    );
    process.exitCode = 1;
  }
}
