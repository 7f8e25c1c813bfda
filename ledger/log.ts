/**
 * The sequencer of one log. The owner of the database puts our statements into the batch of the effects they record;
 * the trigger `head_move_check` aborts that whole batch when another sequencer moved the head in between, so that two
 * writers can never fork a log (a libSQL batch cannot branch, so the condition must live in the database).
 */
import type { Crypto } from "../core/crypto/port.ts";
import type { EventMs } from "../core/protocol/time.ts";
import { type Database, insertRows, type InValue, type Statement } from "../migrations/database.ts";
import { byUtf8, encodeLeaf } from "./leaf-encoder.ts";
import type { LeafDraft, LedgerPosition } from "./leaf-draft.ts";
import type { Checkpoint, Log, StagedAppend } from "./port.ts";
import { Prover } from "./prover.ts";
import { loadLog, LogDamagedError, type LoadedLog, readCheckpointAt, readLeaves, readTile } from "./store/load.ts";
import { addSearchKeys } from "./store/search.ts";
import { type FullTile, TileCache, type TileEdge, tilePlace } from "./tiles.ts";
import { equalBytes, isName, utf8 } from "./verifier/bytes.ts";
import {
  commitmentHash,
  commitmentHashes,
  type Leaf,
  type LeafCommitment,
  type LeafFact,
  type Opening,
  SALT_BYTES,
} from "./verifier/leaf.ts";
import { printCheckpointBody, printSignature, type VerifierKey, verifierKey } from "./verifier/note.ts";
import { printSealedReceipt } from "./verifier/receipt.ts";
import { type TreeHasher, treeHasher } from "./verifier/tree.ts";

export interface OpenLogOptions {
  /** A database with the tables of `store/schema.ts` and the triggers of `store/guards.sql`. */
  readonly db: Database;
  /** Name of the log for ever, for example `ronghe.example/51/settlement-0`. */
  readonly origin: string;
  readonly crypto: Pick<Crypto, "sm3" | "sm2Verify" | "sm3Many">;
  /** Bytes from a CSPRNG, for salts. */
  readonly random: (length: number) => Uint8Array;
  readonly signer: LogSigner;
  /** What is committed to in place of a personal value; the value itself by default. */
  readonly committed?: (name: string, value: string) => string;
  /** While a key is changed: keys that sign each checkpoint beside `signer`. */
  readonly alsoSigners?: readonly LogSigner[];
}

export interface LogSigner {
  /** Stands in the signature line; by custom the origin, or a prefix that several logs share. */
  readonly keyName: string;
  /** SM2 with the default user id over the exact message; raw r ‖ s, 64 bytes. */
  sign(message: Uint8Array): Promise<Uint8Array>;
  /** 04 ‖ x ‖ y. */
  readonly publicKey: Uint8Array;
}

/**
 * Opens a log, or begins it in a database that has none. Reads the unfinished tiles only, at most a few hundred rows
 * per level, however long the log is. Throws {@link LogDamagedError} when head, leaves, tiles and the last checkpoint
 * do not fit together: a log that went on from there could fork.
 */
export async function openLog(options: OpenLogOptions): Promise<Log> {
  if (!isName(options.origin)) throw new RangeError("a log origin is visible ASCII without a plus sign, 255 bytes at most");
  const hasher = treeHasher(options.crypto.sm3, options.crypto.sm3Many);
  const signers = [options.signer, ...(options.alsoSigners ?? [])].map((signer) => ({
    signer,
    key: verifierKey(options.crypto.sm3, signer.keyName, signer.publicKey),
  }));
  const log = new SequencedLog(options, hasher, signers, await loadLog(options.db, hasher, options.origin));
  await log.checkLatestCheckpoint();
  return log;
}

interface SigningKey {
  readonly signer: LogSigner;
  readonly key: VerifierKey;
}

/** Where the log stands, durable or staged. */
interface Position {
  readonly edge: TileEdge;
  readonly root: Uint8Array;
  readonly last: LoadedLog["last"];
}

