/**
 * The log under the embedded bus: topics, records by partition and offset, group offsets, in one libSQL file.
 * Appends and offset commits of all callers meet in one group commit, so that many small writers share one fsync.
 */
import { type Database, insertRows, type InValue, type Row, type Statement } from "../../migrations/database.ts";
import { GroupCommit } from "../../migrations/queue.ts";
import { errorClass } from "./log.ts";
import { partitionOf } from "./partition.ts";
import { type BusRecord, type DeliveredRecord, NoTopicError, type PublishVerdict, type TopicSpec } from "./port.ts";
import { partitionRefusal, sizeRefusal } from "./record-limits.ts";

/** Callers merged into one commit at most. */
const COMMIT_CALLERS_MAX = 256;

interface Topic {
  readonly id: number;
  readonly name: string;
  /** Next offset of each partition. */
  readonly ends: bigint[];
}

export interface GroupPosition {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly nextOffset: bigint;
}

type Write = { readonly kind: "append"; readonly records: readonly BusRecord[] } | ({ readonly kind: "commit" } & GroupPosition);
type Written = readonly PublishVerdict[];
type NewRow = readonly InValue[];

export class EmbeddedLog {
  readonly #database: Database;
  readonly #now: () => number;
  readonly #topics = new Map<string, Topic>();
  readonly #writes: GroupCommit<Write, Written>;
  readonly #sleepers = new Map<string, Set<() => void>>();

  private constructor(database: Database, now: () => number) {
    this.#database = database;
    this.#now = now;
    this.#writes = new GroupCommit((writes) => this.#commit(writes), COMMIT_CALLERS_MAX);
  }

  static async over(database: Database, now: () => number): Promise<EmbeddedLog> {
    const log = new EmbeddedLog(database, now);
    await log.#load();
    return log;
  }

  /** Reads topics and ends anew: for a process beside the owner. */
  async refresh(): Promise<void> {
    this.#topics.clear();
    await this.#load();
  }

