/**
 * Topics as logs, without a group: partition counts, ends, and reading from any offset. kafkajs offers none of it for
 * a reader outside a group (a throwaway group costs a join of seconds), so its cluster object is used directly.
 */
import Cluster from "kafkajs/src/cluster/index.js";
import createSocketFactory from "kafkajs/src/network/socketFactory.js";
import type { FetchedRecord } from "kafkajs/src/protocol/requests/fetch/v11/response.js";
import type { Logger } from "kafkajs";
import "./kafka-batches.ts";
import { CONNECTION_TIMEOUT_MS, type KafkaOptions, protocolErrorOf, REQUEST_TIMEOUT_MS, RETRY } from "./kafka-client.ts";
import { type DeliveredRecord, NoTopicError } from "./port.ts";

const FETCH_BYTES_MAX = 4 * 1024 * 1024;
/** Long enough for a follower's news to arrive, short enough that nobody waits: the end is known beforehand. */
const FETCH_WAIT_MS = 50;
const READ_COMMITTED = 1;
const TRIES_MAX = 6;
const SERVED_TRIES_MAX = 20;
const NOT_SERVED_YET: ReadonlySet<string> = new Set([
  "UNKNOWN_TOPIC_OR_PARTITION",
  "LEADER_NOT_AVAILABLE",
  "NOT_LEADER_FOR_PARTITION",
  "REPLICA_NOT_AVAILABLE",
]);

export class KafkaLog {
  readonly #options: KafkaOptions;
  readonly #logger: Logger;
  readonly #partitions = new Map<string, number>();
  #cluster: Promise<Cluster> | undefined;

  constructor(options: KafkaOptions, logger: Logger) {
    this.#options = options;
    this.#logger = logger;
  }

  /** Partition count of a topic, `undefined` when there is none; remembered, since counts never change here. */
  async partitions(topic: string): Promise<number | undefined> {
    const known = this.#partitions.get(topic);
    if (known !== undefined) return known;
    try {
      return await this.#try(async (cluster) => {
        await cluster.addTargetTopic(topic);
        await cluster.refreshMetadataIfNecessary();
        const count = cluster.findTopicPartitionMetadata(topic).length;
        if (count > 0) this.#partitions.set(topic, count);
        return count > 0 ? count : undefined;
      });
    } catch (error) {
      if (protocolErrorOf(error) === "UNKNOWN_TOPIC_OR_PARTITION") return undefined;
      throw error;
    }
  }

  /** A broker said that the topic is not there (any more). */
  forget(topic: string): void {
    this.#partitions.delete(topic);
  }

  async ends(topic: string): Promise<readonly bigint[]> {
    return await this.#offsets(topic, false);
  }

  /**
   * Waits until every partition of a new topic answers. A broker may be named as leader before it serves a partition;
   * a request that reaches it then is sent again as a whole, and what had gone through to other partitions stands twice.
   */
  async untilServed(topic: string): Promise<void> {
    for (let tries = 1; ; tries++)
      try {
        await this.ends(topic);
        return;
      } catch (error) {
        const type = protocolErrorOf(error);
        // What no waiting changes, a right that is missing for example, is said at once.
        if (tries === SERVED_TRIES_MAX || (type !== undefined && !NOT_SERVED_YET.has(type))) throw error;
        this.forget(topic);
      }
  }

  async read(topic: string, partition: number, fromOffset: bigint, limit: number): Promise<readonly DeliveredRecord[]> {
    const partitions = await this.#known(topic);
    if (partition < 0 || partition >= partitions) return [];
    const records: DeliveredRecord[] = [];
    let next = fromOffset;
    while (records.length < limit) {
      const fetched = await this.#fetch(topic, partition, next);
      if (fetched === undefined) {
        // Before the first record that retention left, or behind the end.
        const first = (await this.#offsets(topic, true))[partition] ?? 0n;
        if (first <= next) return records;
        next = first;
        continue;
      }
      for (const message of fetched.messages) {
        const offset = BigInt(message.offset);
        if (offset < next) continue;
        next = offset + 1n;
        if (message.isControlRecord !== true && records.length < limit) records.push(deliveredOf(message, topic, partition));
      }
      if (next >= fetched.end) return records;
    }
    return records;
  }

  async close(): Promise<void> {
    const cluster = this.#cluster;
    this.#cluster = undefined;
    await (await cluster?.catch(() => undefined))?.disconnect();
  }

  async #fetch(topic: string, partition: number, from: bigint): Promise<{ messages: readonly FetchedRecord[]; end: bigint } | undefined> {
    try {
      return await this.#try(async (cluster) => {
        await cluster.addTargetTopic(topic);
        await cluster.refreshMetadataIfNecessary();
        const nodeId = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))[0] ?? "";
        const broker = await cluster.findBroker({ nodeId });
        const { responses } = await broker.fetch({
          maxWaitTime: FETCH_WAIT_MS,
          minBytes: 1,
          maxBytes: FETCH_BYTES_MAX,
          isolationLevel: READ_COMMITTED,
          topics: [{ topic, partitions: [{ partition, fetchOffset: String(from), maxBytes: FETCH_BYTES_MAX }] }],
        });
        const answer = responses[0]?.partitions[0];
        return { messages: answer?.messages ?? [], end: BigInt(answer?.lastStableOffset ?? 0) };
      });
    } catch (error) {
      if (protocolErrorOf(error) === "OFFSET_OUT_OF_RANGE") return undefined;
      throw error;
    }
  }

  async #offsets(topic: string, fromBeginning: boolean): Promise<readonly bigint[]> {
    const count = await this.#known(topic);
    const partitions = Array.from({ length: count }, (_, partition) => ({ partition }));
    const answers = await this.#try(async (cluster) => {
      await cluster.addTargetTopic(topic);
      await cluster.refreshMetadataIfNecessary();
      return await cluster.fetchTopicsOffset([{ topic, partitions, fromBeginning }]);
    });
    const offsets = Array.from<bigint>({ length: count }).fill(0n);
    for (const { partition, offset } of answers[0]?.partitions ?? []) offsets[partition] = BigInt(offset);
    return offsets;
  }

  async #known(topic: string): Promise<number> {
    const partitions = await this.partitions(topic);
    if (partitions === undefined) throw new NoTopicError(topic);
    return partitions;
  }

  /**
   * After any trouble the connection is made anew: cached metadata may name a broker that is gone, or a topic that was
   * deleted, which poisons every later request (kafkajs #1622). Answers that no repetition changes are thrown at once.
   */
  async #try<T>(ask: (cluster: Cluster) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      const connecting = (this.#cluster ??= this.#connect());
      try {
        return await ask(await connecting);
      } catch (error) {
        const type = protocolErrorOf(error);
        if (type === "OFFSET_OUT_OF_RANGE") throw error;
        if (this.#cluster === connecting) await this.close();
        if (tries === TRIES_MAX || (type === "UNKNOWN_TOPIC_OR_PARTITION" && tries > 1)) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY.initialRetryTime * tries));
      }
    }
  }

  async #connect(): Promise<Cluster> {
    const { brokers, clientId, tls, sasl } = this.#options;
    const cluster = new Cluster({
      brokers,
      clientId,
      logger: this.#logger,
      socketFactory: createSocketFactory(),
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      enforceRequestTimeout: true,
      metadataMaxAge: 60_000,
      allowAutoTopicCreation: false,
      isolationLevel: READ_COMMITTED,
      retry: { ...RETRY, retries: 1 },
      ...(tls === undefined ? {} : { ssl: tls }),
      ...(sasl === undefined ? {} : { sasl }),
    });
    await cluster.connect();
    return cluster;
  }
}

