/** Records that can never be handled: put aside where an operator finds them, so that what follows goes on. */
import { deadLetterTopic } from "../contracts/topics.ts";
import type { BusRecord, DeliveredRecord, EventBus, Slice, SliceControl, SliceHandler } from "./port.ts";
import { DeadLetterNotes } from "./dead-letter-notes.ts";
import type { BusLog } from "./log.ts";
import { sizeRefusal } from "./record-limits.ts";

/**
 * Thrown by a handler that did nothing of its slice, because of one record that no repetition will make good:
 * undecodable, or breaking its contract. `errorClass` is a name such as `schemaMismatch`; the error's own text stays
 * out, it may quote the record.
 */
export class PoisonError extends Error {
  override readonly name = "PoisonError";
  readonly record: DeliveredRecord;
  readonly errorClass: string;

  constructor(record: DeliveredRecord, errorClass: string) {
    if (!/^[A-Za-z][A-Za-z0-9._-]{0,63}$/.test(errorClass)) throw new RangeError("an error class is a short name");
    super(`${errorClass} at ${record.topic}/${record.partition}/${record.offset}`);
    this.record = record;
    this.errorClass = errorClass;
  }
}

export interface Quarantined {
  readonly record: DeliveredRecord;
  readonly errorClass: string;
  readonly attempts: number;
  readonly deadLetterTopic: string;
}

export interface DeadLetterOptions {
  /** Name and version of the consumer, such as `core/0.1.0`; tells who could not read it. */
  readonly consumer: string;
  /** How often one record may be called poison before it is put aside (default 1). */
  readonly maxAttempts?: number;
  /** Told of reasons and numbers, never of content. */
  readonly log?: BusLog | undefined;
  /**
   * Told after the dead letter is durable, before the rest of the slice: the consumer writes its quarantine marker
   * and moves its own offset past the record, so that a replay skips the same one (analytics notes 4.4).
   */
  readonly onQuarantine?: (quarantined: Quarantined, control: SliceControl) => Promise<void>;
}

/** Headers a dead letter carries beside the record's own. */
export const DEAD_LETTER_HEADERS = {
  topic: "dlq_topic",
  partition: "dlq_partition",
  offset: "dlq_offset",
  timestamp: "dlq_timestamp_ms",
  error: "dlq_error",
  attempts: "dlq_attempts",
  consumer: "dlq_consumer",
  /** Only in a letter that had to leave the record's content and headers where they were: how long the content is. */
  bytes: "dlq_value_bytes",
  /** Only in the letter of a whole batch that could not be read: how many records it held, the last at `dlq_offset`. */
  records: "dlq_records",
} as const;

const KEY_LENGTH_MAX = 1_000;

/** The dead-letter topics to be created beside `topics`, one partition each: order across keys costs nothing here. */
export function deadLetterTopics(topics: readonly string[]): { readonly name: string; readonly partitions: number }[] {
  return topics.map((topic) => ({ name: deadLetterTopic(topic), partitions: 1 }));
}

/**
 * Wraps a handler: on a {@link PoisonError} the record goes to its topic's dead letters, the consumer is told, and the
 * slice goes on without it. Any other error passes: the slice comes again, since an outage is no reason to skip.
 */
export function withDeadLetters(bus: Pick<EventBus, "publish">, options: DeadLetterOptions, handler: SliceHandler): SliceHandler {
  const { maxAttempts = 1, onQuarantine } = options;
  const notes = new DeadLetterNotes(options.log, options.consumer);
  return async function handleOrQuarantine(slice: Slice, control: SliceControl): Promise<void> {
    const attempts = new Map<bigint, number>();
    let records = slice.records;
    while (records.length > 0) {
      try {
        await handler({ ...slice, records }, control);
        return;
      } catch (error) {
        if (!(error instanceof PoisonError)) throw error;
        const { record, errorClass } = error;
        if (!records.includes(record)) throw new Error("the poison record is not of this slice", { cause: error });
        const tried = (attempts.get(record.offset) ?? 0) + 1;
        attempts.set(record.offset, tried);
        if (tried < maxAttempts) continue;
        const quarantined = { record, errorClass, attempts: tried, deadLetterTopic: deadLetterTopic(record.topic) };
        await bury(bus, options.consumer, quarantined);
        await onQuarantine?.(quarantined, control);
        notes.add(record.topic, errorClass, record.unreadable?.records);
        records = records.filter(({ offset }) => offset !== record.offset);
      }
    }
  };
}

async function bury(bus: Pick<EventBus, "publish">, consumer: string, quarantined: Quarantined): Promise<void> {
  let [verdict] = await bus.publish([letterOf(consumer, quarantined)]);
  // This bus, or this topic, takes less than the record has: a letter without its content tells where it stands.
  if (verdict?.kind === "fatal") [verdict] = await bus.publish([shortLetterOf(consumer, quarantined)]);
  // Nothing was put aside, so nothing is skipped: the slice comes again.
  if (verdict?.kind !== "ok") throw new Error(`no dead letter: ${verdict?.reason ?? "no verdict"}`);
}

/** The record with the reason in its headers; without its content where no bus would take that. */
export function letterOf(consumer: string, put: Omit<Quarantined, "deadLetterTopic">): BusRecord {
  const { key, value, headers } = put.record;
  const letter = { topic: deadLetterTopic(put.record.topic), key, value, headers: { ...headers, ...placeHeaders(consumer, put) } };
  return sizeRefusal(letter) === undefined ? letter : shortLetterOf(consumer, put);
}

function shortLetterOf(consumer: string, put: Omit<Quarantined, "deadLetterTopic">): BusRecord {
  const { topic, key, value } = put.record;
  const headers = { ...placeHeaders(consumer, put), [DEAD_LETTER_HEADERS.bytes]: String(value.length) };
  return { topic: deadLetterTopic(topic), key: key.slice(0, KEY_LENGTH_MAX), value: new Uint8Array(0), headers };
}

function placeHeaders(consumer: string, { record, errorClass, attempts }: Omit<Quarantined, "deadLetterTopic">): Record<string, string> {
  const { unreadable } = record;
  return {
    [DEAD_LETTER_HEADERS.topic]: record.topic,
    [DEAD_LETTER_HEADERS.partition]: String(record.partition),
    [DEAD_LETTER_HEADERS.offset]: String(record.offset),
    [DEAD_LETTER_HEADERS.timestamp]: String(record.timestampMs),
    [DEAD_LETTER_HEADERS.error]: errorClass,
    [DEAD_LETTER_HEADERS.attempts]: String(attempts),
    [DEAD_LETTER_HEADERS.consumer]: consumer,
    ...(unreadable === undefined ? {} : { [DEAD_LETTER_HEADERS.records]: String(unreadable.records) }),
  };
}
