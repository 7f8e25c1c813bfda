/** Calls of ours whose answer is missing, over all shards. */
import type { Fen } from "../../protocol/money.ts";
import type { EventMs } from "../../protocol/time.ts";
import type { ShardBooks } from "../books.ts";
import type { RailName } from "../plan.ts";

export interface OpenCall {
  readonly key: string;
  readonly shard: number;
  readonly settlementId: string;
  readonly amount: Fen;
  readonly askedAtMs: EventMs;
}

export async function openCalls(shards: ReadonlyMap<number, ShardBooks>, rail: RailName): Promise<ReadonlyMap<string, OpenCall>> {
  const calls = new Map<string, OpenCall>();
  for (const [shard, books] of shards) for (const call of await books.openKeys(rail)) calls.set(call.key, { ...call, shard });
  return calls;
}

/** Begun by this run in an earlier process; `ours`: to say that the payer never carried it out. */
export interface TriedCall extends OpenCall {
  readonly side: "ours" | "theirs";
}
