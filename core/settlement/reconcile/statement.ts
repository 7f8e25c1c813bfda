/** A payer's statement of one day (对账单) as reconciliation reads it: rows with their place, and totals. */
import type { RailName } from "../plan.ts";
import { type InstitutionTotals, railKey, type StatementRow } from "../rails/port.ts";

export type MovementKind = StatementRow["kind"];
export const MOVEMENT_KINDS: readonly MovementKind[] = ["capture", "refund", "reversal"];

export interface StatementLine extends StatementRow {
  /** Row of the file, as the file has it; what a service answers is kept as a file whose header is row 1. */
  readonly line: number;
}

/** One thing to be read by people, in their language. */
export interface Said {
  readonly zh: string;
  readonly en: string;
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
    | "inFen"
    | "tooManyUnmatched";
  /** Row of the file, as the file has it. */
  readonly line: number | undefined;
  /** The column as the mapping names it. */
  readonly column?: string;
  /** What was wanted; never what stood there. */
  readonly detail: Said;
}

/** Defects told of one statement: enough to mend a file by, not a second file. */
export const DEFECTS_MAX = 20;

/** Ends an import; turned into the one answer at the edge of the room. */
export class BadStatementError extends Error {
  override readonly name = "BadStatementError";
  /** In the order of the file. */
  readonly defects: readonly [StatementDefect, ...StatementDefect[]];

  constructor(first: StatementDefect, ...others: readonly StatementDefect[]) {
    super(sayDefect(first, "en"));
    this.defects = [first, ...others];
  }
}

/** One line. @example `第 3 行 “交易金额”：应为两位小数的元` */
export function sayDefect({ line, column, detail }: StatementDefect, lang: keyof Said): string {
  const places =
    lang === "zh"
      ? [line === undefined ? "" : `第 ${line} 行`, column === undefined ? "" : `“${column}”`]
      : [line === undefined ? "" : `row ${line}`, column === undefined ? "" : `"${column}"`];
  const where = places.filter((place) => place !== "").join(lang === "zh" ? "" : ", ");
  if (where === "") return detail[lang];
  return lang === "zh" ? `${where}：${detail.zh}` : `${where}: ${detail.en}`;
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
