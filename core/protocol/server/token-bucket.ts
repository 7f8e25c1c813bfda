import type { EventMs } from "../time.ts";

interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}
export interface Rate {
  readonly ratePerSecond: number;
  readonly rateBurst: number;
}

/**
 * Token buckets by key: `ratePerSecond` on average, `rateBurst` at once. Kept in memory by whoever owns the key; a
 * restart fills them, which favours the hospital. Of more than `keysMax` the one not used for longest is forgotten,
 * which fills it too.
 */
export class TokenBuckets {
  readonly #buckets = new Map<string, Bucket>();
  readonly #keysMax: number;

  constructor(keysMax = Number.POSITIVE_INFINITY) {
    this.#keysMax = keysMax;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** 0 when `cost` tokens were taken; otherwise whole seconds until there are so many. */
  take(key: string, rate: Rate, nowMs: EventMs, cost = 1): number {
    const tokens = this.#tokens(key, rate, nowMs);
    const granted = tokens >= cost;
    this.#buckets.delete(key);
    this.#buckets.set(key, { tokens: granted ? tokens - cost : tokens, atMs: nowMs });
    if (this.#buckets.size > this.#keysMax)
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    return granted ? 0 : waitSeconds(cost - tokens, rate);
  }

  /** Leaves nothing in the bucket. */
  drain(key: string, nowMs: EventMs): void {
    this.#buckets.set(key, { tokens: 0, atMs: nowMs });
  }

  /** What `take` would answer; takes nothing. */
  wait(key: string, rate: Rate, nowMs: EventMs, cost = 1): number {
    const tokens = this.#tokens(key, rate, nowMs);
    return tokens >= cost ? 0 : waitSeconds(cost - tokens, rate);
  }

  #tokens(key: string, rate: Rate, nowMs: EventMs): number {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return rate.rateBurst;
    const earned = (Math.max(0, nowMs - bucket.atMs) * rate.ratePerSecond) / 1000;
    return Math.min(rate.rateBurst, bucket.tokens + earned);
  }
}

function waitSeconds(missing: number, rate: Rate): number {
  return rate.ratePerSecond > 0 ? Math.max(1, Math.ceil(missing / rate.ratePerSecond)) : RETRY_SECONDS_MAX;
}

const RETRY_SECONDS_MAX = 3600;
