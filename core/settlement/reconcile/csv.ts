/**
 * Statements as CSV files (RFC 4180), from banks and insurers. Strict and streaming: one header, one encoding, one form
 * of every field; the first row that is not of it ends the import. The last row says what all others sum to: what a
 * statement does not have was not done, and half a statement must not prove that. Memory does not grow with the file.
 */
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { CsvError, parse } from "csv-parse";
import { asFen, formatYuan, parseYuan, parseYuanSum } from "../../protocol/money.ts";
import { formatCst14, parseCst14 } from "../../protocol/time.ts";
import type { FundPart } from "../plan.ts";
import type { StatementRow } from "../rails/port.ts";
import { sameTotals, type Totals, TotalsSum } from "../rails/statement-totals.ts";
import { BadStatementError, MOVEMENT_KINDS, type StatementLine } from "./statement.ts";

export const CSV_COLUMNS = ["key", "reference", "kind", "institution", "amount", "parts", "posted_at"] as const;
export const CSV_HEADER: string = CSV_COLUMNS.join(",");
export const CSV_ENCODINGS = ["utf-8", "gb18030"] as const;
export type CsvEncoding = (typeof CSV_ENCODINGS)[number];

/** First field of the last row; no key of ours is a word alone. */
const TRAILER = "total";
const COUNT = /^(?:0|[1-9]\d{0,11})$/;

/** A row longer than this is not of a statement. */
const ROW_CHARS_MAX = 4_096;
const KEY = /^[0-9A-Za-z._/-]{1,160}$/;
const REFERENCE = /^[0-9A-Za-z._/-]{1,64}$/;
const INSTITUTION = /^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$/;
const FUND_SOURCE = /^[a-z][a-z0-9_]{0,31}$/;
const PARTS_MAX = 16;

export interface CsvFile {
  readonly file: string;
  readonly encoding?: CsvEncoding;
}

/** Hands every row to `take`, in order; throws a {@link BadStatementError} at the first that is not one. */
export async function readCsv({ file, encoding = "utf-8" }: CsvFile, take: (row: StatementLine) => Promise<void> | void): Promise<number> {
  const parser = parse({ bom: true, info: true, max_record_size: ROW_CHARS_MAX, skip_empty_lines: false });
  let rows = 0;
  const text = new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  async function* decoded(bytes: AsyncIterable<Buffer>): AsyncGenerator<string> {
    for await (const chunk of bytes) {
      yield decode(text, chunk, rows);
    }
    yield decode(text, undefined, rows);
  }
  try {
    await pipeline(
      createReadStream(file),
      decoded,
      parser,
      async (records: AsyncIterable<{ record: string[]; info: { records: number } }>) => {
        let line = 0;
        const sum = new TotalsSum();
        let stated: Totals | undefined;
        for await (const { record } of records) {
          line++;
          if (line === 1) checkHeader(record);
          else if (stated !== undefined) throw new BadStatementError("malformedRow", line, "nothing stands behind the row of totals");
          else if (record[0] === TRAILER) stated = totalsOf(record, line);
          else {
            const row = rowOf(record, line);
            sum.add(row);
            await take(row);
            rows = line;
          }
        }
        if (line === 0) throw new BadStatementError("header", 1, `wanted the header ${CSV_HEADER}`);
        if (stated === undefined)
          throw new BadStatementError("cutShort", undefined, `wanted a last row ${TRAILER},captures,sum,refunds,sum,,`);
        if (!sameTotals(sum.totals, stated))
          throw new BadStatementError("totalsDisagree", line, "the rows do not add up to the totals in the last");
      },
    );
  } catch (error) {
    throw explained(error);
  }
  return Math.max(0, rows - 1);
}

function decode(text: TextDecoder, chunk: Uint8Array | undefined, rows: number): string {
  try {
    return chunk === undefined ? text.decode() : text.decode(chunk, { stream: true });
  } catch {
    throw new BadStatementError("encoding", undefined, `bytes that are not ${text.encoding} behind row ${Math.max(1, rows)}`);
  }
}

