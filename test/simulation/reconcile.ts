/** Shows every payer's statement to the core, for each call that never got its answer. */
import { toHex, utf8 } from "../../core/protocol/bytes.ts";
import { RAIL_ORDER } from "../../core/settlement/plan.ts";
import type { Founded } from "./founding.ts";
import type { Part, RunningCoreParts } from "./parts.ts";
import type { SimPayers } from "./payers.ts";

export async function reconcile({ crypto }: Founded, core: Part<RunningCoreParts>, payers: SimPayers): Promise<void> {
  const { running, life } = core;
  if (running === undefined || life === undefined || life.dead) return;
  await life.run(async () => {
    for (const { shard, db } of running.shards) {
      const { books } = shard;
      // A payer's day is closed long after: what is still asked for is no case for a statement.
      const left = new Set((await db.read("SELECT id FROM settlement WHERE state = 'awaiting'")).map((row) => String(row["id"])));
      for (const rail of RAIL_ORDER)
        for (const { key, settlementId } of await books.openKeys(rail)) {
          if (!left.has(settlementId)) continue;
          const statementHash = toHex(crypto.sm3(utf8(key)));
          await books.heal({ key, rail, found: payers[rail].statementOf(key), statementHash, runId: "simulation" }, core.clock.now());
        }
    }
  });
}
