import type { EventMs } from "../../core/protocol/time.ts";

/**
 * A token bucket per institution: `ratePerSecond` on average, `rateBurst` at once. Kept in memory by whoever owns
 * the institution; a restart fills it, which favours the hospital.
 */
export class TokenBuckets {
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  /** 0 when a token was taken; otherwise whole seconds until there is one. */
  take(orgId: string, rate: { readonly ratePerSecond: number; readonly rateBurst: number }, nowMs: EventMs): number {
    const bucket = this.#buckets.get(orgId) ?? { tokens: rate.rateBurst, atMs: nowMs };
    const earned = (Math.max(0, nowMs - bucket.atMs) * rate.ratePerSecond) / 1000;
    const tokens = Math.min(rate.rateBurst, bucket.tokens + earned);
    const granted = tokens >= 1;
    this.#buckets.set(orgId, { tokens: granted ? tokens - 1 : tokens, atMs: nowMs });
    if (granted) return 0;
    return rate.ratePerSecond > 0 ? Math.max(1, Math.ceil((1 - tokens) / rate.ratePerSecond)) : RETRY_SECONDS_MAX;
  }
}

const RETRY_SECONDS_MAX = 3600;
