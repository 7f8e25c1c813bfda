/** How far the leaves and checkpoints of a log have left for the bus; one row per log of the database. */
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const ledgerPublication = sqliteTable("ledger_publication", {
  origin: text("origin").primaryKey(),
  /** Index of the first leaf that the bus does not have yet. */
  leaves: integer("leaves").notNull(),
  /** Size of the newest checkpoint that the bus has; 0 before the first. */
  checkpointSize: integer("checkpoint_size").notNull(),
});
