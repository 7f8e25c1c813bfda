/** What only Kafka does: limits and retention of its own, topics deleted under us, records of other producers. */
import { Kafka, logLevel } from "kafkajs";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { connectKafkaBus } from "./kafka.ts";
import type { BusRecord, EventBus } from "./port.ts";
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
  const large = record(small, "x".repeat(3_000));
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
