/**
 * The core's database and the registry log in it, behind one group commit: what a batch decides, its ledger entries
 * and its outgoing events become durable together or not at all. Soon after, the log's new head is signed.
 *
 * A room brings a desk: it is given all its items of a batch at once, reads rows for them with multi-row SELECTs,
 * decides in order and leaves effects in the {@link Batch}. Batches run one at a time and this process owns the
 * database, so that reading, deciding and writing are free of races.
 */
import type { LeafDraft, LedgerPosition } from "../ledger/leaf-draft.ts";
import type { Log } from "../ledger/port.ts";
import { openDatabase, type Database, type Statement, type StorageObserver } from "../migrations/database.ts";
import { GroupCommit } from "../migrations/queue.ts";
import { enqueue } from "../streams/bus/outbox.ts";
import type { OutboxRecord } from "../streams/bus/outbox-port.ts";
import type { Crypto, KeyStore } from "./crypto/port.ts";
import { HeadSigner } from "./head-signer.ts";
import { ensureCoreKeys, KEY_HANDLES } from "./key-handles.ts";
import { openKeyedLog } from "./log-keys.ts";
import type { Clock, EventMs } from "./protocol/time.ts";

export interface Registry {
  readonly db: Database;
  readonly log: Log;
  /** Opens a desk; its items join the batches of all other desks. */
  desk<Item, Outcome>(decide: DeskDecision<Item, Outcome>): Desk<Item, Outcome>;
  /** Called each time the head was signed, soon after a batch: the moment to wake forwarder and publisher. */
  onCommitted(listener: () => void): void;
  /** Why the newest head could not be signed, until it could. */
  checkpointFailure(): Error | undefined;
  /** Items waiting for a batch. */
  readonly depth: number;
  /** Resolves when nothing waits and the last checkpoint is stored. */
  idle(): Promise<void>;
  close(): Promise<void>;
}

export interface Desk<Item, Outcome> {
  /** Resolves once the item's batch is durable; rejects when the batch failed as a whole. */
  submit(item: Item): Promise<Outcome>;
}

/** One answer per item, in order; called after the commit, when ledger positions are known. */
export type DeskDecision<Item, Outcome> = (items: readonly Item[], batch: Batch) => Promise<readonly Answer<Outcome>[]>;
export type Answer<Outcome> = (positionOf: PositionOf) => Outcome;
export type PositionOf = (entry: Entry) => LedgerPosition;
/** An entry of this batch, before it has a position. */
export type Entry = number & { readonly entry: unique symbol };

export interface Batch {
  /** The log's time: never before that of the batch before. */
  readonly atMs: EventMs;
  append(draft: LeafDraft): Entry;
  /** Rows of this batch; asked for once, when positions are known. */
  write(statements: (positionOf: PositionOf) => readonly Statement[]): void;
  publish(record: (positionOf: PositionOf) => OutboxRecord): void;
  /** State in memory that follows the database; runs only when the batch is durable. */
  afterwards(apply: () => void): void;
}

export interface RegistryOptions {
  /** Path of the libSQL file. */
  readonly file: string;
  /** Name of the platform; the log's origin is `<platform>/registry`. */
  readonly platform: string;
  readonly crypto: Crypto;
  readonly keys: KeyStore;
  readonly clock: Clock;
  readonly storage?: StorageObserver | undefined;
  readonly batchMax?: number;
}

export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  await ensureCoreKeys(options.keys);
  const db = await openDatabase({ kind: "core", file: options.file, storage: options.storage });
  const origin = `${options.platform}/registry`;
  const { crypto, keys } = options;
  const log = await openKeyedLog({ db, origin, crypto, keys, firstHandle: KEY_HANDLES.registrySign });
  // A process killed between commit and signature left entries that no checkpoint covers yet.
  if (log.size > 0n) await log.checkpoint(options.clock.now());
  return new LibsqlRegistry(db, log, options.clock, options.batchMax ?? 256);
}

/** Least time between two signed heads: under load one signature serves several batches. */
const SIGN_EVERY_MS = 20;

/** A desk as the batch sees it: how many items it takes is decided before any desk decides. */
interface DeskQueue {
  take(count: number): (batch: OpenBatch) => Promise<(positionOf: PositionOf) => void>;
}

class LibsqlRegistry implements Registry {
  readonly db: Database;
  readonly log: Log;
  readonly #clock: Clock;
  readonly #commits: GroupCommit<DeskQueue, undefined>;
  readonly #listeners: (() => void)[] = [];
  readonly #signer: HeadSigner;
  #lastMs = 0;

