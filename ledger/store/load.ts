/** Reads a stored log back into memory: the unfinished edge of the tree, and where the sequencer stopped. */
import type { Database, Row } from "../../migrations/database.ts";
import type { Checkpoint } from "../port.ts";
import { Tile, TILE_HEIGHT, TILE_WIDTH, TileEdge } from "../tiles.ts";
import { equalBytes } from "../verifier/bytes.ts";
import { scanLeaf } from "../verifier/leaf.ts";
import { parseCheckpointBody, parseNote } from "../verifier/note.ts";
import type { TreeHasher } from "../verifier/tree.ts";

/** The stored log contradicts itself or its last signed checkpoint: going on could fork it, so it is not opened. */
export class LogDamagedError extends Error {
  override readonly name = "LogDamagedError";
}

export interface LoadedLog {
  readonly edge: TileEdge;
  /** Hash and time of the last entry; absent in an empty log. */
  readonly last?: { readonly hash: Uint8Array; readonly postedMs: number };
  readonly checkpoint?: Checkpoint;
}

/** Loads the log, and begins it when the database has none. */
export async function loadLog(db: Database, hasher: TreeHasher, origin: string): Promise<LoadedLog> {
  const head = await readHead(db, hasher, origin);
  const size = await checkedSize(db, head.size);
  const edge = await readEdge(db, hasher, size);
  if (!equalBytes(edge.root(), head.root)) throw new LogDamagedError(`the leaves and tiles of ${origin} do not give the root of its head`);
  const last = size === 0 ? undefined : await readLast(db, hasher, size - 1);
  const checkpoint = await readCheckpoint(db, origin);
  if (checkpoint !== undefined && checkpoint.size > head.size)
    throw new LogDamagedError(
      `a checkpoint of ${origin} was signed for ${checkpoint.size} entries, the database has ${size}: restore the newest copy`,
    );
  return { edge, ...(last === undefined ? {} : { last }), ...(checkpoint === undefined ? {} : { checkpoint }) };
}

interface Head {
  readonly size: bigint;
  readonly root: Uint8Array;
}

async function readHead(db: Database, hasher: TreeHasher, origin: string): Promise<Head> {
  const rows = await db.read("SELECT origin, size, root FROM head");
  const [row] = rows;
  if (rows.length > 1) throw new LogDamagedError("the database holds the heads of several logs");
  if (row !== undefined) {
    if (row["origin"] !== origin) throw new LogDamagedError(`the database holds the log ${String(row["origin"])}, not ${origin}`);
    return { size: bigintOf(row, "size"), root: bytesOf(row, "root") };
  }
  const [left] = await db.read("SELECT (SELECT count(*) FROM leaf) + (SELECT count(*) FROM checkpoint) AS n");
  if (left === undefined || bigintOf(left, "n") !== 0n) throw new LogDamagedError(`the head of ${origin} is missing`);
  const root = hasher.empty();
  await db.write([{ sql: "INSERT INTO head (origin, size, root) VALUES (?, 0, ?)", args: [origin, root] }]);
  return { size: 0n, root };
}

async function checkedSize(db: Database, size: bigint): Promise<number> {
  const [row] = await db.read("SELECT coalesce(max(idx), -1) + 1 AS size FROM leaf");
  const stored = row === undefined ? -1n : bigintOf(row, "size");
  if (stored !== size) throw new LogDamagedError(`the head counts ${size} entries, the last leaf stored is number ${stored - 1n}`);
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw new LogDamagedError(`a log of ${size} entries is beyond this implementation`);
  return Number(size);
}

/** The unfinished tiles: level 0 from leaf bytes, the levels above from the full tiles below them. */
async function readEdge(db: Database, hasher: TreeHasher, size: number): Promise<TileEdge> {
  return await TileEdge.restore(hasher, size, async (level, from, to) => {
    const hashes = level === 0 ? await readLeafHashes(db, hasher, from) : await readTileRoots(db, hasher, level - 1, from, to);
    if (hashes.length !== to - from) throw new LogDamagedError(`level ${level} of the tree has a gap after node ${from}`);
    return hashes;
  });
}

async function readLeafHashes(db: Database, hasher: TreeHasher, from: number): Promise<readonly Uint8Array[]> {
  return (await readLeaves(db, BigInt(from), TILE_WIDTH)).map(({ bytes }) => hasher.leaf(bytes));
}

async function readTileRoots(db: Database, hasher: TreeHasher, level: number, from: number, to: number): Promise<readonly Uint8Array[]> {
  const rows = await db.read("SELECT idx, hashes FROM tile WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx", level, from, to);
  return rows.map((row) => Tile.parse(hasher, bytesOf(row, "hashes")).node(TILE_HEIGHT, 0));
}

async function readLast(db: Database, hasher: TreeHasher, index: number): Promise<NonNullable<LoadedLog["last"]>> {
  const [leaf] = await readLeaves(db, BigInt(index), 1);
  const view = leaf === undefined ? undefined : scanLeaf(leaf.bytes);
  if (leaf === undefined || view?.ok !== true) throw new LogDamagedError(`entry ${index} cannot be read`);
  return { hash: hasher.leaf(leaf.bytes), postedMs: Number(view.value.postedMs) };
}

async function readCheckpoint(db: Database, origin: string): Promise<Checkpoint | undefined> {
  const [row] = await db.read("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1");
  return row === undefined ? undefined : checkpointOf(String(row["note"]), origin, bigintOf(row, "size"));
}

/** The stored checkpoint of exactly this size. */
export async function readCheckpointAt(db: Database, origin: string, size: bigint): Promise<Checkpoint | undefined> {
  const [row] = await db.read("SELECT note FROM checkpoint WHERE size = ?", size);
  return row === undefined ? undefined : checkpointOf(String(row["note"]), origin, size);
}

function checkpointOf(note: string, origin: string, size: bigint): Checkpoint {
  const parsed = parseNote(note);
  const body = parsed.ok ? parseCheckpointBody(parsed.value.text) : parsed;
  if (!body.ok) throw new LogDamagedError(`the checkpoint of size ${size} cannot be read: ${body.error.detail}`);
  if (body.value.origin !== origin || body.value.size !== size)
    throw new LogDamagedError(`the checkpoint stored under size ${size} speaks of ${body.value.origin} at size ${body.value.size}`);
  return { ...body.value, note };
}

export interface StoredLeaf {
  readonly index: bigint;
  readonly bytes: Uint8Array;
}

export async function readLeaves(db: Database, from: bigint, limit: number): Promise<readonly StoredLeaf[]> {
  const rows = await db.read("SELECT idx, bytes FROM leaf WHERE idx >= ? ORDER BY idx LIMIT ?", from, limit);
  return rows.map((row) => ({ index: bigintOf(row, "idx"), bytes: bytesOf(row, "bytes") }));
}

export async function readTile(db: Database, hasher: TreeHasher, level: number, index: number): Promise<Tile> {
  const [row] = await db.read("SELECT hashes FROM tile WHERE level = ? AND idx = ?", level, index);
  if (row === undefined) throw new LogDamagedError(`tile ${index} of level ${level} is missing`);
  return Tile.parse(hasher, bytesOf(row, "hashes"));
}

function bigintOf(row: Row, column: string): bigint {
  const value = row[column];
  if (typeof value !== "bigint") throw new LogDamagedError(`the column ${column} is no integer`);
  return value;
}

function bytesOf(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof ArrayBuffer)) throw new LogDamagedError(`the column ${column} is no blob`);
  return new Uint8Array(value);
}
