/** A payer's file as tests write it: the rows given, under the header, and their totals behind them. */
import { asFen, parseYuan } from "../../../protocol/money.ts";
import { printCsvTrailer } from "../csv.ts";
import { CSV_HEADER } from "../mapping.ts";
import { TotalsSum } from "../../rails/statement-totals.ts";

/** @param rows as `printCsvRow` gives them; not all need be good ones. */
export function csvText(rows: readonly string[]): string {
  const sum = new TotalsSum();
  for (const fields of rows.map((row) => row.split(",")))
    sum.add({ kind: fields[2] === "capture" ? "capture" : "refund", amount: parseYuan(fields[4] ?? "") ?? asFen(0n) });
  return `${[CSV_HEADER, ...rows, printCsvTrailer(sum.totals)].join("\r\n")}\r\n`;
}
