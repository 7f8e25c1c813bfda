/**
 * What an institution reads of its own money (`rh.statement`): a day or a month from its shard's file, a page at a time.
 * Reads beside the shard, on a connection of its own; pages of a period that is closed never change.
 */
import { asFen, type Fen } from "../../protocol/money.ts";
import type { Clock, EventMs } from "../../protocol/time.ts";
import { bigintOf, numberOf, placeholders, textOf, textOrNull, wordOf } from "../../rows.ts";
import type { Database, InValue, Row } from "../../../migrations/database.ts";
import type { AccountingDay } from "../books.ts";
import { postingKind } from "../books-reader.ts";
import { RAIL_ORDER } from "../plan.ts";
import {
  type InstitutionStatements,
  STATEMENT_PAGE_MAX,
  type StatementFigures,
  type StatementLine,
  type StatementPage,
  type StatementQuery,
} from "../statement-port.ts";
import { dayStart, daysOfMonth, parseDay, parseMonth } from "./accounting-day.ts";
import { Figures } from "./figures.ts";

export interface InstitutionStatementsOptions {
  /** A reading connection to the shard of an institution. */
  readonly shardOf: (institution: string) => Pick<Database, "read">;
  readonly clock: Clock;
}

export function createInstitutionStatements(options: InstitutionStatementsOptions): InstitutionStatements {
  return {
    async read(query) {
      const period = periodOf(query.period);
      const after = query.after === undefined ? BEFORE_ALL : readCursor(query.period, query.after);
      if (period === undefined || after === undefined) return undefined;
      if (options.clock.now() < dayStart(period.first)) return undefined;
      const db = options.shardOf(query.institution);
      return after === BEFORE_ALL || (await wasGiven(db, query.institution, period, after))
        ? await readPage(db, query, period, after)
        : undefined;
    },
  };
}

interface Period {
  readonly first: AccountingDay;
  readonly last: AccountingDay;
}

function periodOf(text: string): Period | undefined {
  const day = /^\d{8}$/.test(text) ? parseDay(text) : undefined;
  if (day !== undefined) return { first: day, last: day };
  const month = /^\d{6}$/.test(text) ? parseMonth(text) : undefined;
  const days = month === undefined ? [] : daysOfMonth(month);
  const [first, last] = [days[0], days.at(-1)];
  return first === undefined || last === undefined ? undefined : { first, last };
}

interface Cursor {
  readonly day: number;
  readonly id: string;
}
const BEFORE_ALL: Cursor = { day: 0, id: "" };

/** A cursor is good for the period it was given for. */
function readCursor(period: string, text: string): Cursor | undefined {
  const match = /^(\d{6,8})\.(\d{8})\.(rs[0-9a-f]{32})$/.exec(text);
  const [, of = "", day = "", id = ""] = match ?? [];
  return of !== period ? undefined : { day: Number(day), id };
}

/** And for the institution: it ends a page only where that institution has a row. */
async function wasGiven(db: Pick<Database, "read">, institution: string, { first, last }: Period, { day, id }: Cursor): Promise<boolean> {
  const rows = await db.read(`SELECT 1 ${COUNTED} AND t.day = ? AND s.id = ? LIMIT 1`, Number(first), Number(last), institution, day, id);
  return rows.length > 0;
}

const MOVED = `FROM transfer AS t JOIN settlement AS s ON s.id = t.group_id WHERE t.day BETWEEN ? AND ? AND s.institution = ?`;
/** What was reversed again is in no row. */
const STAYED = (t: string): string => `${t}.stage = 'posted' AND NOT EXISTS (SELECT 1 FROM transfer AS r
  WHERE r.group_id = ${t}.group_id AND r.rail = ${t}.rail AND r.fund_source = ${t}.fund_source AND r.stage = 'reversed')`;
/** Rows: of settlements that were paid, refunds that were given, whole or in part, and what a payer keeps of a refused bill. */
const COUNTED = `${MOVED} AND ${STAYED("t")}`;

