/** Makes the text that proves every entry of a period (`FORMAT.md` section 8.1), from a stored log; reading only. */
import type { Database } from "../../migrations/database.ts";
import { loadLog, LogDamagedError, readLeaves, readTile } from "../store/load.ts";
import { Prover } from "../prover.ts";
import { TileCache, tilePlace } from "../tiles.ts";
import { printRange, RANGE_BYTES_MAX } from "../verifier/range.ts";
import { type Hash, treeHasher } from "../verifier/tree.ts";
import { ExportError } from "../export/log.ts";

export interface ProveRange {
  readonly db: Database;
  readonly sm3: Hash;
  readonly origin: string;
  readonly institution: string | undefined;
  readonly fromMs: bigint;
  /** Without it, up to the checkpoint. */
  readonly toMs: bigint | undefined;
  /** A signed checkpoint of this log, and its size. */
  readonly checkpoint: { readonly size: bigint; readonly note: string };
}

export async function proveRange(options: ProveRange): Promise<string> {
  const { db, sm3, origin, institution, fromMs, toMs, checkpoint } = options;
  const { size } = checkpoint;
  // Time never goes back, so that both ends are found by halving.
  const begin = await firstAtOrAfter(db, fromMs, size);
  const first = begin === 0n ? 0n : begin - 1n;
  const behind = toMs === undefined ? size : await firstAtOrAfter(db, toMs, size);
  const end = behind < size ? behind + 1n : size;
  const hasher = treeHasher(sm3);
  const { edge } = await loadLog(db, hasher, origin);
  const tiles = new TileCache((level, index) => readTile(db, hasher, level, index));
  const node = async (height: number, at: number): Promise<Uint8Array> => {
    const place = tilePlace(height, at);
    const tile = edge.unfinished(place.level, place.tile) ?? (await tiles.get(place.level, place.tile));
    return tile.node(place.height, place.entry);
  };
  const left: Uint8Array[] = [];
  for (let height = 62, from = 0n; height >= 0; height -= 1) {
    const width = 1n << BigInt(height);
    if ((first & width) === 0n) continue;
    left.push(await node(height, Number(from >> BigInt(height))));
    from += width;
  }
  const leaves: Uint8Array[] = [];
  let characters = 0;
  for (let at = first; at < end; at += BigInt(LEAVES_PER_READ)) {
    const wanted = end - at < BigInt(LEAVES_PER_READ) ? Number(end - at) : LEAVES_PER_READ;
    const stored = await readLeaves(db, at, wanted);
    if (stored.length !== wanted || stored[0]?.index !== at) throw new LogDamagedError(`entries behind ${at} of ${origin} are missing`);
    for (const leaf of stored) {
      leaves.push(leaf.bytes);
      characters += Math.ceil(leaf.bytes.length / 3) * 4 + 6;
    }
    if (characters > RANGE_BYTES_MAX - 64 * 1024)
      throw new ExportError("the period has more entries than one text may hold: ask for it in parts");
  }
  const path = await new Prover(hasher, node).consistency(Number(end), Number(size));
  return printRange(sm3, { origin, institution, fromMs, toMs, first, left, leaves, path, checkpoint: checkpoint.note });
}

const LEAVES_PER_READ = 1_024;

/** Index of the first entry below `size` with this posted time or a later one; `size` when there is none. */
async function firstAtOrAfter(db: Database, ms: bigint, size: bigint): Promise<bigint> {
  let [low, high] = [0n, size];
  while (low < high) {
    const middle = (low + high) / 2n;
    const [row] = await db.read("SELECT at_ms FROM leaf WHERE idx = ?", middle);
    const atMs = row?.["at_ms"];
    if (typeof atMs !== "bigint") throw new LogDamagedError(`entry ${middle} is missing`);
    if (atMs < ms) low = middle + 1n;
    else high = middle;
  }
  return low;
}
