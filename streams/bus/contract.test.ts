import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { deadLetterTopic } from "../contracts/topics.ts";
import { DEAD_LETTER_HEADERS, DeadLetters, deadLetterTopics } from "./dead-letter.ts";
import { partitionOf } from "./partition.ts";
import { type BusRecord, type DeliveredRecord, NoTopicError, RECORD_BYTES_MAX } from "./port.ts";
import type { NoKafka } from "./testing/kafka.ts";
import { embeddedRig, kafkaRig, publishAll, type Rig, until } from "./testing/rig.ts";

const PARTITIONS = 4;
const warnings: Error[] = [];
process.on("warning", (warning) => warnings.push(warning));

const run = Date.now().toString(36);
let counter = 0;
const fresh = (name: string): string => `test.${run}n${++counter}.${name}`;

const record = (topic: string, key: string, value: string, more: Partial<BusRecord> = {}): BusRecord => ({
  topic,
  key,
  value: Buffer.from(value),
  headers: {},
  ...more,
});
const textOf = ({ value }: DeliveredRecord): string => Buffer.from(value).toString();
const isNumber = (record: DeliveredRecord): boolean => /^\d+$/.test(textOf(record));
/** Every partition gets some of these. */
const keys = Array.from({ length: 16 }, (_, at) => `org${at}`);

