/**
 * Records on a log's topics that are none of the log's: anybody who may write there can leave some. None of them ends the
 * following; what is missing under a signed checkpoint does, and then they say why.
 */
import type { FollowDefect } from "../../ledger/witness/follower.ts";

/** Of a record on the bus. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  /** SM3 of its value, hex. */
  readonly recordHash: string;
}

/** A defect with the place on the bus where it was met. */
export interface Found {
  readonly origin: string;
  readonly defect: FollowDefect;
  readonly at?: Place;
}

/** Told in full; the rest is counted. */
const SHOWN_MAX = 100;
/** Kept for saying why an entry is missing. */
const REMEMBERED_MAX = 10_000;

export class LeftOut {
  readonly shown: Found[] = [];
  count = 0;
  readonly #byIndex = new Map<string, Found>();
  /** Entries that came before those they follow. */
  readonly #early = new Map<string, Found>();

  add(found: Found, kind: "foreign" | "early" = "foreign"): void {
    this.count += 1;
    if (this.shown.length < SHOWN_MAX) this.shown.push(found);
    const { index } = found.defect;
    const kept = kind === "early" ? this.#early : this.#byIndex;
    const name = `${found.origin} ${index}`;
    if (index !== undefined && kept.size < REMEMBERED_MAX && !kept.has(name)) kept.set(name, found);
  }

  /** Why entry `index` of a log is missing: what came in its place, or that it stood before its time, or nothing at all. */
  reasonOf(origin: string, index: bigint): Found {
    const name = `${origin} ${index}`;
    const early = this.#early.get(name);
    if (early !== undefined)
      return { ...early, defect: { name: "streamReordered", detail: `entry ${index} stands before the one that it follows`, index } };
    const missing = { name: "streamGap", detail: `entry ${index} is missing on the topic`, index } as const;
    return this.#byIndex.get(name) ?? { origin, defect: missing };
  }
}
