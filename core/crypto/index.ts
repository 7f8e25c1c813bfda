import type { CryptoCandidates } from "./candidate.ts";
import { isCanonicalSignature, isPrivateKey, isPublicKey, isUserId } from "./curve.ts";
import { equal } from "./equal.ts";
import { keyLabel, Lru } from "./lru.ts";
import { pad, SM4_BLOCK_BYTES, unpad } from "./padding.ts";
import { SM2_DEFAULT_USER_ID, type Crypto } from "./port.ts";
import { random } from "./random.ts";
import { makeSealing } from "./seal.ts";
import {
  chooseCandidate,
  CryptoSelfTestError,
  testRandom,
  testSealing,
  testSm2Encrypt,
  testSm2Sign,
  testSm2Verify,
  testSm3,
  testSm4,
} from "./self-test.ts";
import { jsSm2EncryptCandidate, jsSm2SignCandidate, jsSm2VerifyCandidate } from "./sm2-js.ts";
import { nodeSm2SignCandidate, nodeSm2VerifyCandidate } from "./sm2-node.ts";
import { referenceSm2VerifyCandidate } from "./sm2-reference.ts";
import { wasmSm2PrivateCandidates } from "./sm2-private.ts";
import { wasmSm2VerifyCandidate } from "./sm2-wasm.ts";
import { jsSm3Candidate } from "./sm3-js.ts";
import { trySm3Many } from "./sm3-many.ts";
import { nodeSm3Candidate } from "./sm3-node.ts";
import { jsSm4Candidate } from "./sm4-js.ts";
import { nodeSm4Candidate } from "./sm4-node.ts";

export { CryptoSelfTestError } from "./self-test.ts";
export type { Candidate, CryptoCandidates, Sm2Encrypt, Sm2Sign, Sm2Verify, Sm3, Sm4 } from "./candidate.ts";

const inWebAssembly = wasmSm2PrivateCandidates();

/** The order in which implementations are tried, the fastest first: WebAssembly where it has one, native, JavaScript, the reference. */
export const DEFAULT_CANDIDATES: CryptoCandidates = {
  sm3: [nodeSm3Candidate, jsSm3Candidate],
  sm4: [nodeSm4Candidate, jsSm4Candidate],
  sm2Verify: [wasmSm2VerifyCandidate(), nodeSm2VerifyCandidate, jsSm2VerifyCandidate, referenceSm2VerifyCandidate],
  sm2Sign: [inWebAssembly.sign, nodeSm2SignCandidate, jsSm2SignCandidate],
  sm2Encrypt: [inWebAssembly.encrypt, jsSm2EncryptCandidate],
};

export interface LoadCryptoOptions {
  /** Replaces the candidates of the families named; the others keep {@link DEFAULT_CANDIDATES}. */
  readonly candidates?: Partial<CryptoCandidates>;
  /**
   * `core/crypto/wasm/sm2verify.wasm`, compiled: for runtimes that cannot read the file themselves (workerd, browsers). It is tried before
   * every other candidate for verifying.
   */
  readonly sm2VerifyModule?: WebAssembly.Module;
  /** `core/crypto/wasm/sm2private.wasm`, compiled, for the same runtimes; tried first for signing, key pairs and encryption. */
  readonly sm2PrivateModule?: WebAssembly.Module;
}

const VERIFYING_KEYS_MAX = 4096;
const SIGNING_KEYS_MAX = 256;

function requireSm4Key(key: Uint8Array): void {
  if (key.length !== SM4_BLOCK_BYTES) throw new RangeError(`an SM4 key has 16 bytes, got ${key.length}`);
}

function requirePrivateKey(key: Uint8Array): void {
  if (!isPrivateKey(key)) throw new RangeError("an SM2 private key is 32 bytes with 1 ≤ d ≤ n-2");
}

/**
 * Chooses an implementation for each family by capability and known answers, and gives the port. Throws {@link CryptoSelfTestError}
 * when no implementation of a family is right: the process must stop.
 *
 * Draws randomness, so in workerd it is called within a request or a Durable Object, not at module level.
 *
 * @example
 * const crypto = await loadCrypto();
 * crypto.sm3(new TextEncoder().encode("abc")); // 66c7f0f4…
 */
