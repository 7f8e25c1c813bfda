/** `node edge/generate.ts`: writes docs/generated/openapi.json and the table of refusals in docs/api.md. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { openApiDocument } from "./app/openapi.ts";
import { refusalTable } from "./refusals.ts";

const OPENAPI = new URL("../docs/generated/openapi.json", import.meta.url);
const API = new URL("../docs/api.md", import.meta.url);
const TABLE = /(<!-- refusals: [^\n]*-->\n)[\s\S]*?(<!-- \/refusals -->)/;

/** The text of the committed OpenAPI document. */
export function openApiText(): string {
  return `${JSON.stringify(openApiDocument(), undefined, 2)}\n`;
}

/** docs/api.md with the table as it ought to be. */
export function withRefusalTable(page: string): string {
  return page.replace(TABLE, (_all, open: string, close: string) => `${open}${refusalTable()}\n${close}`);
}

if (import.meta.main) {
  await mkdir(new URL(".", OPENAPI), { recursive: true });
  await writeFile(OPENAPI, openApiText());
  await writeFile(API, withRefusalTable(await readFile(API, "utf8")));
}
