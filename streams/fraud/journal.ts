/**
 * The journal says in which order events were judged; their bodies stay on the bus. Whoever has both has every verdict
 * again: a restart refills the windows, a replay repeats the alerts.
 */
import type { Crypto } from "../../core/crypto/port.ts";
import type { DeliveredRecord, EventBus } from "../bus/port.ts";
import { decodeEvent } from "../contracts/codec.ts";
import type { AnyEvent } from "../contracts/event.ts";
import { FraudState, oldestMsKept, type PastAlert } from "./engine/evaluate.ts";
import { INPUT_TOPICS, type InputTopic } from "./engine/inputs.ts";
import type { Ruleset } from "./engine/program.ts";

export interface JournalEntry {
  readonly position: number;
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly atMs: number;
}

/** Which definitions judged from a position on. */
export interface RulesetEntry {
  readonly fromPosition: number;
  readonly digest: string;
  readonly definitions: readonly unknown[];
}

export interface Journal {
  /** Events that were judged, in order: positions after `after` up to `upTo`, event time from `fromMs` on, at most `limit`. */
  taken(query: JournalQuery): Promise<readonly JournalEntry[]>;
  rulesets(): Promise<readonly RulesetEntry[]>;
}
export interface JournalQuery {
  readonly after: number;
  readonly upTo: number;
  readonly fromMs?: number;
  readonly limit: number;
}

export interface JournaledEvent {
  readonly position: number;
  readonly event: AnyEvent;
}

/** The bus lost or changed a record that the journal names: nothing can be judged again from here. */
export class JournalGapError extends Error {
  override readonly name = "JournalGapError";
}

const PAGE = 1_000;
const READ_MAX = 500;

/** Walks the journal and reads each event from the bus. */
export async function* journaledEvents(
  bus: Pick<EventBus, "read">,
  journal: Journal,
  query: Omit<JournalQuery, "limit">,
): AsyncGenerator<JournaledEvent> {
  for (let after = query.after; ;) {
    const entries = await journal.taken({ ...query, after, limit: PAGE });
    const last = entries.at(-1);
    if (last === undefined) return;
    const records = await recordsOf(bus, entries);
    for (const entry of entries) {
      const record = records.get(placeOf(entry));
      const event = record === undefined ? undefined : decodeEvent(record);
      if (event === undefined || !event.ok)
        throw new JournalGapError(`the bus no longer holds ${entry.topic}/${entry.partition}/${entry.offset}, which was judged`);
      yield { position: entry.position, event: event.value };
    }
    after = last.position;
  }
}

async function recordsOf(bus: Pick<EventBus, "read">, entries: readonly JournalEntry[]): Promise<ReadonlyMap<string, DeliveredRecord>> {
  const ranges = new Map<string, { topic: string; partition: number; from: bigint; to: bigint }>();
  for (const { topic, partition, offset } of entries) {
    const name = `${topic}/${partition}`;
    const range = ranges.get(name);
    if (range === undefined) ranges.set(name, { topic, partition, from: offset, to: offset });
    else {
      if (offset < range.from) range.from = offset;
      if (offset > range.to) range.to = offset;
    }
  }
  const wanted = new Set(entries.map(placeOf));
  const found = new Map<string, DeliveredRecord>();
  for (const { topic, partition, from, to } of ranges.values()) {
    for (let offset = from; offset <= to;) {
      const records = await bus.read(topic, partition, offset, READ_MAX);
      for (const record of records) if (wanted.has(placeOf(record))) found.set(placeOf(record), record);
      const last = records.at(-1);
      if (last === undefined) break;
      offset = last.offset + 1n;
    }
  }
  return found;
}

function placeOf({ topic, partition, offset }: Pick<JournalEntry, "topic" | "partition" | "offset">): string {
  return `${topic}/${partition}/${offset}`;
}

export interface RestoreOptions {
  readonly bus: Pick<EventBus, "read">;
  readonly journal: Journal;
  readonly crypto: Crypto;
  readonly ruleset: Ruleset;
  /** The journal position to stand at. */
  readonly position: number;
  readonly watermarkMs: number;
  /** Alerts raised up to `position` at or after an instant. */
  readonly alertsSince: (fromMs: number) => Promise<readonly PastAlert[]> | readonly PastAlert[];
}

/**
 * The engine's state at a journal position: the events its windows can still reach, taken in again without judging,
 * and the alerts that still silence a key. Reads back no further than the widest window.
 */
export async function restoreState(options: RestoreOptions): Promise<FraudState> {
  const { bus, journal, crypto, ruleset, position, watermarkMs } = options;
  const state = new FraudState(ruleset, crypto);
  const fromMs = ruleset.retentionMs.map((retentionMs) => oldestMsKept(watermarkMs, retentionMs));
  const query = { after: 0, upTo: position, fromMs: Math.min(...fromMs) };
  for await (const { event } of journaledEvents(bus, journal, query)) {
    const from = fromMs[INPUT_TOPICS.indexOf(event.type as InputTopic)];
    if (from === undefined || !("atMs" in event.data) || event.data.atMs < from) continue;
    state.remember(event);
  }
  state.rememberAlerts(await options.alertsSince(state.coolingFromMs()));
  return state;
}
