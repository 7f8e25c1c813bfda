/**
 * Gaps: records that a topic no longer holds (retention, deleted records). Neither service ends for one; it is recorded
 * in the transaction that goes on without it, so that a supervisor sees what the figures and alerts do not rest on.
 */
import { type Database, insertRows, type Statement } from "../migrations/database.ts";
import type { BusLog } from "./bus/log.ts";
import type { Slice } from "./bus/port.ts";

export type StreamService = "fraud" | "supervision";

/**
 * `judged`: taken before, and needed again; `unread`: left the topic before the service came to it; `restarted`: the
 * partition counts its offsets anew from below `fromOffset`, and is read from its first record on.
 */
export type GapKind = "judged" | "unread" | "restarted";

export interface Gap {
  readonly service: StreamService;
  readonly kind: GapKind;
  readonly topic: string;
  readonly partition: number;
  readonly fromOffset: bigint;
  readonly toOffset: bigint;
  readonly records: number;
  /** The first journal position that was judged without them; 0 when nothing was judged of them. */
  readonly position: number;
  readonly watermarkMs: number;
  /** Nothing of what is lost is later: event time of the last one, or the bus's time of the first record that is left. */
  readonly untilMs: number;
}

/**
 * The records between where the service stands and the first that the topic still holds. Only asked of the first slice
 * after a start: later, a hole in the offsets is a transaction marker of somebody's.
 */
export function unreadGap(service: StreamService, slice: Slice, nextOffset: bigint): Gap | undefined {
  const first = slice.records[0];
  if (first === undefined || first.offset <= nextOffset) return undefined;
  const { topic, partition } = slice;
  const places = { topic, partition, fromOffset: nextOffset, toOffset: first.offset - 1n, records: Number(first.offset - nextOffset) };
  return { service, kind: "unread", ...places, position: 0, watermarkMs: -1, untilMs: first.timestampMs };
}

/** What a log says of a gap. */
const GAP_WORDS: Readonly<Record<GapKind, string>> = {
  judged: "a topic no longer holds records that were taken and are needed again; it goes on without them",
  unread: "records left a topic before the service came to them; it goes on without them",
  restarted: "a partition counts its offsets anew; it is read from its first record",
};

export function logGap(log: BusLog, { kind, topic, partition, fromOffset, toOffset, records }: Gap): void {
  log("error", GAP_WORDS[kind], { kind, topic, partition, fromOffset: String(fromOffset), toOffset: String(toOffset), records });
}

export function insertGaps(gaps: readonly Gap[]): readonly Statement[] {
  return insertRows(
    "stream_gap",
    ["service", "kind", "topic", "partition", "from_offset", "to_offset", "records", "position", "watermark_ms", "until_ms"],
    gaps.map((gap) => [
      gap.service,
      gap.kind,
      gap.topic,
      gap.partition,
      gap.fromOffset,
      gap.toOffset,
      gap.records,
      gap.position,
      gap.watermarkMs,
      gap.untilMs,
    ]),
    "ON CONFLICT DO NOTHING",
  );
}

function kindOf(kind: unknown): GapKind {
  return kind === "judged" || kind === "restarted" ? kind : "unread";
}

/** Every gap ever found, by place. */
export async function gapsOf(db: Pick<Database, "read">): Promise<readonly Gap[]> {
  const rows = await db.read("SELECT * FROM stream_gap ORDER BY service, topic, partition, from_offset");
  return rows.map((row) => ({
    service: row["service"] === "fraud" ? "fraud" : "supervision",
    kind: kindOf(row["kind"]),
    topic: String(row["topic"]),
    partition: Number(row["partition"]),
    fromOffset: BigInt(String(row["from_offset"])),
    toOffset: BigInt(String(row["to_offset"])),
    records: Number(row["records"]),
    position: Number(row["position"]),
    watermarkMs: Number(row["watermark_ms"]),
    untilMs: Number(row["until_ms"]),
  }));
}

export interface ServiceHealth {
  readonly service: StreamService;
  readonly state: "running" | "failed" | "stopped";
  /** Class of the error that ended it; empty while it runs. */
  readonly reason: string;
  readonly sinceMs: number;
}

export function moveService({ service, state, reason, sinceMs }: ServiceHealth): Statement {
  return {
    sql: `INSERT INTO stream_service (service, state, reason, since_ms) VALUES (?, ?, ?, ?)
          ON CONFLICT (service) DO UPDATE SET state = excluded.state, reason = excluded.reason, since_ms = excluded.since_ms`,
    args: [service, state, reason, sinceMs],
  };
}

export async function servicesOf(db: Pick<Database, "read">): Promise<readonly ServiceHealth[]> {
  const rows = await db.read("SELECT service, state, reason, since_ms FROM stream_service ORDER BY service");
  return rows.map((row) => ({
    service: row["service"] === "fraud" ? "fraud" : "supervision",
    state: row["state"] === "running" ? "running" : row["state"] === "failed" ? "failed" : "stopped",
    reason: String(row["reason"]),
    sinceMs: Number(row["since_ms"]),
  }));
}
