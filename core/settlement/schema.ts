/**
 * Tables of one settlement shard. They share a database with the shard's log and outbox, so that state, money,
 * idempotency, consumed offset, ledger entry and outgoing event are one transaction.
 */
import { sql } from "drizzle-orm";
import { blob, index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

/**
 * One row per (institution, outTradeNo): the idempotency row and the state of the saga in one. Settlements and
 * refunds are both groups of transfers; a refund names the settlement it gives back as its parent. Never deleted.
 */
export const settlement = sqliteTable(
  "settlement",
  {
    /** `settlementId(institution, outTradeNo)` of core/protocol. */
    id: text("id").primaryKey(),
    institution: text("institution").notNull(),
    outTradeNo: text("out_trade_no").notNull(),
    /** SM3 of the canonical request: the same id with another hash is a conflict. */
    requestHash: blob("request_hash", { mode: "buffer" }).notNull(),
    action: text("action", { enum: ["settle", "refund"] }).notNull(),
    parentId: text("parent_id"),
    /** When the parent was settled; told with the refund. */
    parentSettledAtMs: integer("parent_settled_at_ms"),
    terminal: text("terminal").notNull(),
    businessType: text("business_type").notNull(),
    edge: text("edge").notNull(),
    /** Fen. */
    amount: integer("amount").notNull(),
    state: text("state").notNull(),
    /** Set while `state` is `unknown`: the step whose answer is missing. */
    phase: text("phase"),
    /** Pseudonym, known once the vault has answered. */
    person: text("person"),
    /** The rails the person has accounts on, as a subset of `icb`; account values are never stored (S0 4.2). */
    bound: text("bound"),
    /** The sealed credential as it came, JSON; erased once every payer has answered the hold, or at the end. */
    credential: text("credential"),
    refusal: text("refusal"),
    unknownRail: text("unknown_rail"),
    unknownReported: integer("unknown_reported").notNull(),
    acceptedAtMs: integer("accepted_at_ms").notNull(),
    /** When the core took it. */
    recordedAtMs: integer("recorded_at_ms").notNull(),
    decidedAtMs: integer("decided_at_ms"),
    attempt: integer("attempt").notNull(),
    /** Counts the steps; a guard lets each step happen once. */
    revision: integer("revision").notNull(),
    /** When to go on; null once terminal. */
    dueAtMs: integer("due_at_ms"),
    topic: text("topic").notNull(),
    partition: integer("partition").notNull(),
    offset: integer("offset").notNull(),
    recordHash: blob("record_hash", { mode: "buffer" }).notNull(),
    /** Entry of the latest transition that the log records. */
    ledgerIndex: integer("ledger_index"),
  },
  (t) => [
    uniqueIndex("settlement_idempotency").on(t.institution, t.outTradeNo),
    index("settlement_parent")
      .on(t.parentId)
      .where(sql`parent_id IS NOT NULL`),
    index("settlement_due")
      .on(t.dueAtMs)
      .where(sql`due_at_ms IS NOT NULL`),
  ],
);

/** A purse of one fund source (资金来源) on one side; both sides of a transfer have the same source, so each is conserved. */
export const account = sqliteTable("account", {
  id: text("id").primaryKey(),
  side: text("side", { enum: ["payer", "institution"] }).notNull(),
  rail: text("rail").notNull(),
  fundSource: text("fund_source").notNull(),
  institution: text("institution"),
});

/**
 * Double entry, append-only. A `pending` row reserves; one `posted` or `voided` row ends it. A balance is always the
 * sum of rows. Rows of one settlement are one linked group: they are written together or not at all.
 */
export const transfer = sqliteTable(
  "transfer",
  {
    settlementId: text("settlement_id").notNull(),
    rail: text("rail").notNull(),
    fundSource: text("fund_source").notNull(),
    stage: text("stage", { enum: ["pending", "posted", "voided"] }).notNull(),
    debit: text("debit").notNull(),
    credit: text("credit").notNull(),
    /** Fen, above zero. */
    amount: integer("amount").notNull(),
    /** The payer's own number of the hold or the payment, for reconciliation. */
    railReference: text("rail_reference"),
    atMs: integer("at_ms").notNull(),
    ledgerIndex: integer("ledger_index").notNull(),
  },
  (t) => [primaryKey({ columns: [t.settlementId, t.rail, t.fundSource, t.stage] })],
);

/** Requests that reused an id with other content, by event, so that a redelivery is not a second conflict. */
export const conflict = sqliteTable(
  "conflict",
  {
    source: text("source").notNull(),
    eventId: text("event_id").notNull(),
    settlementId: text("settlement_id").notNull(),
    requestHash: blob("request_hash", { mode: "buffer" }).notNull(),
    ledgerIndex: integer("ledger_index").notNull(),
  },
  (t) => [primaryKey({ columns: [t.source, t.eventId] })],
);

/** How far the shard has read the bus, moved in the transaction of what was read. */
export const consumedPosition = sqliteTable(
  "consumed_position",
  { topic: text("topic").notNull(), partition: integer("partition").notNull(), nextOffset: integer("next_offset").notNull() },
  (t) => [primaryKey({ columns: [t.topic, t.partition] })],
);
