/**
 * The consuming half of the Kafka adapter: one member of a group. Batches are handed out in slices, an offset is
 * committed only after its slice resolved, and a member that died for good says so (edge notes 1.3).
 */
import type { Consumer, ConsumerGroupJoinEvent, EachBatchPayload, Kafka } from "kafkajs";
import { redeliveryPauseMs, SLICE_MAX_DEFAULT } from "./delivery.ts";
import { protocolErrorOf, RETRY, rootCause } from "./kafka-client.ts";
import { deliveredOf, type RawRecord } from "./kafka-log.ts";
import { type BusLog, errorClass } from "./log.ts";
import type { BusConsumer, DeliveredRecord, SliceHandler, Subscription } from "./port.ts";

/** Partitions handled at the same time. */
const PARTITIONS_AT_ONCE = 16;
/** A quiet broker answers a fetch after this; also how long `stop` may have to wait for one. */
const FETCH_WAIT_MS = 250;
const SESSION_TIMEOUT_MS = 30_000;
const STOP_DEADLINE_MS = 15_000;

export interface MemberOptions {
  readonly kafka: Kafka;
  readonly subscription: Subscription;
  readonly handler: SliceHandler;
  readonly sessionTimeoutMs?: number | undefined;
  /** Next offset of each partition of a topic. */
  readonly ends: (topic: string) => Promise<readonly bigint[]>;
  readonly log: BusLog;
}

/** A broker that just started makes its offsets topic when the first group asks for a coordinator; a busy one takes its time. */
const COORDINATOR_PATIENCE_MS = 60_000;
const COORDINATOR_PAUSE_MS = 500;

/** Joins and resolves once the group has given this member its partitions. */
export async function joinGroup(options: MemberOptions): Promise<BusConsumer> {
  const deadline = performance.now() + COORDINATOR_PATIENCE_MS;
  for (;;) {
    const member = new KafkaMember(options);
    try {
      await member.start();
      return member;
    } catch (error) {
      if (!lacksCoordinator(error) || performance.now() > deadline) throw error;
      options.log("warn", "no coordinator yet, joining again", { group: options.subscription.group });
      await new Promise((resolve) => setTimeout(resolve, COORDINATOR_PAUSE_MS));
    }
  }
}

/** kafkajs gives up on this after a few seconds and calls it final. */
function lacksCoordinator(error: unknown): boolean {
  const root = rootCause(error);
  return (
    (root instanceof Error && root.name === "KafkaJSGroupCoordinatorNotFound") ||
    protocolErrorOf(error) === "GROUP_COORDINATOR_NOT_AVAILABLE"
  );
}

class KafkaMember implements BusConsumer {
  readonly crashed: Promise<never>;
  readonly #options: MemberOptions;
  readonly #consumer: Consumer;
  readonly #crash: (error: unknown) => void;
  readonly #joined = Promise.withResolvers<void>();
  readonly #failures = new Map<string, number>();
  readonly #redeliveries = new Set<NodeJS.Timeout>();
  /** Counts the group's generations as seen here; what was begun in an older one is no longer ours. */
  #generation = 0;
  #stopping: Promise<void> | undefined;

