import type { Candidate, Sm2Encrypt, Sm2Sign } from "./candidate.ts";
import { SM2_PUBLIC_KEY_BYTES, SM2_SCALAR_BYTES, SM2_SIGNATURE_BYTES, zaInput } from "./curve.ts";
import { equal } from "./equal.ts";
import { Lru } from "./lru.ts";
import type { Sm2KeyPair } from "./port.ts";
import { random } from "./random.ts";
import { partsOf } from "./sm2-ciphertext.ts";
import { concat } from "./text.ts";
import { compileSm2PrivateFile, instantiateSm2Private, type Sm2PrivateModule } from "./wasm/module.ts";
import { Sm3Host } from "./wasm/sm3-host.ts";

const USER_IDS_PER_KEY_MAX = 4;
const DIGEST_BYTES = 32;
const UNCOMPRESSED = 0x04;
/** A random number is no private key once in 2^32, an all-zero key stream comes once in 256 for a single byte. */
const ATTEMPTS_MAX = 64;

/**
 * SM2 with private keys in WebAssembly: `wasm/assembly/private.ts`, constant time within the module. Signing, key pairs, and the
 * multiplication that encryption and key agreement need. What the module met of a secret is wiped from its memory before a call returns;
 * a key that is signed with stays in the host, as bytes, with 1/(1+d) beside it.
 */
export class WasmSm2Private {
  readonly #module: Sm2PrivateModule;
  readonly #host: Sm3Host;

  private constructor(module: Sm2PrivateModule) {
    this.#module = module;
    this.#host = new Sm3Host(module);
  }

  /** An instance with a memory of its own. */
  static async from(module: WebAssembly.Module): Promise<WasmSm2Private> {
    return new WasmSm2Private(await instantiateSm2Private(module));
  }

  /**
   * What signs with `privateKey`: e = SM3(ZA ‖ M) to r‖s, 64 bytes. `undefined` unless 1 ≤ d ≤ n-2.
   * `entropy` is for known answers; nonces follow from it, the key and e by RFC 6979 3.6 with HMAC-SM3.
   */
  signer(privateKey: Uint8Array, entropy: () => Uint8Array = () => random(DIGEST_BYTES)): ((digest: Uint8Array) => Uint8Array) | undefined {
    const { PRIVATE_KEY, INVERSE, ENTROPY, DIGEST } = this.#module;
    if (privateKey.length !== SM2_SCALAR_BYTES) return undefined;
    const kept = new Uint8Array(2 * SM2_SCALAR_BYTES);
    this.#host.view.set(privateKey, PRIVATE_KEY.value);
    const usable = this.#module.prepare() === 1;
    // The key and, behind it, its inverse.
    kept.set(this.#host.view.subarray(PRIVATE_KEY.value, INVERSE.value + SM2_SCALAR_BYTES));
    this.#module.wipe();
    if (!usable) return undefined;
    return (digest) => {
      if (digest.length !== DIGEST_BYTES) throw new RangeError(`an SM3 digest has 32 bytes, got ${digest.length}`);
      const { view } = this.#host;
      view.set(kept, PRIVATE_KEY.value);
      view.set(entropy(), ENTROPY.value);
      view.set(digest, DIGEST.value);
      return this.#result(this.#module.sign(), "SM2 signing met only nonces that the standard refuses");
    };
  }

  /** 04‖x‖y of k·G; `undefined` unless k has 32 bytes and 1 ≤ k ≤ n-1. */
  multiplyBase(k: Uint8Array): Uint8Array | undefined {
    if (k.length !== SM2_SCALAR_BYTES) return undefined;
    this.#host.view.set(k, this.#module.PRIVATE_KEY.value);
    return this.#point(this.#module.multiplyBase());
  }

  /** 04‖x‖y of k·P; `undefined` unless k has 32 bytes, 1 ≤ k ≤ n-1, and P is 04‖x‖y on the curve. */
  multiplyPoint(k: Uint8Array, point: Uint8Array): Uint8Array | undefined {
    if (k.length !== SM2_SCALAR_BYTES || point.length !== SM2_PUBLIC_KEY_BYTES) return undefined;
    this.#host.view.set(k, this.#module.PRIVATE_KEY.value);
    this.#host.view.set(point, this.#module.KEY.value);
    return this.#point(this.#module.multiplyPoint());
  }

  /** SM3 of the concatenation, 32 bytes; wiped from the module when it met a secret. */
  sm3(...parts: readonly Uint8Array[]): Uint8Array {
    return this.#host.sm3(...parts);
  }

  /** Forgets what {@link WasmSm2Private.sm3} worked with. */
  wipe(): void {
    this.#module.wipe();
  }

  #point(done: number): Uint8Array | undefined {
    const { RESULT } = this.#module;
    const point = new Uint8Array(SM2_PUBLIC_KEY_BYTES);
    point[0] = UNCOMPRESSED;
    point.set(this.#host.view.subarray(RESULT.value, RESULT.value + 2 * SM2_SCALAR_BYTES), 1);
    this.#module.wipe();
    return done === 1 ? point : undefined;
  }

  #result(done: number, otherwise: string): Uint8Array {
    const { RESULT } = this.#module;
    const result = this.#host.view.slice(RESULT.value, RESULT.value + SM2_SIGNATURE_BYTES);
    this.#module.wipe();
    if (done !== 1) throw new Error(otherwise);
    return result;
  }
}

