import type { MovementKind } from "./statement.ts";

/**
 * The matching rules as data with a version. The version enters a run's id and its leaf: the same statement under the
 * same rules is the same run.
 *
 * 1. By key: the payer repeats the key of our call.
 * 2. By the payer's own reference, where it does not repeat keys.
 * 3. Institution, kind and amount within a time window: a proposal for a person, never a match.
 *
 * What neither rule finds waits for the statements of the next days (T+1, T+2) before it is called a difference.
 */
export interface ReconcileRules {
  readonly version: string;
  /** How many later days of the payer are looked at before a row without counterpart is a difference. */
  readonly secondLookDays: number;
  /** A call asked for so shortly before midnight may stand in the payer's next day. */
  readonly midnightMs: number;
  /** Rule 3: how far apart two instants may lie. */
  readonly proposalWindowMs: number;
  /** More rows without counterpart than this is another day's or another payer's statement, not a reconciliation. */
  readonly unmatchedMax: number;
}

export const RULES: ReconcileRules = {
  version: "reconcile/3",
  secondLookDays: 2,
  midnightMs: 30 * 60_000,
  proposalWindowMs: 10 * 60_000,
  unmatchedMax: 10_000,
};

/**
 * Classes of the field, by what they mean for the institution: 长款 `surplus`, the payer moved more its way than our books
 * say, and it is owed back; 短款 `shortage`, the payer moved less, and owes it; `amount`, both have it and do not agree.
 */
export const DIFFERENCE_CLASSES = ["surplus", "shortage", "amount"] as const;
export type DifferenceClass = (typeof DIFFERENCE_CLASSES)[number];
/** What a case may be: a difference, or money that a payer keeps of a refused bill, which both sides have (挂账). */
export const CASE_CLASSES = [...DIFFERENCE_CLASSES, "keptMoney"] as const;
export type CaseClass = (typeof CASE_CLASSES)[number];

/** A payment that only the payer has is money too much; one that only we have, money that is missing. Given back, it is the other way round. */
export function classOf(kind: MovementKind, side: "ours" | "theirs"): DifferenceClass {
  return (kind === "capture") === (side === "theirs") ? "surplus" : "shortage";
}
