/**
 * Corrections on their way into the shards' books. The reconciliation books and a shard are two databases, so a correction
 * is written down with the step that orders it, and carried out behind it; when a process ended in between, it is carried
 * out before anything else is decided. A shard takes each once, whatever happens.
 */
import { numberOf, textOf } from "../../rows.ts";
import type { EventMs } from "../../protocol/time.ts";
import { type Database, insertRows, type Statement } from "../../../migrations/database.ts";
import type { Correction, ShardBooks } from "../books.ts";

export interface OwedCorrection {
  readonly shard: number;
  readonly correction: Correction;
}
type Refusal = NonNullable<Awaited<ReturnType<ShardBooks["refusalOf"]>>>;

/** Statements for the transaction of the step. */
export function insertCorrections(owed: readonly OwedCorrection[], atMs: EventMs): readonly Statement[] {
  return insertRows(
    "correction",
    ["id", "shard", "said", "at_ms"],
    owed.map(({ shard, correction }) => [nameOf(correction), shard, print(correction), atMs]),
  );
}

/** Carries out everything that waits, in its order. */
export async function carryOutCorrections(db: Database, shards: ReadonlyMap<number, ShardBooks>): Promise<void> {
  const waiting = await db.read("SELECT id, shard, said, at_ms FROM correction WHERE done=0 ORDER BY rowid");
  for (const row of waiting) {
    const shard = numberOf(row, "shard");
    const correction = read(textOf(row, "said"));
    const answer = await perform(booksOf(shards, shard), correction, numberOf(row, "at_ms") as EventMs);
    if (typeof answer === "string" && answer !== "repeated") throw new Error(`correction ${textOf(row, "id")} cannot be made: ${answer}`);
    await db.write([{ sql: "UPDATE correction SET done=1 WHERE id=?", args: [textOf(row, "id")] }]);
  }
}

/** Why one of them would be refused; the shard records its refusal, and none of them is written down. */
export async function refusedCorrection(
  shards: ReadonlyMap<number, ShardBooks>,
  owed: readonly OwedCorrection[],
  atMs: EventMs,
): Promise<Refusal | undefined> {
  for (const { shard, correction } of owed) {
    const books = booksOf(shards, shard);
    const refusal = await books.refusalOf(correction);
    if (refusal === undefined) continue;
    await perform(books, correction, atMs);
    return refusal;
  }
  return undefined;
}

function perform(books: ShardBooks, correction: Correction, atMs: EventMs): ReturnType<ShardBooks["adjust" | "supplement" | "takeBack"]> {
  switch (correction.do) {
    case "adjust":
      return books.adjust(correction.order, atMs);
    case "supplement":
      return books.supplement(correction.order, atMs);
    case "takeBack":
      return books.takeBack(correction.order, atMs);
  }
}

function booksOf(shards: ReadonlyMap<number, ShardBooks>, shard: number): ShardBooks {
  const books = shards.get(shard);
  if (books === undefined) throw new Error(`no shard ${shard}`);
  return books;
}

function nameOf({ do: what, order }: Correction): string {
  return `${what} ${"adjustmentId" in order ? order.adjustmentId : order.supplementId}`;
}

/** Amounts as decimal text. */
function print(correction: Correction): string {
  return JSON.stringify(correction, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value));
}

/** Written by {@link print} only; `amount` is the one field that is money. */
function read(text: string): Correction {
  return JSON.parse(text, (name, value: unknown) => (name === "amount" && typeof value === "string" ? BigInt(value) : value)) as Correction;
}
