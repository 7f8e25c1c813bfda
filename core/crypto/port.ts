/**
 * The one port through which Ronghe uses national cryptography (GB/T 32905 SM3, 32907 SM4, 32918 SM2).
 *
 * Every value is bytes. An expected failure (bad signature, bad padding, bad MAC) is a value, never an
 * exception; exceptions mean a caller's bug such as a key of the wrong length.
 */
export interface Crypto {
  /** Which implementation was chosen for each family; printed by `ronghe config`. */
  readonly implementations: Readonly<Record<"sm3" | "sm4" | "sm2Sign" | "sm2Verify" | "sm2Encrypt", string>>;

  /** SM3 digest of the concatenation of `parts`, 32 bytes. */
  sm3(...parts: readonly Uint8Array[]): Uint8Array;
  /**
   * SM3(prefix ‖ message) of many messages that stand in one buffer, several times as fast as one call each; absent where
   * the runtime has no such implementation.
   */
  readonly sm3Many?: Sm3Many;
  /** A running SM3, for input that arrives in pieces. */
  sm3Stream(): Sm3Stream;
  /** HMAC-SM3 over the concatenation of `parts`, 32 bytes. */
  hmacSm3(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array;

  /** SM4-ECB; only for the wire formats that force it. `none` requires a multiple of 16 bytes. */
  sm4EcbEncrypt(key: Uint8Array, plaintext: Uint8Array, padding: Sm4Padding): Uint8Array;
  /** `undefined` when the length or the padding is wrong (one answer for both: no oracle). */
  sm4EcbDecrypt(key: Uint8Array, ciphertext: Uint8Array, padding: Sm4Padding): Uint8Array | undefined;

  /**
   * Authenticated encryption for storage: SM4-CBC, then HMAC-SM3 over version, aad, IV and ciphertext.
   * `key` has 32 bytes or more; encryption and MAC keys are derived from it with HKDF-SM3.
   */
  seal(key: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array;
  /** `undefined` when anything at all is wrong. */
  open(key: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined;

  sm2GenerateKeyPair(): Sm2KeyPair;
  /** The public point of a private key; throws a `RangeError` unless 1 ≤ d ≤ n-2. */
  sm2PublicKey(privateKey: Uint8Array): Uint8Array;
  /** `true` for 65 bytes beginning 04 that are a point of the curve. */
  sm2IsPublicKey(publicKey: Uint8Array): boolean;
  /** Raw r‖s, 64 bytes, SM3 with ZA under `userId` (default {@link SM2_DEFAULT_USER_ID}). */
  sm2Sign(privateKey: Uint8Array, message: Uint8Array, userId?: string): Uint8Array;
  /** Strict: 64 bytes, 1 ≤ r,s < n, r+s ≢ 0 mod n, key on the curve. Never throws on input from outside. */
  sm2Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array, userId?: string): boolean;
  /** Ciphertext is 04‖C1‖C3‖C2 (current standard) unless `order` says the legacy C1C2C3. */
  sm2Encrypt(publicKey: Uint8Array, plaintext: Uint8Array, order?: Sm2CipherOrder): Uint8Array;
  /** `undefined` when the point, the MAC or the length is wrong. */
  sm2Decrypt(privateKey: Uint8Array, ciphertext: Uint8Array, order?: Sm2CipherOrder): Uint8Array | undefined;

  /** Bytes from the runtime's CSPRNG. */
  random(length: number): Uint8Array;
  /** Constant-time comparison; different lengths are unequal. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
}

/** Message n is `bytes` from `bounds[2n]` up to `bounds[2n + 1]`; gives 32 bytes after 32 bytes. `prefix` is one byte. */
export type Sm3Many = (prefix: number, bytes: Uint8Array, bounds: Uint32Array) => Uint8Array;

export interface Sm3Stream {
  update(data: Uint8Array): Sm3Stream;
  /** Ends the stream; a second call is a bug. */
  digest(): Uint8Array;
}

export type Sm4Padding = "pkcs7" | "none";
export type Sm2CipherOrder = "C1C3C2" | "C1C2C3";

export interface Sm2KeyPair {
  /** d, 32 bytes. */
  readonly privateKey: Uint8Array;
  /** 04‖x‖y, 65 bytes. */
  readonly publicKey: Uint8Array;
}

/** The customary user id of GM/T 0009; interoperating parties use it unless a partner setting says otherwise. */
export const SM2_DEFAULT_USER_ID = "1234567812345678";

/**
 * Keys by handle, in the manner of an SDF device (GM/T 0018): no caller ever sees a raw private or secret key.
 * Handles are `<purpose>/<version>`, for example `ledger.sign/1`; a missing handle throws {@link UnknownKeyError}.
 */
export interface KeyStore {
  /** Makes a key under `handle` when there is none yet; an existing key is kept and `false` returned. */
  ensure(handle: string, kind: KeyKind): Promise<boolean>;
  list(): Promise<readonly KeyInfo[]>;
  /** Public key of an SM2 handle, 65 bytes. */
  publicKey(handle: string): Promise<Uint8Array>;
  sm2Sign(handle: string, message: Uint8Array, userId?: string): Promise<Uint8Array>;
  sm2Decrypt(handle: string, ciphertext: Uint8Array): Promise<Uint8Array | undefined>;
  hmacSm3(handle: string, ...parts: readonly Uint8Array[]): Promise<Uint8Array>;
  seal(handle: string, plaintext: Uint8Array, aad: Uint8Array): Promise<Uint8Array>;
  open(handle: string, sealed: Uint8Array, aad: Uint8Array): Promise<Uint8Array | undefined>;
  /** Whole blocks, no padding: the EHC derivations of S1 5.3 (security key, protection key). */
  sm4EncryptBlocks(handle: string, blocks: Uint8Array): Promise<Uint8Array>;
  sm4DecryptBlocks(handle: string, blocks: Uint8Array): Promise<Uint8Array>;
}

export type KeyKind = "sm2" | "sm4" | "secret";
export interface KeyInfo {
  readonly handle: string;
  readonly kind: KeyKind;
  readonly createdAtMs: number;
}

export class UnknownKeyError extends Error {
  override readonly name = "UnknownKeyError";
}
