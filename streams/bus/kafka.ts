import kafkajs, { type Admin, type Kafka } from "kafkajs";
import { kafkaClient, type KafkaOptions, rootCause } from "./kafka-client.ts";
import { KafkaLog } from "./kafka-log.ts";
import { joinGroup } from "./kafka-member.ts";
import { KafkaPublisher } from "./kafka-publisher.ts";
import { type BusLog, errorClass, silentLog } from "./log.ts";
import type { BusConsumer, BusRecord, DeliveredRecord, EventBus, PublishVerdict, SliceHandler, Subscription, TopicSpec } from "./port.ts";

export type { KafkaOptions } from "./kafka-client.ts";

/** Batches stay as their producer packed them. */
const COMPRESSION_PINNED = { name: "compression.type", value: "producer" } as const;

/** Copies of a topic where there are brokers enough; then two must have a record before it counts as written. */
const REPLICAS = 3;

/**
 * The bus of many machines: Kafka 4.x by kafkajs. Connects when first used, and again by itself: a broker that is away
 * gives `retryable` verdicts from `publish`, and an exception from the calls that must have an answer.
 */
export function connectKafkaBus(options: KafkaOptions): Promise<EventBus> {
  if (options.brokers.length === 0 || !options.brokers.every((broker) => /^[^\s:]+:\d+$/.test(broker)))
    return Promise.reject(new Error("brokers must be a list of host:port"));
  return Promise.resolve(new KafkaBus(options));
}

class KafkaBus implements EventBus {
  readonly #options: KafkaOptions;
  readonly #busLog: BusLog;
  readonly #kafka: Kafka;
  readonly #log: KafkaLog;
  readonly #publisher: KafkaPublisher;
  readonly #consumers = new Set<BusConsumer>();
  #closing: Promise<void> | undefined;

  constructor(options: KafkaOptions) {
    this.#options = options;
    this.#busLog = options.log ?? silentLog;
    this.#kafka = kafkaClient(options, this.#busLog);
    this.#log = new KafkaLog(options, this.#kafka.logger());
    this.#publisher = new KafkaPublisher(this.#kafka, this.#log);
  }

  async ensureTopics(topics: readonly TopicSpec[]): Promise<void> {
    const admin = this.#kafka.admin();
    await admin.connect();
    try {
      const existing = new Set(await admin.listTopics());
      const missing = topics.filter(({ name }) => !existing.has(name));
      if (missing.length > 0) await createTopics(admin, missing, this.#options.replicationFactor);
      const { topics: found } = await admin.fetchTopicMetadata({ topics: topics.map(({ name }) => name) });
      const counts = new Map(found.map(({ name, partitions }) => [name, partitions.length]));
      for (const { name, partitions } of topics)
        if (counts.get(name) !== partitions) throw new Error(`topic ${name} has ${counts.get(name)} partitions, not ${partitions}`);
      await this.#checkCompression(
        admin,
        topics.map(({ name }) => name).filter((name) => existing.has(name)),
      );
    } finally {
      await admin.disconnect();
    }
  }

  /** Every compression is read; but what an administrator changed costs the brokers time, and somebody should know. */
  async #checkCompression(admin: Admin, names: readonly string[]): Promise<void> {
    const asked = names.map((name) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name, configNames: [COMPRESSION_PINNED.name] }));
    if (asked.length === 0) return;
    try {
      const { resources } = await admin.describeConfigs({ resources: asked, includeSynonyms: false });
      for (const { resourceName: topic, configEntries } of resources) {
        const got = configEntries.find(({ configName }) => configName === COMPRESSION_PINNED.name)?.configValue;
        if (got !== undefined && got !== COMPRESSION_PINNED.value)
          this.#busLog("warn", "compression.type of a topic was changed: the brokers pack anew what we have packed", { topic, got });
      }
    } catch (error) {
      // Asking for it is a right of its own, which a careful administrator may not give.
      this.#busLog("warn", "compression.type of the topics cannot be asked for", { error: errorClass(rootCause(error)) });
    }
  }

  async publish(records: readonly BusRecord[]): Promise<readonly PublishVerdict[]> {
    if (this.#closing !== undefined) return records.map(() => ({ kind: "retryable", reason: "the bus is closed" }));
    return await this.#publisher.publish(records);
  }

  async consume(subscription: Subscription, handler: SliceHandler): Promise<BusConsumer> {
    if (this.#closing !== undefined) throw new Error("the bus is closed");
    const { sessionTimeoutMs } = this.#options;
    const ends = (topic: string): Promise<readonly bigint[]> => this.#log.ends(topic);
    const member = await joinGroup({ kafka: this.#kafka, subscription, handler, sessionTimeoutMs, ends, log: this.#busLog });
    this.#consumers.add(member);
    return {
      crashed: member.crashed,
      stop: async () => {
        this.#consumers.delete(member);
        await member.stop();
      },
    };
  }

  async read(topic: string, partition: number, fromOffset: bigint, limit: number): Promise<readonly DeliveredRecord[]> {
    return await this.#log.read(topic, partition, fromOffset, limit);
  }

  async endOffsets(topic: string): Promise<readonly bigint[]> {
    return await this.#log.ends(topic);
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#consumers].map((member) => member.stop()));
    await this.#publisher.close();
    await this.#log.close();
  }
}

/**
 * `acks=-1` is as good as `min.insync.replicas`: two of three. Nothing expires: a ledger must be rebuildable from its
 * topics (edge notes 1.5, 3.5); an operator who shortens that does so knowingly, on the topic.
 */
async function createTopics(admin: Admin, topics: readonly TopicSpec[], replicationFactor: number | undefined): Promise<void> {
  const { brokers } = await admin.describeCluster();
  const replicas = replicationFactor ?? Math.min(REPLICAS, brokers.length);
  await admin.createTopics({
    waitForLeaders: true,
    topics: topics.map(({ name, partitions }) => ({
      topic: name,
      numPartitions: partitions,
      replicationFactor: replicas,
      configEntries: [
        { name: "min.insync.replicas", value: replicas >= 3 ? "2" : "1" },
        { name: "unclean.leader.election.enable", value: "false" },
        { name: "retention.ms", value: "-1" },
        COMPRESSION_PINNED,
      ],
    })),
  });
}