  constructor(options: MemberOptions) {
    this.#options = options;
    const crashed = Promise.withResolvers<never>();
    this.crashed = crashed.promise;
    this.crashed.catch(() => undefined);
    this.#crash = crashed.reject;
    const sessionTimeout = options.sessionTimeoutMs ?? SESSION_TIMEOUT_MS;
    this.#consumer = options.kafka.consumer({
      groupId: options.subscription.group,
      sessionTimeout,
      heartbeatInterval: Math.floor(sessionTimeout / 10),
      rebalanceTimeout: 60_000,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      allowAutoTopicCreation: false,
      metadataMaxAge: 60_000,
      retry: RETRY,
    });
  }

  async start(): Promise<void> {
    this.#consumer.on(this.#consumer.events.GROUP_JOIN, (event) => this.#assigned(event));
    this.#consumer.on(this.#consumer.events.CRASH, ({ payload }) => {
      this.#options.log(payload.restart ? "warn" : "error", payload.restart ? "consumer starts anew" : "consumer died", {
        group: this.#options.subscription.group,
        error: errorClass(rootCause(payload.error)),
      });
      if (!payload.restart) this.#crash(payload.error);
    });
    try {
      await this.#consumer.connect();
      await this.#consumer.subscribe({ topics: [...this.#options.subscription.topics], fromBeginning: true });
      await this.#consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
        eachBatch: (payload) => this.#batch(payload),
      });
      await Promise.race([this.#joined.promise, this.crashed]);
    } catch (error) {
      await this.#consumer.disconnect().catch(() => undefined);
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#stopping ??= this.#leave();
    await this.#stopping;
  }

  /** kafkajs waits for running slices, then leaves the group; where a broker is away it may wait for ever. */
  async #leave(): Promise<void> {
    for (const timer of this.#redeliveries) clearTimeout(timer);
    this.#redeliveries.clear();
    const deadline = new AbortController();
    const late = new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, STOP_DEADLINE_MS);
      deadline.signal.addEventListener("abort", () => clearTimeout(timer));
    });
    await Promise.race([this.#consumer.disconnect().catch(() => undefined), late]);
    deadline.abort();
  }

  /**
   * Runs inside the join, before the first fetch. Partitions whose consumer keeps its own offsets stay paused until it
   * has said where it stands: not one record is read from the group's offset instead.
   */
  #assigned({ payload }: ConsumerGroupJoinEvent): void {
    const generation = ++this.#generation;
    this.#failures.clear();
    const given = Object.entries(payload.memberAssignment).map(([topic, partitions]) => ({ topic, partitions }));
    const { position } = this.#options.subscription;
    if (position === undefined) {
      this.#quietly(() => this.#consumer.resume(given));
      this.#joined.resolve();
      return;
    }
    this.#consumer.pause(given);
    void this.#seek(given, position, generation);
  }

  async #seek(
    given: readonly { readonly topic: string; readonly partitions: readonly number[] }[],
    position: NonNullable<Subscription["position"]>,
    generation: number,
  ): Promise<void> {
    try {
      const places = given.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })));
      const offsets = await Promise.all(places.map(({ topic, partition }) => position(topic, partition)));
      await this.#checkEnds(places.map((place, at) => ({ ...place, offset: offsets[at] })));
      if (generation !== this.#generation) return;
      this.#quietly(() => {
        for (const [at, { topic, partition }] of places.entries()) {
          const offset = offsets[at];
          if (offset !== undefined) this.#consumer.seek({ topic, partition, offset: String(offset) });
        }
        this.#consumer.resume(given.map(({ topic, partitions }) => ({ topic, partitions: [...partitions] })));
      });
      this.#joined.resolve();
    } catch (error) {
      this.#crash(error);
      await this.stop();
    }
  }

  /**
   * A consumer that has seen more than there is looks at another cluster, or at a lost topic: Kafka would begin anew at
   * the first record, and the consumer would take what comes for what it has seen.
   */
  async #checkEnds(places: readonly { readonly topic: string; readonly partition: number; readonly offset: bigint | undefined }[]) {
    const ahead = places.filter((place) => place.offset !== undefined && place.offset > 0n);
    for (const topic of new Set(ahead.map((place) => place.topic))) {
      const ends = await this.#options.ends(topic);
      for (const { partition, offset = 0n } of ahead.filter((place) => place.topic === topic)) {
        const end = ends[partition] ?? 0n;
        const { group } = this.#options.subscription;
        if (offset > end) throw new Error(`group ${group} stands at ${offset} of ${topic}/${partition}, which ends at ${end}`);
      }
    }
  }

  async #batch(payload: EachBatchPayload): Promise<void> {
    const { topic, partition, messages } = payload.batch;
    const generation = this.#generation;
    const sliceMax = this.#options.subscription.sliceMax ?? SLICE_MAX_DEFAULT;
    for (let from = 0; from < messages.length; from += sliceMax) {
      if (!payload.isRunning() || payload.isStale() || this.#stopping !== undefined || generation !== this.#generation) return;
      const records = (messages.slice(from, from + sliceMax) as readonly RawRecord[]).map((message) =>
        deliveredOf(message, topic, partition),
      );
      if (!(await this.#slice(payload, records))) return;
    }
  }

  /** `true` when the slice is done and committed; `false` when it comes again. Throws only what kafkajs must see. */
  async #slice(payload: EachBatchPayload, records: readonly DeliveredRecord[]): Promise<boolean> {
    const { topic, partition } = payload.batch;
    const last = records.at(-1);
    if (last === undefined) return true;
    let lost: unknown;
    const heartbeat = async (): Promise<void> => {
      try {
        if (lost === undefined) await payload.heartbeat();
      } catch (error) {
        // The group moves on without this slice: the handler learns it from `stopped`, kafkajs below.
        lost = error;
      }
    };
    const stopped = (): boolean => lost !== undefined || !payload.isRunning() || payload.isStale() || this.#stopping !== undefined;
    try {
      await this.#options.handler({ topic, partition, records }, { heartbeat, stopped });
    } catch (error) {
      if (lost !== undefined) throw lost;
      this.#redeliver(payload, records, error);
      return false;
    }
    this.#failures.delete(`${topic}/${partition}`);
    await payload.commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition, offset: String(last.offset + 1n) }] }] });
    payload.resolveOffset(String(last.offset));
    if (lost !== undefined) throw lost;
    await payload.heartbeat();
    return true;
  }

  /** The partition rests while others go on; nothing was resolved, so the next fetch begins with this slice again. */
  #redeliver(payload: EachBatchPayload, records: readonly DeliveredRecord[], error: unknown): void {
    const { topic, partition } = payload.batch;
    const failures = (this.#failures.get(`${topic}/${partition}`) ?? 0) + 1;
    this.#failures.set(`${topic}/${partition}`, failures);
    this.#options.log("warn", "slice failed, it comes again", {
      group: this.#options.subscription.group,
      topic,
      partition,
      offset: String(records[0]?.offset),
      error: errorClass(error),
    });
    const resume = payload.pause();
    const generation = this.#generation;
    const timer = setTimeout(() => {
      this.#redeliveries.delete(timer);
      // A newer generation has decided anew what runs and what rests.
      if (generation === this.#generation) this.#quietly(resume);
    }, redeliveryPauseMs(failures));
    this.#redeliveries.add(timer);
  }

  /** kafkajs throws when it is between two lives; then there is nothing to resume, and the next join decides. */
  #quietly(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#options.log("info", "consumer is between two lives", { error: errorClass(error) });
    }
  }
}
