/** A payer's statement of one day (对账单) as reconciliation reads it: rows with their place, and totals. */
import type { RailName } from "../plan.ts";
import { type InstitutionTotals, railKey, type StatementRow } from "../rails/port.ts";

export type MovementKind = StatementRow["kind"];
export const MOVEMENT_KINDS: readonly MovementKind[] = ["capture", "refund", "reversal"];

export interface StatementLine extends StatementRow {
  /** Row of the file, the header being row 1; what a service answers is kept as such a file. */
  readonly line: number;
}

/** Why a statement was not taken in; nothing of it was. */
export interface StatementDefect {
  readonly code:
    | "unreadable"
    | "encoding"
    | "header"
    | "malformedRow"
    | "rowTooLong"
    | "cutShort"
    | "duplicateKey"
    | "duplicateReference"
    | "otherDay"
    | "otherPayer"
    | "totalsDisagree"
    | "tooManyUnmatched";
  /** Row of the file, the header being row 1. */
  readonly line: number | undefined;
  /** What was wanted; never what stood there. */
  readonly detail: string;
}

/** Ends an import at its first defect; turned into the one answer at the edge of the room. */
export class BadStatementError extends Error {
  override readonly name = "BadStatementError";
  readonly defect: StatementDefect;

  constructor(code: StatementDefect["code"], line: number | undefined, detail: string) {
    super(line === undefined ? detail : `row ${line}: ${detail}`);
    this.defect = { code, line, detail };
  }
}

/** The totals as text, to be hashed where they are all that was compared. */
export function totalsText(rail: RailName, day: string, institutions: readonly InstitutionTotals[]): string {
  const lines = institutions.flatMap(({ institution, captures, captured, refunds, refunded, funds = [] }) => [
    `${institution} ${captures} ${captured} ${refunds} ${refunded}`,
    ...funds.map((fund) => `${institution}/${fund.fundSource} ${fund.captured} ${fund.refunded}`),
  ]);
  return ["ronghe.totals/v2", rail, day, ...lines.sort(), ""].join("\n");
}

/** The settlement that a key of ours speaks of; `undefined` for a name of the payer's own. */
export function settlementOfKey(key: string, rail: RailName): string | undefined {
  for (const action of ["capture", "refund", "reverse"] as const) {
    const suffix = railKey("", rail, action);
    if (key.endsWith(suffix) && key.length > suffix.length) return key.slice(0, -suffix.length);
  }
  return undefined;
}
