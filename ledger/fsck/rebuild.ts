/**
 * A log from the stream of its entries, into an empty database: leaves, tiles, head and checkpoints as they were. Only what
 * a trusted key signed is taken: a log that went on from less than what it once signed, or from more, would fork.
 */
import { type Database, insertRows, type InValue } from "../../migrations/database.ts";
import { readLeaves } from "../store/load.ts";
import { equalBytes } from "../verifier/bytes.ts";
import { erasureOf } from "../verifier/erasure.ts";
import { type Leaf, leafOf, scanLeaf } from "../verifier/leaf.ts";
import { LogVerifier } from "../verifier/log.ts";
import { type Trust, type VerifiedCheckpoint, type VerifierCrypto, verifyLogSignature } from "../verifier/note.ts";
import { TileCollector } from "../verifier/tile-collector.ts";
import { type Checked, failed, passed } from "../verifier/verdict.ts";

export interface RebuildOptions {
  /** Of a kind that holds a log, and empty. */
  readonly db: Database;
  readonly crypto: VerifierCrypto;
  readonly trust: Trust;
  readonly origin: string;
  /** Exact leaf bytes in the order of the stream; repeats are taken for what they are. */
  readonly entries: AsyncIterable<Uint8Array>;
  /** Notes of this log from wherever there are any. */
  readonly checkpoints: readonly string[];
  readonly onLeaf: (leaf: Leaf, hash: Uint8Array) => void;
  readonly onProgress?: (done: bigint, total: bigint) => void;
}

export interface RebuiltLog {
  readonly size: bigint;
  readonly root: Uint8Array;
  /** Personal values of these entries are gone: they never left the database. */
  readonly lost: number;
}

/** Leaves per transaction; what is half built is thrown away by whoever calls. */
const TOGETHER = 256;

/** The first reason why it cannot be had again. */
export async function rebuildLog(options: RebuildOptions): Promise<Checked<RebuiltLog>> {
  const { db, crypto, trust, origin } = options;
  const known = signedBy(options);
  if (!known.ok) return known;
  const newest = known.value.at(-1);
  if (newest === undefined) return failed("headMissing", `no checkpoint of ${origin} that a trusted key signed is known`);
  const verifier = new LogVerifier({ crypto, trusted: trust, origin });
  const tiles = new TileCollector();
  const emptyRoot = verifier.root();
  const open = new Map<string, bigint>();
  const checkpoints = known.value.values();
  let due = checkpoints.next();
  let rows: InValue[][] = [];
  const flush = async (): Promise<void> => {
    await db.write([
      ...insertRows("leaf", ["idx", "bytes", "hash", "kind", "institution", "subject", "at_ms"], rows),
      ...insertRows(
        "tile",
        ["level", "idx", "hashes"],
        tiles.take().map((tile) => [tile.level, tile.index, tile.bytes]),
      ),
    ]);
    rows = [];
  };
  for await (const bytes of options.entries) {
    const repeated = scanLeaf(bytes);
    if (repeated.ok && repeated.value.index < BigInt(verifier.size)) {
      await flush();
      const [before] = await readLeaves(db, repeated.value.index, 1);
      if (before !== undefined && equalBytes(before.bytes, bytes)) continue;
      return failed("leafIndex", "the stream holds two entries of one place", repeated.value.index);
    }
    if (BigInt(verifier.size) === newest.size)
      return failed(
        "uncovered",
        `entries behind ${newest.size} are on the bus, under no signed checkpoint that is known: give the newest one`,
        newest.size,
      );
    const taken = verifier.addLeaf(bytes, tiles.visit);
    if (!taken.ok) return taken;
    const leaf = leafOf(taken.value.view);
    options.onLeaf(leaf, taken.value.hash);
    for (const { name } of leaf.commitments ?? []) open.set(`${leaf.index}/${name}`, leaf.index);
    const erasure = erasureOf(leaf);
    if (erasure?.ok === false) return erasure;
    for (const { index, name } of erasure?.value.fields ?? []) {
      if (!open.delete(`${index}/${name}`)) return failed("erasureMismatch", "an erasure names a commitment that is not there", leaf.index);
      await db.write([{ sql: "INSERT INTO erased (idx, name, erased_at) VALUES (?, ?, ?)", args: [index, name, leaf.index] }]);
    }
    rows.push([leaf.index, bytes, taken.value.hash, leaf.kind, leaf.institution ?? null, leaf.subject ?? null, leaf.postedMs]);
    for (; due.done !== true && due.value.size === BigInt(verifier.size); due = checkpoints.next()) {
      const checked = verifier.addCheckpoint(due.value.note);
      if (!checked.ok) return checked;
      await db.write([
        {
          sql: "INSERT INTO checkpoint (size, note, at_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
          args: [due.value.size, due.value.note, leaf.postedMs],
        },
      ]);
    }
    if (rows.length === TOGETHER) await flush();
    options.onProgress?.(BigInt(verifier.size), newest.size);
  }
  if (BigInt(verifier.size) < newest.size)
    return failed(
      "truncated",
      `${newest.size} entries were signed, the bus has ${verifier.size}: a log that went on from there would fork`,
      BigInt(verifier.size),
    );
  const finished = verifier.finish();
  if (!finished.ok) return finished;
  verifier.settle();
  await flush();
  const root = verifier.root();
  await db.write([
    { sql: "INSERT INTO head (origin, size, root) VALUES (?, 0, ?)", args: [origin, emptyRoot] },
    { sql: "INSERT INTO head_move (size, root, from_size, from_root) VALUES (?, ?, 0, ?)", args: [newest.size, root, emptyRoot] },
    {
      sql: "INSERT INTO ledger_publication (origin, leaves, checkpoint_size) VALUES (?, ?, ?)",
      args: [origin, newest.size, newest.size],
    },
  ]);
  return passed({ size: newest.size, root, lost: open.size });
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
