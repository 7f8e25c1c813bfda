import { sm3 } from "sm-crypto-v2";
import type { Candidate, Sm3 } from "./candidate.ts";
import type { Sm3Stream } from "./port.ts";
import { concat, fromHex } from "./text.ts";

function bytesOf(hex: string): Uint8Array {
  const bytes = fromHex(hex);
  if (bytes === undefined) throw new Error("sm-crypto-v2 gave a digest that is not hex");
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : concat(...parts);
}

/**
 * The library exports no running SM3, so the pieces are kept and hashed at the end. Runtimes without a native SM3 are edges, whose
 * bodies are limited long before this matters.
 */
class CollectingSm3Stream implements Sm3Stream {
  #parts: Uint8Array[] | undefined = [];

  update(data: Uint8Array): this {
    if (this.#parts === undefined) throw new Error("this SM3 stream has ended");
    this.#parts.push(data.slice());
    return this;
  }

  digest(): Uint8Array {
    if (this.#parts === undefined) throw new Error("this SM3 stream has ended");
    const message = joined(this.#parts);
    this.#parts = undefined;
    return bytesOf(sm3(message));
  }
}

/** SM3 in JavaScript (sm-crypto-v2). */
export const jsSm3: Sm3 = {
  hash: (parts) => bytesOf(sm3(joined(parts))),
  stream: () => new CollectingSm3Stream(),
  hmac: (key, parts) => bytesOf(sm3(joined(parts), { key, mode: "hmac" })),
};

/** JavaScript, for every runtime. */
export const jsSm3Candidate: Candidate<Sm3> = { name: "sm-crypto-v2", available: async () => jsSm3 };
