/** What only Kafka does: limits and retention of its own, topics deleted under us, records of other producers. */
import { randomBytes } from "node:crypto";
import { CompressionTypes, ConfigResourceTypes, Kafka, logLevel, type Message } from "kafkajs";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { connectKafkaBus } from "./kafka.ts";
import { BATCH_BYTES_MAX } from "./kafka-codecs.ts";
import type { BusRecord, DeliveredRecord, EventBus } from "./port.ts";
import { startKafka, type TestKafka } from "./testing/kafka.ts";

let kafka: TestKafka;
let skipped: string | undefined;
let bus: EventBus;
let client: Kafka;
let counter = 0;
const run = Date.now().toString(36);

beforeAll(async () => {
  const started = await startKafka();
  if ("skipped" in started) {
    skipped = started.skipped;
    return;
  }
  kafka = started;
  client = new Kafka({ brokers: [...kafka.brokers], clientId: "other", logLevel: logLevel.NOTHING });
  bus = await connectKafkaBus({ brokers: kafka.brokers, clientId: "kafka-test" });
});
afterAll(async () => {
  if (skipped !== undefined) return;
  await bus.close();
  await kafka.stop();
});
beforeEach((context) => context.skip(skipped !== undefined, skipped));

const fresh = (): string => `only.${run}n${++counter}.v1`;
const record = (topic: string, value: string): BusRecord => ({ topic, key: "k", value: Buffer.from(value), headers: {} });
const kinds = async (...records: BusRecord[]): Promise<string[]> => (await bus.publish(records)).map(({ kind }) => kind);
const admin = async <T>(act: (admin: ReturnType<Kafka["admin"]>) => Promise<T>): Promise<T> => {
  const connected = client.admin();
  await connected.connect();
  try {
    return await act(connected);
  } finally {
    await connected.disconnect();
  }
};

test("brokers that are no list of host:port are refused before anything connects", async () => {
  await expect(connectKafkaBus({ brokers: [], clientId: "x" })).rejects.toThrow("host:port");
  await expect(connectKafkaBus({ brokers: ["localhost"], clientId: "x" })).rejects.toThrow("host:port");
});

test("with no broker at the address a publish is refused for now, and the bus still closes", async () => {
  const lost = await connectKafkaBus({ brokers: ["127.0.0.1:1"], clientId: "lost" });
  expect(await lost.publish([record("a.v1", "x")])).toMatchObject([{ kind: "retryable" }]);
  await lost.close();
});

test("a record too large for this topic's broker setting is refused for good, and its neighbours pass in order", async () => {
  const [small, other] = [fresh(), fresh()];
  await bus.ensureTopics([{ name: other, partitions: 1 }]);
  await admin(({ createTopics }) =>
    createTopics({
      topics: [{ topic: small, numPartitions: 1, replicationFactor: 1, configEntries: [{ name: "max.message.bytes", value: "2000" }] }],
    }),
  );
  // Random, so that packing makes it no smaller.
  const large = record(small, randomBytes(3_000).toString("hex"));
  expect(await kinds(record(small, "1"), large, record(other, "o"), record(small, "2"))).toEqual(["ok", "fatal", "ok", "ok"]);
  const values = (await bus.read(small, 0, 0n, 10)).map(({ value }) => Buffer.from(value).toString());
  expect([...new Set(values)]).toEqual(["1", "2"]);
});

test("a topic deleted under us is refused for now, and poisons no other (kafkajs #1622)", async () => {
  const [doomed, other] = [fresh(), fresh()];
  await bus.ensureTopics([doomed, other].map((name) => ({ name, partitions: 1 })));
  expect(await kinds(record(doomed, "1"), record(other, "1"))).toEqual(["ok", "ok"]);
  await admin(({ deleteTopics }) => deleteTopics({ topics: [doomed] }));
  expect(await kinds(record(doomed, "2"), record(other, "2"))).toEqual(["retryable", "ok"]);
  expect(await kinds(record(other, "3"))).toEqual(["ok"]);
  await bus.ensureTopics([{ name: doomed, partitions: 1 }]);
  expect(await kinds(record(doomed, "3"))).toEqual(["ok"]);
});

