/** The supervisor's figures, per institution and business day (UTC+8), and where their consumer stands. */
import { blob, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const supervisionScan = sqliteTable(
  "supervision_scan",
  {
    day: text("day").notNull(),
    institution: text("institution").notNull(),
    step: text("step").notNull(),
    outcome: text("outcome").notNull(),
    observedBy: text("observed_by").notNull(),
    scans: integer("scans").notNull(),
  },
  (t) => [primaryKey({ columns: [t.day, t.institution, t.step, t.outcome, t.observedBy] })],
);

/** Claims by how they ended: `settled`, `refunded`, `refused`, `unknown`. */
export const supervisionClaim = sqliteTable(
  "supervision_claim",
  {
    day: text("day").notNull(),
    institution: text("institution").notNull(),
    ending: text("ending").notNull(),
    claims: integer("claims").notNull(),
  },
  (t) => [primaryKey({ columns: [t.day, t.institution, t.ending] })],
);

/** Fen by rail and fund source, exact. */
export const supervisionFund = sqliteTable(
  "supervision_fund",
  {
    day: text("day").notNull(),
    institution: text("institution").notNull(),
    rail: text("rail").notNull(),
    fundSource: text("fund_source").notNull(),
    settledFen: integer("settled_fen").notNull(),
    refundedFen: integer("refunded_fen").notNull(),
  },
  (t) => [primaryKey({ columns: [t.day, t.institution, t.rail, t.fundSource] })],
);

/** Events already counted: SM3 of source and id. */
export const supervisionSeen = sqliteTable("supervision_seen", {
  eventKey: blob("event_key", { mode: "buffer" }).primaryKey(),
  atMs: integer("at_ms").notNull(),
});

export const supervisionOffset = sqliteTable(
  "supervision_offset",
  { topic: text("topic").notNull(), partition: integer("partition").notNull(), nextOffset: integer("next_offset").notNull() },
  (t) => [primaryKey({ columns: [t.topic, t.partition] })],
);

/** Records that could not be read: counted nowhere, and visible here. */
export const supervisionQuarantine = sqliteTable(
  "supervision_quarantine",
  {
    topic: text("topic").notNull(),
    partition: integer("partition").notNull(),
    offset: integer("offset").notNull(),
    reason: text("reason").notNull(),
  },
  (t) => [primaryKey({ columns: [t.topic, t.partition, t.offset] })],
);
