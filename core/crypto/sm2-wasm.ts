import type { Candidate, Sm2Verify } from "./candidate.ts";
import { SM2_PUBLIC_KEY_BYTES, SM2_SIGNATURE_BYTES, zaInput } from "./curve.ts";
import { Lru } from "./lru.ts";
import { testSm2Verify } from "./self-test.ts";
import { compileSm2VerifyFile, instantiateSm2Verify, type Sm2VerifyModule } from "./wasm/module.ts";
import { Sm3Host } from "./wasm/sm3-host.ts";
import { type CachedKey, DEFAULT_TABLE_LIMITS, NO_TABLE, TableCache, type TableCacheLimits } from "./wasm/table-cache.ts";

const DIGEST_BYTES = 32;
const USER_IDS_PER_KEY_MAX = 4;

/** A key ready for verification. Both refuse, and never throw on, a signature or a digest of another length. */
export interface WasmSm2Key {
  verify(message: Uint8Array, signature: Uint8Array, userId: string): boolean;
  /** For a digest e = SM3(ZA ‖ M) that the caller has made, 32 bytes. */
  verifyDigest(digest: Uint8Array, signature: Uint8Array): boolean;
}

/**
 * SM2 verification (GB/T 32918.2) in WebAssembly: `wasm/assembly`. It checks everything itself, the key too, and depends on no check of its
 * caller. Public data only: no secret enters the module, and it does not run in constant time.
 */
export class WasmSm2Verifier {
  readonly #module: Sm2VerifyModule;
  readonly #tables: TableCache;
  readonly #host: Sm3Host;

  private constructor(module: Sm2VerifyModule, limits: TableCacheLimits) {
    this.#module = module;
    this.#tables = new TableCache(module, limits);
    this.#host = new Sm3Host(module);
  }

  /** An instance with a memory of its own. */
  static async from(module: WebAssembly.Module, limits: TableCacheLimits = DEFAULT_TABLE_LIMITS): Promise<WasmSm2Verifier> {
    return new WasmSm2Verifier(await instantiateSm2Verify(module), limits);
  }

  /** What the module holds now, tables of keys included. */
  get memoryBytes(): number {
    return this.#tables.memoryBytes;
  }

  /** `undefined` unless it is 65 bytes, 04 and a point of the curve. */
  key(publicKey: Uint8Array): WasmSm2Key | undefined {
    const key = publicKey.slice();
    const load = (): boolean => this.#load(key);
    if (!load()) return undefined;
    const cached: CachedKey = { uses: 0, kind: NO_TABLE, address: 0 };
    const za = new Lru<Uint8Array>(USER_IDS_PER_KEY_MAX);
    return {
      verify: (message, signature, userId) => {
        if (signature.length !== SM2_SIGNATURE_BYTES) return false;
        const z = za.get(userId, () => this.sm3(zaInput(key, userId)));
        this.#tables.use(cached, load);
        this.#host.digest(z, message);
        return this.#verify(cached, load, signature);
      },
      verifyDigest: (digest, signature) => {
        if (signature.length !== SM2_SIGNATURE_BYTES || digest.length !== DIGEST_BYTES) return false;
        this.#tables.use(cached, load);
        this.#host.view.set(digest, this.#module.DIGEST.value);
        return this.#verify(cached, load, signature);
      },
    };
  }

  /** SM3 of the concatenation, 32 bytes. */
  sm3(...parts: readonly Uint8Array[]): Uint8Array {
    return this.#host.sm3(...parts);
  }

  #load(key: Uint8Array): boolean {
    if (key.length !== SM2_PUBLIC_KEY_BYTES) return false;
    this.#host.view.set(key, this.#module.KEY.value);
    return this.#module.loadKey() === 1;
  }

  #verify(cached: CachedKey, load: () => boolean, signature: Uint8Array): boolean {
    this.#host.view.set(signature, this.#module.SIGNATURE.value);
    if (cached.kind === NO_TABLE && !load()) return false;
    return this.#module.verify(cached.kind, cached.address) === 1;
  }
}

/** {@link WasmSm2Verifier} as a candidate for the port. */
export function wasmSm2Verify(verifier: WasmSm2Verifier): Sm2Verify {
  return {
    prepare(publicKey) {
      const key = verifier.key(publicKey);
      return key === undefined ? () => false : (message, signature, userId) => key.verify(message, signature, userId);
    },
  };
}

/**
 * Every runtime with WebAssembly. Node, Deno and Bun read the file themselves; elsewhere the rim passes the module in (workerd compiles none
 * at run time: `import module from "core/crypto/wasm/sm2verify.wasm"` there), and without one this candidate is not available.
 */
export function wasmSm2VerifyCandidate(module?: WebAssembly.Module): Candidate<Sm2Verify> {
  return {
    name: "WebAssembly",
    async available() {
      const verify = wasmSm2Verify(await WasmSm2Verifier.from(module ?? (await compileSm2VerifyFile())));
      // The caller tests a key without a table; the other two ways must give the known answers as well.
      for (const uses of [DEFAULT_TABLE_LIMITS.smallAfterUses, DEFAULT_TABLE_LIMITS.largeAfterUses]) {
        const missing = testSm2Verify(afterUses(verify, uses));
        if (missing !== undefined) throw new Error(`${missing}, after ${uses} uses`);
      }
      return verify;
    },
  };
}

const NO_MESSAGE = new Uint8Array(0);
const NO_SIGNATURE = new Uint8Array(SM2_SIGNATURE_BYTES);

/** The first key, once it has been used so often: a signature of zeros counts as a use, and costs next to nothing. */
function afterUses(verify: Sm2Verify, uses: number): Sm2Verify {
  let used: ReturnType<Sm2Verify["prepare"]> | undefined;
  return {
    prepare(publicKey) {
      if (used !== undefined) return used;
      used = verify.prepare(publicKey);
      for (let use = 0; use < uses; use += 1) used(NO_MESSAGE, NO_SIGNATURE, "");
      return used;
    },
  };
}
