/**
 * SM2 keys as people and other systems write them, read into the one form that is stored and compared. Whatever enters
 * goes through here: two spellings of one key are one key, so that a key retired in one is retired in all.
 */
import { decompressed, isPrivateKey, isPublicKey, SM2_PUBLIC_KEY_BYTES, SM2_SCALAR_BYTES } from "./curve.ts";
import { spkiToPoint } from "./der.ts";
import { concat, fromBase64, fromHex, toHex, utf8Text } from "./text.ts";

/** For whoever gave something else. */
export const PUBLIC_KEY_FORMS =
  "an SM2 public key is 04‖x‖y or x‖y (130 or 128 hex digits), 02‖x or 03‖x (66 hex digits), the Base64 of any of these, or SubjectPublicKeyInfo as PEM, DER, hex or Base64";
export const PRIVATE_KEY_FORMS =
  "an SM2 private key is 32 bytes in hex or Base64, one zero byte before them allowed, and lies between 1 and n-2";

/** More than any form of a key. */
const TEXT_CHARACTERS_MAX = 1_024;
const PEM = /^-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----$/;

/** A public key in any of its forms as 04‖x‖y; `undefined` for what is no point of the curve. */
export function readPublicKey(given: string | Uint8Array): Uint8Array | undefined {
  return firstOf(given, pointOf);
}

/** The same in the form that is stored: 130 lower-case hex digits. */
export function canonicalPublicKey(given: string | Uint8Array): string | undefined {
  const point = readPublicKey(given);
  return point === undefined ? undefined : toHex(point);
}

/** d, 32 bytes. Java's BigInteger writes a zero byte before a first bit that is set: exactly that one is taken off. */
export function readPrivateKey(given: string): Uint8Array | undefined {
  return firstOf(given, (bytes) => {
    const d = bytes.length === SM2_SCALAR_BYTES + 1 && bytes[0] === 0 ? bytes.slice(1) : bytes;
    return isPrivateKey(d) ? d : undefined;
  });
}

/** Bytes as they are, or as the text in them says; the first reading that is a key. */
function firstOf(given: string | Uint8Array, keyOf: (bytes: Uint8Array) => Uint8Array | undefined): Uint8Array | undefined {
  const key = typeof given === "string" ? undefined : keyOf(given);
  const text = typeof given === "string" ? given : utf8Text(given);
  if (key !== undefined || text === undefined || text.length > TEXT_CHARACTERS_MAX) return key;
  const body = (PEM.exec(text.trim())?.[1] ?? text).replaceAll(/\s/g, "");
  for (const bytes of [fromHex(body), fromBase64(body)]) {
    const read = bytes === undefined ? undefined : keyOf(bytes);
    if (read !== undefined) return read;
  }
  return undefined;
}

function pointOf(bytes: Uint8Array): Uint8Array | undefined {
  const point = spkiToPoint(bytes) ?? bytes;
  if (point.length === SM2_SCALAR_BYTES + 1) return decompressed(point);
  const whole = point.length === SM2_PUBLIC_KEY_BYTES - 1 ? concat(Uint8Array.of(4), point) : point;
  return isPublicKey(whole) ? whole : undefined;
}
