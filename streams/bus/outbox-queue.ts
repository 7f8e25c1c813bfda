/** The part of an outbox held in memory: a window of its oldest rows, what of it is due, and how much waits behind. */
import type { Database, Statement } from "../../migrations/database.ts";
import { type OutboxRow, outboxRowOf, SELECT_ROWS } from "./outbox-row.ts";

interface QueueLimits {
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  readonly windowRowsMax: number;
}

interface Postponed {
  readonly failures: number;
  readonly untilMs: number;
}

/** Rows read from the table at a time. */
const READ_ROWS_MAX = 500;

export class OutboxQueue {
  readonly #db: Database;
  readonly #limits: QueueLimits;
  #window: OutboxRow[] = [];
  /** Largest `seq` ever read; rows up to it are in the window or gone. */
  #read = 0n;
  /** Largest `seq` known to be committed. */
  #last = 0n;
  #oldestUnreadMs: number | undefined;
  /** Keys whose oldest record was refused for now. */
  readonly #postponed = new Map<string, Postponed>();

  constructor(db: Database, limits: QueueLimits) {
    this.#db = db;
    this.#limits = limits;
  }

  get empty(): boolean {
    return this.#window.length === 0;
  }

  /** Rows behind the window are counted by their numbers, which have no gaps: a number is used only by a commit. */
  backlog(): { readonly depth: number; readonly oldestAtMs: number | undefined } {
    const unread = this.#last > this.#read ? Number(this.#last - this.#read) : 0;
    return {
      depth: this.#window.length + unread,
      oldestAtMs: this.#window[0]?.createdAtMs ?? (unread > 0 ? this.#oldestUnreadMs : undefined),
    };
  }

  async count(): Promise<void> {
    const [row] = await this.#db.read(
      "SELECT seq, (SELECT created_at_ms FROM outbox ORDER BY seq LIMIT 1) AS oldest FROM outbox ORDER BY seq DESC LIMIT 1",
    );
    const seq = row?.["seq"];
    if (typeof seq !== "bigint") return;
    this.#last = seq > this.#last ? seq : this.#last;
    this.#oldestUnreadMs = Number(row?.["oldest"]);
  }

  /** Reads on while the window has room. */
  async fill(): Promise<void> {
    const room = this.#limits.windowRowsMax - this.#window.length;
    if (room <= 0 || this.due(READ_ROWS_MAX, Infinity, performance.now()).length >= READ_ROWS_MAX) return;
    const rows = await this.#db.read(SELECT_ROWS, this.#read, Math.min(room, READ_ROWS_MAX));
    for (const row of rows) {
      const next = outboxRowOf(row);
      this.#window.push(next);
      this.#read = next.seq;
    }
    if (this.#read > this.#last) this.#last = this.#read;
    if (rows.length === READ_ROWS_MAX) await this.count();
  }

  /** The next rows in order, without those of postponed keys. */
  due(rowsMax: number, bytesMax: number, nowMs: number): OutboxRow[] {
    const rows: OutboxRow[] = [];
    let bytes = 0;
    for (const row of this.#window) {
      if (rows.length === rowsMax) break;
      if (this.#postponed.size > 0 && (this.#postponed.get(placeOf(row))?.untilMs ?? 0) > nowMs) continue;
      bytes += row.value.length;
      if (rows.length > 0 && bytes > bytesMax) break;
      rows.push(row);
    }
    return rows;
  }

  /** How long until some postponed key may try again. */
  nextDueMs(nowMs: number): number {
    return Math.min(...[...this.#postponed.values()].map(({ untilMs }) => untilMs - nowMs));
  }

  /**
   * Rows were refused for now: their keys wait, each longer every time. Other keys may still try, so that one missing
   * topic holds up nothing else; when the whole bus is away they fail once and wait as well. Gives the shortest pause, ms.
   */
  postpone(rows: readonly OutboxRow[], nowMs: number): number {
    let shortest = this.#limits.retryMaxMs;
    for (const place of new Set(rows.map(placeOf))) {
      const failures = (this.#postponed.get(place)?.failures ?? 0) + 1;
      const pauseMs = Math.min(this.#limits.retryMaxMs, this.#limits.retryMinMs * 2 ** Math.min(failures - 1, 16));
      this.#postponed.set(place, { failures, untilMs: nowMs + pauseMs });
      shortest = Math.min(shortest, pauseMs);
    }
    return shortest;
  }

  removed(seqs: readonly bigint[]): void {
    const gone = new Set(seqs);
    for (const row of this.#window) if (gone.has(row.seq)) this.#postponed.delete(placeOf(row));
    this.#window = this.#window.filter(({ seq }) => !gone.has(seq));
  }

  /** One statement for ascending `seqs`: a range where no row in it must stay, else a list. */
  deleteStatement(seqs: readonly bigint[]): Statement {
    const gone = new Set(seqs);
    const [first = 0n, last = 0n] = [seqs[0], seqs.at(-1)];
    if (this.#window.some(({ seq }) => seq >= first && seq <= last && !gone.has(seq)))
      return { sql: `DELETE FROM outbox WHERE seq IN (${seqs.map(() => "?").join(",")})`, args: seqs };
    return { sql: "DELETE FROM outbox WHERE seq BETWEEN ? AND ?", args: [first, last] };
  }
}

/** What order holds for. An explicit partition is a lane of its own. */
function placeOf(row: OutboxRow): string {
  return `${row.topic}\n${row.partition ?? ""}\n${row.key}`;
}
