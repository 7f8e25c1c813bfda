/** Reading a shard's tables. Everything is looked up for many at once; writing is the shard's. */
import type { Database, Row } from "../../migrations/database.ts";
import type { EventMs } from "../protocol/time.ts";
import type { Intake, Known } from "./acceptance.ts";
import { evidenceFromRows, integerOf, LEGS_SQL, legsFromRows, settlementFromRow, SETTLEMENT_COLUMNS, textOf } from "./rows.ts";
import type { Settlement } from "./settlement.ts";
import { type Balance, BALANCES_SQL } from "./transfers.ts";

/** What is known, to be completed with what the same batch opened before. */
export interface Lookup extends Known {
  readonly settlements: Map<string, Settlement>;
  readonly refunds: Map<string, readonly Settlement[]>;
}

export interface Store {
  byId(ids: readonly string[]): Promise<ReadonlyMap<string, Settlement>>;
  /** All that taking these requests in depends on. */
  known(intakes: readonly Intake[]): Promise<Lookup>;
  /** One settlement, with everything that ever gave it back. */
  withRefunds(id: string): Promise<{ readonly original: Settlement | undefined; readonly refunds: readonly Settlement[] }>;
  due(atMs: EventMs, limit: number): Promise<readonly Settlement[]>;
  nextDueMs(after: EventMs): Promise<EventMs | undefined>;
  balances(): Promise<readonly Balance[]>;
  countByState(): Promise<ReadonlyMap<string, number>>;
  countOpen(): Promise<ReadonlyMap<string, number>>;
}

/** Below SQLite's limit of 32,766 parameters, and kind to its parser. */
const IDS_PER_READ = 1_000;

export function openStore(db: Database): Store {
  return new LibsqlStore(db);
}

class LibsqlStore implements Store {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async byId(ids: readonly string[]): Promise<Map<string, Settlement>> {
    const rows = await this.#readIn((marks) => `SELECT ${SETTLEMENT_COLUMNS} FROM settlement WHERE id IN (${marks})`, ids);
    return new Map((await this.#complete(rows)).map((one) => [one.id, one]));
  }

  async known(intakes: readonly Intake[]): Promise<Lookup> {
    const requests = intakes.filter((intake) => intake.kind === "request");
    const parents = requests.flatMap((request) => (request.parentId === undefined ? [] : [request.parentId]));
    const settlements = await this.byId([...new Set([...requests.map((request) => request.id), ...parents])]);
    const refunds = await this.#refundsOf(parents);
    // Only an id that is taken can conflict.
    const again = requests.filter((request) => settlements.has(request.id)).map((request) => request.event.id);
    const told = await this.#readIn((marks) => `SELECT source, event_id FROM conflict WHERE event_id IN (${marks})`, again);
    return { settlements, refunds, conflicts: new Set(told.map((row) => `${textOf(row, "source")}\n${textOf(row, "event_id")}`)) };
  }

  async withRefunds(id: string): ReturnType<Store["withRefunds"]> {
    return { original: (await this.byId([id])).get(id), refunds: (await this.#refundsOf([id])).get(id) ?? [] };
  }

  async #refundsOf(parents: readonly string[]): Promise<Map<string, readonly Settlement[]>> {
    const refunds = new Map<string, readonly Settlement[]>();
    if (parents.length === 0) return refunds;
    const rows = await this.#readIn((marks) => `SELECT ${SETTLEMENT_COLUMNS} FROM settlement WHERE parent_id IN (${marks})`, parents);
    for (const refund of await this.#complete(rows))
      if (refund.parent !== undefined) refunds.set(refund.parent.id, [...(refunds.get(refund.parent.id) ?? []), refund]);
    return refunds;
  }

  async due(atMs: EventMs, limit: number): Promise<readonly Settlement[]> {
    const sql = `SELECT ${SETTLEMENT_COLUMNS} FROM settlement WHERE due_at_ms IS NOT NULL AND due_at_ms<=? ORDER BY due_at_ms, "offset" LIMIT ?`;
    return await this.#complete(await this.#db.read(sql, atMs, limit));
  }

  async nextDueMs(after: EventMs): Promise<EventMs | undefined> {
    const [row] = await this.#db.read("SELECT min(due_at_ms) AS due FROM settlement WHERE due_at_ms IS NOT NULL AND due_at_ms>?", after);
    return row === undefined || row["due"] === null ? undefined : (Number(integerOf(row, "due")) as EventMs);
  }

  async balances(): Promise<readonly Balance[]> {
    return (await this.#db.read(BALANCES_SQL)).map((row) => ({
      account: textOf(row, "account"),
      fundSource: textOf(row, "fund_source"),
      posted: integerOf(row, "posted"),
      pending: integerOf(row, "pending"),
    }));
  }

  async countByState(): Promise<ReadonlyMap<string, number>> {
    return await this.#count("SELECT state, count(*) AS settlements FROM settlement GROUP BY state");
  }

  async countOpen(): Promise<ReadonlyMap<string, number>> {
    return await this.#count("SELECT state, count(*) AS settlements FROM settlement WHERE decided_at_ms IS NULL GROUP BY state");
  }

  async #count(sql: string): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#db.read(sql);
    return new Map(rows.map((row) => [textOf(row, "state"), Number(integerOf(row, "settlements"))]));
  }

  async #complete(rows: readonly Row[]): Promise<readonly Settlement[]> {
    const ids = rows.map((row) => textOf(row, "id"));
    const legs = legsFromRows(await this.#readIn(LEGS_SQL, ids));
    const waited = rows.flatMap((row) => (row["decided_at_ms"] === null ? [textOf(row, "id")] : []));
    const evidence = evidenceFromRows(
      await this.#readIn((marks) => `SELECT * FROM evidence WHERE taken=1 AND settlement_id IN (${marks})`, waited),
    );
    return rows.map((row) => {
      const id = textOf(row, "id");
      return settlementFromRow(row, { legs: legs.get(id), evidence: evidence.get(id) });
    });
  }

  async #readIn(sql: (marks: string) => string, values: readonly string[]): Promise<readonly Row[]> {
    const found: Row[] = [];
    for (let from = 0; from < values.length; from += IDS_PER_READ) {
      const part = values.slice(from, from + IDS_PER_READ);
      found.push(...(await this.#db.read(sql(part.map(() => "?").join(",")), ...part)));
    }
    return found;
  }
}
