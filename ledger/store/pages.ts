/**
 * Pages of stored rows for the verifier. A page is one row of SQL aggregates: handing each of a million rows through
 * the client costs more than hashing it. Nothing here is trusted: a row whose columns are of a wrong kind comes out with
 * values that no leaf can have, so that the comparison finds it.
 */
import type { Database } from "../../migrations/database.ts";

export interface LeafRow {
  readonly index: number;
  readonly bytes: Uint8Array;
  readonly hash: Uint8Array;
  readonly kind: string | number;
  readonly institution: string | number | null;
  readonly subject: string | number | null;
  readonly atMs: number;
}

/** SQL for a text column that may be NULL: any other kind of value becomes the number 0, equal to no text. */
const text = (column: string): string => `iif(typeof(${column}) IN ('text', 'null'), ${column}, 0)`;
/** Length of a blob, and an impossible one for anything else. */
const blobLength = (column: string): string => `iif(typeof(${column}) = 'blob', length(${column}), -1)`;

const LEAVES = `
  SELECT CAST(group_concat(bytes, '') AS BLOB) AS bytes, CAST(group_concat(hash, '') AS BLOB) AS hashes,
    json_group_array(json_array(idx, ${blobLength("bytes")}, ${blobLength("hash")},
      ${text("kind")}, ${text("institution")}, ${text("subject")}, iif(typeof(at_ms) = 'integer', at_ms, -1))) AS columns
  FROM (SELECT * FROM leaf WHERE idx >= ? ORDER BY idx LIMIT ?)`;

/** Rows from `from` on; `undefined` where lengths and bytes do not fit together, which no sound row causes. */
export async function readLeafPage(db: Database, from: bigint, limit: number): Promise<readonly LeafRow[] | undefined> {
  const [row] = await db.read(LEAVES, from, limit);
  const bytes = new Slices(row?.["bytes"]);
  const hashes = new Slices(row?.["hashes"]);
  const columns = JSON.parse(String(row?.["columns"])) as readonly [number, number, number, string, string | null, string | null, number][];
  const rows: LeafRow[] = [];
  for (const [index, length, hashLength, kind, institution, subject, atMs] of columns) {
    const own = bytes.take(length);
    const hash = hashes.take(hashLength);
    if (own === undefined || hash === undefined) return undefined;
    rows.push({ index, bytes: own, hash, kind, institution, subject, atMs });
  }
  return rows;
}

/** Hands out one blob piece by piece. */
class Slices {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(value: unknown) {
    this.#bytes = value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array();
  }

  take(length: number): Uint8Array | undefined {
    if (length < 0 || this.#at + length > this.#bytes.length) return undefined;
    const piece = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return piece;
  }
}

export interface DisclosureRow {
  readonly index: number;
  readonly name: string | number | null;
  readonly salt: Uint8Array;
  readonly value: string | number | null;
}

const DISCLOSURES = `
  SELECT CAST(group_concat(salt, '') AS BLOB) AS salts,
    json_group_array(json_array(idx, ${text("name")}, ${blobLength("salt")}, ${text("value")})) AS columns
  FROM (SELECT * FROM disclosure WHERE idx >= ? AND idx < ? ORDER BY idx, name)`;

/** Every stored opening of the entries from `from` up to `to`; `undefined` as in {@link readLeafPage}. */
export async function readDisclosures(db: Database, from: bigint, to: bigint): Promise<readonly DisclosureRow[] | undefined> {
  const [row] = await db.read(DISCLOSURES, from, to);
  const salts = new Slices(row?.["salts"]);
  const columns = JSON.parse(String(row?.["columns"])) as readonly [number, string | number | null, number, string | number | null][];
  const rows: DisclosureRow[] = [];
  for (const [index, name, saltLength, value] of columns) {
    const salt = salts.take(saltLength);
    if (salt === undefined) return undefined;
    rows.push({ index, name, salt, value });
  }
  return rows;
}

/** Walks rows in the order of a key, a page at a time, so that a table of any length takes flat memory. */
export class RowCursor<Item extends { readonly size: bigint }> {
  readonly #page: (after: bigint | undefined) => Promise<readonly Item[]>;
  #items: readonly Item[] = [];
  #at = 0;

  /** `page` gives the next rows behind `after`, none at the end. Call {@link RowCursor.fill} before `current`. */
  constructor(page: (after: bigint | undefined) => Promise<readonly Item[]>) {
    this.#page = page;
  }

  get current(): Item | undefined {
    return this.#items[this.#at];
  }

  /** Looks for rows (again) when none is at hand. */
  async fill(): Promise<void> {
    if (this.#at < this.#items.length) return;
    const last = this.#items.at(-1);
    const more = await this.#page(last?.size);
    if (more.length === 0) return;
    this.#items = more;
    this.#at = 0;
  }

  async advance(): Promise<void> {
    this.#at += 1;
    await this.fill();
  }
}
