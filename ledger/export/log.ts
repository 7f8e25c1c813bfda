/**
 * Writes one log into an export: full tiles and bundles in the order of the leaves, partial ones, checkpoint, and then
 * removes what stood at earlier sizes. Every hash is made anew from the leaves' bytes, and a checkpoint whose root they
 * do not have is not written: an export never publishes what its reader must refuse.
 */
import type { Database } from "../../migrations/database.ts";
import { readLeaves } from "../store/load.ts";
import { TileEdge, TILE_WIDTH, Tile } from "../tiles.ts";
import { equalBytes, utf8, utf8Text } from "../verifier/bytes.ts";
import { CHECKPOINT_FILE, printBundle, type TileName, tilePath, tilesOf } from "../verifier/export-layout.ts";
import { parseCheckpointBody, parseNote } from "../verifier/note.ts";
import { HASH_BYTES, type TreeHasher } from "../verifier/tree.ts";
import { type ExportFolder, PART_SUFFIX } from "./folder.ts";

/** What is asked of the platform or of the folder cannot be done; the message says it to the operator. */
export class ExportError extends Error {
  override readonly name = "ExportError";
}

export interface LogExportOptions {
  readonly db: Database;
  readonly hasher: TreeHasher;
  readonly folder: ExportFolder;
  /** Name of the log's folder. */
  readonly name: string;
  readonly origin: string;
  /** The signed note to publish; the entries that it covers are what is exported. */
  readonly note: string;
  /** Files below the folder of the log, from an earlier or a killed run. */
  readonly existing: ReadonlySet<string>;
  /** Told of entries that are in the export now. */
  readonly onProgress?: (entries: number) => void;
}

const NOTHING = new Uint8Array();
/** How many leaves are read at a time; a multiple of a bundle. */
const PAGE_LEAVES = 8 * TILE_WIDTH;

export async function exportLog(options: LogExportOptions): Promise<{ readonly size: number; readonly written: number }> {
  const log = new LogExport(options);
  return await log.run();
}

class LogExport {
  readonly #options: LogExportOptions;
  readonly #size: number;
  readonly #root: Uint8Array;
  #written = 0;

  constructor(options: LogExportOptions) {
    const { size, root } = headOf(options.note, options.origin);
    this.#options = options;
    this.#size = size;
    this.#root = root;
  }

