/** What one batch of events adds to the supervisor's figures; pure, exact to the fen. */
import { parseYuan } from "../../core/protocol/money.ts";
import { cstDay, type EventMs } from "../../core/protocol/time.ts";
import type { AnyEvent } from "../contracts/event.ts";
import type { DataTopic } from "../contracts/topics.ts";

/** Topics that supervision counts. */
export const SUPERVISED_TOPICS = [
  "code.scan.observed.v1",
  "settlement.claim.settled.v1",
  "settlement.claim.refunded.v1",
  "settlement.claim.refused.v1",
  "settlement.claim.unknown.v1",
] as const satisfies readonly DataTopic[];
export type SupervisedTopic = (typeof SUPERVISED_TOPICS)[number];
export type SupervisedEvent = Extract<AnyEvent, { readonly type: SupervisedTopic }>;

export function isSupervised(event: AnyEvent): event is SupervisedEvent {
  return (SUPERVISED_TOPICS as readonly string[]).includes(event.type);
}

export const ENDINGS = ["settled", "refunded", "refused", "unknown"] as const;
export type Ending = (typeof ENDINGS)[number];

interface OfDay {
  readonly day: string;
  readonly institution: string;
}
export interface ScanCount extends OfDay {
  readonly step: string;
  readonly outcome: string;
  readonly observedBy: string;
  scans: number;
}
export interface ClaimCount extends OfDay {
  readonly ending: Ending;
  claims: number;
}
export interface FundSum extends OfDay {
  readonly rail: string;
  readonly fundSource: string;
  settledFen: bigint;
  refundedFen: bigint;
}

/** Sums of a batch, each row once. */
export class Tally {
  readonly #scans = new Map<string, ScanCount>();
  readonly #claims = new Map<string, ClaimCount>();
  readonly #funds = new Map<string, FundSum>();

  get scans(): readonly ScanCount[] {
    return [...this.#scans.values()];
  }
  get claims(): readonly ClaimCount[] {
    return [...this.#claims.values()];
  }
  get funds(): readonly FundSum[] {
    return [...this.#funds.values()];
  }

  add(event: SupervisedEvent): void {
    const of = { day: cstDay(event.data.atMs as EventMs), institution: event.data.institution };
    switch (event.type) {
      case "code.scan.observed.v1": {
        const { step, outcome, observedBy } = event.data;
        const key = { ...of, step, outcome, observedBy };
        entry(this.#scans, key, () => ({ ...key, scans: 0 })).scans += 1;
        return;
      }
      case "settlement.claim.settled.v1":
        this.#claim(of, "settled");
        for (const leg of event.data.legs) this.#fund(of, leg).settledFen += fenOf(leg.amount);
        return;
      case "settlement.claim.refunded.v1":
        this.#claim(of, "refunded");
        for (const leg of event.data.legs) this.#fund(of, leg).refundedFen += fenOf(leg.amount);
        return;
      case "settlement.claim.refused.v1":
        this.#claim(of, "refused");
        // What a payer keeps of it was paid, though the bill was not.
        for (const leg of event.data.kept ?? []) this.#fund(of, leg).settledFen += fenOf(leg.amount);
        return;
      case "settlement.claim.unknown.v1":
        return this.#claim(of, "unknown");
    }
  }

  #claim(of: OfDay, ending: Ending): void {
    const key = { ...of, ending };
    entry(this.#claims, key, () => ({ ...key, claims: 0 })).claims += 1;
  }

  #fund(of: OfDay, { rail, fundSource }: { readonly rail: string; readonly fundSource: string }): FundSum {
    const key = { ...of, rail, fundSource };
    return entry(this.#funds, key, () => ({ ...key, settledFen: 0n, refundedFen: 0n }));
  }
}

function entry<Key extends object, Value>(map: Map<string, Value>, key: Key, make: () => Value): Value {
  const name = JSON.stringify(key);
  const found = map.get(name);
  if (found !== undefined) return found;
  const made = make();
  map.set(name, made);
  return made;
}

/** Whether every amount can be counted; an event that cannot is put aside, never rounded or left out in silence. */
export function isCountable(event: SupervisedEvent): boolean {
  const legs = "legs" in event.data ? event.data.legs : "kept" in event.data ? (event.data.kept ?? []) : [];
  return legs.every(({ amount }) => parseYuan(amount) !== undefined);
}

function fenOf(yuan: string): bigint {
  const fen = parseYuan(yuan);
  if (fen === undefined) throw new Error("an amount was not checked before it was counted");
  return fen;
}