export async function loadCrypto(options: LoadCryptoOptions = {}): Promise<Crypto> {
  const candidates = { ...DEFAULT_CANDIDATES, ...options.candidates };
  const sm3 = await chooseCandidate("sm3", candidates.sm3, testSm3);
  const sm3Many = await trySm3Many((parts) => sm3.implementation.hash(parts));
  const sm4 = await chooseCandidate("sm4", candidates.sm4, testSm4);
  const given = options.sm2VerifyModule === undefined ? [] : [wasmSm2VerifyCandidate(options.sm2VerifyModule)];
  const sm2Verify = await chooseCandidate("sm2Verify", [...given, ...candidates.sm2Verify], testSm2Verify);
  const withKeys = options.sm2PrivateModule === undefined ? undefined : wasmSm2PrivateCandidates(options.sm2PrivateModule);
  const signing = withKeys === undefined ? candidates.sm2Sign : [withKeys.sign, ...candidates.sm2Sign];
  const encryption = withKeys === undefined ? candidates.sm2Encrypt : [withKeys.encrypt, ...candidates.sm2Encrypt];
  const sm2Sign = await chooseCandidate("sm2Sign", signing, (sign) => testSm2Sign(sign, sm2Verify.implementation));
  const sm2Encrypt = await chooseCandidate("sm2Encrypt", encryption, testSm2Encrypt);
  const noRandom = testRandom(random);
  if (noRandom !== undefined) throw new CryptoSelfTestError("random", [noRandom]);
  const sealing = makeSealing(sm3.implementation, sm4.implementation, random);
  const noSealing = testSealing(sealing);
  if (noSealing !== undefined) throw new CryptoSelfTestError("seal", [noSealing]);

  const verifiers = new Lru<ReturnType<typeof sm2Verify.implementation.prepare> | "not a key">(VERIFYING_KEYS_MAX);
  const signers = new Lru<ReturnType<typeof sm2Sign.implementation.prepare>>(SIGNING_KEYS_MAX);

  return {
    implementations: {
      sm3: sm3.name,
      sm4: sm4.name,
      sm2Sign: sm2Sign.name,
      sm2Verify: sm2Verify.name,
      sm2Encrypt: sm2Encrypt.name,
    },
    sm3: (...parts) => sm3.implementation.hash(parts),
    ...(sm3Many === undefined ? {} : { sm3Many }),
    sm3Stream: () => sm3.implementation.stream(),
    hmacSm3: (key, ...parts) => sm3.implementation.hmac(key, parts),

    sm4EcbEncrypt(key, plaintext, padding) {
      requireSm4Key(key);
      if (padding === "none" && plaintext.length % SM4_BLOCK_BYTES !== 0) throw new RangeError("SM4 without padding takes whole blocks");
      return sm4.implementation.ecbEncrypt(key, padding === "none" ? plaintext : pad(plaintext));
    },
    sm4EcbDecrypt(key, ciphertext, padding) {
      requireSm4Key(key);
      if (ciphertext.length % SM4_BLOCK_BYTES !== 0) return undefined;
      const blocks = sm4.implementation.ecbDecrypt(key, ciphertext);
      return padding === "none" ? blocks : unpad(blocks);
    },

    seal: (key, plaintext, aad) => sealing.seal(key, plaintext, aad),
    open: (key, sealed, aad) => sealing.open(key, sealed, aad),

    sm2GenerateKeyPair: () => sm2Encrypt.implementation.generateKeyPair(),
    sm2PublicKey(privateKey) {
      requirePrivateKey(privateKey);
      return sm2Encrypt.implementation.publicKey(privateKey);
    },
    sm2IsPublicKey: isPublicKey,
    sm2Sign(privateKey, message, userId = SM2_DEFAULT_USER_ID) {
      if (!isUserId(userId)) throw new RangeError("an SM2 user id is well-formed text of at most 8191 bytes");
      const sign = signers.get(keyLabel(privateKey), () => {
        requirePrivateKey(privateKey);
        return sm2Sign.implementation.prepare(privateKey.slice(), sm2Encrypt.implementation.publicKey(privateKey));
      });
      return sign(message, userId);
    },
    sm2Verify(publicKey, message, signature, userId = SM2_DEFAULT_USER_ID) {
      if (!isCanonicalSignature(signature) || publicKey.length !== 65 || !isUserId(userId)) return false;
      try {
        const verify = verifiers.get(keyLabel(publicKey), () =>
          isPublicKey(publicKey) ? sm2Verify.implementation.prepare(publicKey.slice()) : "not a key",
        );
        return verify !== "not a key" && verify(message, signature, userId);
      } catch {
        // What the checks above let through should not make a library throw; if it does, the signature is not verified.
        return false;
      }
    },
    sm2Encrypt(publicKey, plaintext, order = "C1C3C2") {
      if (!isPublicKey(publicKey)) throw new RangeError("an SM2 public key is 65 bytes, 04 and a point of the curve");
      if (plaintext.length === 0) throw new RangeError("SM2 encrypts one byte or more");
      return sm2Encrypt.implementation.encrypt(publicKey, plaintext, order);
    },
    sm2Decrypt(privateKey, ciphertext, order = "C1C3C2") {
      requirePrivateKey(privateKey);
      try {
        return sm2Encrypt.implementation.decrypt(privateKey, ciphertext, order);
      } catch {
        return undefined;
      }
    },

    random,
    equal,
  };
}
