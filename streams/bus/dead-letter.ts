/** Records that can never be handled: put aside where an operator finds them, so that what follows goes on. */
import { deadLetterTopic } from "../contracts/topics.ts";
import type { BusRecord, EventBus, Poison } from "./port.ts";
import { DeadLetterNotes } from "./dead-letter-notes.ts";
import type { BusLog } from "./log.ts";
import { KEY_LENGTH_MAX, sizeRefusal } from "./record-limits.ts";

export interface DeadLetterOptions {
  /** Name and version of the consumer, such as `core/0.1.0`; tells who could not read it. */
  readonly consumer: string;
  /** Told of reasons and numbers, never of content. */
  readonly log?: BusLog | undefined;
}

/** Headers a dead letter carries beside the record's own. */
export const DEAD_LETTER_HEADERS = {
  topic: "dlq_topic",
  partition: "dlq_partition",
  offset: "dlq_offset",
  timestamp: "dlq_timestamp_ms",
  error: "dlq_error",
  consumer: "dlq_consumer",
  /** Only in a letter that had to leave the record's content and headers where they were: how long the content is. */
  bytes: "dlq_value_bytes",
  /** Only in the letter of a whole batch that could not be read: how many records it held, the last at `dlq_offset`. */
  records: "dlq_records",
  /** Only in the marker of a replay: where in its partition the record stands a second time. */
  replayed: "dlq_replayed",
} as const;

const LETTER_HEADERS: ReadonlySet<string> = new Set(Object.values(DEAD_LETTER_HEADERS));

/** The headers of the record itself: what it says in a letter's name is nobody's word. */
function withoutLetterHeaders(headers: BusRecord["headers"]): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !LETTER_HEADERS.has(name)));
}

/** The dead-letter topics to be created beside `topics`, one partition each: order across keys costs nothing here. */
export function deadLetterTopics(topics: readonly string[]): { readonly name: string; readonly partitions: number }[] {
  return topics.map((topic) => ({ name: deadLetterTopic(topic), partitions: 1 }));
}

/**
 * Puts aside what a consumer cannot handle of a slice: all of it in one publish, so that a flood costs a reader no more than
 * as many good records would. Once that is durable, the consumer moves its own offset past the whole slice, with a quarantine
 * marker for each record, in one transaction: a crash in between writes the letters again and loses nothing.
 */
export class DeadLetters {
  readonly #bus: Pick<EventBus, "publish">;
  readonly #consumer: string;
  readonly #notes: DeadLetterNotes;

  constructor(bus: Pick<EventBus, "publish">, { consumer, log }: DeadLetterOptions) {
    this.#bus = bus;
    this.#consumer = consumer;
    this.#notes = new DeadLetterNotes(log, consumer);
  }

  /** Resolves when a letter of each is durable, in their order. Throws when not: nothing may be skipped, the slice comes again. */
  async bury(poison: readonly Poison[]): Promise<void> {
    if (poison.length === 0) return;
    const verdicts = await this.#bus.publish(poison.map((one) => letterOf(this.#consumer, one)));
    // This bus, or this topic, takes less than the record has: a letter without its content tells where it stands.
    const tooLarge = poison.filter((_, at) => verdicts[at]?.kind === "fatal");
    const shorter = tooLarge.length === 0 ? [] : await this.#bus.publish(tooLarge.map((one) => shortLetterOf(this.#consumer, one)));
    const missing = [...verdicts.filter((verdict) => verdict.kind !== "fatal"), ...shorter].find(({ kind }) => kind !== "ok");
    if (missing !== undefined && missing.kind !== "ok") throw new Error(`no dead letter: ${missing.reason}`);
    if (verdicts.length !== poison.length) throw new Error("no dead letter: no verdict");
    for (const { record, errorClass } of poison) this.#notes.add(record.topic, errorClass, record.unreadable?.records);
  }
}

/** The record with the reason in its headers; without its content where no bus would take that. */
export function letterOf(consumer: string, put: Poison): BusRecord {
  const { key, value, headers } = put.record;
  const letter = {
    topic: deadLetterTopic(put.record.topic),
    key,
    value,
    headers: { ...withoutLetterHeaders(headers), ...placeHeaders(consumer, put) },
  };
  return sizeRefusal(letter) === undefined ? letter : shortLetterOf(consumer, put);
}

function shortLetterOf(consumer: string, put: Poison): BusRecord {
  const { topic, key, value } = put.record;
  const headers = { ...placeHeaders(consumer, put), [DEAD_LETTER_HEADERS.bytes]: String(value.length) };
  return { topic: deadLetterTopic(topic), key: key.slice(0, KEY_LENGTH_MAX), value: new Uint8Array(0), headers };
}

function placeHeaders(consumer: string, { record, errorClass }: Poison): Record<string, string> {
  const { unreadable } = record;
  return {
    [DEAD_LETTER_HEADERS.topic]: record.topic,
    [DEAD_LETTER_HEADERS.partition]: String(record.partition),
    [DEAD_LETTER_HEADERS.offset]: String(record.offset),
    [DEAD_LETTER_HEADERS.timestamp]: String(record.timestampMs),
    [DEAD_LETTER_HEADERS.error]: errorClass,
    [DEAD_LETTER_HEADERS.consumer]: consumer,
    ...(unreadable === undefined ? {} : { [DEAD_LETTER_HEADERS.records]: String(unreadable.records) }),
  };
}
