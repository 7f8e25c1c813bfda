/**
 * Follows one log over the bus as its entries and checkpoints come: every entry names the hash of the one before, indices have
 * no gap, and every published checkpoint is signed (and cosigned, as the policy asks) over the root of exactly the
 * entries before it. Ends with the first defect. What it knows can be written down and gone on from.
 */
import { equalBytes, fromHex, toHex } from "../verifier/bytes.ts";
import { type LeafView, scanLeaf, TAG } from "../verifier/leaf.ts";
import { type Trust, type VerifiedCheckpoint, type VerifierCrypto, verifyCheckpoint, verifyLogSignature } from "../verifier/note.ts";
import { CompactRange, type TreeHasher, treeHasher } from "../verifier/tree.ts";
import type { DefectName } from "../verifier/verdict.ts";

/** Entries behind the newest checkpoint whose hashes are kept; a log that shows none for so long is not followed further. */
const UNCOVERED_MAX = 1_000_000;
/** Older hashes kept for telling a repeat from another entry. */
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

/** What happened to a record. */
export type Followed =
  | { readonly kind: "entry"; readonly view: LeafView; readonly hash: Uint8Array }
  | { readonly kind: "duplicate" }
  | { readonly kind: "checkpoint"; readonly checkpoint: VerifiedCheckpoint }
  | { readonly kind: "waiting" }
  /** The index that was wanted is not here: perhaps later. */
  | { readonly kind: "ahead"; readonly wanted: bigint }
  | { readonly kind: "defect"; readonly defect: FollowDefect };

export interface FollowedState {
  /** Up to the newest checkpoint. */
  readonly base: { readonly size: number; readonly peaks: readonly string[] };
  /** Leaf hashes behind it, hex. */
  readonly behind: readonly string[];
  readonly last?: { readonly hash: string; readonly postedMs: string };
  readonly checkpoint?: { readonly size: string; readonly root: string };
  /** Size of the newest checkpoint with the quorum. */
  readonly accepted: string;
  /** Newest checkpoints that came, oldest first: size and root. */
  readonly roots: readonly (readonly [string, string])[];
  /** Newest entries that came, oldest first: index and leaf hash. */
  readonly recent: readonly (readonly [number, string])[];
  /** Checkpoints that came before their entries. */
  readonly waiting: readonly { readonly size: string; readonly root: string; readonly hasQuorum: boolean }[];
  readonly counts: FollowCounts;
}

export interface FollowCounts {
  entries: number;
  duplicates: number;
  checkpoints: number;
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

export class LogFollower {
  readonly counts: FollowCounts = { entries: 0, duplicates: 0, checkpoints: 0, unwitnessed: 0 };
  readonly #options: LogFollowerOptions;
  readonly #hasher: TreeHasher;
  /** Entries under the newest checkpoint, and the hashes of those behind it. */
  #base: CompactRange;
  #behind: Uint8Array[] = [];
  readonly #recent = new Map<number, Uint8Array>();
  readonly #roots = new Map<bigint, Uint8Array>();
  #last: { readonly hash: Uint8Array; readonly postedMs: bigint } | undefined;
  #checkpoint: { readonly size: bigint; readonly root: Uint8Array } | undefined;
  /** Size of the newest checkpoint with the quorum. */
  #accepted = 0n;
  /** Checkpoints that came before their entries. */
  #waiting: SeenCheckpoint[] = [];

  constructor(options: LogFollowerOptions, state?: FollowedState) {
    this.#options = options;
    this.#hasher = treeHasher(options.crypto.sm3);
    this.#base = new CompactRange(this.#hasher, state?.base.size ?? 0, (state?.base.peaks ?? []).map(hashOf));
    if (state === undefined) return;
    this.#behind = state.behind.map(hashOf);
    if (state.last !== undefined) this.#last = { hash: hashOf(state.last.hash), postedMs: BigInt(state.last.postedMs) };
    if (state.checkpoint !== undefined) this.#checkpoint = { size: BigInt(state.checkpoint.size), root: hashOf(state.checkpoint.root) };
    this.#accepted = BigInt(state.accepted);
    for (const [size, root] of state.roots) this.#roots.set(BigInt(size), hashOf(root));
    for (const [index, hash] of state.recent) this.#recent.set(index, hashOf(hash));
    this.#waiting = state.waiting.map(({ size, root, hasQuorum }) => ({ size: BigInt(size), root: hashOf(root), hasQuorum }));
    Object.assign(this.counts, state.counts);
  }

  get size(): number {
    return this.#base.size + this.#behind.length;
  }

