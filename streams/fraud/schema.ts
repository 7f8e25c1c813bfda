/** What the fraud service keeps: the order in which it took events, where it stands, and what it raised. */
import { blob, index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

/** The order of judgement. Bodies stay on the bus; a replay reads them again in this order. */
export const fraudJournal = sqliteTable(
  "fraud_journal",
  {
    position: integer("position").primaryKey(),
    topic: text("topic").notNull(),
    partition: integer("partition").notNull(),
    offset: integer("offset").notNull(),
    /** SM3 of source and id; absent for a record that could not be read. */
    eventKey: blob("event_key", { mode: "buffer" }),
    /** Event time; absent for a record that could not be read. */
    atMs: integer("at_ms"),
    /** `taken`, `late` (its windows are gone), `quarantined`, or `lost`: taken, and no longer on the bus when it was needed again. */
    status: text("status").notNull(),
    /** Why it was quarantined; of a judged one `unknown:` and the fields whose values this version did not know. */
    reason: text("reason"),
  },
  (t) => [
    uniqueIndex("fraud_journal_event").on(t.eventKey),
    // Not unique: a partition that counts its offsets anew has places a second time.
    index("fraud_journal_at").on(t.topic, t.partition, t.offset),
    index("fraud_journal_time").on(t.atMs),
  ],
);

export const fraudOffset = sqliteTable(
  "fraud_offset",
  { topic: text("topic").notNull(), partition: integer("partition").notNull(), nextOffset: integer("next_offset").notNull() },
  (t) => [primaryKey({ columns: [t.topic, t.partition] })],
);

/** One row: the journal position the engine's state stands at, and its digest where one was taken. */
export const fraudState = sqliteTable("fraud_state", {
  id: integer("id").primaryKey(),
  position: integer("position").notNull(),
  watermarkMs: integer("watermark_ms").notNull(),
  rulesetDigest: text("ruleset_digest").notNull(),
  /** SM3 of the state at `position`, hex; absent while the service runs. */
  stateDigest: text("state_digest"),
});

/** The newest state, in parts: a restart reads the bus from its position on. One snapshot; a damaged one is not used. */
export const fraudSnapshot = sqliteTable("fraud_snapshot", {
  nth: integer("nth").primaryKey(),
  position: integer("position").notNull(),
  watermarkMs: integer("watermark_ms").notNull(),
  rulesetDigest: text("ruleset_digest").notNull(),
  parts: integer("parts").notNull(),
  /** SM3 over position, watermark, rules and the bytes of all parts, hex. */
  hash: text("hash").notNull(),
  bytes: blob("bytes", { mode: "buffer" }).notNull(),
});

/** Which rules judged from a journal position on. */
export const fraudRuleset = sqliteTable("fraud_ruleset", {
  fromPosition: integer("from_position").primaryKey(),
  digest: text("digest").notNull(),
  /** Canonical JSON of the definitions, in order. */
  definitions: text("definitions").notNull(),
});

/** Every version of a rule that was ever published; a version is never overwritten. */
export const fraudRule = sqliteTable(
  "fraud_rule",
  {
    rule: text("rule").notNull(),
    version: text("version").notNull(),
    digest: text("digest").notNull(),
    atMs: integer("at_ms").notNull(),
  },
  (t) => [primaryKey({ columns: [t.rule, t.version] })],
);

export const fraudAlert = sqliteTable(
  "fraud_alert",
  {
    alertId: text("alert_id").primaryKey(),
    /** Journal position of the event that raised it, and its place among the alerts of that event. */
    position: integer("position").notNull(),
    nth: integer("nth").notNull(),
    rule: text("rule").notNull(),
    /** The rule's key (a pseudonym, a fingerprint, a terminal): silenced for the cooldown. */
    key: text("key").notNull(),
    atMs: integer("at_ms").notNull(),
    /** Canonical JSON of the alert, as published. */
    data: text("data").notNull(),
  },
  (t) => [index("fraud_alert_order").on(t.position, t.nth), index("fraud_alert_time").on(t.atMs)],
);
