/**
 * Derives every projection of one log from its leaf bytes alone and compares: columns, tiles, head, head moves, openings,
 * erasures, search keys. One pass in flat memory but for the keys of one segment. Nothing stops at a first difference.
 */
import type { Database } from "../../migrations/database.ts";
import { readHeads } from "../store/audit.ts";
import { readDisclosures, readLeafPage, type LeafRow } from "../store/pages.ts";
import { equalBytes, parseDecimal } from "../verifier/bytes.ts";
import { type Erasure, ERASURE_KIND, erasureOf } from "../verifier/erasure.ts";
import { commitmentHash, type Leaf, leafOf, scanLeaf } from "../verifier/leaf.ts";
import { parseCheckpointBody, parseNote } from "../verifier/note.ts";
import { TileCollector } from "../verifier/tile-collector.ts";
import { CompactRange, type Hash, type TreeHasher, treeHasher } from "../verifier/tree.ts";
import type { Findings } from "./findings.ts";
import { SearchKeys } from "./search-keys.ts";

/** Says that values of the entries before a size were lost with a database (`rebuild.ts`). */
export const REBUILT_KIND = "ledger.rebuilt";

const PAGE_LEAVES = 1024;
const SMALLEST = -(1n << 63n);

export interface FsckLogOptions {
  readonly db: Database;
  readonly sm3: Hash;
  readonly findings: Findings;
  /** Told of every leaf that can be read, in the order of the log: for projections that others keep. */
  readonly onLeaf: (leaf: Leaf, hash: Uint8Array) => void;
  readonly onProgress: (done: bigint, total: bigint) => void;
}

export interface FsckedLog {
  readonly origin: string;
  readonly size: bigint;
  readonly root: Uint8Array;
}

export async function fsckLog(options: FsckLogOptions): Promise<FsckedLog> {
  const walk = new LogWalk(options);
  await walk.run();
  return walk.result();
}

class LogWalk {
  readonly #options: FsckLogOptions;
  readonly #hasher: TreeHasher;
  readonly #range: CompactRange;
  readonly #tiles = new TileCollector();
  readonly #search: SearchKeys;
  /** Commitments that were opened nowhere, until an erasure names them. */
  readonly #unopened = new Map<string, { readonly index: bigint; readonly hash: Uint8Array; lost: boolean }>();
  readonly #erasures: Erasure[] = [];
  #origin = "";
  #previous: { readonly hash: Uint8Array; readonly postedMs: bigint } | undefined;

  constructor(options: FsckLogOptions) {
    this.#options = options;
    this.#hasher = treeHasher(options.sm3);
    this.#range = new CompactRange(this.#hasher);
    this.#search = new SearchKeys(options.db, options.findings);
  }

