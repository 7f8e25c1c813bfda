/**
 * What an institution may read of its own settled and refunded money (`rh.statement`): one accounting day or month, a
 * page at a time. Read from the books of its shard; implemented beside day close.
 */
import type { Fen } from "../protocol/money.ts";
import type { EventMs } from "../protocol/time.ts";
import type { FundPart, RailName } from "./plan.ts";

/** Rows of one page at most. */
export const STATEMENT_PAGE_MAX = 100;

export interface InstitutionStatements {
  /** `undefined`: a period that has not begun, or a cursor that this did not give. */
  read(query: StatementQuery): Promise<StatementPage | undefined>;
}

export interface StatementQuery {
  readonly institution: string;
  /** `YYYYMMDD` or `YYYYMM`, UTC+8. */
  readonly period: string;
  /** Where the page before ended: its `next`. */
  readonly after?: string | undefined;
  /** 1 to {@link STATEMENT_PAGE_MAX}. */
  readonly limit: number;
}

export interface StatementPage {
  /** Every day of the period is sealed: no row is added to it any more. */
  readonly closed: boolean;
  /** Of the whole period, whatever the page. */
  readonly totals: StatementFigures;
  /** In a fixed order, the same on every page of one period. */
  readonly rows: readonly StatementLine[];
  /** Absent on the last page; letters, digits, `.`, `_` and `-` only, at most 128. */
  readonly next?: string | undefined;
}

/**
 * As the month statement has them (`day/figures.ts`): kept money is in `settled`, reversed payments are in nothing, and
 * supplements count by their movement. Below zero only where supplements take back more than the period has.
 */
export interface StatementFigures {
  /** Bills that were paid; supplements are counted in neither number. */
  readonly settlements: number;
  readonly settled: Fen;
  readonly refunds: number;
  readonly refunded: Fen;
  /** By rail and fund source: settled less refunded is what the payer owes the institution. */
  readonly sources: readonly { readonly rail: RailName; readonly fundSource: string; readonly settled: Fen; readonly refunded: Fen }[];
}

/** Adds to `settled`, to `refunded`, or takes away from `settled`. */
export type SupplementMovement = "payment" | "refund" | "reversal";

/** `settled` is the settlements, what is kept, and supplements that are payments, less those that are reversals. */
export interface StatementLine {
  /** `kept`: what a payer keeps of a refused bill. `supplement` (补账): taken into the books by hand, or out of them again. */
  readonly kind: "settlement" | "refund" | "kept" | "supplement";
  /** Of a supplement only. */
  readonly movement?: SupplementMovement | undefined;
  /** Both absent of a supplement that belongs to no bill. */
  readonly outTradeNo?: string | undefined;
  readonly settlementId?: string | undefined;
  /** The settlement that a refund gave back. */
  readonly originalSettlementId?: string | undefined;
  /** `YYYYMMDD` on which it counts. */
  readonly day: string;
  readonly atMs: EventMs;
  /** Counts on a later day than its own, which was sealed already. */
  readonly late: boolean;
  readonly amount: Fen;
  readonly legs: readonly (FundPart & { readonly rail: RailName })[];
}
