/**
 * A payer as the settlement saga sees one. Three families: medical insurance, commercial insurance, bank.
 *
 * Every call carries a key made of settlement, leg and action; the payer does a key's work once and repeats its
 * answer for ever. So any call may be repeated after a crash, and a missing answer is asked for, never guessed.
 */
import type { FeeLineText } from "../../protocol/fee-lines.ts";
import type { Fen } from "../../protocol/money.ts";
import type { EventMs } from "../../protocol/time.ts";
import type { FundPart, RailName } from "../plan.ts";
import type { Amounts } from "../split/amounts.ts";

export interface Rail {
  readonly name: RailName;
  /** Asks the payer to hold what it will pay of `asked`. */
  authorise(request: AuthoriseRequest, asking: Asking): Promise<AuthoriseAnswer>;
  /** Takes what was held, whole. */
  capture(request: LegRequest, asking: Asking): Promise<MoveAnswer>;
  /** Releases what was held. A leg that was never asked for is closed, so that a late authorisation is refused. */
  void(request: LegRequest, asking: Asking): Promise<VoidAnswer>;
  /** Gives back what was captured, or a part of it; several refunds of one leg never exceed it. */
  refund(request: RefundRequest, asking: Asking): Promise<MoveAnswer>;
  /** What became of an action, by its key. */
  query(key: string): Promise<QueryAnswer>;
  close(): Promise<void>;
}

/** What a payer would pay of a bill, asked without holding anything. The bank is never asked: it pays what is left. */
export interface QuotingRail {
  readonly name: RailName;
  presettle(request: PresettleRequest): Promise<PresettleAnswer>;
}
export interface PresettleRequest {
  readonly institution: string;
  /** The caller's name for the question; a repeat may use it again. */
  readonly visitId: string;
  readonly businessType: string;
  readonly medType?: string | undefined;
  readonly bill: Fen;
  readonly asked: Fen;
  readonly fees?: readonly FeeLineText[] | undefined;
  readonly account: RailAccount;
}
export type PresettleAnswer =
  | {
      readonly kind: "done";
      readonly amount: Fen;
      readonly parts: readonly FundPart[];
      /** The insurer's whole split; the other families have none. */
      readonly amounts?: Amounts;
      /** What is left in the personal account before this bill, where the insurer says. */
      readonly personalAccount?: Fen;
    }
  | RefusedAnswer
  | UnknownAnswer;

/**
 * A payer's own account of a day (UTC+8): what it took and gave back, by the keys of our calls. A statement that is
 * missing, cut short or contradicts itself throws {@link StatementError}: it proves nothing, and may be asked again.
 */
export interface StatementRail {
  readonly name: RailName;
  /** `day` is `YYYYMMDD`. */
  statementTotals(day: string): Promise<StatementTotals>;
  /** In no promised order; read as it arrives, so a day of any length needs little memory. */
  statementRows(day: string): AsyncIterable<StatementRow>;
}
export interface StatementTotals {
  readonly day: string;
  /** The payer adds no more rows to this day. What is absent from a day that is still open proves nothing. */
  readonly closed: boolean;
  readonly captures: number;
  readonly captured: Fen;
  /** Refunds and reversals. */
  readonly refunds: number;
  readonly refunded: Fen;
  /** The same apart by institution; absent from a payer that states one sum, whose rows are compared then. */
  readonly institutions?: readonly InstitutionTotals[];
}
export interface InstitutionTotals extends Pick<StatementTotals, "captures" | "captured" | "refunds" | "refunded"> {
  readonly institution: string;
  /** Apart by fund source; `undefined` where a payer states only the sum of its funds (3201). */
  readonly funds: readonly { readonly fundSource: string; readonly captured: Fen; readonly refunded: Fen }[] | undefined;
}
export interface StatementRow {
  /** {@link railKey} of the call that moved the money; for a movement that no call of ours explains, the payer's own name for it. */
  readonly key: string;
  /** `reversal`: a payment taken back before it counted with us; beside its `capture` the two come to nothing. */
  readonly kind: "capture" | "refund" | "reversal";
  readonly institution: string;
  /** Above zero in every kind. */
  readonly amount: Fen;
  readonly parts: readonly FundPart[];
  readonly railReference: string;
  readonly atMs: EventMs;
}
export class StatementError extends Error {
  override readonly name = "StatementError";
  readonly reason: "unreachable" | "timeout" | "serverError" | "malformed" | "cutShort" | "refused";

  constructor(reason: StatementError["reason"], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Everything an adapter of ours offers. */
export type Payer = Rail & StatementRail & QuotingRail;
export type Payers = Readonly<Record<RailName, Payer>>;

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
  /** NHSA 医疗类别 (`med_type`), for example 11 普通门诊, 21 普通住院, 41 定点药店; what `businessType` implies when absent. */
  readonly medType?: string | undefined;
  /** Fee detail lines; without them the whole bill counts as within the insured scope. */
  readonly fees?: readonly FeeLineText[] | undefined;
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
  /** At most what was captured and not given back yet. */
  readonly amount: Fen;
  /** Which funds get how much; sums to `amount`. Absent: all that is left, or split by largest remainder over what is left. */
  readonly parts?: readonly FundPart[] | undefined;
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
/** `parts`: which funds were given back, where the payer has more than one. */
export type MoveAnswer = (DoneAnswer & { readonly parts?: readonly FundPart[] }) | RefusedAnswer | UnknownAnswer;
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
  "refundExceeds",
  "ecTokenMissing",
  "keyConflict",
  "declined",
] as const;
export type RailRefusal = (typeof RAIL_REFUSALS)[number];

/** The idempotency key of an action on a leg. @example railKey("rs…", "bank", "capture") // "rs…/bank/capture" */
export function railKey(id: string, rail: RailName, action: RailAction): string {
  return `${id}/${rail}/${action}`;
}

export type Rails = Readonly<Record<RailName, Rail>>;
