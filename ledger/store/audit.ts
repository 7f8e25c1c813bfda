/**
 * Walks a stored log from its first leaf to its last signed head and derives everything else from the bytes: columns,
 * tiles, head moves, head, openings. One pass, flat memory. May run beside the process that writes: it takes the head
 * once, and goes on to the newest checkpoint if entries behind that head were signed meanwhile.
 */
import type { Database, Row } from "../../migrations/database.ts";
import { equalBytes } from "../verifier/bytes.ts";
import {
  commitmentHashes,
  type CommitmentPlace,
  commitmentsOf,
  type LeafView,
  type Opening,
  TAG,
  verifyOpening,
} from "../verifier/leaf.ts";
import { LogVerifier } from "../verifier/log.ts";
import type { Trust, VerifiedCheckpoint, VerifierCrypto } from "../verifier/note.ts";
import { TileCollector } from "../verifier/tile-collector.ts";
import type { Defect, DefectName } from "../verifier/verdict.ts";
import { type DisclosureRow, type LeafRow, readDisclosures, readLeafPage, RowCursor } from "./pages.ts";

const PAGE_LEAVES = 1024;
const SMALLEST = -(1n << 63n);

export interface StoredHead {
  readonly origin: string;
  readonly size: bigint;
  readonly root: Uint8Array;
}

export interface AuditOptions {
  readonly db: Database;
  readonly crypto: VerifierCrypto;
  readonly trusted: Trust;
  readonly head: StoredHead;
  /** Already found well signed and of this log; ascending by size. */
  readonly known: readonly VerifiedCheckpoint[];
  readonly onProgress: (done: bigint, total: bigint) => void;
}

interface StoredNote {
  readonly size: bigint;
  readonly note: string;
  /** What left the platform at this size, with the lines of witnesses. */
  readonly published?: string;
}
interface StoredMove {
  readonly size: bigint;
  readonly root: Uint8Array;
  readonly fromSize: bigint;
  readonly fromRoot: Uint8Array;
}

export class DatabaseAudit {
  readonly verifier: LogVerifier;
  readonly counts = { commitments: 0, disclosures: 0, tiles: 0, known: 0 };
  readonly #options: AuditOptions;
  readonly #notes: RowCursor<StoredNote>;
  readonly #moves: RowCursor<StoredMove>;
  readonly #tiles = new TileCollector();
  #dueSize = 0;
  #lastMove: { readonly size: bigint; readonly root: Uint8Array };

  constructor(options: AuditOptions) {
    this.#options = options;
    const { db, crypto, trusted, head } = options;
    this.verifier = new LogVerifier({ crypto, trusted, origin: head.origin });
    this.#notes = new RowCursor((after) => readNotes(db, after ?? SMALLEST, after !== undefined));
    this.#moves = new RowCursor((after) => readMoves(db, after ?? SMALLEST, after !== undefined));
    this.#lastMove = { size: 0n, root: this.verifier.root() };
  }

