import type { Sm3, Sm4 } from "./candidate.ts";
import { equal } from "./equal.ts";
import { keyLabel, Lru } from "./lru.ts";
import { pad, SM4_BLOCK_BYTES, unpad } from "./padding.ts";
import { concat, utf8 } from "./text.ts";

/** First byte of every sealed value; another construction gets another number. */
const VERSION = 1;
const KEY_BYTES_MIN = 32;
const ENCRYPTION_KEY_BYTES = 16;
const MAC_KEY_BYTES = 32;
const HEADER_BYTES = 1 + SM4_BLOCK_BYTES;
const TAG_BYTES = 32;
const DERIVED_KEYS_MAX = 256;
const INFO = utf8("ronghe seal v1");

/** HKDF with HMAC-SM3 (RFC 5869): extract with `salt`, expand with `info` to `length` bytes. */
export function hkdfSm3(sm3: Sm3, input: { key: Uint8Array; salt: Uint8Array; info: Uint8Array; length: number }): Uint8Array {
  const prk = sm3.hmac(input.salt, [input.key]);
  const output = new Uint8Array(input.length);
  let block: Uint8Array = new Uint8Array(0);
  for (let at = 0, counter = 1; at < input.length; at += block.length, counter += 1) {
    if (counter > 255) throw new RangeError("HKDF gives at most 255 blocks");
    block = sm3.hmac(prk, [block, input.info, Uint8Array.of(counter)]);
    output.set(block.subarray(0, input.length - at), at);
  }
  return output;
}

export interface Sealing {
  seal(key: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array;
  open(key: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined;
}

/**
 * Authenticated encryption for storage, encrypt-then-MAC:
 *
 *     sealed = 01 ‖ IV (16) ‖ SM4-CBC(encKey, IV, PKCS#7(plaintext)) ‖ tag (32)
 *     tag    = HMAC-SM3(macKey, 01 ‖ length of aad (8, big-endian) ‖ aad ‖ IV ‖ ciphertext)
 *     encKey ‖ macKey = HKDF-SM3(key, salt empty, info "ronghe seal v1", 48)
 *
 * The tag is checked, in constant time, before anything is decrypted: padding is never an oracle.
 */
export function makeSealing(sm3: Sm3, sm4: Sm4, random: (length: number) => Uint8Array): Sealing {
  const derived = new Lru<{ readonly encryption: Uint8Array; readonly mac: Uint8Array }>(DERIVED_KEYS_MAX);
  const keysOf = (key: Uint8Array): { readonly encryption: Uint8Array; readonly mac: Uint8Array } => {
    if (key.length < KEY_BYTES_MIN) throw new RangeError(`a sealing key has ${KEY_BYTES_MIN} bytes or more, got ${key.length}`);
    return derived.get(keyLabel(key), () => {
      const length = ENCRYPTION_KEY_BYTES + MAC_KEY_BYTES;
      const okm = hkdfSm3(sm3, { key, salt: new Uint8Array(0), info: INFO, length });
      return { encryption: okm.slice(0, ENCRYPTION_KEY_BYTES), mac: okm.slice(ENCRYPTION_KEY_BYTES) };
    });
  };
  const tagOf = (mac: Uint8Array, aad: Uint8Array, ivAndCiphertext: Uint8Array): Uint8Array => {
    const prefix = new Uint8Array(9);
    prefix[0] = VERSION;
    new DataView(prefix.buffer).setBigUint64(1, BigInt(aad.length));
    return sm3.hmac(mac, [prefix, aad, ivAndCiphertext]);
  };
  return {
    seal(key, plaintext, aad) {
      const keys = keysOf(key);
      const iv = random(SM4_BLOCK_BYTES);
      const body = concat(iv, sm4.cbcEncrypt(keys.encryption, iv, pad(plaintext)));
      return concat(Uint8Array.of(VERSION), body, tagOf(keys.mac, aad, body));
    },
    open(key, sealed, aad) {
      const keys = keysOf(key);
      const ciphertextLength = sealed.length - HEADER_BYTES - TAG_BYTES;
      if (sealed[0] !== VERSION || ciphertextLength < SM4_BLOCK_BYTES || ciphertextLength % SM4_BLOCK_BYTES !== 0) return undefined;
      const tagAt = sealed.length - TAG_BYTES;
      if (!equal(tagOf(keys.mac, aad, sealed.subarray(1, tagAt)), sealed.subarray(tagAt))) return undefined;
      const iv = sealed.subarray(1, HEADER_BYTES);
      return unpad(sm4.cbcDecrypt(keys.encryption, iv, sealed.subarray(HEADER_BYTES, tagAt)));
    },
  };
}
