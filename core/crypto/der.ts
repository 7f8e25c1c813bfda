import { SM2_PUBLIC_KEY_BYTES, SM2_SCALAR_BYTES } from "./curve.ts";
import { concat, fromHex } from "./text.ts";

function constant(hex: string): Uint8Array {
  const bytes = fromHex(hex);
  if (bytes === undefined) throw new Error("a DER constant is not hex");
  return bytes;
}

/** AlgorithmIdentifier { id-ecPublicKey, sm2p256v1 1.2.156.10197.1.301 } (GM/T 0006, RFC 5480 2.1.1). */
const SM2_ALGORITHM = "301306072a8648ce3d020106082a811ccf5501822d";
const SPKI_PREFIX = constant(`3059${SM2_ALGORITHM}034200`);
const SPKI_COMPRESSED_PREFIX = constant(`3039${SM2_ALGORITHM}032200`);
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

/** The point in a SubjectPublicKeyInfo of this curve, as it stands there: 65 bytes, or 33 compressed. */
export function spkiToPoint(spki: Uint8Array): Uint8Array | undefined {
  for (const [prefix, bytes] of [
    [SPKI_PREFIX, SM2_PUBLIC_KEY_BYTES],
    [SPKI_COMPRESSED_PREFIX, 1 + SM2_SCALAR_BYTES],
  ] as const)
    if (spki.length === prefix.length + bytes && prefix.every((byte, at) => spki[at] === byte)) return spki.slice(prefix.length);
  return undefined;
}
