/**
 * Entries that came over a bus and that no signed checkpoint covers yet. Anybody who may write to the topic can chain an entry
 * onto the newest one, so that nobody is believed for having come first: all that chain on are kept, as branches, and a
 * signed root chooses the one that the log went. What it did not choose is told, and let go of.
 */
import { equalBytes, toHex } from "./verifier/bytes.ts";
import { type LeafView, TAG } from "./verifier/leaf.ts";
import type { CompactRange } from "./verifier/tree.ts";
import type { Defect } from "./verifier/verdict.ts";

/** Entries under no checkpoint that are kept where nobody says otherwise; a log that shows none for so long is not gone on with. */
const UNCOVERED_MAX = 500_000;

/** The newest entry under a checkpoint. */
export interface LastCovered {
  readonly hash: Uint8Array;
  readonly postedMs: bigint;
}

/** An entry with what its reader wants to know of it. */
export interface Branched<T> {
  readonly index: number;
  readonly hash: Uint8Array;
  readonly payload: T;
}

/** What became of an entry that came. */
export type Added =
  | { readonly kind: "taken" | "known" }
  /** Its index is under the checkpoint already. */
  | { readonly kind: "covered" }
  /** No branch is so long yet: `wanted` is the index that one would go on with. */
  | { readonly kind: "ahead"; readonly wanted: number }
  | { readonly kind: "refused"; readonly defect: Defect };

/** What a checkpoint settled: entries in the order of the log, and those of branches that the log did not go. */
export interface Settled<T> {
  readonly covered: readonly Branched<T>[];
  readonly dropped: readonly Branched<T>[];
}

interface Node<T> extends Branched<T>, LastCovered {
  /** `undefined` directly behind the covered entries. */
  parent: Node<T> | undefined;
  /** Up to and with this entry, where it was needed once. */
  range?: CompactRange;
}

export interface BranchesOptions {
  /** Covered entries to go on from, and the last of them, if there are any. */
  readonly base: CompactRange;
  readonly last?: LastCovered | undefined;
  /** Entries under no checkpoint that are kept. */
  readonly uncoveredMax?: number;
}

export class Branches<T> {
  #base: CompactRange;
  #last: LastCovered | undefined;
  /** Candidates by index, and by hash. */
  readonly #levels = new Map<number, Node<T>[]>();
  readonly #byHash = new Map<string, Node<T>>();
  readonly #uncoveredMax: number;
  #longest: number;
  /** Of the level under a root, so many have another one: they are not tried again. */
  #tried: { readonly size: number; readonly root: Uint8Array; readonly count: number } | undefined;

  constructor({ base, last, uncoveredMax = UNCOVERED_MAX }: BranchesOptions) {
    this.#base = base;
    this.#last = last;
    this.#uncoveredMax = uncoveredMax;
    this.#longest = base.size;
  }

  /** Entries under the newest checkpoint. */
  get base(): CompactRange {
    return this.#base;
  }

  get last(): LastCovered | undefined {
    return this.#last;
  }

  /** Of the longest branch. */
  get size(): number {
    return this.#longest;
  }