/** {@link WasmSm2Private} as a candidate for signing. */
export function wasmSm2Sign(sm2: WasmSm2Private): Sm2Sign {
  return {
    prepare(privateKey, publicKey) {
      const sign = sm2.signer(privateKey);
      if (sign === undefined) throw new RangeError("an SM2 private key is 32 bytes with 1 ≤ d ≤ n-2");
      const za = new Lru<Uint8Array>(USER_IDS_PER_KEY_MAX);
      return (message, userId) =>
        sign(
          sm2.sm3(
            za.get(userId, () => sm2.sm3(zaInput(publicKey, userId))),
            message,
          ),
        );
    },
  };
}

/** GB/T 32918.4 5.4.3: SM3(Z ‖ 1) ‖ SM3(Z ‖ 2) ‖ …, `length` bytes. */
function keyStream(sm2: WasmSm2Private, shared: Uint8Array, length: number): Uint8Array {
  const stream = new Uint8Array(Math.ceil(length / DIGEST_BYTES) * DIGEST_BYTES);
  const counter = new DataView(new ArrayBuffer(4));
  for (let block = 1; (block - 1) * DIGEST_BYTES < length; block += 1) {
    counter.setUint32(0, block);
    stream.set(sm2.sm3(shared, new Uint8Array(counter.buffer)), (block - 1) * DIGEST_BYTES);
  }
  return stream.subarray(0, length);
}

/** Whether every byte is 0, having looked at all. */
function isZero(bytes: Uint8Array): boolean {
  let any = 0;
  for (const byte of bytes) any |= byte;
  return any === 0;
}

function xor(data: Uint8Array, mask: Uint8Array): Uint8Array {
  return data.map((byte, at) => byte ^ (mask[at] ?? 0));
}

/** {@link WasmSm2Private} as a candidate for key pairs and encryption (GB/T 32918.4). */
export function wasmSm2Encrypt(sm2: WasmSm2Private): Sm2Encrypt {
  const keyPair = (): Sm2KeyPair => {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const privateKey = random(SM2_SCALAR_BYTES);
      // A key for signing: d = n-1 has no inverse of 1+d, and d = 1 shows the base point.
      const publicKey = sm2.signer(privateKey) === undefined ? undefined : sm2.multiplyBase(privateKey);
      if (publicKey !== undefined) return { privateKey, publicKey };
    }
    throw new Error("SM2 key generation drew no private key");
  };
  /** x2‖y2, 64 bytes. */
  const share = (k: Uint8Array, point: Uint8Array): Uint8Array | undefined => sm2.multiplyPoint(k, point)?.subarray(1);
  /** C3 = SM3(x2 ‖ M ‖ y2). */
  const authenticator = (shared: Uint8Array, plaintext: Uint8Array): Uint8Array =>
    sm2.sm3(shared.subarray(0, 32), plaintext, shared.subarray(32));
  return {
    generateKeyPair: keyPair,
    publicKey(privateKey) {
      const publicKey = sm2.multiplyBase(privateKey);
      if (publicKey === undefined) throw new RangeError("an SM2 private key is 32 bytes with 1 ≤ d ≤ n-2");
      return publicKey;
    },
    encrypt(publicKey, plaintext, order) {
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
        const ephemeral = keyPair();
        const shared = share(ephemeral.privateKey, publicKey);
        if (shared === undefined) throw new RangeError("an SM2 public key is 65 bytes, 04 and a point of the curve");
        const stream = keyStream(sm2, shared, plaintext.length);
        if (isZero(stream)) continue;
        const c2 = xor(plaintext, stream);
        const c3 = authenticator(shared, plaintext);
        sm2.wipe();
        return order === "C1C3C2" ? concat(ephemeral.publicKey, c3, c2) : concat(ephemeral.publicKey, c2, c3);
      }
      throw new Error("SM2 encryption met only all-zero key streams");
    },
    decrypt(privateKey, ciphertext, order) {
      const parts = partsOf(ciphertext, order);
      const shared = parts === undefined ? undefined : share(privateKey, parts.c1);
      if (parts === undefined || shared === undefined) return undefined;
      const stream = keyStream(sm2, shared, parts.c2.length);
      const plaintext = xor(parts.c2, stream);
      const genuine = equal(authenticator(shared, plaintext), parts.c3);
      sm2.wipe();
      shared.fill(0);
      return genuine && !isZero(stream) ? plaintext : undefined;
    },
  };
}

/** One instance for signing and encryption alike, made when it is first asked for. */
export function wasmSm2PrivateCandidates(module?: WebAssembly.Module): {
  readonly sign: Candidate<Sm2Sign>;
  readonly encrypt: Candidate<Sm2Encrypt>;
} {
  let made: Promise<WasmSm2Private> | undefined;
  const make = (): Promise<WasmSm2Private> =>
    (made ??= (async () => await WasmSm2Private.from(module ?? (await compileSm2PrivateFile())))());
  return {
    sign: { name: "WebAssembly", available: async () => wasmSm2Sign(await make()) },
    encrypt: { name: "WebAssembly", available: async () => wasmSm2Encrypt(await make()) },
  };
}
