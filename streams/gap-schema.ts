/** What the services could not read any more: a finding that stays, for supervisors and for replays. */
import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const streamGap = sqliteTable(
  "stream_gap",
  {
    /** `fraud` or `supervision`. */
    service: text("service").notNull(),
    /** `judged`, `unread` or `restarted`, as `GapKind` of `gap.ts` says. */
    kind: text("kind").notNull(),
    topic: text("topic").notNull(),
    partition: integer("partition").notNull(),
    fromOffset: integer("from_offset").notNull(),
    toOffset: integer("to_offset").notNull(),
    records: integer("records").notNull(),
    /** Of `judged`: the first journal position that was judged without these records, and the watermark it began with. */
    position: integer("position").notNull(),
    watermarkMs: integer("watermark_ms").notNull(),
    /** The latest event time of what is lost, or the bus's time of the first record that is left. */
    untilMs: integer("until_ms").notNull(),
  },
  (t) => [primaryKey({ columns: [t.service, t.kind, t.topic, t.partition, t.fromOffset, t.position] })],
);

/** How each service stands, written by the process that runs it, for the commands that look from beside it. */
export const streamService = sqliteTable("stream_service", {
  service: text("service").primaryKey(),
  /** `running`, `failed` or `stopped`. */
  state: text("state").notNull(),
  /** Class of the error that ended it; empty while it runs. */
  reason: text("reason").notNull(),
  sinceMs: integer("since_ms").notNull(),
});
