/** A map that keeps at most `limit` entries and drops the one used longest ago, so that keys from outside cannot fill memory. */
export class Lru<V> {
  readonly #limit: number;
  readonly #entries = new Map<string, V>();

  constructor(limit: number) {
    if (!Number.isInteger(limit) || limit < 1) throw new RangeError("an LRU holds at least one entry");
    this.#limit = limit;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The entry under `label`, made by `make` when there is none. What `make` throws is not kept. */
  get(label: string, make: () => V): V {
    const known = this.#entries.get(label);
    if (known !== undefined) {
      this.#entries.delete(label);
      this.#entries.set(label, known);
      return known;
    }
    const made = make();
    if (this.#entries.size >= this.#limit) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    this.#entries.set(label, made);
    return made;
  }
}

/**
 * The label of a key in an {@link Lru}: its bytes as characters. For a secret key this puts a second copy beside the
 * one that the cached entry holds anyway; a digest as label would cost as much as the work that the cache saves.
 */
export function keyLabel(key: Uint8Array): string {
  return String.fromCharCode(...key);
}
