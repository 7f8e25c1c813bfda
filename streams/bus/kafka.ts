import kafkajs, { type Admin, type Kafka } from "kafkajs";
import { kafkaClient, type KafkaOptions, rootCause } from "./kafka-client.ts";
import { brokerSkewMs, CLOCK_TOPIC, ensureClockTopic } from "./kafka-clock.ts";
import { KafkaLog } from "./kafka-log.ts";
import { joinGroup } from "./kafka-member.ts";
import { KafkaPublisher } from "./kafka-publisher.ts";
import { type BusLog, errorClass, silentLog } from "./log.ts";
import type {
  BusConsumer,
  BusHealth,
  BusRecord,
  DeliveredRecord,
  EventBus,
  PublishVerdict,
  SliceHandler,
  Subscription,
  TopicSpec,
} from "./port.ts";

export type { KafkaOptions } from "./kafka-client.ts";

/** Batches stay as their producer packed them. */
const COMPRESSION_PINNED = { name: "compression.type", value: "producer" } as const;

const { TOPIC } = kafkajs.ConfigResourceTypes;

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
  /** Those that were asked for. */
  readonly #topics = new Set<string>();
  #cannotAsk = false;
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
      for (const { name } of missing) await this.#log.untilServed(name);
      const { topics: found } = await admin.fetchTopicMetadata({ topics: topics.map(({ name }) => name) });
      const counts = new Map(found.map(({ name, partitions }) => [name, partitions.length]));
      for (const { name, partitions } of topics)
        if (counts.get(name) !== partitions) throw new Error(`topic ${name} has ${counts.get(name)} partitions, not ${partitions}`);
      if (!existing.has(CLOCK_TOPIC)) await this.#makeClockTopic(admin);
    } finally {
      await admin.disconnect();
    }
    for (const { name } of topics) this.#topics.add(name);
    // What an administrator changed costs the brokers time, whether the topics are new or old: somebody should know.
    for (const { topic, compression: got } of await this.#repacked())
      this.#busLog("warn", "compression.type of a topic was changed: the brokers pack anew what we have packed", { topic, got });
  }

  /** Without it the brokers' clock is not known, and everything else works. */
  async #makeClockTopic(admin: Admin): Promise<void> {
    try {
      await ensureClockTopic(admin, await replicasOf(admin, this.#options.replicationFactor));
    } catch (error) {
      this.#busLog("warn", "the topic that tells the brokers' clock cannot be made", { error: errorClass(rootCause(error)) });
    }
  }

  async health(): Promise<BusHealth> {
    const [skewMs, repacked] = await Promise.all([this.#skewMs(), this.#repacked()]);
    return { repacked, ...(skewMs === undefined ? {} : { skewMs }) };
  }

  async #skewMs(): Promise<number | undefined> {
    try {
      return await brokerSkewMs(this.#kafka, this.#options.clock ?? { now: () => Date.now() });
    } catch {
      return undefined;
    }
  }

  /** Of the topics that were asked for. Asking is a right of its own, which a careful administrator may not give. */
  async #repacked(): Promise<BusHealth["repacked"]> {
    if (this.#topics.size === 0) return [];
    const admin = this.#kafka.admin();
    try {
      await admin.connect();
      const asked = [...this.#topics].map((name) => ({ type: TOPIC, name, configNames: [COMPRESSION_PINNED.name] }));
      const { resources } = await admin.describeConfigs({ resources: asked, includeSynonyms: false });
      return resources.flatMap(({ resourceName: topic, configEntries }) => {
        const compression = configEntries.find(({ configName }) => configName === COMPRESSION_PINNED.name)?.configValue;
        return compression === undefined || compression === COMPRESSION_PINNED.value ? [] : [{ topic, compression }];
      });
    } catch (error) {
      if (!this.#cannotAsk)
        this.#busLog("warn", "compression.type of the topics cannot be asked for", { error: errorClass(rootCause(error)) });
      this.#cannotAsk = true;
      return [];
    } finally {
      await admin.disconnect().catch(() => undefined);
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
  const replicas = await replicasOf(admin, replicationFactor);
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

async function replicasOf(admin: Admin, replicationFactor: number | undefined): Promise<number> {
  return replicationFactor ?? Math.min(REPLICAS, (await admin.describeCluster()).brokers.length);
}
