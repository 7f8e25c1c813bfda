/** Tables of the embedded bus: one file, one owning process (DESIGN 8). Nothing is ever updated but group offsets. */
import { blob, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const topic = sqliteTable("topic", {
  id: integer("id").primaryKey(),
  name: text("name").notNull().unique(),
  /** Fixed for ever: with another count a key would land in another partition. */
  partitions: integer("partitions").notNull(),
});

/**
 * Offsets of a partition run 0, 1, 2, … without a gap. There is no retention yet: the file is the history from which
 * a ledger can be rebuilt. Whoever adds it must store each partition's next offset first, now read off the last row.
 */
export const record = sqliteTable(
  "record",
  {
    topicId: integer("topic_id").notNull(),
    partition: integer("partition").notNull(),
    offset: integer("offset").notNull(),
    key: text("key").notNull(),
    /** JSON object of strings. */
    headers: text("headers").notNull(),
    value: blob("value", { mode: "buffer" }).notNull(),
    timestampMs: integer("timestamp_ms").notNull(),
  },
  (t) => [primaryKey({ columns: [t.topicId, t.partition, t.offset] })],
);

/** Offset of the next record a group wants. */
export const groupOffset = sqliteTable(
  "group_offset",
  {
    groupId: text("group_id").notNull(),
    topicId: integer("topic_id").notNull(),
    partition: integer("partition").notNull(),
    nextOffset: integer("next_offset").notNull(),
  },
  (t) => [primaryKey({ columns: [t.groupId, t.topicId, t.partition] })],
);
