/**
 * `node core/envelope-vectors/generate.ts`: writes envelope.json. SM2 signatures are random, so one that still verifies
 * over the same text is kept: the file changes only where a vector does.
 */
import { readFile, writeFile } from "node:fs/promises";
import { zaInput } from "../crypto/curve.ts";
import { loadCrypto } from "../crypto/index.ts";
import type { Crypto } from "../crypto/port.ts";
import { concatBytes, fromHex, toUpperHex, utf8, utf8Text } from "../protocol/bytes.ts";
import { type DialectSettings, dialectOf, type PartnerDialect, settingsOf } from "../protocol/dialects.ts";
import { isJsonObject, parseStrictJson, type JsonObject } from "../protocol/json.ts";
import { asciiJson, dataPlaintext, deriveDataKey, encryptData } from "../protocol/key-derivation.ts";
import { keyedDigest, sm2SignData, verifySm2SignData } from "../protocol/partner.ts";
import { signText } from "../protocol/sign-text.ts";
import type { EnvelopeSteps, EnvelopeVector, EnvelopeVectors } from "./format.ts";

const FILE = new URL("envelope.json", import.meta.url);
const KEYS = {
  privateKey: "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8",
  publicKey:
    "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13",
  appId: "1A2B3C4D5E6F70819293A4B5C6D7E8F9",
  appSecret: "0F1E2D3C4B5A69788796A5B4C3D2E1F0",
} as const;
/** A leaf of every kind, in an order that no dialect signs in. */
const MIXED = `{"outTradeNo":"S20261121-0001","Amount":128.50,"amount":"128.50","urgent":true,"none":null,"empty":"","list":[],"object":{},"hollow":{"x":""},"nested":{"b":1E2,"A":"乙","a":"甲"},"lines":[{"q":2,"n":"对乙酰氨基酚片"},"",null,{}],"rare":"𠮷"}`;
const FLAT = `{"orgId":"H51010000001","outTradeNo":"S20261121-0001","amount":"128.50","operatorName":"李敏"}`;

interface Case {
  readonly comment: string;
  readonly signType?: "SM2" | "SM3";
  readonly dialect?: PartnerDialect;
  readonly data: string;
  readonly timestamp?: string;
  /** Makes it invalid: done to the finished texts, or signed otherwise than agreed. */
  readonly spoil?: (text: string) => string;
  readonly signedAs?: PartnerDialect;
}

const changed = (changes: Partial<DialectSettings>): PartnerDialect => dialectOf({ ...settingsOf("standard"), ...changes });

const CASES: readonly Case[] = [
  { comment: "the common case: flat data, every leaf a string; all dialects sign this text", data: FLAT },
  { comment: "keyed digest instead of a signature; timestamp in milliseconds", signType: "SM3", data: FLAT, timestamp: "1795224600000" },
  { comment: "timestamp as a JSON number: its digits are signed", data: FLAT, timestamp: "#20261121093000" },
  {
    comment: "standard: numbers and booleans quoted, empties dropped, {} kept, keys by code unit",
    data: MIXED.replace('"Amount":128.50,', ""),
  },
  { comment: "nhsa-web: keys of objects inside objects stay in their order, \\u escapes under encData", dialect: "nhsa-web", data: MIXED },
  {
    comment: "vendor-java: keys without case",
    dialect: "vendor-java",
    data: MIXED.replace('"Amount":128.50,', "").replace('"A":"乙",', ""),
  },
  { comment: "keep-numbers: numbers keep their characters (128.50, 1E2), {} dropped", dialect: "keep-numbers", data: MIXED },
  { comment: "cryptotool: empty strings kept, signature in DER, key from Base64", dialect: "cryptotool", data: MIXED },
  {
    comment: "agreed one by one: DER signature and a user id of one's own",
    dialect: changed({ signatureForm: "der", userId: "H51010000001" }),
    data: FLAT,
  },
  { comment: "one digit of data changed after signing", data: FLAT, spoil: (text) => text.replace('"128.50"', '"128.51"') },
  { comment: "raw r‖s where DER was agreed", dialect: changed({ signatureForm: "der" }), signedAs: "standard", data: FLAT },
  { comment: "DER where raw r‖s was agreed", signedAs: changed({ signatureForm: "der" }), data: FLAT },
  { comment: "another user id than agreed", signedAs: changed({ userId: "H51010000001" }), data: FLAT },
  { comment: "numbers signed as numbers where quoting was agreed", signedAs: "keep-numbers", data: `{"amount":128.50}` },
  { comment: "digest in lower case", signType: "SM3", data: FLAT, timestamp: "1795224600000", spoil: lowerDigest },
];

function lowerDigest(text: string): string {
  return text.replace(/"signData":"([0-9A-F]{64})"/, (_all, digest: string) => `"signData":"${digest.toLowerCase()}"`);
}

