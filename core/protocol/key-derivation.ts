/**
 * The SM4 key of an S3 envelope and its `encData` (domain notes 1.3). The key is at most 64 bits strong (16 characters
 * of hex): a legacy of the wire format, never a key for storage.
 */
import type { Crypto } from "../crypto/port.ts";
import { fromHex, toBase64, toUpperHex, utf8, utf8Text } from "./bytes.ts";
import { type PartnerDialect, settingsOf } from "./dialects.ts";
import { isJsonObject, parseStrictJson, type JsonLimits, type JsonObject } from "./json.ts";
import { canonicalData } from "./sign-text.ts";

export interface DataKeyInput {
  readonly appId: string;
  readonly appSecret: string;
  readonly dialect: PartnerDialect;
}

/** Characters of appId, and of the wrapped secret's text, that serve as an SM4 key. */
const KEY_CHARACTERS = 16;

/**
 * k1 = the first 16 characters of appId; e1 = SM4-ECB-PKCS7(k1, appSecret); the key is the first 16 characters of
 * e1's text, as ASCII. Costs a few SM4 blocks: derive once per partner and keep it as `PartnerProfile.dataKey`.
 * A `RangeError` for an appId of fewer than 16 ASCII characters or an empty secret: a registration mistake.
 */
export function deriveDataKey(crypto: Crypto, partner: DataKeyInput): Uint8Array {
  if (!/^[\x21-\x7e]{16}/.test(partner.appId)) throw new RangeError("appId needs 16 ASCII characters to derive an SM4 key");
  if (partner.appSecret === "") throw new RangeError("appSecret is empty");
  const wrapped = crypto.sm4EcbEncrypt(utf8(partner.appId.slice(0, KEY_CHARACTERS)), utf8(partner.appSecret), "pkcs7");
  const text = settingsOf(partner.dialect).dataKey === "hex" ? toUpperHex(wrapped) : toBase64(wrapped).replaceAll("=", "");
  return utf8(text.slice(0, KEY_CHARACTERS));
}

/** `encData`: upper hex of SM4-ECB-PKCS7 over the JSON text of `data`. */
export function encryptData(crypto: Crypto, key: Uint8Array, json: string): string {
  return toUpperHex(crypto.sm4EcbEncrypt(key, utf8(json), "pkcs7"));
}

/**
 * Opens `encData` in either hex case. One answer for every defect (hex, length, padding, UTF-8, JSON, not an
 * object), so that nobody can ask which it was.
 */
export function decryptData(crypto: Crypto, key: Uint8Array, encData: string, limits?: JsonLimits): JsonObject | undefined {
  const ciphertext = fromHex(encData);
  if (ciphertext === undefined || ciphertext.length === 0 || ciphertext.length % 16 !== 0) return undefined;
  const plaintext = crypto.sm4EcbDecrypt(key, ciphertext, "pkcs7");
  const text = plaintext === undefined ? undefined : utf8Text(plaintext);
  if (text === undefined) return undefined;
  const value = parseStrictJson(text, limits);
  return value.ok && isJsonObject(value.value) ? value.value : undefined;
}

/** The text under SM4 in the partner's own manner (domain notes 1.4, row "encData plaintext"). */
export function dataPlaintext(data: JsonObject, source: object, dialect: PartnerDialect): string {
  switch (settingsOf(dialect).plaintext) {
    case "raw":
      return JSON.stringify(source);
    case "rawAscii":
      return asciiJson(JSON.stringify(source));
    case "canonical":
      return canonicalData(data, dialect) ?? JSON.stringify(source);
  }
}

/** Non-ASCII characters of a JSON text as `\uXXXX`. */
export function asciiJson(json: string): string {
  return json.replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
