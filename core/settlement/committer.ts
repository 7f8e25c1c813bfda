/**
 * The one writer of a shard: a group commit in which ledger entries, settlements, transfers, idempotency, the consumed
 * offset and outgoing events are one transaction. Whatever wants to change the shard is a piece of work: it reads and
 * decides (`plan`), and from there all of the batch is written, or none of it.
 */
import type { EventMs } from "../protocol/time.ts";
import { tracedHeaders } from "../protocol/tracing.ts";
import type { Log } from "../../ledger/port.ts";
import { type Database, insertRows, type Statement } from "../../migrations/database.ts";
import { GroupCommit } from "../../migrations/queue.ts";
import type { OutboxRecord } from "../../streams/bus/outbox-port.ts";
import { enqueue } from "../../streams/bus/outbox.ts";
import { encodeEvent } from "../../streams/contracts/codec.ts";
import type { AnyWrittenEvent } from "../../streams/contracts/event.ts";
import { Batch, type Planned, type PositionOf } from "./batch.ts";
import type { AccountingDay } from "./books.ts";
import type { EventDraft } from "./events.ts";
import { type Moment, momentAt } from "./moment.ts";
import { insertSettlements, insertTransfers, updateSettlements } from "./rows.ts";
import type { Settlement } from "./settlement.ts";
import { isTerminal } from "./states.ts";
import type { Account } from "./transfers.ts";

export interface Work<T> {
  /** `alone`: reads what others of the same batch might change, so it has a commit of its own. */
  readonly with: "others" | "alone";
  plan(batch: Batch, moment: Moment): Planned<T> | Promise<Planned<T>>;
}

export interface CommitterOptions {
  readonly db: Database;
  readonly log: Log;
  readonly partition: number;
  readonly now: () => EventMs;
  /** Told after each commit that wrote entries. */
  readonly onCommit: (atMs: EventMs) => void;
  readonly resumed: Resumed;
  readonly watch?: CommitWatch | undefined;
}

/** Who looks on: `SettlementTelemetry`. */
export interface CommitWatch {
  /** The trace that what is told of a settlement belongs to. */
  traceparentOf(settlementId: string): string | undefined;
  /** Told of each settlement that was decided, once that is durable. */
  decided(settlement: Settlement): void;
}

/** What a shard goes on from when it is opened again. */
export interface Resumed {
  readonly nextOffsets: Map<string, bigint>;
  /** Of the newest entry: should the clock have stepped back, events and entries still bear the same instant. */
  readonly lastMs: number;
  readonly sealedThrough: AccountingDay | undefined;
}

type Outcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown };

export class Committer {
  readonly #options: CommitterOptions;
  readonly #commits: GroupCommit<Work<unknown>, Outcome>;
  readonly #nextOffsets: Map<string, bigint>;
  /** Accounts known to have a row; a handful per institution. */
  readonly #accounts = new Set<string>();
  #lastMs: number;
  #sealedThrough: AccountingDay | undefined;

  constructor(options: CommitterOptions) {
    this.#options = options;
    this.#nextOffsets = options.resumed.nextOffsets;
    this.#lastMs = options.resumed.lastMs;
    this.#sealedThrough = options.resumed.sealedThrough;
    this.#commits = new GroupCommit((works) => this.#commit(works));
  }

  /** Resolves once the work is durable; rejects when it could not be planned, or its batch could not be written. */
  async submit<T>(work: Work<T>): Promise<T> {
    const outcome = await this.#commits.submit(work);
    if (!outcome.ok) throw outcome.error;
    return outcome.value as T;
  }

  nextOffset(topic: string): bigint | undefined {
    return this.#nextOffsets.get(topic);
  }

  nextOffsets(): ReadonlyMap<string, bigint> {
    return this.#nextOffsets;
  }

  now(): EventMs {
    return Math.max(this.#lastMs, this.#options.now()) as EventMs;
  }

  /** From its commit on, everything else is booked on a later day. */
  sealed(day: AccountingDay): void {
    this.#sealedThrough = day;
  }

  idle(): Promise<void> {
    return this.#commits.idle();
  }

  async #commit(works: readonly Work<unknown>[]): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    for (const run of runsOf(works)) outcomes.push(...(await this.#attempt(run)));
    return outcomes;
  }

