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
import { MOVEMENTS, supplementKind } from "../supplement-postings.ts";
import {
  type InstitutionStatements,
  STATEMENT_PAGE_MAX,
  type StatementFigures,
  type StatementLine,
  type StatementPage,
  type StatementQuery,
} from "../statement-port.ts";
import { dayStart, daysOfMonth, parseDay, parseMonth } from "./accounting-day.ts";
import { Figures, type Movement } from "./figures.ts";

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
  const match = /^(\d{6,8})\.(\d{8})\.(rs[0-9a-f]{32}|su\d{15})$/.exec(text);
  const [, of = "", day = "", id = ""] = match ?? [];
  return of !== period ? undefined : { day: Number(day), id };
}

/** And for the institution: it ends a page only where that institution has a row. */
async function wasGiven(db: Pick<Database, "read">, institution: string, { first, last }: Period, { day, id }: Cursor): Promise<boolean> {
  const of = id.startsWith("su") ? `${SUPPLEMENTED} AND t.day = ? AND ${SUPPLEMENT_ID} = ?` : `${COUNTED} AND t.day = ? AND s.id = ?`;
  return (await db.read(`SELECT 1 ${of} LIMIT 1`, Number(first), Number(last), institution, day, id)).length > 0;
}

const MOVED = `FROM transfer AS t JOIN settlement AS s ON s.id = t.group_id WHERE t.day BETWEEN ? AND ? AND s.institution = ?`;
/** What was reversed again is in no row. */
const STAYED = (t: string): string => `${t}.stage = 'posted' AND NOT EXISTS (SELECT 1 FROM transfer AS r
  WHERE r.group_id = ${t}.group_id AND r.rail = ${t}.rail AND r.fund_source = ${t}.fund_source AND r.stage = 'reversed')`;
/** Rows: of settlements that were paid, refunds that were given, whole or in part, and what a payer keeps of a refused bill. */
const COUNTED = `${MOVED} AND ${STAYED("t")}`;

/** What was booked by hand, and what was taken back: one entry of the ledger each, by which it is named. Behind the settlements of its day. */
const SUPPLEMENTED = `FROM supplement AS s CROSS JOIN transfer AS t ON t.group_id = 'supplement/' || s.id
  LEFT JOIN settlement AS b ON b.id = s.settlement_id
  WHERE t.day BETWEEN ? AND ? AND s.institution = ? AND t.stage IN ('posted', 'reversed')`;
const SUPPLEMENT_ID = "'su' || printf('%015d', t.ledger_index)";

async function readPage(
  db: Pick<Database, "read">,
  { institution, period, limit }: StatementQuery,
  { first, last }: Period,
  after: Cursor,
): Promise<StatementPage> {
  const counted: readonly InValue[] = [Number(first), Number(last), institution];
  const wanted = Math.min(Math.max(1, limit), STATEMENT_PAGE_MAX);
  const found = await db.read(
    `SELECT s.id AS id, NULL AS supplement_id, s.out_trade_no AS out_trade_no, s.action AS action, s.state AS state, s.parent_id AS parent_id, t.day AS day,
       max(t.at_ms) AS at_ms, max(t.late) AS late, sum(t.amount) AS amount
     ${COUNTED} AND (t.day, s.id) > (?, ?) GROUP BY t.day, s.id ORDER BY t.day, s.id LIMIT ?`,
    ...counted,
    after.day,
    after.id,
    wanted + 1,
  );
  const supplements = await db.read(
    `SELECT ${SUPPLEMENT_ID} AS id, s.id AS supplement_id, s.movement AS movement, t.stage AS stage, b.id AS settlement_id,
       b.out_trade_no AS out_trade_no, t.day AS day, max(t.at_ms) AS at_ms, max(t.late) AS late, sum(t.amount) AS amount
     ${SUPPLEMENTED} AND (t.day, ${SUPPLEMENT_ID}) > (?, ?) GROUP BY t.day, t.ledger_index ORDER BY t.day, t.ledger_index LIMIT ?`,
    ...counted,
    after.day,
    after.id,
    wanted + 1,
  );
  const all = [...found, ...supplements].sort(byDayAndId);
  const page = all.slice(0, wanted);
  const legs = await legsOf(
    db,
    page.map((row) => groupOf(row)),
  );
  const end = page.at(-1);
  const isMore = all.length > page.length && end !== undefined;
  const sealed = await db.read("SELECT 1 FROM seal WHERE day >= ? LIMIT 1", Number(last));
  return {
    closed: sealed.length > 0,
    totals: figuresOf(
      await db.read(
        `SELECT s.action AS action, t.stage AS stage, t.rail AS rail, t.fund_source AS fund_source, sum(t.amount) AS amount
         ${MOVED} AND t.stage IN ('posted', 'reversed') GROUP BY s.action, t.stage, t.rail, t.fund_source`,
        ...counted,
      ),
      await db.read(
        `SELECT s.movement AS movement, t.stage AS stage, t.rail AS rail, t.fund_source AS fund_source, sum(t.amount) AS amount
         ${SUPPLEMENTED} GROUP BY s.movement, t.stage, t.rail, t.fund_source`,
        ...counted,
      ),
      await db.read(`SELECT s.action AS action, count(DISTINCT s.id) AS n ${COUNTED} GROUP BY s.action`, ...counted),
    ),
    rows: page.map((row) => lineOf(row, legs.get(groupOf(row)) ?? [])),
    ...(isMore ? { next: `${period}.${numberOf(end, "day")}.${textOf(end, "id")}` } : {}),
  };
}

