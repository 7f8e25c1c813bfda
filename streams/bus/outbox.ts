import { setImmediate as nextTurn } from "node:timers/promises";
import { type Database, insertRows, type Statement } from "../../migrations/database.ts";
import { type BusLog, errorClass, silentLog } from "./log.ts";
import { OutboxQueue } from "./outbox-queue.ts";
import type { Forwarder } from "./outbox-port.ts";
import type { OutboxRow } from "./outbox-row.ts";
import type { EventBus, PublishVerdict } from "./port.ts";

export { enqueue, type OutboxRow } from "./outbox-row.ts";

export interface ForwarderOptions {
  /** Any database with the tables of `outbox-schema.ts`, opened by this process for writing. */
  readonly db: Database;
  readonly bus: EventBus;
  /** For the age of the backlog and the time of a dead record. */
  readonly clock: { now(): number };
  /** Records per publish (default 500). */
  readonly batchMax?: number;
  /** Bytes of values per publish (default 256 KiB); one larger record still goes alone. */
  readonly batchBytesMax?: number;
  /** How often to look without being notified, ms (default 200). */
  readonly pollMs?: number;
  readonly limits?: Partial<ForwarderLimits>;
  /**
   * Given the next rows in order, gives those that may leave now: the same rows from the first on, changed where
   * something is attached on the way (a receipt), ended early at the first that must wait. Rows held back keep
   * everything behind them waiting, until `notify` or the next poll.
   */
  readonly prepare?: (rows: readonly OutboxRow[]) => Promise<readonly OutboxRow[]> | readonly OutboxRow[];
  /** Told after the bus has the rows and they are gone from the table. */
  readonly onPublished?: (rows: readonly OutboxRow[]) => void;
  readonly log?: BusLog;
}

export interface ForwarderLimits {
  /** First pause after a retryable verdict, ms; doubles up to `retryMaxMs`. */
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  /** Rows held in memory. When so many wait behind failing keys, the rest waits too. */
  readonly windowRowsMax: number;
}

/** A bus that has not answered for so long counts as away, whatever it says in the end. */
const ANSWER_LATE_MS = 5_000;

const LIMITS: ForwarderLimits = { retryMinMs: 100, retryMaxMs: 5_000, windowRowsMax: 2_000 };

/**
 * Drains the outbox of one database to a bus, oldest first. A row leaves the table only after the bus has it, so a
 * crash anywhere repeats a batch and loses nothing; consumers drop repeated event ids.
 *
 * Order holds per (topic, key): while a record of a key is refused for now, later ones of that key wait, other keys
 * go on. A record refused for good moves to `outbox_dead` in one transaction, and its successors go on.
 */
