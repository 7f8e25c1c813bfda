/**
 * The shield before everything that costs: a source that keeps sending what nobody signed is turned away before its
 * body is read. Bounded memory; the runtime says what a source is. A source that also speaks for an institution, such
 * as a proxy before a hospital, is not turned away: the price of one refusal is small, that of a hospital's is not.
 */
import type { ErrorName } from "../errors.ts";
import type { EventMs } from "../time.ts";
import { TokenBuckets } from "./token-bucket.ts";

/** What a refusal without a proven sender costs its source: a signature that was checked is dearer than a glance. */
const COST: Readonly<Partial<Record<ErrorName, number>>> = {
  unknownAddress: 1,
  bodyTooLarge: 1,
  badRequest: 1,
  institutionUnknown: 1,
  channelUnknown: 1,
  timestampOutside: 1,
  unauthorised: 10,
};
/** Calls without a proven sender that one source may make at once, and per second in the long run. */
export interface GarbageLimits {
  readonly garbageBurst: number;
  readonly garbagePerSecond: number;
}
const SOURCES_MAX = 20_000;
const TELL_MS = 1_000;
const TRUSTED_MAX = 5_000;
const TRUSTED_MS = 10 * 60_000;

export class Shield {
  readonly #rate: { readonly ratePerSecond: number; readonly rateBurst: number };
  readonly #garbage = new TokenBuckets(SOURCES_MAX);
  /** Sources that a call with a proven sender came from, and when; oldest first. */
  readonly #trusted = new Map<string, number>();
  #untold = 0;
  #toldAtMs = 0;

  constructor(limits: GarbageLimits) {
    this.#rate = { ratePerSecond: limits.garbagePerSecond, rateBurst: limits.garbageBurst };
  }

  /** Seconds for which nothing of this source is looked at; 0: go on. */
  waitFor(source: string | undefined, nowMs: EventMs): number {
    if (source === undefined || this.#isTrusted(source, nowMs)) return 0;
    return this.#garbage.wait(source, this.#rate, nowMs);
  }

  /** Counts a call that was turned away; once a second says how many were since it last said so. */
  turnedAway(nowMs: EventMs): number | undefined {
    if (nowMs - this.#toldAtMs < TELL_MS) {
      this.#untold++;
      return undefined;
    }
    const alike = this.#untold;
    this.#untold = 0;
    this.#toldAtMs = nowMs;
    return alike;
  }

  /** What came of a call before its sender was proven. */
  refused(source: string | undefined, error: ErrorName, nowMs: EventMs): void {
    const cost = COST[error];
    if (source === undefined || cost === undefined) return;
    // Without so many left the bucket is emptied, or dear garbage would pass where cheap garbage is stopped.
    if (this.#garbage.take(source, this.#rate, nowMs, cost) > 0) this.#garbage.drain(source, nowMs);
  }

  proven(source: string | undefined, nowMs: EventMs): void {
    if (source === undefined || this.#trusted.get(source) === nowMs) return;
    this.#trusted.delete(source);
    this.#trusted.set(source, nowMs);
    if (this.#trusted.size > TRUSTED_MAX)
      for (const oldest of this.#trusted.keys()) {
        this.#trusted.delete(oldest);
        break;
      }
  }

  #isTrusted(source: string, nowMs: EventMs): boolean {
    const provenAtMs = this.#trusted.get(source);
    return provenAtMs !== undefined && nowMs - provenAtMs < TRUSTED_MS;
  }
}
