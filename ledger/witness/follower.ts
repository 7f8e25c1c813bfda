/**
 * Follows one log over the bus as its entries and checkpoints come: every entry names the hash of the one before, indices have
 * no gap, and every published checkpoint is signed (and cosigned, as the policy asks) over the root of exactly the
 * entries before it. An entry counts once such a checkpoint covers it. What it knows can be written down and gone on from.
 */
import { type Branched, Branches, type Settled } from "../branches.ts";
import { equalBytes, fromHex, toHex } from "../verifier/bytes.ts";
import { scanLeaf, TAG } from "../verifier/leaf.ts";
import { type Trust, type VerifiedCheckpoint, type VerifierCrypto, verifyCheckpoint, verifyLogSignature } from "../verifier/note.ts";
import { CompactRange, type TreeHasher, treeHasher } from "../verifier/tree.ts";
import type { DefectName } from "../verifier/verdict.ts";

/** Hashes of covered entries kept for telling a repeat from another entry. */
const RECENT_MAX = 65_536;
/** Roots of older checkpoints kept for telling a repeat from disorder: a bus may deliver a whole batch twice. */
const ROOTS_MAX = 1_024;
/** Of both, how many go into the state. */
const WRITTEN_MAX = 256;

export type FollowDefectName =
  | DefectName
  /** An entry is missing on the topic. */
  | "streamGap"
  /** An entry stands behind a later one. */
  | "streamReordered"
  /** Two different entries for one index, or two roots for one size. */
  | "streamConflict"
  /** The record says that it is of another log or place than the entry in it. */
  | "streamHeader"
  /** The request that an entry names is another one on the bus, or two entries disagree on it. */
  | "provenanceMismatch";

export interface FollowDefect {
  readonly name: FollowDefectName;
  readonly detail: string;
  readonly index?: bigint;
}

/** What happened to a record, and which entries it settled. */
export type Followed<T> =
  | { readonly kind: "entry" | "checkpoint" | "waiting"; readonly settled: Settled<T> }
  | { readonly kind: "duplicate" }
  /** The index that was wanted is not here: perhaps later. */
  | { readonly kind: "ahead"; readonly wanted: bigint }
  | { readonly kind: "defect"; readonly defect: FollowDefect };

/** All but the entries that no checkpoint covers yet: those come again. */
export interface FollowedState {
  /** Up to the newest checkpoint. */
  readonly base: { readonly size: number; readonly peaks: readonly string[] };
  readonly last?: { readonly hash: string; readonly postedMs: string };
  /** Size of the newest checkpoint with the quorum. */
  readonly accepted: string;
  /** Newest checkpoints that came, oldest first: size and root. */
  readonly roots: readonly (readonly [string, string])[];
  /** Newest covered entries, oldest first: index and leaf hash. */
  readonly recent: readonly (readonly [number, string])[];
  /** Checkpoints whose entries have not come. */
  readonly waiting: readonly { readonly size: string; readonly root: string; readonly hasQuorum: boolean }[];
  readonly counts: FollowCounts;
}

export interface FollowCounts {
  /** Covered ones. */
  entries: number;
  /** Entries that came again. */
  duplicates: number;
  checkpoints: number;
  /** Checkpoints of a size that had one: the same head, mostly with the lines of witnesses who came later. */
  reissued: number;
  /** Checkpoints that were published without the quorum, where that is let pass. */
  unwitnessed: number;
}

export interface LogFollowerOptions {
  readonly crypto: VerifierCrypto;
  readonly trust: Trust;
  readonly origin: string;
  /** Counts checkpoints without the quorum instead of ending with them. */
  readonly allowUnwitnessed?: boolean;
}

type SeenCheckpoint = Pick<VerifiedCheckpoint, "size" | "root" | "hasQuorum">;

/** `T`: what its reader wants to know of an entry once it is covered. */
export class LogFollower<T> {
  readonly counts: FollowCounts = { entries: 0, duplicates: 0, checkpoints: 0, reissued: 0, unwitnessed: 0 };
  readonly #options: LogFollowerOptions;
  readonly #hasher: TreeHasher;
  readonly #branches: Branches<T>;
  readonly #recent = new Map<number, Uint8Array>();
  readonly #roots = new Map<bigint, Uint8Array>();
  /** Size of the newest checkpoint with the quorum. */
  #accepted = 0n;
  /** Checkpoints whose entries have not come. */
  #waiting: SeenCheckpoint[] = [];

