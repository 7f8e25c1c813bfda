/**
 * The brokers' clock: a record of ours on a small topic of its own, where the broker that takes a record stamps it with its
 * own time (`message.timestamp.type=LogAppendTime`) and says so in its answer. Stamps on other topics are their producers'
 * word, and prove nothing.
 */
import type { Admin, Kafka } from "kafkajs";
import { RETRY } from "./kafka-client.ts";

export const CLOCK_TOPIC = "bus.clock.v1";

/** Nobody reads it. */
const RETENTION_MS = 3_600_000;

export async function ensureClockTopic(admin: Admin, replicationFactor: number): Promise<void> {
  await admin.createTopics({
    waitForLeaders: true,
    topics: [
      {
        topic: CLOCK_TOPIC,
        numPartitions: 1,
        replicationFactor,
        configEntries: [
          { name: "message.timestamp.type", value: "LogAppendTime" },
          { name: "retention.ms", value: String(RETENTION_MS) },
        ],
      },
    ],
  });
}

/**
 * How far the clock of the brokers is ahead of `clock`, ms: nought while the stamp lies between question and answer, else
 * what it lies outside of them, so that a slow answer makes no skew. `undefined` when the broker does not stamp.
 */
export async function brokerSkewMs(kafka: Kafka, clock: { now(): number }): Promise<number | undefined> {
  const producer = kafka.producer({ allowAutoTopicCreation: false, idempotent: false, retry: { ...RETRY, retries: 2 } });
  await producer.connect();
  try {
    const askedMs = clock.now();
    const [answer] = await producer.send({ topic: CLOCK_TOPIC, acks: 1, messages: [{ value: null }] });
    return skewOf(Number(answer?.logAppendTime ?? -1), askedMs, clock.now());
  } finally {
    await producer.disconnect();
  }
}

function skewOf(stampMs: number, askedMs: number, answeredMs: number): number | undefined {
  if (!(stampMs > 0)) return undefined;
  if (stampMs < askedMs) return stampMs - askedMs;
  return stampMs > answeredMs ? stampMs - answeredMs : 0;
}
