/**
 * The producing half of the Kafka adapter. Callers who publish at the same time share requests; one request is in
 * flight at a time, so that a retried one cannot be overtaken. No idempotent producer: kafkajs loses messages with it
 * (#1005; edge notes 1.3), and consumers drop repeated event ids anyway.
 */
import type { Kafka, Message, Producer } from "kafkajs";
import { GroupCommit } from "../../migrations/queue.ts";
import { OUR_COMPRESSION } from "./kafka-codecs.ts";
import { protocolErrorOf, RETRY, rootCause } from "./kafka-client.ts";
import type { KafkaLog } from "./kafka-log.ts";
import { errorClass } from "./log.ts";
import { partitionOf } from "./partition.ts";
import type { BusRecord, PublishVerdict } from "./port.ts";
import { frameBytes, partitionRefusal, sizeRefusal } from "./record-limits.ts";

/** One record batch per partition travels in a request; a broker's default `message.max.bytes` is 1,048,588. */
const PARTITION_BYTES_MAX = 1_000_000;
const REQUEST_RECORDS_MAX = 1_000;
const REQUEST_BYTES_MAX = 8_000_000;
const RECORD_OVERHEAD_BYTES = 128;
const ACKS_ALL_IN_SYNC = -1;
const PRODUCE_TIMEOUT_MS = 10_000;
const CALLERS_MAX = 64;

/** A record on its way; `verdict` is what the caller gets. */
interface Sending {
  readonly record: BusRecord;
  partition: number;
  verdict: PublishVerdict | undefined;
}

export class KafkaPublisher {
  readonly #kafka: Kafka;
  readonly #log: KafkaLog;
  readonly #calls: GroupCommit<readonly Sending[], undefined>;
  #producer: Promise<Producer> | undefined;

  constructor(kafka: Kafka, log: KafkaLog) {
    this.#kafka = kafka;
    this.#log = log;
    this.#calls = new GroupCommit((calls) => this.#send(calls), CALLERS_MAX);
  }

  async publish(records: readonly BusRecord[]): Promise<readonly PublishVerdict[]> {
    if (records.length === 0) return [];
    const sendings = records.map((record): Sending => ({ record, partition: 0, verdict: sizeRefusal(record) }));
    await this.#calls.submit(sendings);
    return sendings.map(({ verdict }) => verdict ?? { kind: "retryable", reason: "not sent" });
  }

  async close(): Promise<void> {
    await this.#calls.idle();
    await this.#disconnect();
  }

