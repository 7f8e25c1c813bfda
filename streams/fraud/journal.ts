/**
 * The journal says in which order events were judged; their bodies stay on the bus. Whoever has both has every verdict
 * again: a restart refills the windows, a replay repeats the alerts.
 */
import type { Crypto } from "../../core/crypto/port.ts";
import { toHex } from "../../core/protocol/bytes.ts";
import type { DeliveredRecord, EventBus } from "../bus/port.ts";
import { decodeEvent } from "../contracts/codec.ts";
import { eventKey } from "../contracts/event-key.ts";
import type { AnyEvent } from "../contracts/event.ts";
import { readAs } from "../contracts/unknown-fields.ts";
import { FraudState, type HeldRow, oldestMsKept, type PastAlert } from "./engine/evaluate.ts";
import { INPUT_TOPICS, type InputTopic } from "./engine/inputs.ts";
import type { Ruleset } from "./engine/program.ts";

export interface JournalEntry {
  readonly position: number;
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly atMs: number;
  /** SM3 of source and id, hex: another event may stand at the place by now, where a partition counts anew. */
  readonly eventKey: string;
  /** Fields whose values were read as unknown when it was judged. */
  readonly unknown: readonly string[];
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
  /** From where on nothing rests on records that are lost; `undefined` while none is. */
  lastGap(): Promise<{ readonly position: number; readonly watermarkMs: number } | undefined>;
  /** Alerts raised before a journal position. */
  alertsBefore(position: number): Promise<readonly PastAlert[]>;
}
export interface JournalQuery {
  readonly after: number;
  readonly upTo: number;
  readonly fromMs?: number;
  readonly limit: number;
}

/** A judged event, read again; without `event` when the bus no longer holds it as it was. */
export interface JournaledEvent {
  readonly entry: JournalEntry;
  readonly event?: AnyEvent;
}

const PAGE = 1_000;
/** Records read ahead, over all partitions and of one. */
const AHEAD_ALL = 50_000;
const AHEAD_MAX = 4_000;
const AHEAD_MIN = 500;
const OFFSET_END = 2n ** 63n;

export interface JournalSource {
  readonly bus: Pick<EventBus, "read">;
  readonly journal: Journal;
  readonly crypto: Pick<Crypto, "sm3">;
}

/** Walks the journal and reads each event from the bus. */
export async function* journaledEvents(
  { bus, journal, crypto }: JournalSource,
  query: Omit<JournalQuery, "limit">,
): AsyncGenerator<JournaledEvent> {
  const reader = new ReadAhead(bus);
  for (let after = query.after; ;) {
    const entries = await journal.taken({ ...query, after, limit: PAGE });
    const last = entries.at(-1);
    if (last === undefined) return;
    for (const entry of entries) {
      const record = await reader.at(entry);
      const event = record === undefined ? undefined : decodeEvent(record);
      const same = event?.ok === true && toHex(eventKey(crypto, event.value)) === entry.eventKey;
      yield same ? { entry, event: readAs(event.value, entry.unknown) } : { entry };
    }
    after = last.position;
  }
}

/** The records of a partition from `from` up to before `next`; what is not among them is not on the bus. */
interface Ahead {
  readonly records: ReadonlyMap<bigint, DeliveredRecord>;
  readonly from: bigint;
  readonly next: bigint;
}

/**
 * A page of the journal holds few records of each partition, and a fetch costs the same for one as for thousands: what
 * a fetch brought is kept until the journal comes to it.
 */
class ReadAhead {
  readonly #bus: Pick<EventBus, "read">;
  readonly #partitions = new Map<string, Ahead>();

  constructor(bus: Pick<EventBus, "read">) {
    this.#bus = bus;
  }

  async at({ topic, partition, offset }: JournalEntry): Promise<DeliveredRecord | undefined> {
    const name = `${topic}/${partition}`;
    const known = this.#partitions.get(name);
    if (known !== undefined && known.from <= offset && offset < known.next) return known.records.get(offset);
    const limit = Math.min(AHEAD_MAX, Math.max(AHEAD_MIN, Math.trunc(AHEAD_ALL / (this.#partitions.size + 1))));
    const records = await this.#bus.read(topic, partition, offset, limit);
    const last = records.at(-1);
    this.#partitions.set(name, {
      records: new Map(records.map((record) => [record.offset, record])),
      from: offset,
      // Nothing at all is left from here on: later places are not asked for one by one.
      next: last === undefined ? OFFSET_END : last.offset + 1n,
    });
    return records[0]?.offset === offset ? records[0] : undefined;
  }
}

export interface RestoreOptions extends JournalSource {
  readonly crypto: Crypto;
  readonly ruleset: Ruleset;
  /** The journal position to stand at. */
  readonly position: number;
  readonly watermarkMs: number;
  /** The state at an earlier position under the same rules. */
  readonly snapshot?: { readonly position: number; readonly rows: Iterable<HeldRow> };
  /** Told of a record in reach of the windows that the bus no longer holds. */
  readonly onLost: (entry: JournalEntry) => void;
  /** Alerts raised up to `position` at or after an instant. */
  readonly alertsSince: (fromMs: number) => Promise<readonly PastAlert[]> | readonly PastAlert[];
}

/**
 * The engine's state at a journal position: the events its windows can still reach, taken in again without judging,
 * and the alerts that still silence a key. Reads back no further than the widest window, and from a snapshot only what
 * came after it.
 */
export async function restoreState(options: RestoreOptions): Promise<FraudState> {
  const { crypto, ruleset, position, watermarkMs, snapshot } = options;
  const state = new FraudState(ruleset, crypto);
  if (snapshot !== undefined) state.load(snapshot.rows);
  const fromMs = ruleset.retentionMs.map((retentionMs) => oldestMsKept(watermarkMs, retentionMs));
  const query = { after: snapshot?.position ?? 0, upTo: position, fromMs: Math.min(...fromMs) };
  for await (const { entry, event } of journaledEvents(options, query)) {
    const from = fromMs[INPUT_TOPICS.indexOf(entry.topic as InputTopic)];
    if (from === undefined || entry.atMs < from) continue;
    if (event === undefined) options.onLost(entry);
    else state.remember(event);
  }
  state.advanceTo(watermarkMs);
  state.rememberAlerts(await options.alertsSince(state.coolingFromMs()));
  return state;
}

/** Judged events whose bodies are lost, and how long windows can still reach them. */
export class LostEvents {
  readonly #positions = new Set<number>();
  readonly #latestMs = new Map<string, number>();

  get count(): number {
    return this.#positions.size;
  }

  add({ position, topic, atMs }: JournalEntry): void {
    this.#positions.add(position);
    this.#latestMs.set(topic, Math.max(this.#latestMs.get(topic) ?? -1, atMs));
  }

  /** Whether a verdict at this watermark may rest on one of them. */
  inReach(ruleset: Ruleset, watermarkMs: number): boolean {
    return INPUT_TOPICS.some((topic, at) => {
      const latestMs = this.#latestMs.get(topic);
      return latestMs !== undefined && latestMs >= oldestMsKept(watermarkMs, ruleset.retentionMs[at] ?? 0);
    });
  }
}