  /** Takes in topics not yet known. The ends of known ones are the owner's to move: the file may be a commit behind. */
  async #load(): Promise<void> {
    for (const row of await this.#database.read("SELECT id, name, partitions FROM topic")) {
      if (this.#topics.has(String(row["name"]))) continue;
      const id = Number(row["id"]);
      const ends = Array.from<bigint>({ length: Number(row["partitions"]) }).fill(0n);
      for (const last of await this.#database.read(
        `SELECT partition, MAX("offset") AS last FROM record WHERE topic_id = ? GROUP BY partition`,
        id,
      ))
        ends[Number(last["partition"])] = bigintOf(last, "last") + 1n;
      const name = String(row["name"]);
      this.#topics.set(name, { id, name, ends });
    }
  }

  async ensureTopics(specs: readonly TopicSpec[]): Promise<void> {
    const missing: TopicSpec[] = [];
    for (const spec of specs) {
      if (!Number.isInteger(spec.partitions) || spec.partitions < 1)
        throw new RangeError(`topic ${spec.name}: ${spec.partitions} partitions`);
      const known = this.#topics.get(spec.name)?.ends.length ?? missing.find(({ name }) => name === spec.name)?.partitions;
      if (known === undefined) missing.push(spec);
      else if (known !== spec.partitions) throw new Error(`topic ${spec.name} has ${known} partitions, not ${spec.partitions}`);
    }
    const rows = missing.map(({ name, partitions }) => [name, partitions]);
    if (rows.length > 0) await this.#database.write(insertRows("topic", ["name", "partitions"], rows));
    await this.#load();
  }

  /** Partitions of a topic; `undefined` when there is no such topic. */
  partitions(topic: string): number | undefined {
    return this.#topics.get(topic)?.ends.length;
  }

  ends(topic: string): readonly bigint[] | undefined {
    const found = this.#topics.get(topic);
    return found === undefined ? undefined : [...found.ends];
  }

  async append(records: readonly BusRecord[]): Promise<readonly PublishVerdict[]> {
    if (records.length === 0) return [];
    try {
      return await this.#writes.submit({ kind: "append", records });
    } catch (error) {
      return records.map(() => ({ kind: "retryable", reason: `the log cannot be written: ${errorClass(error)}` }));
    }
  }

  async commitPosition(position: GroupPosition): Promise<void> {
    await this.#writes.submit({ kind: "commit", ...position });
  }

  async position(group: string, topic: string, partition: number): Promise<bigint> {
    const rows = await this.#database.read(
      "SELECT next_offset FROM group_offset WHERE group_id = ? AND topic_id = ? AND partition = ?",
      group,
      this.#topic(topic).id,
      partition,
    );
    return rows[0] === undefined ? 0n : bigintOf(rows[0], "next_offset");
  }

  async read(topic: string, partition: number, fromOffset: bigint, limit: number): Promise<readonly DeliveredRecord[]> {
    const rows = await this.#database.read(
      `SELECT "offset", key, headers, value, timestamp_ms FROM record
        WHERE topic_id = ? AND partition = ? AND "offset" >= ? ORDER BY "offset" LIMIT ?`,
      this.#topic(topic).id,
      partition,
      fromOffset,
      limit,
    );
    return rows.map((row) => deliveredOf(row, topic, partition));
  }

  /** Resolves as soon as the partition's end passes `offset`, or the signal aborts. */
  async grown(topic: string, partition: number, offset: bigint, signal: AbortSignal): Promise<void> {
    if (signal.aborted || (this.#topic(topic).ends[partition] ?? 0n) > offset) return;
    const place = `${topic}/${partition}`;
    await new Promise<void>((resolve) => {
      const sleepers = this.#sleepers.get(place) ?? new Set();
      this.#sleepers.set(place, sleepers);
      const wake = (): void => {
        sleepers.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      sleepers.add(wake);
      signal.addEventListener("abort", wake);
    });
  }

  async close(): Promise<void> {
    await this.#writes.idle();
    await this.#database.close();
  }

  async #commit(writes: readonly Write[]): Promise<readonly Written[]> {
    const statements: Statement[] = [];
    const rows: NewRow[] = [];
    const moved = new Map<string, bigint>();
    const timestampMs = this.#now();
    const outcomes = writes.map((write): Written => {
      if (write.kind === "append") return write.records.map((record) => this.#place(record, rows, moved, timestampMs));
      statements.push(commitStatement(write, this.#topic(write.topic).id));
      return [];
    });
    statements.push(...insertRows("record", ["topic_id", "partition", `"offset"`, "key", "headers", "value", "timestamp_ms"], rows));
    // A group's offset that is lost repeats a slice; a record that was acknowledged may never be lost.
    await this.#database.write(statements, rows.length === 0 ? "process" : "power");
    for (const [place, end] of moved) this.#moveEnd(place, end);
    return outcomes;
  }

  /** Gives a record the next offset of its partition; the ends in memory move only after the commit. */
  #place(record: BusRecord, rows: NewRow[], moved: Map<string, bigint>, timestampMs: number): PublishVerdict {
    const topic = this.#topics.get(record.topic);
    if (topic === undefined) return { kind: "retryable", reason: `no topic ${record.topic}` };
    const refusal = sizeRefusal(record) ?? partitionRefusal(record, topic.ends.length);
    if (refusal !== undefined) return refusal;
    const partition = record.partition ?? partitionOf(record.key, topic.ends.length);
    const place = `${topic.name}/${partition}`;
    const offset = moved.get(place) ?? topic.ends[partition] ?? 0n;
    moved.set(place, offset + 1n);
    rows.push([topic.id, partition, offset, record.key, JSON.stringify(record.headers), record.value, timestampMs]);
    return { kind: "ok", partition, offset };
  }

  #moveEnd(place: string, end: bigint): void {
    const at = place.lastIndexOf("/");
    this.#topic(place.slice(0, at)).ends[Number(place.slice(at + 1))] = end;
    for (const wake of this.#sleepers.get(place) ?? []) wake();
  }

  #topic(name: string): Topic {
    const topic = this.#topics.get(name);
    if (topic === undefined) throw new NoTopicError(name);
    return topic;
  }
}

function commitStatement(position: GroupPosition, topicId: number): Statement {
  return {
    sql: `INSERT INTO group_offset (group_id, topic_id, partition, next_offset) VALUES (?, ?, ?, ?)
          ON CONFLICT (group_id, topic_id, partition) DO UPDATE SET next_offset = excluded.next_offset`,
    args: [position.group, topicId, position.partition, position.nextOffset],
  };
}

function deliveredOf(row: Row, topic: string, partition: number): DeliveredRecord {
  const value = row["value"];
  return {
    topic,
    partition,
    offset: bigintOf(row, "offset"),
    key: String(row["key"]),
    headers: JSON.parse(String(row["headers"])) as Record<string, string>,
    value: value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array(),
    timestampMs: Number(row["timestamp_ms"]),
  };
}

function bigintOf(row: Row, column: string): bigint {
  const value = row[column];
  if (typeof value !== "bigint") throw new TypeError(`${column} is not an integer`);
  return value;
}
