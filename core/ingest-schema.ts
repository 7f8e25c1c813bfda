/** Events that edges handed over by HTTP in the last hour: a batch whose answer was lost is not published twice. */
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const ingestedEvent = sqliteTable(
  "ingested_event",
  { edgeId: text("edge_id").notNull(), eventId: text("event_id").notNull(), atMs: integer("at_ms").notNull() },
  (t) => [primaryKey({ columns: [t.edgeId, t.eventId] }), index("ingested_event_age").on(t.atMs)],
);
