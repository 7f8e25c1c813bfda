/** `node edge/generate.ts`: writes docs/generated/openapi.json, and the worked example and the refusals in docs/api.md. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { EXAMPLE_PARTNER, EXAMPLE_REQUEST, EXAMPLE_STEPS } from "./app/examples.ts";
import { openApiDocument } from "./app/openapi.ts";
import { refusalTable } from "./refusals.ts";

const OPENAPI = new URL("../docs/generated/openapi.json", import.meta.url);
const API = new URL("../docs/api.md", import.meta.url);
const EXAMPLE = /(<!-- example: [^\n]*-->\n)[\s\S]*?(<!-- \/example -->)/;
const TABLE = /(<!-- refusals: [^\n]*-->\n)[\s\S]*?(<!-- \/refusals -->)/;

/** The text of the committed OpenAPI document. */
export function openApiText(): string {
  return `${JSON.stringify(openApiDocument(), undefined, 2)}\n`;
}

/** docs/api.md with its generated parts as they ought to be. */
export function withGeneratedParts(page: string): string {
  return page
    .replace(TABLE, (_all, open: string, close: string) => `${open}${refusalTable()}\n${close}`)
    .replace(EXAMPLE, (_all, open: string, close: string) => `${open}${workedExample()}\n${close}`);
}

/** Every value on the way from a request to its signature and its ciphertext; tests make each of them anew. */
function workedExample(): string {
  const facts = {
    appId: EXAMPLE_PARTNER.appId,
    appSecret: EXAMPLE_PARTNER.appSecret,
    "SM2 private key (GM/T 0003.5's example)": EXAMPLE_PARTNER.privateKey,
    "SM2 public key": EXAMPLE_PARTNER.publicKey,
    "user id": "1234567812345678",
    ZA: EXAMPLE_STEPS.za,
    "e = SM3(ZA ‖ sign text)": EXAMPLE_STEPS.digest,
    "signData, signType SM2 (yours differs: the signature is random)": EXAMPLE_REQUEST.signData,
    "signData if signType were SM3 (over this same text)": EXAMPLE_STEPS.sm3OfSignText,
    "e1 = SM4-ECB-PKCS7(first 16 characters of appId, appSecret)": EXAMPLE_STEPS.wrappedSecret,
    "k2, the SM4 key, as ASCII": EXAMPLE_STEPS.dataKey,
    encData: EXAMPLE_STEPS.encData,
  };
  const rows = Object.entries(facts).map(([name, value]) => `| ${name} | \`${value}\` |`);
  const { data, ...envelope } = EXAMPLE_REQUEST;
  return [
    "The request:",
    "```json",
    JSON.stringify({ ...envelope, data }, undefined, 2),
    "```",
    "Its sign text, one line:",
    "```text",
    EXAMPLE_STEPS.signText,
    "```",
    "| step | value |",
    "|---|---|",
    ...rows,
  ].join("\n");
}

if (import.meta.main) {
  await mkdir(new URL(".", OPENAPI), { recursive: true });
  await writeFile(OPENAPI, openApiText());
  await writeFile(API, withGeneratedParts(await readFile(API, "utf8")));
}
