/**
 * Tables of one settlement shard. They share a database with the shard's log and outbox, so that state, money,
 * idempotency, consumed offset, ledger entry and outgoing event are one transaction.
 */
import { sql } from "drizzle-orm";
import { blob, index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import { ACCOUNT_SIDES, TRANSFER_STAGES } from "./transfers.ts";

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
    /** Of a refund: ALL, CASH or HI. */
    scope: text("scope"),
    terminal: text("terminal").notNull(),
    businessType: text("business_type").notNull(),
    edge: text("edge").notNull(),
    /** Fen. */
    amount: integer("amount").notNull(),
    state: text("state").notNull(),
    /** Set while `state` is `unknown` or `awaiting`: the step whose answer is missing. */
    phase: text("phase"),
    /** Pseudonym, known once the vault has answered. */
    person: text("person"),
    /** Insured area, known with the person. */
    region: text("region"),
    /** The rails the person has accounts on, as a subset of `icb`; account values are never stored (S0 4.2). */
    bound: text("bound"),
    /** The sealed credential as it came, JSON; erased once every payer has answered the hold, or at the end. */
    credential: text("credential"),
    /** 医疗类别 and fee lines, JSON; erased with the credential. */
    care: text("care"),
    refusal: text("refusal"),
    /** Calls without an answer, `bank/capture insurance/capture`; null when none. */
    missing: text("missing"),
    unknownReported: integer("unknown_reported").notNull(),
    acceptedAtMs: integer("accepted_at_ms").notNull(),
    /** When the core took it. */
    recordedAtMs: integer("recorded_at_ms").notNull(),
    decidedAtMs: integer("decided_at_ms"),
    attempt: integer("attempt").notNull(),
    /** Since when the present step is under way. */
    stepAtMs: integer("step_at_ms").notNull(),
    /** Counts the steps; a guard lets each step happen once. */
    revision: integer("revision").notNull(),
    /** When to go on; null once terminal, and while a payer's statement is waited for. */
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
    index("settlement_missing")
      .on(t.id)
      .where(sql`missing IS NOT NULL`),
    /** What a seal carries over: open settlements are few beside those that ended. */
    index("settlement_open")
      .on(t.acceptedAtMs)
      .where(sql`decided_at_ms IS NULL`),
  ],
);

/**
 * A purse of one fund source (资金来源): side × rail × institution × region. Both sides of a transfer have the same
 * source, so each is conserved.
 */
export const account = sqliteTable("account", {
  id: text("id").primaryKey(),
  side: text("side", { enum: ACCOUNT_SIDES }).notNull(),
  rail: text("rail").notNull(),
  fundSource: text("fund_source").notNull(),
  institution: text("institution"),
  region: text("region").notNull(),
});

/**
 * Double entry, append-only. A `pending` row reserves; one row more ends it (`posted`, `voided`, `expired`); what was
 * posted may be `reversed` once. A balance is always the sum of rows. Rows of one group are written together or not at
 * all.
 */
export const transfer = sqliteTable(
  "transfer",
  {
    /** A settlement, a refund, `adjustment/…`, or `supplement/…`. */
    groupId: text("group_id").notNull(),
    rail: text("rail").notNull(),
    fundSource: text("fund_source").notNull(),
    stage: text("stage", { enum: TRANSFER_STAGES }).notNull(),
    debit: text("debit").notNull(),
    credit: text("credit").notNull(),
    /** Fen, above zero. */
    amount: integer("amount").notNull(),
    /** The payer's own number of the hold or the payment, for reconciliation. */
    railReference: text("rail_reference"),
    atMs: integer("at_ms").notNull(),
    /** Accounting day, eight digits. */
    day: integer("day").notNull(),
    /** 1: came after its own day was sealed. */
    late: integer("late").notNull(),
    ledgerIndex: integer("ledger_index").notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.groupId, t.rail, t.fundSource, t.stage] }),
    index("transfer_day")
      .on(t.day, t.rail, t.groupId, t.stage)
      .where(sql`stage IN ('posted', 'reversed')`),
  ],
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

/** What payers' statements proved, or claimed, about a call; one row per call and statement. Never changed. */
export const evidence = sqliteTable(
  "evidence",
  {
    key: text("key").notNull(),
    /** SM3 hex of the statement. */
    statementHash: text("statement_hash").notNull(),
    settlementId: text("settlement_id").notNull(),
    rail: text("rail").notNull(),
    found: text("found", { enum: ["done", "absent"] }).notNull(),
    /** Fen; null when absent. */
    amount: integer("amount"),
    railReference: text("rail_reference"),
    /** `acct_pay=500 hifp_pay=6000`. */
    parts: text("parts"),
    runId: text("run_id").notNull(),
    /** 1: taken into the step that waited; 0: came too late, recorded only. */
    taken: integer("taken").notNull(),
    ledgerIndex: integer("ledger_index").notNull(),
  },
  (t) => [primaryKey({ columns: [t.key, t.statementHash] }), index("evidence_settlement").on(t.settlementId)],
);

