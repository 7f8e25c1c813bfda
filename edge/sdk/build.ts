/**
 * `npm run sdk`: the two SDKs as ES modules for browsers, `dist/sdk/{channel,terminal}.js`, with WebAssembly inside,
 * and their types beside them. Prints what each weighs.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** One bundle as text. @param entry `channel` or `terminal`. */
export async function bundleSdk(entry: "channel" | "terminal"): Promise<string> {
  const wasm = (name: string): string => JSON.stringify(readFileSync(path(`../../core/crypto/wasm/${name}`)).toString("base64"));
  const built = await build({
    entryPoints: [path(`./${entry}.ts`)],
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    // Loaded by Node alone, behind a check of the runtime.
    external: ["node:*"],
    define: { RONGHE_SM2_VERIFY_WASM: wasm("sm2verify.wasm"), RONGHE_SM2_PRIVATE_WASM: wasm("sm2private.wasm") },
    logLevel: "error",
  });
  const [file] = built.outputFiles;
  if (file === undefined) throw new Error("esbuild gave nothing");
  return file.text;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { mkdirSync, writeFileSync } = await import("node:fs");
  const out = path("../../dist/sdk");
  mkdirSync(out, { recursive: true });
  for (const entry of ["channel", "terminal"] as const) {
    const text = await bundleSdk(entry);
    writeFileSync(`${out}/${entry}.js`, text);
    process.stdout.write(`dist/sdk/${entry}.js  ${kib(text.length)}, ${kib(gzipSync(text).length)} compressed\n`);
  }
  const tsc = path("../../node_modules/typescript/bin/tsc");
  const ended = spawnSync(process.execPath, [tsc, "-p", path("./tsconfig.json")], { stdio: "inherit" });
  process.exitCode = ended.status ?? 1;
}

function kib(bytes: number): string {
  return `${(bytes / 1024).toFixed(1)} KiB`;
}
