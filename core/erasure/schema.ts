/** Orders to destroy what is kept of a person: where each stands, so that one that was cut short goes on. */
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const erasure = sqliteTable("erasure", {
  /** The number of the order, as whoever gave it wrote it. */
  orderId: text("order_id").primaryKey(),
  orderedBy: text("ordered_by").notNull(),
  approvedBy: text("approved_by").notNull(),
  ground: text("ground").notNull(),
  scope: text("scope").notNull(),
  /** `closing`, `erasing`, `erased` or `done` (`eraser.ts`). */
  state: text("state").notNull(),
  /** Whose; null once the person is erased, and nothing is left that says who it was. */
  personId: text("person_id"),
  pseudonym: text("pseudonym"),
  /** JSON: ids of the person's settlements, for the payers' adapter, which forgets after the shards; null once erased. */
  settlements: text("settlements"),
  askedAtMs: integer("asked_at_ms").notNull(),
  erasedAtMs: integer("erased_at_ms"),
});
