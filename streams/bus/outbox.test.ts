import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { type Database, openDatabase } from "../../migrations/database.ts";
import { openEmbeddedBus } from "./embedded.ts";
import type { Forwarder, OutboxRecord } from "./outbox-port.ts";
import { enqueue, type ForwarderOptions, type OutboxRow, startForwarder } from "./outbox.ts";
import { type BusRecord, type EventBus, type PublishVerdict, RECORD_BYTES_MAX } from "./port.ts";
import { until } from "./testing/rig.ts";

const folder = mkdtempSync(join(tmpdir(), "ronghe-outbox-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const clock = { now: () => 1_000_000 };
let db: Database;
let bus: EventBus;
let running: Forwarder[] = [];
let files = 0;

beforeEach(async () => {
  files++;
  db = await openDatabase({ kind: "edge", file: join(folder, `edge-${files}.db`) });
  bus = await openEmbeddedBus({ file: join(folder, `bus-${files}.db`), clock });
  await bus.ensureTopics([
    { name: "a.b.v1", partitions: 2 },
    { name: "a.c.v1", partitions: 1 },
  ]);
});
afterEach(async () => {
  for (const forwarder of running) await forwarder.stop();
  running = [];
  await bus.close();
  await db.close();
});

const forward = (more: Partial<ForwarderOptions> = {}): Forwarder => {
  const forwarder = startForwarder({ db, bus, clock, limits: { retryMinMs: 5, retryMaxMs: 20 }, pollMs: 20, ...more });
  running.push(forwarder);
  return forwarder;
};
const record = (eventId: string, key = "k", more: Partial<OutboxRecord> = {}): OutboxRecord => ({
  eventId,
  topic: "a.b.v1",
  key,
  value: Buffer.from(eventId),
  headers: { ce_id: eventId, 机构: "é" },
  ...more,
});
const put = (...records: OutboxRecord[]): Promise<unknown> => db.write(enqueue(records, 900_000));
const waiting = async (): Promise<number> => Number((await db.read("SELECT count(*) AS n FROM outbox"))[0]?.["n"]);
const published = async (topic = "a.b.v1"): Promise<string[]> => {
  const ends = await bus.endOffsets(topic);
  const parts = await Promise.all(ends.map((_, partition) => bus.read(topic, partition, 0n, 10_000)));
  return parts.flat().map(({ value }) => Buffer.from(value).toString());
};
const ids = (from: number, count: number): string[] => Array.from({ length: count }, (_, at) => `e${from + at}`);

/** The real bus behind one that answers as told, for faults that cannot be had otherwise. */
const answering = (verdictOf: (record: BusRecord, call: number) => PublishVerdict | undefined): EventBus & { calls: string[][] } => {
  const calls: string[][] = [];
  return {
    ensureTopics: (topics) => bus.ensureTopics(topics),
    consume: (subscription, handler) => bus.consume(subscription, handler),
    read: (...place) => bus.read(...place),
    endOffsets: (topic) => bus.endOffsets(topic),
    health: () => bus.health(),
    close: () => Promise.resolve(),
    calls,
    publish: async (records) => {
      calls.push(records.map(({ value }) => Buffer.from(value).toString()));
      const verdicts = records.map((each) => verdictOf(each, calls.length));
      const passing = await bus.publish(records.filter((_, at) => verdicts[at] === undefined));
      let next = 0;
      return verdicts.map((verdict) => verdict ?? passing[next++] ?? { kind: "retryable", reason: "?" });
    },
  };
};
const notNow: PublishVerdict = { kind: "retryable", reason: "not now" };

test("rows leave oldest first, with key, headers, partition and value, and are gone once the bus has them", async () => {
  await put(record("e1"), record("e2", "k", { partition: 1 }), record("e3", "x", { topic: "a.c.v1", value: new Uint8Array() }));
  const told: string[] = [];
  await forward({ onPublished: (rows) => told.push(...rows.map(({ eventId }) => eventId)) }).drained();
  expect(await waiting()).toBe(0);
  expect(told).toEqual(["e1", "e2", "e3"]);
  const pinned = (await bus.read("a.b.v1", 1, 0n, 10)).find(({ headers }) => headers["ce_id"] === "e2");
  expect(pinned).toMatchObject({ key: "k", headers: { ce_id: "e2", 机构: "é" } });
  expect((await bus.read("a.c.v1", 0, 0n, 10)).map(({ value }) => value.length)).toEqual([0]);
});

test("a row is durable with the effect it tells of, or not at all", async () => {
  await expect(db.write([...enqueue([record("e1")], 0), { sql: "INSERT INTO no_such_table VALUES (1)", args: [] }])).rejects.toThrow(
    "no such table",
  );
  expect(await waiting()).toBe(0);
});

test("what waited before the start is sent, and news are sent at once, without waiting for the next poll", async () => {
  await put(...ids(0, 1_500).map((id) => record(id)));
  const forwarder = forward({ pollMs: 3_600_000 });
  await forwarder.drained();
  await put(record("late"));
  forwarder.notify();
  await until(() => forwarder.backlog().depth === 0);
  await forwarder.drained();
  expect(await published()).toEqual([...ids(0, 1_500), "late"]);
});

test("rows nobody told of are found by the poll", async () => {
  const forwarder = forward({ pollMs: 10 });
  await forwarder.drained();
  await put(record("e1"));
  while ((await waiting()) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(await published()).toEqual(["e1"]);
});

test("batches keep to their limits of records and bytes, and one large record still goes", async () => {
  await put(...ids(0, 7).map((id) => record(id)), record("big", "k", { value: Buffer.alloc(5_000, "b") }), record("e8"));
  const watched = answering(() => undefined);
  await forward({ bus: watched, batchMax: 3, batchBytesMax: 1_000 }).drained();
  expect(watched.calls.map(({ length }) => length)).toEqual([3, 3, 1, 1, 1]);
});

test("while a key is refused for now its later records wait, and other keys go on", async () => {
  let open = false;
  const watched = answering(({ key }) => (key === "bad" && !open ? notNow : undefined));
  await put(record("b1", "bad"), record("g1", "good"), record("b2", "bad"));
  const forwarder = forward({ bus: watched });
  await until(() => watched.calls.length > 2);
  await put(record("b3", "bad"), record("g2", "good"));
  forwarder.notify();
  while ((await published()).length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(await waiting()).toBe(3);
  expect(forwarder.backlog("bad")).toEqual({ depth: 3, oldestAgeMs: 100_000, bus: "away" });
  open = true;
  await forwarder.drained();
  expect(forwarder.backlog("bad").bus).toBe("there");
  const all = await published();
  expect(all.filter((id) => id.startsWith("b"))).toEqual(["b1", "b2", "b3"]);
  expect(all.filter((id) => id.startsWith("g"))).toEqual(["g1", "g2"]);
});

test("a topic that is not there holds up its own records only, and they leave once it is made", async () => {
  await put(record("m1", "k", { topic: "not.yet.v1" }), record("e1"));
  const forwarder = forward();
  while ((await waiting()) > 1) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(await published()).toEqual(["e1"]);
  await bus.ensureTopics([{ name: "not.yet.v1", partitions: 1 }]);
  await forwarder.drained();
  expect(await published("not.yet.v1")).toEqual(["m1"]);
});

test("a record refused for good is kept with its reason, and its successors go on", async () => {
  await put(record("e1"), record("huge", "k", { value: new Uint8Array(RECORD_BYTES_MAX + 1) }), record("e3"));
  await forward().drained();
  expect(await published()).toEqual(["e1", "e3"]);
  const dead = await db.read("SELECT event_id, reason, at_ms, length(value) AS bytes FROM outbox_dead");
  expect(dead).toMatchObject([{ event_id: "huge", at_ms: 1_000_000n, bytes: BigInt(RECORD_BYTES_MAX + 1) }]);
  expect(String(dead[0]?.["reason"])).toContain("at most");
});

test("prepare attaches what a row needs on its way, and the first row that must wait holds back all behind it", async () => {
  let covered = 1n;
  await put(
    record("e0", "k", { ledgerIndex: 0n }),
    record("e1", "k2", { ledgerIndex: 1n }),
    record("e2", "k3", { ledgerIndex: 2n }),
    record("e3", "k4"),
  );
  const prepare = (rows: readonly OutboxRow[]): OutboxRow[] => {
    const end = rows.findIndex(({ ledgerIndex }) => ledgerIndex !== undefined && ledgerIndex > covered);
    return rows.slice(0, end === -1 ? rows.length : end).map((row) => ({ ...row, value: Buffer.from(`${row.eventId} proven`) }));
  };
  const forwarder = forward({ prepare, pollMs: 3_600_000 });
  while ((await waiting()) > 2) await new Promise((resolve) => setTimeout(resolve, 5));
  expect((await published()).sort()).toEqual(["e0 proven", "e1 proven"]);
  covered = 2n;
  await forwarder.drained();
  expect((await published()).sort()).toEqual(["e0 proven", "e1 proven", "e2 proven", "e3 proven"]);
});

test("a prepare that changes the order is a bug, and sends nothing", async () => {
  await put(record("e1"), record("e2"));
  const complaints: unknown[] = [];
  const forwarder = forward({ prepare: (rows) => rows.toReversed(), log: (_, message) => complaints.push(message) });
  await until(() => complaints.length > 1);
  await forwarder.stop();
  expect([await waiting(), await published()]).toEqual([2, []]);
});

test("the backlog is known while the bus hangs", async () => {
  const gate = Promise.withResolvers<void>();
  const hanging: EventBus = { ...answering(() => undefined), publish: (records) => gate.promise.then(() => bus.publish(records)) };
  await put(record("e0"));
  const forwarder = forward({ bus: hanging });
  await until(() => forwarder.backlog().depth === 1);
  await put(...ids(1, 20).map((id) => record(id)));
  forwarder.notify();
  await until(() => forwarder.backlog().depth === 21);
  expect(forwarder.backlog().oldestAgeMs).toBe(100_000);
  gate.resolve();
  await forwarder.drained();
  expect(forwarder.backlog()).toEqual({ depth: 0, oldestAgeMs: 0, bus: "there" });
});

test("a bus that takes nothing is away, for every key, until it takes something", async () => {
  let open = false;
  const watched = answering(() => (open ? undefined : notNow));
  await put(record("e0", "k1"));
  const forwarder = forward({ bus: watched });
  expect(forwarder.backlog().bus).toBe("there");
  await until(() => forwarder.backlog().bus === "away");
  expect(forwarder.backlog("k2").bus).toBe("away");
  open = true;
  await forwarder.drained();
  expect([forwarder.backlog().bus, forwarder.backlog("k1").bus, forwarder.backlog("k2").bus]).toEqual(["there", "there", "there"]);
});

test("a bus that throws, instead of saying so, is away too", async () => {
  let open = false;
  const throwing: EventBus = {
    ...answering(() => undefined),
    publish: (records) => (open ? bus.publish(records) : Promise.reject(new Error("cut"))),
  };
  await put(record("e0"));
  const forwarder = forward({ bus: throwing });
  await until(() => forwarder.backlog().bus === "away");
  open = true;
  await forwarder.drained();
  expect(forwarder.backlog().bus).toBe("there");
});

test("a crash between publish and delete repeats the batch and loses nothing", async () => {
  await put(record("e1"), record("e2"));
  // The bus has the records, the process dies before the rows are deleted: what a new start finds.
  await bus.publish([record("e1"), record("e2")]);
  await forward().drained();
  expect(await published()).toEqual(["e1", "e2", "e1", "e2"]);
});

test("drained rejects once the forwarder stops, and stop leaves the rest where it is", async () => {
  await put(record("e1"));
  const forwarder = forward({ bus: answering(() => notNow) });
  const drained = forwarder.drained();
  await Promise.all([expect(drained).rejects.toThrow("stopped"), forwarder.stop()]);
  await expect(forwarder.drained()).rejects.toThrow("stopped");
  expect(await waiting()).toBe(1);
});

test("whatever is refused for now and when, every record arrives once and each key in order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 40 }),
      fc.infiniteStream(fc.boolean()),
      fc.integer({ min: 1, max: 6 }),
      async (keys, luck, batchMax) => {
        const start = (await published()).length;
        // As the port promises: what is refused for now takes the rest of its key in the same call with it.
        const watched = answering(() => undefined);
        const failing: EventBus = {
          ...watched,
          publish: (records) => {
            const unlucky = new Set(records.map(({ key }) => key).filter(() => luck.next().value === true));
            return answering(({ key }) => (unlucky.has(key) ? notNow : undefined)).publish(records);
          },
        };
        await put(...keys.map((key, at) => record(`${key}:${at}`, `key${key}`)));
        const forwarder = forward({ bus: failing, batchMax, limits: { retryMinMs: 1, retryMaxMs: 2, windowRowsMax: 16 } });
        await forwarder.drained();
        await forwarder.stop();
        const ends = await bus.endOffsets("a.b.v1");
        const parts = await Promise.all(ends.map((_, partition) => bus.read("a.b.v1", partition, 0n, 100_000)));
        const byKey = Map.groupBy(parts.flat(), ({ key }) => key);
        expect(parts.flat().length - start).toBe(keys.length);
        for (const [key, records] of byKey) {
          const mine = keys.map((each, at) => `${each}:${at}`).filter((id) => `key${id.split(":")[0]}` === key);
          expect(records.slice(records.length - mine.length).map(({ value }) => Buffer.from(value).toString())).toEqual(mine);
        }
      },
    ),
    { numRuns: 25 },
  );
});