/** As SQLite orders them, whose texts are compared by bytes: all of it is ASCII. */
function byDayAndId(one: Row, other: Row): number {
  const days = numberOf(one, "day") - numberOf(other, "day");
  return days === 0 ? (textOf(one, "id") < textOf(other, "id") ? -1 : 1) : days;
}

/** Of the transfers that a row is made of. */
function groupOf(row: Row): string {
  const supplement = textOrNull(row, "supplement_id");
  return supplement === undefined ? textOf(row, "id") : `supplement/${supplement}`;
}

async function legsOf(db: Pick<Database, "read">, ids: readonly string[]): Promise<ReadonlyMap<string, StatementLine["legs"]>> {
  const legs = new Map<string, StatementLine["legs"][number][]>();
  if (ids.length === 0) return legs;
  // What was taken back of a supplement is what was booked, the other way.
  const sql = `SELECT group_id, rail, fund_source, amount FROM transfer AS t
    WHERE (${STAYED("t")} OR t.stage = 'posted' AND t.group_id >= 'supplement/' AND t.group_id < 'supplement0') AND group_id IN ${placeholders(ids)} ORDER BY rowid`;
  for (const row of await db.read(sql, ...ids)) {
    const id = textOf(row, "group_id");
    const leg = { rail: wordOf(row, "rail", RAIL_ORDER), fundSource: textOf(row, "fund_source"), amount: fenOf(row) };
    legs.set(id, [...(legs.get(id) ?? []), leg]);
  }
  return legs;
}

function lineOf(row: Row, legs: StatementLine["legs"]): StatementLine {
  return {
    ...namesOf(row),
    day: String(numberOf(row, "day")),
    atMs: numberOf(row, "at_ms") as EventMs,
    late: numberOf(row, "late") !== 0,
    amount: fenOf(row),
    legs,
  };
}

function namesOf(row: Row): Pick<StatementLine, "kind" | "movement" | "outTradeNo" | "settlementId" | "originalSettlementId"> {
  if (textOrNull(row, "supplement_id") !== undefined) {
    const [settlementId, outTradeNo] = [textOrNull(row, "settlement_id"), textOrNull(row, "out_trade_no")];
    const kind = movedBySupplement(row);
    return {
      kind: "supplement",
      movement: kind === "capture" ? "payment" : kind,
      ...(settlementId === undefined || outTradeNo === undefined ? {} : { outTradeNo, settlementId }),
    };
  }
  const original = textOrNull(row, "parent_id");
  return {
    kind: row["state"] === "refused" ? "kept" : kindOf(row),
    outTradeNo: textOf(row, "out_trade_no"),
    settlementId: textOf(row, "id"),
    ...(original === undefined ? {} : { originalSettlementId: original }),
  };
}

function movedBySupplement(row: Row): Movement["kind"] {
  return supplementKind(wordOf(row, "movement", MOVEMENTS), row["stage"] === "reversed");
}

function figuresOf(amounts: readonly Row[], supplements: readonly Row[], counts: readonly Row[]): StatementFigures {
  const figures = new Figures();
  const add = (row: Row, kind: Movement["kind"]): void => {
    const parts = [{ fundSource: textOf(row, "fund_source"), amount: fenOf(row) }];
    figures.add({ rail: wordOf(row, "rail", RAIL_ORDER), kind, parts });
  };
  for (const row of amounts) add(row, postingKind(row));
  for (const row of supplements) add(row, movedBySupplement(row));
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
