/** Closed days, beside the reconciliation books: who closed what, and where the seals stand in the shards' logs. */
import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const dayClosing = sqliteTable("day_closing", {
  day: text("day").primaryKey(),
  closedBy: text("closed_by").notNull(),
  /** Why it was closed although a reconciliation was missing; null otherwise. */
  overrideReason: text("override_reason"),
  /** Set once every shard has sealed. */
  closedAtMs: integer("closed_at_ms"),
});

/** Where to look: the seal itself, with its trial balance, is the shard's. */
export const daySeal = sqliteTable(
  "day_seal",
  {
    day: text("day").notNull(),
    shard: integer("shard").notNull(),
    origin: text("origin").notNull(),
    ledgerIndex: integer("ledger_index").notNull(),
    sealedAtMs: integer("sealed_at_ms").notNull(),
    headSize: integer("head_size").notNull(),
    /** Hex. */
    headRoot: text("head_root").notNull(),
    trialBalanceHash: text("trial_balance_hash").notNull(),
    /** How many settlements post into a later day. */
    carriedOver: integer("carried_over").notNull(),
  },
  (t) => [primaryKey({ columns: [t.day, t.shard] })],
);