  /** All that wait for a checkpoint, of every branch, in the order in which they came. */
  *candidates(): Generator<T> {
    for (const { payload } of this.#byHash.values()) yield payload;
  }

  add(view: LeafView, hash: Uint8Array, payload: T): Added {
    if (view.index < BigInt(this.#base.size)) return { kind: "covered" };
    if (view.index > BigInt(this.#longest)) return { kind: "ahead", wanted: this.#longest };
    const index = Number(view.index);
    const name = toHex(hash);
    if (this.#byHash.has(name)) return { kind: "known" };
    const previous = view.field(TAG.previous);
    const parent = index === this.#base.size || previous === undefined ? undefined : this.#byHash.get(toHex(previous));
    const before = index === this.#base.size ? this.#last : parent;
    const follows = before === undefined ? index === 0 : previous !== undefined && equalBytes(previous, before.hash);
    if (!follows || (parent !== undefined && parent.index !== index - 1))
      return refused("leafChain", "the entry does not name the hash of the entry before it", view.index);
    if (before !== undefined && view.postedMs < before.postedMs)
      return refused("leafTime", "the entry is older than the entry before it", view.index);
    if (this.#byHash.size === this.#uncoveredMax)
      return refused("uncovered", `no checkpoint came for ${this.#uncoveredMax} entries`, BigInt(this.#base.size));
    const node: Node<T> = { index, hash, payload, postedMs: view.postedMs, parent };
    this.#byHash.set(name, node);
    const level = this.#levels.get(index);
    if (level === undefined) this.#levels.set(index, [node]);
    else level.push(node);
    this.#longest = Math.max(this.#longest, index + 1);
    return { kind: "taken" };
  }

  /** Goes on from `size` entries with this root; `undefined` while no branch has it. */
  cover(size: number, root: Uint8Array): Settled<T> | undefined {
    if (size === this.#base.size) return equalBytes(this.#base.root(), root) ? { covered: [], dropped: [] } : undefined;
    const level = this.#levels.get(size - 1) ?? [];
    const before = this.#tried?.size === size && equalBytes(this.#tried.root, root) ? this.#tried.count : 0;
    for (const tip of level.slice(before)) {
      const range = this.#rangeOf(tip.parent).clone();
      range.append(tip.hash);
      if (equalBytes(range.root(), root)) return this.#settle(tip, range);
    }
    this.#tried = { size, root, count: level.length };
    return undefined;
  }

  /** Kept, so that the next entry behind the same one costs one step. */
  #rangeOf(node: Node<T> | undefined): CompactRange {
    const path: Node<T>[] = [];
    let at = node;
    for (; at !== undefined && at.range === undefined; at = at.parent) path.push(at);
    if (node === undefined || path.length === 0) return at?.range ?? this.#base;
    const range = (at?.range ?? this.#base).clone();
    for (const { hash } of path.toReversed()) range.append(hash);
    node.range = range;
    return range;
  }

  #settle(tip: Node<T>, range: CompactRange): Settled<T> {
    const covered: Node<T>[] = [];
    for (let at: Node<T> | undefined = tip; at !== undefined; at = at.parent) covered.push(at);
    covered.reverse();
    const dropped: Node<T>[] = [];
    for (const chosen of covered) {
      for (const node of this.#levels.get(chosen.index) ?? []) {
        this.#byHash.delete(toHex(node.hash));
        if (node !== chosen) dropped.push(node);
      }
      this.#levels.delete(chosen.index);
    }
    if (dropped.length > 0) this.#prune(tip, dropped);
    for (const next of this.#levels.get(tip.index + 1) ?? []) next.parent = undefined;
    this.#base = range;
    this.#last = { hash: tip.hash, postedMs: tip.postedMs };
    this.#tried = undefined;
    return { covered, dropped };
  }

  /** Of what stands behind `tip`, only its own branches stay. */
  #prune(tip: Node<T>, dropped: Node<T>[]): void {
    let parents = new Set<Node<T> | undefined>([tip]);
    for (let index = tip.index + 1; index < this.#longest; index += 1) {
      const { kept = [], gone = [] } = Object.groupBy(this.#levels.get(index) ?? [], ({ parent }) =>
        parents.has(parent) ? "kept" : "gone",
      );
      for (const node of gone) {
        this.#byHash.delete(toHex(node.hash));
        dropped.push(node);
      }
      parents = new Set(kept);
      if (kept.length > 0) this.#levels.set(index, kept);
      else this.#levels.delete(index);
    }
    while (this.#longest > tip.index + 1 && !this.#levels.has(this.#longest - 1)) this.#longest -= 1;
  }
}

function refused(name: Defect["name"], detail: string, index: bigint): Added {
  return { kind: "refused", defect: { name, detail, index } };
}