  /** The first defect, or `undefined` when every check was made and passed. */
  async run(): Promise<Defect | undefined> {
    const { db, head } = this.#options;
    await Promise.all([this.#notes.fill(), this.#moves.fill()]);
    return (
      (await this.#atSize()) ??
      (await this.#readTo(head.size, `the head counts ${head.size} entries`)) ??
      this.#headDefect() ??
      (await this.#readTo(await newestCheckpoint(db), "a stored checkpoint was signed for more")) ??
      this.#knownDefect() ??
      (await this.#leftoverDefect()) ??
      this.#finish()
    );
  }

  #finish(): Defect | undefined {
    const finished = this.verifier.finish();
    return finished.ok ? undefined : finished.error;
  }

  async #readTo(target: bigint, why: string): Promise<Defect | undefined> {
    while (BigInt(this.verifier.size) < target) {
      const from = this.verifier.size === 0 ? SMALLEST : BigInt(this.verifier.size);
      const left = target - BigInt(this.verifier.size);
      const rows = await readLeafPage(this.#options.db, from, Number(left < PAGE_LEAVES ? left : BigInt(PAGE_LEAVES)));
      if (rows === undefined) return this.#defect("projectionMismatch", "a column of a leaf holds another kind of value");
      if (rows.length === 0) return this.#defect("truncated", `${why}, but only ${this.verifier.size} entries are stored`);
      const defect = await this.#page(rows);
      if (defect !== undefined) return defect;
      this.#options.onProgress(BigInt(this.verifier.size), target);
    }
    return undefined;
  }

  async #page(rows: readonly LeafRow[]): Promise<Defect | undefined> {
    const from = BigInt(this.verifier.size);
    const opened = await readDisclosures(this.#options.db, this.verifier.size === 0 ? SMALLEST : from, from + BigInt(rows.length));
    if (opened === undefined) return this.#defect("commitmentMismatch", "a disclosed value is of another kind");
    const disclosures = new DisclosureQueue(this.#withHashes(opened));
    const hashes = this.verifier.leafHashes(rows.map((row) => row.bytes));
    for (const [at, row] of rows.entries()) {
      if (row.index !== this.verifier.size)
        return this.#defect("leafIndex", `entry ${this.verifier.size} is missing: the next one stored is ${row.index}`);
      const leaf = this.verifier.addLeaf(row.bytes, this.#tiles.visit, hashes[at]);
      if (!leaf.ok) return leaf.error;
      const defect = columnDefect(row, leaf.value.view, leaf.value.hash) ?? this.#openingDefect(row, leaf.value.view, disclosures);
      if (defect !== undefined) return { ...defect, index: BigInt(row.index) };
      const due = this.#isDue() ? ((await this.#tileDefect()) ?? (await this.#atSize())) : undefined;
      if (due !== undefined) return due;
    }
    return undefined;
  }

  /** The commitments that these openings give, made together; left to the comparison where a row is of a wrong kind. */
  #withHashes(rows: readonly DisclosureRow[]): readonly HashedDisclosure[] {
    const { sm3Many } = this.#options.crypto;
    const { origin } = this.verifier;
    const items: { readonly place: CommitmentPlace; readonly opening: Opening }[] = [];
    for (const { index, name, salt, value } of rows) {
      if (sm3Many === undefined || typeof name !== "string" || typeof value !== "string" || index < 0) return rows;
      items.push({ place: { origin, index: BigInt(index) }, opening: { name, salt, value } });
    }
    const hashes = sm3Many === undefined ? [] : commitmentHashes(sm3Many, items);
    return rows.map((row, at) => ({ ...row, hash: hashes[at] }));
  }

  #openingDefect(row: LeafRow, view: LeafView, disclosures: DisclosureQueue): Defect | undefined {
    const rows = disclosures.take(row.index);
    if (rows === undefined) return { name: "commitmentMismatch", detail: "a disclosed value belongs to no entry" };
    if (!view.has(TAG.commitments))
      return rows.length === 0
        ? undefined
        : { name: "commitmentMismatch", detail: "values are disclosed for an entry that commits to none" };
    const commitments = commitmentsOf(view);
    this.counts.commitments += commitments.length;
    const leaf = { origin: this.verifier.origin, index: BigInt(row.index), commitments };
    for (const { name, salt, value, hash } of rows) {
      if (typeof name !== "string" || typeof value !== "string")
        return { name: "commitmentMismatch", detail: "a disclosed value is of another kind" };
      const opened = verifyOpening(this.#options.crypto.sm3, leaf, { name, salt, value }, hash);
      if (!opened.ok) return opened.error;
      this.counts.disclosures += 1;
    }
    return undefined;
  }

  async #tileDefect(): Promise<Defect | undefined> {
    for (const { level, index, bytes } of this.#tiles.take()) {
      const [row] = await this.#options.db.read("SELECT hashes FROM tile WHERE level = ? AND idx = ?", level, index);
      if (row === undefined) return this.#defect("tileMismatch", `tile ${index} of level ${level} is missing`);
      if (!equalBytes(bytesOf(row, "hashes"), bytes))
        return this.#defect("tileMismatch", `tile ${index} of level ${level} differs from the entries`);
      this.counts.tiles += 1;
    }
    return undefined;
  }

  /** Whether something is to be compared before the next entry is read. */
  #isDue(): boolean {
    return this.#tiles.hasFull || this.verifier.size >= this.#dueSize;
  }

  /** The size at which the next head move or checkpoint stands. */
  #nextDueSize(): number {
    const next = [this.#notes.current, this.#moves.current, this.#options.known[this.counts.known]].map((item) =>
      Number(item?.size ?? Infinity),
    );
    return Math.min(...next);
  }

  /** Everything that speaks of exactly the entries read so far. */
  async #atSize(): Promise<Defect | undefined> {
    const size = BigInt(this.verifier.size);
    for (let move = this.#moves.current; move !== undefined && move.size <= size; move = this.#moves.current) {
      if (
        move.size !== size ||
        move.fromSize !== this.#lastMove.size ||
        !equalBytes(move.fromRoot, this.#lastMove.root) ||
        !equalBytes(move.root, this.verifier.root())
      )
        return this.#defect("headMismatch", `the head move to size ${move.size} does not fit the entries`);
      this.#lastMove = move;
      await this.#moves.advance();
    }
    for (let stored = this.#notes.current; stored !== undefined && stored.size <= size; stored = this.#notes.current) {
      if (stored.size !== size) return this.#defect("checkpointSize", `a checkpoint is stored under size ${stored.size}`);
      for (const note of [stored.note, ...(stored.published === undefined ? [] : [stored.published])]) {
        const checkpoint = this.verifier.addCheckpoint(note);
        if (!checkpoint.ok) return checkpoint.error;
      }
      await this.#notes.advance();
    }
    for (
      let known = this.#options.known[this.counts.known];
      known !== undefined && known.size <= size;
      known = this.#options.known[this.counts.known]
    ) {
      if (!equalBytes(known.root, this.verifier.root()))
        return this.#defect("knownCheckpoint", `the entries do not have the root of the known checkpoint of size ${known.size}`);
      this.counts.known += 1;
    }
    this.#dueSize = this.#nextDueSize();
    return undefined;
  }

  #headDefect(): Defect | undefined {
    const { size, root } = this.#options.head;
    if (!equalBytes(root, this.verifier.root()))
      return this.#defect("headMismatch", `the head of size ${size} has another root than the entries`);
    return this.#lastMove.size === size ? undefined : this.#defect("headMismatch", `no head move leads to size ${size}`);
  }

  #knownDefect(): Defect | undefined {
    const known = this.#options.known[this.counts.known];
    return known === undefined
      ? undefined
      : this.#defect("truncated", `a known checkpoint was signed for ${known.size} entries, but only ${this.verifier.size} are stored`);
  }

  /** Rows behind the end. The head is read last: a writer at work moves it after everything else is in place. */
  async #leftoverDefect(): Promise<Defect | undefined> {
    const { db } = this.#options;
    const [last] = await db.read(
      `SELECT (SELECT coalesce(max(idx), -1) + 1 FROM leaf) AS leaves, (SELECT coalesce(max(size), 0) FROM head_move) AS moves,
        (SELECT coalesce(max(idx), -1) + 1 FROM disclosure) AS disclosures`,
    );
    const tiles = await db.read("SELECT level, max(idx) + 1 AS tiles FROM tile GROUP BY level");
    const [head] = await readHeads(db);
    const size = head?.size ?? 0n;
    const isBehind = (column: string): boolean => last === undefined || typeof last[column] !== "bigint" || last[column] > size;
    if (isBehind("leaves") || isBehind("moves")) return this.#defect("headMismatch", "entries are stored behind the head");
    if (isBehind("disclosures")) return this.#defect("commitmentMismatch", "values are disclosed for entries behind the head");
    const tooMany = tiles.some(
      (row) => typeof row["level"] !== "bigint" || typeof row["tiles"] !== "bigint" || row["tiles"] > size >> ((row["level"] + 1n) * 8n),
    );
    return tooMany ? this.#defect("tileMismatch", "tiles are stored behind the head") : undefined;
  }