/** A record as kafkajs gives it, of whoever's making. */
export type RawRecord = Pick<FetchedRecord, "offset" | "timestamp" | "key" | "value" | "unreadable"> & {
  readonly headers?: FetchedRecord["headers"] | undefined;
};

/**
 * Offsets and instants are text in kafkajs; here they become numbers, once. Total: whatever any client wrote is some
 * record, and what is wrong with it is found by who decodes it. A null value (tombstone) reads as empty.
 */
export function deliveredOf(message: RawRecord, topic: string, partition: number): DeliveredRecord {
  return {
    topic,
    partition,
    offset: BigInt(message.offset),
    key: message.key?.toString("utf8") ?? "",
    headers: headersOf(message.headers ?? {}),
    // A copy: kafkajs gives views of the whole response, which a kept record would keep in memory.
    value: new Uint8Array(message.value ?? []),
    timestampMs: timestampOf(message.timestamp),
    ...(message.unreadable === undefined ? {} : { unreadable: message.unreadable }),
  };
}

/** UTF-8 text; of a header given twice the last counts, and one without a value is none. */
function headersOf(headers: FetchedRecord["headers"]): Record<string, string> {
  const texts: [string, string][] = [];
  for (const [name, given] of Object.entries(headers)) {
    const value = Array.isArray(given) ? (given as readonly (Buffer | null)[]).at(-1) : (given as Buffer | null);
    if (value instanceof Uint8Array) texts.push([name, value.toString("utf8")]);
  }
  // Not by assignment: a header may be called `__proto__`.
  return Object.fromEntries(texts);
}

/** The longest instant that a calendar has, ms: a producer may write any 64 bits. */
const INSTANT_MS_MAX = 8_640_000_000_000_000;

function timestampOf(text: string): number {
  const ms = Number(text);
  return Number.isSafeInteger(ms) ? Math.max(0, Math.min(INSTANT_MS_MAX, ms)) : 0;
}
