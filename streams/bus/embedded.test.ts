import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { openEmbeddedBus } from "./embedded.ts";
import type { BusRecord, EventBus } from "./port.ts";
import { until } from "./testing/rig.ts";

const folder = mkdtempSync(join(tmpdir(), "ronghe-embedded-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const clock = { now: () => 1_234 };
let file: string;
let bus: EventBus;
let files = 0;

beforeEach(async () => {
  file = join(folder, `bus-${++files}.db`);
  bus = await openEmbeddedBus({ file, clock });
  await bus.ensureTopics([{ name: "a.b.v1", partitions: 1 }]);
});
afterEach(() => bus.close());

const record = (value: string): BusRecord => ({ topic: "a.b.v1", key: "k", value: Buffer.from(value), headers: {} });

test("a process beside the owner reads what is new each time it asks, and can write nothing", async () => {
  await bus.publish([record("1")]);
  const reader = await openEmbeddedBus({ file, clock, readOnly: true });
  expect(await reader.endOffsets("a.b.v1")).toEqual([1n]);
  await bus.ensureTopics([{ name: "new.v1", partitions: 2 }]);
  await bus.publish([record("2"), { ...record("3"), topic: "new.v1", partition: 1 }]);
  expect(await reader.endOffsets("a.b.v1")).toEqual([2n]);
  expect(await reader.endOffsets("new.v1")).toEqual([0n, 1n]);
  expect((await reader.read("a.b.v1", 0, 1n, 10)).map(({ value, timestampMs }) => [Buffer.from(value).toString(), timestampMs])).toEqual([
    ["2", 1_234],
  ]);
  await expect(reader.publish([record("x")])).rejects.toThrow("owner");
  await expect(reader.ensureTopics([])).rejects.toThrow("owner");
  await expect(reader.consume({ group: "g", topics: ["a.b.v1"] }, () => Promise.resolve())).rejects.toThrow("owner");
  await reader.close();
});

test("reading a bus that does not exist is refused, and makes no file", async () => {
  const missing = join(folder, "missing.db");
  await expect(openEmbeddedBus({ file: missing, clock, readOnly: true })).rejects.toThrow("no bus in");
  await expect(openEmbeddedBus({ file: missing, clock, readOnly: true })).rejects.toThrow("no bus in");
});

test("offsets go on without a gap after the file is opened again, also for topics made meanwhile", async () => {
  await Promise.all([
    bus.publish([record("1"), record("2")]),
    bus.ensureTopics([{ name: "b.v1", partitions: 1 }]),
    bus.publish([record("3")]),
  ]);
  await bus.close();
  bus = await openEmbeddedBus({ file, clock });
  expect(await bus.publish([record("4"), { ...record("5"), topic: "b.v1" }])).toEqual([
    { kind: "ok", partition: 0, offset: 3n },
    { kind: "ok", partition: 0, offset: 0n },
  ]);
});

test("a consumer that has seen more than there is dies aloud instead of skipping what comes", async () => {
  await bus.publish([record("1")]);
  const consumer = await bus.consume({ group: "g", topics: ["a.b.v1"], position: () => Promise.resolve(5n) }, () => Promise.resolve());
  await expect(consumer.crashed).rejects.toThrow("stands at 5 of a.b.v1/0, which ends at 1");
});

test("a failing slice of one partition does not hold up another", async () => {
  await bus.ensureTopics([{ name: "two.v1", partitions: 2 }]);
  const seen: string[] = [];
  const complaints: string[] = [];
  await bus.close();
  bus = await openEmbeddedBus({ file, clock, log: (_, message, fields) => complaints.push(`${message} ${fields["partition"]}`) });
  await bus.consume({ group: "g", topics: ["two.v1"] }, (slice) => {
    if (slice.partition === 0) return Promise.reject(new Error("personal data in here"));
    seen.push(...slice.records.map(({ value }) => Buffer.from(value).toString()));
    return Promise.resolve();
  });
  await bus.publish([0, 1].map((partition) => ({ ...record(String(partition)), topic: "two.v1", partition })));
  await until(() => seen.length === 1 && complaints.length > 0);
  expect([seen, complaints[0]]).toEqual([["1"], "slice failed, it comes again 0"]);
});

test("a topic without partitions is refused", async () => {
  await expect(bus.ensureTopics([{ name: "none.v1", partitions: 0 }])).rejects.toThrow("0 partitions");
});
