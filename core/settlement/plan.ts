/**
 * How a bill is split: insurance → commercial → bank (domain notes 4 and 4.4). Pure.
 *
 * The insurer decides funds and personal account together; the commercial insurer pays at most what is left for the
 * person; the bank pays exactly the remainder. The legs' sum is the bill, always, to the fen.
 */
import { fundSourceOf } from "../protocol/fund-sources.ts";
import { asFen, type Fen } from "../protocol/money.ts";
import { refused, ok, type Result } from "../protocol/result.ts";

export const RAIL_ORDER = ["insurance", "commercial", "bank"] as const;
export type RailName = (typeof RAIL_ORDER)[number];

/** What one fund source pays; amounts are above zero. */
export interface FundPart {
  readonly fundSource: string;
  readonly amount: Fen;
}
export interface Leg {
  readonly rail: RailName;
  readonly parts: readonly FundPart[];
  /** The payer's own number of the hold. */
  readonly railReference: string;
}

/** An answer that cannot be true of the question asked; treated like no answer at all. */
export type Contradiction =
  | "nothingOffered"
  | "partsAboveAsked"
  | "partBelowOne"
  | "sourceTwice"
  | "sourceMalformed"
  | "sourceForeign"
  | "remainderNotMet";

const FUND_SOURCE = /^[a-z][a-z0-9_]{0,31}$/;
const PARTS_MAX = 16;

/**
 * Checks a payer's answer to "how much of `asked` do you pay?" and makes it a leg.
 * The bank has no choice: it pays all of `asked` or refuses.
 */
export function takeLeg(rail: RailName, asked: Fen, parts: readonly FundPart[], railReference: string): Result<Leg, Contradiction> {
  if (parts.length > PARTS_MAX) return refused("partsAboveAsked");
  if (new Set(parts.map((part) => part.fundSource)).size !== parts.length) return refused("sourceTwice");
  if (!parts.every((part) => FUND_SOURCE.test(part.fundSource))) return refused("sourceMalformed");
  // A bank that names a fund of the insurance would turn the patient's money into the fund's.
  if (!parts.every((part) => fundSourceOf(part.fundSource)?.rail === rail)) return refused("sourceForeign");
  if (parts.some((part) => part.amount <= 0n)) return refused("partBelowOne");
  const offered = partsTotal(parts);
  if (offered > asked) return refused("partsAboveAsked");
  if (rail === "bank" && offered !== asked) return refused("remainderNotMet");
  return ok({ rail, parts, railReference });
}

/** What is left of a bill after some legs; never negative for legs made by {@link takeLeg}. */
export function remainderOf(bill: Fen, legs: readonly Leg[]): Fen {
  return asFen(bill - legsTotal(legs));
}

export function legTotal(leg: Leg): Fen {
  return partsTotal(leg.parts);
}

export function legsTotal(legs: readonly Leg[]): Fen {
  return asFen(legs.reduce((sum, leg) => sum + legTotal(leg), 0n));
}

/** The legs pay the bill, in the order of payers, each rail once. Checked before money is written; a failure is a bug. */
export function assertPays(bill: Fen, legs: readonly Leg[]): void {
  const order = legs.map((leg) => RAIL_ORDER.indexOf(leg.rail));
  if (order.some((at, index) => index > 0 && at <= (order[index - 1] ?? -1))) throw new RangeError("legs are not in the order of payers");
  if (legs.some((leg) => leg.parts.length === 0)) throw new RangeError("a leg pays nothing");
  if (legsTotal(legs) !== bill) throw new RangeError(`legs sum to ${legsTotal(legs)} fen, the bill is ${bill}`);
}

/** The same sources with the same amounts, in any order. */
export function sameParts(
  some: readonly { readonly fundSource: string; readonly amount: Fen | undefined }[],
  others: readonly FundPart[],
): boolean {
  const amounts = new Map(others.map((part) => [part.fundSource, part.amount]));
  return (
    some.length === others.length &&
    new Set(some.map((part) => part.fundSource)).size === some.length &&
    some.every((part) => part.amount !== undefined && part.amount === amounts.get(part.fundSource))
  );
}

export function partsTotal(parts: readonly FundPart[]): Fen {
  return asFen(parts.reduce((sum, part) => sum + part.amount, 0n));
}
