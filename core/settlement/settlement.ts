/** A settlement or refund as the room's code handles it, and what a step changes in it. */
import type { ErrorName } from "../protocol/errors.ts";
import type { FeeLineText } from "../protocol/fee-lines.ts";
import type { SealedCredential } from "../protocol/internal.ts";
import type { Fen } from "../protocol/money.ts";
import type { EventMs } from "../protocol/time.ts";
import type { Provenance } from "../../ledger/leaf-draft.ts";
import type { Evidence } from "./books.ts";
import type { FundPart, Leg, RailName } from "./plan.ts";
import type { RailAction } from "./rails/port.ts";
import type { RefundScope } from "./refunds.ts";
import type { Standing } from "./states.ts";

export type Settlement = SettlementFacts & SettlementProgress;

/** Fixed when the request was accepted. */
export interface SettlementFacts {
  readonly id: string;
  readonly institution: string;
  readonly outTradeNo: string;
  readonly requestHash: Uint8Array;
  readonly action: "settle" | "refund";
  /** The settlement that a refund gives back, and when it was settled. */
  readonly parent: { readonly id: string; readonly settledAtMs: EventMs } | undefined;
  /** Of a refund: which legs it may touch. */
  readonly scope: RefundScope | undefined;
  readonly terminal: string;
  readonly businessType: string;
  readonly edge: string;
  readonly amount: Fen;
  /** When the edge made it durable. */
  readonly acceptedAtMs: EventMs;
  readonly recordedAtMs: EventMs;
  readonly provenance: Provenance;
}

/** What steps change. */
export interface SettlementProgress {
  readonly standing: Standing;
  /** Pseudonym (HMAC-SM3, hex), once known. */
  readonly person: string | undefined;
  /** Insured area (GB/T 2260), once known: whose fund pays. */
  readonly region: string | undefined;
  /** Rails the person has accounts on, once known, in the order of payers. */
  readonly bound: readonly RailName[] | undefined;
  /** Kept sealed until no payer can need the accounts any more. */
  readonly credential: SealedCredential | undefined;
  /** What is paid for, kept as long as the credential: no payer asks for it later. */
  readonly care: Care | undefined;
  readonly refusal: ErrorName | undefined;
  /** Calls whose answer did not come. */
  readonly missing: readonly MissingAnswer[];
  /** The missing answer was already told to the hospital: once per settlement. */
  readonly unknownReported: boolean;
  readonly decidedAtMs: EventMs | undefined;
  /** Times the present step was asked in vain. */
  readonly attempt: number;
  /** Since when the present step is under way. */
  readonly stepAtMs: EventMs;
  /** Counts the steps since acceptance; the database takes each number once. */
  readonly revision: number;
  readonly dueAtMs: EventMs | undefined;
  /** Legs held, posted or to be given back; what was released, expired or reversed is not among them. */
  readonly legs: readonly Leg[];
  /** What payers' statements proved about calls without an answer. */
  readonly evidence: readonly Proven[];
  readonly ledgerIndex: bigint | undefined;
}

/** 医疗类别 and fee lines of a bill, where the hospital told them. */
export interface Care {
  readonly medType?: string | undefined;
  readonly fees?: readonly FeeLineText[] | undefined;
}

export interface MissingAnswer {
  readonly rail: RailName;
  readonly action: RailAction;
}
export type Proven = Pick<Evidence, "key" | "found">;

/** An answer that came after its hold had been given up: recorded and refused. */
export interface LateAnswer {
  readonly rail: RailName;
  readonly key: string;
  readonly parts: readonly FundPart[];
  readonly railReference: string;
}

/** What a step of the saga found out; the shard makes it durable. */
export type Transition =
  | { readonly name: "hold"; readonly person: string; readonly region: string | undefined; readonly bound: readonly RailName[] }
  | { readonly name: "held"; readonly legs: readonly Leg[] }
  | { readonly name: "settle"; readonly references: References }
  /** `expired`: legs whose hold the payer says is over; `contradictions`: answers that could not be true. */
  | {
      readonly name: "void";
      readonly refusal: ErrorName;
      readonly expired: readonly RailName[];
      readonly contradictions: Readonly<Partial<Record<RailName, string>>>;
    }
  /** The holds asked for are given up; `missing` are those that never got an answer. */
  | { readonly name: "expire"; readonly missing: readonly MissingAnswer[] }
  /**
   * `reversed`: legs that had been taken and were given back, with the payer's numbers; `kept`: legs that were taken and
   * that the payer, by its own statement, did not give back.
   */
  | {
      readonly name: "refuse";
      readonly refusal: ErrorName;
      readonly reversed: References;
      readonly kept: readonly RailName[];
      readonly late: readonly LateAnswer[];
    }
  /** `references`: the legs that were given back; the others were proved not to be. */
  | { readonly name: "refund"; readonly references: References }
  | { readonly name: "lose"; readonly missing: readonly MissingAnswer[]; readonly dueAtMs: EventMs }
  | { readonly name: "leave"; readonly missing: readonly MissingAnswer[]; readonly cause: LeaveCause };

export type References = ReadonlyMap<RailName, string>;
/** Why nobody is asked any more. */
export type LeaveCause = "asksExhausted" | "voidRefused" | "reversalRefused" | "refundRefused";
