/** A payer's statement of one day (对账单) as reconciliation reads it: rows with their place, and totals. */
import { asFen } from "../../protocol/money.ts";
import type { RailName } from "../plan.ts";
import { railKey, type StatementRow, type StatementTotals } from "../rails/port.ts";

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

/** Counts and sums as 3201 compares them; refunds and reversals together. */
export type Totals = Pick<StatementTotals, "captures" | "captured" | "refunds" | "refunded">;

export class TotalsSum {
  #captures = 0;
  #refunds = 0;
  #captured = 0n;
  #refunded = 0n;

  add(row: Pick<StatementRow, "kind" | "amount">): void {
    if (row.kind === "capture") {
      this.#captures++;
      this.#captured += row.amount;
    } else {
      this.#refunds++;
      this.#refunded += row.amount;
    }
  }

  get totals(): Totals {
    return { captures: this.#captures, captured: asFen(this.#captured), refunds: this.#refunds, refunded: asFen(this.#refunded) };
  }
}

export function sameTotals(a: Totals, b: Totals): boolean {
  return a.captures === b.captures && a.captured === b.captured && a.refunds === b.refunds && a.refunded === b.refunded;
}

/** The totals as text, to be hashed where they are all that was compared. */
export function totalsText(rail: RailName, day: string, totals: Totals): string {
  return `ronghe.totals/v1\n${rail}\n${day}\n${totals.captures} ${totals.captured}\n${totals.refunds} ${totals.refunded}\n`;
}

/** The settlement that a key of ours speaks of; `undefined` for a name of the payer's own. */
export function settlementOfKey(key: string, rail: RailName): string | undefined {
  for (const action of ["capture", "refund", "reverse"] as const) {
    const suffix = railKey("", rail, action);
    if (key.endsWith(suffix) && key.length > suffix.length) return key.slice(0, -suffix.length);
  }
  return undefined;
}
