/**
 * One shard: one partition, one libSQL file, one log, one writer. Everything that changes passes through one group
 * commit: ledger entries, settlements, transfers, idempotency, the consumed offset and outgoing events are one
 * transaction. Then the head is signed, and only then do events leave, each with its receipt.
 */
import type { Crypto } from "../crypto/port.ts";
import { HeadSigner } from "../head-signer.ts";
import { startLedgerPublisher, type LedgerPublisher } from "../ledger-publisher.ts";
import { fromHex } from "../protocol/bytes.ts";
import { settlementId } from "../protocol/settlement-id.ts";
import type { Clock, EventMs } from "../protocol/time.ts";
import type { Provenance } from "../../ledger/leaf-draft.ts";
import type { Log } from "../../ledger/port.ts";
import { type Database, insertRows, type Statement } from "../../migrations/database.ts";
import { GroupCommit } from "../../migrations/queue.ts";
import type { Forwarder, OutboxRecord } from "../../streams/bus/outbox-port.ts";
import { enqueue, startForwarder } from "../../streams/bus/outbox.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import { encodeEvent } from "../../streams/contracts/codec.ts";
import type { AnyEvent } from "../../streams/contracts/event.ts";
import { accept, type Intake, type SubmittedEvent } from "./acceptance.ts";
import { Batch, type IndexOf } from "./batch.ts";
import { effectsOf, type EventDraft } from "./effects.ts";
import { receiptsAttached } from "./receipts.ts";
import { insertSettlements, insertTransfers, integerOf, updateSettlements } from "./rows.ts";
import type { Settlement, Transition } from "./settlement.ts";
import { openStore, type Store } from "./store.ts";
import type { Account, Balance } from "./transfers.ts";

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
}

/** A record of the requests topic, read or found unreadable by the worker. */
export type Arrival =
  | { readonly event: SubmittedEvent; readonly provenance: Provenance }
  /** `letter` is what goes to the dead letter topic in its place. */
  | { readonly event: undefined; readonly provenance: Provenance; readonly letter: OutboxRecord };

export interface Shard {
  readonly partition: number;
  readonly log: Log;
  /** Where to read on: the first offset that was not taken in yet. */
  nextOffset(topic: string): bigint | undefined;
  /** Takes a slice in, in one commit; gives the settlements that are to be carried out. Offsets taken in before are skipped. */
  accept(topic: string, arrivals: readonly Arrival[]): Promise<readonly Settlement[]>;
  /** Makes one step durable and gives the settlement after it. */
  advance(before: Settlement, transition: Transition): Promise<Settlement>;
  /** Open settlements whose time has come, oldest first. */
  due(atMs: EventMs, limit: number): Promise<readonly Settlement[]>;
  /** The next instant after `after` at which a settlement is due. */
  nextDueMs(after: EventMs): Promise<EventMs | undefined>;
  find(institution: string, outTradeNo: string): Promise<Settlement | undefined>;
  balances(): Promise<readonly Balance[]>;
  /** Settlements by state, for health and operators. */
  countByState(): Promise<ReadonlyMap<string, number>>;
  /** Why the newest head could not be signed, until it could. */
  signingFailure(): Error | undefined;
  /** Events waiting to leave. */
  backlog(): { readonly depth: number; readonly oldestAgeMs: number };
  /** Resolves when every commit is signed and every event and entry is on the bus. */
  drained(): Promise<void>;
  close(): Promise<void>;
}

const SIGN_EVERY_MS = 20;

type Item =
  | { readonly kind: "slice"; readonly topic: string; readonly arrivals: readonly Arrival[] }
  | { readonly kind: "step"; readonly before: Settlement; readonly transition: Transition };

export async function openShard(options: ShardOptions): Promise<Shard> {
  const store = openStore(options.db);
  const positions = await options.db.read("SELECT topic, next_offset FROM consumed_position WHERE partition=?", options.partition);
  const { db, log, bus, partition, clock } = options;
  const publisher = await startLedgerPublisher({ db, log, bus, partition, clock });
  const [newest] = await db.read("SELECT at_ms FROM leaf ORDER BY idx DESC LIMIT 1");
  const resumed = {
    nextOffsets: new Map(positions.map((row) => [String(row["topic"]), integerOf(row, "next_offset")])),
    lastMs: newest === undefined ? 0 : Number(newest["at_ms"]),
  };
  return new LibsqlShard(options, store, publisher, resumed);
}