/** The text of envelope.json, given what stands there now. */
export async function vectorsText(crypto: Crypto, present: EnvelopeVectors | undefined): Promise<string> {
  const tests: EnvelopeVector[] = [];
  for (const [at, one] of CASES.entries()) tests.push(await vectorOf(crypto, one, at + 1, present?.tests[at]));
  const vectors: EnvelopeVectors = {
    about: "Vectors of the S3 A.2 envelope; see README.md. Test keys: they protect nothing.",
    ...KEYS,
    tests,
  };
  return `${JSON.stringify(vectors, undefined, 2)}\n`;
}

async function vectorOf(crypto: Crypto, one: Case, tcId: number, present: EnvelopeVector | undefined): Promise<EnvelopeVector> {
  const { comment, signType = "SM2", dialect = "standard", signedAs = dialect, spoil = (text: string) => text } = one;
  const { timestamp = "20261121093000" } = one;
  const [written, digits] = timestamp.startsWith("#") ? [timestamp.slice(1), timestamp.slice(1)] : [`"${timestamp}"`, timestamp];
  const data = objectOf(one.data);
  const fields = { orgId: "H51010000001", version: "1.0.0", encType: "SM4", transType: "rh.settle", signType };
  const message = { ...fields, timestamp: digits, data };
  const text = textOf(signText(message, signedAs, KEYS.appSecret));
  const signData = signType === "SM3" ? keyedDigest(crypto, text) : await signatureOver(crypto, text, signedAs, present);
  const head = `${JSON.stringify({ ...fields, signData }).slice(0, -1)},"timestamp":${written}`;
  const dataKey = deriveDataKey(crypto, { ...KEYS, dialect });
  const plaintext = plaintextOf(one.data, data, dialect);
  const envelopes = {
    clear: spoil(`${head},"data":${one.data}}`),
    encrypted: spoil(`${head},"encData":"${encryptData(crypto, dataKey, spoil(plaintext))}"}`),
  };
  const agreed = textOf(signText(message, dialect, KEYS.appSecret));
  const za = crypto.sm3(zaInput(bytesOf(KEYS.publicKey), settingsOf(dialect).userId));
  const steps: EnvelopeSteps = {
    signText: agreed,
    ...(signType === "SM2" ? { za: toUpperHex(za) } : {}),
    digest: toUpperHex(crypto.sm3(signType === "SM2" ? concatBytes(za, utf8(agreed)) : utf8(agreed))),
    wrappedSecret: toUpperHex(crypto.sm4EcbEncrypt(utf8(KEYS.appId.slice(0, 16)), utf8(KEYS.appSecret), "pkcs7")),
    dataKey: textOf(utf8Text(dataKey)),
    plaintext,
  };
  const isSpoiled = one.spoil !== undefined || one.signedAs !== undefined;
  return { tcId, comment, signType, dialect: settingsOf(dialect), ...envelopes, steps, result: isSpoiled ? "invalid" : "valid" };
}

/** As `dataPlaintext`, but with numbers as the case writes them. */
function plaintextOf(written: string, data: JsonObject, dialect: PartnerDialect): string {
  switch (settingsOf(dialect).plaintext) {
    case "raw":
      return written;
    case "rawAscii":
      return asciiJson(written);
    case "canonical":
      return dataPlaintext(data, {}, dialect);
  }
}

async function signatureOver(crypto: Crypto, text: string, dialect: PartnerDialect, present: EnvelopeVector | undefined): Promise<string> {
  const partner = { ...KEYS, dialect, signType: "SM2", encryption: "optional", publicKeys: [bytesOf(KEYS.publicKey)] } as const;
  const kept = /"signData":"([^"]+)"/.exec(present?.clear ?? "")?.[1];
  if (kept !== undefined && verifySm2SignData(crypto, partner, text, kept)) return kept;
  return await sm2SignData(text, dialect, (message, userId) => crypto.sm2Sign(bytesOf(KEYS.privateKey), message, userId));
}

function objectOf(json: string): JsonObject {
  const parsed = parseStrictJson(json);
  if (!parsed.ok || !isJsonObject(parsed.value)) throw new Error("a vector's data is a JSON object");
  return parsed.value;
}

function bytesOf(hex: string): Uint8Array {
  const bytes = fromHex(hex);
  if (bytes === undefined) throw new Error("not hex");
  return bytes;
}

function textOf(text: string | undefined): string {
  if (text === undefined) throw new Error("a vector's data has two keys that this dialect cannot tell apart");
  return text;
}

export async function presentVectors(): Promise<EnvelopeVectors | undefined> {
  const text = await readFile(FILE, "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as EnvelopeVectors);
}

if (import.meta.main) await writeFile(FILE, await vectorsText(await loadCrypto(), await presentVectors()));
