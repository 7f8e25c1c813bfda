/**
 * The tree in tiles of 256 hashes (the layout of C2SP tlog-tiles): tile (level, index) holds the nodes of height
 * 8 × level from 256 × index on. Full tiles are stored once and never change; the unfinished tile of each level lives
 * in memory, so that append, proof and start cost the same at ten entries and at ten million.
 */
import { TILE_HEIGHT, TILE_WIDTH } from "./verifier/export-layout.ts";
import { CompactRange, hashesOf, type TreeHasher } from "./verifier/tree.ts";

export { TILE_HEIGHT, TILE_WIDTH };

/** Nodes of one tile: what is stored, and the hashes above it once somebody asked for them. */
export class Tile {
  readonly #hasher: TreeHasher;
  /** By height above the tile's own level; row 0 is what is stored. */
  #rows: (Uint8Array | undefined)[][];

  constructor(hasher: TreeHasher, hashes: readonly Uint8Array[] = []) {
    this.#hasher = hasher;
    this.#rows = [[...hashes]];
  }

  static parse(hasher: TreeHasher, bytes: Uint8Array): Tile {
    if (bytes.length !== TILE_WIDTH * 32) throw new Error(`a full tile has ${TILE_WIDTH * 32} bytes, not ${bytes.length}`);
    return new Tile(hasher, hashesOf(bytes));
  }

  get length(): number {
    return this.#row(0).length;
  }

  push(hash: Uint8Array): void {
    this.#row(0).push(hash);
  }

  /** A tile that grows on its own from here. */
  clone(): Tile {
    const copy = new Tile(this.#hasher);
    copy.#rows = this.#rows.map((row) => row.slice());
    return copy;
  }

  /** The complete subtree `index` of `height` levels inside this tile. */
  node(height: number, index: number): Uint8Array {
    const row = this.#row(height);
    const known = row[index];
    if (known !== undefined) return known;
    if (height === 0) throw new RangeError(`the tile has no hash ${index}`);
    if (this.length === TILE_WIDTH) return this.#fullRow(height)[index] ?? refuse(`a tile has no node ${index} of height ${height}`);
    const hash = this.#hasher.node(this.node(height - 1, 2 * index), this.node(height - 1, 2 * index + 1));
    row[index] = hash;
    return hash;
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.length * 32);
    for (let at = 0; at < this.length; at += 1) bytes.set(this.node(0, at), 32 * at);
    return bytes;
  }

  /** Of a full tile whole rows are made at once: that costs less than the few nodes of one proof by themselves. */
  #fullRow(height: number): readonly (Uint8Array | undefined)[] {
    const below = height === 1 ? this.#row(0) : this.#fullRow(height - 1);
    const row = this.#row(height);
    const wanted = TILE_WIDTH / 2 ** height;
    if (row.length === wanted && !row.includes(undefined)) return row;
    const children = new Uint8Array(below.length * 32);
    for (const [at, hash] of below.entries()) if (hash !== undefined) children.set(hash, 32 * at);
    const made = [...hashesOf(this.#hasher.nodes(children))];
    this.#rows[height] = made;
    return made;
  }

  #row(height: number): (Uint8Array | undefined)[] {
    while (this.#rows.length <= height) this.#rows.push([]);
    return this.#rows[height] as (Uint8Array | undefined)[];
  }
}

function refuse(what: string): never {
  throw new RangeError(what);
}

export interface FullTile {
  readonly level: number;
  readonly index: number;
  readonly tile: Tile;
}

/** The growing edge of a tree: its compact range and the unfinished tile of each level. */
export class TileEdge {
  readonly #range: CompactRange;
  readonly #hasher: TreeHasher;
  /** By level; the index of a level's unfinished tile follows from the size. */
  readonly #unfinished: Tile[];
  #full: FullTile[] = [];

  constructor(hasher: TreeHasher, range: CompactRange = new CompactRange(hasher), unfinished: readonly Tile[] = []) {
    this.#hasher = hasher;
    this.#range = range;
    this.#unfinished = [...unfinished];
  }

