import type { Hash, KeyObject } from "node:crypto";
import type { Candidate, Sm3 } from "./candidate.ts";
import { keyLabel, Lru } from "./lru.ts";
import { loadNodeCrypto, plain, type NodeCrypto } from "./node-crypto.ts";
import type { Sm3Stream } from "./port.ts";

const KEYS_MAX = 256;
const KEY_BYTES_CACHED_MAX = 64;

class NodeSm3Stream implements Sm3Stream {
  readonly #hash: Hash;

  constructor(hash: Hash) {
    this.#hash = hash;
  }

  update(data: Uint8Array): this {
    this.#hash.update(data);
    return this;
  }

  /** OpenSSL's context throws by itself when used again. */
  digest(): Uint8Array {
    return plain(this.#hash.digest());
  }
}

/** SM3 by OpenSSL. */
export function nodeSm3(node: NodeCrypto): Sm3 {
  // Handing OpenSSL a raw key on each call takes three times as long as the MAC itself.
  const keys = new Lru<KeyObject>(KEYS_MAX);
  const keyObject = (key: Uint8Array): KeyObject =>
    key.length <= KEY_BYTES_CACHED_MAX ? keys.get(keyLabel(key), () => node.createSecretKey(key)) : node.createSecretKey(key);
  return {
    hash(parts) {
      const hash = node.createHash("sm3");
      for (const part of parts) hash.update(part);
      return plain(hash.digest());
    },
    stream: () => new NodeSm3Stream(node.createHash("sm3")),
    hmac(key, parts) {
      const mac = node.createHmac("sm3", keyObject(key));
      for (const part of parts) mac.update(part);
      return plain(mac.digest());
    },
  };
}

/** OpenSSL's SM3, on Node and Deno. */
export const nodeSm3Candidate: Candidate<Sm3> = {
  name: "node:crypto",
  async available() {
    const node = await loadNodeCrypto();
    return node === undefined || !node.getHashes().includes("sm3") ? undefined : nodeSm3(node);
  },
};
