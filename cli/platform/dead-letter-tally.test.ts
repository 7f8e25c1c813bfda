import { rm } from "node:fs/promises";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DeadLetters } from "../../streams/bus/dead-letter.ts";
import { openEmbeddedBus } from "../../streams/bus/embedded.ts";
import { markerOf } from "../../streams/bus/letters.ts";
import type { DeliveredRecord } from "../../streams/bus/port.ts";
import { topicPlan } from "../../streams/contracts/codec.ts";
import { deadLetterTopic } from "../../streams/contracts/topics.ts";
import { DeadLetterTally } from "./dead-letter-tally.ts";

const TOPIC = "code.scan.observed.v1";
const record = (offset: bigint, more: Partial<DeliveredRecord> = {}): DeliveredRecord => ({
  topic: TOPIC,
  partition: 0,
  offset,
  key: "k",
  value: new Uint8Array(),
  headers: {},
  timestampMs: 1,
  ...more,
});

test("dead letters are counted by reason as they come, each once, however many ask, and what is no letter is none", async () => {
  const folder = await mkdtemp(join(tmpdir(), "ronghe-tally-"));
  const bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock: { now: () => 1 } });
  await bus.ensureTopics(topicPlan(1));
  const letters = new DeadLetters(bus, { consumer: "c/1" });
  const tally = new DeadLetterTally(bus, [TOPIC]);
  expect(await tally.counts()).toEqual([]);
  await letters.bury([
    { record: record(0n), errorClass: "timeAhead" },
    { record: record(1n), errorClass: "timeAhead" },
    { record: record(9n, { unreadable: { error: "x", records: 8 } }), errorClass: "batchUnreadable" },
  ]);
  const both = [
    { topic: TOPIC, reason: "timeAhead", records: 2 },
    { topic: TOPIC, reason: "batchUnreadable", records: 8 },
  ];
  expect(await Promise.all([tally.counts(), tally.counts()])).toEqual([both, both]);
  const invented = { dlq_topic: TOPIC, dlq_partition: "0", dlq_offset: "3", dlq_error: "张三", dlq_consumer: "c" };
  const foreign = { topic: deadLetterTopic(TOPIC), key: "k", value: new Uint8Array(), headers: {} };
  await bus.publish([foreign, markerOf(record(0n), "k", 5n), { ...foreign, headers: invented }]);
  expect(await tally.counts()).toEqual([...both, { topic: TOPIC, reason: "other", records: 1 }]);
  await bus.close();
  await rm(folder, { recursive: true });
});
