/**
 * The Merkle tree of RFC 6962 section 2.1 over an injected hash of 32 bytes: SM3 in Ronghe, SHA-256 for the public
 * test vectors. Proofs are checked against a (size, root) pair and never against a bare root: index and size
 * steer the walk, and a root alone lets leaf 1 of 2 pass for leaf 2 of 3.
 */
import { equalBytes } from "./bytes.ts";
import { type Checked, failed, passed } from "./verdict.ts";

export const HASH_BYTES = 32;

/** Hash of the concatenation of `parts`. */
export type Hash = (...parts: readonly Uint8Array[]) => Uint8Array;

/**
 * HASH(prefix ‖ message) of many messages in one call: message n is `bytes` from `bounds[2n]` up to `bounds[2n + 1]`. Gives
 * 32 bytes after 32 bytes. Only a faster way to the same hashes.
 */
export type HashMany = (prefix: number, bytes: Uint8Array, bounds: Uint32Array) => Uint8Array;

export interface TreeHead {
  readonly size: bigint;
  readonly root: Uint8Array;
}

/** The two hashes of RFC 6962, kept apart by their first byte so that no node passes for a leaf. */
export interface TreeHasher {
  /** HASH(0x00 ‖ bytes) */
  leaf(bytes: Uint8Array): Uint8Array;
  /** HASH(0x01 ‖ left ‖ right) */
  node(left: Uint8Array, right: Uint8Array): Uint8Array;
  /** HASH(): the root of nothing. */
  empty(): Uint8Array;
  /** Nodes of the pairs in `children`, 64 bytes each: 32 bytes after 32 bytes. */
  nodes(children: Uint8Array): Uint8Array;
  /** Leaf hashes of leaves that stand in one buffer. */
  leaves(leaves: readonly Uint8Array[]): readonly Uint8Array[];
}

const LEAF_PREFIX = Uint8Array.of(0x00);

export function treeHasher(hash: Hash, many?: HashMany): TreeHasher {
  const pair = new Uint8Array(1 + 2 * HASH_BYTES);
  pair[0] = 0x01;
  const node = (left: Uint8Array, right: Uint8Array): Uint8Array => {
    pair.set(left, 1);
    pair.set(right, 1 + HASH_BYTES);
    return hash(pair);
  };
  const leaf = (bytes: Uint8Array): Uint8Array => hash(LEAF_PREFIX, bytes);
  return {
    leaf,
    node,
    empty: () => hash(),
    nodes(children) {
      const count = children.length / (2 * HASH_BYTES);
      if (many !== undefined && count > 1) return many(0x01, children, pairBounds(count));
      const nodes = new Uint8Array(count * HASH_BYTES);
      for (let at = 0; at < count; at += 1) {
        pair.set(children.subarray(2 * HASH_BYTES * at, 2 * HASH_BYTES * (at + 1)), 1);
        nodes.set(hash(pair), HASH_BYTES * at);
      }
      return nodes;
    },
    leaves(leaves) {
      const [first] = leaves;
      if (many === undefined || first === undefined || leaves.some((bytes) => bytes.buffer !== first.buffer)) return leaves.map(leaf);
      return hashesOf(manyLeaves(many, first, leaves));
    },
  };
}

/** The leaves stand in one buffer, mostly one behind the other: it is handed on once. */
function manyLeaves(many: HashMany, first: Uint8Array, leaves: readonly Uint8Array[]): Uint8Array {
  let [low, high] = [first.byteOffset, first.byteOffset];
  for (const { byteOffset, byteLength } of leaves) {
    low = Math.min(low, byteOffset);
    high = Math.max(high, byteOffset + byteLength);
  }
  const bounds = new Uint32Array(2 * leaves.length);
  for (const [at, { byteOffset, byteLength }] of leaves.entries()) {
    bounds[2 * at] = byteOffset - low;
    bounds[2 * at + 1] = byteOffset - low + byteLength;
  }
  return many(0x00, new Uint8Array(first.buffer, low, high - low), bounds);
}

