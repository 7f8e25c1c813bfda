/** Builds the proofs of RFC 6962 section 2.1 from complete subtrees; the verifier checks them with code of its own. */
import type { TreeHasher } from "./verifier/tree.ts";

/** The root of the complete subtree `index` of `height`: leaves index × 2^height up to the next such. */
export type NodeSource = (height: number, index: number) => Promise<Uint8Array>;

export class Prover {
  readonly #hasher: TreeHasher;
  readonly #node: NodeSource;
  /** Roots of the right edge of one size: every proof against the same checkpoint needs them again. */
  readonly #edge = new Map<number, Uint8Array>();
  #edgeSize = 0;

  constructor(hasher: TreeHasher, node: NodeSource) {
    this.#hasher = hasher;
    this.#node = node;
  }

  /** MTH(D[0:size]). */
  async root(size: number): Promise<Uint8Array> {
    return size === 0 ? this.#hasher.empty() : await this.#subtree(0, size, size);
  }

  /** PATH(index, D[0:size]), from the leaf upwards. */
  async inclusion(index: number, size: number): Promise<readonly Uint8Array[]> {
    if (index < 0 || index >= size) throw new RangeError(`no entry ${index} in a tree of size ${size}`);
    const path: Uint8Array[] = [];
    let [low, high] = [0, size];
    while (high - low > 1) {
      const middle = low + largestPowerBelow(high - low);
      if (index < middle) {
        path.push(await this.#subtree(middle, high, size));
        high = middle;
      } else {
        path.push(await this.#subtree(low, middle, size));
        low = middle;
      }
    }
    return path.toReversed();
  }

  /** PROOF(from, D[0:size]) for 0 < from ≤ size; empty when they are equal. */
  async consistency(from: number, size: number): Promise<readonly Uint8Array[]> {
    if (from <= 0 || from > size) throw new RangeError(`no consistency proof from size ${from} to ${size}`);
    const path: Uint8Array[] = [];
    let [low, high] = [0, size];
    while (high > from) {
      const middle = low + largestPowerBelow(high - low);
      if (from <= middle) {
        path.push(await this.#subtree(middle, high, size));
        high = middle;
      } else {
        path.push(await this.#subtree(low, middle, size));
        low = middle;
      }
    }
    // What is left is a subtree of the old tree: its hash is the old root itself unless the walk ever went right.
    if (low > 0) path.push(await this.#subtree(low, high, size));
    return path.toReversed();
  }

  /** MTH(D[low:high]); `low` is a multiple of the power of two that holds the range. */
  async #subtree(low: number, high: number, size: number): Promise<Uint8Array> {
    const width = high - low;
    const height = Math.log2(width);
    if (Number.isInteger(height)) return await this.#node(height, low / width);
    if (this.#edgeSize !== size) {
      this.#edge.clear();
      this.#edgeSize = size;
    }
    const known = high === size ? this.#edge.get(low) : undefined;
    if (known !== undefined) return known;
    const middle = low + largestPowerBelow(width);
    const hash = this.#hasher.node(await this.#subtree(low, middle, size), await this.#subtree(middle, high, size));
    if (high === size && this.#edgeSize === size) this.#edge.set(low, hash);
    return hash;
  }
}

/** The largest power of two smaller than `width` (RFC 6962 2.1), for widths of 2 and more. */
function largestPowerBelow(width: number): number {
  let power = 1;
  while (power * 2 < width) power *= 2;
  return power;
}
