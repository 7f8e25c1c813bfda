/** The keys that search goes by, made again from the entries, a segment at a time, and compared with those stored. */
import type { Database } from "../../migrations/database.ts";
import { searchPlace, searchPosition, SEGMENT_BITS } from "../store/search.ts";
import type { Leaf } from "../verifier/leaf.ts";
import type { Findings } from "./findings.ts";

const ROWS_PER_READ = 4096;

/** Key and entry of each; two plain arrays, because a segment has millions. */
interface Keys {
  readonly key: number[];
  readonly idx: number[];
}

export class SearchKeys {
  readonly #db: Database;
  readonly #findings: Findings;
  readonly #segments = new Map<bigint, Keys>();
  #position = 0n;

  constructor(db: Database, findings: Findings) {
    this.#db = db;
    this.#findings = findings;
  }

  async begin(): Promise<void> {
    this.#position = await searchPosition(this.#db);
  }

  /** Takes the next entry with the values that are kept of it. */
  expect(leaf: Leaf, values: readonly string[]): void {
    if (leaf.index >= this.#position) return;
    const add = (field: "subject" | "institution" | "value", text: string | undefined): void => {
      if (text === undefined) return;
      const { segment, key } = searchPlace(field, text, leaf.index);
      const keys = this.#segments.get(segment);
      const kept = keys ?? { key: [], idx: [] };
      if (keys === undefined) this.#segments.set(segment, kept);
      kept.key.push(key);
      kept.idx.push(Number(leaf.index));
    };
    add("subject", leaf.subject);
    add("institution", leaf.institution);
    for (const value of values) add("value", value);
  }

  async end(size: bigint): Promise<void> {
    if (this.#position > size)
      this.#findings.add("searchPosition", `keys are said to reach to ${this.#position}, there are ${size} entries`);
    for (const [segment, keys] of this.#segments) await this.#compare(segment, keys);
    const [row] = await this.#db.read(
      "SELECT count(*) AS n FROM search_key WHERE segment > ?",
      this.#position === 0n ? -1n : (this.#position - 1n) >> SEGMENT_BITS,
    );
    if (row?.["n"] !== 0n) this.#findings.add("searchKeyExtra", "keys are stored behind those that were made");
  }

  /** Both in ascending order, hand over hand. */
  async #compare(segment: bigint, keys: Keys): Promise<void> {
    const order = (a: number, b: number): number => (keys.key[a] ?? 0) - (keys.key[b] ?? 0) || (keys.idx[a] ?? 0) - (keys.idx[b] ?? 0);
    const sorted = Uint32Array.from(keys.key, (_, at) => at).sort(order);
    const wanted = sorted.filter((one, at) => at === 0 || order(one, sorted[at - 1] ?? 0) !== 0);
    let at = 0;
    let from: readonly [key: bigint, idx: bigint] = [-1n, -1n];
    for (;;) {
      const rows = await this.#db.read(
        `SELECT key, idx FROM search_key WHERE segment = ? AND (key, idx) > (?, ?) ORDER BY key, idx LIMIT ${ROWS_PER_READ}`,
        segment,
        ...from,
      );
      for (const row of rows) {
        from = [row["key"] as bigint, row["idx"] as bigint];
        const [key, idx] = [Number(from[0]), Number(from[1])];
        const difference = (): number => {
          const one = wanted[at];
          return one === undefined ? 1 : (keys.key[one] ?? 0) - key || (keys.idx[one] ?? 0) - idx;
        };
        for (; difference() < 0; at += 1) this.#missing(keys.idx[wanted[at] ?? 0]);
        if (difference() === 0) at += 1;
        else this.#findings.add("searchKeyExtra", "a key leads to an entry that is not about it", from[1]);
      }
      if (rows.length < ROWS_PER_READ) break;
    }
    for (; at < wanted.length; at += 1) this.#missing(keys.idx[wanted[at] ?? 0]);
  }

  #missing(idx: number | undefined): void {
    this.#findings.add("searchKeyMissing", "an entry lacks a key to be found by", BigInt(idx ?? 0));
  }
}
