/**
 * What reconciliation, day close and statements ask of a settlement shard. Implemented by the shard; the rooms
 * `reconcile/` and `day/` know only this port. All amounts are fen, all days are accounting days of UTC+8.
 */
import type { LeafDraft, LedgerPosition } from "../../ledger/leaf-draft.ts";
import type { Fen } from "../protocol/money.ts";
import type { EventMs } from "../protocol/time.ts";
import type { FundPart, RailName } from "./plan.ts";

/** `YYYYMMDD`, UTC+8. */
export type AccountingDay = string & { readonly __brand: "AccountingDay" };

/** One movement at a payer that our books count: a captured leg, or a leg given back, by one call's key. */
export interface Posting {
  readonly rail: RailName;
  readonly settlementId: string;
  /** `railKey(…)` of the call that moved the money, as the payer's statement repeats it. */
  readonly key: string;
  readonly kind: "capture" | "refund" | "reversal";
  readonly institution: string;
  readonly amount: Fen;
  readonly parts: readonly { readonly fundSource: string; readonly amount: Fen }[];
  readonly railReference: string;
  readonly postedAtMs: EventMs;
  readonly day: AccountingDay;
  /** Came after its own day was sealed. */
  readonly late: boolean;
  readonly ledgerIndex: bigint;
  /** Of a supplement (补账): whether it was taken back, so that nothing of ours stands against the payer's row any more. */
  readonly supplement?: { readonly supplementId: string; readonly takenBack: boolean };
}

/** What a payer's statement proves about a call whose answer we miss. */
export interface Evidence {
  readonly key: string;
  readonly rail: RailName;
  /** `absent`: the payer's closed day does not have it. */
  readonly found:
    | {
        readonly kind: "done";
        readonly amount: Fen;
        readonly railReference: string;
        readonly parts: readonly { readonly fundSource: string; readonly amount: Fen }[];
      }
    | { readonly kind: "absent" };
  /** SM3 hex of the statement, and the row or day it stands for; enters the leaf. */
  readonly statementHash: string;
  readonly runId: string;
}
export type Healing = "healed" | "notOpen" | "contradicts" | "unknownKey";

/** A correction of the books outside the saga: into suspense (挂账), out of it, or a write-off (核销). */
export interface Adjustment {
  readonly adjustmentId: string;
  readonly caseId: string;
  readonly kind: "suspend" | "release" | "writeOff";
  readonly rail: RailName;
  readonly fundSource: string;
  readonly institution: string;
  /** The settlement concerned, where there is one. */
  readonly settlementId: string | undefined;
  /** Signed: above zero, the payer owes us. */
  readonly amount: bigint;
  readonly reason: string;
  /** Two different people for a write-off. */
  readonly requestedBy: string;
  readonly approvedBy: string | undefined;
}
export type AdjustmentRefusal = "repeated" | "needsSecondPerson" | "samePerson" | "daySealed" | "nothingSuspended";

/** 补账: a movement that really happened at a payer, and that our books do not have, is taken into them. */
export interface Supplement {
  readonly supplementId: string;
  readonly caseId: string;
  readonly rail: RailName;
  /** What the payer did. */
  readonly movement: Posting["kind"];
  /** As the payer's statement has them; the key may be empty. */
  readonly key: string;
  readonly railReference: string;
  readonly payerDay: AccountingDay;
  readonly statementHash: string;
  readonly institution: string;
  /** The settlement or refund it belongs to, where there is one. */
  readonly settlementId: string | undefined;
  readonly parts: readonly FundPart[];
  readonly reason: string;
  /** Two different people. */
  readonly requestedBy: string;
  readonly approvedBy: string | undefined;
}
/** An order that was wrong: what a supplement moved goes back, once. */
export interface SupplementReturn extends Pick<Supplement, "supplementId" | "caseId" | "institution" | "reason"> {
  /** Two different people. */
  readonly requestedBy: string;
  readonly approvedBy: string | undefined;
}
export type SupplementRefusal =
  | "repeated"
  | "needsSecondPerson"
  | "samePerson"
  | "settlementUnknown"
  | "settlementOpen"
  | "alreadyBooked"
  | "notBooked";

