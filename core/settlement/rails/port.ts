/**
 * A payer as the settlement saga sees one. Three families: medical insurance, commercial insurance, bank.
 *
 * Every call carries a key made of settlement, leg and action; the payer does a key's work once and repeats its
 * answer for ever. So any call may be repeated after a crash, and a missing answer is asked for, never guessed.
 */
import type { Fen } from "../../protocol/money.ts";
import type { FundPart, RailName } from "../plan.ts";

export interface Rail {
  readonly name: RailName;
  /** Asks the payer to hold what it will pay of `asked`. */
  authorise(request: AuthoriseRequest, asking: Asking): Promise<AuthoriseAnswer>;
  /** Takes what was held, whole. */
  capture(request: LegRequest, asking: Asking): Promise<MoveAnswer>;
  /** Releases what was held. A leg that was never asked for is closed, so that a late authorisation is refused. */
  void(request: LegRequest, asking: Asking): Promise<VoidAnswer>;
  /** Gives back what was captured, whole. */
  refund(request: RefundRequest, asking: Asking): Promise<MoveAnswer>;
  /** What became of an action, by its key. */
  query(key: string): Promise<QueryAnswer>;
  close(): Promise<void>;
}

/** `again`: the action may have been asked before (a crash, a lost answer), so its key is queried first. */
export type Asking = "first" | "again";
export type RailAction = "authorise" | "capture" | "void" | "refund" | "reverse";

export interface LegRequest {
  readonly settlementId: string;
  readonly institution: string;
  /** Fen of the leg; for `void` zero when nothing is known to be held. */
  readonly amount: Fen;
}
export interface AuthoriseRequest {
  readonly settlementId: string;
  readonly institution: string;
  readonly businessType: string;
  /** The whole bill. */
  readonly bill: Fen;
  /** What no earlier payer took: the most that this one may pay. */
  readonly asked: Fen;
  /** Opened only when the payer must really be told who pays: a question by key needs no account. `undefined`: it does not open. */
  readonly account: () => Promise<RailAccount | undefined>;
}
/** Who pays, in the only form that each family takes. */
export type RailAccount =
  | {
      readonly rail: "insurance";
      /** The one medium of the insurance leg (S3 D.1; domain notes 8.2 row 44), travelling beside the payer's own number. */
      readonly ecToken: string;
      readonly psnNo: string;
      readonly insuOrg: string;
    }
  | { readonly rail: "commercial"; readonly authorisationId: string }
  | { readonly rail: "bank"; readonly contractId: string };

export interface RefundRequest {
  /** Whose key the refund has: the refund's own id, or the settlement's when a payment is reversed before it counted. */
  readonly refundId: string;
  readonly action: "refund" | "reverse";
  /** The settlement whose leg is given back. */
  readonly settlementId: string;
  readonly institution: string;
  readonly amount: Fen;
}

/** No definite answer: timed out, unreachable, or an answer that contradicts the question or its own format. */
export interface UnknownAnswer {
  readonly kind: "unknown";
  readonly reason: "timeout" | "unreachable" | "serverError" | "garbage";
}
export interface RefusedAnswer {
  readonly kind: "refused";
  readonly reason: RailRefusal;
}
export interface DoneAnswer {
  readonly kind: "done";
  readonly amount: Fen;
  readonly railReference: string;
}
/** The payer was not told anything, because the account did not open. */
export interface UnaskedAnswer {
  readonly kind: "unasked";
}
export type AuthoriseAnswer = (DoneAnswer & { readonly parts: readonly FundPart[] }) | RefusedAnswer | UnknownAnswer | UnaskedAnswer;
export type MoveAnswer = DoneAnswer | RefusedAnswer | UnknownAnswer;
export type VoidAnswer = { readonly kind: "done"; readonly railReference: string } | RefusedAnswer | UnknownAnswer;
export type QueryAnswer =
  | (DoneAnswer & { readonly parts: readonly FundPart[] })
  | RefusedAnswer
  | { readonly kind: "absent" }
  | UnknownAnswer;

/** Why a payer says no; the list of docs/rails.md. */
export const RAIL_REFUSALS = [
  "insufficient",
  "accountUnknown",
  "accountClosed",
  "legClosed",
  "holdUnknown",
  "holdExpired",
  "captured",
  "notCaptured",
  "refunded",
  "keyConflict",
  "declined",
] as const;
export type RailRefusal = (typeof RAIL_REFUSALS)[number];

/** The idempotency key of an action on a leg. @example railKey("rs…", "bank", "capture") // "rs…/bank/capture" */
export function railKey(id: string, rail: RailName, action: RailAction): string {
  return `${id}/${rail}/${action}`;
}

export type Rails = Readonly<Record<RailName, Rail>>;
