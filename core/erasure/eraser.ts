/**
 * Carries out orders to erase a person, over the core's database, every settlement shard and the payers' adapter. Each
 * log says what was erased in the transaction that erases it; the order's row says how far it came, so that a run that
 * was cut short is taken up where it stopped, by the same command or by the next start of the core.
 */
import type { Log } from "../../ledger/port.ts";
import { readLeaves } from "../../ledger/store/load.ts";
import { searchEntries } from "../../ledger/store/search.ts";
import { erasureOf } from "../../ledger/verifier/erasure.ts";
import { decodeLeaf } from "../../ledger/verifier/leaf.ts";
import type { Database } from "../../migrations/database.ts";
import { GroupCommit } from "../../migrations/queue.ts";
import { ok, refused } from "../protocol/result.ts";
import type { Desk, Registry } from "../registry.ts";
import type { Shard } from "../settlement/shard.ts";
import { isTerminal } from "../settlement/states.ts";
import type { ErasedLog, ErasureAnswer, ErasureOrder } from "./order.ts";
import {
  decideErasures,
  type ErasureItem,
  type ErasureStep,
  type OpenOrder,
  openOrders,
  readOrder,
  transactionsOf,
} from "./registry-part.ts";

export interface EraserOptions {
  readonly registry: Registry;
  readonly shards: ReadonlyMap<number, Shard>;
  readonly shardOf: (institution: string) => number;
  /** How entries know a pseudonym (`ledger-persons.ts`). */
  readonly committed: (pseudonym: string) => string;
  /** Reads a shard's database beside its writer. */
  readonly reading: <T>(shard: number, use: (db: Database) => Promise<T>) => Promise<T>;
  /** Makes the payers' adapter forget whose these settlements were. */
  readonly forgetMedia: (settlementIds: readonly string[]) => Promise<void>;
  /** Writes every file that held the person anew, without the bytes of deleted rows; false: another process reads one. */
  readonly scrub: () => Promise<boolean>;
}

export interface Eraser {
  erase(order: ErasureOrder): Promise<ErasureAnswer>;
  /** Takes up every order that was cut short; gives how many are left. */
  resume(): Promise<number>;
}

export function openEraser(options: EraserOptions): Eraser {
  const desk = options.registry.desk(decideErasures(options.registry));
  // One order at a time.
  const turns = new GroupCommit<() => Promise<unknown>, unknown>(async ([turn]) => [await turn?.()], 1);
  const inTurn = async <T>(turn: () => Promise<T>): Promise<T> => (await turns.submit(turn)) as T;
  return {
    erase: (order) => inTurn(() => erase(options, desk, order)),
    resume: () =>
      inTurn(async () => {
        let left = 0;
        for (const order of await openOrders(options.registry))
          if ((await carryOut(options, desk, order.order.order)) !== undefined) left += 1;
        return left;
      }),
  };
}

type ErasureDesk = Desk<ErasureItem, ErasureStep>;

async function erase(options: EraserOptions, desk: ErasureDesk, order: ErasureOrder): Promise<ErasureAnswer> {
  const before = await readOrder(options.registry, order.order);
  const begun = await desk.submit({ do: "begin", order });
  if (!begun.ok) return begun;
  const obstacle = await carryOut(options, desk, order.order);
  if (obstacle !== undefined) return refused(obstacle);
  return ok({ order: order.order, repeated: before?.state === "done", logs: await erasedLogs(options, order.order) });
}

/** From wherever the order stands to its end; gives what keeps it from there. */
async function carryOut(options: EraserOptions, desk: ErasureDesk, orderId: string): Promise<"settlementsOpen" | "filesInUse" | undefined> {
  let open = await orderOf(options.registry, orderId);
  if (open.state === "closing" && open.personId !== undefined) {
    if (await hasOpenSettlements(options, open.personId)) return "settlementsOpen";
    await desk.submit({ do: "forget", orderId, personId: open.personId });
    open = await orderOf(options.registry, orderId);
  }
  if (open.state === "erasing") {
    const pseudonym = open.pseudonym;
    if (pseudonym === undefined) throw new Error("an erasure that does not know whose it is");
    const erasure = { order: open.order, pseudonym, committed: options.committed(pseudonym) };
    // Noted before the shards forget which they were.
    const settlements = new Set(open.settlements);
    for (const shard of options.shards.values()) for (const id of await shard.settlementsOf(pseudonym)) settlements.add(id);
    await desk.submit({ do: "note", orderId, settlements: [...settlements] });
    for (const shard of options.shards.values()) if (!(await shard.erase(erasure))) return "settlementsOpen";
    await options.forgetMedia([...settlements]);
    await desk.submit({ do: "destroy", order: open.order, committed: erasure.committed });
    open = await orderOf(options.registry, orderId);
  }
  if (open.state === "erased") {
    if (!(await options.scrub())) return "filesInUse";
    await desk.submit({ do: "finish", orderId });
  }
  return undefined;
}

async function orderOf(registry: Registry, orderId: string): Promise<OpenOrder> {
  const order = await readOrder(registry, orderId);
  if (order === undefined) throw new Error("an erasure without its order");
  return order;
}

/** Nothing new is granted any more, so that what has ended now has ended for good. */
async function hasOpenSettlements({ registry, shards, shardOf }: EraserOptions, personId: string): Promise<boolean> {
  for (const transaction of await transactionsOf(registry, personId)) {
    const slash = transaction.indexOf("/");
    const institution = transaction.slice(0, slash);
    const settlement = await shards.get(shardOf(institution))?.find(institution, transaction.slice(slash + 1));
    if (settlement !== undefined && !isTerminal(settlement.standing.state)) return true;
  }
  return false;
}

/** From the logs themselves, so that a run cut short and its repetition say the same. */
async function erasedLogs({ registry, shards, reading }: EraserOptions, orderId: string): Promise<readonly ErasedLog[]> {
  const logs = [await erasedLog(registry.log, registry.db, orderId)];
  for (const [number, shard] of shards) logs.push(await reading(number, (db) => erasedLog(shard.log, db, orderId)));
  return logs.filter((log) => log.entries.length > 0);
}

async function erasedLog({ origin }: Pick<Log, "origin">, db: Database, orderId: string): Promise<ErasedLog> {
  const entries: string[] = [];
  let commitments = 0;
  for (const index of await searchEntries(db, "subject", orderId)) {
    const [stored] = await readLeaves(db, index, 1);
    const leaf = stored === undefined ? undefined : decodeLeaf(stored.bytes);
    const erasure = leaf?.ok === true ? erasureOf(leaf.value) : undefined;
    if (erasure?.ok !== true) continue;
    entries.push(index.toString());
    commitments += erasure.value.fields.length;
  }
  return { origin, entries, commitments };
}
