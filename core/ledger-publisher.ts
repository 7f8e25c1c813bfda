/**
 * Carries a log to the bus: every leaf byte for byte (`ledger.entry.appended.v1`), then the newest checkpoint that
 * covers them (`ledger.checkpoint.published.v1`). Whoever reads both topics can rebuild and verify the log alone.
 *
 * At least once and in order: the position moves, in the log's own database, only after the bus has the records;
 * a crash in between repeats them under the same ids. Checkpoints signed while others wait are superseded, not queued:
 * the newest note proves all that the ones before it did.
 */
import type { Checkpoint, Log } from "../ledger/port.ts";
import type { Database } from "../migrations/database.ts";
import type { BusRecord, EventBus } from "../streams/bus/port.ts";
import type { Crypto } from "./crypto/port.ts";
import { toHex } from "./protocol/bytes.ts";
import type { Clock } from "./protocol/time.ts";

export interface LedgerPublisher {
  /** Says that the log grew or was signed; without it the publisher looks again after `pollMs`. */
  notify(): void;
  /** Resolves when the bus has every durable leaf and the newest checkpoint; rejects when the publisher ends first. */
  drained(): Promise<void>;
  /** Ends after the batch under way. */
  stop(): Promise<void>;
}

export interface LedgerPublisherOptions {
  /** The database that holds the log, with the table `ledger_publication`. */
  readonly db: Database;
  readonly log: Log;
  /** The checkpoint that may be shown outside; by default the newest signed one. */
  readonly newest?: () => Checkpoint | undefined;
  readonly bus: EventBus;
  readonly crypto: Pick<Crypto, "sm3">;
  /** Shards publish to the partition they are; the registry log to partition 0. */
  readonly partition: number;
  readonly clock: Clock;
  /** Leaves per publish, 256 by default. */
  readonly batchMax?: number;
  readonly pollMs?: number;
  /** How long news gather before they are published, 250 ms by default: auditors can wait, and each publish costs two commits. */
  readonly gatherMs?: number;
}

interface Position {
  /** First leaf not published. */
  leaves: bigint;
  checkpointSize: bigint;
}

const BACKOFF_MS_MAX = 5_000;

export async function startLedgerPublisher(options: LedgerPublisherOptions): Promise<LedgerPublisher> {
  return new Publisher(options, await readPosition(options.db, options.log.origin));
}

class Publisher implements LedgerPublisher {
  readonly #options: Required<LedgerPublisherOptions>;
  readonly #position: Position;
  /** Of this life. */
  #lastNote: string | undefined;
  readonly #running: Promise<void>;
  #stopped = false;
  #failure: Error | undefined;
  #wake: () => void = () => undefined;
  #woken = true;
  #waiters: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(options: LedgerPublisherOptions, position: Position) {
    const newest = (): Checkpoint | undefined => options.log.latestCheckpoint();
    this.#options = { batchMax: 256, pollMs: 1_000, gatherMs: 250, newest, ...options };
    this.#position = position;
    this.#running = this.#run();
  }

  notify(): void {
    this.#woken = true;
    this.#wake();
  }

  drained(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#stopped) return Promise.reject(new Error("the ledger publisher was stopped"));
    const done = new Promise<void>((resolve, reject) => this.#waiters.push({ resolve, reject }));
    this.notify();
    return done;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.notify();
    await this.#running;
  }

  async #run(): Promise<void> {
    let failures = 0;
    try {
      while (!this.#stopped) {
        this.#woken = false;
        const step = await this.#step();
        failures = step === "later" ? failures + 1 : 0;
        if (step === "idle") for (const waiter of this.#waiters.splice(0)) waiter.resolve();
        if (step === "idle") await this.#rest();
        if (step === "later") await pause(Math.min(BACKOFF_MS_MAX, 50 * 2 ** Math.min(failures, 10)), () => this.#stopped);
      }
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error("the ledger publisher failed");
    }
    const reason = this.#failure ?? new Error("the ledger publisher was stopped");
    for (const waiter of this.#waiters.splice(0)) waiter.reject(reason);
  }

  /** One publish: leaves first, and only when none wait, the newest note. */
  async #step(): Promise<"moved" | "idle" | "later"> {
    const { log, partition, batchMax, newest, crypto } = this.#options;
    if (this.#position.leaves < log.size) {
      const leaves = await log.leaves(this.#position.leaves, batchMax);
      return await this.#publish(
        leaves.map((leaf) => leafRecord(log.origin, leaf, partition)),
        (count) => (this.#position.leaves += BigInt(count)),
      );
    }
    const checkpoint = newest();
    if (checkpoint === undefined || !this.#isNews(checkpoint)) return "idle";
    return await this.#publish([checkpointRecord(checkpoint, partition, crypto)], () => {
      this.#position.checkpointSize = checkpoint.size;
      this.#lastNote = checkpoint.note;
    });
  }

  /** A larger size, or the same one with witnesses who joined later. */
  #isNews({ size, note }: Checkpoint): boolean {
    if (size !== this.#position.checkpointSize) return size > this.#position.checkpointSize;
    return this.#lastNote !== undefined && this.#lastNote !== note;
  }

  async #publish(records: readonly BusRecord[], advance: (count: number) => void): Promise<"moved" | "later"> {
    const verdicts = await this.#options.bus.publish(records);
    const fatal = verdicts.find((verdict) => verdict.kind === "fatal");
    // A log with a hole on the bus is worse than one that waits: nothing may be skipped.
    if (fatal !== undefined) throw new Error(`the bus refused an entry of ${this.#options.log.origin} for good: ${fatal.reason}`);
    const firstFailed = verdicts.findIndex((verdict) => verdict.kind !== "ok");
    const count = firstFailed === -1 ? verdicts.length : firstFailed;
    if (count > 0) {
      advance(count);
      await writePosition(this.#options.db, this.#options.log.origin, this.#position);
    }
    return firstFailed === -1 ? "moved" : "later";
  }

  /** Until there is news, and then until enough of it has gathered or somebody waits. */
  async #rest(): Promise<void> {
    const { pollMs, gatherMs } = this.#options;
    await this.#sleep(pollMs, () => this.#woken);
    await this.#sleep(gatherMs, () => this.#waiters.length > 0);
  }

  async #sleep(ms: number, isOver: () => boolean): Promise<void> {
    if (isOver() || this.#stopped) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        if (!isOver() && !this.#stopped) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => undefined;
  }
}

