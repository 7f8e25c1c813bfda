import type { Sm2VerifyModule } from "./module.ts";

/** The kinds of `verify` and `keepTable` in the module. */
export const NO_TABLE = 0;
export const SMALL_TABLE = 1;
export const LARGE_TABLE = 2;

/** A key's place in the cache. */
export interface CachedKey {
  /** Verifications since the key was seen first, or since it lost its table. */
  uses: number;
  /** What the module has for it: {@link NO_TABLE} or a table at `address`. */
  kind: number;
  address: number;
}

/** How many tables there may be, and after how many uses a key gets one. */
export interface TableCacheLimits {
  readonly smallTablesMax: number;
  readonly largeTablesMax: number;
  readonly smallAfterUses: number;
  readonly largeAfterUses: number;
}

/**
 * 512 small tables of 9 KiB (4.5 MiB) and 32 large ones of 97 KiB (3.0 MiB): with the module's own 0.4 MiB at most 7.9 MiB for each
 * loaded module, taken as keys come. A small table costs two verifications without one, a large one about ten: a key gets each when it
 * has been used about as often as pays for it, so that keys which come and go never cost more than a few times their verifications.
 */
export const DEFAULT_TABLE_LIMITS: TableCacheLimits = { smallTablesMax: 512, largeTablesMax: 32, smallAfterUses: 2, largeAfterUses: 64 };

const PAGE_BYTES = 65_536;

/** Places of one size. The one used longest ago is taken from its key when all are in use. */
class Places {
  readonly #bytes: number;
  readonly #max: number;
  readonly #reserve: (bytes: number) => number | undefined;
  /** In the order of use, oldest first. */
  readonly #owners = new Map<CachedKey, number>();
  readonly #free: number[] = [];
  #made = 0;

  constructor(bytes: number, max: number, reserve: (bytes: number) => number | undefined) {
    this.#bytes = bytes;
    this.#max = max;
    this.#reserve = reserve;
  }

  /** An address for `key`, or `undefined` when there is no room at all. */
  take(key: CachedKey): number | undefined {
    const address = this.#free.pop() ?? this.#fresh() ?? this.#evict();
    if (address !== undefined) this.#owners.set(key, address);
    return address;
  }

  touch(key: CachedKey): void {
    const address = this.#owners.get(key);
    if (address === undefined) return;
    this.#owners.delete(key);
    this.#owners.set(key, address);
  }

  giveBack(key: CachedKey): void {
    const address = this.#owners.get(key);
    if (address === undefined) return;
    this.#owners.delete(key);
    this.#free.push(address);
  }

  #fresh(): number | undefined {
    if (this.#made >= this.#max) return undefined;
    const address = this.#reserve(this.#bytes);
    if (address !== undefined) this.#made += 1;
    return address;
  }

  #evict(): number | undefined {
    for (const [key, address] of this.#owners) {
      this.#owners.delete(key);
      key.kind = NO_TABLE;
      key.uses = 0;
      return address;
    }
    return undefined;
  }
}

/** Gives the keys that are used most their tables, within {@link TableCacheLimits}. */
export class TableCache {
  readonly #module: Sm2VerifyModule;
  readonly #limits: TableCacheLimits;
  readonly #small: Places;
  readonly #large: Places;
  #end: number;

  constructor(module: Sm2VerifyModule, limits: TableCacheLimits) {
    this.#module = module;
    this.#limits = limits;
    this.#end = module.TABLES.value;
    const reserve = (bytes: number): number | undefined => this.#reserve(bytes);
    this.#small = new Places(module.SMALL_TABLE_BYTES.value, limits.smallTablesMax, reserve);
    this.#large = new Places(module.LARGE_TABLE_BYTES.value, limits.largeTablesMax, reserve);
  }

  /** Bytes of the module's memory, tables included. */
  get memoryBytes(): number {
    return this.#module.memory.buffer.byteLength;
  }

  /**
   * Counts a use, and makes a table when it is due; then `key.kind` says how to verify. `load` puts the key into the module, and is called
   * only when a table is made. May grow the memory: views taken before are gone.
   */
  use(key: CachedKey, load: () => boolean): void {
    key.uses += 1;
    if (key.kind === NO_TABLE && key.uses >= this.#limits.smallAfterUses) this.#keep(key, SMALL_TABLE, this.#small, load);
    else if (key.kind === SMALL_TABLE && key.uses >= this.#limits.largeAfterUses) {
      if (this.#keep(key, LARGE_TABLE, this.#large, load)) this.#small.giveBack(key);
    } else if (key.kind !== NO_TABLE) (key.kind === SMALL_TABLE ? this.#small : this.#large).touch(key);
  }

  #keep(key: CachedKey, kind: number, places: Places, load: () => boolean): boolean {
    if (!load()) return false;
    const address = places.take(key);
    if (address === undefined) return false;
    this.#module.keepTable(kind, address);
    key.kind = kind;
    key.address = address;
    return true;
  }

  /** `bytes` of the module's memory, or `undefined` where the runtime gives no more: the key then goes without. */
  #reserve(bytes: number): number | undefined {
    const address = this.#end;
    const missing = address + bytes - this.memoryBytes;
    try {
      if (missing > 0) this.#module.memory.grow(Math.ceil(missing / PAGE_BYTES));
    } catch {
      return undefined;
    }
    this.#end = address + bytes;
    return address;
  }
}
