/** SM2 signatures between their raw and DER forms (GM/T 0009 7.3). Strict both ways: each signature has one encoding. */
import { concat } from "./text.ts";

const SCALAR_BYTES = 32;
const SIGNATURE_BYTES = 64;
const SEQUENCE = 0x30;
const INTEGER = 0x02;

/** INTEGER of an unsigned big-endian number: no leading zeros, save the one that keeps it positive (X.690 8.3.2). */
function derInteger(unsigned: Uint8Array): Uint8Array {
  let from = 0;
  while (from < unsigned.length - 1 && unsigned[from] === 0) from += 1;
  const digits = unsigned.subarray(from);
  const sign = (digits[0] ?? 0) >= 0x80 ? [0] : [];
  return Uint8Array.of(INTEGER, sign.length + digits.length, ...sign, ...digits);
}

/** SEQUENCE { INTEGER r, INTEGER s } (GM/T 0009 7.3) of a raw 64-byte signature. */
export function signatureToDer(raw: Uint8Array): Uint8Array {
  if (raw.length !== SIGNATURE_BYTES) throw new RangeError("a raw SM2 signature has 64 bytes");
  const content = concat(derInteger(raw.subarray(0, 32)), derInteger(raw.subarray(32)));
  return concat(Uint8Array.of(SEQUENCE, content.length), content);
}

/** One minimal, non-negative INTEGER of at most 32 value bytes at `at`, left-padded to 32, and where it ends. */
function readInteger(der: Uint8Array, at: number): { readonly value: Uint8Array; readonly end: number } | undefined {
  const length = der[at + 1];
  if (der[at] !== INTEGER || length === undefined || length === 0 || length > SCALAR_BYTES + 1) return undefined;
  const start = at + 2;
  const end = start + length;
  if (end > der.length) return undefined;
  const first = der[start] ?? 0;
  if (first >= 0x80) return undefined;
  const padded = first === 0 && length > 1;
  if (padded && (der[start + 1] ?? 0) < 0x80) return undefined;
  const digits = der.subarray(padded ? start + 1 : start, end);
  if (digits.length > SCALAR_BYTES) return undefined;
  const value = new Uint8Array(SCALAR_BYTES);
  value.set(digits, SCALAR_BYTES - digits.length);
  return { value, end };
}

/** The raw form of a strictly DER signature; BER forms, negative or padded numbers and trailing bytes give `undefined`. */
export function signatureFromDer(der: Uint8Array): Uint8Array | undefined {
  if (der[0] !== SEQUENCE || der[1] !== der.length - 2) return undefined;
  const r = readInteger(der, 2);
  if (r === undefined) return undefined;
  const s = readInteger(der, r.end);
  if (s === undefined || s.end !== der.length) return undefined;
  return concat(r.value, s.value);
}
