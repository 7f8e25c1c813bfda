/** Dead letters, read: whose they are, why, and which records have been put on their topics again. */
import { knownReason } from "../contracts/dead-letter-reasons.ts";
import { deadLetterTopic } from "../contracts/topics.ts";
import { DEAD_LETTER_HEADERS } from "./dead-letter.ts";
import type { BusRecord, DeliveredRecord, EventBus } from "./port.ts";

/** Where a record stands. */
export interface RecordPlace {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
}

export interface Letter {
  readonly kind: "letter";
  /** Of the record that was put aside. */
  readonly place: RecordPlace;
  readonly reason: ReturnType<typeof knownReason>;
  readonly consumer: string;
  /** When it was put aside, ms. */
  readonly atMs: number;
  /** How many records it stands for: more than one is a batch that could not be unpacked. */
  readonly records: number;
  readonly record: DeliveredRecord;
}

/** Says that the record at `place` was put on its topic again, at `again` in the same partition. */
export interface ReplayMarker {
  readonly kind: "replayed";
  readonly place: RecordPlace;
  readonly again: bigint;
}

const READ_MAX = 500;
const DECIMAL = /^\d{1,19}$/;
const PARTITION = /^\d{1,6}$/;
const CONSUMER = /^[0-9A-Za-z._/-]{1,64}$/;

/** `undefined` for what is neither: anybody may be able to write to the topic. */
export function readLetter(record: DeliveredRecord): Letter | ReplayMarker | undefined {
  const header = (name: keyof typeof DEAD_LETTER_HEADERS): string => record.headers[DEAD_LETTER_HEADERS[name]] ?? "";
  const topic = header("topic");
  if (deadLetterTopic(topic) !== record.topic || !PARTITION.test(header("partition")) || !DECIMAL.test(header("offset"))) return undefined;
  const place = { topic, partition: Number(header("partition")), offset: BigInt(header("offset")) };
  if (record.headers[DEAD_LETTER_HEADERS.replayed] !== undefined)
    return DECIMAL.test(header("replayed")) ? { kind: "replayed", place, again: BigInt(header("replayed")) } : undefined;
  const consumer = header("consumer");
  if (!CONSUMER.test(consumer)) return undefined;
  const records = PARTITION.test(header("records")) ? Math.max(1, Number(header("records"))) : 1;
  return { kind: "letter", place, reason: knownReason(header("error")), consumer, atMs: record.timestampMs, records, record };
}

/** Everything on the dead-letter topic of `topic` that stands there now, oldest first, from `fromOffset` on. */
export async function* lettersOf(
  bus: Pick<EventBus, "read" | "endOffsets">,
  topic: string,
  fromOffset: bigint = 0n,
): AsyncGenerator<{ readonly read: Letter | ReplayMarker | undefined; readonly offset: bigint }> {
  const letters = deadLetterTopic(topic);
  const [end = 0n] = await bus.endOffsets(letters);
  for (let from = fromOffset; from < end;) {
    const records = await bus.read(letters, 0, from, READ_MAX);
    const last = records.at(-1);
    if (last === undefined) return;
    for (const record of records) yield { read: readLetter(record), offset: record.offset };
    from = last.offset + 1n;
  }
}

export function markerOf(place: RecordPlace, key: string, again: bigint): BusRecord {
  return {
    topic: deadLetterTopic(place.topic),
    key,
    value: new Uint8Array(0),
    headers: {
      [DEAD_LETTER_HEADERS.topic]: place.topic,
      [DEAD_LETTER_HEADERS.partition]: String(place.partition),
      [DEAD_LETTER_HEADERS.offset]: String(place.offset),
      [DEAD_LETTER_HEADERS.replayed]: String(again),
    },
  };
}

export function placeName({ topic, partition, offset }: RecordPlace): string {
  return `${topic}/${partition}/${offset}`;
}
