/**
 * The suite in the runtime that runs this file (Deno, Node, Bun), printed as one line of JSON. `loadCrypto` has no module passed in, so
 * this shows too that the runtime finds the file by itself.
 */
import { readFile } from "node:fs/promises";
import { loadCrypto } from "../index.ts";
import type { Sm2Vectors } from "../vectors/format.ts";
import { compileSm2VerifyFile } from "../wasm/module.ts";
import { runInRuntime } from "./portable-run.ts";

const vectors: Sm2Vectors = JSON.parse(await readFile(new URL("../vectors/sm2_verify.json", import.meta.url), "utf8"));
const result = await runInRuntime(await compileSm2VerifyFile(), vectors);
const { implementations } = await loadCrypto();
console.log(JSON.stringify({ ...result, implementation: implementations.sm2Verify }));
