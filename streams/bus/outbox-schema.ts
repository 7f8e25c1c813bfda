/** Transactional outbox: rows are written in the transaction of the effect and leave for the bus in order. */
import { blob, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const outbox = sqliteTable("outbox", {
  seq: integer("seq").primaryKey({ autoIncrement: true }),
  eventId: text("event_id").notNull(),
  topic: text("topic").notNull(),
  key: text("key").notNull(),
  partition: integer("partition"),
  /** JSON object of strings. */
  headers: text("headers").notNull(),
  value: blob("value", { mode: "buffer" }).notNull(),
  /** Ledger entry that must be under a checkpoint before the record may leave; its receipt is attached on the way. */
  ledgerIndex: integer("ledger_index"),
  createdAtMs: integer("created_at_ms").notNull(),
});

/** Records a broker refused for good; kept with the reason, never silently dropped. */
export const outboxDead = sqliteTable("outbox_dead", {
  seq: integer("seq").primaryKey(),
  eventId: text("event_id").notNull(),
  topic: text("topic").notNull(),
  key: text("key").notNull(),
  headers: text("headers").notNull(),
  value: blob("value", { mode: "buffer" }).notNull(),
  reason: text("reason").notNull(),
  atMs: integer("at_ms").notNull(),
});