  async #send(calls: readonly (readonly Sending[])[]): Promise<undefined[]> {
    const waiting = calls.flat().filter(({ verdict }) => verdict === undefined);
    await this.#place(waiting);
    await this.#parts(requestsOf(waiting.filter(({ verdict }) => verdict === undefined)));
    return calls.map(() => undefined);
  }

  async #place(sendings: readonly Sending[]): Promise<void> {
    const counts = new Map<string, number | PublishVerdict>();
    for (const sending of sendings) {
      const { topic, key, partition } = sending.record;
      const count = counts.get(topic) ?? (await this.#partitions(topic));
      counts.set(topic, count);
      if (typeof count !== "number") sending.verdict = count;
      else {
        sending.verdict = partitionRefusal(sending.record, count);
        sending.partition = partition ?? partitionOf(key, count);
      }
    }
  }

  /** A missing topic is for an operator to create: nothing is refused for good because of it. */
  async #partitions(topic: string): Promise<number | PublishVerdict> {
    try {
      return (await this.#log.partitions(topic)) ?? { kind: "retryable", reason: `no topic ${topic}` };
    } catch (error) {
      return { kind: "retryable", reason: `no broker answers: ${errorClass(rootCause(error))}` };
    }
  }

  /** Gives every sending its verdict, and back the one that all later ones share when no broker answers. */
  async #request(sendings: readonly Sending[]): Promise<PublishVerdict | undefined> {
    if (sendings.length === 0) return undefined;
    try {
      const producer = await (this.#producer ??= this.#connect());
      const answers = await producer.sendBatch({
        acks: ACKS_ALL_IN_SYNC,
        timeout: PRODUCE_TIMEOUT_MS,
        compression: OUR_COMPRESSION,
        topicMessages: messagesByTopic(sendings),
      });
      const next = new Map(answers.map(({ topicName, partition, baseOffset }) => [`${topicName}/${partition}`, BigInt(baseOffset ?? "0")]));
      for (const sending of sendings) {
        const offset = next.get(placeOf(sending)) ?? 0n;
        next.set(placeOf(sending), offset + 1n);
        sending.verdict = { kind: "ok", partition: sending.partition, offset };
      }
      return undefined;
    } catch (error) {
      return await this.#refused(sendings, error);
    }
  }

  /**
   * A broker answers for the request as a whole, so a refusal of one record or topic is narrowed down by sending the
   * parts alone. What had gone through then arrives twice, as at-least-once allows.
   */
  async #refused(sendings: readonly Sending[], error: unknown): Promise<PublishVerdict | undefined> {
    const type = protocolErrorOf(error);
    if (type === undefined) {
      const away: PublishVerdict = { kind: "retryable", reason: `no broker answers: ${errorClass(rootCause(error))}` };
      for (const sending of sendings) sending.verdict = away;
      return away;
    }
    const topics = Map.groupBy(sendings, ({ record }) => record.topic);
    if (type === "UNKNOWN_TOPIC_OR_PARTITION") {
      for (const topic of topics.keys()) this.#log.forget(topic);
      await this.#disconnect();
    }
    const tooLarge = type === "MESSAGE_TOO_LARGE" || type === "RECORD_LIST_TOO_LARGE";
    if (topics.size > 1) return await this.#parts([...topics.values()]);
    if (tooLarge && sendings.length > 1) return await this.#parts(sendings.map((sending) => [sending]));
    for (const sending of sendings) sending.verdict = { kind: tooLarge ? "fatal" : "retryable", reason: `the broker says ${type}` };
    return undefined;
  }

  /**
   * One after the other. What fails for now in a partition holds back all that follows in it, so that a later record
   * never overtakes an earlier one; once no broker answers, nothing more is tried.
   */
  async #parts(parts: readonly (readonly Sending[])[]): Promise<PublishVerdict | undefined> {
    const held = new Map<string, PublishVerdict>();
    let away: PublishVerdict | undefined;
    for (const part of parts) {
      for (const sending of part) sending.verdict = away ?? held.get(placeOf(sending));
      away ??= await this.#request(part.filter(({ verdict }) => verdict === undefined));
      for (const sending of part) if (sending.verdict?.kind === "retryable") held.set(placeOf(sending), sending.verdict);
    }
    return away;
  }

  async #connect(): Promise<Producer> {
    const producer = this.#kafka.producer({
      allowAutoTopicCreation: false,
      idempotent: false,
      retry: { ...RETRY, retries: 2 },
      // The adapter has chosen already, by the same function as the embedded bus.
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition ?? 0,
    });
    try {
      await producer.connect();
      return producer;
    } catch (error) {
      this.#producer = undefined;
      throw error;
    }
  }

  async #disconnect(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    await (await producer?.catch(() => undefined))?.disconnect();
  }
}

function messagesByTopic(sendings: readonly Sending[]): { topic: string; messages: Message[] }[] {
  return [...Map.groupBy(sendings, ({ record }) => record.topic)].map(([topic, part]) => ({
    topic,
    messages: part.map(({ record, partition }) => ({
      key: record.key,
      partition,
      headers: { ...record.headers },
      // An empty value travels as null, the tombstone of compacted topics.
      value: record.value.length === 0 ? null : Buffer.from(record.value.buffer, record.value.byteOffset, record.value.byteLength),
    })),
  }));
}

function requestsOf(sendings: readonly Sending[]): Sending[][] {
  const requests: Sending[][] = [];
  let request: Sending[] = [];
  let bytes = new Map<string, number>();
  let total = 0;
  for (const sending of sendings) {
    const place = placeOf(sending);
    const size = sending.record.value.length + frameBytes(sending.record) + RECORD_OVERHEAD_BYTES;
    const full = request.length === REQUEST_RECORDS_MAX || total + size > REQUEST_BYTES_MAX;
    if (request.length > 0 && (full || (bytes.get(place) ?? 0) + size > PARTITION_BYTES_MAX)) {
      requests.push(request);
      request = [];
      bytes = new Map();
      total = 0;
    }
    request.push(sending);
    bytes.set(place, (bytes.get(place) ?? 0) + size);
    total += size;
  }
  if (request.length > 0) requests.push(request);
  return requests;
}

function placeOf({ record, partition }: Sending): string {
  return `${record.topic}/${partition}`;
}
