/**
 * A log from the stream of its entries, into an empty database: leaves, tiles, head and checkpoints as they were. Only what
 * a trusted key signed is taken: a log that went on from less than what it once signed, or from more, would fork.
 */
import { type Database, insertRows, type InValue } from "../../migrations/database.ts";
import { Branches, type Settled } from "../branches.ts";
import { erasureOf } from "../verifier/erasure.ts";
import { type Leaf, leafOf, scanLeaf, TAG } from "../verifier/leaf.ts";
import { LogVerifier } from "../verifier/log.ts";
import { type Trust, type VerifiedCheckpoint, type VerifierCrypto, verifyLogSignature } from "../verifier/note.ts";
import { TileCollector } from "../verifier/tile-collector.ts";
import { CompactRange, treeHasher } from "../verifier/tree.ts";
import { type Checked, type Defect, failed, passed } from "../verifier/verdict.ts";

export interface RebuildOptions {
  /** Of a kind that holds a log, and empty. */
  readonly db: Database;
  readonly crypto: VerifierCrypto;
  readonly trust: Trust;
  readonly origin: string;
  /** Exact leaf bytes in the order of the stream; repeats, and what somebody chained on, are taken for what they are. */
  readonly entries: AsyncIterable<Uint8Array>;
  /** Notes of this log from wherever there are any. */
  readonly checkpoints: readonly string[];
  /** Leaves out what stands behind the newest checkpoint, instead of refusing to end before it. */
  readonly leaveUnsigned?: boolean;
  readonly onLeaf: (leaf: Leaf, hash: Uint8Array) => void;
  readonly onProgress?: (done: bigint, total: bigint) => void;
}

export interface RebuiltLog {
  readonly size: bigint;
  readonly root: Uint8Array;
  /** Personal values of these entries are gone: they never left the database. */
  readonly lost: number;
  /** Entries of the stream that no checkpoint covers, left out. */
  readonly unsigned: number;
}

/** Leaves per transaction; what is half built is thrown away by whoever calls. */
const TOGETHER = 256;
/** Entries kept to say why a checkpoint is not met. */
const REFUSED_MAX = 10_000;
/** Entries between two checkpoints, or under a single one; their bytes are held until it is met. */
const UNCOVERED_MAX = 2_000_000;
const NOTHING = new Uint8Array();

/** The first reason why it cannot be had again. */
export async function rebuildLog(options: RebuildOptions): Promise<Checked<RebuiltLog>> {
  const known = signedBy(options);
  if (!known.ok) return known;
  const newest = known.value.at(-1);
  if (newest === undefined) return failed("headMissing", `no checkpoint of ${options.origin} that a trusted key signed is known`);
  const hasher = treeHasher(options.crypto.sm3);
  const branches = new Branches<Uint8Array>({ base: new CompactRange(hasher), uncoveredMax: UNCOVERED_MAX });
  const refused = new Refused();
  const writer = new LogWriter(options, newest.size);
  const due = known.value.values();
  let next = due.next();
  for await (const bytes of options.entries) {
    const scanned = scanLeaf(bytes);
    if (!scanned.ok || scanned.value.text(TAG.origin) !== options.origin) continue;
    // Of what no checkpoint can cover any more only the number is wanted.
    const kept = scanned.value.index < newest.size ? bytes : NOTHING;
    const added = branches.add(scanned.value, hasher.leaf(bytes), kept);
    if (added.kind === "refused" && added.defect.name === "uncovered" && next.done !== true) return { ok: false, error: added.defect };
    if (added.kind === "refused") refused.add(added.defect);
    if (added.kind === "ahead") refused.early(scanned.value.index);
    if (added.kind !== "taken") continue;
    for (; next.done !== true && next.value.size <= BigInt(branches.size); next = due.next()) {
      const settled = branches.cover(Number(next.value.size), next.value.root);
      if (settled === undefined) break;
      const failure = await writer.take(settled.covered, next.value.note);
      if (failure !== undefined) return { ok: false, error: failure };
    }
  }
  if (next.done !== true) return { ok: false, error: refused.reasonOf(branches.size, next.value.size, newest.size) };
  const unsigned = branches.size - branches.base.size;
  if (unsigned > 0 && options.leaveUnsigned !== true)
    return failed(
      "uncovered",
      `entries behind ${newest.size} are on the bus, under no signed checkpoint that is known: give the newest one`,
      newest.size,
    );
  return await writer.finish(unsigned);
}

/** Entries that no branch goes on with: one of them may be why a signed checkpoint is not met. */
class Refused {
  readonly #defects = new Map<bigint, Defect>();
  #isEarly = false;

