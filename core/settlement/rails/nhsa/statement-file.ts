/** The file of 3202 (domain notes 4.5): one row per settlement or refund of an institution's day, tabs between. */
import { asFen, type Fen, formatYuan, parseYuan } from "../../../protocol/money.ts";
import { type EventMs, formatCst14, parseCst14 } from "../../../protocol/time.ts";
import type { FundPart } from "../../plan.ts";
import { ACCOUNT_FIELDS, FUND_FIELDS, sumOf } from "../../split/amounts.ts";
import type { ProvinceProfile } from "../../split/profile.ts";
import { StatementError } from "../port.ts";
import { linesOf } from "../statement-csv.ts";
import { STATEMENT_COLUMNS, visitIdOf } from "./messages.ts";

/** The insurer's part of a movement: its funds, accounts and what the hospital bears. */
const LEG_COLUMNS = [...FUND_FIELDS, ...ACCOUNT_FIELDS, "hosp_part_amt"] as const;
export const FILE_HEADER: string = `${STATEMENT_COLUMNS.join("\t")}\n`;

export interface FileRow {
  readonly msgid: string;
  readonly setlId: string;
  readonly settlementId: string;
  /** Given back: amounts travel below zero. */
  readonly refund: boolean;
  readonly atMs: EventMs;
  /** Of the whole bill; never less than the parts. */
  readonly bill: Fen;
  readonly parts: readonly FundPart[];
  readonly result: string;
}

export function fileRow(row: FileRow, profile: ProvinceProfile): string {
  const of = (field: string): Fen => row.parts.find((part) => part.fundSource === field)?.amount ?? asFen(0n);
  const signed = (amount: bigint): string => formatYuan(asFen(row.refund ? -amount : amount));
  const fund = sumOf(FUND_FIELDS.map(of)) + (profile.fundIncludesAccount ? of("acct_pay") : 0n);
  const values: Readonly<Record<string, string>> = {
    msgid: row.msgid,
    setl_id: row.setlId,
    mdtrt_id: visitIdOf(row.settlementId),
    refd_setl_flag: row.refund ? "1" : "0",
    setl_time: formatCst14(row.atMs) + String(row.atMs % 1000).padStart(3, "0"),
    medfee_sumamt: signed(row.bill),
    fund_pay_sumamt: signed(fund),
    cash_payamt: signed(row.bill - sumOf(row.parts.map((part) => part.amount))),
    stmt_rslt: row.result,
    ...Object.fromEntries(LEG_COLUMNS.map((field) => [field, signed(of(field))])),
  };
  return `${STATEMENT_COLUMNS.map((column) => values[column] ?? "").join("\t")}\n`;
}

/** `#<tab>rows` at the end, so that a file cut short is noticed. */
export function fileTrailer(rows: number): string {
  return `#\t${rows}\n`;
}

/** A row as it was told; the settlement is known by its last 30 characters only. */
export type ReadFileRow = Omit<FileRow, "settlementId"> & { readonly mdtrtId: string };

export async function* readStatementFile(pieces: AsyncIterable<Uint8Array>): AsyncIterable<ReadFileRow> {
  let state: "header" | "rows" | "ended" = "header";
  let rows = 0;
  for await (const line of linesOf(pieces)) {
    if (state === "ended") throw malformed("a line after the trailer");
    if (state === "header") {
      if (`${line}\n` !== FILE_HEADER) throw malformed("no header row");
      state = "rows";
    } else if (line.startsWith("#\t")) {
      if (line !== fileTrailer(rows).trimEnd()) throw new StatementError("cutShort", "the trailer counts other rows than there are");
      state = "ended";
    } else {
      rows++;
      yield readRow(line);
    }
  }
  if (state !== "ended") throw new StatementError("cutShort", "the file has no trailer");
}

function readRow(line: string): ReadFileRow {
  const cells = line.split("\t");
  if (cells.length !== STATEMENT_COLUMNS.length) throw malformed("a row that is none");
  const values = new Map(STATEMENT_COLUMNS.map((column, at) => [column, cells[at] ?? ""]));
  const text = (column: (typeof STATEMENT_COLUMNS)[number]): string => values.get(column) ?? "";
  const refund = text("refd_setl_flag") === "1";
  const amount = (column: (typeof STATEMENT_COLUMNS)[number]): Fen => readAmount(text(column), refund);
  const parts = LEG_COLUMNS.map((field): FundPart => ({ fundSource: field, amount: amount(field) })).filter((part) => part.amount > 0n);
  const bill = amount("medfee_sumamt");
  const time = /^(\d{14})(\d{3})$/.exec(text("setl_time"));
  const second = time?.[1] === undefined ? undefined : parseCst14(time[1]);
  if (second === undefined || text("msgid") === "" || text("setl_id") === "") throw malformed("a row that is none");
  if (sumOf(parts.map((part) => part.amount)) + amount("cash_payamt") !== bill) throw malformed("amounts that do not add up");
  const atMs = (second + Number(time?.[2])) as EventMs;
  return { msgid: text("msgid"), setlId: text("setl_id"), mdtrtId: text("mdtrt_id"), refund, atMs, bill, parts, result: text("stmt_rslt") };
}

/** Zero has no sign; everything else has the sign of its row. */
function readAmount(text: string, refund: boolean): Fen {
  const negative = text.startsWith("-");
  const amount = parseYuan(negative ? text.slice(1) : text);
  if (amount === undefined || (amount !== 0n && negative !== refund) || (amount === 0n && negative))
    throw malformed("an amount that is none");
  return amount;
}

function malformed(what: string): StatementError {
  return new StatementError("malformed", `the file has ${what}`);
}
