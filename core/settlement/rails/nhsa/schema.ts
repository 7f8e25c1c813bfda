/**
 * What the insurance adapter must remember beyond one call: the sequence of msgids, and for each leg the messages that
 * settled and undid it, so that after any crash the same msgid is asked again and never a second one.
 */
import { blob, index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** Next sequence number of an institution's msgids; numbers are taken in blocks and never twice. Whoever has one, we spoke for. */
export const nhsaCounter = sqliteTable("nhsa_counter", {
  institution: text("institution").primaryKey(),
  next: integer("next").notNull(),
});

export const nhsaLeg = sqliteTable(
  "nhsa_leg",
  {
    settlementId: text("settlement_id").primaryKey(),
    institution: text("institution").notNull(),
    /** outpatient, pharmacy, inpatient. */
    visit: text("visit").notNull(),
    /** quoted, settling, settled, mismatched, reversing, refused, closed. */
    state: text("state").notNull(),
    /** JSON of the settlement message but for the medium: bill, med_type, insutype, lines. */
    bill: text("bill"),
    /** JSON: fund source and fen, as pre-settled; once settled, as settled. */
    parts: text("parts").notNull(),
    /** Of the settlement message. */
    msgid: text("msgid").unique(),
    setlId: text("setl_id"),
    /** Of 2601, or of the undoing of a settlement that came out different. */
    reversalMsgid: text("reversal_msgid").unique(),
    reversedAtMs: integer("reversed_at_ms"),
    /** Person and, until settled, ecToken, sealed under the core's key: the insurer's undo and reversal name the person. */
    medium: blob("medium", { mode: "buffer" }),
    refusal: text("refusal"),
    settledAtMs: integer("settled_at_ms"),
  },
  (t) => [index("nhsa_leg_settled").on(t.institution, t.settledAtMs), index("nhsa_leg_reversed").on(t.institution, t.reversedAtMs)],
);

/** Refunds and reversals of settled legs: 2208, 2103, 2305. */
export const nhsaUndo = sqliteTable(
  "nhsa_undo",
  {
    /** `railKey(…)`. */
    key: text("key").primaryKey(),
    settlementId: text("settlement_id").notNull(),
    institution: text("institution").notNull(),
    msgid: text("msgid").notNull().unique(),
    /** sent, done, refused. */
    state: text("state").notNull(),
    parts: text("parts").notNull(),
    /** 1: everything that the settlement paid, in one. */
    whole: integer("whole").notNull(),
    setlId: text("setl_id"),
    refusal: text("refusal"),
    doneAtMs: integer("done_at_ms"),
  },
  (t) => [index("nhsa_undo_leg").on(t.settlementId), index("nhsa_undo_done").on(t.institution, t.doneAtMs)],
);
