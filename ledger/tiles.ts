/**
 * The tree in tiles of 256 hashes (the layout of C2SP tlog-tiles): tile (level, index) holds the nodes of height
 * 8 × level from 256 × index on. Full tiles are stored once and never change; the unfinished tile of each level lives
 * in memory, so that append, proof and start cost the same at ten entries and at ten million.
 */
import { CompactRange, type TreeHasher } from "./verifier/tree.ts";

export const TILE_WIDTH = 256;
export const TILE_HEIGHT = 8;

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
    return new Tile(
      hasher,
      Array.from({ length: TILE_WIDTH }, (_, at) => bytes.subarray(32 * at, 32 * at + 32)),
    );
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
    const hash = this.#hasher.node(this.node(height - 1, 2 * index), this.node(height - 1, 2 * index + 1));
    row[index] = hash;
    return hash;
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.length * 32);
    for (let at = 0; at < this.length; at += 1) bytes.set(this.node(0, at), 32 * at);
    return bytes;
  }

  #row(height: number): (Uint8Array | undefined)[] {
    while (this.#rows.length <= height) this.#rows.push([]);
    return this.#rows[height] as (Uint8Array | undefined)[];
  }
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