describe.each<[string, () => Promise<Rig | NoKafka>]>([
  ["embedded", embeddedRig],
  ["kafka", kafkaRig],
])("the %s bus", (name, start) => {
  let rig: Rig;
  let skipped: string | undefined;

  beforeAll(async () => {
    const started = await start();
    if ("skipped" in started) {
      skipped = started.skipped;
      console.log(`bus contract, ${name}: SKIPPED, ${skipped}`);
    } else {
      rig = started;
      console.log(`bus contract, ${name}: via ${rig.via}`);
    }
  });
  afterAll(async () => {
    if (skipped === undefined) await rig.stop();
  });

  // Where there is no broker, the tests are skipped one by one, so that the count shows what was not proven.
  beforeEach((context) => context.skip(skipped !== undefined, skipped));

  const topicOf = async (partitions = PARTITIONS): Promise<string> => {
    const topic = fresh("entity.happened.v1");
    await rig.bus.ensureTopics([{ name: topic, partitions }]);
    return topic;
  };

  test("a topic stays as it was made: asked again it is there, with another partition count it is refused", async () => {
    const topic = await topicOf(2);
    await rig.bus.ensureTopics([{ name: topic, partitions: 2 }]);
    await expect(rig.bus.ensureTopics([{ name: topic, partitions: 3 }])).rejects.toThrow("has 2 partitions, not 3");
    expect(await rig.bus.endOffsets(topic)).toEqual([0n, 0n]);
  });

  test("verdicts say where each record went, and a key goes to the partition both buses agree on", async () => {
    const topic = await topicOf();
    const records = keys.flatMap((key) => [record(topic, key, "first"), record(topic, key, "second")]);
    const verdicts = await rig.bus.publish(records);
    for (const [at, verdict] of verdicts.entries()) {
      const { key, value } = records[at] ?? record(topic, "", "");
      if (verdict.kind !== "ok") throw new Error(verdict.reason);
      expect(verdict.partition).toBe(partitionOf(key, PARTITIONS));
      const [read] = await rig.bus.read(topic, verdict.partition, verdict.offset, 1);
      expect(read).toMatchObject({ topic, key, partition: verdict.partition, offset: verdict.offset });
      expect(Buffer.from(read?.value ?? []).equals(value)).toBe(true);
    }
    expect(new Set(keys.map((key) => partitionOf(key, PARTITIONS))).size).toBe(PARTITIONS);
  });

  test("records of a key arrive in the order they were published, whoever else publishes at the same time", async () => {
    const topic = await topicOf();
    const seen = new Map<string, number[]>();
    let count = 0;
    const consumer = await rig.consume({ group: fresh("g"), topics: [topic], sliceMax: 7 }, (slice) => {
      for (const { key, value } of slice.records) seen.set(key, [...(seen.get(key) ?? []), Number(Buffer.from(value))]);
      count += slice.records.length;
      return Promise.resolve();
    });
    await Promise.all(
      keys.map(async (key) => {
        for (let from = 0; from < 30; from += 10)
          await publishAll(
            rig,
            Array.from({ length: 10 }, (_, at) => record(topic, key, String(from + at))),
          );
      }),
    );
    await until(() => count === keys.length * 30);
    for (const key of keys) expect(seen.get(key)).toEqual(Array.from({ length: 30 }, (_, at) => at));
    await consumer.stop();
  });

  test("headers, keys and values come back as they were, empty ones and other scripts too", async () => {
    const topic = await topicOf(1);
    const headers = { ce_type: "a.b.v1", subject: "结算 – été", empty: "", constructor: "x" };
    await publishAll(rig, [
      record(topic, "机构", "值", { headers }),
      { topic, key: "k", value: new Uint8Array(), headers: {} },
      { topic, key: "k", value: Uint8Array.of(0, 255, 128), headers: {} },
    ]);
    const [first, empty, binary] = await rig.bus.read(topic, 0, 0n, 10);
    expect(first?.key).toBe("机构");
    expect(first?.headers).toEqual(headers);
    expect(empty?.value.length).toBe(0);
    expect([...(binary?.value ?? [])]).toEqual([0, 255, 128]);
    expect(Number.isSafeInteger(first?.timestampMs)).toBe(true);
  });

  test("an explicit partition is honoured, and one that does not exist is refused for good", async () => {
    const topic = await topicOf();
    const verdicts = await rig.bus.publish([
      record(topic, "k", "a", { partition: 3 }),
      record(topic, "k", "b", { partition: 4 }),
      record(topic, "k", "c", { partition: 0 }),
    ]);
    expect(verdicts).toMatchObject([{ kind: "ok", partition: 3 }, { kind: "fatal" }, { kind: "ok", partition: 0 }]);
    // Not where each stands: a request of which a broker took one part and not the other is sent again as a whole.
    const texts = async (partition: number): Promise<readonly string[]> => (await rig.bus.read(topic, partition, 0n, 10)).map(textOf);
    const partitions = await Promise.all(Array.from({ length: PARTITIONS }, (_, partition) => texts(partition)));
    expect(partitions.map((values) => [...new Set(values)])).toEqual([["c"], [], [], ["a"]]);
  });

  test("a value of the largest size passes, one byte more is refused for good, and its neighbours pass", async () => {
    const topic = await topicOf(1);
    const verdicts = await rig.bus.publish([
      record(topic, "a", "before"),
      { ...record(topic, "a", ""), value: new Uint8Array(RECORD_BYTES_MAX) },
      { ...record(topic, "a", ""), value: new Uint8Array(RECORD_BYTES_MAX + 1) },
      record(topic, "a", "x", { headers: { big: "x".repeat(70_000) } }),
      record(topic, "a", "after"),
    ]);
    expect(verdicts.map(({ kind }) => kind)).toEqual(["ok", "ok", "fatal", "fatal", "ok"]);
    expect((await rig.bus.read(topic, 0, 0n, 10)).map(({ value }) => value.length)).toEqual([6, RECORD_BYTES_MAX, 5]);
  });

  test("a missing topic is refused for now, its neighbours pass, and it passes once it is made", async () => {
    const [topic, missing] = [await topicOf(1), fresh("not.yet.v1")];
    const publish = (): Promise<readonly { kind: string }[]> => rig.bus.publish([record(missing, "k", "a"), record(topic, "k", "b")]);
    expect((await publish()).map(({ kind }) => kind)).toEqual(["retryable", "ok"]);
    await rig.bus.ensureTopics([{ name: missing, partitions: 1 }]);
    expect((await publish()).map(({ kind }) => kind)).toEqual(["ok", "ok"]);
    await expect(rig.bus.read(fresh("never.made.v1"), 0, 0n, 1)).rejects.toThrow(NoTopicError);
    await expect(rig.bus.endOffsets(fresh("never.made.v1"))).rejects.toThrow(NoTopicError);
  });

  test("reading starts where asked, stops at the limit or the end, and finds nothing behind it", async () => {
    const topic = await topicOf(2);
    await publishAll(
      rig,
      Array.from({ length: 50 }, (_, at) => record(topic, "k", String(at), { partition: 1 })),
    );
    const read = async (from: bigint, limit: number, partition = 1): Promise<string> =>
      (await rig.bus.read(topic, partition, from, limit)).map(textOf).join(",");
    expect(await read(0n, 3)).toBe("0,1,2");
    expect(await read(47n, 100)).toBe("47,48,49");
    expect(await read(10n, 1)).toBe("10");
    expect(await read(50n, 10)).toBe("");
    expect(await read(1_000n, 10)).toBe("");
    expect(await read(0n, 10, 0)).toBe("");
    expect(await read(0n, 10, 7)).toBe("");
    expect(await rig.bus.endOffsets(topic)).toEqual([0n, 50n]);
  });

  test("a slice whose handler throws comes again, whole and before anything later", async () => {
    const topic = await topicOf(1);
    await publishAll(
      rig,
      Array.from({ length: 6 }, (_, at) => record(topic, "k", String(at))),
    );
    const slices: string[] = [];
    const consumer = await rig.consume({ group: fresh("g"), topics: [topic], sliceMax: 3 }, (slice) => {
      slices.push(slice.records.map(textOf).join(","));
      return slices.length === 2 ? Promise.reject(new Error("not now")) : Promise.resolve();
    });
    await until(() => slices.length === 3);
    expect(slices).toEqual(["0,1,2", "3,4,5", "3,4,5"]);
    await consumer.stop();
  });

  test("what a process had taken when it was killed comes to the next member of its group", async () => {
    const topic = await topicOf(1);
    const group = fresh("g");
    await publishAll(rig, [record(topic, "k", "a"), record(topic, "k", "b")]);
    const doomed = await rig.doomedConsumer(group, topic);
    expect(doomed.offsets[0]).toBe(0n);
    await doomed.kill();
    const seen: string[] = [];
    const consumer = await rig.consume({ group, topics: [topic] }, (slice) => {
      seen.push(...slice.records.map(textOf));
      return Promise.resolve();
    });
    await until(() => seen.length >= 2);
    expect(seen).toEqual(["a", "b"]);
    await consumer.stop();
  });

  test("stopping waits for the running slice, which is committed: the next member goes on behind it", async () => {
    const topic = await topicOf(1);
    const group = fresh("g");
    await publishAll(
      rig,
      Array.from({ length: 4 }, (_, at) => record(topic, "k", String(at))),
    );
    const gate = Promise.withResolvers<void>();
    const taken: string[] = [];
    let stoppedSeen = false;
    const first = await rig.consume({ group, topics: [topic], sliceMax: 2 }, async (slice, control) => {
      taken.push(...slice.records.map(textOf));
      await gate.promise;
      stoppedSeen = control.stopped();
      await control.heartbeat();
    });
    await until(() => taken.length === 2);
    let stopped = false;
    const stopping = first.stop().then(() => (stopped = true));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(stopped).toBe(false);
    gate.resolve();
    await stopping;
    expect([taken, stoppedSeen]).toEqual([["0", "1"], true]);

    const rest: string[] = [];
    const second = await rig.consume({ group, topics: [topic] }, (slice) => {
      rest.push(...slice.records.map(textOf));
      return Promise.resolve();
    });
    await until(() => rest.length === 2);
    expect(rest).toEqual(["2", "3"]);
    await second.stop();
  });

  test("two members share the partitions, and when one leaves the other takes over what it had", async () => {
    const topic = await topicOf();
    const group = fresh("g");
    const seen: [Set<number>, Set<number>] = [new Set(), new Set()];
    const handled = new Map<string, number>();
    const join = (member: 0 | 1) =>
      rig.consume({ group, topics: [topic] }, (slice) => {
        seen[member].add(slice.partition);
        for (const each of slice.records) handled.set(textOf(each), (handled.get(textOf(each)) ?? 0) + 1);
        return Promise.resolve();
      });
    const members = [await join(0), await join(1)] as const;
    await publishAll(
      rig,
      keys.map((key) => record(topic, key, `shared ${key}`)),
    );
    await until(() => handled.size === keys.length);
    expect([seen[0].size, seen[1].size]).toEqual([2, 2]);
    expect(new Set([...seen[0], ...seen[1]]).size).toBe(PARTITIONS);

    await members[0].stop();
    await publishAll(
      rig,
      keys.map((key) => record(topic, key, `alone ${key}`)),
    );
    await until(() => handled.size === keys.length * 2);
    expect(seen[1].size).toBe(PARTITIONS);
    expect([...handled.values()].every((times) => times === 1)).toBe(true);
    await members[1].stop();
  });

  test("groups do not share: each gets every record, also those published before it came", async () => {
    const topic = await topicOf();
    await publishAll(
      rig,
      keys.map((key) => record(topic, key, key)),
    );
    const counts = [0, 0];
    const consumers = await Promise.all(
      counts.map((_, at) =>
        rig.consume({ group: fresh("g"), topics: [topic] }, (slice) => {
          counts[at] = (counts[at] ?? 0) + slice.records.length;
          return Promise.resolve();
        }),
      ),
    );
    await until(() => counts.every((count) => count >= keys.length));
    expect(counts).toEqual([keys.length, keys.length]);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
  });

  test("a consumer that keeps its own offsets starts where it says, whatever the group has committed", async () => {
    const topic = await topicOf(2);
    const group = fresh("g");
    await publishAll(
      rig,
      Array.from({ length: 20 }, (_, at) => record(topic, "k", String(at), { partition: at % 2 })),
    );
    const firsts = async (position?: (topic: string, partition: number) => Promise<bigint | undefined>): Promise<bigint[]> => {
      const seen: (bigint | undefined)[] = [undefined, undefined];
      let count = 0;
      const consumer = await rig.consume({ group, topics: [topic], ...(position === undefined ? {} : { position }) }, (slice) => {
        seen[slice.partition] ??= slice.records[0]?.offset;
        count += slice.records.length;
        return Promise.resolve();
      });
      await until(() => seen.every((offset) => offset !== undefined) && count >= 10);
      await consumer.stop();
      return seen.map((offset) => offset ?? -1n);
    };
    expect(await firsts()).toEqual([0n, 0n]);
    // Everything is committed now, so that only the consumer's own word can bring records again.
    expect(await firsts((_, partition) => Promise.resolve(partition === 0 ? 3n : 7n))).toEqual([3n, 7n]);
    await publishAll(rig, [record(topic, "k", "20", { partition: 0 })]);
    const later: string[] = [];
    const consumer = await rig.consume({ group, topics: [topic], position: () => Promise.resolve(undefined) }, (slice) => {
      later.push(...slice.records.map(textOf));
      return Promise.resolve();
    });
    await until(() => later.length > 0);
    expect(later).toEqual(["20"]);
    await consumer.stop();
  });

  test("a consumer that cannot say where it stands dies aloud", async () => {
    const topic = await topicOf(1);
    const joining = rig.consume({ group: fresh("g"), topics: [topic], position: () => Promise.reject(new Error("no state")) }, () =>
      Promise.resolve(),
    );
    await expect(joining.then((consumer) => consumer.crashed)).rejects.toThrow("no state");
  });

  test("a poison record goes to the dead letters with its story, and the rest of the slice goes on", async () => {
    const topic = await topicOf(1);
    const [dead] = deadLetterTopics([topic]);
    if (dead === undefined) throw new Error("no dead-letter topic");
    await rig.bus.ensureTopics([dead]);
    await publishAll(rig, [
      record(topic, "k", "1"),
      record(topic, "k2", "not a number", { headers: { ce_id: "e2" } }),
      record(topic, "k", "3"),
    ]);
    const sums: number[] = [];
    const letters = new DeadLetters(rig.bus, { consumer: "test/1" });
    const consumer = await rig.consume({ group: fresh("g"), topics: [topic] }, async (slice) => {
      await letters.bury(slice.records.filter((each) => !isNumber(each)).map((each) => ({ record: each, errorClass: "notJson" })));
      sums.push(...slice.records.filter(isNumber).map((each) => Number(textOf(each))));
    });
    await until(() => sums.length === 2);
    expect(sums).toEqual([1, 3]);
    const [letter] = await rig.bus.read(deadLetterTopic(topic), 0, 0n, 10);
    expect(letter).toMatchObject({ key: "k2", value: new Uint8Array(Buffer.from("not a number")) });
    expect(letter?.headers).toMatchObject({
      ce_id: "e2",
      [DEAD_LETTER_HEADERS.topic]: topic,
      [DEAD_LETTER_HEADERS.partition]: "0",
      [DEAD_LETTER_HEADERS.offset]: "1",
      [DEAD_LETTER_HEADERS.error]: "notJson",
      [DEAD_LETTER_HEADERS.consumer]: "test/1",
    });
    await consumer.stop();
  });

  test("nothing is lost when the bus goes down in the middle of publishing and consuming", async ({ skip }) => {
    const outage = rig.outage ?? skip("these brokers are not ours to kill");
    const topic = await topicOf();
    const seen = new Map<string, number[]>();
    let count = 0;
    const consumer = await rig.consume({ group: fresh("g"), topics: [topic], sliceMax: 5 }, (slice) => {
      for (const { key, value } of slice.records) seen.set(key, [...(seen.get(key) ?? []), Number(Buffer.from(value))]);
      count += slice.records.length;
      return Promise.resolve();
    });
    const perKey = 40;
    const publishing = Promise.all(
      keys.map(async (key) => {
        for (let at = 0; at < perKey; at++) {
          await publishAll(rig, [record(topic, key, String(at))]);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }),
    );
    await until(() => count >= keys.length * 5);
    await outage.begin();
    const [verdict] = await rig.bus.publish([record(topic, "during", "0")]);
    expect(verdict?.kind).toBe("retryable");
    await outage.end();
    await publishing;
    await until(() => keys.every((key) => seen.get(key)?.includes(perKey - 1) === true));
    for (const key of keys) {
      // Repeats are allowed, gaps and overtaking are not.
      const firsts = [...new Set(seen.get(key))];
      expect(firsts).toEqual(Array.from({ length: perKey }, (_, at) => at));
    }
    await consumer.stop();
  });

  test("a closed bus refuses for now and takes no consumers", async () => {
    await rig.bus.close();
    expect(await rig.bus.publish([record("t", "k", "v")])).toMatchObject([{ kind: "retryable" }]);
    await expect(rig.bus.consume({ group: "g", topics: ["t"] }, () => Promise.resolve())).rejects.toThrow("closed");
  });
});

test("kafkajs on this Node emits no warning", () => {
  expect(warnings.map(({ name, message }) => `${name}: ${message}`)).toEqual([]);
});
