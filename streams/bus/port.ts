import type { DeadLetterReason } from "../contracts/dead-letter-reasons.ts";

/**
 * The one way events travel. Two adapters, Kafka and embedded (a libSQL log), pass one contract suite.
 *
 * Delivery is at least once and in order per partition; a key always lands in the same partition. An effect is
 * made exactly once by the consumer, who stores the offset in the transaction of the effect.
 */
export interface EventBus {
  /** Creates missing topics; an existing one with another partition count is refused. */
  ensureTopics(topics: readonly TopicSpec[]): Promise<void>;
  /**
   * One verdict per record, in order. Never throws for a broker that is away: the verdict is `retryable`, and so is
   * that of every later record of the same partition in the call, so that none overtakes it.
   */
  publish(records: readonly BusRecord[]): Promise<readonly PublishVerdict[]>;
  /** Joins `group`; partitions are shared among its members. Resolves once the member is running. */
  consume(subscription: Subscription, handler: SliceHandler): Promise<BusConsumer>;
  /** Reads without a group, for replay, `tail` and rebuilds. At most `limit` records from `fromOffset` on. */
  read(topic: string, partition: number, fromOffset: bigint, limit: number): Promise<readonly DeliveredRecord[]>;
  /** Offset the next record of each partition will get, by partition number. */
  endOffsets(topic: string): Promise<readonly bigint[]>;
  /** How the bus stands, asked anew; never throws: what cannot be told is left out. */
  health(): Promise<BusHealth>;
  close(): Promise<void>;
}

/** What {@link EventBus.read} and {@link EventBus.endOffsets} reject with for a topic that was never made, or is deleted. */
export class NoTopicError extends Error {
  override readonly name = "NoTopicError";

  constructor(topic: string) {
    super(`the bus has no topic ${topic}`);
  }
}

export interface BusHealth {
  /** How far the bus's clock is ahead of ours, ms, negative when it is behind; never more than is certain. */
  readonly skewMs?: number;
  /** Topics whose batches somebody's setting makes the brokers pack anew, with that setting. */
  readonly repacked: readonly { readonly topic: string; readonly compression: string }[];
}

export interface TopicSpec {
  readonly name: string;
  readonly partitions: number;
}

export interface BusRecord {
  readonly topic: string;
  /** Always set: order holds per key. */
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  /** Only where the partition is the meaning, as for ledger shards; otherwise the key decides. */
  readonly partition?: number;
}

export interface DeliveredRecord extends BusRecord {
  readonly partition: number;
  readonly offset: bigint;
  /** When the bus took it, ms; for people, never for rules. */
  readonly timestampMs: number;
  /** Stands for this many records, ending here, that the bus itself could not read; key, headers and value are empty. */
  readonly unreadable?: { readonly error: string; readonly records: number };
}

/** A record that no repetition will make good: undecodable, or breaking its contract. */
export interface Poison {
  readonly record: DeliveredRecord;
  /** One of a closed list; an error's own text stays out, it may quote the record. */
  readonly errorClass: DeadLetterReason;
}

export type PublishVerdict =
  | { readonly kind: "ok"; readonly partition: number; readonly offset: bigint }
  | { readonly kind: "retryable"; readonly reason: string }
  | { readonly kind: "fatal"; readonly reason: string };

export interface Subscription {
  readonly group: string;
  readonly topics: readonly string[];
  /** Records per slice at most (default 100). */
  readonly sliceMax?: number;
  /**
   * Where to start in a partition the member was just given, when the consumer keeps its own offsets;
   * `undefined` means the group's committed offset, or the beginning.
   */
  readonly position?: (topic: string, partition: number) => Promise<bigint | undefined>;
}

/** Records of one partition, in order. */
export interface Slice {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly DeliveredRecord[];
}

/**
 * Called with one slice at a time per partition. When it resolves, the slice counts as done and its offset is
 * committed to the group. When it throws, nothing is committed and the slice comes again after a pause.
 */
export type SliceHandler = (slice: Slice, control: SliceControl) => Promise<void>;

export interface SliceControl {
  /** To be called in long work, so that the group does not think the member dead. */
  heartbeat(): Promise<void>;
  /** True once the member lost the partition or is stopping: finish or give up quickly. */
  stopped(): boolean;
}

export interface BusConsumer {
  /** Leaves the group after the running slices end. */
  stop(): Promise<void>;
  /** Rejects when the member died for good; the process should then end (`eachBatch` crash). */
  readonly crashed: Promise<never>;
}

/** Larger values are refused by every adapter with a `fatal` verdict. */
export const RECORD_BYTES_MAX = 900_000;