  result(): FsckedLog {
    return { origin: this.#origin, size: BigInt(this.#range.size), root: this.#range.root() };
  }

  async run(): Promise<void> {
    const { db, findings, onProgress } = this.#options;
    const [head, another] = await readHeads(db);
    this.#origin = head?.origin ?? "";
    if (head === undefined || another !== undefined)
      findings.add("head", `the database holds ${head === undefined ? "no head" : "several heads"}`);
    const [last] = await db.read("SELECT coalesce(max(idx), -1) + 1 AS size FROM leaf");
    const total = last?.["size"] as bigint;
    await this.#search.begin();
    for (let from = 0n; from < total; from += BigInt(PAGE_LEAVES)) {
      await this.#page(from, total);
      onProgress(from + BigInt(PAGE_LEAVES) < total ? from + BigInt(PAGE_LEAVES) : total, total);
    }
    const size = BigInt(this.#range.size);
    if (head !== undefined && (head.size !== size || !equalBytes(head.root, this.#range.root())))
      findings.add("head", `the head of size ${head.size} is not that of the ${size} entries`);
    await this.#search.end(size);
    await this.#extraTiles(size);
    await this.#extraOpenings(size);
    await this.#compareMoves();
    await this.#compareErasures();
    await this.#compareCheckpoints();
  }

  async #page(from: bigint, total: bigint): Promise<void> {
    const { db, findings } = this.#options;
    const to = from + BigInt(PAGE_LEAVES);
    const rows = await readLeafPage(db, from === 0n ? SMALLEST : from, PAGE_LEAVES);
    const opened = await readDisclosures(db, from === 0n ? SMALLEST : from, to);
    if (rows === undefined || opened === undefined) {
      findings.add(rows === undefined ? "columnKind" : "disclosureDiffers", "a column holds another kind of value", from);
      return;
    }
    const openings = Map.groupBy(opened, (row) => row.index);
    let at = from;
    for (const row of rows) {
      if (BigInt(row.index) >= to) break;
      for (; at < BigInt(row.index); at += 1n) findings.add("leafMissing", `entry ${at} is missing`, at);
      at += 1n;
      this.#leaf(row, openings.get(row.index) ?? []);
      openings.delete(row.index);
      await this.#compareTiles();
    }
    for (; at < to && at < total; at += 1n) findings.add("leafMissing", `entry ${at} is missing`, at);
    for (const [index] of openings) findings.add("disclosureExtra", "a value is kept for no entry", BigInt(index));
  }

  #leaf(row: LeafRow, openings: NonNullable<Awaited<ReturnType<typeof readDisclosures>>>): void {
    const { findings, onLeaf } = this.#options;
    const index = BigInt(row.index);
    const hash = this.#hasher.leaf(row.bytes);
    this.#range.append(hash, this.#tiles.visit);
    if (!equalBytes(row.hash, hash)) findings.add("leafHash", "the bytes do not have the hash stored beside them", index);
    const scanned = scanLeaf(row.bytes);
    if (!scanned.ok) {
      findings.add("leafMalformed", scanned.error.detail, index);
      this.#previous = undefined;
      return;
    }
    const leaf = leafOf(scanned.value);
    this.#chain(leaf, index);
    this.#previous = { hash, postedMs: leaf.postedMs };
    if (row.kind !== leaf.kind) findings.add("columnKind", "the column kind differs from the bytes", index);
    if (row.institution !== (leaf.institution ?? null))
      findings.add("columnInstitution", "the column institution differs from the bytes", index);
    if (row.subject !== (leaf.subject ?? null)) findings.add("columnSubject", "the column subject differs from the bytes", index);
    if (BigInt(row.atMs) !== leaf.postedMs) findings.add("columnTime", "the column at_ms differs from the bytes", index);
    const values = this.#openings(leaf, openings);
    this.#search.expect(leaf, values);
    if (leaf.kind === ERASURE_KIND) this.#erasure(leaf);
    if (leaf.kind === REBUILT_KIND) this.#lost(lostBelow(leaf));
    onLeaf(leaf, hash);
  }

  #chain(leaf: Leaf, index: bigint): void {
    const { findings } = this.#options;
    const previous = this.#previous;
    if (leaf.index !== index) findings.add("leafChain", `the entry in place ${index} says that it is entry ${leaf.index}`, index);
    if (leaf.origin !== this.#origin) findings.add("leafChain", "the entry belongs to another log", index);
    if (previous === undefined) return;
    if (leaf.previous === undefined || !equalBytes(leaf.previous, previous.hash))
      findings.add("leafChain", "the entry does not name the hash of the entry before it", index);
    if (leaf.postedMs < previous.postedMs) findings.add("leafChain", "the entry is older than the entry before it", index);
  }

  /** Compares what is kept with what was committed to; gives the values that are kept and right. */
  #openings(leaf: Leaf, rows: NonNullable<Awaited<ReturnType<typeof readDisclosures>>>): readonly string[] {
    const { findings, sm3 } = this.#options;
    const left = new Map((leaf.commitments ?? []).map(({ name, hash }) => [name, hash]));
    const values: string[] = [];
    for (const { name, salt, value } of rows) {
      const committed = typeof name === "string" ? left.get(name) : undefined;
      if (typeof name !== "string" || typeof value !== "string" || committed === undefined) {
        findings.add("disclosureExtra", "a value is kept that the entry does not commit to", leaf.index);
        continue;
      }
      left.delete(name);
      values.push(value);
      if (!equalBytes(commitmentHash(sm3, leaf, { name, salt, value }), committed))
        findings.add("disclosureDiffers", "a value that is kept is not the one committed to", leaf.index);
    }
    for (const [name, hash] of left) this.#unopened.set(`${leaf.index}/${name}`, { index: leaf.index, hash, lost: false });
    return values;
  }

  #lost(below: bigint): void {
    for (const unopened of this.#unopened.values()) if (unopened.index < below) unopened.lost = true;
  }

  #erasure(leaf: Leaf): void {
    const erasure = erasureOf(leaf);
    if (erasure === undefined) return;
    if (erasure.ok) this.#erasures.push(erasure.value);
    else this.#options.findings.add("erasureMalformed", erasure.error.detail, leaf.index);
  }

  async #compareTiles(): Promise<void> {
    const { db, findings } = this.#options;
    for (const { level, index, bytes } of this.#tiles.take()) {
      const [row] = await db.read("SELECT hashes FROM tile WHERE level = ? AND idx = ?", level, index);
      const stored = row?.["hashes"];
      if (row === undefined) findings.add("tileMissing", `tile ${index} of level ${level} is missing`);
      else if (!(stored instanceof ArrayBuffer) || !equalBytes(new Uint8Array(stored), bytes))
        findings.add("tileDiffers", `tile ${index} of level ${level} differs from the entries`);
    }
  }

