import { existsSync } from "node:fs";
import { openDatabase, type StorageObserver } from "../../migrations/database.ts";
import { EmbeddedGroup } from "./embedded-group.ts";
import { EmbeddedLog } from "./embedded-log.ts";
import { type BusLog, silentLog } from "./log.ts";
import {
  type BusConsumer,
  type BusHealth,
  type BusRecord,
  type DeliveredRecord,
  type EventBus,
  type PublishVerdict,
  type SliceHandler,
  type Subscription,
  type TopicSpec,
  NoTopicError,
} from "./port.ts";

export interface EmbeddedOptions {
  /** Path of the libSQL file, created when missing. */
  readonly file: string;
  /** Where record timestamps come from. */
  readonly clock: { now(): number };
  /**
   * For a process beside the owner: `read` and `endOffsets` only, each looking at the file anew, so that `tail`
   * polls. Everything that writes throws.
   */
  readonly readOnly?: boolean;
  readonly log?: BusLog;
  /** Told whether records can be kept. */
  readonly storage?: StorageObserver | undefined;
}

/**
 * The bus of one machine: a log in one libSQL file that one process owns (DESIGN 8). A publish is durable when its
 * verdict says `ok`; consumers of this process wake at once, without polling.
 */
export async function openEmbeddedBus(options: EmbeddedOptions): Promise<EventBus> {
  const readOnly = options.readOnly === true;
  if (readOnly && !existsSync(options.file)) throw new Error(`no bus in ${options.file}`);
  const database = await openDatabase({ kind: "bus", file: options.file, readOnly, storage: options.storage });
  try {
    const log = await EmbeddedLog.over(database, () => options.clock.now());
    return readOnly ? new EmbeddedReader(log) : new EmbeddedBus(log, options.log ?? silentLog);
  } catch (error) {
    await database.close();
    throw error;
  }
}

class EmbeddedBus implements EventBus {
  readonly #log: EmbeddedLog;
  readonly #busLog: BusLog;
  readonly #groups = new Map<string, EmbeddedGroup>();
  #closing: Promise<void> | undefined;

  constructor(log: EmbeddedLog, busLog: BusLog) {
    this.#log = log;
    this.#busLog = busLog;
  }

  async ensureTopics(topics: readonly TopicSpec[]): Promise<void> {
    await this.#log.ensureTopics(topics);
  }

  async publish(records: readonly BusRecord[]): Promise<readonly PublishVerdict[]> {
    if (this.#closing !== undefined) return records.map(() => ({ kind: "retryable", reason: "the bus is closed" }));
    return await this.#log.append(records);
  }

  async consume(subscription: Subscription, handler: SliceHandler): Promise<BusConsumer> {
    if (this.#closing !== undefined) throw new Error("the bus is closed");
    for (const topic of subscription.topics) endsOf(this.#log, topic);
    const group = this.#groups.get(subscription.group) ?? new EmbeddedGroup(this.#log, this.#busLog);
    this.#groups.set(subscription.group, group);
    return await group.join(subscription, handler);
  }

  async read(topic: string, partition: number, fromOffset: bigint, limit: number): Promise<readonly DeliveredRecord[]> {
    return await this.#log.read(topic, partition, fromOffset, limit);
  }

  endOffsets(topic: string): Promise<readonly bigint[]> {
    return Promise.resolve().then(() => endsOf(this.#log, topic));
  }

  /** Its clock is the one it was given: ours. */
  health(): Promise<BusHealth> {
    return Promise.resolve({ skewMs: 0, repacked: [] });
  }

  async close(): Promise<void> {
    this.#closing ??= Promise.all([...this.#groups.values()].map((group) => group.close())).then(() => this.#log.close());
    await this.#closing;
  }
}

class EmbeddedReader implements EventBus {
  readonly #log: EmbeddedLog;

  constructor(log: EmbeddedLog) {
    this.#log = log;
  }

  ensureTopics(): Promise<void> {
    return refuseWrite();
  }

  publish(): Promise<readonly PublishVerdict[]> {
    return refuseWrite();
  }

  consume(): Promise<BusConsumer> {
    return refuseWrite();
  }

  async read(topic: string, partition: number, fromOffset: bigint, limit: number): Promise<readonly DeliveredRecord[]> {
    if (this.#log.partitions(topic) === undefined) await this.#log.refresh();
    return await this.#log.read(topic, partition, fromOffset, limit);
  }

  async endOffsets(topic: string): Promise<readonly bigint[]> {
    await this.#log.refresh();
    return endsOf(this.#log, topic);
  }

  health(): Promise<BusHealth> {
    return Promise.resolve({ repacked: [] });
  }

  close(): Promise<void> {
    return this.#log.close();
  }
}

function refuseWrite(): Promise<never> {
  return Promise.reject(new Error("this bus was opened for reading: its owner is another process"));
}

function endsOf(log: EmbeddedLog, topic: string): readonly bigint[] {
  const ends = log.ends(topic);
  if (ends === undefined) throw new NoTopicError(topic);
  return ends;
}
