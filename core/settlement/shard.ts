/**
 * One shard: one partition, one libSQL file, one log, one writer. Everything that changes passes through one group
 * commit: ledger entries, settlements, transfers, idempotency, the consumed offset and outgoing events are one
 * transaction. Then the head is signed, and only then do events leave, each with its receipt.
 */
import { openPublication, type Publication, type Witnessing } from "../checkpoint-publication.ts";
import type { Crypto } from "../crypto/port.ts";
import { HeadSigner } from "../head-signer.ts";
import { startLedgerPublisher, type LedgerPublisher } from "../ledger-publisher.ts";
import { fromHex } from "../protocol/bytes.ts";
import { settlementId } from "../protocol/settlement-id.ts";
import type { Clock, EventMs } from "../protocol/time.ts";
import type { Provenance } from "../../ledger/leaf-draft.ts";
import type { Log } from "../../ledger/port.ts";
import type { Database } from "../../migrations/database.ts";
import type { Forwarder, OutboxRecord } from "../../streams/bus/outbox-port.ts";
import { startForwarder } from "../../streams/bus/outbox.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import type { DeadLetterReason } from "../../streams/contracts/dead-letter-reasons.ts";
import { type PersonErasure, planErasure } from "../erasure/shard-part.ts";
import { accept, type Intake, type SubmittedEvent } from "./acceptance.ts";
import type { Batch, Planned } from "./batch.ts";
import type { AccountingDay, ShardBooks } from "./books.ts";
import { Committer, type CommitWatch, type Resumed } from "./committer.ts";
import { effectsOf } from "./effects.ts";
import { concernsKept } from "./kept.ts";
import type { Moment } from "./moment.ts";
import { QuarantineSpans, UNKNOWN_SOURCE, UNREADABLE } from "./quarantine.ts";
import { payReceipts, receiptsAttached } from "./receipts.ts";
import { integerOf, textOf } from "./rows.ts";
import type { Settlement, Transition } from "./settlement.ts";
import { openShardBooks } from "./shard-books.ts";
import { openStore, type Store } from "./store.ts";
import type { Balance } from "./transfers.ts";

export interface ShardOptions {
  /** Database of kind `shard`; the shard becomes its only writer and closes it. */
  readonly db: Database;
  /** The shard's log, opened on the same database. */
  readonly log: Log;
  readonly bus: EventBus;
  readonly crypto: Crypto;
  readonly clock: Clock;
  /** Partition of the requests topic, and the shard's number. */
  readonly partition: number;
  /** Least time between two signed heads, 20 ms by default: under load one signature serves several commits. */
  readonly signEveryMs?: number;
  /** How long leaves and checkpoints gather before they are published. */
  readonly publishEveryMs?: number;
  /** Who cosigns this log's checkpoints, and what happens without them; nobody by default. */
  readonly witnessing?: Witnessing | undefined;
  readonly watch?: CommitWatch | undefined;
}

/** A record of the requests topic, read or found unreadable by the worker. */
export type Arrival =
  | { readonly event: SubmittedEvent; readonly provenance: Provenance }
  /** `letter` is what goes to the dead letter topic in its place. */
  | { readonly event: undefined; readonly provenance: Provenance; readonly letter: OutboxRecord; readonly rejected?: Rejected };

/** Of a record that was not believed: why, and the event that tells of it. */
export interface Rejected {
  readonly reason: DeadLetterReason;
  /** The edge that it names, where there is one of that name; else `unknown`. */
  readonly source: string;
  readonly finding: OutboxRecord;
}

export interface Shard {
  readonly partition: number;
  readonly log: Log;
  /** For reconciliation and day close. */
  readonly books: ShardBooks;
  /** What of the log is shown outside, and who stands by it. */
  readonly publication: Publication;
  /** Where to read on: the first offset that was not taken in yet. */
  nextOffset(topic: string): bigint | undefined;
  /** Takes a slice in, in one commit; gives the settlements that are to be carried out. Offsets taken in before are skipped. */
  accept(topic: string, arrivals: readonly Arrival[]): Promise<readonly Settlement[]>;
  /** Makes one step durable and gives the settlement after it. */
  advance(before: Settlement, transition: Transition): Promise<Settlement>;
  /** Open settlements whose time has come, oldest first. */
  due(atMs: EventMs, limit: number): Promise<readonly Settlement[]>;
  /** `listener` is told when a settlement becomes due by other means than time. */
  onDue(listener: () => void): void;
  /** The next instant after `after` at which a settlement is due. */
  nextDueMs(after: EventMs): Promise<EventMs | undefined>;
  find(institution: string, outTradeNo: string): Promise<Settlement | undefined>;
  balances(): Promise<readonly Balance[]>;
  /** Ids of the settlements of a person, by pseudonym. */
  settlementsOf(pseudonym: string): Promise<readonly string[]>;
  /** Destroys what the shard keeps of a person, and says so in an entry of the same transaction; false while something of theirs is open. */
  erase(erasure: PersonErasure): Promise<boolean>;
  /** Settlements by state, for health and operators. */
  countByState(): Promise<ReadonlyMap<string, number>>;
  /** Those that are not decided yet, by state; cheap, however many there are that are. */
  countOpen(): Promise<ReadonlyMap<string, number>>;
  /** Why the newest head could not be signed, until it could. */
  signingFailure(): Error | undefined;
  /** Events waiting to leave. */
  backlog(): { readonly depth: number; readonly oldestAgeMs: number };
  /** Resolves when every commit is signed and every event and entry is on the bus. */
  drained(): Promise<void>;
  close(): Promise<void>;
}

