/** The outbox of one shard: rows of the tables that an edge's file has, in the shard's own storage. */
import type { OutboxRecord } from "../../streams/bus/outbox-port.ts";
import type { PublishVerdict } from "../../streams/bus/port.ts";
import type { Backlog } from "./bindings.ts";
import type { ObjectStorage, SqlValue } from "./storage.ts";

export interface WaitingRow extends OutboxRecord {
  readonly seq: number;
  readonly createdAtMs: number;
}
type Publish = (records: readonly OutboxRecord[]) => Promise<readonly PublishVerdict[]>;

const BATCH_ROWS = 500;
const BATCH_BYTES = 256 * 1024;
/** Bindings of one statement, under the runtime's 100. */
const LIST_MAX = 90;

export class ShardOutbox {
  readonly #storage: ObjectStorage;
  #depth: number;
  #bus: Backlog["bus"] = "there";

  constructor(storage: ObjectStorage) {
    this.#storage = storage;
    this.#depth = Number(storage.sql.exec("SELECT count(*) AS n FROM outbox").toArray()[0]?.["n"]);
  }

  /** Within the caller's transaction; {@link committed} says that it held. */
  append(records: readonly OutboxRecord[], nowMs: number): void {
    for (const { eventId, topic, key, headers, value } of records)
      this.#storage.sql.exec(
        "INSERT INTO outbox (event_id, topic, key, headers, value, created_at_ms) VALUES (?, ?, ?, ?, ?, ?)",
        eventId,
        topic,
        key,
        JSON.stringify(headers),
        value,
        nowMs,
      );
  }

  committed(rows: number): void {
    this.#depth += rows;
  }

  backlog(nowMs: number): Backlog {
    const oldest =
      this.#depth === 0 ? undefined : this.#storage.sql.exec("SELECT created_at_ms FROM outbox ORDER BY seq LIMIT 1").toArray()[0];
    const oldestAgeMs = oldest === undefined ? 0 : Math.max(0, nowMs - Number(oldest["created_at_ms"]));
    return { depth: this.#depth, oldestAgeMs, bus: this.#bus };
  }

  /**
   * Sends what waits, oldest first, until nothing is left, nothing more is taken, or `overdue` says so. Order holds per
   * topic and key: what is refused for now holds back its followers until the next time.
   */
  async drain(
    publish: Publish,
    at: { readonly nowMs: () => number; readonly overdue: () => boolean },
  ): Promise<"empty" | "more" | "refused"> {
    const held = new Set<string>();
    let after = 0;
    while (!at.overdue()) {
      const read = this.#read(after);
      const last = read.at(-1);
      if (last === undefined) return held.size === 0 ? "empty" : "refused";
      const rows = read.filter((row) => !held.has(placeOf(row)));
      after = last.seq;
      if (rows.length === 0) continue;
      const verdicts = await publish(rows);
      const kept = this.#settle(rows, verdicts, at.nowMs());
      for (const row of kept) held.add(placeOf(row));
      this.#bus = kept.length === rows.length ? "away" : "there";
      if (this.#bus === "away") return "refused";
    }
    return "more";
  }

  #read(after: number): readonly WaitingRow[] {
    const rows = this.#storage.sql
      .exec(
        "SELECT seq, event_id, topic, key, headers, value, created_at_ms FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?",
        after,
        BATCH_ROWS,
      )
      .toArray()
      .map(rowOf);
    let bytes = 0;
    const end = rows.findIndex(({ value }, index) => (bytes += value.length) > BATCH_BYTES && index > 0);
    return end === -1 ? rows : rows.slice(0, end);
  }

  /** Takes out what the bus has, sets aside what it never takes, and gives what stays. */
  #settle(rows: readonly WaitingRow[], verdicts: readonly PublishVerdict[], nowMs: number): readonly WaitingRow[] {
    const { sql } = this.#storage;
    const gone: number[] = [];
    const kept: WaitingRow[] = [];
    this.#storage.transactionSync(() => {
      for (const [at, row] of rows.entries()) {
        const verdict = verdicts[at];
        if (verdict === undefined || verdict.kind === "retryable") {
          kept.push(row);
          continue;
        }
        gone.push(row.seq);
        if (verdict.kind === "fatal")
          sql.exec(
            "INSERT INTO outbox_dead (seq, event_id, topic, key, headers, value, reason, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            row.seq,
            row.eventId,
            row.topic,
            row.key,
            JSON.stringify(row.headers),
            row.value,
            verdict.reason,
            nowMs,
          );
      }
      for (let from = 0; from < gone.length; from += LIST_MAX) {
        const part = gone.slice(from, from + LIST_MAX);
        sql.exec(`DELETE FROM outbox WHERE seq IN (${part.map(() => "?").join(",")})`, ...part);
      }
    });
    this.#depth -= gone.length;
    return kept;
  }
}

function rowOf(row: Record<string, SqlValue>): WaitingRow {
  const value = row["value"];
  return {
    seq: Number(row["seq"]),
    eventId: String(row["event_id"]),
    topic: String(row["topic"]),
    key: String(row["key"]),
    headers: JSON.parse(String(row["headers"])) as Record<string, string>,
    value: value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array(),
    createdAtMs: Number(row["created_at_ms"]),
  };
}

function placeOf({ topic, key }: WaitingRow): string {
  return `${topic}\n${key}`;
}