test("reading from before what retention left starts at the first record there is", async () => {
  const topic = fresh();
  await bus.ensureTopics([{ name: topic, partitions: 1 }]);
  expect(await kinds(...["0", "1", "2", "3"].map((value) => record(topic, value)))).toEqual(["ok", "ok", "ok", "ok"]);
  await admin(async ({ fetchTopicOffsets, deleteTopicRecords }) => {
    // kafkajs deletes only from a topic it has asked about.
    await fetchTopicOffsets(topic);
    await deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "2" }] });
  });
  expect((await bus.read(topic, 0, 0n, 10)).map(({ offset }) => offset)).toEqual([2n, 3n]);
  expect(await bus.endOffsets(topic)).toEqual([4n]);
});

test("records of other producers are read: no key, no headers, tombstones, a header given twice, compression", async () => {
  const topic = fresh();
  await bus.ensureTopics([{ name: topic, partitions: 1 }]);
  const producer = client.producer({ createPartitioner: () => () => 0 });
  await producer.connect();
  await producer.send({ topic, messages: [{ value: null }, { key: "k", value: "v", headers: { h: ["first", "last"] } }] });
  await producer.send({ topic, compression: 1, messages: [{ key: "z", value: "zipped" }] });
  await producer.disconnect();
  const seen = (await bus.read(topic, 0, 0n, 10)).map(({ key, value, headers }) => [key, Buffer.from(value).toString(), headers]);
  expect(seen).toEqual([
    ["", "", {}],
    ["k", "v", { h: "last" }],
    ["z", "zipped", {}],
  ]);
});

/** By a client that is not ours; `compression` as Kafka numbers it. */
async function send(topic: string, messages: Message[], compression = CompressionTypes.None): Promise<void> {
  const producer = client.producer({ createPartitioner: () => () => 0 });
  await producer.connect();
  await producer.send({ topic, messages, compression });
  await producer.disconnect();
}

/** Everything of the topic, as a group gets it and as a reader without a group gets it. */
async function bothReadings(topic: string): Promise<readonly [DeliveredRecord[], readonly DeliveredRecord[]]> {
  const [end = 0n] = await bus.endOffsets(topic);
  const consumed: DeliveredRecord[] = [];
  const whole = Promise.withResolvers<void>();
  const member = await bus.consume({ group: fresh(), topics: [topic] }, ({ records }) => {
    consumed.push(...records);
    if ((consumed.at(-1)?.offset ?? -1n) >= end - 1n) whole.resolve();
    return Promise.resolve();
  });
  await Promise.race([whole.promise, member.crashed]);
  await member.stop();
  return [consumed, await bus.read(topic, 0, 0n, 10_000)];
}

test("a record of an impossible time is read with a time that a calendar has", async () => {
  const topic = fresh();
  await admin(({ createTopics }) =>
    createTopics({
      topics: [{ topic, configEntries: [{ name: "message.timestamp.after.max.ms", value: "9223372036854775807" }] }],
    }),
  );
  await send(topic, [
    { value: "far", timestamp: "9223372036854775807" },
    { value: "late", timestamp: "8000000000000000" },
  ]);
  for (const records of await bothReadings(topic))
    for (const { timestampMs } of records) expect(() => new Date(timestampMs).toISOString()).not.toThrow();
});

test("a batch that unpacks to more than is taken is one unreadable record, and reading goes on behind it", async () => {
  const topic = fresh();
  await bus.ensureTopics([{ name: topic, partitions: 1 }]);
  await send(topic, [{ value: "before" }]);
  const half = Buffer.alloc(BATCH_BYTES_MAX / 2);
  for (const compression of [CompressionTypes.GZIP, CompressionTypes.ZSTD])
    await send(topic, [{ value: half }, { value: half }, { value: half }], compression);
  await send(topic, [{ value: "after" }], CompressionTypes.ZSTD);
  for (const records of await bothReadings(topic)) {
    expect(records.map(({ offset, unreadable }) => [offset, unreadable?.records])).toEqual([
      [0n, undefined],
      [3n, 3],
      [6n, 3],
      [7n, undefined],
    ]);
    expect(Buffer.from(records.at(-1)?.value ?? []).toString()).toBe("after");
  }
});

