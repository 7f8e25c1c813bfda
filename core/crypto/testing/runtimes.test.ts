/**
 * The suite of `sm2-suite.ts` in Deno, workerd and Chromium; in Node `../sm2-wasm.test.ts` runs the same functions, and more. A runtime that
 * is missing fails under CI.
 */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { chromium } from "playwright-core";
import { expect, it, type TestContext } from "vitest";
import type { Sm2Vectors } from "../vectors/format.ts";
import type { RuntimeResult } from "./portable-run.ts";

const run = promisify(execFile);
const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const wasm = readFileSync(path("../wasm/sm2verify.wasm"));
const vectorsText = readFileSync(path("../vectors/sm2_verify.json"), "utf8");
const vectors: Sm2Vectors = JSON.parse(vectorsText);
const TIMEOUT_MS = 120_000;

/** Three runs of the vectors, SM3 of 265 lengths whole and in two, and 2·70 signatures good and spoiled in ten ways. */
const CHECKS = 3 * vectors.numberOfTests + 2 * 265 + 2 * 70 * 11;

const WHOLE: RuntimeResult = { checks: CHECKS, failures: [], implementation: "WebAssembly" };

/** Leaves the test out with one line, except under CI, where every runtime must be there. */
function missing(what: string, context: TestContext): void {
  if (process.env["CI"] !== undefined) throw new Error(`${what} is missing`);
  context.skip(`${what} is missing: its run of the SM2 suite is left out`);
}

async function bundle(format: "esm" | "iife"): Promise<string> {
  const built = await build({
    entryPoints: [path("./portable-run.ts")],
    bundle: true,
    write: false,
    format,
    globalName: "suite",
    platform: "neutral",
    mainFields: ["module", "main"],
    external: ["node:*"],
    logLevel: "error",
  });
  const [file] = built.outputFiles;
  if (file === undefined) throw new Error("esbuild gave nothing");
  return file.text;
}

it("passes in Deno", { timeout: TIMEOUT_MS }, async (context) => {
  const deno = path("../../../node_modules/.bin/deno");
  if (!existsSync(deno)) return missing("Deno", context);
  const { stdout } = await run(deno, [
    "run",
    "--allow-read",
    "--allow-env",
    "--node-modules-dir=manual",
    "--no-lock",
    path("./run-here.ts"),
  ]);
  expect(JSON.parse(stdout)).toEqual(WHOLE);
});

it("passes in workerd, which takes the module as an import and no other way", { timeout: TIMEOUT_MS }, async () => {
  const worker = `
    import module from "./sm2verify.wasm";
    import { runInRuntime } from "./suite.mjs";
    export default {
      async fetch(request) {
        return Response.json(await runInRuntime(module, await request.json()));
      },
    };`;
  const miniflare = new Miniflare({
    compatibilityDate: "2026-01-01",
    modules: [
      { type: "ESModule", path: "worker.mjs", contents: worker },
      { type: "ESModule", path: "suite.mjs", contents: await bundle("esm") },
      { type: "CompiledWasm", path: "sm2verify.wasm", contents: wasm },
    ],
  });
  try {
    const response = await miniflare.dispatchFetch("http://localhost/", { method: "POST", body: vectorsText });
    expect(await response.json()).toEqual(WHOLE);
  } finally {
    await miniflare.dispose();
  }
});

it("passes in Chromium", { timeout: TIMEOUT_MS }, async (context) => {
  const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((file) => existsSync(file));
  if (executablePath === undefined) return missing("Chromium", context);
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    await page.addScriptTag({ content: await bundle("iife") });
    await page.addScriptTag({
      content: `window.runSuite = async (wasm, vectors) => {
        const module = await WebAssembly.compile(Uint8Array.from(atob(wasm), (char) => char.charCodeAt(0)));
        return suite.runInRuntime(module, JSON.parse(vectors));
      };`,
    });
    expect(await page.evaluate(`runSuite(${JSON.stringify(wasm.toString("base64"))}, ${JSON.stringify(vectorsText)})`)).toEqual(WHOLE);
  } finally {
    await browser.close();
  }
});
