/** What a log that has witnesses, or changes its key, keeps beside its leaves. */
import { blob, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** Checkpoints that left the platform with the cosignatures they had; of a log without witnesses the table stays empty. */
export const publishedCheckpoint = sqliteTable("published_checkpoint", {
  size: integer("size").primaryKey(),
  /** The signed note with the lines of witnesses behind those of the log. */
  note: text("note").notNull(),
  atMs: integer("at_ms").notNull(),
  /** 1 when the policy's quorum stood by it; 0 when it was published without (fail open). */
  quorum: integer("quorum").notNull(),
});

/** How far each witness had come when it last answered; a hint, the witness itself knows. */
export const witnessPosition = sqliteTable("witness_position", {
  witness: text("witness").primaryKey(),
  size: integer("size").notNull(),
});

/** Keys of this log in their order, derived from its entries `ledger.key.*`; empty while the first key was never changed. */
export const logKey = sqliteTable("log_key", {
  /** Handle in the key store. */
  handle: text("handle").primaryKey(),
  /** Verifier key, as auditors have it. */
  verifierKey: text("verifier_key").notNull(),
  /** Sizes that it may sign; without `last_size` it is in office. */
  firstSize: integer("first_size").notNull(),
  lastSize: integer("last_size"),
});

/** Events that left before their entry was under a published checkpoint: they go out once more, with the receipt. */
export const receiptOwed = sqliteTable("receipt_owed", {
  eventId: text("event_id").primaryKey(),
  topic: text("topic").notNull(),
  key: text("key").notNull(),
  partition: integer("partition"),
  /** JSON object of strings. */
  headers: text("headers").notNull(),
  value: blob("value", { mode: "buffer" }).notNull(),
  ledgerIndex: integer("ledger_index").notNull(),
});