/** Sleeps in small steps, so that a stop is never late. */
async function pause(ms: number, stopped: () => boolean): Promise<void> {
  for (let left = ms; left > 0 && !stopped(); left -= 50) await new Promise((resolve) => setTimeout(resolve, Math.min(left, 50)));
}

function leafRecord(origin: string, leaf: { readonly index: bigint; readonly bytes: Uint8Array }, partition: number): BusRecord {
  const id = `${origin}/${leaf.index}`;
  return record("ledger.entry.appended.v1", origin, { at: leaf.index, id }, "application/vnd.ronghe.leaf", leaf.bytes, partition);
}

function checkpointRecord(
  checkpoint: { readonly origin: string; readonly size: bigint; readonly note: string },
  partition: number,
  crypto: Pick<Crypto, "sm3">,
): BusRecord {
  const value = new TextEncoder().encode(checkpoint.note);
  // Of one size several notes may go out, as witnesses join: its bytes are what makes a note the same or another.
  const position = { at: checkpoint.size, id: `${checkpoint.origin}/checkpoint/${checkpoint.size}.${toHex(crypto.sm3(value))}` };
  return record("ledger.checkpoint.published.v1", checkpoint.origin, position, "text/plain; charset=utf-8", value, partition);
}

/** CloudEvents 1.0 binary mode; the id comes from the position, so that a repeat is recognised, and is no other topic's. */
function record(
  topic: string,
  origin: string,
  { at, id }: { readonly at: bigint; readonly id: string },
  contentType: string,
  value: Uint8Array,
  partition: number,
): BusRecord {
  return {
    topic,
    key: origin,
    value,
    partition,
    headers: {
      ce_specversion: "1.0",
      ce_id: id,
      ce_source: `/ronghe/ledger/${origin}`,
      ce_type: topic,
      ce_partitionkey: origin,
      ce_ledgerlog: origin,
      ce_ledgerseq: at.toString(),
      "content-type": contentType,
    },
  };
}

async function readPosition(db: Database, origin: string): Promise<Position> {
  const [row] = await db.read("SELECT leaves, checkpoint_size FROM ledger_publication WHERE origin = ?", origin);
  return { leaves: asBigint(row?.["leaves"]), checkpointSize: asBigint(row?.["checkpoint_size"]) };
}

async function writePosition(db: Database, origin: string, position: Position): Promise<void> {
  const statements = [
    {
      sql: `INSERT INTO ledger_publication (origin, leaves, checkpoint_size) VALUES (?, ?, ?)
            ON CONFLICT (origin) DO UPDATE SET leaves = excluded.leaves, checkpoint_size = excluded.checkpoint_size`,
      args: [origin, position.leaves, position.checkpointSize],
    },
  ];
  // A position that is lost with the power repeats records under the same ids.
  await db.write(statements, "process");
}

function asBigint(value: unknown): bigint {
  return typeof value === "bigint" ? value : 0n;
}
