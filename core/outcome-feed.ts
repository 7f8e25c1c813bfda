/**
 * Outcomes for edges that reach no broker: the result topics read by position, each edge seeing its own institutions
 * only. The newest records are kept in memory, so that a thousand edges waiting at the end cost one reader; one that
 * comes from further back is read from the bus. The reader works only while somebody waits.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { DeliveredRecord, EventBus } from "../streams/bus/port.ts";
import { OUTCOME_TOPICS, type OutcomePosition } from "./protocol/ingest.ts";
import { ok, refused, type Result } from "./protocol/result.ts";

export interface OutcomeQuery {
  readonly serves: (institution: string) => boolean;
  /** Partitions left out begin at their first record. */
  readonly positions: readonly OutcomePosition[];
  readonly recordsMax: number;
  readonly waitMs: number;
}

export interface OutcomePage {
  readonly records: readonly DeliveredRecord[];
  /** Of every partition. */
  readonly positions: readonly OutcomePosition[];
}

export interface OutcomeFeed {
  /** `positionAhead`: a position lies behind the end of its partition, so the topic is another one than before. */
  read(query: OutcomeQuery): Promise<Result<OutcomePage, "positionAhead">>;
  /** Ends the waiting of all readers. */
  close(): void;
}

type OutcomeTopic = (typeof OUTCOME_TOPICS)[number];
interface Cursor {
  readonly topic: OutcomeTopic;
  readonly partition: number;
  next: bigint;
}
interface Tail {
  /** Offset of the first record kept. */
  from: bigint;
  records: DeliveredRecord[];
}

/** How often the end is looked for while somebody waits. */
const TICK_MS = 100;
/** Records looked at for one answer; most belong to other edges. */
const SCANNED_MAX = 2_000;
const PAGE = 500;
/** Records kept per partition. */
const TAIL_MAX = 2_000;

export function createOutcomeFeed(bus: Pick<EventBus, "read" | "endOffsets">): OutcomeFeed {
  const tails = new Map<string, Tail>();
  const closing = new AbortController();
  let looking: Promise<ReadonlyMap<string, bigint>> | undefined;
  let seen: { readonly ends: ReadonlyMap<string, bigint>; readonly atMs: number } | undefined;

  /** Ends of all partitions, and the tails brought up to them; shared by all who ask within a tick. */
  async function look(): Promise<ReadonlyMap<string, bigint>> {
    if (seen !== undefined && performance.now() - seen.atMs < TICK_MS) return seen.ends;
    looking ??= lookNow().finally(() => (looking = undefined));
    const ends = await looking;
    seen = { ends, atMs: performance.now() };
    return ends;
  }

  async function lookNow(): Promise<ReadonlyMap<string, bigint>> {
    const ends = new Map<string, bigint>();
    for (const topic of OUTCOME_TOPICS)
      for (const [partition, end] of (await bus.endOffsets(topic)).entries()) {
        ends.set(placeOf(topic, partition), end);
        await extend(topic, partition, end);
      }
    return ends;
  }

  async function extend(topic: OutcomeTopic, partition: number, end: bigint): Promise<void> {
    const place = placeOf(topic, partition);
    const tail = tails.get(place);
    const upTo = tail === undefined ? end : tail.from + BigInt(tail.records.length);
    if (tail === undefined || end - upTo > TAIL_MAX || end < upTo) {
      tails.set(place, { from: end, records: [] });
      return;
    }
    let next = upTo;
    while (next < end) {
      const page = await bus.read(topic, partition, next, PAGE);
      // Offsets of a partition may have gaps; a tail has none, so it starts anew behind one.
      if (page.length === 0 || page.some(({ offset }, at) => offset !== next + BigInt(at))) {
        tails.set(place, { from: end, records: [] });
        return;
      }
      tail.records.push(...page);
      next += BigInt(page.length);
    }
    const surplus = tail.records.length - TAIL_MAX;
    if (surplus > 0) {
      tail.records.splice(0, surplus);
      tail.from += BigInt(surplus);
    }
  }

  async function page({ topic, partition, next }: Cursor, limit: number): Promise<readonly DeliveredRecord[]> {
    const tail = tails.get(placeOf(topic, partition));
    if (tail === undefined || next < tail.from) return await bus.read(topic, partition, next, limit);
    const at = Number(next - tail.from);
    return tail.records.slice(at, at + limit);
  }

  /** Moves the cursors over what is there; true when it stopped for another reason than the end. */
  async function scan(query: OutcomeQuery, cursors: readonly Cursor[], found: DeliveredRecord[]): Promise<boolean> {
    const ends = await look();
    let scanned = 0;
    for (const cursor of cursors) {
      const end = ends.get(placeOf(cursor.topic, cursor.partition)) ?? 0n;
      while (cursor.next < end) {
        if (found.length >= query.recordsMax || scanned >= SCANNED_MAX) return true;
        const records = await page(cursor, PAGE);
        if (records.length === 0) break;
        for (const record of records) {
          if (found.length >= query.recordsMax) return true;
          cursor.next = record.offset + 1n;
          scanned++;
          if (query.serves(record.key)) found.push(record);
        }
      }
    }
    return false;
  }

  return {
    async read(query) {
      const asked = new Map(query.positions.map(({ topic, partition, next }) => [placeOf(topic, partition), BigInt(next)]));
      const cursors: Cursor[] = [];
      const ends = await look();
      for (const topic of OUTCOME_TOPICS)
        for (let partition = 0; ends.has(placeOf(topic, partition)); partition++) {
          const next = asked.get(placeOf(topic, partition)) ?? 0n;
          // What was just looked at may be a tick old; a reader that is ahead of the real end stays so.
          if (next > (ends.get(placeOf(topic, partition)) ?? 0n) && next > ((await bus.endOffsets(topic))[partition] ?? 0n))
            return refused("positionAhead");
          cursors.push({ topic, partition, next });
        }
      const found: DeliveredRecord[] = [];
      const untilMs = performance.now() + query.waitMs;
      while (query.recordsMax > 0 && !(await scan(query, cursors, found)) && found.length === 0) {
        const leftMs = untilMs - performance.now();
        if (leftMs <= 0 || closing.signal.aborted) break;
        await sleep(Math.min(leftMs, TICK_MS), undefined, { signal: closing.signal }).catch(() => undefined);
      }
      return ok({ records: found, positions: cursors.map((cursor) => ({ ...cursor, next: String(cursor.next) })) });
    },
    close: () => closing.abort(),
  };
}

function placeOf(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}
