import type { Sm2CipherOrder, Sm2KeyPair, Sm3Stream } from "./port.ts";

/** SM3 and HMAC-SM3 (GB/T 32905, RFC 2104). */
export interface Sm3 {
  hash(parts: readonly Uint8Array[]): Uint8Array;
  stream(): Sm3Stream;
  hmac(key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array;
}

/** SM4 over whole blocks (GB/T 32907, GB/T 17964); padding is {@link file://./padding.ts}'s. Callers check the lengths. */
export interface Sm4 {
  ecbEncrypt(key: Uint8Array, blocks: Uint8Array): Uint8Array;
  ecbDecrypt(key: Uint8Array, blocks: Uint8Array): Uint8Array;
  cbcEncrypt(key: Uint8Array, iv: Uint8Array, blocks: Uint8Array): Uint8Array;
  cbcDecrypt(key: Uint8Array, iv: Uint8Array, blocks: Uint8Array): Uint8Array;
}

/** SM2 signing (GB/T 32918.2) in two steps, so that what depends on the key alone is done once and cached. */
export interface Sm2Sign {
  /** `publicKey` is the point of `privateKey`; ZA needs it. */
  prepare(privateKey: Uint8Array, publicKey: Uint8Array): (message: Uint8Array, userId: string) => Uint8Array;
}

/**
 * SM2 verification (GB/T 32918.2) in two steps. The caller has checked that the key is a point of the curve, that the
 * signature has 64 bytes with 1 ≤ r,s < n and r+s ≢ 0, and that the user id is well formed and short enough.
 */
export interface Sm2Verify {
  prepare(publicKey: Uint8Array): (message: Uint8Array, signature: Uint8Array, userId: string) => boolean;
}

/** SM2 key pairs and public-key encryption (GB/T 32918.4). Callers check keys and points. */
export interface Sm2Encrypt {
  generateKeyPair(): Sm2KeyPair;
  publicKey(privateKey: Uint8Array): Uint8Array;
  encrypt(publicKey: Uint8Array, plaintext: Uint8Array, order: Sm2CipherOrder): Uint8Array;
  decrypt(privateKey: Uint8Array, ciphertext: Uint8Array, order: Sm2CipherOrder): Uint8Array | undefined;
}

/** One implementation that may serve a family. The first in the list that is available and gives the known answers is used. */
export interface Candidate<T> {
  /** Shown by `ronghe config`. */
  readonly name: string;
  /** The implementation, or `undefined` where this runtime cannot offer it. A throw counts as unavailable. */
  available(): Promise<T | undefined>;
}

/** The ordered candidates of each family. */
export interface CryptoCandidates {
  readonly sm3: readonly Candidate<Sm3>[];
  readonly sm4: readonly Candidate<Sm4>[];
  readonly sm2Sign: readonly Candidate<Sm2Sign>[];
  readonly sm2Verify: readonly Candidate<Sm2Verify>[];
  readonly sm2Encrypt: readonly Candidate<Sm2Encrypt>[];
}
