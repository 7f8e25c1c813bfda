/** 触发限流: so many calls per second in the long run, so many at once; one bucket per caller. */
export class TokenBuckets {
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  /** True when the caller may go on; the number of callers is that of registered partners. */
  take(caller: string, rate: { readonly ratePerSecond: number; readonly rateBurst: number }, nowMs: number): boolean {
    const bucket = this.#buckets.get(caller) ?? { tokens: rate.rateBurst, atMs: nowMs };
    const refilled = bucket.tokens + (Math.max(0, nowMs - bucket.atMs) / 1000) * rate.ratePerSecond;
    const tokens = Math.min(rate.rateBurst, refilled);
    const granted = tokens >= 1;
    this.#buckets.set(caller, { tokens: granted ? tokens - 1 : tokens, atMs: Math.max(bucket.atMs, nowMs) });
    return granted;
  }
}
