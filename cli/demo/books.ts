/** The end of a demo's days: every payer's statement against the books, then the seals; and what the ledger says of it. */
import type { AccountingDay } from "../../core/settlement/books.ts";
import { addDays, dayStart } from "../../core/settlement/day/accounting-day.ts";
import { RAIL_ORDER } from "../../core/settlement/plan.ts";
import { IS_OPEN } from "../../core/settlement/reconcile/cases.ts";
import { RUN_KIND } from "../../core/settlement/reconcile/store.ts";
import { decodeLeaf, type Leaf } from "../../ledger/verifier/leaf.ts";
import { openDatabase } from "../../migrations/database.ts";
import type { PlannedClock } from "../platform/clock.ts";
import { type Layout, type PlatformFile, readPlatform } from "../platform/layout.ts";
import type { RunningPlatform } from "../platform/run.ts";
import type { DemoSummary } from "./tally.ts";
import { isThere } from "../platform/files.ts";

/** Payers have closed their day by then. */
const AFTER_MIDNIGHT_MS = 30 * 60_000;
const ACCOUNTANT = "demo";

/** Reconciles and closes each day in order. Repeated after a stop it does nothing twice. */
export async function closeTheDays(platform: RunningPlatform, clock: PlannedClock, days: readonly AccountingDay[]): Promise<void> {
  const { core } = platform;
  if (core === undefined) throw new Error("a demo runs all parts");
  const { office } = core.books;
  for (const day of days) {
    clock.moveTo(dayStart(addDays(day, 1)) + AFTER_MIDNIGHT_MS);
    for (const rail of RAIL_ORDER) {
      const run = await office.reconciler.run({ rail, day, by: ACCOUNTANT, input: { kind: "service", details: "always" } });
      if (!run.ok) throw new Error(`the ${rail} of ${day} is not reconciled: ${JSON.stringify(run.error)}`);
    }
    // What a statement healed goes on and is settled.
    await platform.drained();
    const closed = await office.closeDay({ day, by: ACCOUNTANT });
    if (!closed.ok) throw new Error(`${day} is not closed: ${JSON.stringify(closed.error)}`);
  }
  await platform.drained();
}

export type BooksSummary = Pick<DemoSummary, "reconciliation" | "daysClosed">;

/** Counted from the leaves of every shard, and from the cases that are open. */
export async function booksSummary(layout: Layout): Promise<BooksSummary> {
  const platform = readPlatform(layout);
  const leaves = await booksLeaves(layout, platform);
  const sum = (...names: readonly string[]): number =>
    leaves
      .filter((leaf) => leaf.kind === RUN_KIND)
      .reduce((total, leaf) => total + names.reduce((all, name) => all + Number(fact(leaf, name) ?? 0), 0), 0);
  const seals = new Map<string, number>();
  for (const leaf of leaves.filter((one) => one.kind === "day.closed")) {
    const day = fact(leaf, "day") ?? "";
    seals.set(day, (seals.get(day) ?? 0) + 1);
  }
  return {
    reconciliation: {
      matched: sum("count.totalsEqual", "count.matched", "count.byReference"),
      differences: sum("count.opened"),
      healed: sum("count.healed"),
      open: await openCases(layout),
    },
    daysClosed: [...seals.values()].filter((shards) => shards === platform.partitions).length,
  };
}

function fact(leaf: Leaf, name: string): string | undefined {
  return leaf.facts?.find((one) => one.name === name)?.value;
}

async function booksLeaves(layout: Layout, platform: PlatformFile): Promise<readonly Leaf[]> {
  const leaves: Leaf[] = [];
  for (let shard = 0; shard < platform.partitions; shard++) {
    const db = await openDatabase({ kind: "shard", file: layout.core.shard(shard), readOnly: true });
    for (const row of await db.read("SELECT bytes FROM leaf WHERE kind IN (?, 'day.closed') ORDER BY idx", RUN_KIND)) {
      const leaf = row["bytes"] instanceof ArrayBuffer ? decodeLeaf(new Uint8Array(row["bytes"])) : undefined;
      if (leaf?.ok === true) leaves.push(leaf.value);
    }
    await db.close();
  }
  return leaves;
}

/** Cases that nobody has closed, and rows that still wait for the payer's next days. */
async function openCases(layout: Layout): Promise<number> {
  if (!isThere(layout.core.books)) return 0;
  const db = await openDatabase({ kind: "books", file: layout.core.books, readOnly: true });
  const [row] = await db.read(
    `SELECT (SELECT count(*) FROM reconciliation_case WHERE ${IS_OPEN}) + (SELECT count(*) FROM unmatched WHERE state='waiting') AS n`,
  );
  await db.close();
  return Number(row?.["n"] ?? 0);
}