function explained(error: unknown): unknown {
  if (error instanceof CsvError) {
    const line = typeof error["lines"] === "number" ? error["lines"] : undefined;
    if (error.code === "CSV_MAX_RECORD_SIZE")
      return new BadStatementError("rowTooLong", line, `a row has at most ${ROW_CHARS_MAX} characters`);
    return new BadStatementError("malformedRow", line, `wanted ${CSV_COLUMNS.length} fields as RFC 4180 writes them`);
  }
  if (error instanceof Error && "code" in error && typeof error.code === "string" && "syscall" in error)
    return new BadStatementError("unreadable", undefined, `the file cannot be read (${error.code})`);
  return error;
}

function checkHeader(record: readonly string[]): void {
  if (record.join(",") !== CSV_HEADER) throw new BadStatementError("header", 1, `wanted the header ${CSV_HEADER}`);
}

function rowOf(record: readonly string[], line: number): StatementLine {
  const [key = "", reference = "", kindText = "", institution = "", amountText = "", partsText = "", instant = ""] = record;
  const wrong = (wanted: string): BadStatementError => new BadStatementError("malformedRow", line, wanted);
  if (key !== "" && !KEY.test(key)) throw wrong("key is empty, or the key of one of our calls");
  if (!REFERENCE.test(reference)) throw wrong("reference is the payer's own number, 1 to 64 letters and digits");
  const kind = MOVEMENT_KINDS.find((known) => known === kindText);
  if (kind === undefined) throw wrong(`kind is one of ${MOVEMENT_KINDS.join(", ")}`);
  if (!INSTITUTION.test(institution)) throw wrong("institution is an institution's code");
  const amount = /\.\d{2}$/.test(amountText) ? parseYuan(amountText) : undefined;
  if (amount === undefined || amount === 0n) throw wrong("amount is yuan above zero with two decimals");
  const parts = partsOf(partsText);
  if (parts === undefined) throw wrong("parts is empty, or source=yuan pairs joined by semicolons");
  if (parts.length > 0 && parts.reduce((sum, part) => sum + part.amount, 0n) !== amount) throw wrong("parts sum to amount");
  const atMs = parseCst14(instant);
  if (atMs === undefined) throw wrong("posted_at is yyyyMMddHHmmss in UTC+8");
  return { line, key, railReference: reference, kind, institution, amount, parts, atMs };
}

/** `total,<captures>,<their sum>,<refunds and reversals>,<their sum>,,` */
function totalsOf([, captures = "", captured = "", refunds = "", refunded = "", ...rest]: readonly string[], line: number): Totals {
  const sums = [captured, refunded].map((yuan) => parseYuanSum(yuan));
  if (!COUNT.test(captures) || !COUNT.test(refunds) || rest.some((field) => field !== "") || sums[0] === undefined || sums[1] === undefined)
    throw new BadStatementError("malformedRow", line, "totals are two counts, each with its sum in yuan");
  return { captures: Number(captures), captured: sums[0], refunds: Number(refunds), refunded: sums[1] };
}

/** `hifp_pay=60.00;acct_pay=5.00`; `undefined` when malformed. */
function partsOf(text: string): readonly FundPart[] | undefined {
  if (text === "") return [];
  const parts: FundPart[] = [];
  for (const pair of text.split(";")) {
    const [fundSource = "", yuan = "", ...more] = pair.split("=");
    const amount = /\.\d{2}$/.test(yuan) ? parseYuan(yuan) : undefined;
    if (more.length > 0 || !FUND_SOURCE.test(fundSource) || amount === undefined || amount === 0n) return undefined;
    if (parts.some((part) => part.fundSource === fundSource)) return undefined;
    parts.push({ fundSource, amount });
  }
  return parts.length > PARTS_MAX ? undefined : parts;
}

/** One row as {@link readCsv} reads it; what a payer's service answers is kept in this form, so that it can be read again. */
export function printCsvRow(row: StatementRow): string {
  const parts = row.parts.map((part) => `${part.fundSource}=${formatYuan(asFen(part.amount))}`).join(";");
  return [row.key, row.railReference, row.kind, row.institution, formatYuan(row.amount), parts, formatCst14(row.atMs)].join(",");
}

/** The last row. */
export function printCsvTrailer({ captures, captured, refunds, refunded }: Totals): string {
  return [TRAILER, captures, formatYuan(captured), refunds, formatYuan(refunded), "", ""].join(",");
}
