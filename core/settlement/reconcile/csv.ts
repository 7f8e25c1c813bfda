/**
 * Statements as files of separated fields (RFC 4180 and what banks, insurers and spreadsheets make of it), read under the
 * payer's mapping and row by row. The last row says what all others sum to: what a statement does not have was not done, and
 * half a statement must not prove that; where the mapping says that there is no such row, the file proves nothing by what it
 * lacks. Memory does not grow with the file.
 */
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { CsvError, parse } from "csv-parse";
import { asFen, formatYuan } from "../../protocol/money.ts";
import { formatCst14 } from "../../protocol/time.ts";
import type { StatementRow } from "../rails/port.ts";
import { type Totals, TotalsSum } from "../rails/statement-totals.ts";
import { RowFault } from "./cells.ts";
import { cellText, readAmount, readCount, wordText } from "./fields.ts";
import { HEADER_ROW_MAX, headerOf, seekHeader, widthOf } from "./header.ts";
import { CANONICAL, type Encoding, type StatementMapping, TOTALS_FIGURES, type TotalsFigure } from "./mapping.ts";
import { RowReader } from "./row.ts";
import { sniff } from "./sniff.ts";
import { BadStatementError, DEFECTS_MAX, type StatementDefect, type StatementLine } from "./statement.ts";

/** First field of the kept form's last row; no key of ours is a word alone. */
const TRAILER = "total";

/** A row longer than this is not of a statement. */
const ROW_CHARS_MAX = 4_096;
/** Of a sum, before the point: 64 bits of fen. */
const SUM_DIGITS = 16;

export interface CsvFile {
  readonly file: string;
  readonly mapping?: StatementMapping | undefined;
  /** Instead of what the mapping or the file says. */
  readonly encoding?: Encoding | undefined;
}
export interface CsvRead {
  readonly rows: number;
  readonly totals: Totals;
  /** Whether a last row said the same. */
  readonly stated: boolean;
}

/**
 * Hands every row to `take`, in order. Throws a {@link BadStatementError} with the defects of the first rows that are none;
 * from the first on no row is handed over.
 */
export async function readCsv(of: CsvFile, take: (row: StatementLine) => Promise<void> | void): Promise<CsvRead> {
  const { file, mapping = CANONICAL } = of;
  try {
    const { encoding, separator } = await sniff(file, mapping, of.encoding);
    const reading = new Reading(mapping, take);
    await pipeline(
      createReadStream(file),
      (bytes: AsyncIterable<Buffer>) => decoded(bytes, encoding, () => reading.line),
      parse({
        bom: true,
        delimiter: separator,
        max_record_size: ROW_CHARS_MAX,
        record_delimiter: ["\r\n", "\n", "\r"],
        relax_column_count: true,
        relax_quotes: true,
        skip_empty_lines: false,
      }),
      async (records: AsyncIterable<string[]>) => {
        for await (const record of records) await reading.next(record);
      },
    );
    return reading.end();
  } catch (error) {
    throw explained(error);
  }
}

async function* decoded(bytes: AsyncIterable<Buffer>, encoding: Encoding, line: () => number): AsyncGenerator<string> {
  const text = new TextDecoder(encoding, { fatal: true });
  const decode = (chunk?: Uint8Array): string => {
    try {
      return chunk === undefined ? text.decode() : text.decode(chunk, { stream: true });
    } catch {
      throw defect("encoding", undefined, {
        zh: `第 ${Math.max(1, line())} 行之后有不属于 ${encoding} 的字节`,
        en: `bytes that are not ${encoding} behind row ${Math.max(1, line())}`,
      });
    }
  };
  for await (const chunk of bytes) yield decode(chunk);
  yield decode();
}