  /**
   * The edge of a tree of `size` leaves, read back: `nodes` gives the hashes of the nodes `from` up to `to` of a level,
   * which are at most 255 for each.
   */
  static async restore(
    hasher: TreeHasher,
    size: number,
    nodes: (level: number, from: number, to: number) => Promise<readonly Uint8Array[]>,
  ): Promise<TileEdge> {
    const unfinished: Tile[] = [];
    for (let level = 0, count = size; level === 0 || count > 0; level += 1, count = Math.floor(count / TILE_WIDTH)) {
      const from = count - (count % TILE_WIDTH);
      unfinished.push(new Tile(hasher, from === count ? [] : await nodes(level, from, count)));
    }
    return new TileEdge(hasher, new CompactRange(hasher, size, peaksOf(unfinished)), unfinished);
  }

  get size(): number {
    return this.#range.size;
  }

  root(): Uint8Array {
    return this.#range.root();
  }

  /** An edge that grows on its own from here: an append that may still be taken back. */
  clone(): TileEdge {
    return new TileEdge(
      this.#hasher,
      this.#range.clone(),
      this.#unfinished.map((tile) => tile.clone()),
    );
  }

  append(leafHash: Uint8Array): void {
    this.#range.append(leafHash, (height, index, hash) => {
      if (height % TILE_HEIGHT === 0) this.#push(height / TILE_HEIGHT, index, hash);
    });
  }

  appendMany(leafHashes: readonly Uint8Array[]): void {
    this.#range.appendMany(leafHashes, (height, index, hash) => {
      if (height % TILE_HEIGHT === 0) this.#push(height / TILE_HEIGHT, index, hash);
    });
  }

  /** The tiles that became full since the last call. */
  takeFull(): readonly FullTile[] {
    const full = this.#full;
    this.#full = [];
    return full;
  }

  /** The unfinished tile (level, index), when it is that one and not a full one. */
  unfinished(level: number, index: number): Tile | undefined {
    return index === Math.floor(this.size / TILE_WIDTH ** (level + 1)) ? this.#unfinished[level] : undefined;
  }

  #push(level: number, index: number, hash: Uint8Array): void {
    const tile = this.#unfinished[level] ?? new Tile(this.#hasher);
    this.#unfinished[level] = tile;
    tile.push(hash);
    if (tile.length < TILE_WIDTH) return;
    this.#full.push({ level, index: Math.floor(index / TILE_WIDTH), tile });
    this.#unfinished[level] = new Tile(this.#hasher);
  }
}

/** The peaks of the compact range, largest first: one per bit of each level's count. */
function peaksOf(unfinished: readonly Tile[]): readonly Uint8Array[] {
  return unfinished.toReversed().flatMap((tile) => {
    const peaks: Uint8Array[] = [];
    for (let height = TILE_HEIGHT - 1; height >= 0; height -= 1)
      if (((tile.length >>> height) & 1) === 1) peaks.push(tile.node(height, (tile.length >>> height) - 1));
    return peaks;
  });
}

/** Full tiles with a bound on how many stay in memory; the least lately used one goes first. */
export class TileCache {
  readonly #load: (level: number, index: number) => Promise<Tile>;
  readonly #tiles = new Map<string, Tile>();
  readonly #tilesMax: number;

  constructor(load: (level: number, index: number) => Promise<Tile>, tilesMax = 256) {
    this.#load = load;
    this.#tilesMax = tilesMax;
  }

  put({ level, index, tile }: FullTile): void {
    const key = `${level}/${index}`;
    this.#tiles.delete(key);
    this.#tiles.set(key, tile);
    const [oldest] = this.#tiles.keys();
    if (this.#tiles.size > this.#tilesMax && oldest !== undefined) this.#tiles.delete(oldest);
  }

  async get(level: number, index: number): Promise<Tile> {
    const tile = this.#tiles.get(`${level}/${index}`) ?? (await this.#load(level, index));
    this.put({ level, index, tile });
    return tile;
  }
}

/** Where the complete subtree `index` of `height` stands: its tile, and its place in it. */
export interface TilePlace {
  readonly level: number;
  readonly tile: number;
  readonly height: number;
  readonly entry: number;
}

export function tilePlace(height: number, index: number): TilePlace {
  const level = Math.floor(height / TILE_HEIGHT);
  const within = height % TILE_HEIGHT;
  const perTile = TILE_WIDTH / 2 ** within;
  return { level, tile: Math.floor(index / perTile), height: within, entry: index % perTile };
}
