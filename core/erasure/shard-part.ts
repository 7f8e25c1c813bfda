/** What a settlement shard keeps of a person, and how it is destroyed. Money, states and the log stay as they are. */
import type { Batch, Planned } from "../settlement/batch.ts";
import type { Database } from "../../migrations/database.ts";
import { destruction, erasureParts, fieldsOf } from "./commitments.ts";
import type { ErasureOrder } from "./order.ts";

export interface PersonErasure {
  readonly order: Pick<ErasureOrder, "order" | "by" | "approvedBy" | "ground" | "scope">;
  /** How streams and settlement rows know the person. */
  readonly pseudonym: string;
  /** How entries do. */
  readonly committed: string;
}

/**
 * A piece of work of the shard's group commit. Run again, it finds nothing more and adds no entry. False, and nothing
 * changed, while a refund or a payment of the person has no end: its next entry would commit to the person again.
 */
export async function planErasure(
  db: Database,
  { order, pseudonym, committed }: PersonErasure,
  batch: Pick<Batch, "append" | "rows">,
): Promise<Planned<boolean>> {
  const [open] = await db.read("SELECT 1 AS found FROM settlement WHERE person=? AND decided_at_ms IS NULL LIMIT 1", pseudonym);
  if (open !== undefined) return () => false;
  const parts = erasureParts(order, await fieldsOf(db, committed)).map((part) => ({ ...part, leafAt: batch.append(part.draft) }));
  batch.rows.push((positionOf) => [
    ...parts.flatMap((part) => destruction(part, positionOf(part.leafAt).index)),
    { sql: "UPDATE settlement SET person=NULL, credential=NULL, care=NULL WHERE person=?", args: [pseudonym] },
  ]);
  return () => true;
}
