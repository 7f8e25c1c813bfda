/** `node streams/contracts/generate.ts`: writes `docs/generated/asyncapi.json` and `docs/generated/schemas/*.json`. */
import { mkdir, writeFile } from "node:fs/promises";
import { contractDocuments } from "./documents.ts";

const out = new URL("../../docs/generated/", import.meta.url);
await mkdir(new URL("schemas/", out), { recursive: true });
for (const [path, text] of contractDocuments()) await writeFile(new URL(path, out), text);