/** What a shard goes on from when it is opened again. */
interface Resumed {
  readonly nextOffsets: Map<string, bigint>;
  /** Of the newest entry: should the clock have stepped back, events and entries still bear the same instant. */
  readonly lastMs: number;
}

class LibsqlShard implements Shard {
  readonly partition: number;
  readonly log: Log;
  readonly #options: ShardOptions;
  readonly #store: Store;
  readonly #publisher: LedgerPublisher;
  readonly #forwarder: Forwarder;
  readonly #signer: HeadSigner;
  readonly #commits: GroupCommit<Item, readonly Settlement[]>;
  readonly #nextOffsets: Map<string, bigint>;
  /** Accounts known to have a row; a handful per institution. */
  readonly #accounts = new Set<string>();
  #lastMs: number;

  constructor(options: ShardOptions, store: Store, publisher: LedgerPublisher, resumed: Resumed) {
    this.#lastMs = resumed.lastMs;
    this.partition = options.partition;
    this.log = options.log;
    this.#options = options;
    this.#store = store;
    this.#publisher = publisher;
    this.#nextOffsets = resumed.nextOffsets;
    const { db, bus, clock, log } = options;
    this.#forwarder = startForwarder({ db, bus, clock, prepare: receiptsAttached(log) });
    this.#commits = new GroupCommit((items) => this.#commit(items));
    this.#signer = new HeadSigner(options.log, options.signEveryMs ?? SIGN_EVERY_MS, () => {
      this.#forwarder.notify();
      this.#publisher.notify();
    });
    // What a crash left unsigned is signed now.
    this.#signer.dirty(this.#now());
  }

  nextOffset(topic: string): bigint | undefined {
    return this.#nextOffsets.get(topic);
  }

  accept(topic: string, arrivals: readonly Arrival[]): Promise<readonly Settlement[]> {
    return this.#commits.submit({ kind: "slice", topic, arrivals });
  }

  async advance(before: Settlement, transition: Transition): Promise<Settlement> {
    const [after] = await this.#commits.submit({ kind: "step", before, transition });
    if (after === undefined) throw new Error("a step ended without a settlement");
    return after;
  }

  due(atMs: EventMs, limit: number): Promise<readonly Settlement[]> {
    return this.#store.due(atMs, limit);
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

  countByState(): Promise<ReadonlyMap<string, number>> {
    return this.#store.countByState();
  }

  backlog(): { readonly depth: number; readonly oldestAgeMs: number } {
    return this.#forwarder.backlog();
  }

  signingFailure(): Error | undefined {
    return this.#signer.failure();
  }

  async drained(): Promise<void> {
    await this.#commits.idle();
    await this.#signer.idle();
    await this.#forwarder.drained();
    await this.#publisher.drained();
  }

  async close(): Promise<void> {
    await this.#commits.idle();
    await this.#signer.stop();
    await this.#forwarder.stop();
    await this.#publisher.stop();
    await this.#options.db.close();
  }

  #now(): EventMs {
    return Math.max(this.#lastMs, this.#options.clock.now()) as EventMs;
  }

  async #commit(items: readonly Item[]): Promise<readonly (readonly Settlement[])[]> {
    const atMs = this.#now();
    const batch = new Batch();
    const answers: ((indexOf: IndexOf) => readonly Settlement[])[] = [];
    for (const item of items)
      answers.push(item.kind === "step" ? batch.step(effectsOf(item.before, item.transition, atMs)) : await this.#slice(item, batch, atMs));
    const indexOf = await this.#makeDurable(batch, atMs);
    this.#lastMs = atMs;
    if (batch.leaves.length > 0) this.#signer.dirty(atMs);
    return answers.map((answer) => answer(indexOf));
  }

  async #slice(item: Extract<Item, { kind: "slice" }>, batch: Batch, atMs: EventMs): Promise<(indexOf: IndexOf) => readonly Settlement[]> {
    const from = batch.nextOffsets.get(item.topic) ?? this.#nextOffsets.get(item.topic) ?? 0n;
    const arrivals = item.arrivals.filter((arrival) => arrival.provenance.offset >= from);
    const last = arrivals.at(-1);
    if (last === undefined) return () => [];
    const intakes = arrivals.map((arrival) => this.#intake(arrival));
    const known = await this.#store.known(intakes);
    for (const one of batch.openedSettlements) {
      known.settlements.set(one.id, one);
      if (one.parent !== undefined) known.refunds.set(one.parent.id, [...(known.refunds.get(one.parent.id) ?? []), one]);
    }
    const answer = batch.slice(accept(intakes, known, atMs));
    for (const arrival of arrivals) if (arrival.event === undefined) batch.letters.push(arrival.letter);
    batch.nextOffsets.set(item.topic, last.provenance.offset + 1n);
    return answer;
  }

  #intake(arrival: Arrival): Intake {
    const { event, provenance } = arrival;
    if (event === undefined) return { kind: "unreadable", provenance };
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

  /** From here nothing is decided any more: all of the batch is written, or none of it. */
  async #makeDurable(batch: Batch, atMs: EventMs): Promise<IndexOf> {
    const staged = batch.leaves.length === 0 ? undefined : this.log.stage(batch.leaves, atMs);
    const indexOf: IndexOf = (leafAt) => {
      const position = staged?.positions[leafAt];
      if (position === undefined) throw new Error(`no entry ${leafAt} in this batch`);
      return position.index;
    };
    const accounts = new Map(batch.accounts().map((account) => [account.id, account]));
    for (const id of accounts.keys()) if (this.#accounts.has(id)) accounts.delete(id);
    try {
      await this.#options.db.write([...this.#statements(batch, [...accounts.values()], indexOf, atMs), ...(staged?.statements ?? [])]);
    } catch (error) {
      staged?.aborted();
      throw error;
    }
    staged?.committed();
    for (const [topic, next] of batch.nextOffsets) this.#nextOffsets.set(topic, next);
    for (const id of accounts.keys()) this.#accounts.add(id);
    return indexOf;
  }

  #statements(batch: Batch, accounts: readonly Account[], indexOf: IndexOf, atMs: EventMs): readonly Statement[] {
    return [
      ...insertSettlements(batch.opened(indexOf)),
      ...updateSettlements(batch.stepped(indexOf)),
      ...insertRows(
        "account",
        ["id", "side", "rail", "fund_source", "institution"],
        accounts.map((one) => [one.id, one.side, one.rail, one.fundSource, one.institution ?? null]),
        "ON CONFLICT DO NOTHING",
      ),
      ...insertTransfers(batch.transfers(indexOf), atMs),
      ...insertRows(
        "conflict",
        ["source", "event_id", "settlement_id", "request_hash", "ledger_index"],
        batch.conflicts(indexOf).map((one) => [one.source, one.eventId, one.settlementId, one.requestHash, one.ledgerIndex]),
      ),
      ...insertRows(
        "consumed_position",
        ["topic", "partition", "next_offset"],
        [...batch.nextOffsets].map(([topic, next]) => [topic, this.partition, next]),
        "ON CONFLICT (topic, partition) DO UPDATE SET next_offset=excluded.next_offset",
      ),
      ...enqueue([...batch.letters, ...batch.events(indexOf).map((told) => this.#record(told.event, told.ledgerIndex, atMs))], atMs),
    ];
  }

  #record(event: EventDraft, ledgerIndex: bigint, atMs: EventMs): OutboxRecord {
    const envelope = {
      source: `/ronghe/core/settlement-${this.partition}`,
      timeMs: atMs,
      ledger: { log: this.log.origin, index: ledgerIndex },
    };
    const told = { ...event, ...envelope } as AnyEvent;
    return { ...encodeEvent(told), eventId: event.id, ledgerIndex };
  }
}
