/** The sandbox payers' own books: what they were told, in order, and what they moved. */
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** Every command carried out, and every change of accounts; carried out again in order, it gives the same books. */
export const payerJournal = sqliteTable("payer_journal", {
  seq: integer("seq").primaryKey(),
  atMs: integer("at_ms").notNull(),
  rail: text("rail", { enum: ["insurance", "commercial", "bank"] }),
  /** JSON, without the medium: a payer's books need no ecToken. */
  entry: text("entry").notNull(),
});

/** Money that moved: the rows of statements. */
export const payerMovement = sqliteTable(
  "payer_movement",
  {
    seq: integer("seq").primaryKey(),
    rail: text("rail", { enum: ["insurance", "commercial", "bank"] }).notNull(),
    /** `YYYYMMDD` of UTC+8 on which it is told; a fault may tell it a day later. */
    day: text("day").notNull(),
    kind: text("kind", { enum: ["capture", "refund", "reversal"] }).notNull(),
    /** The payer's key: ours on the commercial and bank contract, the msgid at the insurer. */
    key: text("key").notNull(),
    institution: text("institution").notNull(),
    settlementId: text("settlement_id").notNull(),
    /** Fen. */
    amount: integer("amount").notNull(),
    /** JSON: fund source and fen. */
    parts: text("parts").notNull(),
    /** Of the whole bill, fen; zero where the contract has no such thing. */
    bill: integer("bill").notNull(),
    reference: text("reference").notNull(),
    atMs: integer("at_ms").notNull(),
    /** How the statement tells it: as it was, or spoiled by a fault. */
    told: text("told", { enum: ["true", "missingRow", "wrongRowAmount", "nextDayRow", "extraRow"] }).notNull(),
  },
  (t) => [index("payer_movement_day").on(t.rail, t.day, t.seq)],
);
