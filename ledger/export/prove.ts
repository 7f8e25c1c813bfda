/** Receipts from a stored log, without its sequencer: reading only, also beside a platform that runs. */
import type { Database } from "../../migrations/database.ts";
import { loadLog, LogDamagedError, readLeaves, readTile } from "../store/load.ts";
import { searchEntries } from "../store/search.ts";
import { Prover } from "../prover.ts";
import { TileCache, tilePlace } from "../tiles.ts";
import { SALT_BYTES, type Opening } from "../verifier/leaf.ts";
import { printSealedReceipt, type ReceiptEntry } from "../verifier/receipt.ts";
import { type Hash, treeHasher } from "../verifier/tree.ts";
import { ExportError } from "./log.ts";

export interface SubjectEntry {
  readonly index: bigint;
  readonly kind: string;
}

/** The entries about a subject, in their order. Found by a column, so that the receipt is what proves them. */
export async function entriesAbout(db: Database, subject: string): Promise<readonly SubjectEntry[]> {
  const entries: SubjectEntry[] = [];
  for (const index of await searchEntries(db, "subject", subject)) {
    const [row] = await db.read("SELECT kind FROM leaf WHERE idx = ?", index);
    entries.push({ index, kind: String(row?.["kind"]) });
  }
  return entries;
}

/** The entries with those behind them that say what of their personal fields was erased, ascending. */
export async function withErasures(db: Database, indices: readonly bigint[]): Promise<readonly bigint[]> {
  const all = new Set(indices);
  for (const index of indices)
    for (const row of await db.read("SELECT DISTINCT erased_at FROM erased WHERE idx = ?", index)) all.add(row["erased_at"] as bigint);
  return [...all].sort((a, b) => (a < b ? -1 : 1));
}

export interface ProveOptions {
  readonly db: Database;
  readonly sm3: Hash;
  readonly origin: string;
  /** Ascending. */
  readonly indices: readonly bigint[];
  /** A signed checkpoint of this log that covers them, and its size. */
  readonly checkpoint: { readonly size: bigint; readonly note: string };
  /** Which personal fields to disclose, where value and salt are still kept. */
  readonly disclose: (name: string) => boolean;
}

/** The text of a receipt (`FORMAT.md` section 8). */
export async function proveEntries({ db, sm3, origin, indices, checkpoint, disclose }: ProveOptions): Promise<string> {
  const hasher = treeHasher(sm3);
  const { edge } = await loadLog(db, hasher, origin);
  const tiles = new TileCache((level, index) => readTile(db, hasher, level, index));
  const prover = new Prover(hasher, async (height, at) => {
    const place = tilePlace(height, at);
    const tile = edge.unfinished(place.level, place.tile) ?? (await tiles.get(place.level, place.tile));
    return tile.node(place.height, place.entry);
  });
  const entries: ReceiptEntry[] = [];
  for (const index of indices) {
    if (index >= checkpoint.size) throw new ExportError(`entry ${index} of ${origin} is not signed yet: try again in a moment`);
    const [leaf] = await readLeaves(db, index, 1);
    if (leaf?.index !== index) throw new LogDamagedError(`entry ${index} of ${origin} is missing`);
    const path = await prover.inclusion(Number(index), Number(checkpoint.size));
    entries.push({ index, leaf: leaf.bytes, openings: await openingsOf(db, index, disclose), path });
  }
  return printSealedReceipt(sm3, { entries, checkpoint: checkpoint.note });
}

/** Openings in the order of the commitments: names ascend by their UTF-8 bytes, as SQL compares texts. */
async function openingsOf(db: Database, index: bigint, disclose: (name: string) => boolean): Promise<readonly Opening[]> {
  const rows = await db.read("SELECT name, salt, value FROM disclosure WHERE idx = ? ORDER BY name", index);
  const openings: Opening[] = [];
  for (const row of rows) {
    const [name, value, salt] = [row["name"], row["value"], row["salt"]];
    if (typeof name !== "string" || typeof value !== "string" || !(salt instanceof ArrayBuffer) || salt.byteLength !== SALT_BYTES)
      throw new LogDamagedError(`a value kept for entry ${index} is of another kind`);
    if (disclose(name)) openings.push({ name, value, salt: new Uint8Array(salt) });
  }
  return openings;
}