const SIGN_EVERY_MS = 20;

/** Reconciliation changed the settlement meanwhile; what is to be done next stands in the database. */
export class StaleSettlementError extends Error {
  override readonly name = "StaleSettlementError";
}

export async function openShard(options: ShardOptions): Promise<Shard> {
  const store = openStore(options.db);
  const positions = await options.db.read("SELECT topic, next_offset FROM consumed_position WHERE partition=?", options.partition);
  const { db, log, bus, partition, clock } = options;
  const publication = await openPublication(options);
  const every = options.publishEveryMs === undefined ? {} : { gatherMs: options.publishEveryMs };
  const publisher = await startLedgerPublisher({
    db,
    log,
    bus,
    crypto: options.crypto,
    partition,
    clock,
    newest: () => publication.latest(),
    ...every,
  });
  const [newest] = await db.read("SELECT at_ms FROM leaf ORDER BY idx DESC LIMIT 1");
  const [sealed] = await db.read("SELECT max(day) AS day FROM seal");
  const resumed: Resumed = {
    nextOffsets: new Map(positions.map((row) => [String(row["topic"]), integerOf(row, "next_offset")])),
    lastMs: newest === undefined ? 0 : Number(newest["at_ms"]),
    sealedThrough: sealed === undefined || sealed["day"] === null ? undefined : (String(integerOf(sealed, "day")) as AccountingDay),
  };
  const spans = await QuarantineSpans.open(db, options.crypto, partition);
  return new LibsqlShard(options, store, { publication, publisher, spans }, resumed);
}

class LibsqlShard implements Shard {
  readonly partition: number;
  readonly log: Log;
  readonly books: ShardBooks;
  readonly publication: Publication;
  readonly #options: ShardOptions;
  readonly #store: Store;
  readonly #publisher: LedgerPublisher;
  readonly #spans: QuarantineSpans;
  readonly #forwarder: Forwarder;
  readonly #signer: HeadSigner;
  readonly #committer: Committer;
  /** Revisions that reconciliation gave to settlements which a runner may still hold as they were. */
  readonly #healed = new Map<string, number>();
  readonly #dueListeners: (() => void)[] = [];
  readonly #keptListeners: (() => void)[] = [];
  #paying: Promise<void> = Promise.resolve();

