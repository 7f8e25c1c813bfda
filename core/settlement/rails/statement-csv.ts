/**
 * A bank's or commercial insurer's statement of one day (docs/rails.md): UTF-8 CSV with a header row, one row per
 * movement, and a trailer whose figures prove that nothing was cut off. Read as it arrives.
 */
import { formatYuan, parseYuan, parseYuanSum } from "../../protocol/money.ts";
import type { EventMs } from "../../protocol/time.ts";
import type { FundPart } from "../plan.ts";
import { sumOf } from "../split/amounts.ts";
import { StatementError, type StatementRow, type StatementTotals } from "./port.ts";
import { sameTotals, TotalsSum } from "./statement-totals.ts";

const COLUMNS = ["kind", "key", "institution", "amount", "parts", "reference", "at_ms"] as const;
export const STATEMENT_HEADER: string = `${COLUMNS.join(",")}\n`;
const KINDS: ReadonlySet<string> = new Set<StatementRow["kind"]>(["capture", "refund", "reversal"]);
/** A longer line is no row of ours. */
const LINE_CHARS_MAX = 2_000;

type Figures = Omit<StatementTotals, "day" | "institutions">;

/** Fields hold no comma, quote or line end by their very alphabets, so none is quoted. */
export function csvRow(row: StatementRow): string {
  const parts = row.parts.map((part) => `${part.fundSource}=${formatYuan(part.amount)}`).join(";");
  return `${[row.kind, row.key, row.institution, formatYuan(row.amount), parts, row.railReference, row.atMs].join(",")}\n`;
}

/** `total,<captures>,<captured>,<refunds>,<refunded>,<closed>,` in the columns of a row. */
export function csvTrailer(figures: Figures): string {
  const { captures, captured, refunds, refunded, closed } = figures;
  return `total,${captures},${formatYuan(captured)},${refunds},${formatYuan(refunded)},${closed ? "closed" : "open"},\n`;
}

/**
 * Rows of a statement that arrives in pieces; throws {@link StatementError} at the first line that is none, and at the
 * end unless the trailer agrees with what was read.
 *
 * @example for await (const row of readStatementCsv(createReadStream("bank-20260801.csv"))) …
 */
export async function* readStatementCsv(
  pieces: AsyncIterable<Uint8Array>,
  onTotals?: (figures: Figures) => void,
): AsyncIterable<StatementRow> {
  const sums = new TotalsSum();
  let state: "header" | "rows" | "ended" = "header";
  for await (const line of linesOf(pieces)) {
    if (state === "ended") throw malformed("a line after the trailer");
    if (state === "header") {
      if (`${line}\n` !== STATEMENT_HEADER) throw malformed("no header row");
      state = "rows";
    } else if (line.startsWith("total,")) {
      const figures = readTrailer(line);
      if (!sameTotals(figures, sums.totals)) throw new StatementError("cutShort", "the trailer counts other rows than there are");
      onTotals?.(figures);
      state = "ended";
    } else {
      const row = readRow(line);
      sums.add(row);
      yield row;
    }
  }
  if (state !== "ended") throw new StatementError("cutShort", "the statement has no trailer");
}

function readRow(line: string): StatementRow {
  const [kind = "", key = "", institution = "", amountText = "", partsText = "", railReference = "", at = "", ...more] = line.split(",");
  const amount = parseYuan(amountText);
  const parts = partsText === "" ? [] : partsText.split(";").map(readPart);
  const complete =
    more.length === 0 && KINDS.has(kind) && key !== "" && institution !== "" && railReference !== "" && /^\d{1,15}$/.test(at);
  if (!complete || amount === undefined || amount === 0n) throw malformed("a row that is none");
  if (parts.length > 0 && sumOf(parts.map((part) => part.amount)) !== amount) throw malformed("parts that are not the amount");
  return { kind: kind as StatementRow["kind"], key, institution, amount, parts, railReference, atMs: Number(at) as EventMs };
}

function readPart(text: string): FundPart {
  const [fundSource = "", yuan = "", ...more] = text.split("=");
  const amount = parseYuan(yuan);
  if (more.length > 0 || amount === undefined || !/^[a-z][a-z0-9_]{0,31}$/.test(fundSource)) throw malformed("a part that is none");
  return { fundSource, amount };
}

function readTrailer(line: string): Figures {
  const [, captures = "", capturedText = "", refunds = "", refundedText = "", closed = "", ...more] = line.split(",");
  const [captured, refunded] = [parseYuanSum(capturedText), parseYuanSum(refundedText)];
  const counts = /^\d{1,15}$/.test(captures) && /^\d{1,15}$/.test(refunds);
  if (!counts || captured === undefined || refunded === undefined || more.join("") !== "" || (closed !== "closed" && closed !== "open"))
    throw malformed("a trailer that is none");
  return { captures: Number(captures), captured, refunds: Number(refunds), refunded, closed: closed === "closed" };
}

/** Lines of text that arrives in pieces, `\n` or `\r\n`; the last one need not end. */
export async function* linesOf(pieces: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  for await (const piece of pieces) {
    rest += decode(decoder, piece);
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield checked(line);
    if (rest.length > LINE_CHARS_MAX) throw malformed("a line without an end");
  }
  rest += decode(decoder);
  if (rest !== "") yield checked(rest);
}

function decode(decoder: TextDecoder, piece?: Uint8Array): string {
  try {
    return piece === undefined ? decoder.decode() : decoder.decode(piece, { stream: true });
  } catch {
    throw malformed("text that is no UTF-8");
  }
}

function checked(line: string): string {
  if (line.length > LINE_CHARS_MAX) throw malformed("a line too long");
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}

function malformed(what: string): StatementError {
  return new StatementError("malformed", `the statement has ${what}`);
}
