/** Gathers the hashes of every tile as a tree grows, so that stored tiles can be compared with what the leaves give. */
import { TILE_HEIGHT, TILE_WIDTH, type TileName } from "./export-layout.ts";
import { HASH_BYTES, type NodeVisitor } from "./tree.ts";

export interface CollectedTile extends TileName {
  readonly level: number;
  readonly bytes: Uint8Array;
}

export class TileCollector {
  readonly #levels: { readonly bytes: Uint8Array; count: number; index: number }[] = [];
  #full: CollectedTile[] = [];

  readonly visit: NodeVisitor = (height, index, hash) => {
    if (height % TILE_HEIGHT !== 0) return;
    const level = height / TILE_HEIGHT;
    const tile = this.#levels[level] ?? { bytes: new Uint8Array(TILE_WIDTH * HASH_BYTES), count: 0, index: 0 };
    this.#levels[level] = tile;
    tile.bytes.set(hash, HASH_BYTES * tile.count);
    tile.count += 1;
    tile.index = Math.floor(index / TILE_WIDTH);
    if (tile.count < TILE_WIDTH) return;
    this.#full.push({ level, index: tile.index, width: TILE_WIDTH, bytes: tile.bytes.slice() });
    tile.count = 0;
  };

  get hasFull(): boolean {
    return this.#full.length > 0;
  }

  /** The tiles that became full since the last call. */
  take(): readonly CollectedTile[] {
    const full = this.#full;
    this.#full = [];
    return full;
  }

  /** The unfinished tile of each level that has one. */
  partial(): readonly CollectedTile[] {
    return this.#levels.flatMap(({ bytes, count, index }, level) =>
      count === 0 ? [] : [{ level, index, width: count, bytes: bytes.slice(0, count * HASH_BYTES) }],
    );
  }
}