export function startForwarder(options: ForwarderOptions): Forwarder {
  return new OutboxForwarder(options);
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

class OutboxForwarder implements Forwarder {
  readonly #options: ForwarderOptions;
  readonly #limits: ForwarderLimits;
  readonly #log: BusLog;
  readonly #queue: OutboxQueue;
  readonly #ended: Promise<void>;
  #drainWaiters: Waiter[] = [];
  #news = false;
  #counting = false;
  #stopping = false;
  /** The last answer was "not now" to everything. */
  #busAway = false;
  /** Keys whose last answer was "not now". */
  readonly #refusedKeys = new Set<string>();
  /** When the publish under way began, by `performance.now`. */
  #askedAt: number | undefined;
  #wake: () => void = () => undefined;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#log = options.log ?? silentLog;
    this.#queue = new OutboxQueue(options.db, this.#limits);
    this.#ended = this.#run();
  }

  notify(): void {
    this.#news = true;
    this.#wake();
    void this.#count();
  }

  backlog(key?: string): { readonly depth: number; readonly oldestAgeMs: number; readonly bus: "there" | "away" } {
    const { depth, oldestAtMs } = this.#queue.backlog();
    const late = this.#askedAt !== undefined && performance.now() - this.#askedAt > ANSWER_LATE_MS;
    return {
      depth,
      oldestAgeMs: oldestAtMs === undefined ? 0 : Math.max(0, this.#options.clock.now() - oldestAtMs),
      bus: late || this.#busAway || (key !== undefined && this.#refusedKeys.has(key)) ? "away" : "there",
    };
  }

  async drained(): Promise<void> {
    if (this.#stopping) throw new Error("the forwarder has stopped");
    const emptied = new Promise<void>((resolve, reject) => this.#drainWaiters.push({ resolve, reject }));
    this.notify();
    await emptied;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wake();
    await this.#ended;
  }

  /** Keeps `backlog` true while a publish or a pause lasts: the loop itself looks only between rounds. */
  async #count(): Promise<void> {
    if (this.#counting || this.#stopping) return;
    this.#counting = true;
    try {
      await nextTurn();
      await this.#queue.count();
    } catch (error) {
      this.#log("warn", "outbox cannot be counted", { error: errorClass(error) });
    } finally {
      this.#counting = false;
    }
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stopping) {
      try {
        const pauseMs = await this.#round();
        failures = 0;
        // Reads of a local file and some buses answer without ever yielding: the process has other work as well.
        await nextTurn();
        if (pauseMs > 0) await this.#pause(pauseMs, true);
      } catch (error) {
        // The table cannot be read or written, or `prepare` failed: nothing is lost, the rows are where they were.
        this.#log("error", "outbox round failed", { error: errorClass(error), failures: ++failures });
        await this.#pause(Math.min(this.#limits.retryMaxMs, this.#limits.retryMinMs * 2 ** Math.min(failures, 16)), false);
      }
    }
    for (const { reject } of this.#drainWaiters.splice(0)) reject(new Error("the forwarder has stopped"));
  }

  /** One look and at most one publish; gives how long to rest before the next, 0 for not at all. */
  async #round(): Promise<number> {
    const { batchMax = 500, batchBytesMax = 256 * 1024, pollMs = 200, prepare } = this.#options;
    this.#news = false;
    const waiters = this.#drainWaiters.length;
    await this.#queue.fill();
    if (this.#queue.empty) {
      for (const { resolve } of this.#drainWaiters.splice(0, waiters)) resolve();
      return pollMs;
    }
    const due = this.#queue.due(batchMax, batchBytesMax, performance.now());
    if (due.length === 0) return Math.max(1, Math.min(pollMs, this.#queue.nextDueMs(performance.now())));
    const rows = prepare === undefined ? due : samePrefix(due, await prepare(due));
    if (rows.length === 0) return pollMs;
    const verdicts = await this.#publish(rows);
    await this.#settle(rows, verdicts);
    return 0;
  }

  async #publish(rows: readonly OutboxRow[]): Promise<readonly PublishVerdict[]> {
    this.#askedAt = performance.now();
    try {
      const verdicts = await this.#options.bus.publish(rows);
      this.#busAway = !verdicts.some(({ kind }) => kind !== "retryable");
      for (const [at, { key }] of rows.entries())
        if (verdicts[at]?.kind === "retryable") this.#refusedKeys.add(key);
        else this.#refusedKeys.delete(key);
      return verdicts;
    } catch (error) {
      this.#busAway = true;
      throw error;
    } finally {
      this.#askedAt = undefined;
    }
  }

  async #settle(rows: readonly OutboxRow[], verdicts: readonly PublishVerdict[]): Promise<void> {
    const published: OutboxRow[] = [];
    const dead: DeadRow[] = [];
    const kept: OutboxRow[] = [];
    let keptReason = "";
    for (const [at, row] of rows.entries()) {
      const verdict = verdicts[at];
      if (verdict?.kind === "ok") published.push(row);
      else if (verdict?.kind === "fatal") dead.push({ row, reason: verdict.reason });
      else {
        kept.push(row);
        keptReason ||= verdict?.reason ?? "no verdict";
      }
    }
    await this.#remove(published, dead);
    for (const { row, reason } of dead)
      this.#log("error", "record refused for good, kept in outbox_dead", { eventId: row.eventId, topic: row.topic, reason });
    if (published.length > 0) this.#options.onPublished?.(published);
    if (kept.length === 0) return;
    const pauseMs = this.#queue.postpone(kept, performance.now());
    this.#log("warn", "records refused for now", { records: kept.length, pauseMs, reason: keptReason });
  }

  /** Deletes what the bus has before anything else is sent: should that fail, it is tried again, never published again. */
  async #remove(published: readonly OutboxRow[], dead: readonly DeadRow[]): Promise<void> {
    const gone = [...published, ...dead.map(({ row }) => row)].map(({ seq }) => seq).sort((a, b) => Number(a - b));
    if (gone.length === 0) return;
    const statements = [...deadStatements(dead, this.#options.clock.now()), this.#queue.deleteStatement(gone)];
    for (let tries = 1; ; tries++) {
      try {
        // Without power the rows may come back: their records go out again under the same ids.
        await this.#options.db.write(statements, "process");
        this.#queue.removed(gone);
        return;
      } catch (error) {
        if (this.#stopping) throw error;
        this.#log("error", "published records cannot be deleted", { error: errorClass(error), tries });
        await this.#pause(Math.min(this.#limits.retryMaxMs, this.#limits.retryMinMs * 2 ** Math.min(tries, 16)), false);
      }
    }
  }

  /** Sleeps; `stop` ends it, and news do when they may. */
  async #pause(ms: number, endsWithNews: boolean): Promise<void> {
    if (this.#stopping || (endsWithNews && this.#news)) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        if (!endsWithNews && !this.#stopping) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => undefined;
  }
}

interface DeadRow {
  readonly row: OutboxRow;
  readonly reason: string;
}

function deadStatements(dead: readonly DeadRow[], atMs: number): Statement[] {
  return insertRows(
    "outbox_dead",
    ["seq", "event_id", "topic", "key", "headers", "value", "reason", "at_ms"],
    dead.map(({ row, reason }) => [row.seq, row.eventId, row.topic, row.key, JSON.stringify(row.headers), row.value, reason, atMs]),
  );
}

function samePrefix(asked: readonly OutboxRow[], prepared: readonly OutboxRow[]): readonly OutboxRow[] {
  for (const [at, row] of prepared.entries())
    if (row.seq !== asked[at]?.seq) throw new Error("prepare must give back the first rows it was given, in their order");
  return prepared;
}
