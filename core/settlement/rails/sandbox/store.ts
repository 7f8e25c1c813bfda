/**
 * The payers' books on disk (libSQL): a journal of commands and the movements they made, in one group commit. Nothing
 * is answered before it is durable, so a killed process loses nothing that anyone was told.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asFen } from "../../../protocol/money.ts";
import type { EventMs } from "../../../protocol/time.ts";
import { addDays, dayOf } from "../../day/accounting-day.ts";
import type { FundPart, RailName } from "../../plan.ts";
import { type Database, insertRows, openDatabase, type Row } from "../../../../migrations/database.ts";
import { GroupCommit } from "../../../../migrations/queue.ts";
import { type Movement, TOLD, type ToldMovement } from "./movements.ts";

export interface JournalItem {
  readonly atMs: number;
  readonly rail: RailName | undefined;
  /** JSON. */
  readonly entry: string;
  readonly movements: readonly ToldMovement[];
}

export interface PayerStore {
  /** In the order in which they were written. */
  journal(): AsyncIterable<Pick<JournalItem, "atMs" | "rail" | "entry">>;
  /** Resolves when it is on disk. */
  append(item: JournalItem): Promise<void>;
  /** What the statement of a day tells, a page at a time; of one institution when named. */
  movements(query: { readonly rail: RailName; readonly day: string; readonly institution?: string }): AsyncIterable<ToldMovement>;
  /** From now on statements tell what really happened. */
  correctStatements(): Promise<void>;
  close(): Promise<void>;
}

const PAGE = 5_000;
const COLUMNS = [
  "rail",
  "day",
  "kind",
  "key",
  "institution",
  "settlement_id",
  "amount",
  "parts",
  "bill",
  "reference",
  "at_ms",
  "told",
] as const;

/** Without a file the books live in a temporary folder and are gone when they close. */
export async function openPayerStore(file: string | undefined): Promise<PayerStore> {
  const temporary = file === undefined ? await mkdtemp(join(tmpdir(), "ronghe-payers-")) : undefined;
  const db = await openDatabase({ kind: "payers", file: file ?? join(temporary ?? "", "payers.db") });
  const commits = new GroupCommit<JournalItem, undefined>(async (items) => {
    await db.write(
      [
        ...insertRows(
          "payer_journal",
          ["at_ms", "rail", "entry"],
          items.map((item) => [item.atMs, item.rail ?? null, item.entry]),
        ),
        ...insertRows(
          "payer_movement",
          COLUMNS,
          items.flatMap((item) => item.movements.map(rowOf)),
        ),
      ],
      // A payer killed keeps everything; of a power cut only the sandbox's newest moments are lost.
      "process",
    );
    return items.map(() => undefined);
  });
  let open = true;
  return {
    journal: () => journalOf(db),
    async append(item) {
      if (!open) throw new Error("the payers' books are closed");
      await commits.submit(item);
    },
    movements: (query) => movementsOf(db, query),
    async correctStatements() {
      await db.write([
        { sql: "DELETE FROM payer_movement WHERE told='extraRow'", args: [] },
        {
          sql: "UPDATE payer_movement SET told='true', day=strftime('%Y%m%d', at_ms/1000 + 28800, 'unixepoch') WHERE told<>'true'",
          args: [],
        },
      ]);
    },
    async close() {
      if (!open) return;
      open = false;
      await commits.idle();
      await db.close();
      if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
    },
  };
}

async function* journalOf(db: Database): AsyncIterable<Pick<JournalItem, "atMs" | "rail" | "entry">> {
  for (let after = 0n; ;) {
    const rows = await db.read("SELECT seq, at_ms, rail, entry FROM payer_journal WHERE seq > ? ORDER BY seq LIMIT ?", after, PAGE);
    for (const row of rows) {
      after = BigInt(row["seq"] as bigint);
      yield {
        atMs: Number(row["at_ms"]),
        rail: row["rail"] === null ? undefined : (String(row["rail"]) as RailName),
        entry: String(row["entry"]),
      };
    }
    if (rows.length < PAGE) return;
  }
}

async function* movementsOf(
  db: Database,
  query: { readonly rail: RailName; readonly day: string; readonly institution?: string },
): AsyncIterable<ToldMovement> {
  const where = `rail=? AND day=? AND told<>'missingRow'${query.institution === undefined ? "" : " AND institution=?"}`;
  const args = [query.rail, query.day, ...(query.institution === undefined ? [] : [query.institution])];
  for (let after = 0n; ;) {
    const rows = await db.read(
      `SELECT seq, ${COLUMNS.join(", ")} FROM payer_movement WHERE ${where} AND seq > ? ORDER BY seq LIMIT ?`,
      ...args,
      after,
      PAGE,
    );
    for (const row of rows) {
      after = BigInt(row["seq"] as bigint);
      yield movementOf(row);
    }
    if (rows.length < PAGE) return;
  }
}

function rowOf(movement: ToldMovement): (string | bigint | number)[] {
  const { rail, kind, key, institution, settlementId, amount, bill, reference, atMs, told } = movement;
  const own = dayOf(atMs as EventMs);
  const day = told === "nextDayRow" ? addDays(own, 1) : own;
  const parts = JSON.stringify(movement.parts.map((part) => [part.fundSource, part.amount.toString()]));
  return [rail, day, kind, key, institution, settlementId, amount, parts, bill, reference, atMs, told];
}

function movementOf(row: Row): ToldMovement {
  const parts = JSON.parse(String(row["parts"])) as readonly (readonly [string, string])[];
  return {
    rail: String(row["rail"]) as RailName,
    kind: String(row["kind"]) as Movement["kind"],
    key: String(row["key"]),
    institution: String(row["institution"]),
    settlementId: String(row["settlement_id"]),
    amount: asFen(row["amount"] as bigint),
    parts: parts.map(([fundSource, amount]): FundPart => ({ fundSource, amount: asFen(BigInt(amount)) })),
    bill: asFen(row["bill"] as bigint),
    reference: String(row["reference"]),
    atMs: Number(row["at_ms"]),
    told: TOLD.find((told) => told === row["told"]) ?? "true",
  };
}
