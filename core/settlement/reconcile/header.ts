/** Where a file has the columns that its mapping names: in any order, under any of their names, among others. */
import { cellText, wordText } from "./fields.ts";
import { type ColumnName, namesOf, type StatementMapping } from "./mapping.ts";
import { BadStatementError } from "./statement.ts";

/** A title, an account, a period: what a payer writes above its header has at most so many rows. */
export const HEADER_ROW_MAX = 20;

export interface Header {
  /** Cells of a row; empty ones at its end do not count. */
  readonly width: number;
  readonly places: Readonly<Partial<Record<ColumnName, number>>>;
  readonly funds: readonly { readonly fundSource: string; readonly place: number; readonly name: string }[];
}
export interface Sought {
  readonly header: Header;
  /** Names, as the mapping has them, of columns that are not there, and of those that are there twice. */
  readonly missing: readonly string[];
  readonly twice: readonly string[];
  /** The column of amounts says that it is in fen. */
  readonly inFen: boolean;
}

const UNIT = /\((?:元|人民币|人民币元|rmb|cny)\)$/;
const FEN_UNIT = /\(分\)$/;

export function seekHeader(record: readonly string[], mapping: StatementMapping): Sought {
  const cells = record.map((cell) => wordText(cell).replace(UNIT, ""));
  const missing: string[] = [];
  const twice: string[] = [];
  let inFen = false;
  const placeOf = (column: string | readonly string[], isAmount: boolean): number => {
    const names = new Set(namesOf(column).map((name) => wordText(name).replace(UNIT, "")));
    const found = cells.flatMap((cell, at) => (names.has(cell) ? [at] : []));
    const inFenAt = isAmount ? cells.findIndex((cell) => FEN_UNIT.test(cell) && names.has(cell.replace(FEN_UNIT, ""))) : -1;
    if (found.length > 1) twice.push(namesOf(column)[0]);
    if (found[0] === undefined && inFenAt >= 0) inFen ||= mapping.unit === "yuan";
    const at = found[0] ?? (inFenAt >= 0 ? inFenAt : undefined);
    if (at === undefined) missing.push(namesOf(column)[0]);
    return at ?? -1;
  };
  const places: Partial<Record<ColumnName, number>> = {};
  for (const [name, column] of Object.entries(mapping.columns) as [ColumnName, string | readonly string[] | undefined][])
    if (column !== undefined) places[name] = placeOf(column, name === "amount" || name === "captured" || name === "refunded");
  const funds = Object.entries(mapping.funds ?? {}).map(([fundSource, column]) => ({
    fundSource,
    place: placeOf(column, true),
    name: namesOf(column)[0],
  }));
  return { header: { width: widthOf(record), places, funds }, missing, twice, inFen };
}

/** Cells up to the last that holds something: spreadsheets write empty ones behind it. */
export function widthOf(record: readonly string[]): number {
  return record.findLastIndex((cell) => cellText(cell) !== "") + 1;
}

function list(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}

/** The header, or why this row, from which all of it was wanted, is none. */
export function headerOf({ header, missing, twice, inFen }: Sought, line: number): Header {
  if (missing.length > 0)
    throw new BadStatementError({
      code: "header",
      line,
      detail: {
        zh: `前 ${HEADER_ROW_MAX} 行中没有含这些列的表头: ${list(missing)}`,
        en: `none of the first ${HEADER_ROW_MAX} rows is a header with the columns ${list(missing)}`,
      },
    });
  if (twice.length > 0)
    throw new BadStatementError({
      code: "header",
      line,
      detail: { zh: `表头中重复的列: ${list(twice)}`, en: `the header has twice: ${list(twice)}` },
    });
  if (inFen)
    throw new BadStatementError({
      code: "inFen",
      line,
      detail: {
        zh: "表头写明金额以分为单位，而映射为元；若支付方以分记账，请在映射中写 unit: fen",
        en: "the header says that amounts are in fen, and the mapping that they are in yuan; where the payer writes fen, the mapping says unit: fen",
      },
    });
  return header;
}
