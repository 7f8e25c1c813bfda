import type { Sm3Module } from "./module.ts";

const DIGEST_BYTES = 32;

/** The memory of a module, and SM3 inside it. */
export class Sm3Host {
  readonly #module: Sm3Module;
  /** The module's memory; another object after it has grown. */
  #bytes: Uint8Array;

  constructor(module: Sm3Module) {
    this.#module = module;
    this.#bytes = new Uint8Array(module.memory.buffer);
  }

  /** Growing a memory detaches its buffer: ask for the view again after each call that may grow it. */
  get view(): Uint8Array {
    if (this.#bytes.byteLength === 0) this.#bytes = new Uint8Array(this.#module.memory.buffer);
    return this.#bytes;
  }

  /** SM3 of the concatenation, left at DIGEST. */
  digest(...parts: readonly Uint8Array[]): void {
    const { CHUNK, CHUNK_BYTES, sm3Start, sm3Update, sm3Finish } = this.#module;
    const { view } = this;
    sm3Start();
    for (const part of parts) {
      for (let at = 0; at < part.length; at += CHUNK_BYTES.value) {
        const piece = part.length <= CHUNK_BYTES.value ? part : part.subarray(at, at + CHUNK_BYTES.value);
        view.set(piece, CHUNK.value);
        sm3Update(piece.length);
      }
    }
    sm3Finish();
  }

  /** SM3 of the concatenation, 32 bytes. */
  sm3(...parts: readonly Uint8Array[]): Uint8Array {
    this.digest(...parts);
    return this.view.slice(this.#module.DIGEST.value, this.#module.DIGEST.value + DIGEST_BYTES);
  }
}
