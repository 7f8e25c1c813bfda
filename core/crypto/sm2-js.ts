import { kdf, sm2, sm3 } from "sm-crypto-v2";
import type { Candidate, Sm2Encrypt, Sm2Sign, Sm2Verify } from "./candidate.ts";
import { isPrivateKey, isPublicKey, toInteger } from "./curve.ts";
import { equal } from "./equal.ts";
import { partsOf } from "./sm2-ciphertext.ts";
import { concat, fromHex, toHex } from "./text.ts";

/** A table for a public key takes about as long as ten verifications without one. */
const PRECOMPUTE_AFTER_USES = 10;

function bytesOf(hex: string): Uint8Array {
  const bytes = fromHex(hex);
  if (bytes === undefined) throw new Error("sm-crypto-v2 gave text that is not hex");
  return bytes;
}

/** `hash: true` always: the library's default signs and verifies the bare message (the condition of CVE-2026-23965). */
export const jsSm2Sign: Sm2Sign = {
  prepare(privateKey, publicKey) {
    const d = toHex(privateKey);
    const point = toHex(publicKey);
    return (message, userId) => bytesOf(sm2.doSignature(message, d, { hash: true, der: false, publicKey: point, userId }));
  },
};

/** See {@link jsSm2Sign}. A key that is used again gets a table, which makes each further verification five times as fast. */
export const jsSm2Verify: Sm2Verify = {
  prepare(publicKey) {
    let uses = 0;
    let point: Parameters<typeof sm2.doVerifySignature>[2] = toHex(publicKey);
    return (message, signature, userId) => {
      uses += 1;
      if (uses > PRECOMPUTE_AFTER_USES && typeof point === "string") point = sm2.precomputePublicKey(point);
      return sm2.doVerifySignature(message, toHex(signature), point, { hash: true, der: false, userId });
    };
  },
};

const GENERATE_ATTEMPTS_MAX = 8;
const ENCRYPT_ATTEMPTS_MAX = 64;

function generateKeyPair(): { readonly privateKey: Uint8Array; readonly publicKey: Uint8Array } {
  for (let attempt = 0; attempt < GENERATE_ATTEMPTS_MAX; attempt += 1) {
    // Never an argument: with a seed the library reduces modulo 1, and the private key is always 1.
    const made = sm2.generateKeyPairHex();
    const privateKey = bytesOf(made.privateKey);
    const publicKey = bytesOf(made.publicKey);
    if (isPrivateKey(privateKey) && toInteger(privateKey) > 1n && isPublicKey(publicKey)) return { privateKey, publicKey };
  }
  throw new Error("SM2 key generation gave no sane key");
}

/** x2 ‖ y2 = [scalar]point, 64 bytes. The library checks once more that the point is on the curve. */
function sharedPoint(scalar: Uint8Array, point: Uint8Array): Uint8Array {
  return sm2.ecdh(toHex(scalar), toHex(point), false).subarray(1);
}

function xor(data: Uint8Array, mask: Uint8Array): Uint8Array {
  return data.map((byte, at) => byte ^ (mask[at] ?? 0));
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** C3 = SM3(x2 ‖ M ‖ y2). */
function authenticator(shared: Uint8Array, plaintext: Uint8Array): Uint8Array {
  return bytesOf(sm3(concat(shared.subarray(0, 32), plaintext, shared.subarray(32))));
}

/**
 * GB/T 32918.4 on the library's curve and key derivation. Its own `doEncrypt` lets an all-zero key stream through (step A5: one in 256
 * for a single byte, and the plaintext goes out in clear), and `doDecrypt` compares C3 as text; its ASN.1 form skips the curve check.
 */
export const jsSm2Encrypt: Sm2Encrypt = {
  generateKeyPair,
  publicKey: (privateKey) => bytesOf(sm2.getPublicKeyFromPrivateKey(toHex(privateKey))),
  encrypt(publicKey, plaintext, order) {
    for (let attempt = 0; attempt < ENCRYPT_ATTEMPTS_MAX; attempt += 1) {
      const ephemeral = generateKeyPair();
      const shared = sharedPoint(ephemeral.privateKey, publicKey);
      const stream = kdf(shared, plaintext.length);
      if (isZero(stream)) continue;
      const c2 = xor(plaintext, stream);
      const c3 = authenticator(shared, plaintext);
      return order === "C1C3C2" ? concat(ephemeral.publicKey, c3, c2) : concat(ephemeral.publicKey, c2, c3);
    }
    throw new Error("SM2 encryption met only all-zero key streams");
  },
  decrypt(privateKey, ciphertext, order) {
    const parts = partsOf(ciphertext, order);
    if (parts === undefined) return undefined;
    const { c1, c2, c3 } = parts;
    const shared = sharedPoint(privateKey, c1);
    const stream = kdf(shared, c2.length);
    const plaintext = xor(c2, stream);
    const genuine = equal(authenticator(shared, plaintext), c3);
    return genuine && !isZero(stream) ? plaintext : undefined;
  },
};

export const jsSm2SignCandidate: Candidate<Sm2Sign> = { name: "sm-crypto-v2", available: async () => jsSm2Sign };
export const jsSm2VerifyCandidate: Candidate<Sm2Verify> = { name: "sm-crypto-v2", available: async () => jsSm2Verify };
export const jsSm2EncryptCandidate: Candidate<Sm2Encrypt> = { name: "sm-crypto-v2", available: async () => jsSm2Encrypt };
