/**
 * Builds `verify.html`: the verifier as one file that needs no server and no network, byte for byte the same each time
 * (the bundler's version is in the lock file). Its code stays readable: whoever wants to know what the page does can read it.
 *
 * node ledger/verifier/page/build.ts           writes it
 * node ledger/verifier/page/build.ts --check   fails when the committed file is not what the source gives
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { SHELL } from "./shell.ts";

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const OUTPUT = path("./verify.html");
const WASM = path("../../../core/crypto/wasm/sm2verify.wasm");

async function bundle(entry: string): Promise<string> {
  const built = await build({
    entryPoints: [path(entry)],
    bundle: true,
    write: false,
    format: "iife",
    platform: "browser",
    target: ["chrome100", "firefox110", "safari16"],
    charset: "utf8",
    legalComments: "none",
    external: ["node:*"],
    absWorkingDir: path("../../.."),
    logLevel: "error",
  });
  const [file] = built.outputFiles;
  if (file === undefined) throw new Error("esbuild gave nothing");
  return `\n${file.text}`;
}

const sha256 = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** The page that the source gives. */
export async function buildPage(): Promise<string> {
  const style = `\n${readFileSync(path("./style.css"), "utf8")}`;
  const wasm = `\n${readFileSync(WASM).toString("base64")}\n`;
  const worker = await bundle("./worker.ts");
  const main = await bundle("./main.ts");
  // Within a script nothing ends it but its end tag, unless a comment of HTML begins before.
  if (/<\/style/i.test(style) || [wasm, worker, main].some((text) => /<\/script|<!--/i.test(text)))
    throw new Error("a text would end its element before its time");
  const csp = [
    "default-src 'none'",
    `script-src ${sha256(main)} 'wasm-unsafe-eval'`,
    `style-src ${sha256(style)}`,
    "worker-src blob:",
    "connect-src 'none'",
    "form-action 'none'",
    "base-uri 'none'",
  ].join("; ");
  const texts = [csp, style, wasm, worker, main];
  return SHELL.map((piece, at) => piece + (texts[at] ?? "")).join("");
}

if (import.meta.main) {
  const page = await buildPage();
  if (!process.argv.includes("--check")) {
    writeFileSync(OUTPUT, page);
    process.stdout.write(`verify.html: ${Buffer.byteLength(page)} bytes\n`);
  } else if (page === readFileSync(OUTPUT, "utf8")) {
    process.stdout.write(`verify.html: ${Buffer.byteLength(page)} bytes, as its source gives them\n`);
  } else {
    process.stderr.write("verify.html is not what its source gives: run `node ledger/verifier/page/build.ts` and commit it\n");
    process.exitCode = 1;
  }
}