  add(defect: Defect): void {
    if (defect.index !== undefined && this.#defects.size < REFUSED_MAX && !this.#defects.has(defect.index))
      this.#defects.set(defect.index, defect);
  }

  early(index: bigint): void {
    this.add({ name: "leafIndex", detail: `entry ${index} came before the one that it follows`, index });
    this.#isEarly = true;
  }

  reasonOf(size: number, due: bigint, newest: bigint): Defect {
    if (BigInt(size) >= due)
      return { name: "checkpointRoot", detail: `the entries do not have the root that was signed for size ${due}`, index: due };
    const known = this.#defects.get(BigInt(size));
    if (known !== undefined) return known;
    if (this.#isEarly)
      return { name: "leafIndex", detail: `the bus has entries behind entry ${size}, but not that one`, index: BigInt(size) };
    const detail = `${newest} entries were signed, the bus has ${size}: a log that went on from there would fork`;
    return { name: "truncated", detail, index: BigInt(size) };
  }
}

/** Writes the entries of the log, in its order, and judges each once more as whoever verifies the log would. */
class LogWriter {
  readonly #options: RebuildOptions;
  readonly #newest: bigint;
  readonly #verifier: LogVerifier;
  readonly #emptyRoot: Uint8Array;
  readonly #tiles = new TileCollector();
  /** Commitments whose values nobody erased. */
  readonly #open = new Set<string>();
  #rows: InValue[][] = [];
  #postedMs = 0n;

  constructor(options: RebuildOptions, newest: bigint) {
    this.#options = options;
    this.#newest = newest;
    this.#verifier = new LogVerifier({ crypto: options.crypto, trusted: options.trust, origin: options.origin });
    this.#emptyRoot = this.#verifier.root();
  }

  /** Up to a checkpoint. */
  async take(covered: Settled<Uint8Array>["covered"], note: string): Promise<Defect | undefined> {
    for (const { payload, hash } of covered) {
      const failure = await this.#leaf(payload, hash);
      if (failure !== undefined) return failure;
    }
    const checked = this.#verifier.addCheckpoint(note);
    if (!checked.ok) return checked.error;
    await this.#options.db.write([
      {
        sql: "INSERT INTO checkpoint (size, note, at_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        args: [checked.value.size, note, this.#postedMs],
      },
    ]);
    return undefined;
  }

  async finish(unsigned: number): Promise<Checked<RebuiltLog>> {
    const { db, origin } = this.#options;
    const finished = this.#verifier.finish();
    if (!finished.ok) return finished;
    this.#verifier.settle();
    await this.#flush();
    const [size, root] = [this.#newest, this.#verifier.root()];
    await db.write([
      { sql: "INSERT INTO head (origin, size, root) VALUES (?, 0, ?)", args: [origin, this.#emptyRoot] },
      { sql: "INSERT INTO head_move (size, root, from_size, from_root) VALUES (?, ?, 0, ?)", args: [size, root, this.#emptyRoot] },
      { sql: "INSERT INTO ledger_publication (origin, leaves, checkpoint_size) VALUES (?, ?, ?)", args: [origin, size, size] },
    ]);
    return passed({ size, root, lost: this.#open.size, unsigned });
  }

  async #leaf(bytes: Uint8Array, hash: Uint8Array): Promise<Defect | undefined> {
    const { db, onLeaf, onProgress } = this.#options;
    const taken = this.#verifier.addLeaf(bytes, this.#tiles.visit, hash);
    if (!taken.ok) return taken.error;
    const leaf = leafOf(taken.value.view);
    onLeaf(leaf, hash);
    for (const { name } of leaf.commitments ?? []) this.#open.add(`${leaf.index}/${name}`);
    const erasure = erasureOf(leaf);
    if (erasure?.ok === false) return erasure.error;
    for (const { index, name } of erasure?.value.fields ?? []) {
      if (!this.#open.delete(`${index}/${name}`))
        return { name: "erasureMismatch", detail: "an erasure names a commitment that is not there", index: leaf.index };
      await db.write([{ sql: "INSERT INTO erased (idx, name, erased_at) VALUES (?, ?, ?)", args: [index, name, leaf.index] }]);
    }
    this.#postedMs = leaf.postedMs;
    this.#rows.push([leaf.index, bytes, hash, leaf.kind, leaf.institution ?? null, leaf.subject ?? null, leaf.postedMs]);
    if (this.#rows.length === TOGETHER) await this.#flush();
    onProgress?.(BigInt(this.#verifier.size), this.#newest);
    return undefined;
  }

  async #flush(): Promise<void> {
    const rows = this.#rows;
    this.#rows = [];
    await this.#options.db.write([
      ...insertRows("leaf", ["idx", "bytes", "hash", "kind", "institution", "subject", "at_ms"], rows),
      ...insertRows(
        "tile",
        ["level", "idx", "hashes"],
        this.#tiles.take().map((tile) => [tile.level, tile.index, tile.bytes]),
      ),
    ]);
  }
}

/** Those that a trusted key signed, ascending by size; one that is no checkpoint of this log is no obstacle, a contradiction is found on the way. */
function signedBy({
  crypto,
  trust,
  origin,
  checkpoints,
}: RebuildOptions): Checked<readonly (VerifiedCheckpoint & { readonly note: string })[]> {
  const known: (VerifiedCheckpoint & { readonly note: string })[] = [];
  for (const note of new Set(checkpoints)) {
    const checked = verifyLogSignature(crypto, note, trust);
    if (!checked.ok) return checked;
    if (checked.value.origin === origin && checked.value.size > 0n) known.push({ ...checked.value, note });
  }
  return passed(known.sort((a, b) => (a.size < b.size ? -1 : a.size > b.size ? 1 : 0)));
}
