import type { DataTopic, EventData, WrittenData } from "./topics.ts";

/**
 * A CloudEvents 1.0 event of one of our topics. On Kafka it travels in binary mode: attributes as `ce_` headers,
 * `content-type`, the JSON of `data` as the value, `key` from `partitionkey`.
 */
export interface RongheEvent<T extends DataTopic = DataTopic> {
  /** Fixed before the first attempt to publish: consumers drop a repeated (source, id). */
  readonly id: string;
  readonly type: T;
  /** `/ronghe/<component>[/<instance>]`. */
  readonly source: string;
  /** Instant the event speaks of, ms; travels as RFC 3339 in `ce_time`. */
  readonly timeMs: number;
  readonly subject?: string;
  readonly key: string;
  /** Ledger entry that records it (`ce_ledgerlog`, `ce_ledgerseq`). */
  readonly ledger?: { readonly log: string; readonly index: bigint };
  readonly data: EventData<T>;
}

/** An event of some topic; `type` tells which data it has. */
export type AnyEvent = { [T in DataTopic]: RongheEvent<T> }[DataTopic];

/** An event as its writer makes it: every value of an open list is a known one. */
export type WrittenEvent<T extends DataTopic = DataTopic> = Omit<RongheEvent<T>, "data"> & { readonly data: WrittenData<T> };

/** A written event of some topic. */
export type AnyWrittenEvent = { [T in DataTopic]: WrittenEvent<T> }[DataTopic];
