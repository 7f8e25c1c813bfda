/**
 * Nonces and rates of the institutions of one shard, in memory: every implementation of `EdgeState` admits by this.
 * Synchronous, so that of two equal requests exactly one is admitted. Each institution has its own room, so that a flood
 * of one, however signed, takes none from another.
 */
import { TokenBuckets } from "../../core/protocol/server/token-bucket.ts";
import type { EventMs } from "../../core/protocol/time.ts";
import type { Admission, AdmitCall, GuardCall } from "../ports.ts";
import { ExpiringSet } from "./expiring-set.ts";

/** Buckets of guesses kept; they belong to registered terminals, so there are never so many. */
const GUARDS_MAX = 100_000;

export class Admissions {
  readonly #nonces = new Map<string, ExpiringSet>();
  readonly #rates = new TokenBuckets();
  readonly #guards = new TokenBuckets(GUARDS_MAX);

  /** A nonce claimed before a restart. */
  restore(orgId: string, replayKey: string, expiresAtMs: number): void {
    this.#noncesOf(orgId).add(replayKey, expiresAtMs);
  }

  admit(call: AdmitCall): Admission {
    const nonces = this.#noncesOf(call.orgId);
    if (nonces.has(call.replayKey, call.expiresAtMs)) return { kind: "replayed" };
    if (nonces.size >= call.noncesMax) return { kind: "limited", retryAfterSeconds: 1 };
    const retryAfterSeconds = this.#rates.take(call.orgId, call, call.nowMs);
    if (retryAfterSeconds > 0) return { kind: "limited", retryAfterSeconds };
    nonces.add(call.replayKey, call.expiresAtMs);
    return { kind: "admitted" };
  }

  guard(call: GuardCall): number {
    const key = `${call.orgId}/${call.bucket}`;
    return call.cost === 0 ? this.#guards.wait(key, call, call.nowMs) : this.#guards.take(key, call, call.nowMs, call.cost);
  }

  /** Drops what ended before `nowMs`. */
  forget(nowMs: EventMs | number): void {
    for (const [orgId, nonces] of this.#nonces) {
      nonces.forget(nowMs);
      if (nonces.size === 0) this.#nonces.delete(orgId);
    }
  }

  #noncesOf(orgId: string): ExpiringSet {
    let nonces = this.#nonces.get(orgId);
    if (nonces === undefined) this.#nonces.set(orgId, (nonces = new ExpiringSet()));
    return nonces;
  }
}
