/**
 * The reconciliation books (database kind `books`): runs, rows without counterpart, cases with their history, closed
 * days, and entries on their way into the shards' logs.
 */
import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** One comparison of a payer's day; the id follows from payer, day, statement and rules (`runIdOf`). */
export const run = sqliteTable(
  "run",
  {
    id: text("id").primaryKey(),
    rail: text("rail").notNull(),
    day: text("day").notNull(),
    /** `service` (3201, 3202) or `file`. */
    source: text("source").notNull(),
    /** `totals`: equal totals, no details asked for; `details`: row by row. */
    method: text("method").notNull(),
    /** SM3 of the statement in the form in which it is kept, hex. */
    statementHash: text("statement_hash").notNull(),
    ruleVersion: text("rule_version").notNull(),
    /** Under which mapping a file was read: the hash that `statement_mapping` has, or that of the kept form; null where no file was. */
    mappingHash: text("mapping_hash"),
    /** Whether the statement says itself that it is whole; what one without totals lacks proves nothing. */
    totals: text("totals", { enum: ["stated", "none"] })
      .notNull()
      .default("stated"),
    state: text("state", { enum: ["healing", "finished"] }).notNull(),
    startedAtMs: integer("started_at_ms").notNull(),
    finishedAtMs: integer("finished_at_ms"),
    startedBy: text("started_by").notNull(),
  },
  (t) => [index("run_day").on(t.rail, t.day, t.startedAtMs)],
);

/** Counts of a run per shard: what the shard's log records. */
export const runCount = sqliteTable(
  "run_count",
  {
    runId: text("run_id").notNull(),
    shard: integer("shard").notNull(),
    /** One of `COUNT_NAMES`. */
    name: text("name").notNull(),
    value: integer("value").notNull(),
  },
  (t) => [primaryKey({ columns: [t.runId, t.shard, t.name] })],
);

/** How a payer writes its files: append-only, the newest is in force. */
export const statementMapping = sqliteTable(
  "statement_mapping",
  {
    rail: text("rail").notNull(),
    /** From 1, per payer. */
    version: integer("version").notNull(),
    /** As `printMapping` writes it. */
    mapping: text("mapping").notNull(),
    /** SM3 of that text, hex. */
    hash: text("hash").notNull(),
    setBy: text("set_by").notNull(),
    setAtMs: integer("set_at_ms").notNull(),
  },
  (t) => [primaryKey({ columns: [t.rail, t.version] })],
);

/** A row of one side without counterpart on its day. Rows of both sides meet here later (T+1, T+2) or become cases. */
export const unmatched = sqliteTable(
  "unmatched",
  {
    /** `<rail>/<day>/<side>/<key, or reference>`. */
    id: text("id").primaryKey(),
    rail: text("rail").notNull(),
    day: text("day").notNull(),
    side: text("side", { enum: ["ours", "theirs"] }).notNull(),
    shard: integer("shard").notNull(),
    key: text("key").notNull(),
    reference: text("reference").notNull(),
    kind: text("kind").notNull(),
    institution: text("institution").notNull(),
    settlementId: text("settlement_id"),
    /** Fen. */
    amount: integer("amount").notNull(),
    parts: text("parts").notNull(),
    atMs: integer("at_ms").notNull(),
    /** The run that found it, and where in its statement. */
    runId: text("run_id").notNull(),
    line: integer("line"),
    /** `waiting` for a second look, `healing` and `healed` when it answered an open call, `met`, `case`, `withdrawn` by a corrected statement. */
    state: text("state", { enum: ["waiting", "healing", "healed", "met", "case", "withdrawn"] }).notNull(),
    metId: text("met_id"),
    metRunId: text("met_run_id"),
  },
  (t) => [
    index("unmatched_key").on(t.rail, t.side, t.key),
    index("unmatched_reference").on(t.rail, t.side, t.reference),
    index("unmatched_open")
      .on(t.rail, t.state, t.day)
      .where(sql`state IN ('waiting', 'case', 'healed')`),
    index("unmatched_amount").on(t.rail, t.institution, t.amount),
  ],
);

/** A difference until it is cleared. */
export const reconciliationCase = sqliteTable(
  "reconciliation_case",
  {
    id: text("id").primaryKey(),
    rail: text("rail").notNull(),
    day: text("day").notNull(),
    class: text("class", { enum: ["surplus", "shortage", "amount", "keptMoney"] }).notNull(),
    shard: integer("shard").notNull(),
    institution: text("institution").notNull(),
    settlementId: text("settlement_id"),
    key: text("key").notNull(),
    reference: text("reference").notNull(),
    kind: text("kind").notNull(),
    /** Fen; null on the side that does not have it. */
    ourAmount: integer("our_amount"),
    ourParts: text("our_parts").notNull(),
    theirAmount: integer("their_amount"),
    theirParts: text("their_parts").notNull(),
    atMs: integer("at_ms").notNull(),
    /** The row it came from, when it waited for a second look. */
    unmatchedId: text("unmatched_id"),
    runId: text("run_id").notNull(),
    statementHash: text("statement_hash").notNull(),
    line: integer("line"),
    state: text("state", { enum: ["open", "investigating", "suspended", "resolved", "writtenOff", "booked"] }).notNull(),
    owner: text("owner"),
    /** Steps so far; each step happens once. */
    steps: integer("steps").notNull(),
    changedAtMs: integer("changed_at_ms").notNull(),
  },
  (t) => [
    index("case_state").on(t.state, t.rail, t.day),
    index("case_settlement").on(t.settlementId),
    index("case_movement").on(t.rail, t.key),
  ],
);

/** Append-only: who did what to a case, when and why. */
export const caseStep = sqliteTable(
  "case_step",
  {
    caseId: text("case_id").notNull(),
    step: integer("step").notNull(),
    action: text("action").notNull(),
    state: text("state").notNull(),
    doneBy: text("done_by").notNull(),
    approvedBy: text("approved_by"),
    owner: text("owner"),
    reason: text("reason"),
    /** Free text for colleagues; the log holds a salted commitment to it only. */
    note: text("note"),
    atMs: integer("at_ms").notNull(),
  },
  (t) => [primaryKey({ columns: [t.caseId, t.step] })],
);

/** Corrections on their way into a shard's books. Written in the transaction of the step that orders them; carried out behind it, once. */
export const correction = sqliteTable(
  "correction",
  {
    id: text("id").primaryKey(),
    shard: integer("shard").notNull(),
    /** JSON: what is ordered. */
    said: text("said").notNull(),
    atMs: integer("at_ms").notNull(),
    done: integer("done").notNull().default(0),
  },
  (t) => [
    index("correction_waiting")
      .on(t.done)
      .where(sql`done = 0`),
  ],
);

/**
 * Entries on their way into a shard's log. Written in the transaction of the effect; recorded behind it; looked for in
 * the log first when a process ended in between. The subject is unique per log and kind.
 */
export const entry = sqliteTable(
  "entry",
  {
    shard: integer("shard").notNull(),
    subject: text("subject").notNull(),
    kind: text("kind").notNull(),
    draft: text("draft").notNull(),
    atMs: integer("at_ms").notNull(),
    origin: text("origin"),
    ledgerIndex: integer("ledger_index"),
  },
  (t) => [
    primaryKey({ columns: [t.shard, t.kind, t.subject] }),
    index("entry_waiting")
      .on(t.ledgerIndex)
      .where(sql`ledger_index IS NULL`),
  ],
);
