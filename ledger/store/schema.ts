/** Tables of one log. They live in the database of whoever writes the log, so that entry and effect are one transaction. */
import { blob, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/**
 * The exact bytes, written once. The columns after `hash` are projections, re-derived and compared by the verifier. No
 * index: a random page per entry would cost an append more than everything else. `search_key` is built behind the log.
 */
export const leaf = sqliteTable("leaf", {
  idx: integer("idx").primaryKey(),
  bytes: blob("bytes", { mode: "buffer" }).notNull(),
  /** SM3(0x00 ‖ bytes). */
  hash: blob("hash", { mode: "buffer" }).notNull(),
  kind: text("kind").notNull(),
  institution: text("institution"),
  subject: text("subject"),
  atMs: integer("at_ms").notNull(),
});

/** Where to look for entries; built in batches behind the log (`search.ts`), and no part of what is verified. */
export const searchKey = sqliteTable(
  "search_key",
  {
    /** idx ÷ 2^20: the keys of one segment lie together, so that a batch touches few pages however long the log is. */
    segment: integer("segment").notNull(),
    key: integer("key").notNull(),
    idx: integer("idx").notNull(),
  },
  (t) => [primaryKey({ columns: [t.segment, t.key, t.idx] })],
);

/** One row: the first entry that has no search keys yet. */
export const searchPosition = sqliteTable("search_position", { id: integer("id").primaryKey(), idx: integer("idx").notNull() });

/** Full tiles only: 256 hashes of one level; partial tiles are re-derived at start. */
export const tile = sqliteTable(
  "tile",
  { level: integer("level").notNull(), idx: integer("idx").notNull(), hashes: blob("hashes", { mode: "buffer" }).notNull() },
  (t) => [primaryKey({ columns: [t.level, t.idx] })],
);

/** One row: where the log stands. Moved only by `head_move`. */
export const head = sqliteTable("head", {
  origin: text("origin").primaryKey(),
  size: integer("size").notNull(),
  root: blob("root", { mode: "buffer" }).notNull(),
});

/** An append, conditional on the head it was computed from: a trigger aborts the whole batch when the race was lost. */
export const headMove = sqliteTable("head_move", {
  size: integer("size").primaryKey(),
  root: blob("root", { mode: "buffer" }).notNull(),
  fromSize: integer("from_size").notNull(),
  fromRoot: blob("from_root", { mode: "buffer" }).notNull(),
});

export const checkpoint = sqliteTable("checkpoint", {
  size: integer("size").primaryKey(),
  /** The signed note, exact. */
  note: text("note").notNull(),
  atMs: integer("at_ms").notNull(),
});

/** Salts and values of the commitments in leaves; erasing a person deletes rows here and no proof falls. */
export const disclosure = sqliteTable(
  "disclosure",
  {
    idx: integer("idx").notNull(),
    name: text("name").notNull(),
    salt: blob("salt", { mode: "buffer" }).notNull(),
    value: text("value").notNull(),
  },
  (t) => [primaryKey({ columns: [t.idx, t.name] })],
);

/** Which entry says that a value and its salt were destroyed; a projection of the erasure entries. */
export const erased = sqliteTable(
  "erased",
  { idx: integer("idx").notNull(), name: text("name").notNull(), erasedAt: integer("erased_at").notNull() },
  (t) => [primaryKey({ columns: [t.idx, t.name] })],
);