  /** Entries that no accepted checkpoint covers yet. */
  get uncovered(): number {
    return this.size - Number(this.#accepted);
  }

  state(): FollowedState {
    return {
      base: { size: this.#base.size, peaks: this.#base.peaks.map(toHex) },
      behind: this.#behind.map(toHex),
      ...(this.#last === undefined ? {} : { last: { hash: toHex(this.#last.hash), postedMs: this.#last.postedMs.toString() } }),
      ...(this.#checkpoint === undefined
        ? {}
        : { checkpoint: { size: this.#checkpoint.size.toString(), root: toHex(this.#checkpoint.root) } }),
      accepted: this.#accepted.toString(),
      roots: [...this.#roots].slice(-WRITTEN_MAX).map(([size, root]) => [size.toString(), toHex(root)] as const),
      recent: [...this.#recent].slice(-WRITTEN_MAX).map(([index, hash]) => [index, toHex(hash)] as const),
      waiting: this.#waiting.map(({ size, root, hasQuorum }) => ({ size: size.toString(), root: toHex(root), hasQuorum })),
      counts: { ...this.counts },
    };
  }

  /** The next record of the entries topic. */
  addEntry(bytes: Uint8Array): Followed {
    const scanned = scanLeaf(bytes);
    if (!scanned.ok) return this.#defect(scanned.error.name, scanned.error.detail);
    const view = scanned.value;
    if (view.text(TAG.origin) !== this.#options.origin)
      return this.#defect("leafOrigin", `the entry belongs to another log than ${this.#options.origin}`);
    const hash = this.#hasher.leaf(bytes);
    if (view.index < BigInt(this.size)) return this.#repeat(Number(view.index), hash);
    if (view.index > BigInt(this.size)) return { kind: "ahead", wanted: BigInt(this.size) };
    const last = this.#last;
    const previous = view.field(TAG.previous);
    if (last !== undefined && (previous === undefined || !equalBytes(previous, last.hash)))
      return this.#defect("leafChain", "the entry does not name the hash of the entry before it");
    if (last !== undefined && view.postedMs < last.postedMs) return this.#defect("leafTime", "the entry is older than the entry before it");
    if (this.#behind.length === UNCOVERED_MAX) return this.#defect("uncovered", `no checkpoint came for the last ${UNCOVERED_MAX} entries`);
    this.#remember(this.size, hash);
    this.#behind.push(hash);
    this.#last = { hash, postedMs: view.postedMs };
    this.counts.entries += 1;
    const defect = this.#settleWaiting();
    return defect === undefined ? { kind: "entry", view, hash } : { kind: "defect", defect };
  }

  /** The next record of the checkpoints topic. */
  addCheckpoint(note: string): Followed {
    const { crypto, trust, origin, allowUnwitnessed = false } = this.#options;
    const verified = allowUnwitnessed ? verifyLogSignature(crypto, note, trust) : verifyCheckpoint(crypto, note, trust);
    if (!verified.ok) return this.#defect(verified.error.name, verified.error.detail);
    const checkpoint = verified.value;
    if (checkpoint.origin !== origin)
      return this.#defect("checkpointOrigin", `a checkpoint of ${checkpoint.origin} came as one of ${origin}`);
    const newest = this.#waiting.at(-1) ?? this.#checkpoint;
    const known = this.#roots.get(checkpoint.size);
    if (known !== undefined) return this.#sameSize(checkpoint, known);
    if (newest !== undefined && checkpoint.size < newest.size)
      return this.#defect("streamReordered", `a checkpoint of size ${checkpoint.size} came behind one of size ${newest.size}`);
    if (checkpoint.size <= BigInt(this.size)) {
      const defect = this.#cover(checkpoint);
      if (defect === undefined) this.#rememberRoot(checkpoint);
      return defect === undefined ? { kind: "checkpoint", checkpoint } : { kind: "defect", defect };
    }
    const { size, root, hasQuorum } = checkpoint;
    this.#waiting.push({ size, root, hasQuorum });
    this.#rememberRoot(checkpoint);
    return { kind: "waiting" };
  }

  /** When no more will come: what is left open. */
  finish(): FollowDefect | undefined {
    const [waiting] = this.#waiting;
    if (waiting !== undefined)
      return this.#named("truncated", `a checkpoint was published for ${waiting.size} entries, but only ${this.size} came`);
    if (this.uncovered === 0) return undefined;
    return this.#named("uncovered", `the last ${this.uncovered} entries are under no checkpoint that the policy accepts`);
  }

  #repeat(index: number, hash: Uint8Array): Followed {
    const known = index >= this.#base.size ? this.#behind[index - this.#base.size] : this.#recent.get(index);
    if (known !== undefined && !equalBytes(known, hash))
      return this.#defect("streamConflict", `two different entries came with the index ${index}`, BigInt(index));
    this.counts.duplicates += 1;
    return { kind: "duplicate" };
  }

  #sameSize(checkpoint: VerifiedCheckpoint, root: Uint8Array): Followed {
    if (!equalBytes(checkpoint.root, root))
      return this.#defect("streamConflict", `two roots were published for size ${checkpoint.size}: two histories`, checkpoint.size);
    this.counts.duplicates += 1;
    // The same head once more, with witnesses who came later.
    if (checkpoint.hasQuorum && checkpoint.size === this.#checkpoint?.size) this.#accepted = checkpoint.size;
    this.#waiting = this.#waiting.map((one) => (one.size === checkpoint.size && checkpoint.hasQuorum ? { ...one, hasQuorum: true } : one));
    return { kind: "duplicate" };
  }

  #settleWaiting(): FollowDefect | undefined {
    const [next] = this.#waiting;
    if (next?.size !== BigInt(this.size)) return undefined;
    this.#waiting.shift();
    return this.#cover(next);
  }

  /** Compares the root of the first `size` entries, and lets go of the hashes under it. */
  #cover(checkpoint: SeenCheckpoint): FollowDefect | undefined {
    const count = Number(checkpoint.size) - this.#base.size;
    const range = this.#base.clone();
    for (const hash of this.#behind.slice(0, count)) range.append(hash);
    if (!equalBytes(range.root(), checkpoint.root))
      return this.#named("checkpointRoot", `the entries do not have the root that was signed for size ${checkpoint.size}`, checkpoint.size);
    this.#base = range;
    this.#behind = this.#behind.slice(count);
    this.#checkpoint = { size: checkpoint.size, root: checkpoint.root };
    this.counts.checkpoints += 1;
    if (checkpoint.hasQuorum) this.#accepted = checkpoint.size;
    else this.counts.unwitnessed += 1;
    return undefined;
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

  #defect(name: FollowDefectName, detail: string, index?: bigint): Followed {
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
