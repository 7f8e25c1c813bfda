import { SM2_PUBLIC_KEY_BYTES, SM2_SCALAR_BYTES, SM2_SIGNATURE_BYTES } from "./curve.ts";
import { concat, fromHex } from "./text.ts";

const SEQUENCE = 0x30;
const INTEGER = 0x02;

function constant(hex: string): Uint8Array {
  const bytes = fromHex(hex);
  if (bytes === undefined) throw new Error("a DER constant is not hex");
  return bytes;
}

/** AlgorithmIdentifier { id-ecPublicKey, sm2p256v1 1.2.156.10197.1.301 } (GM/T 0006, RFC 5480 2.1.1). */
const SM2_ALGORITHM = "301306072a8648ce3d020106082a811ccf5501822d";
const SPKI_PREFIX = constant(`3059${SM2_ALGORITHM}034200`);
/** PrivateKeyInfo (RFC 5208) holding an ECPrivateKey (RFC 5915) with its public key. */
const PKCS8_PREFIX = constant(`308187020100${SM2_ALGORITHM}046d306b0201010420`);
const PKCS8_PUBLIC_KEY = constant("a144034200");

/** SubjectPublicKeyInfo of a 65-byte point. */
export function publicKeyToSpki(publicKey: Uint8Array): Uint8Array {
  if (publicKey.length !== SM2_PUBLIC_KEY_BYTES) throw new RangeError("an SM2 public key has 65 bytes");
  return concat(SPKI_PREFIX, publicKey);
}

/** PKCS#8 of a 32-byte private key and its point. */
export function privateKeyToPkcs8(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  if (privateKey.length !== SM2_SCALAR_BYTES) throw new RangeError("an SM2 private key has 32 bytes");
  if (publicKey.length !== SM2_PUBLIC_KEY_BYTES) throw new RangeError("an SM2 public key has 65 bytes");
  return concat(PKCS8_PREFIX, privateKey, PKCS8_PUBLIC_KEY, publicKey);
}

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
  if (raw.length !== SM2_SIGNATURE_BYTES) throw new RangeError("a raw SM2 signature has 64 bytes");
  const content = concat(derInteger(raw.subarray(0, 32)), derInteger(raw.subarray(32)));
  return concat(Uint8Array.of(SEQUENCE, content.length), content);
}

/** One minimal, non-negative INTEGER of at most 32 value bytes at `at`, left-padded to 32, and where it ends. */
function readInteger(der: Uint8Array, at: number): { readonly value: Uint8Array; readonly end: number } | undefined {
  const length = der[at + 1];
  if (der[at] !== INTEGER || length === undefined || length === 0 || length > SM2_SCALAR_BYTES + 1) return undefined;
  const start = at + 2;
  const end = start + length;
  if (end > der.length) return undefined;
  const first = der[start] ?? 0;
  if (first >= 0x80) return undefined;
  const padded = first === 0 && length > 1;
  if (padded && (der[start + 1] ?? 0) < 0x80) return undefined;
  const digits = der.subarray(padded ? start + 1 : start, end);
  if (digits.length > SM2_SCALAR_BYTES) return undefined;
  const value = new Uint8Array(SM2_SCALAR_BYTES);
  value.set(digits, SM2_SCALAR_BYTES - digits.length);
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
