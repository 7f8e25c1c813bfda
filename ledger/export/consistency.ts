/** Proves from the files of an export, by whoever holds them, that a log goes on from an older checkpoint. */
import { Prover } from "../prover.ts";
import { Tile, TILE_WIDTH, tilePlace } from "../tiles.ts";
import { utf8Text } from "../verifier/bytes.ts";
import { printConsistency } from "../verifier/checkpoint.ts";
import { type ExportFiles, UnfitFileError } from "../verifier/export-files.ts";
import { CHECKPOINT_FILE, INDEX_FILE, parseIndex, tilePath } from "../verifier/export-layout.ts";
import { type CheckpointBody, parseCheckpointBody, parseNote } from "../verifier/note.ts";
import { HASH_BYTES, type Hash, treeHasher } from "../verifier/tree.ts";
import { ExportError } from "./log.ts";

export interface ConsistencyOptions {
  readonly files: ExportFiles;
  readonly sm3: Hash;
  /** The older checkpoint, a signed note: it names the log and the size to begin from. */
  readonly older: string;
}

/** The proof's text, for the checkpoint that stands in the export. Nothing is believed here: the verifier judges it. */
export async function proveConsistency({ files, sm3, older }: ConsistencyOptions): Promise<string> {
  const from = headOf(older, "the older checkpoint");
  const index = parseIndex(await fileOf(files, INDEX_FILE));
  if (!index.ok) throw new ExportError(index.error.detail);
  const log = index.value.logs.find(({ origin }) => origin === from.origin);
  if (log === undefined) throw new ExportError(`the export holds no log ${from.origin}`);
  const note = utf8Text(await fileOf(files, `${log.folder}/${CHECKPOINT_FILE}`)) ?? "";
  const to = headOf(note, "the checkpoint of the export");
  if (from.size < 1n || from.size > to.size)
    throw new ExportError(`the older checkpoint counts ${from.size} entries, the export ${to.size}: nothing leads from one to the other`);
  const hasher = treeHasher(sm3);
  const size = Number(to.size);
  const tiles = new Map<string, Tile>();
  const tileOf = async (level: number, at: number): Promise<Tile> => {
    const width = Math.min(TILE_WIDTH, Math.floor(size / TILE_WIDTH ** level) - at * TILE_WIDTH);
    const path = `${log.folder}/${tilePath({ level, index: at, width })}`;
    const known = tiles.get(path);
    if (known !== undefined) return known;
    const bytes = await fileOf(files, path);
    if (bytes.length !== width * HASH_BYTES) throw new ExportError(`the file ${path} does not hold ${width} hashes`);
    const tile = new Tile(
      hasher,
      Array.from({ length: width }, (_, n) => bytes.subarray(n * HASH_BYTES, (n + 1) * HASH_BYTES)),
    );
    tiles.set(path, tile);
    return tile;
  };
  const prover = new Prover(hasher, async (height, at) => {
    const place = tilePlace(height, at);
    return (await tileOf(place.level, place.tile)).node(place.height, place.entry);
  });
  return printConsistency(await prover.consistency(Number(from.size), size));
}

function headOf(note: string, what: string): CheckpointBody {
  const parsed = parseNote(note);
  const body = parsed.ok ? parseCheckpointBody(parsed.value.text) : parsed;
  if (!body.ok) throw new ExportError(`${what} cannot be read: ${body.error.detail}`);
  return body.value;
}

async function fileOf(files: ExportFiles, path: string): Promise<Uint8Array> {
  const bytes = await files.read(path).catch((error: unknown) => {
    throw error instanceof UnfitFileError ? new ExportError(`the file ${path} ${error.message}`) : error;
  });
  if (bytes === undefined) throw new ExportError(`the file ${path} is missing`);
  return bytes;
}
