import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { BusRecord, EventBus, PublishVerdict } from "../streams/bus/port.ts";
import { startLedgerPublisher } from "./ledger-publisher.ts";
import { TOPICS } from "../streams/contracts/topics.ts";
import { openProvince, type Province } from "./testing/province.ts";

let province: Province;

beforeEach(async () => {
  province = await openProvince();
});
afterEach(async () => {
  await province.close();
});

const LEAVES = "ledger.entry.appended.v1";
const NOTES = "ledger.checkpoint.published.v1";

async function onTheBus(topic: string) {
  return await province.bus.read(topic, 0, 0n, 10_000);
}

/** A bus that answers as told and keeps what it was given. */
function scriptedBus(verdictOf: (record: BusRecord) => PublishVerdict["kind"]): { bus: EventBus; taken: BusRecord[] } {
  const taken: BusRecord[] = [];
  const publish = (records: readonly BusRecord[]): Promise<readonly PublishVerdict[]> =>
    Promise.resolve(
      records.map((record): PublishVerdict => {
        const kind = verdictOf(record);
        if (kind !== "ok") return { kind, reason: "as told" };
        taken.push(record);
        return { kind, partition: 0, offset: BigInt(taken.length) };
      }),
    );
  return { bus: { ...province.bus, publish }, taken };
}

/** Publishes the whole log afresh, as for a bus that lost everything. */
async function startAfresh(bus: EventBus) {
  const { db, log } = province.core.registry;
  await db.write([{ sql: "DELETE FROM ledger_publication", args: [] }]);
  return await startLedgerPublisher({
    crypto: province.crypto,
    db,
    log,
    bus,
    partition: 0,
    clock: province.clock,
    batchMax: 4,
    pollMs: 10,
  });
}

describe("publishing a log", () => {
  it("carries every leaf byte for byte, in order, keyed by the log, and a note that covers them", async () => {
    await province.core.drained();
    const { log } = province.core.registry;
    const leaves = await log.leaves(0n, 10_000);
    const records = await onTheBus(LEAVES);
    expect(records.map((record) => Buffer.from(record.value).toString("hex"))).toEqual(
      leaves.map((leaf) => Buffer.from(leaf.bytes).toString("hex")),
    );
    expect(records.map((record) => record.headers["ce_ledgerseq"])).toEqual(leaves.map((leaf) => String(leaf.index)));
    expect(new Set(records.map((record) => record.key))).toEqual(new Set([log.origin]));
    const note = (await onTheBus(NOTES)).at(-1);
    expect(new TextDecoder().decode(note?.value)).toBe(log.latestCheckpoint()?.note);
    expect(log.latestCheckpoint()?.size).toBe(log.size);
  });

  it("goes on after a restart where it stopped, repeating nothing that was acknowledged", async () => {
    await province.core.drained();
    const before = (await onTheBus(LEAVES)).length;
    await province.reopen();
    await province.issue();
    await province.core.drained();
    const after = await onTheBus(LEAVES);
    expect(after.length).toBe(before + 1);
    expect(after.map((record) => record.headers["ce_ledgerseq"])).toEqual(after.map((_, at) => String(at)));
  });

  it("gives no two different records of any topic the same source and id, so that a reader may drop repeats by the pair", async () => {
    await province.issue();
    await province.core.drained();
    const contents = new Map<string, Set<string>>();
    for (const topic of Object.keys(TOPICS))
      for (const { headers, value } of await onTheBus(topic)) {
        const pair = `${headers["ce_source"]} ${headers["ce_id"]}`;
        contents.set(pair, (contents.get(pair) ?? new Set()).add(`${topic} ${Buffer.from(value).toString("hex")}`));
      }
    expect(contents.size).toBeGreaterThan(Number(province.core.registry.log.size));
    expect([...contents].filter(([, records]) => records.size > 1).map(([pair]) => pair)).toEqual([]);
  });

  it("waits for a bus that is away, keeping order and skipping nothing", async () => {
    let refusals = 3;
    const { bus, taken } = scriptedBus((record) => (record.headers["ce_ledgerseq"] === "2" && refusals-- > 0 ? "retryable" : "ok"));
    const publisher = await startAfresh(bus);
    await publisher.drained();
    await publisher.stop();
    // The bus took later records of a batch although an earlier one failed: they come again, in order, under the same ids.
    const seen = new Set<string>();
    const firsts = taken.filter(
      (record) => record.topic === LEAVES && !seen.has(record.headers["ce_id"] ?? "") && seen.add(record.headers["ce_id"] ?? ""),
    );
    expect(firsts).toHaveLength(Number(province.core.registry.log.size));
    expect(taken.at(-1)?.topic).toBe(NOTES);
  });

  it("stops rather than leave a hole when the bus refuses an entry for good", async () => {
    const { bus, taken } = scriptedBus((record) => (record.headers["ce_ledgerseq"] === "5" ? "fatal" : "ok"));
    const publisher = await startAfresh(bus);
    await expect(publisher.drained()).rejects.toThrow(/refused an entry/);
    expect(taken.some((record) => record.topic === NOTES)).toBe(false);
    await publisher.stop();
  });

  it("tells who waits that it was stopped", async () => {
    const { bus } = scriptedBus(() => "retryable");
    const publisher = await startAfresh(bus);
    const waiting = publisher.drained();
    await Promise.all([expect(waiting).rejects.toThrow(/stopped/), publisher.stop()]);
  });
});
