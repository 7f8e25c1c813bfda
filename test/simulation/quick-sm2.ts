/**
 * SM2 without its arithmetic, for a run of thousands of seeds: a signature is an HMAC under the private key, checked
 * under the same key, and what is encrypted to a key is looked up by whoever has it. Forged, foreign and altered ones
 * fail as they would in truth; and a seed repeats to the last byte, which random signatures would not let it.
 * One seed in twenty runs with SM2 itself.
 */
import { type Crypto, SM2_DEFAULT_USER_ID } from "../../core/crypto/port.ts";
import { concatBytes, toHex, utf8 } from "../../core/protocol/bytes.ts";
import { seededRandom } from "../../cli/sandbox/random.ts";

export interface QuickCrypto extends Crypto {
  /** Signs and encrypts with SM2 itself from now on, or no longer. */
  useSm2(real: boolean): void;
  isSm2(): boolean;
}

export function quickCrypto(crypto: Crypto): QuickCrypto {
  const [publicKeys, privateKeys] = [new Map<string, Uint8Array>(), new Map<string, Uint8Array>()];
  const sealed = new Map<string, { readonly to: string; readonly plaintext: Uint8Array }>();
  let isReal = false;
  const publicOf = (privateKey: Uint8Array): Uint8Array => {
    const known = publicKeys.get(toHex(privateKey));
    if (known !== undefined) return known;
    // Made once in each thread, whichever seed came first: what it draws for its blinding is not of any seed.
    const made = unseeded(() => crypto.sm2PublicKey(privateKey));
    publicKeys.set(toHex(privateKey), made);
    privateKeys.set(toHex(made), privateKey.slice());
    return made;
  };
  const quickSign = (privateKey: Uint8Array, message: Uint8Array, userId = SM2_DEFAULT_USER_ID): Uint8Array => {
    const half = (label: number): Uint8Array => crypto.hmacSm3(privateKey, Uint8Array.of(label), utf8(`${userId}\n`), message);
    return concatBytes(half(1), half(2));
  };
  return {
    ...crypto,
    useSm2: (real) => {
      isReal = real;
      sealed.clear();
    },
    isSm2: () => isReal,
    sm2PublicKey: publicOf,
    sm2Sign(privateKey, message, userId) {
      publicOf(privateKey);
      return isReal ? crypto.sm2Sign(privateKey, message, userId) : quickSign(privateKey, message, userId);
    },
    sm2Verify(publicKey, message, signature, userId) {
      const privateKey = privateKeys.get(toHex(publicKey));
      if (!isReal && privateKey !== undefined && crypto.equal(quickSign(privateKey, message, userId), signature)) return true;
      // What was signed while the province was founded.
      return crypto.sm2Verify(publicKey, message, signature, userId);
    },
    sm2Encrypt(publicKey, plaintext, order) {
      if (isReal) return crypto.sm2Encrypt(publicKey, plaintext, order);
      const ciphertext = crypto.random(97 + plaintext.length);
      sealed.set(toHex(ciphertext), { to: toHex(publicKey), plaintext: plaintext.slice() });
      return ciphertext;
    },
    sm2Decrypt(privateKey, ciphertext, order) {
      const known = sealed.get(toHex(ciphertext));
      if (known === undefined) return crypto.sm2Decrypt(privateKey, ciphertext, order);
      return known.to === toHex(publicOf(privateKey)) ? known.plaintext.slice() : undefined;
    },
  };
}

const own = globalThis.crypto.getRandomValues.bind(globalThis.crypto);

/** Signs when the clock of the machine says so (heads of logs): what it draws is not of the seed. */
export function signingUnseeded(crypto: Crypto): Crypto {
  return { ...crypto, sm2Sign: (privateKey, message, userId) => unseeded(() => crypto.sm2Sign(privateKey, message, userId)) };
}

function unseeded<T>(work: () => T): T {
  const seeded = globalThis.crypto.getRandomValues;
  globalThis.crypto.getRandomValues = own;
  try {
    return work();
  } finally {
    globalThis.crypto.getRandomValues = seeded;
  }
}

/** From now on this process's randomness comes from a seed; without one, from the machine again. */
export function seedRandomness(seed: number | undefined): void {
  if (seed === undefined) {
    globalThis.crypto.getRandomValues = own;
    return;
  }
  const die = seededRandom(seed);
  globalThis.crypto.getRandomValues = <T extends ArrayBufferView | null>(into: T): T => {
    if (into !== null) {
      const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
      for (let at = 0; at < bytes.length; at += 3) {
        const drawn = die.int(0, 0xff_ff_ff);
        for (let n = 0; n < 3 && at + n < bytes.length; n++) bytes[at + n] = (drawn >> (8 * n)) & 0xff;
      }
    }
    return into;
  };
}