/** What one payer took of a bill that was refused, and by its own statement did not give back. */
export interface Kept {
  readonly rail: RailName;
  readonly settlementId: string;
  readonly institution: string;
  /** `railKey(…)` of the capture. */
  readonly key: string;
  readonly railReference: string;
  readonly day: AccountingDay;
  readonly postedAtMs: EventMs;
  readonly parts: readonly { readonly fundSource: string; readonly amount: Fen }[];
  /** What refunds have not given back yet; empty when nothing is left. */
  readonly left: readonly { readonly fundSource: string; readonly amount: Fen }[];
  /** The run and the statement that proved it. */
  readonly runId: string;
  readonly statementHash: string;
}

/** An order of two operators to give kept money back. */
export interface GiveBack {
  readonly caseId: string;
  readonly settlementId: string;
  readonly rail: RailName;
  readonly requestedBy: string;
  readonly approvedBy: string;
}
/** `repeated`: a refund under this case is under way. */
export type GiveBackAnswer = "begun" | "repeated" | GiveBackRefusal;
export type GiveBackRefusal =
  | "originalUnknown"
  | "originalNotSettled"
  | "originalErased"
  | "refundOfRefund"
  | "refundsExhausted"
  | "nothingLeft";

export interface TrialBalanceRow {
  readonly account: string;
  readonly fundSource: string;
  /** Turnover of the day. */
  readonly debit: Fen;
  readonly credit: Fen;
  /** Posted balance at the end of the day: credits less debits. */
  readonly balance: bigint;
}
export interface TrialBalance {
  readonly day: AccountingDay;
  readonly rows: readonly TrialBalanceRow[];
  /** SM3 hex over the rows in their order; enters the seal. */
  readonly hash: string;
}
/** The seal of one day of one shard; itself a leaf `day.closed`. */
export interface DaySeal {
  readonly day: AccountingDay;
  readonly sealedAtMs: EventMs;
  readonly trialBalance: TrialBalance;
  /** Tree head before the seal's own entry. */
  readonly head: { readonly size: bigint; readonly root: Uint8Array };
  /** Next offset per partition of the requests topic: the watermark. */
  readonly offsets: readonly { readonly topic: string; readonly partition: number; readonly nextOffset: bigint }[];
  /** Settlements accepted on or before the day that had no end yet: they post into a later day, with a mark. */
  readonly carriedOver: readonly string[];
  readonly position: LedgerPosition;
}
export type SealRefusal = "dayNotOver" | "earlierDayOpen" | "alreadySealed";

/** What people may change in the books beside the saga. */
export type Correction =
  | { readonly do: "adjust"; readonly order: Adjustment }
  | { readonly do: "supplement"; readonly order: Supplement }
  | { readonly do: "takeBack"; readonly order: SupplementReturn };

export interface ShardBooks {
  readonly shard: number;
  /** In the order of `key`; of the whole day, sealed or not. */
  postings(query: { readonly rail: RailName; readonly day: AccountingDay }): AsyncIterable<Posting>;
  /** Keys whose answer is missing, with the day of the first asking. */
  openKeys(
    rail: RailName,
  ): Promise<readonly { readonly key: string; readonly settlementId: string; readonly amount: Fen; readonly askedAtMs: EventMs }[]>;
  /** Every refused bill's money that a payer kept, given back since or not. */
  kept(): Promise<readonly Kept[]>;
  /** `listener` is told when money was kept, or kept money may have been given back. */
  onKept(listener: () => void): void;
  /** Begins a refund of what a payer kept; it is carried out, and asked for again, as a hospital's. */
  giveBack(asked: GiveBack): Promise<GiveBackAnswer>;
  heal(evidence: Evidence, atMs: EventMs): Promise<Healing>;
  adjust(adjustment: Adjustment, atMs: EventMs): Promise<LedgerPosition | AdjustmentRefusal>;
  supplement(order: Supplement, atMs: EventMs): Promise<LedgerPosition | SupplementRefusal>;
  takeBack(order: SupplementReturn, atMs: EventMs): Promise<LedgerPosition | SupplementRefusal>;
  /** Whether one of the three above would be refused; changes nothing. */
  refusalOf(correction: Correction): Promise<AdjustmentRefusal | SupplementRefusal | undefined>;
  /** An entry without money: a reconciliation run, a case that changed hands. */
  record(draft: LeafDraft, atMs: EventMs): Promise<LedgerPosition>;
  trialBalance(day: AccountingDay): Promise<TrialBalance>;
  seal(day: AccountingDay, atMs: EventMs): Promise<DaySeal | SealRefusal>;
  seals(): Promise<readonly DaySeal[]>;
}
