/**
 * Where a service begins in a partition that it was given. A topic that was deleted and made again, a partition that was
 * emptied, a bus put back from an older copy: each counts its offsets again from below where the service stands, and what
 * comes would pass for what was read. Then it begins at the first record that is there. Nothing is taken twice by that:
 * an event is known by source and id, wherever it stands.
 */
import { decodeEvent } from "./contracts/codec.ts";
import type { AnyEvent } from "./contracts/event.ts";
import type { DeliveredRecord, EventBus, Slice } from "./bus/port.ts";
import type { Database, Statement } from "../migrations/database.ts";
import type { Gap, StreamService } from "./gap.ts";

export interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
}

/** Whether the service read this record at this place, as far as it can remember; `event` is absent when it is none. */
export type Memory = (record: DeliveredRecord, event: AnyEvent | undefined) => Promise<boolean>;

/**
 * Whether the partition counts anew below `next`, asked when it is given: it ends before, or holds another record than
 * the one that was read last. A record that is no longer there says nothing: retention takes the oldest first.
 */
export async function countsAnew(bus: Pick<EventBus, "read" | "endOffsets">, next: Place, memory: Memory): Promise<boolean> {
  const { topic, partition, offset } = next;
  if (offset === 0n) return false;
  const end = (await bus.endOffsets(topic))[partition] ?? 0n;
  if (end < offset) return true;
  const [last] = await bus.read(topic, partition, offset - 1n, 1);
  return last?.offset === offset - 1n && !(await wasRead(last, memory));
}

/**
 * Whether a slice that begins below where the service stands is of a partition that counts anew, rather than delivered
 * again: then every record below was read.
 */
export async function sliceCountsAnew(slice: Slice, nextOffset: bigint, memory: Memory): Promise<boolean> {
  for (const record of slice.records) if (record.offset < nextOffset && !(await wasRead(record, memory))) return true;
  return false;
}

async function wasRead(record: DeliveredRecord, memory: Memory): Promise<boolean> {
  const event = decodeEvent(record);
  return await memory(record, event.ok ? event.value : undefined);
}

/** The first record of a partition that the service has not taken; 0 before the first. */
export async function readOffset(db: Pick<Database, "read">, service: StreamService, topic: string, partition: number): Promise<bigint> {
  const [row] = await db.read(`SELECT next_offset FROM ${service}_offset WHERE topic = ? AND partition = ?`, topic, partition);
  return row === undefined ? 0n : BigInt(String(row["next_offset"]));
}

/** Forward only: what is delivered again moves nothing. */
export function moveOffsets(service: StreamService, places: readonly Place[]): readonly Statement[] {
  return places.map((place) => offsetStatement(service, place, "max(next_offset, excluded.next_offset)"));
}

/** Back to where a partition that counts anew begins. */
export function putOffset(service: StreamService, place: Place): Statement {
  return offsetStatement(service, place, "excluded.next_offset");
}

function offsetStatement(service: StreamService, { topic, partition, offset }: Place, next: string): Statement {
  return {
    sql: `INSERT INTO ${service}_offset (topic, partition, next_offset) VALUES (?, ?, ?)
          ON CONFLICT (topic, partition) DO UPDATE SET next_offset = ${next}`,
    args: [topic, partition, offset],
  };
}

/** The finding: how many records the old count still had when it ended, nobody can say. */
export function restartGap(service: StreamService, { topic, partition, offset }: Place, atMs: number): Gap {
  const places = { topic, partition, fromOffset: offset, toOffset: offset, records: 0 };
  return { service, kind: "restarted", ...places, position: 0, watermarkMs: -1, untilMs: atMs };
}
