/** One row of a payer's file under its mapping. Names the column and what was wanted in it, never what stood there. */
import { asFen, type Fen } from "../../protocol/money.ts";
import type { EventMs } from "../../protocol/time.ts";
import type { FundPart } from "../plan.ts";
import { Cells, type Money, WANTED } from "./cells.ts";
import { cellText, readDateAndTime, readInstant } from "./fields.ts";
import { type Header, widthOf } from "./header.ts";
import { type ColumnName, FUND_SOURCE, INSTITUTION, SIDE_WORDS, type StatementMapping, wordsOfKinds } from "./mapping.ts";
import type { MovementKind, StatementLine } from "./statement.ts";

const KEY = /^[0-9A-Za-z._/-]{1,160}$/;
const REFERENCE = /^[0-9A-Za-z._/-]{1,64}$/;
const PARTS_MAX = 16;

/** Taken, or given back. */
type Way = "capture" | "back";

/** Everything about a mapping that is the same for all rows is made ready once. */
export class RowReader {
  readonly #mapping: StatementMapping;
  readonly #header: Header;
  readonly #kinds: ReadonlyMap<string, MovementKind>;
  readonly #ways: ReadonlyMap<string, Way>;
  readonly #institutions: ReadonlyMap<string, string>;

  constructor(mapping: StatementMapping, header: Header) {
    this.#mapping = mapping;
    this.#header = header;
    const { capture, refund, reversal } = wordsOfKinds(mapping);
    this.#kinds = new Map([
      ...capture.map((word) => [word, "capture"] as const),
      ...refund.map((word) => [word, "refund"] as const),
      ...reversal.map((word) => [word, "reversal"] as const),
    ]);
    this.#ways = new Map(
      (["debit", "credit"] as const).flatMap((side) =>
        SIDE_WORDS[side].map((word) => [word, side === mapping.captureSide ? "capture" : "back"] as const),
      ),
    );
    this.#institutions = new Map(Object.entries(mapping.institutions ?? {}).map(([theirs, ours]) => [cellText(theirs), ours]));
  }

  /** Throws a `RowFault`. */
  read(record: readonly string[], line: number): StatementLine {
    const cells = new Cells({ mapping: this.#mapping, header: this.#header, record, line });
    const { width } = this.#header;
    if (widthOf(record) > width || record.length < width) throw cells.wrong(undefined, WANTED.width(width));
    const key = cells.text("key");
    if (key !== "" && !KEY.test(key)) throw cells.wrong("key", WANTED.key);
    const railReference = cells.text("reference");
    if (!REFERENCE.test(railReference)) throw cells.wrong("reference", WANTED.reference);
    const institution = this.#institution(cells);
    const stated = this.#stated(cells);
    const { amount, way } = this.#amount(cells);
    const kind = stated ?? kindOf(way ?? this.#side(cells), key);
    for (const said of [way, this.#side(cells)])
      if (said !== undefined && said !== (kind === "capture" ? "capture" : "back")) throw cells.wrong(undefined, WANTED.ways);
    return { line, key, railReference, kind, institution, amount, parts: this.#parts(cells, amount), atMs: this.#instant(cells) };
  }

  #institution(cells: Cells): string {
    const theirs = cells.text("institution");
    const ours = this.#mapping.institution ?? this.#institutions.get(theirs) ?? theirs;
    if (!INSTITUTION.test(ours)) throw cells.wrong("institution", WANTED.institution);
    return ours;
  }

  #stated(cells: Cells): MovementKind | undefined {
    if (this.#mapping.columns.kind === undefined) return undefined;
    const kind = this.#kinds.get(cells.word("kind"));
    if (kind === undefined) throw cells.wrong("kind", WANTED.kind);
    return kind;
  }

  #side(cells: Cells): Way | undefined {
    if (this.#mapping.columns.side === undefined) return undefined;
    const way = this.#ways.get(cells.word("side"));
    if (way === undefined) throw cells.wrong("side", WANTED.side);
    return way;
  }

  /** Above zero, and which way it went where the amount itself says so. */
  #amount(cells: Cells): { readonly amount: Fen; readonly way: Way | undefined } {
    const { columns, signs } = this.#mapping;
    if (columns.amount === undefined) return twoColumns(cells);
    const money = cells.money("amount");
    if (money.fen === 0n) throw cells.wrong("amount", WANTED.aboveZero);
    if (signs !== "none") return { amount: money.fen, way: (signs === "refundsNegative") === money.negative ? "back" : "capture" };
    return { amount: unsigned(cells, money, "amount"), way: undefined };
  }

  #parts(cells: Cells, amount: Fen): readonly FundPart[] {
    const said = this.#mapping.columns.parts === undefined ? [...cells.funds()].filter(({ money }) => money.fen !== 0n) : pairs(cells);
    // The sign of a part is that of its row.
    const parts = said.map(({ fundSource, money }) => ({
      fundSource,
      amount: this.#mapping.signs === "none" ? unsigned(cells, money, "parts") : money.fen,
    }));
    if (parts.length > 0 && parts.reduce((sum, part) => sum + part.amount, 0n) !== amount) throw cells.wrong("parts", WANTED.sum);
    return parts;
  }

  #instant(cells: Cells): EventMs {
    const { columns, zone } = this.#mapping;
    const apart = columns.postedAt === undefined;
    const time = columns.postedTime === undefined ? undefined : cells.text("postedTime");
    const at = apart ? readDateAndTime(cells.text("postedDate"), time, zone) : readInstant(cells.text("postedAt"), zone);
    if (at === undefined) throw cells.wrong(apart ? "postedDate" : "postedAt", WANTED.instant);
    return at;
  }
}

/** Where no word says it: what is given back under the key of a reversal is that reversal. */
function kindOf(way: Way | undefined, key: string): MovementKind {
  if (way === "capture") return "capture";
  return key.endsWith("/reverse") ? "reversal" : "refund";
}

function twoColumns(cells: Cells): { readonly amount: Fen; readonly way: Way } {
  const [captured, refunded] = [amountIn(cells, "captured"), amountIn(cells, "refunded")];
  if ((captured === 0n) === (refunded === 0n)) throw cells.wrong("captured", WANTED.oneWay);
  return captured === 0n ? { amount: refunded, way: "back" } : { amount: captured, way: "capture" };
}

function amountIn(cells: Cells, column: "captured" | "refunded"): Fen {
  const text = cells.text(column);
  return text === "" || text === "-" ? asFen(0n) : unsigned(cells, cells.money(column, text), column);
}

function unsigned(cells: Cells, { fen, negative }: Money, column: ColumnName): Fen {
  if (negative) throw cells.wrong(column, WANTED.unsigned);
  return fen;
}

/** `hifp_pay=60.00;acct_pay=5.00` */
function pairs(cells: Cells): readonly { readonly fundSource: string; readonly money: Money }[] {
  const text = cells.text("parts");
  if (text === "") return [];
  const found = text.split(";").map((pair) => {
    const [fundSource = "", yuan = "", ...more] = pair.split("=");
    const money = cells.money("parts", yuan);
    if (more.length > 0 || !FUND_SOURCE.test(fundSource) || money.fen === 0n) throw cells.wrong("parts", WANTED.parts);
    return { fundSource, money };
  });
  if (found.length > PARTS_MAX || new Set(found.map(({ fundSource }) => fundSource)).size < found.length)
    throw cells.wrong("parts", WANTED.parts);
  return found;
}