  constructor(options: LogFollowerOptions, state?: FollowedState) {
    this.#options = options;
    this.#hasher = treeHasher(options.crypto.sm3);
    const base = new CompactRange(this.#hasher, state?.base.size ?? 0, (state?.base.peaks ?? []).map(hashOf));
    const last = state?.last === undefined ? undefined : { hash: hashOf(state.last.hash), postedMs: BigInt(state.last.postedMs) };
    this.#branches = new Branches({ base, last });
    if (state === undefined) return;
    this.#accepted = BigInt(state.accepted);
    for (const [size, root] of state.roots) this.#roots.set(BigInt(size), hashOf(root));
    for (const [index, hash] of state.recent) this.#recent.set(index, hashOf(hash));
    this.#waiting = state.waiting.map(({ size, root, hasQuorum }) => ({ size: BigInt(size), root: hashOf(root), hasQuorum }));
    Object.assign(this.counts, state.counts);
  }

  /** Covered entries, and as many behind them as any branch has. */
  get size(): number {
    return this.#branches.size;
  }

  /** Entries that no accepted checkpoint covers yet. */
  get uncovered(): number {
    return this.size - Number(this.#accepted);
  }

  /** Size of the newest checkpoint whose entries are all here. */
  get #covered(): bigint {
    return BigInt(this.#branches.base.size);
  }

  /** Entries that wait for a checkpoint: whoever goes on from {@link LogFollower.state} gives them once more. */
  candidates(): Iterable<T> {
    return this.#branches.candidates();
  }

  state(): FollowedState {
    const { base, last } = this.#branches;
    return {
      base: { size: base.size, peaks: base.peaks.map(toHex) },
      ...(last === undefined ? {} : { last: { hash: toHex(last.hash), postedMs: last.postedMs.toString() } }),
      accepted: this.#accepted.toString(),
      roots: [...this.#roots].slice(-WRITTEN_MAX).map(([size, root]) => [size.toString(), toHex(root)] as const),
      recent: [...this.#recent].slice(-WRITTEN_MAX).map(([index, hash]) => [index, toHex(hash)] as const),
      waiting: this.#waiting.map(({ size, root, hasQuorum }) => ({ size: size.toString(), root: toHex(root), hasQuorum })),
      counts: { ...this.counts },
    };
  }

  /** The next record of the entries topic. */
  addEntry(bytes: Uint8Array, payload: T): Followed<T> {
    const scanned = scanLeaf(bytes);
    if (!scanned.ok) return this.#defect(scanned.error.name, scanned.error.detail);
    const view = scanned.value;
    if (view.text(TAG.origin) !== this.#options.origin)
      return this.#defect("leafOrigin", `the entry belongs to another log than ${this.#options.origin}`);
    const hash = this.#hasher.leaf(bytes);
    const added = this.#branches.add(view, hash, payload);
    switch (added.kind) {
      case "ahead":
        return { kind: "ahead", wanted: BigInt(added.wanted) };
      case "refused":
        return { kind: "defect", defect: added.defect };
      case "covered":
        return this.#repeat(Number(view.index), hash);
      case "known":
        this.counts.duplicates += 1;
        return { kind: "duplicate" };
      case "taken":
        // Only an entry in the last place of the next checkpoint can be the one that it waits for.
        return { kind: "entry", settled: this.#waiting[0]?.size === view.index + 1n ? this.#settle() : { covered: [], dropped: [] } };
    }
  }

  /** The next record of the checkpoints topic. */
  addCheckpoint(note: string): Followed<T> {
    const { crypto, trust, origin, allowUnwitnessed = false } = this.#options;
    const verified = allowUnwitnessed ? verifyLogSignature(crypto, note, trust) : verifyCheckpoint(crypto, note, trust);
    if (!verified.ok) return this.#defect(verified.error.name, verified.error.detail);
    const checkpoint = verified.value;
    if (checkpoint.origin !== origin)
      return this.#defect("checkpointOrigin", `a checkpoint of ${checkpoint.origin} came as one of ${origin}`);
    const known = this.#roots.get(checkpoint.size);
    if (known !== undefined) return this.#sameSize(checkpoint, known);
    const newest = this.#waiting.at(-1)?.size ?? this.#covered;
    if (checkpoint.size < newest)
      return this.#defect("streamReordered", `a checkpoint of size ${checkpoint.size} came behind one of size ${newest}`);
    const { size, root, hasQuorum } = checkpoint;
    this.#waiting.push({ size, root, hasQuorum });
    this.#rememberRoot(checkpoint);
    const settled = this.#settle();
    return { kind: this.#waiting.at(-1)?.size === size ? "waiting" : "checkpoint", settled };
  }

  /** When no more will come: what is left open. */
  finish(): FollowDefect | undefined {
    const [waiting] = this.#waiting;
    if (waiting !== undefined && waiting.size > BigInt(this.size))
      return this.#named("truncated", `a checkpoint was published for ${waiting.size} entries, but only ${this.size} came`);
    if (waiting !== undefined)
      return this.#named("checkpointRoot", `the entries do not have the root that was signed for size ${waiting.size}`, waiting.size);
    if (this.uncovered === 0) return undefined;
    return this.#named("uncovered", `the last ${this.uncovered} entries are under no checkpoint that the policy accepts`);
  }

  #repeat(index: number, hash: Uint8Array): Followed<T> {
    const known = this.#recent.get(index);
    if (known !== undefined && !equalBytes(known, hash))
      return this.#defect("streamConflict", `two different entries came with the index ${index}`, BigInt(index));
    this.counts.duplicates += 1;
    return { kind: "duplicate" };
  }

  #sameSize(checkpoint: VerifiedCheckpoint, root: Uint8Array): Followed<T> {
    if (!equalBytes(checkpoint.root, root))
      return this.#defect("streamConflict", `two roots were published for size ${checkpoint.size}: two histories`, checkpoint.size);
    this.counts.reissued += 1;
    // Witnesses who came later may complete the quorum.
    if (checkpoint.hasQuorum && checkpoint.size === this.#covered) this.#accepted = checkpoint.size;
    this.#waiting = this.#waiting.map((one) => (one.size === checkpoint.size && checkpoint.hasQuorum ? { ...one, hasQuorum: true } : one));
    return { kind: "duplicate" };
  }

  /** Goes on over every checkpoint, one after the other, whose entries are here. */
  #settle(): Settled<T> {
    const [covered, dropped]: [Branched<T>[], Branched<T>[]] = [[], []];
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const settled = this.#branches.cover(Number(next.size), next.root);
      if (settled === undefined) break;
      this.#waiting.shift();
      for (const one of settled.covered) {
        this.#remember(one.index, one.hash);
        covered.push(one);
      }
      for (const one of settled.dropped) dropped.push(one);
      this.counts.entries += settled.covered.length;
      this.counts.checkpoints += 1;
      if (next.hasQuorum) this.#accepted = next.size;
      else this.counts.unwitnessed += 1;
    }
    return { covered, dropped };
  }

  #rememberRoot({ size, root }: SeenCheckpoint): void {
    this.#roots.set(size, root);
    const [oldest] = this.#roots.keys();
    if (this.#roots.size > ROOTS_MAX && oldest !== undefined) this.#roots.delete(oldest);
  }

  #remember(index: number, hash: Uint8Array): void {
    this.#recent.set(index, hash);
    this.#recent.delete(index - RECENT_MAX);
  }

  #defect(name: FollowDefectName, detail: string, index?: bigint): Followed<T> {
    return { kind: "defect", defect: this.#named(name, detail, index) };
  }

  #named(name: FollowDefectName, detail: string, index: bigint = BigInt(this.size)): FollowDefect {
    return { name, detail, index };
  }
}

function hashOf(hex: string): Uint8Array {
  const hash = fromHex(hex);
  if (hash?.length !== 32) throw new TypeError("a hash of the state is not 32 bytes in hex");
  return hash;
}
