/**
 * Follows a whole log from its first entry, one leaf at a time in flat memory: from a database, an export or a topic.
 * The first defect ends it; whoever stops before {@link LogVerifier.finish} has verified nothing.
 */
import { equalBytes, utf8 } from "./bytes.ts";
import { TILE_WIDTH } from "./export-layout.ts";
import { type LeafView, scanLeaf, TAG } from "./leaf.ts";
import { asPolicy, type Trust, type VerifiedCheckpoint, type VerifierCrypto, verifyLogSignature } from "./note.ts";
import { CompactRange, type NodeVisitor, type TreeHasher, treeHasher } from "./tree.ts";
import { type Checked, type Defect, type DefectName, failed, passed } from "./verdict.ts";

export interface LogVerifierOptions {
  readonly crypto: VerifierCrypto;
  readonly trusted: Trust;
  /** The log that this has to be. */
  readonly origin: string;
}

export interface VerifiedLeaf {
  readonly view: LeafView;
  readonly hash: Uint8Array;
}

export class LogVerifier {
  readonly origin: string;
  readonly #crypto: VerifierCrypto;
  readonly #trusted: Trust;
  readonly #originBytes: Uint8Array;
  readonly #hasher: TreeHasher;
  readonly #range: CompactRange;
  /** Leaf hashes that wait for their nodes: those of a whole tile are hashed together. */
  #pending: Uint8Array[] = [];
  #visit: NodeVisitor | undefined;
  #previous: VerifiedLeaf | undefined;
  #root: Uint8Array | undefined;
  #signedSize: number | undefined;
  #checkpoints = 0;
  #defect: Defect | undefined;

  constructor({ crypto, trusted, origin }: LogVerifierOptions) {
    this.origin = origin;
    this.#crypto = crypto;
    this.#trusted = trusted;
    this.#originBytes = utf8(origin);
    this.#hasher = treeHasher(crypto.sm3, crypto.sm3Many);
    this.#range = new CompactRange(this.#hasher);
  }

  /** Entries taken so far. */
  get size(): number {
    return this.#range.size + this.#pending.length;
  }

  /** Checkpoints found good so far. */
  get checkpoints(): number {
    return this.#checkpoints;
  }

  root(): Uint8Array {
    this.settle();
    this.#root ??= this.#range.root();
    return this.#root;
  }

  /** Makes the nodes above all entries taken so far; by itself at the end of each tile and for each root. */
  settle(): void {
    if (this.#pending.length === 0) return;
    this.#range.appendMany(this.#pending, this.#visit);
    this.#pending = [];
  }

  /** The leaf hashes of entries about to be taken, made together; for {@link LogVerifier.addLeaf}. */
  leafHashes(leaves: readonly Uint8Array[]): readonly Uint8Array[] {
    return this.#hasher.leaves(leaves);
  }

  /**
   * The next entry: canonical bytes, of this log, at the next index, naming the hash before, not older than it. `visit` is
   * told of nodes as {@link LogVerifier.settle} makes them; `hash` is that of {@link LogVerifier.leafHashes}, of these bytes.
   */
  addLeaf(bytes: Uint8Array, visit?: NodeVisitor, hash: Uint8Array = this.#hasher.leaf(bytes)): Checked<VerifiedLeaf> {
    if (this.#defect !== undefined) return { ok: false, error: this.#defect };
    const scanned = scanLeaf(bytes);
    if (!scanned.ok) return this.#stop(scanned.error.name, scanned.error.detail);
    const view = scanned.value;
    if (!view.isAt(this.size)) return this.#stop("leafIndex", `the entry in place ${this.size} says that it is entry ${view.index}`);
    if (!view.equals(TAG.origin, this.#originBytes))
      return this.#stop("leafOrigin", `the entry belongs to another log than ${this.origin}`);
    const previous = this.#previous;
    if (previous !== undefined && !view.equals(TAG.previous, previous.hash))
      return this.#stop("leafChain", "the entry does not name the hash of the entry before it");
    if (previous !== undefined && view.isOlderThan(previous.view))
      return this.#stop("leafTime", "the entry is older than the entry before it");
    this.#pending.push(hash);
    this.#visit = visit;
    this.#root = undefined;
    if (this.size % TILE_WIDTH === 0) this.settle();
    const leaf = { view, hash };
    this.#previous = leaf;
    return passed(leaf);
  }

  /** A checkpoint of exactly the entries taken so far: signed by a trusted key, for this log, over this root. */
  addCheckpoint(note: string): Checked<VerifiedCheckpoint> {
    if (this.#defect !== undefined) return { ok: false, error: this.#defect };
    const checkpoint = verifyLogSignature(this.#crypto, note, this.#trusted);
    if (!checkpoint.ok) return this.#stop(checkpoint.error.name, checkpoint.error.detail);
    const { origin, size, root } = checkpoint.value;
    if (origin !== this.origin) return this.#stop("checkpointOrigin", `a checkpoint of ${origin} stands in the log ${this.origin}`);
    if (size !== BigInt(this.size)) return this.#stop("checkpointSize", `a checkpoint of size ${size} stands at size ${this.size}`);
    if (!equalBytes(root, this.root()))
      return this.#stop("checkpointRoot", `the entries do not have the root that was signed for size ${size}`);
    // Between two that witnesses cosigned a log signs others; only an accepted one covers what stands before it.
    if (checkpoint.value.hasQuorum) this.#signedSize = this.size;
    this.#checkpoints += 1;
    return checkpoint;
  }

  /** Complete only when a good checkpoint covers the very last entry. */
  finish(): Checked<true> {
    if (this.#defect !== undefined) return { ok: false, error: this.#defect };
    if (this.#signedSize === this.size) return passed(true);
    const unsigned = this.size - (this.#signedSize ?? 0);
    const kind = asPolicy(this.#trusted).quorum === undefined ? "signed" : "cosigned";
    const detail =
      this.#signedSize === undefined ? `no ${kind} checkpoint was found` : `the last ${unsigned} entries are under no ${kind} checkpoint`;
    return this.#stop("uncovered", detail, this.#signedSize ?? 0);
  }

  /** Keeps the first defect: nothing that follows can turn the verdict. */
  #stop(name: DefectName, detail: string, at: number = this.size): { readonly ok: false; readonly error: Defect } {
    const result = failed(name, detail, BigInt(at));
    this.#defect = result.error;
    return result;
  }
}
