/**
 * Carries out the open settlements of one shard, a bounded number at once. Work comes from slices just accepted, and
 * from the database: after a start, after a failure, and when an unknown answer is to be asked for again.
 */
import type { Clock, EventMs } from "../protocol/time.ts";
import type { Asking } from "./rails/port.ts";
import { carryOut, type SagaPorts } from "./saga.ts";
import type { Settlement } from "./settlement.ts";
import type { Shard } from "./shard.ts";
import type { SettlementTelemetry } from "./telemetry.ts";

export interface RunnerOptions {
  readonly shard: Shard;
  readonly saga: Omit<SagaPorts, "advance" | "stopped">;
  readonly telemetry: SettlementTelemetry;
  readonly clock: Clock;
  /** Settlements in flight at once. */
  readonly inFlightMax: number;
  /** Settlements accepted and waiting, before no more are taken from the bus. */
  readonly waitingMax: number;
  /** Told when a step failed for a reason that is not an answer (a database, the vault away); it is tried again. */
  readonly onFailure: (error: unknown) => void;
  /** Told whenever work ended, so that others may look again. */
  readonly onProgress: () => void;
}

const FAILURE_PAUSE_MS = 500;
const FAILURE_PAUSE_MS_MAX = 30_000;
const LOOK_AGAIN_MS_MAX = 60_000;

export class Runner {
  readonly shard: Shard;
  readonly #options: RunnerOptions;
  readonly #ready: { readonly settlement: Settlement; readonly asking: Asking }[] = [];
  readonly #inFlight = new Map<string, Promise<void>>();
  /** Ids that are ready or in flight. */
  readonly #present = new Set<string>();
  /** Steps that failed, and until when they rest. */
  readonly #resting = new Map<string, { readonly untilMs: number; readonly failures: number }>();
  /** The database may hold due settlements that are not in `#ready`. */
  #unseen = true;
  #looking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Infinity;
  #stopped = false;

  constructor(options: RunnerOptions) {
    this.shard = options.shard;
    this.#options = options;
    this.shard.onDue(() => {
      this.#unseen = true;
      this.#pump();
    });
    this.#pump();
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  get waiting(): number {
    return this.#ready.length;
  }

  /** Whether nothing is open but settlements whose answer is missing at a payer. */
  get idle(): boolean {
    return (
      !this.#unseen && this.#looking === undefined && this.#ready.length === 0 && this.#inFlight.size === 0 && this.#resting.size === 0
    );
  }

  get hasRoom(): boolean {
    return this.#ready.length < this.#options.waitingMax;
  }

  /** Settlements that were just accepted: no payer was asked yet. */
  add(settlements: readonly Settlement[]): void {
    for (const settlement of settlements) this.#enqueue(settlement, "first");
    this.#pump();
  }

  #enqueue(settlement: Settlement, asking: Asking): void {
    if (this.#present.has(settlement.id)) return;
    this.#present.add(settlement.id);
    this.#ready.push({ settlement, asking });
  }

  /** Ends after the steps under way; what is open goes on at the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
    await Promise.all(this.#inFlight.values());
  }

  #pump(): void {
    while (!this.#stopped && this.#inFlight.size < this.#options.inFlightMax) {
      const next = this.#ready.shift();
      if (next === undefined) break;
      this.#inFlight.set(next.settlement.id, this.#carryOut(next.settlement, next.asking));
    }
    if (!this.#stopped && this.#unseen && this.#ready.length === 0) this.#looking ??= this.#look();
  }

  async #carryOut(settlement: Settlement, asking: Asking): Promise<void> {
    const { saga, telemetry, onFailure, onProgress } = this.#options;
    const { shard } = this;
    try {
      const advance: SagaPorts["advance"] = (before, transition) =>
        telemetry.commit(before, transition, shard.log.origin, () => shard.advance(before, transition));
      const after = await carryOut({ ...saga, advance, stopped: () => this.#stopped }, settlement, asking);
      this.#resting.delete(settlement.id);
      if (after.dueAtMs !== undefined) this.#lookAt(after.dueAtMs);
    } catch (error) {
      this.#rest(settlement.id);
      onFailure(error);
    } finally {
      this.#inFlight.delete(settlement.id);
      this.#present.delete(settlement.id);
      this.#pump();
      onProgress();
    }
  }

  #rest(id: string): void {
    const failures = (this.#resting.get(id)?.failures ?? 0) + 1;
    const untilMs = this.#options.clock.now() + Math.min(FAILURE_PAUSE_MS_MAX, FAILURE_PAUSE_MS * 2 ** Math.min(failures - 1, 16));
    this.#resting.set(id, { untilMs, failures });
    this.#lookAt(untilMs);
  }

  /** Reads what is due from the database; what is here already is left out. */
  async #look(): Promise<void> {
    const now = this.#options.clock.now();
    this.#unseen = false;
    try {
      // Taken before reading: what ends meanwhile is not taken up again from an older row.
      const present = new Set(this.#present);
      const limit = this.#options.waitingMax + present.size + this.#resting.size;
      const due = await this.shard.due(now, limit);
      for (const settlement of due)
        if (!present.has(settlement.id) && (this.#resting.get(settlement.id)?.untilMs ?? 0) <= now) this.#enqueue(settlement, "again");
      if (due.length === limit) this.#unseen = true;
      const next = await this.shard.nextDueMs(now);
      if (next !== undefined && next - now > this.#options.saga.patience.askAgainMaxMs) await this.#takePutOff(next, limit);
      else if (next !== undefined) this.#lookAt(next);
    } catch (error) {
      this.#lookAt(now + FAILURE_PAUSE_MS);
      this.#options.onFailure(error);
    } finally {
      this.#looking = undefined;
      this.#pump();
      this.#options.onProgress();
    }
  }

  /** Nothing is put off for longer than the longest pause: what seems to be was, by a clock that has gone back since. */
  async #takePutOff(untilMs: EventMs, limit: number): Promise<void> {
    const present = new Set(this.#present);
    for (const settlement of await this.shard.due(untilMs, limit)) if (!present.has(settlement.id)) this.#enqueue(settlement, "again");
    this.#lookAt(this.#options.clock.now() + LOOK_AGAIN_MS_MAX);
  }

  #lookAt(atMs: number): void {
    if (this.#stopped || atMs >= this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    const waitMs = Math.min(LOOK_AGAIN_MS_MAX, Math.max(1, atMs - this.#options.clock.now()));
    this.#timer = setTimeout(() => {
      this.#timerAtMs = Infinity;
      this.#unseen = true;
      this.#pump();
    }, waitMs);
  }
}
