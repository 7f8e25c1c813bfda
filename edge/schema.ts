/** Tables of an edge, beside its outbox. Nothing here tells who a person is or shows a usable code. */
import { blob, index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** Envelopes already seen, until their timestamp window closes (S3 names no nonce; domain notes 1.6). */
export const nonce = sqliteTable(
  "nonce",
  { replayKey: text("replay_key").primaryKey(), orgId: text("org_id").notNull(), expiresAtMs: integer("expires_at_ms").notNull() },
  (t) => [index("nonce_expiry").on(t.expiresAtMs)],
);

/** Codes already shown here, by fingerprint and step; the core decides for the whole platform. */
export const codeMark = sqliteTable(
  "code_mark",
  {
    fingerprint: text("fingerprint").notNull(),
    step: text("step").notNull(),
    orgId: text("org_id").notNull(),
    outTradeNo: text("out_trade_no").notNull(),
    termId: text("term_id").notNull(),
    expiresAtMs: integer("expires_at_ms").notNull(),
  },
  (t) => [primaryKey({ columns: [t.fingerprint, t.step] }), index("code_mark_expiry").on(t.expiresAtMs)],
);

/** Transaction numbers taken by this edge, with the hash of what was asked under them. */
export const takenRequest = sqliteTable(
  "taken_request",
  {
    orgId: text("org_id").notNull(),
    outTradeNo: text("out_trade_no").notNull(),
    requestHash: text("request_hash").notNull(),
    acceptedAtMs: integer("accepted_at_ms").notNull(),
    /** Of a bill: what it asks for. The sum since an instant is what an outage that began then has granted. */
    fen: integer("fen").notNull().default(0),
  },
  (t) => [
    primaryKey({ columns: [t.orgId, t.outTradeNo] }),
    index("taken_request_age").on(t.acceptedAtMs),
    index("taken_request_sum").on(t.orgId, t.acceptedAtMs, t.fen),
  ],
);

/** Outcomes from the bus: a projection that can be rebuilt by reading the result topics again. */
export const result = sqliteTable(
  "result",
  {
    settlementId: text("settlement_id").notNull(),
    requestHash: text("request_hash").notNull(),
    orgId: text("org_id").notNull(),
    outTradeNo: text("out_trade_no").notNull(),
    /** 1 when the core refused this content because the number was taken by another. */
    conflict: integer("conflict").notNull(),
    /** `SettlementReply` as JSON. */
    reply: text("reply").notNull(),
    atMs: integer("at_ms").notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.settlementId, t.requestHash] }),
    index("result_number").on(t.orgId, t.outTradeNo),
    index("result_age").on(t.atMs),
  ],
);

/** How far the result topics were read, in the transaction of their effect. */
export const resultOffset = sqliteTable(
  "result_offset",
  { topic: text("topic").notNull(), partition: integer("partition").notNull(), nextOffset: integer("next_offset").notNull() },
  (t) => [primaryKey({ columns: [t.topic, t.partition] })],
);

/** The last bundle, sealed under the edge's own key, and the highest version ever seen. One row. */
export const bundleCache = sqliteTable("bundle_cache", {
  id: integer("id").primaryKey(),
  version: integer("version").notNull(),
  sealed: blob("sealed", { mode: "buffer" }).notNull(),
});
