/** A reconciliation room for tests: real books on libSQL, shards in memory, a payer that states what it is told to. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCrypto } from "../../../crypto/index.ts";
import type { Crypto } from "../../../crypto/port.ts";
import { asFen } from "../../../protocol/money.ts";
import type { EventMs } from "../../../protocol/time.ts";
import { type Database, openDatabase } from "../../../../migrations/database.ts";
import type { AccountingDay } from "../../books.ts";
import { dayOf, dayStart } from "../../day/accounting-day.ts";
import type { RailName } from "../../plan.ts";
import type { StatementRail, StatementRow } from "../../rails/port.ts";
import { printCsvRow } from "../csv.ts";
import { csvText } from "./csv-text.ts";
import { openReconciler, type Reconciler } from "../reconciler.ts";
import type { ReconcileRules } from "../rules.ts";
import { InstitutionSums } from "../../rails/statement-totals.ts";
import { MemoryBooks } from "./memory-books.ts";

export const DAY = "20260105" as AccountingDay;
export const HOUR = 3_600_000;

export class Payer implements StatementRail {
  readonly name: RailName;
  readonly rows: StatementRow[] = [];
  closed = true;
  /** Answers as payers did before totals were apart by institution. */
  oneSum = false;
  /** Times rows were asked for. */
  asked = 0;

  constructor(name: RailName) {
    this.name = name;
  }

  statementTotals(day: string): ReturnType<StatementRail["statementTotals"]> {
    const sum = new InstitutionSums();
    for (const row of this.#of(day)) sum.add(row);
    return Promise.resolve({ day, closed: this.closed, ...sum.totals, ...(this.oneSum ? {} : { institutions: sum.institutions }) });
  }

  async *statementRows(day: string): AsyncIterable<StatementRow> {
    this.asked++;
    yield* this.#of(day);
  }

  #of(day: string): readonly StatementRow[] {
    return this.rows.filter((row) => dayOf(row.atMs) === day);
  }
}

export interface Desk {
  readonly folder: string;
  readonly crypto: Crypto;
  readonly clock: { now(): EventMs; at: EventMs };
  readonly shards: ReadonlyMap<number, MemoryBooks>;
  readonly payers: Readonly<Record<RailName, Payer>>;
  readonly db: Database;
  reconciler: Reconciler;
  /** What a new process would open. */
  reopen(): Promise<void>;
  /** Both sides have it. */
  both(key: string, amount: bigint, more?: Partial<StatementRow>): void;
  csv(name: string, rows: readonly StatementRow[]): Promise<string>;
  close(): Promise<void>;
}

export function row(key: string, amount: bigint, more: Partial<StatementRow> = {}): StatementRow {
  return {
    key,
    kind: "capture",
    institution: "H1",
    amount: asFen(amount),
    parts: [],
    railReference: `R-${key}`,
    atMs: (dayStart(DAY) + 10 * HOUR) as EventMs,
    ...more,
  };
}

export async function openDesk(rules?: ReconcileRules): Promise<Desk> {
  const folder = await mkdtemp(join(tmpdir(), "ronghe-reconcile-"));
  const crypto = await loadCrypto();
  const clock = { at: (dayStart(DAY) + 25 * HOUR) as EventMs, now: () => clock.at };
  const shards = new Map([0, 1].map((shard) => [shard, new MemoryBooks(shard)]));
  const payers = { insurance: new Payer("insurance"), commercial: new Payer("commercial"), bank: new Payer("bank") };
  const open = async (): Promise<{ db: Database; reconciler: Reconciler }> => {
    const db = await openDatabase({ kind: "books", file: join(folder, "books.db") });
    const reconciler = await openReconciler({
      db,
      shards,
      shardOf: (institution) => (institution === "H1" ? 0 : 1),
      payers,
      crypto,
      clock,
      folder,
      find: (shard, kind, subject) => Promise.resolve(shards.get(shard)?.find(kind, subject)),
      ...(rules === undefined ? {} : { rules }),
    });
    return { db, reconciler };
  };
  let { db, reconciler } = await open();
  return {
    folder,
    crypto,
    clock,
    shards,
    payers,
    get db() {
      return db;
    },
    get reconciler() {
      return reconciler;
    },
    async reopen() {
      await db.close();
      ({ db, reconciler } = await open());
    },
    both(key, amount, more = {}) {
      const stated = row(key, amount, more);
      payers.bank.rows.push(stated);
      const { institution, kind, railReference, atMs } = stated;
      shards.get(institution === "H1" ? 0 : 1)?.add({ key, rail: "bank", amount, institution, kind, railReference, postedAtMs: atMs });
    },
    async csv(name, rows) {
      const file = join(folder, name);
      await writeFile(file, csvText(rows.map(printCsvRow)));
      return file;
    },
    async close() {
      await db.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
