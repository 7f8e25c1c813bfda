/**
 * The suite in the runtime that runs this file (Deno, Node, Bun), printed as one line of JSON. `loadCrypto` has no module passed in, so
 * this shows too that the runtime finds the file by itself.
 */
import { readFile } from "node:fs/promises";
import { loadCrypto } from "../index.ts";
import type { Sm2Vectors } from "../vectors/format.ts";
import { compileSm2PrivateFile, compileSm2VerifyFile } from "../wasm/module.ts";
import { runInRuntime, sm2Of } from "./portable-run.ts";

const vectors: Sm2Vectors = JSON.parse(await readFile(new URL("../vectors/sm2_verify.json", import.meta.url), "utf8"));
const result = await runInRuntime({ verify: await compileSm2VerifyFile(), withKeys: await compileSm2PrivateFile() }, vectors);
const { implementations } = await loadCrypto();
console.log(JSON.stringify({ ...result, implementations: sm2Of(implementations) }));