  constructor(
    options: ShardOptions,
    store: Store,
    outside: { publication: Publication; publisher: LedgerPublisher; spans: QuarantineSpans },
    resumed: Resumed,
  ) {
    const { db, bus, clock, log, crypto, partition } = options;
    this.partition = partition;
    this.log = log;
    this.#options = options;
    this.#store = store;
    this.#publisher = outside.publisher;
    this.#spans = outside.spans;
    this.publication = outside.publication;
    const receipts = { db, log, clock, publication: this.publication };
    this.#forwarder = startForwarder({ db, bus, clock, prepare: receiptsAttached(receipts) });
    this.publication.onPublished(() => {
      this.#forwarder.notify();
      this.#publisher.notify();
      this.#paying = this.#paying.then(() => this.#payReceipts(receipts)).catch(() => undefined);
    });
    this.#signer = new HeadSigner(log, options.signEveryMs ?? SIGN_EVERY_MS, () => this.publication.dirty());
    this.#committer = new Committer({
      db,
      log,
      partition,
      resumed,
      watch: options.watch,
      now: () => clock.now(),
      onCommit: (atMs) => this.#signer.dirty(atMs),
    });
    this.books = openShardBooks({
      db,
      log,
      store,
      crypto,
      committer: this.#committer,
      shard: partition,
      onHealed: (after) => {
        this.#healed.set(after.id, after.revision);
        this.#tellDue();
      },
      onOpened: () => this.#tellDue(),
      onKept: (listener) => void this.#keptListeners.push(listener),
    });
    // What a crash left unsigned is signed now.
    this.#signer.dirty(this.#committer.now());
  }

  nextOffset(topic: string): bigint | undefined {
    return this.#committer.nextOffset(topic);
  }

  accept(topic: string, arrivals: readonly Arrival[]): Promise<readonly Settlement[]> {
    return this.#committer.submit({ with: "others", plan: (batch, moment) => this.#slice({ topic, arrivals }, batch, moment) });
  }

  async advance(before: Settlement, transition: Transition): Promise<Settlement> {
    const after = await this.#step(before, transition);
    if (concernsKept(after)) for (const listener of this.#keptListeners) listener();
    return after;
  }

  #step(before: Settlement, transition: Transition): Promise<Settlement> {
    return this.#committer.submit({
      with: "others",
      plan: (batch, moment) => {
        const healed = this.#healed.get(before.id);
        if (healed !== undefined && healed > before.revision)
          throw new StaleSettlementError("reconciliation changed the settlement meanwhile");
        this.#healed.delete(before.id);
        return batch.step(effectsOf(before, transition, moment));
      },
    });
  }

  #tellDue(): void {
    for (const listener of this.#dueListeners) listener();
  }

  due(atMs: EventMs, limit: number): Promise<readonly Settlement[]> {
    return this.#store.due(atMs, limit);
  }

  onDue(listener: () => void): void {
    this.#dueListeners.push(listener);
  }

  nextDueMs(after: EventMs): Promise<EventMs | undefined> {
    return this.#store.nextDueMs(after);
  }

  async find(institution: string, outTradeNo: string): Promise<Settlement | undefined> {
    const id = settlementId(this.#options.crypto, institution, outTradeNo);
    return (await this.#store.byId([id])).get(id);
  }

  balances(): Promise<readonly Balance[]> {
    return this.#store.balances();
  }

  async settlementsOf(pseudonym: string): Promise<readonly string[]> {
    return (await this.#options.db.read("SELECT id FROM settlement WHERE person=? ORDER BY id", pseudonym)).map((row) => textOf(row, "id"));
  }

  erase(erasure: PersonErasure): Promise<boolean> {
    return this.#committer.submit({ with: "alone", plan: (batch) => planErasure(this.#options.db, erasure, batch) });
  }

  countByState(): Promise<ReadonlyMap<string, number>> {
    return this.#store.countByState();
  }

  countOpen(): Promise<ReadonlyMap<string, number>> {
    return this.#store.countOpen();
  }

  backlog(): { readonly depth: number; readonly oldestAgeMs: number } {
    return this.#forwarder.backlog();
  }

  signingFailure(): Error | undefined {
    return this.#signer.failure();
  }

  async drained(): Promise<void> {
    await this.#committer.idle();
    await this.#signer.idle();
    await this.publication.publishNow();
    await this.#paying;
    await this.#forwarder.drained();
    await this.#publisher.drained();
  }

  async close(): Promise<void> {
    await this.#committer.idle();
    await this.#signer.stop();
    await this.publication.stop();
    await this.#paying;
    await this.#forwarder.stop();
    await this.#publisher.stop();
    await this.#options.db.close();
  }

  /** What could not be paid is tried again with the next published checkpoint. */
  async #payReceipts(receipts: Parameters<typeof payReceipts>[0]): Promise<void> {
    if (receipts.publication.receiptWaitMs === undefined) return;
    while (await payReceipts(receipts)) this.#forwarder.notify();
  }

  async #slice(
    { topic, arrivals: all }: { readonly topic: string; readonly arrivals: readonly Arrival[] },
    batch: Batch,
    moment: Moment,
  ): Promise<Planned<readonly Settlement[]>> {
    const from = batch.nextOffsets.get(topic) ?? this.nextOffset(topic) ?? 0n;
    const arrivals = all.filter((arrival) => arrival.provenance.offset >= from);
    const last = arrivals.at(-1);
    if (last === undefined) return () => [];
    const intakes = arrivals.map((arrival) => this.#intake(arrival));
    const known = await this.#store.known(intakes);
    for (const one of batch.openedSettlements) {
      known.settlements.set(one.id, one);
      if (one.parent !== undefined) known.refunds.set(one.parent.id, [...(known.refunds.get(one.parent.id) ?? []), one]);
    }
    const accepted = accept(intakes, known, moment);
    const answer = batch.slice(accepted);
    const quarantine = this.#spans.take(batch, accepted.quarantined, moment.atMs);
    for (const leaf of quarantine.leaves) batch.append(leaf);
    batch.rows.push(() => quarantine.statements);
    for (const arrival of arrivals)
      if (arrival.event === undefined)
        batch.letters.push(arrival.letter, ...(arrival.rejected === undefined ? [] : [arrival.rejected.finding]));
    batch.nextOffsets.set(topic, last.provenance.offset + 1n);
    return (positionOf) => {
      quarantine.committed();
      return answer(positionOf);
    };
  }

  #intake(arrival: Arrival): Intake {
    const { event, provenance } = arrival;
    if (event === undefined) {
      const { source = UNKNOWN_SOURCE, reason = UNREADABLE } = arrival.rejected ?? {};
      return { kind: "unbelieved", provenance, source, reason };
    }
    const { institution, outTradeNo, originalOutTradeNo } = event.data;
    const idOf = (tradeNo: string): string => settlementId(this.#options.crypto, institution, tradeNo);
    return {
      kind: "request",
      event,
      provenance,
      id: idOf(outTradeNo),
      parentId: originalOutTradeNo === undefined ? undefined : idOf(originalOutTradeNo),
      requestHash: fromHex(event.data.requestHash) ?? new Uint8Array(0),
    };
  }
}
