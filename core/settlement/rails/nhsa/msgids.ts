/**
 * The names of our messages (domain notes 4.1): institution code, `yyyyMMddHHmmss` of UTC+8, four-digit sequence. Public
 * code draws the sequence at random and collides under load; here it is counted per institution and on disk.
 */
import { type EventMs, formatCst14 } from "../../../protocol/time.ts";
import type { Database } from "../../../../migrations/database.ts";

/** Numbers reserved at a time: a crash skips at most so many. */
const BLOCK = 256n;
const SEQUENCE = 10_000n;
const SECOND_MS = 1_000;

interface Counter {
  next: bigint;
  end: bigint;
  /** Second of the newest msgid, and how many it has had. */
  secondMs: number;
  inSecond: bigint;
}

export class Msgids {
  readonly #db: Database;
  readonly #counters = new Map<string, Counter>();
  readonly #reserving = new Map<string, Promise<Counter>>();

  constructor(db: Database) {
    this.#db = db;
  }

  /** Never the same twice and never a smaller second, whatever the clock does; several processes may share the database. */
  async next(institution: string, nowMs: EventMs): Promise<string> {
    for (;;) {
      const counter = this.#counters.get(institution);
      if (counter !== undefined && counter.next < counter.end) return name(institution, counter, nowMs);
      await this.#reserve(institution);
    }
  }

  async #reserve(institution: string): Promise<void> {
    let reserving = this.#reserving.get(institution);
    if (reserving === undefined) {
      reserving = this.#reserveBlock(institution);
      this.#reserving.set(institution, reserving);
    }
    try {
      const counter = await reserving;
      if (this.#counters.get(institution) !== counter) this.#counters.set(institution, counter);
    } finally {
      this.#reserving.delete(institution);
    }
  }

  async #reserveBlock(institution: string): Promise<Counter> {
    const [result] = await this.#db.write([
      {
        sql: "INSERT INTO nhsa_counter (institution, next) VALUES (?, ?) ON CONFLICT (institution) DO UPDATE SET next = next + ? RETURNING next",
        args: [institution, BLOCK, BLOCK],
      },
    ]);
    const end = result?.rows[0]?.["next"];
    if (typeof end !== "bigint") throw new Error("the counter of msgids gave no number");
    const known = this.#counters.get(institution);
    return { next: end - BLOCK, end, secondMs: known?.secondMs ?? 0, inSecond: known?.inSecond ?? 0n };
  }
}

function name(institution: string, counter: Counter, nowMs: EventMs): string {
  const second = Math.floor(nowMs / SECOND_MS) * SECOND_MS;
  if (second > counter.secondMs) {
    counter.secondMs = second;
    counter.inSecond = 0n;
  }
  // The ten-thousandth of a second borrows from the next one: the sequence comes round again only after that many.
  if (counter.inSecond >= SEQUENCE) {
    counter.secondMs += SECOND_MS;
    counter.inSecond = 0n;
  }
  counter.inSecond++;
  const sequence = counter.next++ % SEQUENCE;
  return `${institution}${formatCst14(counter.secondMs as EventMs)}${sequence.toString().padStart(4, "0")}`;
}