  #defect(name: DefectName, detail: string): Defect {
    return { name, detail, index: BigInt(this.verifier.size) };
  }
}

/** The columns beside the bytes are there for queries; they must say what the bytes say. */
function columnDefect(row: LeafRow, view: LeafView, hash: Uint8Array): Defect | undefined {
  if (!equalBytes(row.hash, hash)) return mismatch("the bytes do not have the hash stored beside them");
  if (!holds(view, TAG.kind, row.kind)) return mismatch("the column kind differs from the bytes");
  if (!holds(view, TAG.institution, row.institution)) return mismatch("the column institution differs from the bytes");
  if (!holds(view, TAG.subject, row.subject)) return mismatch("the column subject differs from the bytes");
  if (!view.isPostedAt(row.atMs)) return mismatch("the column at_ms differs from the bytes");
  return undefined;
}

function mismatch(detail: string): Defect {
  return { name: "projectionMismatch", detail };
}

/** Whether a field has this text; ASCII is compared in place, without making a string. */
function holds(view: LeafView, tag: number, value: string | number | null): boolean {
  if (value === null) return !view.has(tag);
  if (typeof value === "number" || !view.has(tag)) return false;
  const from = view.begin(tag);
  const length = view.length(tag);
  for (let at = 0; at < length; at += 1) {
    const byte = view.bytes[from + at] ?? 0;
    if (byte >= 0x80) return view.text(tag) === value;
    if (value.charCodeAt(at) !== byte) return false;
  }
  return value.length === length;
}

