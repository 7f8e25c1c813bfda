/**
 * The settlement worker: takes requests from the bus, shard by shard, and carries them out.
 *
 * A slice is accepted in one commit, its offset with it; the payers are asked outside the slice, so that a slow payer
 * never holds up the partition. What the process had not finished when it ended, it goes on with at the next start.
 */
import type { OriginCheck } from "../access/event-origin.ts";
import type { Crypto } from "../crypto/port.ts";
import { settlementId } from "../protocol/settlement-id.ts";
import type { Clock } from "../protocol/time.ts";
import type { Vault } from "../vault/port.ts";
import { type BusLog, errorClass, silentLog } from "../../streams/bus/log.ts";
import { DeadLetterNotes } from "../../streams/bus/dead-letter-notes.ts";
import { letterOf } from "../../streams/bus/dead-letter.ts";
import type { OutboxRecord } from "../../streams/bus/outbox-port.ts";
import type { DeliveredRecord, EventBus, Slice, SliceControl } from "../../streams/bus/port.ts";
import { decodeEvent } from "../../streams/contracts/codec.ts";
import type { DeadLetterReason } from "../../streams/contracts/dead-letter-reasons.ts";
import { placeOf, rejectedFor } from "./origin.ts";
import type { Rails } from "./rails/port.ts";
import { Runner } from "./runner.ts";
import type { OpenCredential, Patience } from "./saga.ts";
import type { Arrival, Shard } from "./shard.ts";
import { type Arrived, SettlementTelemetry } from "./telemetry.ts";

export const REQUESTS_TOPIC = "settlement.request.submitted.v1";
export const SETTLEMENT_GROUP = "core-settlement";

export interface SettlementOptions {
  readonly bus: EventBus;
  /** Opens the shard of a partition; asked once per partition. The worker closes it. */
  readonly shards: (partition: number) => Shard | Promise<Shard>;
  readonly vault: Pick<Vault, "deTokenise">;
  readonly openCredential: OpenCredential;
  readonly rails: Rails;
  readonly crypto: Pick<Crypto, "sm3">;
  /** Which requests to believe. */
  readonly origin: OriginCheck;
  readonly clock: Clock;
  readonly limits?: Partial<SettlementLimits>;
  readonly log?: BusLog;
  /** Watches vault and commits; `rails` are given as it watches them. */
  readonly telemetry?: SettlementTelemetry;
}

export interface SettlementLimits extends Patience {
  /** Settlements at the payers at once, per shard: enough that payers who take 50 ms for each call cost no throughput. */
  readonly inFlightMax: number;
  /** Settlements accepted and waiting, per shard, before no more are taken from the bus. */
  readonly waitingMax: number;
  readonly sliceMax: number;
}

/**
 * A hold stays unknown for ten minutes at most, well inside the fifteen that payers keep one. What moves money is asked
 * for twelve times, half an hour in all; then only the payer's statement can tell.
 */
export const SETTLEMENT_LIMITS: SettlementLimits = {
  inFlightMax: 256,
  waitingMax: 2_000,
  sliceMax: 200,
  askAgainMinMs: 1_000,
  askAgainMaxMs: 300_000,
  asksMax: 12,
  holdMs: 600_000,
};

export interface SettlementWorker {
  /** Leaves the group, ends the steps under way and closes the shards. */
  stop(): Promise<void>;
  /**
   * Resolves when every request that the bus had at the call is decided or unknown, and everything that came of it is
   * on the bus.
   */
  drained(): Promise<void>;
  health(): SettlementHealth;
  /** Rejects when the group member died for good. */
  readonly crashed: Promise<never>;
}

export interface SettlementHealth {
  readonly inFlight: number;
  readonly waiting: number;
  /** Events that have not left yet. */
  readonly outbox: number;
}

const ROOM_PAUSE_MS = 20;

export async function startSettlement(options: SettlementOptions): Promise<SettlementWorker> {
  const worker = new Worker(options);
  await worker.start();
  return worker;
}

class Worker implements SettlementWorker {
  readonly crashed: Promise<never>;
  readonly #options: SettlementOptions;
  readonly #limits: SettlementLimits;
  readonly #log: BusLog;
  readonly #deadLetters: DeadLetterNotes;
  readonly #telemetry: SettlementTelemetry;
  readonly #runners = new Map<number, Promise<Runner>>();
  readonly #running = new Map<number, Runner>();
  #crash: (error: unknown) => void = () => undefined;
  #leave: () => Promise<void> = () => Promise.resolve();
  #stopped = false;
  #progress: (() => void)[] = [];

