/**
 * The last touch before an event leaves: its receipt, once a checkpoint that may be shown outside covers its entry. No event
 * leaves before its entry is signed. When witnesses are slow or away it leaves without the receipt after a set time, so that
 * nobody's settlement waits for them, and goes out once more under the same id when the receipt is there.
 */
import type { Log } from "../../ledger/port.ts";
import type { Database, Row, Statement } from "../../migrations/database.ts";
import { enqueue, type OutboxRow } from "../../streams/bus/outbox.ts";
import { canonicalJson } from "../../streams/contracts/canonical.ts";
import type { Publication } from "../checkpoint-publication.ts";
import { utf8, utf8Text } from "../protocol/bytes.ts";
import type { Clock } from "../protocol/time.ts";

export interface ReceiptOptions {
  readonly db: Database;
  readonly log: Log;
  readonly publication: Pick<Publication, "latest" | "receiptWaitMs">;
  readonly clock: Clock;
}

/** Rows paid back at a time. */
const OWED_MAX = 200;

/** A forwarder's `prepare`: rows up to the first that must wait, with receipts in their data where there is one already. */
export function receiptsAttached(options: ReceiptOptions): (rows: readonly OutboxRow[]) => Promise<readonly OutboxRow[]> {
  const { db, log, publication, clock } = options;
  return async function attachReceipts(rows) {
    const published = publication.latest();
    const covered = published?.size ?? 0n;
    const signed = log.latestCheckpoint()?.size ?? 0n;
    const { receiptWaitMs } = publication;
    const nowMs = clock.now();
    const mustWait = ({ ledgerIndex, createdAtMs }: OutboxRow): boolean =>
      ledgerIndex !== undefined &&
      ledgerIndex >= covered &&
      (ledgerIndex >= signed || receiptWaitMs === undefined || nowMs - createdAtMs < receiptWaitMs);
    const waiting = rows.findIndex(mustWait);
    const ready = waiting === -1 ? rows : rows.slice(0, waiting);
    const owed = ready.filter((row) => row.ledgerIndex !== undefined && row.ledgerIndex >= covered);
    if (owed.length > 0) await db.write(owed.map(owing), "process");
    return await Promise.all(
      ready.map(async (row) => {
        if (row.ledgerIndex === undefined || row.ledgerIndex >= covered) return row;
        return withReceipt(row, await log.receipt(row.ledgerIndex, published));
      }),
    );
  };
}

function withReceipt(row: OutboxRow, receipt: string): OutboxRow {
  const data: unknown = JSON.parse(utf8Text(row.value) ?? "");
  if (typeof data !== "object" || data === null) throw new TypeError("an event of this room has an object as data");
  return { ...row, value: utf8(canonicalJson({ ...data, receipt })) };
}

function owing(row: OutboxRow): Statement {
  return {
    sql: `INSERT INTO receipt_owed (event_id, topic, key, partition, headers, value, ledger_index) VALUES (?, ?, ?, ?, ?, ?, ?)
          ON CONFLICT DO NOTHING`,
    args: [row.eventId, row.topic, row.key, row.partition ?? null, JSON.stringify(row.headers), row.value, row.ledgerIndex ?? null],
  };
}

/** Puts events that left without their receipt back into the outbox once it can be given; whether there were any. */
export async function payReceipts({ db, publication, clock }: ReceiptOptions): Promise<boolean> {
  const covered = publication.latest()?.size ?? 0n;
  const rows = await db.read("SELECT * FROM receipt_owed WHERE ledger_index < ? ORDER BY ledger_index LIMIT ?", covered, OWED_MAX);
  if (rows.length === 0) return false;
  const paid = rows.map((row) => ({ sql: "DELETE FROM receipt_owed WHERE event_id = ?", args: [String(row["event_id"])] }));
  await db.write([...enqueue(rows.map(owedRecord), clock.now()), ...paid]);
  return true;
}

function owedRecord(row: Row): Parameters<typeof enqueue>[0][number] {
  const { value, ledger_index: ledgerIndex, partition } = row as Record<string, unknown>;
  return {
    eventId: String(row["event_id"]),
    topic: String(row["topic"]),
    key: String(row["key"]),
    headers: JSON.parse(String(row["headers"])) as Record<string, string>,
    value: value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array(),
    ...(typeof partition === "bigint" ? { partition: Number(partition) } : {}),
    ...(typeof ledgerIndex === "bigint" ? { ledgerIndex } : {}),
  };
}