function explained(error: unknown): unknown {
  if (error instanceof CsvError) {
    const line = typeof error["lines"] === "number" ? error["lines"] : undefined;
    if (error.code === "CSV_MAX_RECORD_SIZE")
      return defect("rowTooLong", line, { zh: `一行至多 ${ROW_CHARS_MAX} 个字符`, en: `a row has at most ${ROW_CHARS_MAX} characters` });
    return defect("malformedRow", line, { zh: "引号应成对（RFC 4180）", en: "wanted quotes in pairs (RFC 4180)" });
  }
  if (error instanceof Error && "code" in error && typeof error.code === "string" && "syscall" in error)
    return defect("unreadable", undefined, { zh: `文件无法读取（${error.code}）`, en: `the file cannot be read (${error.code})` });
  return error;
}

/** A file as far as it was read. */
class Reading {
  line = 0;
  readonly #mapping: StatementMapping;
  readonly #take: (row: StatementLine) => Promise<void> | void;
  readonly #totalWords: readonly string[];
  readonly #sum = new TotalsSum();
  readonly #defects: StatementDefect[] = [];
  #rows: RowReader | undefined;
  #stated = false;
  /** Rows whose amounts have no decimals, and rows that were read. */
  #whole = 0;
  #good = 0;
  /** An empty row, which only more of them and the totals may follow. */
  #emptyAt: number | undefined;

  constructor(mapping: StatementMapping, take: (row: StatementLine) => Promise<void> | void) {
    this.#mapping = mapping;
    this.#take = take;
    this.#totalWords = mapping.totals === "none" ? [] : mapping.totals.words.map(wordText);
  }