interface HashedDisclosure extends DisclosureRow {
  readonly hash?: Uint8Array | undefined;
}

/** The openings of one page, handed out entry by entry. */
class DisclosureQueue {
  readonly #rows: readonly HashedDisclosure[];
  #at = 0;

  constructor(rows: readonly HashedDisclosure[]) {
    this.#rows = rows;
  }

  /** Those of entry `index`; `undefined` when one of an earlier entry was left over. */
  take(index: number): readonly HashedDisclosure[] | undefined {
    const from = this.#at;
    while (this.#rows[this.#at]?.index === index) this.#at += 1;
    const next = this.#rows[this.#at];
    if (next !== undefined && next.index < index) return undefined;
    return from === this.#at ? NONE : this.#rows.slice(from, this.#at);
  }
}

const NONE: readonly never[] = [];

const CURSOR_PAGE = 1024;

async function readNotes(db: Database, from: bigint, isAfter: boolean): Promise<readonly StoredNote[]> {
  const rows = await db.read(
    `SELECT size, c.note AS note, p.note AS published FROM checkpoint c LEFT JOIN published_checkpoint p USING (size)
     WHERE size ${isAfter ? ">" : ">="} ? ORDER BY size LIMIT ${CURSOR_PAGE}`,
    from,
  );
  return rows.map((row) => ({
    size: integerOf(row, "size"),
    note: String(row["note"]),
    ...(row["published"] === null ? {} : { published: String(row["published"]) }),
  }));
}

async function readMoves(db: Database, from: bigint, isAfter: boolean): Promise<readonly StoredMove[]> {
  const sql = `SELECT size, root, from_size, from_root FROM head_move WHERE size ${isAfter ? ">" : ">="} ? ORDER BY size LIMIT ${CURSOR_PAGE}`;
  const rows = await db.read(sql, from);
  return rows.map((row) => ({
    size: integerOf(row, "size"),
    root: bytesOf(row, "root"),
    fromSize: integerOf(row, "from_size"),
    fromRoot: bytesOf(row, "from_root"),
  }));
}

async function newestCheckpoint(db: Database): Promise<bigint> {
  const [row] = await db.read("SELECT coalesce(max(size), 0) AS size FROM checkpoint");
  return row === undefined ? 0n : integerOf(row, "size");
}

/** One row in a sound database. */
export async function readHeads(db: Database): Promise<readonly StoredHead[]> {
  const rows = await db.read("SELECT origin, size, root FROM head LIMIT 2");
  return rows.map((row) => ({ origin: String(row["origin"]), size: integerOf(row, "size"), root: bytesOf(row, "root") }));
}

/** A value of another kind equals no integer that a sound log holds. */
function integerOf(row: Row, column: string): bigint {
  const value = row[column];
  return typeof value === "bigint" ? value : -1n;
}

function bytesOf(row: Row, column: string): Uint8Array {
  const value = row[column];
  return value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array();
}