function pairBounds(count: number): Uint32Array {
  return Uint32Array.from({ length: 2 * count }, (_, at) => 2 * HASH_BYTES * ((at + 1) >>> 1));
}

/** Hashes that stand one behind the other. */
export function hashesOf(bytes: Uint8Array): readonly Uint8Array[] {
  return Array.from({ length: bytes.length / HASH_BYTES }, (_, at) => bytes.subarray(HASH_BYTES * at, HASH_BYTES * (at + 1)));
}

/** Told of every node that becomes complete: `height` 0 is a leaf; `index` counts nodes of that height. */
export type NodeVisitor = (height: number, index: number, hash: Uint8Array) => void;

/** The roots of the complete subtrees that cover the first `size` leaves: all that is needed to go on, and to know the root. */
export class CompactRange {
  readonly #hasher: TreeHasher;
  readonly #peaks: Uint8Array[];
  #size: number;

  constructor(hasher: TreeHasher, size = 0, peaks: readonly Uint8Array[] = []) {
    if (bitCount(size) !== peaks.length) throw new RangeError(`a range of ${size} leaves has ${bitCount(size)} peaks, not ${peaks.length}`);
    this.#hasher = hasher;
    this.#peaks = [...peaks];
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  /** What a range of this size is made from again. */
  get peaks(): readonly Uint8Array[] {
    return [...this.#peaks];
  }

  clone(): CompactRange {
    return new CompactRange(this.#hasher, this.#size, this.#peaks);
  }

  append(leafHash: Uint8Array, visit?: NodeVisitor): void {
    let hash = leafHash;
    let index = this.#size;
    let height = 0;
    visit?.(height, index, hash);
    while (index % 2 === 1) {
      const left = this.#peaks.pop();
      if (left === undefined) throw new Error("compact range lost a peak");
      hash = this.#hasher.node(left, hash);
      index = (index - 1) / 2;
      height += 1;
      visit?.(height, index, hash);
    }
    this.#peaks.push(hash);
    this.#size += 1;
  }

  /** As {@link CompactRange.append} of each, level by level: nodes of one height are hashed together. */
  appendMany(leafHashes: readonly Uint8Array[], visit?: NodeVisitor): void {
    let nodes = leafHashes;
    let index = this.#size;
    // Peaks of greater heights wait here while those below are joined with what is new.
    const kept = this.#peaks.splice(0);
    const peaks: Uint8Array[] = [];
    for (let height = 0; nodes.length > 0; height += 1) {
      if (visit !== undefined) for (const [at, hash] of nodes.entries()) visit(height, index + at, hash);
      const joined = index % 2 === 1 ? [kept.pop() as Uint8Array, ...nodes] : nodes;
      const left = joined.length % 2 === 1 ? joined.at(-1) : undefined;
      if (left !== undefined) peaks.push(left);
      const children = new Uint8Array((joined.length - (joined.length % 2)) * HASH_BYTES);
      for (let at = 0; at * HASH_BYTES < children.length; at += 1) children.set(joined[at] as Uint8Array, HASH_BYTES * at);
      nodes = hashesOf(this.#hasher.nodes(children));
      index = Math.floor(index / 2);
      // A height without anything new keeps its peak, if it has one.
    }
    this.#size += leafHashes.length;
    this.#peaks.push(...kept, ...peaks.toReversed());
  }

  root(): Uint8Array {
    let root: Uint8Array | undefined;
    for (let at = this.#peaks.length - 1; at >= 0; at -= 1) {
      const peak = this.#peaks[at] as Uint8Array;
      root = root === undefined ? peak : this.#hasher.node(peak, root);
    }
    return root ?? this.#hasher.empty();
  }
}

/** How many perfect subtrees a tree of `size` leaves is made of. */
export function bitCount(size: number): number {
  let bits = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  return bits;
}

export interface InclusionClaim {
  readonly leafHash: Uint8Array;
  readonly index: bigint;
  readonly proof: readonly Uint8Array[];
}

/** That `leafHash` is entry `index` of the tree `head` (RFC 9162 2.1.3.2). */
export function verifyInclusion(hasher: TreeHasher, head: TreeHead, claim: InclusionClaim): Checked<true> {
  const { leafHash, index, proof } = claim;
  if (index < 0n || index >= head.size) return failed("proofMalformed", `index ${index} is not below size ${head.size}`);
  if (!areHashes([leafHash, head.root, ...proof])) return failed("proofMalformed", "a hash is not 32 bytes long");
  let node = index;
  let last = head.size - 1n;
  let hash = leafHash;
  for (const sibling of proof) {
    if (last === 0n) return failed("proofMalformed", `the proof is too long for size ${head.size}`);
    if (isOdd(node) || node === last) {
      hash = hasher.node(sibling, hash);
      while (!isOdd(node) && node !== 0n) [node, last] = [node >> 1n, last >> 1n];
    } else hash = hasher.node(hash, sibling);
    [node, last] = [node >> 1n, last >> 1n];
  }
  if (last !== 0n) return failed("proofMalformed", `the proof is too short for size ${head.size}`);
  return equalBytes(hash, head.root) ? passed(true) : failed("proofRoot", "the inclusion proof leads to another root");
}

/**
 * That tree `to` begins with tree `from` (RFC 9162 2.1.4.2). From size 0 every tree is consistent, so such a proof is
 * refused: a verifier that has seen nothing must say so.
 */
export function verifyConsistency(hasher: TreeHasher, from: TreeHead, to: TreeHead, proof: readonly Uint8Array[]): Checked<true> {
  if (from.size <= 0n) return failed("proofVacuous", "consistency from the empty tree proves nothing");
  if (from.size > to.size) return failed("proofMalformed", `size ${from.size} is beyond size ${to.size}`);
  if (!areHashes([from.root, to.root, ...proof])) return failed("proofMalformed", "a hash is not 32 bytes long");
  if (from.size === to.size) {
    if (proof.length !== 0) return failed("proofMalformed", "equal sizes take an empty proof");
    return equalBytes(from.root, to.root) ? passed(true) : failed("proofRoot", `two roots for size ${to.size}`);
  }
  const isWholeSubtree = (from.size & (from.size - 1n)) === 0n;
  const [seed, ...rest] = isWholeSubtree ? [from.root, ...proof] : proof;
  if (seed === undefined || proof.length === 0) return failed("proofMalformed", "the proof is empty");
  let node = from.size - 1n;
  let last = to.size - 1n;
  while (isOdd(node)) [node, last] = [node >> 1n, last >> 1n];
  let oldRoot = seed;
  let newRoot = seed;
  for (const sibling of rest) {
    if (last === 0n) return failed("proofMalformed", `the proof is too long for sizes ${from.size} and ${to.size}`);
    if (isOdd(node) || node === last) {
      oldRoot = hasher.node(sibling, oldRoot);
      newRoot = hasher.node(sibling, newRoot);
      while (!isOdd(node) && node !== 0n) [node, last] = [node >> 1n, last >> 1n];
    } else newRoot = hasher.node(newRoot, sibling);
    [node, last] = [node >> 1n, last >> 1n];
  }
  if (last !== 0n) return failed("proofMalformed", `the proof is too short for sizes ${from.size} and ${to.size}`);
  if (!equalBytes(oldRoot, from.root)) return failed("proofRoot", `the consistency proof does not begin at the root of size ${from.size}`);
  return equalBytes(newRoot, to.root)
    ? passed(true)
    : failed("proofRoot", `the consistency proof does not end at the root of size ${to.size}`);
}

function isOdd(value: bigint): boolean {
  return (value & 1n) === 1n;
}

function areHashes(hashes: readonly Uint8Array[]): boolean {
  return hashes.every((hash) => hash.length === HASH_BYTES);
}
