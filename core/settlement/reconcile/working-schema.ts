/**
 * The working file of one reconciliation: the payer's rows on disk instead of in memory. Made for one run and removed
 * after it. Rows go in without indices and are indexed once, behind them: that sorts a million rows in bounded memory.
 */
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** The payer's rows, in the order of the file. */
export const theirRow = sqliteTable("their_row", {
  line: integer("line").primaryKey(),
  key: text("key").notNull(),
  reference: text("reference").notNull(),
  kind: text("kind").notNull(),
  institution: text("institution").notNull(),
  /** Fen. */
  amount: integer("amount").notNull(),
  /** `source=fen` pairs joined by semicolons. */
  parts: text("parts").notNull(),
  atMs: integer("at_ms").notNull(),
});

/** The same rows in the order of keys, those without a key left out. */
export const theirOrdered = sqliteTable("their_ordered", {
  place: integer("place").primaryKey(),
  line: integer("line").notNull(),
  key: text("key").notNull(),
  reference: text("reference").notNull(),
  kind: text("kind").notNull(),
  institution: text("institution").notNull(),
  amount: integer("amount").notNull(),
  parts: text("parts").notNull(),
  atMs: integer("at_ms").notNull(),
});

/** Lines of the payer's rows that rule 1 left over. */
export const theirLeft = sqliteTable("their_left", { line: integer("line").primaryKey() });

/** Our postings that rule 1 left over. */
export const ourLeft = sqliteTable("our_left", {
  key: text("key").primaryKey(),
  shard: integer("shard").notNull(),
  settlementId: text("settlement_id").notNull(),
  reference: text("reference").notNull(),
  kind: text("kind").notNull(),
  institution: text("institution").notNull(),
  amount: integer("amount").notNull(),
  parts: text("parts").notNull(),
  atMs: integer("at_ms").notNull(),
});