  async #extraTiles(size: bigint): Promise<void> {
    const { db, findings } = this.#options;
    for (const row of await db.read("SELECT level, idx FROM tile ORDER BY level, idx")) {
      const [level, index] = [row["level"], row["idx"]];
      const isOurs = typeof level === "bigint" && typeof index === "bigint" && level >= 0n && level < 8n && index >= 0n;
      if (!isOurs || index >= size >> ((level + 1n) * 8n))
        findings.add("tileExtra", `tile ${String(index)} of level ${String(level)} is of no full run of entries`);
    }
  }

  async #extraOpenings(size: bigint): Promise<void> {
    const [row] = await this.#options.db.read(
      "SELECT count(*) AS n FROM disclosure WHERE idx >= ?",
      (size / BigInt(PAGE_LEAVES) + 1n) * BigInt(PAGE_LEAVES),
    );
    if (row?.["n"] !== 0n) this.#options.findings.add("disclosureExtra", "values are kept for entries behind the end");
  }

  /** Every move leads from the one before it to a size and root that the entries had. */
  async #compareMoves(): Promise<void> {
    const { db, findings } = this.#options;
    const range = new CompactRange(this.#hasher);
    let before = { size: 0n, root: range.root() };
    for (let after = -1n; ;) {
      const moves = await db.read("SELECT size, root, from_size, from_root FROM head_move WHERE size > ? ORDER BY size LIMIT 256", after);
      for (const row of moves) {
        const size = row["size"] as bigint;
        after = size;
        if (size > BigInt(this.#range.size)) {
          findings.add("headMove", `a move leads to ${size} entries, there are ${this.#range.size}`);
          continue;
        }
        while (BigInt(range.size) < size) {
          const hashes = await db.read(
            "SELECT bytes FROM leaf WHERE idx >= ? AND idx < ? ORDER BY idx",
            BigInt(range.size),
            minimum(size, BigInt(range.size + PAGE_LEAVES)),
          );
          if (hashes.length === 0) return;
          range.appendMany(this.#hasher.leaves(hashes.map((leaf) => new Uint8Array(leaf["bytes"] as ArrayBuffer))));
        }
        const root = range.root();
        const isRight =
          equalBytes(bytesOf(row["root"]), root) && row["from_size"] === before.size && equalBytes(bytesOf(row["from_root"]), before.root);
        if (!isRight) findings.add("headMove", `the head move to size ${size} does not fit the entries`);
        before = { size, root };
      }
      if (moves.length === 0) break;
    }
    if (before.size !== BigInt(this.#range.size)) findings.add("headMove", `no head move leads to the end, ${this.#range.size}`);
  }

  /** What is named as erased is kept nowhere, what is not kept was erased, and the table of both says so. */
  async #compareErasures(): Promise<void> {
    const { db, findings } = this.#options;
    const stored = new Map(
      (await db.read("SELECT idx, name, erased_at FROM erased")).map((row) => [
        `${String(row["idx"])}/${String(row["name"])}`,
        row["erased_at"],
      ]),
    );
    for (const { at, fields } of this.#erasures)
      for (const { index, name, hash } of fields) {
        const key = `${index}/${name}`;
        const unopened = this.#unopened.get(key);
        if (unopened === undefined)
          findings.add("erasedKept", `a value is kept that entry ${at} says was destroyed, or no entry commits to it`, index);
        else if (!equalBytes(unopened.hash, hash))
          findings.add("erasureMalformed", `the entry names another commitment than entry ${index} has`, at);
        this.#unopened.delete(key);
        if (stored.get(key) !== at) findings.add("erasedMissing", `the table of erased fields does not name entry ${at}`, index);
        stored.delete(key);
      }
    for (const key of stored.keys()) findings.add("erasedExtra", `the table says that ${key} was erased, no entry does`);
    for (const { index, lost } of this.#unopened.values())
      if (!lost) findings.add("disclosureMissing", "a value is gone that no entry says was destroyed", index);
  }

  /** Stored under their own size, of this log, none behind the end. Signatures and roots are `ledger verify`'s. */
  async #compareCheckpoints(): Promise<void> {
    const { db, findings } = this.#options;
    for (const row of await db.read("SELECT size, note FROM checkpoint UNION ALL SELECT size, note FROM published_checkpoint")) {
      const note = parseNote(String(row["note"]));
      const body = note.ok ? parseCheckpointBody(note.value.text) : note;
      const isRight =
        body.ok && body.value.size === row["size"] && body.value.origin === this.#origin && body.value.size <= BigInt(this.#range.size);
      if (!isRight)
        findings.add(
          "checkpoint",
          `the checkpoint stored under size ${String(row["size"])} is of another size or log, or goes beyond the entries`,
        );
    }
    for (const row of await db.read("SELECT leaves, checkpoint_size FROM ledger_publication")) {
      const size = BigInt(this.#range.size);
      if ((row["leaves"] as bigint) > size || (row["checkpoint_size"] as bigint) > size)
        findings.add("publication", "more entries were published than there are");
    }
  }
}

function lostBelow(leaf: Leaf): bigint {
  return parseDecimal(leaf.facts?.find(({ name }) => name === "size")?.value ?? "") ?? 0n;
}

function minimum(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function bytesOf(value: unknown): Uint8Array {
  return value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array();
}