class SequencedLog implements Log {
  readonly origin: string;
  readonly #options: OpenLogOptions;
  readonly #hasher: TreeHasher;
  readonly #signers: readonly SigningKey[];
  readonly #tiles: TileCache;
  readonly #prover: Prover;
  #durable: Position;
  /** The append that was staged last, until it ends. */
  #open: Position | undefined;
  #checkpoint: Checkpoint | undefined;
  #signing: Promise<unknown> = Promise.resolve();
  #signerChecked = false;

  constructor(options: OpenLogOptions, hasher: TreeHasher, signers: readonly SigningKey[], loaded: LoadedLog) {
    this.origin = options.origin;
    this.#options = options;
    this.#hasher = hasher;
    this.#signers = signers;
    this.#durable = { edge: loaded.edge, root: loaded.edge.root(), last: loaded.last };
    this.#checkpoint = loaded.checkpoint;
    this.#tiles = new TileCache((level, index) => readTile(options.db, hasher, level, index));
    this.#prover = new Prover(hasher, (height, index) => this.#node(height, index));
  }

  get size(): bigint {
    return BigInt(this.#durable.edge.size);
  }

  get root(): Uint8Array {
    return this.#durable.root;
  }

  /** The last checkpoint must be of a prefix of what is stored; a restored older copy must not sign a second history. */
  async checkLatestCheckpoint(): Promise<void> {
    const signed = this.#checkpoint;
    if (signed === undefined || equalBytes(signed.root, await this.#prover.root(Number(signed.size)))) return;
    throw new LogDamagedError(`the log ${this.origin} no longer has the root that was signed for ${signed.size} entries`);
  }

  stage(drafts: readonly LeafDraft[], atMs: EventMs): StagedAppend {
    if (this.#open !== undefined) throw new Error(`an append to ${this.origin} is still open`);
    const before = this.#durable;
    const edge = before.edge.clone();
    const entries = this.#entries(drafts, { edge, last: before.last, atMs });
    const root = drafts.length === 0 ? before.root : edge.root();
    const after: Position = { edge, root, last: entries.at(-1)?.last ?? before.last };
    const full = edge.takeFull();
    this.#open = after;
    const close = (): void => {
      if (this.#open !== after) throw new Error("an append ends once");
      this.#open = undefined;
    };
    return {
      positions: entries.map((entry) => entry.position),
      statements: entries.length === 0 ? [] : [...entryStatements(entries), ...tileStatements(full), headMove(before, after)],
      committed: () => {
        close();
        this.#durable = after;
        for (const tile of full) this.#tiles.put(tile);
      },
      aborted: close,
    };
  }

  /** Fixes the bytes of each draft in turn; each entry names the hash of the one before. */
  #entries(drafts: readonly LeafDraft[], start: { edge: TileEdge; last: LoadedLog["last"]; atMs: EventMs }): readonly Entry[] {
    const salts = new SaltSource(this.#options.random, drafts);
    // Posted time never goes back, whatever the owner's clock does: verifiers rely on it.
    const postedMs = Math.max(start.atMs, start.last?.postedMs ?? 0);
    let previous = start.last?.hash;
    const first = start.edge.size;
    const opened = this.#openings(drafts, first, salts);
    const entries = drafts.map((draft, at): Entry => {
      const index = BigInt(first + at);
      const { openings, commitments } = opened[at] ?? NO_OPENINGS;
      const bytes = encodeLeaf(
        leafOf(draft, {
          origin: this.origin,
          index,
          postedMs: BigInt(postedMs),
          previous,
          commitments: draft.personal === undefined ? undefined : commitments,
        }),
      );
      const leafHash = this.#hasher.leaf(bytes);
      previous = leafHash;
      return { draft, bytes, openings, last: { hash: leafHash, postedMs }, position: { origin: this.origin, index, leafHash } };
    });
    // The chain of previous hashes makes leaf hashes wait for each other; what stands above them does not.
    start.edge.appendMany(entries.map((entry) => entry.last.hash));
    return entries;
  }

  /** Personal fields with their salts and commitments, entry by entry. */
  #openings(drafts: readonly LeafDraft[], first: number, salts: SaltSource): readonly Opened[] {
    const { sm3, sm3Many } = this.#options.crypto;
    const committed = this.#options.committed ?? ((_name: string, value: string) => value);
    const items = drafts.flatMap(({ personal }, at) =>
      personal === undefined
        ? []
        : Object.entries(personal)
            .sort(([a], [b]) => byUtf8(a, b))
            .map(([name, value]) => ({
              place: { origin: this.origin, index: BigInt(first + at) },
              opening: { name, value: committed(name, value), salt: salts.take() },
            })),
    );
    const hashes =
      sm3Many === undefined
        ? items.map(({ place, opening }) => commitmentHash(sm3, place, opening))
        : items.length === 0
          ? []
          : commitmentHashes(sm3Many, items);
    const opened = drafts.map((): { openings: Opening[]; commitments: LeafCommitment[] } => ({ openings: [], commitments: [] }));
    for (const [at, { place, opening }] of items.entries()) {
      const of = opened[Number(place.index) - first];
      of?.openings.push(opening);
      of?.commitments.push({ name: opening.name, hash: hashes[at] ?? new Uint8Array() });
    }
    return opened;
  }

  checkpoint(atMs: EventMs): Promise<Checkpoint> {
    const run = this.#signing.then(() => this.#sign(atMs));
    // Search keys come behind the log: nobody waits for them, and what fails here is made the next time.
    this.#signing = run.then(() => addSearchKeys(this.#options.db, this.size)).catch(() => undefined);
    return run;
  }

  latestCheckpoint(): Checkpoint | undefined {
    return this.#checkpoint;
  }

  /** Signs what is durable now; entries that commit meanwhile wait for the next call. */
  async #sign(atMs: EventMs): Promise<Checkpoint> {
    const { size, root } = this;
    if (this.#checkpoint?.size === size) return this.#checkpoint;
    const text = printCheckpointBody({ origin: this.origin, size, root });
    const message = utf8(text);
    const lines = await Promise.all(this.#signers.map((signing) => this.#signatureLine(signing, message)));
    this.#signerChecked = true;
    const note = `${text}\n${lines.join("")}`;
    const insert = "INSERT INTO checkpoint (size, note, at_ms) VALUES (?, ?, ?) ON CONFLICT (size) DO NOTHING";
    // The entries are on disk. A loss of power that takes this note takes nothing after it: the same head is signed again.
    await this.#options.db.write([{ sql: insert, args: [size, note, atMs] }], "process");
    this.#checkpoint = await this.#stored(size, root);
    return this.#checkpoint;
  }

  async #signatureLine({ signer, key }: SigningKey, message: Uint8Array): Promise<string> {
    const signature = await signer.sign(message);
    // A signer that holds another key than it says would spoil every receipt: found with the first signature.
    if (!this.#signerChecked && !this.#options.crypto.sm2Verify(key.publicKey, message, signature))
      throw new Error(`the signer of ${this.origin} does not sign with the key ${key.name}`);
    return printSignature(key, signature);
  }

  /** What the table holds: ours, or that of an earlier owner who signed the same head. */
  async #stored(size: bigint, root: Uint8Array): Promise<Checkpoint> {
    const stored = await readCheckpointAt(this.#options.db, this.origin, size);
    if (stored !== undefined && equalBytes(stored.root, root)) return stored;
    throw new LogDamagedError(`another root was signed for ${size} entries of ${this.origin}`);
  }

  async receipt(index: bigint, under: Checkpoint | undefined = this.#checkpoint): Promise<string> {
    const checkpoint = under;
    if (checkpoint === undefined || index < 0n || index >= checkpoint.size)
      throw new RangeError(`no checkpoint of ${this.origin} covers entry ${index}; the latest has size ${checkpoint?.size ?? 0n}`);
    const [leaf] = await this.leaves(index, 1);
    if (leaf === undefined) throw new LogDamagedError(`entry ${index} of ${this.origin} is missing`);
    const path = await this.#prover.inclusion(Number(index), Number(checkpoint.size));
    return printSealedReceipt(this.#options.crypto.sm3, {
      entries: [{ index, leaf: leaf.bytes, openings: [], path }],
      checkpoint: checkpoint.note,
    });
  }

  async consistency(from: bigint, to: bigint): Promise<readonly Uint8Array[]> {
    if (to > this.size) throw new RangeError(`${this.origin} has ${this.size} entries, not ${to}`);
    return await this.#prover.consistency(Number(from), Number(to));
  }

  async leaves(from: bigint, limit: number): Promise<readonly { readonly index: bigint; readonly bytes: Uint8Array }[]> {
    return await readLeaves(this.#options.db, from, limit);
  }

  async #node(height: number, index: number): Promise<Uint8Array> {
    const place = tilePlace(height, index);
    const tile = this.#durable.edge.unfinished(place.level, place.tile) ?? (await this.#tiles.get(place.level, place.tile));
    return tile.node(place.height, place.entry);
  }
}

interface Opened {
  readonly openings: readonly Opening[];
  readonly commitments: readonly LeafCommitment[];
}
const NO_OPENINGS: Opened = { openings: [], commitments: [] };

interface Entry {
  readonly draft: LeafDraft;
  readonly bytes: Uint8Array;
  readonly openings: readonly Opening[];
  readonly last: NonNullable<LoadedLog["last"]>;
  readonly position: LedgerPosition;
}

/** All salts of one append from one call to the random source. */
class SaltSource {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(random: (length: number) => Uint8Array, drafts: readonly LeafDraft[]) {
    let count = 0;
    for (const { personal } of drafts) if (personal !== undefined) count += Object.keys(personal).length;
    this.#bytes = count === 0 ? new Uint8Array() : random(count * SALT_BYTES);
  }

  take(): Uint8Array {
    const salt = this.#bytes.slice(this.#at, this.#at + SALT_BYTES);
    if (salt.length !== SALT_BYTES) throw new Error("the random source gave too few bytes");
    this.#at += SALT_BYTES;
    return salt;
  }
}

interface Place {
  readonly origin: string;
  readonly index: bigint;
  readonly previous: Uint8Array | undefined;
  readonly postedMs: bigint;
  readonly commitments: readonly LeafCommitment[] | undefined;
}

/** A draft in its place. What the draft leaves out stays out of the bytes; what is empty stays empty. */
function leafOf(draft: LeafDraft, place: Place): Leaf {
  return {
    origin: place.origin,
    index: place.index,
    previous: place.previous,
    postedMs: place.postedMs,
    kind: draft.kind,
    outcome: draft.outcome,
    code: draft.code,
    actor: draft.actor,
    institution: draft.institution,
    subject: draft.subject,
    parent: draft.parent,
    idempotencyKey: draft.idempotencyKey,
    requestHash: draft.requestHash,
    provenance: draft.provenance,
    ruleSetVersion: draft.ruleSetVersion,
    facts: draft.facts === undefined ? undefined : factsOf(draft.facts),
    commitments: place.commitments,
  };
}

function factsOf(facts: Readonly<Record<string, string>>): readonly LeafFact[] {
  const sorted: LeafFact[] = [];
  let isSorted = true;
  for (const name of Object.keys(facts)) {
    const before = sorted.at(-1);
    if (before !== undefined && byUtf8(before.name, name) > 0) isSorted = false;
    sorted.push({ name, value: facts[name] ?? "" });
  }
  return isSorted ? sorted : sorted.sort((a, b) => byUtf8(a.name, b.name));
}

const LEAF_COLUMNS = ["idx", "bytes", "hash", "kind", "institution", "subject", "at_ms"] as const;

function entryStatements(entries: readonly Entry[]): readonly Statement[] {
  const leaves = entries.map(({ draft, bytes, last, position }): InValue[] => [
    position.index,
    bytes,
    position.leafHash,
    draft.kind,
    draft.institution ?? null,
    draft.subject ?? null,
    last.postedMs,
  ]);
  const openings = entries.flatMap(({ position, openings }) =>
    openings.map(({ name, salt, value }): InValue[] => [position.index, name, salt, value]),
  );
  return [...insertRows("leaf", LEAF_COLUMNS, leaves), ...insertRows("disclosure", ["idx", "name", "salt", "value"], openings)];
}

function tileStatements(full: readonly FullTile[]): readonly Statement[] {
  return insertRows(
    "tile",
    ["level", "idx", "hashes"],
    full.map(({ level, index, tile }) => [level, index, tile.bytes()]),
  );
}

function headMove(from: Position, to: Position): Statement {
  return {
    sql: "INSERT INTO head_move (size, root, from_size, from_root) VALUES (?, ?, ?, ?)",
    args: [to.edge.size, to.root, from.edge.size, from.root],
  };
}