/** Corrections outside the saga: 挂账, its release, 核销. Never changed; each is one pair of transfers. */
export const adjustment = sqliteTable(
  "adjustment",
  {
    id: text("id").primaryKey(),
    caseId: text("case_id").notNull(),
    kind: text("kind", { enum: ["suspend", "release", "writeOff"] }).notNull(),
    rail: text("rail").notNull(),
    fundSource: text("fund_source").notNull(),
    institution: text("institution").notNull(),
    settlementId: text("settlement_id"),
    /** Fen, signed: above zero the payer owes us. */
    amount: integer("amount").notNull(),
    reason: text("reason").notNull(),
    requestedBy: text("requested_by").notNull(),
    approvedBy: text("approved_by"),
    day: integer("day").notNull(),
    atMs: integer("at_ms").notNull(),
    ledgerIndex: integer("ledger_index").notNull(),
  },
  (t) => [index("adjustment_case").on(t.caseId)],
);

/** 补账: movements of payers that people took into the books. Append-only. */
export const supplement = sqliteTable(
  "supplement",
  {
    id: text("id").primaryKey(),
    caseId: text("case_id").notNull(),
    rail: text("rail").notNull(),
    movement: text("movement", { enum: ["capture", "refund", "reversal"] }).notNull(),
    /** As the payer's statement has them; the key may be empty. */
    key: text("key").notNull(),
    railReference: text("rail_reference").notNull(),
    payerDay: integer("payer_day").notNull(),
    statementHash: text("statement_hash").notNull(),
    institution: text("institution").notNull(),
    settlementId: text("settlement_id"),
    reason: text("reason").notNull(),
    requestedBy: text("requested_by").notNull(),
    approvedBy: text("approved_by").notNull(),
    day: integer("day").notNull(),
    atMs: integer("at_ms").notNull(),
    ledgerIndex: integer("ledger_index").notNull(),
  },
  (t) => [
    index("supplement_key").on(t.rail, t.key),
    index("supplement_reference").on(t.rail, t.railReference),
    index("supplement_settlement").on(t.settlementId),
  ],
);

/** Supplements that were taken back, each once. Append-only. */
export const supplementReturn = sqliteTable("supplement_return", {
  id: text("id").primaryKey(),
  reason: text("reason").notNull(),
  requestedBy: text("requested_by").notNull(),
  approvedBy: text("approved_by").notNull(),
  day: integer("day").notNull(),
  atMs: integer("at_ms").notNull(),
  ledgerIndex: integer("ledger_index").notNull(),
});

/** Sealed days (日切). Nothing may be written into one any more, and none may be changed. */
export const seal = sqliteTable("seal", {
  /** Eight digits. */
  day: integer("day").primaryKey(),
  sealedAtMs: integer("sealed_at_ms").notNull(),
  trialHash: text("trial_hash").notNull(),
  headSize: integer("head_size").notNull(),
  headRoot: blob("head_root", { mode: "buffer" }).notNull(),
  /** JSON: `{topic, partition, nextOffset}`. */
  offsets: text("offsets").notNull(),
  /** JSON: ids of settlements without an end, in their order. */
  carriedOver: text("carried_over").notNull(),
  ledgerIndex: integer("ledger_index").notNull(),
  leafHash: blob("leaf_hash", { mode: "buffer" }).notNull(),
});

/** The trial balance of a sealed day: where the next one begins. */
export const sealedBalance = sqliteTable(
  "sealed_balance",
  {
    day: integer("day").notNull(),
    account: text("account").notNull(),
    fundSource: text("fund_source").notNull(),
    debit: integer("debit").notNull(),
    credit: integer("credit").notNull(),
    balance: integer("balance").notNull(),
  },
  (t) => [primaryKey({ columns: [t.day, t.account] })],
);

/** Spans of records that are not believed, whose number is not in the ledger yet (`quarantine.ts`). */
export const quarantineSpan = sqliteTable(
  "quarantine_span",
  {
    topic: text("topic").notNull(),
    /** An edge, or `unknown`. */
    source: text("source").notNull(),
    reason: text("reason").notNull(),
    untilMs: integer("until_ms").notNull(),
    /** Behind the first, which has an entry of its own. */
    count: integer("count").notNull(),
    hash: blob("hash", { mode: "buffer" }).notNull(),
    fromOffset: integer("from_offset").notNull(),
    lastOffset: integer("last_offset").notNull(),
    lastHash: blob("last_hash", { mode: "buffer" }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.topic, t.source, t.reason] })],
);

/** How far the shard has read the bus, moved in the transaction of what was read. */
export const consumedPosition = sqliteTable(
  "consumed_position",
  { topic: text("topic").notNull(), partition: integer("partition").notNull(), nextOffset: integer("next_offset").notNull() },
  (t) => [primaryKey({ columns: [t.topic, t.partition] })],
);