  constructor(db: Database, log: Log, clock: Clock, batchMax: number) {
    this.db = db;
    this.log = log;
    this.#clock = clock;
    this.#commits = new GroupCommit((desks) => this.#commit(desks), batchMax);
    this.#signer = new HeadSigner(log, SIGN_EVERY_MS, () => {
      for (const listener of this.#listeners) listener();
    });
  }

  get depth(): number {
    return this.#commits.depth;
  }

  desk<Item, Outcome>(decide: DeskDecision<Item, Outcome>): Desk<Item, Outcome> {
    return new QueuedDesk(decide, (desk) => this.#commits.submit(desk));
  }

  onCommitted(listener: () => void): void {
    this.#listeners.push(listener);
  }

  checkpointFailure(): Error | undefined {
    return this.#signer.failure();
  }

  async idle(): Promise<void> {
    await this.#commits.idle();
    // A head that cannot be signed keeps nobody waiting: readiness tells, and the signer goes on trying.
    await this.#signer.idle().catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.#commits.idle();
    await this.#signer.stop();
    await this.db.close();
  }

  async #commit(desks: readonly DeskQueue[]): Promise<readonly undefined[]> {
    const counts = new Map<DeskQueue, number>();
    for (const desk of desks) counts.set(desk, (counts.get(desk) ?? 0) + 1);
    // Taken before anything can fail, so that a failed batch never leaves items behind for the next one.
    const decisions = [...counts].map(([desk, count]) => desk.take(count));
    const batch = new OpenBatch(Math.max(this.#lastMs, this.#clock.now()) as EventMs);
    const settle: ((positionOf: PositionOf) => void)[] = [];
    for (const decide of decisions) settle.push(await decide(batch));
    const positionOf = await this.#makeDurable(batch);
    this.#lastMs = batch.atMs;
    for (const apply of batch.applies) apply();
    for (const answer of settle) answer(positionOf);
    this.#signer.dirty(batch.atMs);
    return desks.map(() => undefined);
  }

  async #makeDurable(batch: OpenBatch): Promise<PositionOf> {
    const staged = batch.drafts.length === 0 ? undefined : this.log.stage(batch.drafts, batch.atMs);
    const positionOf: PositionOf = (entry) => {
      const position = staged?.positions[entry];
      if (position === undefined) throw new Error(`no entry ${entry} in this batch`);
      return position;
    };
    try {
      const rows = batch.writes.flatMap((statements) => statements(positionOf));
      const events = batch.records.map((record) => record(positionOf));
      await this.db.write([...rows, ...(staged?.statements ?? []), ...(events.length === 0 ? [] : enqueue(events, batch.atMs))]);
    } catch (error) {
      staged?.aborted();
      throw error;
    }
    staged?.committed();
    return positionOf;
  }
}

class OpenBatch implements Batch {
  readonly atMs: EventMs;
  readonly drafts: LeafDraft[] = [];
  readonly writes: ((positionOf: PositionOf) => readonly Statement[])[] = [];
  readonly records: ((positionOf: PositionOf) => OutboxRecord)[] = [];
  readonly applies: (() => void)[] = [];

  constructor(atMs: EventMs) {
    this.atMs = atMs;
  }

  append(draft: LeafDraft): Entry {
    return (this.drafts.push(draft) - 1) as Entry;
  }

  write(statements: (positionOf: PositionOf) => readonly Statement[]): void {
    this.writes.push(statements);
  }

  publish(record: (positionOf: PositionOf) => OutboxRecord): void {
    this.records.push(record);
  }

  afterwards(apply: () => void): void {
    this.applies.push(apply);
  }
}

class QueuedDesk<Item, Outcome> implements Desk<Item, Outcome>, DeskQueue {
  readonly #decide: DeskDecision<Item, Outcome>;
  readonly #join: (desk: DeskQueue) => Promise<undefined>;
  readonly #waiting: Slot<Item, Outcome>[] = [];

  constructor(decide: DeskDecision<Item, Outcome>, join: (desk: DeskQueue) => Promise<undefined>) {
    this.#decide = decide;
    this.#join = join;
  }

  async submit(item: Item): Promise<Outcome> {
    const slot: Slot<Item, Outcome> = { item, outcome: undefined };
    this.#waiting.push(slot);
    await this.#join(this);
    if (slot.outcome === undefined) throw new Error("the batch ended without an answer");
    return slot.outcome.value;
  }

  take(count: number): (batch: OpenBatch) => Promise<(positionOf: PositionOf) => void> {
    const slots = this.#waiting.splice(0, count);
    return async (batch) => {
      const answers = await this.#decide(
        slots.map((slot) => slot.item),
        batch,
      );
      if (answers.length !== slots.length) throw new Error(`a desk gave ${answers.length} answers for ${slots.length} items`);
      return (positionOf) => {
        for (const [at, slot] of slots.entries()) {
          const answer = answers[at];
          if (answer !== undefined) slot.outcome = { value: answer(positionOf) };
        }
      };
    };
  }
}

interface Slot<Item, Outcome> {
  readonly item: Item;
  outcome: { readonly value: Outcome } | undefined;
}
