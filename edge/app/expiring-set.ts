/**
 * Keys that may be forgotten after an instant each of them carries. Kept in buckets of equal expiry, so that
 * forgetting costs nothing per key and the memory is bounded by rate × window.
 */
export class ExpiringSet {
  readonly #bucketMs: number;
  readonly #buckets = new Map<number, Set<string>>();
  #size = 0;

  constructor(bucketMs = 10_000) {
    this.#bucketMs = bucketMs;
  }

  get size(): number {
    return this.#size;
  }

  /** Whether the key is there; asked with the expiry it was added with. */
  has(key: string, expiresAtMs: number): boolean {
    return this.#buckets.get(Math.floor(expiresAtMs / this.#bucketMs))?.has(key) === true;
  }

  /** `false` when the key was there. The same key always comes with the same expiry: it is part of what it names. */
  add(key: string, expiresAtMs: number): boolean {
    const at = Math.floor(expiresAtMs / this.#bucketMs);
    let bucket = this.#buckets.get(at);
    if (bucket === undefined) this.#buckets.set(at, (bucket = new Set()));
    if (bucket.has(key)) return false;
    bucket.add(key);
    this.#size++;
    return true;
  }

  /** Drops the buckets that ended before `nowMs`. */
  forget(nowMs: number): void {
    const current = Math.floor(nowMs / this.#bucketMs);
    for (const [at, bucket] of this.#buckets) {
      if (at >= current) continue;
      this.#size -= bucket.size;
      this.#buckets.delete(at);
    }
  }
}