test("topics are created with their producers' compression, and one that an administrator changed is named and still read", async () => {
  const [kept, changed] = [fresh(), fresh()];
  const plan = [kept, changed].map((name) => ({ name, partitions: 1 }));
  await bus.ensureTopics(plan);
  const resource = { type: ConfigResourceTypes.TOPIC, name: changed };
  const configEntries = [{ name: "compression.type", value: "lz4" }];
  await admin(({ alterConfigs }) => alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries }] }));
  const said: unknown[] = [];
  const other = await connectKafkaBus({
    brokers: kafka.brokers,
    clientId: "looks",
    log: (level, message, fields) => void said.push([level, message.split(":")[0], fields]),
  });
  await other.ensureTopics(plan);
  expect(said).toEqual([["warn", "compression.type of a topic was changed", { topic: changed, got: "lz4" }]]);
  expect((await other.health()).repacked).toEqual([{ topic: changed, compression: "lz4" }]);
  await admin(({ alterConfigs }) =>
    alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries: [{ name: "compression.type", value: "producer" }] }] }),
  );
  expect((await other.health()).repacked).toEqual([]);
  await admin(({ alterConfigs }) => alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries }] }));
  const text = "settled ".repeat(100);
  expect((await other.publish([record(changed, text)])).map(({ kind }) => kind)).toEqual(["ok"]);
  for (const records of await bothReadings(changed)) expect(records.map(({ value }) => Buffer.from(value).toString())).toEqual([text]);
  await other.close();
});

/** As a bus finds it whose own clock is so far off. */
const skewOf = async (offMs: number): Promise<number> => {
  const clock = { now: (): number => Date.now() + offMs };
  const skewed = await connectKafkaBus({ brokers: kafka.brokers, clientId: "skewed", clock });
  await skewed.ensureTopics([]);
  const { skewMs = Number.NaN } = await skewed.health();
  await skewed.close();
  return skewMs;
};

test("the brokers' clock is told by their own stamp: a host that is 15 minutes slow, or fast, learns it", async () => {
  // The brokers run on this machine. What an answer takes is never counted as skew, so it may only come out smaller.
  expect(await skewOf(0)).toBe(0);
  const slow = await skewOf(-900_000);
  expect(slow).toBeLessThanOrEqual(900_000);
  expect(slow).toBeGreaterThan(600_000);
  expect(await skewOf(900_000)).toBeLessThan(-600_000);
});

test("a bus that does not answer tells no clock, rather than none at all", async () => {
  const lost = await connectKafkaBus({ brokers: ["127.0.0.1:1"], clientId: "lost" });
  expect(await lost.health()).toEqual({ repacked: [] });
  await lost.close();
});

test("our own batches are packed", async () => {
  const topic = fresh();
  await bus.ensureTopics([{ name: topic, partitions: 1 }]);
  // A topic that takes 2000 bytes takes a record of 30,000 that packs well.
  await admin(({ alterConfigs }) =>
    alterConfigs({
      validateOnly: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: "max.message.bytes", value: "2000" }] }],
    }),
  );
  expect(await kinds(record(topic, "x".repeat(30_000)))).toEqual(["ok"]);
});

test("an empty value is a tombstone to other consumers", async () => {
  const topic = fresh();
  await bus.ensureTopics([{ name: topic, partitions: 1 }]);
  expect(await kinds({ topic, key: "gone", value: new Uint8Array(), headers: {} })).toEqual(["ok"]);
  const consumer = client.consumer({ groupId: fresh() });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const value = await new Promise((resolve) => {
    void consumer.run({ eachMessage: ({ message }) => Promise.resolve(resolve(message.value)) });
  });
  await consumer.disconnect();
  expect(value).toBeNull();
});

test("many publishes at once share requests and still get each its own verdict", async () => {
  const topic = fresh();
  await bus.ensureTopics([{ name: topic, partitions: 1 }]);
  const verdicts = (await Promise.all(Array.from({ length: 200 }, (_, at) => bus.publish([record(topic, String(at))])))).flat();
  const offsets = verdicts.map((verdict) => (verdict.kind === "ok" ? verdict.offset : -1n));
  const read = await bus.read(topic, 0, 0n, 1_000);
  for (const [at, offset] of offsets.entries()) expect(Buffer.from(read[Number(offset)]?.value ?? []).toString()).toBe(String(at));
});

test("a consumer that has seen more than there is dies aloud instead of beginning anew", async () => {
  const topic = fresh();
  await bus.ensureTopics([{ name: topic, partitions: 1 }]);
  await bus.publish([record(topic, "1")]);
  const seen: string[] = [];
  const joining = bus.consume({ group: `${topic}.g`, topics: [topic], position: () => Promise.resolve(5n) }, ({ records }) => {
    seen.push(...records.map(({ value }) => Buffer.from(value).toString()));
    return Promise.resolve();
  });
  await expect(joining).rejects.toThrow(`stands at 5 of ${topic}/0, which ends at 1`);
  expect(seen).toEqual([]);
});