async function readPage(
  db: Pick<Database, "read">,
  { institution, period, limit }: StatementQuery,
  { first, last }: Period,
  after: Cursor,
): Promise<StatementPage> {
  const counted: readonly InValue[] = [Number(first), Number(last), institution];
  const wanted = Math.min(Math.max(1, limit), STATEMENT_PAGE_MAX);
  const found = await db.read(
    `SELECT s.id AS id, s.out_trade_no AS out_trade_no, s.action AS action, s.state AS state, s.parent_id AS parent_id, t.day AS day,
       max(t.at_ms) AS at_ms, max(t.late) AS late, sum(t.amount) AS amount
     ${COUNTED} AND (t.day, s.id) > (?, ?) GROUP BY t.day, s.id ORDER BY t.day, s.id LIMIT ?`,
    ...counted,
    after.day,
    after.id,
    wanted + 1,
  );
  const page = found.slice(0, wanted);
  const legs = await legsOf(
    db,
    page.map((row) => textOf(row, "id")),
  );
  const end = page.at(-1);
  const isMore = found.length > page.length && end !== undefined;
  const sealed = await db.read("SELECT 1 FROM seal WHERE day >= ? LIMIT 1", Number(last));
  return {
    closed: sealed.length > 0,
    totals: figuresOf(
      await db.read(
        `SELECT s.action AS action, t.stage AS stage, t.rail AS rail, t.fund_source AS fund_source, sum(t.amount) AS amount
         ${MOVED} AND t.stage IN ('posted', 'reversed') GROUP BY s.action, t.stage, t.rail, t.fund_source`,
        ...counted,
      ),
      await db.read(`SELECT s.action AS action, count(DISTINCT s.id) AS n ${COUNTED} GROUP BY s.action`, ...counted),
    ),
    rows: page.map((row) => lineOf(row, legs.get(textOf(row, "id")) ?? [])),
    ...(isMore ? { next: `${period}.${numberOf(end, "day")}.${textOf(end, "id")}` } : {}),
  };
}

async function legsOf(db: Pick<Database, "read">, ids: readonly string[]): Promise<ReadonlyMap<string, StatementLine["legs"]>> {
  const legs = new Map<string, StatementLine["legs"][number][]>();
  if (ids.length === 0) return legs;
  const sql = `SELECT group_id, rail, fund_source, amount FROM transfer AS t WHERE ${STAYED("t")} AND group_id IN ${placeholders(ids)} ORDER BY rowid`;
  for (const row of await db.read(sql, ...ids)) {
    const id = textOf(row, "group_id");
    const leg = { rail: wordOf(row, "rail", RAIL_ORDER), fundSource: textOf(row, "fund_source"), amount: fenOf(row) };
    legs.set(id, [...(legs.get(id) ?? []), leg]);
  }
  return legs;
}

function lineOf(row: Row, legs: StatementLine["legs"]): StatementLine {
  const original = textOrNull(row, "parent_id");
  return {
    kind: row["state"] === "refused" ? "kept" : kindOf(row),
    outTradeNo: textOf(row, "out_trade_no"),
    settlementId: textOf(row, "id"),
    ...(original === undefined ? {} : { originalSettlementId: original }),
    day: String(numberOf(row, "day")),
    atMs: numberOf(row, "at_ms") as EventMs,
    late: numberOf(row, "late") !== 0,
    amount: fenOf(row),
    legs,
  };
}

function figuresOf(amounts: readonly Row[], counts: readonly Row[]): StatementFigures {
  const figures = new Figures();
  for (const row of amounts)
    figures.add({
      rail: wordOf(row, "rail", RAIL_ORDER),
      kind: postingKind(row),
      parts: [{ fundSource: textOf(row, "fund_source"), amount: fenOf(row) }],
    });
  const count = (kind: StatementLine["kind"]): number => {
    const row = counts.find((one) => kindOf(one) === kind);
    return row === undefined ? 0 : numberOf(row, "n");
  };
  const { captured, refunded } = figures.total;
  return {
    settlements: count("settlement"),
    settled: captured,
    refunds: count("refund"),
    refunded,
    sources: figures.sources.flatMap((one) =>
      one.captured === 0n && one.refunded === 0n
        ? []
        : [{ rail: one.rail, fundSource: one.fundSource, settled: one.captured, refunded: one.refunded }],
    ),
  };
}

function kindOf(row: Row): "settlement" | "refund" {
  return wordOf(row, "action", ["settle", "refund"]) === "settle" ? "settlement" : "refund";
}

function fenOf(row: Row): Fen {
  return asFen(bigintOf(row, "amount"));
}
