/**
 * Records that were put aside, on their topics again: same key, partition, headers and content, so same event id, and
 * whoever has taken one already drops the repeat. A letter only says where: what is published is the record that still
 * stands there, never a letter's copy, which whoever may write letters could have invented.
 */
import type { DeadLetterReason } from "../contracts/dead-letter-reasons.ts";
import { type Letter, lettersOf, markerOf, placeName, type RecordPlace, type ReplayMarker } from "./letters.ts";
import { KEY_LENGTH_MAX } from "./record-limits.ts";
import type { DeliveredRecord, EventBus } from "./port.ts";

export type ReplayOutcome =
  | { readonly kind: "replayed"; readonly place: RecordPlace; readonly again: bigint }
  /** A marker says so, and the record stands there. */
  | { readonly kind: "already"; readonly place: RecordPlace; readonly again: bigint }
  /** It would be put aside again, or the topic no longer holds it. */
  | { readonly kind: "refused"; readonly place: RecordPlace; readonly reason: DeadLetterReason | "recordGone" }
  /** The bus did not take it now; nothing is known to be lost. */
  | { readonly kind: "failed"; readonly place: RecordPlace; readonly reason: string };

export interface ReplayLettersOptions {
  readonly bus: EventBus;
  readonly topic: string;
  /** Which letters; all by default. */
  readonly wanted?: (letter: Letter) => boolean;
  /** Why this consumer would put the record aside again, if so. */
  readonly stillUnfit: (record: DeliveredRecord, consumer: string) => DeadLetterReason | undefined;
}

/** One outcome per record, in the order in which they were put aside. */
export async function* replayLetters(options: ReplayLettersOptions): AsyncGenerator<ReplayOutcome> {
  const { bus, topic, wanted = () => true } = options;
  const records = new Map<string, { readonly place: RecordPlace; readonly consumers: Set<string> }>();
  const markers = new Map<string, ReplayMarker[]>();
  for await (const { read } of lettersOf(bus, topic)) {
    if (read?.kind === "replayed") markers.set(placeName(read.place), [...(markers.get(placeName(read.place)) ?? []), read]);
    if (read?.kind !== "letter" || !wanted(read)) continue;
    const known = records.get(placeName(read.place)) ?? { place: read.place, consumers: new Set() };
    known.consumers.add(read.consumer);
    records.set(placeName(read.place), known);
  }
  for (const [name, { place, consumers }] of records) yield await replayOne(options, place, consumers, markers.get(name) ?? []);
}

async function replayOne(
  { bus, stillUnfit }: ReplayLettersOptions,
  place: RecordPlace,
  consumers: ReadonlySet<string>,
  markers: readonly ReplayMarker[],
): Promise<ReplayOutcome> {
  const record = await standingAt(bus, place);
  if (record === undefined) return { kind: "refused", place, reason: "recordGone" };
  for (const { again } of markers) {
    const second = again > place.offset ? await standingAt(bus, { ...place, offset: again }) : undefined;
    // A marker is anybody's word too: it counts where the record really stands again.
    if (second !== undefined && isSame(record, second)) return { kind: "already", place, again };
  }
  for (const consumer of consumers) {
    const reason = stillUnfit(record, consumer);
    if (reason !== undefined) return { kind: "refused", place, reason };
  }
  const { topic, partition, key, headers, value } = record;
  const [verdict] = await bus.publish([{ topic, partition, key, headers, value }]);
  if (verdict?.kind !== "ok") return { kind: "failed", place, reason: verdict?.reason ?? "no verdict" };
  const again = verdict.offset;
  const [marked] = await bus.publish([markerOf(place, key.slice(0, KEY_LENGTH_MAX), again)]);
  // Without its marker it would only be put there once more, as any repeat.
  if (marked?.kind !== "ok") return { kind: "failed", place, reason: `replayed, and not marked: ${marked?.reason ?? "no verdict"}` };
  return { kind: "replayed", place, again };
}

async function standingAt(bus: EventBus, { topic, partition, offset }: RecordPlace): Promise<DeliveredRecord | undefined> {
  const [record] = await bus.read(topic, partition, offset, 1);
  return record?.offset === offset ? record : undefined;
}

function isSame(one: DeliveredRecord, other: DeliveredRecord): boolean {
  return one.key === other.key && headersOf(one) === headersOf(other) && Buffer.compare(one.value, other.value) === 0;
}

function headersOf({ headers }: DeliveredRecord): string {
  return JSON.stringify(Object.entries(headers).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