  async run(): Promise<{ readonly size: number; readonly written: number }> {
    const { origin, note, existing, folder } = this.#options;
    await this.#checkPublished();
    const from = this.#resumeAt();
    const edge = await this.#restore(from);
    await this.#append(edge, from);
    if (!equalBytes(edge.root(), this.#root))
      throw new ExportError(
        from === 0
          ? `the entries of ${origin} do not have the root that was signed for ${this.#size} of them: verify the data folder`
          : `the tiles of ${origin} that are in the export do not lead to the signed root: verify the data folder, and export into an empty folder`,
      );
    await this.#write(CHECKPOINT_FILE, utf8(note));
    const kept = new Set([CHECKPOINT_FILE, ...[...tilesOf(this.#size)].map(tilePath)]);
    for (const path of existing) if (!kept.has(path)) await folder.remove(this.#path(path));
    return { size: this.#size, written: this.#written };
  }

  /** A checkpoint that was published must be of a prefix: an older copy of the database must not take entries back. */
  async #checkPublished(): Promise<void> {
    const { existing, folder, origin } = this.#options;
    if (!existing.has(CHECKPOINT_FILE)) return;
    const published = headOf(utf8Text((await folder.read(this.#path(CHECKPOINT_FILE))) ?? NOTHING) ?? "", origin);
    if (published.size > this.#size)
      throw new ExportError(
        `the export holds ${published.size} entries of ${origin}, the newest checkpoint of the database only ${this.#size}`,
      );
  }

  /** The first entry to write: behind the last full bundle before which no tile is missing. */
  #resumeAt(): number {
    const { existing } = this.#options;
    const has = (level: TileName["level"], index: number): boolean => existing.has(tilePath({ level, index, width: TILE_WIDTH }));
    let bundles = 0;
    while ((bundles + 1) * TILE_WIDTH <= this.#size && has("entries", bundles) && has(0, bundles)) bundles += 1;
    let leaves = bundles * TILE_WIDTH;
    // A tile of a higher level is written behind its last leaf: where one is missing, that leaf's bundle comes again.
    for (let level = 1, span = TILE_WIDTH ** 2; span <= leaves; level += 1, span *= TILE_WIDTH)
      for (let index = 0; (index + 1) * span <= leaves; index += 1) if (!has(level, index)) leaves = (index + 1) * span - TILE_WIDTH;
    return leaves;
  }

  async #restore(from: number): Promise<TileEdge> {
    const { hasher } = this.#options;
    return await TileEdge.restore(hasher, from, async (level, first, end) => {
      const roots: Uint8Array[] = [];
      for (let index = first; index < end; index += 1) roots.push((await this.#tile(level - 1, index)).node(8, 0));
      return roots;
    });
  }

  async #tile(level: number, index: number): Promise<Tile> {
    const path = this.#path(tilePath({ level, index, width: TILE_WIDTH }));
    const bytes = await this.#options.folder.read(path);
    if (bytes?.length !== TILE_WIDTH * HASH_BYTES) throw new ExportError(`${path} is damaged: export into an empty folder`);
    return Tile.parse(this.#options.hasher, bytes);
  }

  async #append(edge: TileEdge, from: number): Promise<void> {
    const { db, hasher, origin, onProgress } = this.#options;
    onProgress?.(from);
    for (let at = from; at < this.#size;) {
      const leaves = await readLeaves(db, BigInt(at), Math.min(PAGE_LEAVES, this.#size - at));
      if (leaves.length === 0) throw new ExportError(`entry ${at} of ${origin} is missing: verify the data folder`);
      for (let first = 0; first < leaves.length; first += TILE_WIDTH) {
        const bundle = leaves.slice(first, first + TILE_WIDTH).map((leaf) => leaf.bytes);
        for (const bytes of bundle) edge.append(hasher.leaf(bytes));
        await this.#writeTile(
          { level: "entries", index: Math.floor((at + first) / TILE_WIDTH), width: bundle.length },
          printBundle(bundle),
        );
        for (const { level, index, tile } of edge.takeFull()) await this.#writeTile({ level, index, width: TILE_WIDTH }, tile.bytes());
      }
      at += leaves.length;
      onProgress?.(at);
    }
    for (const name of tilesOf(this.#size))
      if (name.level !== "entries" && name.width < TILE_WIDTH) {
        const tile = edge.unfinished(name.level, name.index);
        if (tile?.length !== name.width) throw new Error(`tile ${name.index} of level ${name.level} is not at hand`);
        await this.#writeTile(name, tile.bytes());
      }
  }

  async #writeTile(name: TileName, bytes: Uint8Array): Promise<void> {
    await this.#write(tilePath(name), bytes);
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    await this.#options.folder.write(this.#path(path), bytes);
    this.#written += 1;
  }

  #path(path: string): string {
    return `${this.#options.name}/${path}`;
  }
}

function headOf(note: string, origin: string): { readonly size: number; readonly root: Uint8Array } {
  const parsed = parseNote(note);
  const body = parsed.ok ? parseCheckpointBody(parsed.value.text) : parsed;
  if (!body.ok) throw new ExportError(`the checkpoint of ${origin} cannot be read: ${body.error.detail}`);
  if (body.value.origin !== origin) throw new ExportError(`a checkpoint of ${body.value.origin} stands in the place of ${origin}`);
  return { size: Number(body.value.size), root: body.value.root };
}

/** What a killed run left half written. */
export function isPart(path: string): boolean {
  return path.endsWith(PART_SUFFIX);
}