  constructor(options: SettlementOptions) {
    this.#options = options;
    this.#limits = { ...SETTLEMENT_LIMITS, ...options.limits };
    this.#log = options.log ?? silentLog;
    this.#deadLetters = new DeadLetterNotes(this.#log, SETTLEMENT_GROUP);
    this.#telemetry = options.telemetry ?? new SettlementTelemetry();
    this.crashed = new Promise<never>((_, reject) => (this.#crash = reject));
    this.crashed.catch(() => undefined);
  }

  async start(): Promise<void> {
    const consumer = await this.#options.bus.consume(
      {
        group: SETTLEMENT_GROUP,
        topics: [REQUESTS_TOPIC],
        sliceMax: this.#limits.sliceMax,
        // The shard's own offset decides: it moved in the transaction of what was read.
        position: async (topic, partition) => (await this.#runner(partition)).shard.nextOffset(topic),
      },
      (slice, control) => this.#handle(slice, control),
    );
    this.#leave = () => consumer.stop();
    consumer.crashed.catch((error: unknown) => this.#crash(error));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#leave();
    const runners = await Promise.all(this.#runners.values());
    await Promise.all(runners.map((runner) => runner.stop()));
    await Promise.all(runners.map((runner) => runner.shard.close()));
    this.#tellProgress();
  }

  async drained(): Promise<void> {
    const ends = await this.#options.bus.endOffsets(REQUESTS_TOPIC);
    while (!this.#hasDone(ends)) {
      if (this.#stopped) throw new Error("the settlement worker was stopped");
      await new Promise<void>((resolve) => this.#progress.push(resolve));
    }
    await Promise.all([...this.#running.values()].map((runner) => runner.shard.drained()));
  }

  health(): SettlementHealth {
    const runners = [...this.#running.values()];
    const sum = (of: (runner: Runner) => number): number => runners.reduce((total, runner) => total + of(runner), 0);
    return {
      inFlight: sum((runner) => runner.inFlight),
      waiting: sum((runner) => runner.waiting),
      outbox: sum((runner) => runner.shard.backlog().depth),
    };
  }

  #hasDone(ends: readonly bigint[]): boolean {
    const isRead = ends.every(
      (end, partition) => end === 0n || (this.#running.get(partition)?.shard.nextOffset(REQUESTS_TOPIC) ?? 0n) >= end,
    );
    return isRead && [...this.#running.values()].every((runner) => runner.idle);
  }

  #runner(partition: number): Promise<Runner> {
    const known = this.#runners.get(partition);
    if (known !== undefined) return known;
    const opening = this.#open(partition);
    this.#runners.set(partition, opening);
    opening.catch(() => this.#runners.delete(partition));
    return opening;
  }

  async #open(partition: number): Promise<Runner> {
    const { rails, openCredential, clock } = this.#options;
    const vault = this.#telemetry.vault(this.#options.vault);
    const shard = await this.#options.shards(partition);
    const runner = new Runner({
      shard,
      clock,
      saga: { rails, vault, openCredential, clock, patience: this.#limits },
      telemetry: this.#telemetry,
      inFlightMax: this.#limits.inFlightMax,
      waitingMax: this.#limits.waitingMax,
      onFailure: (error) => this.#log("error", "settlement step failed, tried again later", { partition, error: errorClass(error) }),
      onProgress: () => this.#tellProgress(),
    });
    this.#running.set(partition, runner);
    return runner;
  }

  async #handle(slice: Slice, control: SliceControl): Promise<void> {
    const runner = await this.#runner(slice.partition);
    while (!runner.hasRoom) {
      if (this.#stopped || control.stopped()) throw new Error("stopped before the slice was taken");
      await control.heartbeat();
      await new Promise((resolve) => setTimeout(resolve, ROOM_PAUSE_MS));
    }
    const arrivals = await Promise.all(slice.records.map((record) => this.#arrival(record)));
    const { shard } = runner;
    const arrived = slice.records.flatMap((record, at) => this.#arrived(record, arrivals[at]));
    runner.add(await this.#telemetry.intake(arrived, shard.log.origin, () => shard.accept(slice.topic, arrivals)));
    this.#tellProgress();
  }

  async #arrival(record: DeliveredRecord): Promise<Arrival> {
    const { topic, partition, offset } = record;
    const provenance = { topic, partition, offset, recordHash: this.#options.crypto.sm3(record.value) };
    const decoded = decodeEvent(record, REQUESTS_TOPIC);
    if (decoded.ok) {
      const nowMs = this.#options.clock.now();
      const rejected = await rejectedFor(this.#options.origin, record, decoded.value, nowMs);
      if (rejected === undefined) return { event: decoded.value, provenance };
      this.#deadLetters.add(topic, rejected.reason);
      return { event: undefined, provenance, rejected, letter: deadLetter(record, rejected.reason) };
    }
    this.#deadLetters.add(topic, decoded.error.reason, record.unreadable?.records);
    return { event: undefined, provenance, letter: deadLetter(record, decoded.error.reason) };
  }

  /** Whose trace a record carries; its number is taken from what is believed, not from headers. */
  #arrived(record: DeliveredRecord, arrival: Arrival | undefined): readonly Arrived[] {
    if (arrival?.event === undefined) return [];
    const { institution, outTradeNo, action } = arrival.event.data;
    return [{ id: settlementId(this.#options.crypto, institution, outTradeNo), institution, outTradeNo, action, record }];
  }

  #tellProgress(): void {
    for (const resolve of this.#progress.splice(0)) resolve();
  }
}

/** Leaves through the outbox, so that the letter, the quarantine entry and the offset are one transaction. */
function deadLetter(record: DeliveredRecord, errorClass: DeadLetterReason): OutboxRecord {
  return { ...letterOf(SETTLEMENT_GROUP, { record, errorClass }), eventId: placeOf(record) };
}
