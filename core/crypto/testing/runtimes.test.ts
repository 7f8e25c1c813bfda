/**
 * The suites of `sm2-suite.ts` and `sm2-private-suite.ts` in Deno, workerd and Chromium; in Node `../sm2-wasm.test.ts` and
 * `../sm2-private.test.ts` run the same functions, and more. A runtime that
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
import { PRIVATE_CHECKS } from "./sm2-private-suite.ts";

const run = promisify(execFile);
const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const wasm = { verify: readFileSync(path("../wasm/sm2verify.wasm")), withKeys: readFileSync(path("../wasm/sm2private.wasm")) };
const vectorsText = readFileSync(path("../vectors/sm2_verify.json"), "utf8");
const vectors: Sm2Vectors = JSON.parse(vectorsText);

/**
 * Three runs of the vectors, SM3 of 265 lengths whole and in two, and 2·70 signatures good and spoiled in ten ways; then the checks of
 * private keys.
 */
const CHECKS = 3 * vectors.numberOfTests + 2 * 265 + 2 * 70 * 11 + PRIVATE_CHECKS;

const WHOLE: RuntimeResult = { checks: CHECKS, failures: [], implementations: ["WebAssembly", "WebAssembly", "WebAssembly"] };

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

it("passes in Deno", async (context) => {
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

it("passes in workerd, which takes the module as an import and no other way", async () => {
  const worker = `
    import verify from "./sm2verify.wasm";
    import withKeys from "./sm2private.wasm";
    import { runInRuntime } from "./suite.mjs";
    export default {
      async fetch(request) {
        return Response.json(await runInRuntime({ verify, withKeys }, await request.json()));
      },
    };`;
  const miniflare = new Miniflare({
    compatibilityDate: "2026-01-01",
    modules: [
      { type: "ESModule", path: "worker.mjs", contents: worker },
      { type: "ESModule", path: "suite.mjs", contents: await bundle("esm") },
      { type: "CompiledWasm", path: "sm2verify.wasm", contents: wasm.verify },
      { type: "CompiledWasm", path: "sm2private.wasm", contents: wasm.withKeys },
    ],
  });
  try {
    const response = await miniflare.dispatchFetch("http://localhost/", { method: "POST", body: vectorsText });
    expect(await response.json()).toEqual(WHOLE);
  } finally {
    await miniflare.dispose();
  }
});

it("passes in Chromium", async (context) => {
  const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((file) => existsSync(file));
  if (executablePath === undefined) return missing("Chromium", context);
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(0);
    await page.addScriptTag({ content: await bundle("iife") });
    await page.addScriptTag({
      content: `window.runSuite = async (verify, withKeys, vectors) => {
        const compile = (text) => WebAssembly.compile(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)));
        return suite.runInRuntime({ verify: await compile(verify), withKeys: await compile(withKeys) }, JSON.parse(vectors));
      };`,
    });
    const given = [wasm.verify.toString("base64"), wasm.withKeys.toString("base64"), vectorsText].map((text) => JSON.stringify(text));
    expect(await page.evaluate(`runSuite(${given.join(", ")})`)).toEqual(WHOLE);
  } finally {
    await browser.close();
  }
});