  /** One piece of work that the database refuses must not keep the others from being written. */
  async #attempt(works: readonly Work<unknown>[]): Promise<readonly Outcome[]> {
    try {
      return await this.#run(works);
    } catch (error) {
      if (works.length === 1 || !isRefusedByGuard(error)) return works.map(() => ({ ok: false, error }));
      const outcomes: Outcome[] = [];
      for (const work of works) outcomes.push(...(await this.#attempt([work])));
      return outcomes;
    }
  }

  async #run(works: readonly Work<unknown>[]): Promise<readonly Outcome[]> {
    const moment = momentAt(this.now(), this.#sealedThrough);
    const batch = new Batch(moment);
    const answers: (Planned<unknown> | { readonly error: unknown })[] = [];
    for (const work of works) {
      try {
        answers.push(await work.plan(batch, moment));
      } catch (error) {
        // It decided nothing and added nothing: the rest of the batch does not depend on it.
        answers.push({ error });
      }
    }
    const positionOf = await this.#makeDurable(batch, moment);
    return answers.map((answer) =>
      typeof answer === "function" ? { ok: true, value: answer(positionOf) } : { ok: false, error: answer.error },
    );
  }

  /** From here nothing is decided any more: all of the batch is written, or none of it. */
  async #makeDurable(batch: Batch, moment: Moment): Promise<PositionOf> {
    const { db, log, onCommit, watch } = this.#options;
    const staged = batch.leaves.length === 0 ? undefined : log.stage(batch.leaves, moment.atMs);
    const positionOf: PositionOf = (leafAt) => {
      const position = staged?.positions[leafAt];
      if (position === undefined) throw new Error(`no entry ${leafAt} in this batch`);
      return position;
    };
    const accounts = new Map(batch.accounts().map((account) => [account.id, account]));
    for (const id of accounts.keys()) if (this.#accounts.has(id)) accounts.delete(id);
    try {
      await db.write([...this.#statements(batch, [...accounts.values()], positionOf, moment), ...(staged?.statements ?? [])]);
    } catch (error) {
      staged?.aborted();
      throw error;
    }
    staged?.committed();
    for (const [topic, next] of batch.nextOffsets) this.#nextOffsets.set(topic, next);
    for (const id of accounts.keys()) this.#accounts.add(id);
    this.#lastMs = moment.atMs;
    if (batch.leaves.length > 0) onCommit(moment.atMs);
    if (watch !== undefined)
      for (const one of [...batch.opened(positionOf), ...batch.stepped(positionOf)]) if (isTerminal(one.standing.state)) watch.decided(one);
    return positionOf;
  }

  #statements(batch: Batch, accounts: readonly Account[], positionOf: PositionOf, moment: Moment): readonly Statement[] {
    return [
      ...insertSettlements(batch.opened(positionOf)),
      ...updateSettlements(batch.stepped(positionOf)),
      ...insertRows(
        "account",
        ["id", "side", "rail", "fund_source", "institution", "region"],
        accounts.map((one) => [one.id, one.side, one.rail, one.fundSource, one.institution ?? null, one.region]),
        "ON CONFLICT DO NOTHING",
      ),
      ...insertTransfers(batch.transfers(positionOf), moment),
      ...insertRows(
        "conflict",
        ["source", "event_id", "settlement_id", "request_hash", "ledger_index"],
        batch.conflicts(positionOf).map((one) => [one.source, one.eventId, one.settlementId, one.requestHash, one.ledgerIndex]),
      ),
      ...batch.rows.flatMap((rows) => rows(positionOf)),
      ...insertRows(
        "consumed_position",
        ["topic", "partition", "next_offset"],
        [...batch.nextOffsets].map(([topic, next]) => [topic, this.#options.partition, next]),
        "ON CONFLICT (topic, partition) DO UPDATE SET next_offset=excluded.next_offset",
      ),
      ...enqueue(
        [...batch.letters, ...batch.events(positionOf).map((told) => this.#record(told.event, told.ledgerIndex, moment.atMs))],
        moment.atMs,
      ),
    ];
  }

  #record(event: EventDraft, ledgerIndex: bigint, atMs: EventMs): OutboxRecord {
    const envelope = {
      source: `/ronghe/core/settlement-${this.#options.partition}`,
      timeMs: atMs,
      ledger: { log: this.#options.log.origin, index: ledgerIndex },
    };
    const told = { ...event, ...envelope } as AnyWrittenEvent;
    const record = encodeEvent(told);
    const traceparent = event.subject === undefined ? undefined : this.#options.watch?.traceparentOf(event.subject);
    return { ...record, headers: tracedHeaders(record.headers, traceparent), eventId: event.id, ledgerIndex };
  }
}

/** Neighbours that may share a commit, in their order. */
function runsOf(works: readonly Work<unknown>[]): readonly (readonly Work<unknown>[])[] {
  const runs: Work<unknown>[][] = [];
  let shared: Work<unknown>[] | undefined;
  for (const work of works) {
    if (work.with === "alone") {
      runs.push([work]);
      shared = undefined;
    } else if (shared === undefined) runs.push((shared = [work]));
    else shared.push(work);
  }
  return runs;
}

function isRefusedByGuard(error: unknown): boolean {
  return error instanceof Error && "code" in error && typeof error.code === "string" && error.code.startsWith("SQLITE_CONSTRAINT");
}