  async next(record: readonly string[]): Promise<void> {
    this.line++;
    if (this.#rows === undefined) this.#seek(record);
    else if (widthOf(record) === 0) this.#emptyAt ??= this.line;
    else if (this.#stated) this.#refuse({ code: "malformedRow", line: this.line, detail: WANTED.nothingBehind });
    else if (this.#isTotals(record)) this.#total(record);
    else if (this.#emptyAt !== undefined) this.#refuse({ code: "malformedRow", line: this.#emptyAt, detail: WANTED.noEmptyRow });
    else await this.#row(this.#rows, record);
  }

  end(): CsvRead {
    if (this.#rows === undefined) throw defect("header", 1, WANTED.header);
    if (this.#defects.length > 0) this.#fail();
    if (!this.#stated && this.#mapping.totals !== "none") throw defect("cutShort", undefined, WANTED.totals);
    return { rows: this.#good, totals: this.#sum.totals, stated: this.#stated };
  }

  #seek(record: readonly string[]): void {
    const sought = seekHeader(record, this.#mapping);
    if (sought.missing.length === 0 || this.line >= HEADER_ROW_MAX) this.#rows = new RowReader(this.#mapping, headerOf(sought, this.line));
  }

  async #row(rows: RowReader, record: readonly string[]): Promise<void> {
    let row: StatementLine;
    try {
      row = rows.read(record, this.line);
    } catch (error) {
      if (!(error instanceof RowFault)) throw error;
      if (error.whole) this.#whole++;
      this.#refuse(error.defect);
      return;
    }
    this.#good++;
    if (this.#defects.length > 0) return;
    this.#sum.add(row);
    await this.#take(row);
  }

  #refuse(one: StatementDefect): void {
    this.#defects.push(one);
    if (this.#defects.length >= DEFECTS_MAX || one.detail === WANTED.nothingBehind || one.detail === WANTED.noEmptyRow) this.#fail();
  }

  /** Not one amount has decimals: that is no slip of a row, but another unit. */
  #fail(): never {
    const [first, ...others] = this.#defects;
    if (first === undefined) throw new Error("nothing to refuse");
    if (this.#whole > 0 && this.#whole === this.#defects.length && this.#good === 0)
      throw defect("inFen", first.line, {
        zh: "所有金额均无小数：文件似以分为单位。若以分记账，请在映射中写 unit: fen；若为省略小数的元，写 decimals: optional",
        en: "no amount has decimals: the file seems to be in fen. Where the payer writes fen, the mapping says unit: fen; where it is yuan without decimals, decimals: optional",
      });
    throw new BadStatementError(first, ...others);
  }

  /** The first cell that is not empty is one of the words, or begins with one and a colon. */
  #isTotals(record: readonly string[]): boolean {
    const first = wordText(record.find((cell) => cellText(cell) !== "") ?? "");
    return this.#totalWords.some((word) => first === word || first.startsWith(`${word}:`));
  }

  #total(record: readonly string[]): void {
    const { totals } = this.#mapping;
    if (totals === "none") return;
    this.#stated = true;
    // A row was refused already: the sum is not that of the file.
    if (this.#defects.length > 0) return;
    const known = figuresOf(this.#sum.totals);
    for (const figure of TOTALS_FIGURES) {
      const place = totals[figure];
      if (place === undefined) continue;
      const said = this.#figure(figure, cellText(record[place - 1] ?? ""));
      if (said === undefined) throw defect("malformedRow", this.line, WANTED.figure(place, isCount(figure)));
      if (said !== known[figure]) throw defect("totalsDisagree", this.line, WANTED.sum);
    }
  }

  #figure(figure: TotalsFigure, cell: string): bigint | undefined {
    if (isCount(figure)) {
      const count = readCount(cell);
      return count === undefined ? undefined : BigInt(count);
    }
    const read = readAmount(cell, this.#mapping, SUM_DIGITS);
    if (typeof read !== "object") return undefined;
    // What was given back may be written below zero; a net sum is what it is.
    return figure === "net" && read.negative ? -read.fen : read.fen;
  }
}

function isCount(figure: TotalsFigure): boolean {
  return figure === "rows" || figure === "captures" || figure === "refunds";
}

function figuresOf({ captures, captured, refunds, refunded }: Totals): Readonly<Record<TotalsFigure, bigint>> {
  return {
    rows: BigInt(captures + refunds),
    captures: BigInt(captures),
    captured,
    refunds: BigInt(refunds),
    refunded,
    gross: captured + refunded,
    net: captured - refunded,
  };
}

function defect(code: StatementDefect["code"], line: number | undefined, detail: StatementDefect["detail"]): BadStatementError {
  return new BadStatementError({ code, line, detail });
}

const WANTED = {
  header: { zh: "文件为空：应有表头", en: "the file is empty: wanted a header" },
  nothingBehind: { zh: "合计行之后不应再有内容", en: "nothing stands behind the row of totals" },
  noEmptyRow: { zh: "空行只能在文件末尾", en: "an empty row stands at the end of a file only" },
  totals: {
    zh: "缺少末尾的合计行：文件可能不完整。若支付方不写合计行，请在映射中写 totals: none",
    en: "wanted a last row of totals: the file may be cut short. Where the payer writes none, the mapping says totals: none",
  },
  sum: { zh: "明细之和与合计行不符", en: "the rows do not add up to the totals in the last" },
  figure: (place: number, count: boolean) => ({
    zh: `合计行第 ${place} 个字段应为${count ? "笔数" : "金额"}`,
    en: `wanted ${count ? "a count" : "a sum"} in field ${place} of the row of totals`,
  }),
};

/** One row of the kept form, which {@link readCsv} reads under {@link CANONICAL}: what a payer's service answers is kept so too. */
export function printCsvRow(row: StatementRow): string {
  const parts = row.parts.map((part) => `${part.fundSource}=${formatYuan(asFen(part.amount))}`).join(";");
  return [row.key, row.railReference, row.kind, row.institution, formatYuan(row.amount), parts, formatCst14(row.atMs)].join(",");
}

/** The last row. */
export function printCsvTrailer({ captures, captured, refunds, refunded }: Totals): string {
  return [TRAILER, captures, formatYuan(captured), refunds, formatYuan(refunded), "", ""].join(",");
}
