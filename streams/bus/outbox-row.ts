/** Outbox rows in and out of their table. */
import { type InValue, insertRows, type Row } from "../../migrations/database.ts";
import type { EnqueueStatements, OutboxRecord } from "./outbox-port.ts";

/** A record waiting in the outbox. */
export interface OutboxRow extends OutboxRecord {
  /** Order of commit: AUTOINCREMENT, one writer, so later rows have larger numbers and none is used twice. */
  readonly seq: bigint;
  readonly createdAtMs: number;
}

const COLUMNS = ["event_id", "topic", "key", "partition", "headers", "value", "ledger_index", "created_at_ms"] as const;

/** Statements for the batch of the effect: event and effect are durable together, or neither is (DESIGN 2 step 4). */
export const enqueue: EnqueueStatements = (records, createdAtMs) =>
  insertRows(
    "outbox",
    COLUMNS,
    records.map((record): readonly InValue[] => [
      record.eventId,
      record.topic,
      record.key,
      record.partition ?? null,
      JSON.stringify(record.headers),
      record.value,
      record.ledgerIndex ?? null,
      createdAtMs,
    ]),
  );

export const SELECT_ROWS = `SELECT seq, ${COLUMNS.join(", ")} FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?`;

export function outboxRowOf(row: Row): OutboxRow {
  const { seq, value, ledger_index: ledgerIndex, partition } = row as Record<string, unknown>;
  if (typeof seq !== "bigint") throw new TypeError("outbox.seq is not an integer");
  return {
    seq,
    eventId: String(row["event_id"]),
    topic: String(row["topic"]),
    key: String(row["key"]),
    headers: JSON.parse(String(row["headers"])) as Record<string, string>,
    value: value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array(),
    createdAtMs: Number(row["created_at_ms"]),
    ...(typeof partition === "bigint" ? { partition: Number(partition) } : {}),
    ...(typeof ledgerIndex === "bigint" ? { ledgerIndex } : {}),
  };
}
