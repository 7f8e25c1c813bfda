/** Tables of one witness: what it has cosigned, what it saw at others, and what contradicted. */
import { blob, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** One row per log: the newest head that was cosigned. Moved by one conditional update on (size, root), never backwards. */
export const witnessHead = sqliteTable("witness_head", {
  origin: text("origin").primaryKey(),
  size: integer("size").notNull(),
  root: blob("root", { mode: "buffer" }).notNull(),
  /** Checkpoint with the log's own signatures. */
  note: text("note").notNull(),
  /** Time of the newest cosignature, seconds since 1970; never goes back. */
  timeS: integer("time_s").notNull(),
});

/** Heads cosigned so far, for comparing with what others were shown; the oldest go when there are very many. */
export const witnessHistory = sqliteTable(
  "witness_history",
  {
    origin: text("origin").notNull(),
    size: integer("size").notNull(),
    root: blob("root", { mode: "buffer" }).notNull(),
    note: text("note").notNull(),
  },
  (t) => [primaryKey({ columns: [t.origin, t.size] })],
);

/** Two heads, both signed by the log, of which only one can be true. Nothing of that log is cosigned until somebody answers for it. */
export const splitView = sqliteTable("split_view", {
  id: integer("id").primaryKey({ autoIncrement: true }),
  origin: text("origin").notNull(),
  /** `sameSize`: two roots for one size. `notConsistent`: the log's own proof leads from another older root. */
  kind: text("kind").notNull(),
  /** What this witness had cosigned, and what it was shown. */
  ours: text("ours").notNull(),
  theirs: text("theirs").notNull(),
  /** The proof of `notConsistent`, one Base64 hash on a line. */
  proof: text("proof").notNull(),
  /** From whom: the log itself, or the address of another witness. */
  source: text("source").notNull(),
  foundMs: integer("found_ms").notNull(),
  acknowledgedMs: integer("acknowledged_ms"),
  acknowledgedBy: text("acknowledged_by"),
  reason: text("reason"),
});
