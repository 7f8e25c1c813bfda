/**
 * A service that lives by itself: what ends it ends nothing beside it. It is begun again after a pause, as often as it
 * takes, and says how it stands.
 */
import type { Clock } from "../core/protocol/time.ts";
import type { Database } from "../migrations/database.ts";
import { type BusLog, errorClass } from "./bus/log.ts";
import { moveService, type ServiceHealth, type StreamService } from "./gap.ts";

export interface Ending {
  stop(): Promise<void>;
  /** Rejects when it died for good. */
  readonly crashed: Promise<never>;
}

export interface IndependentOptions<S extends Ending> {
  readonly service: StreamService;
  readonly start: () => Promise<S>;
  readonly db: Pick<Database, "write">;
  readonly clock: Clock;
  readonly log: BusLog;
  /** Before it is begun again; doubled from one failure to the next, up to `pauseMsMax`. */
  readonly pauseMs?: number;
  readonly pauseMsMax?: number;
}

const PAUSE_MS = 2_000;
const PAUSE_MS_MAX = 60_000;

export class Independent<S extends Ending> {
  readonly #options: IndependentOptions<S>;
  #running: S | undefined;
  #health: ServiceHealth;
  #pauseMs: number;
  #timer: NodeJS.Timeout | undefined;
  #beginning: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: IndependentOptions<S>) {
    this.#options = options;
    this.#pauseMs = options.pauseMs ?? PAUSE_MS;
    this.#health = { service: options.service, state: "stopped", reason: "", sinceMs: options.clock.now() };
  }

  /** Resolves once it runs or has failed for the first time; never rejects. */
  async begin(): Promise<void> {
    this.#beginning = this.#begin();
    await this.#beginning;
  }

  health(): ServiceHealth {
    return this.#health;
  }

  /** Throws while it has failed. */
  running(): S {
    if (this.#running === undefined) throw new Error(`${this.#options.service} does not run: ${this.#health.reason}`);
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#beginning;
    await this.#running?.stop();
    if (this.#health.state === "running") await this.#move("stopped", "");
  }

  async #begin(): Promise<void> {
    try {
      const running = await this.#options.start();
      this.#running = running;
      await this.#move("running", "");
      running.crashed.catch(async (error: unknown) => {
        if (this.#stopped || this.#running !== running) return;
        this.#running = undefined;
        await running.stop().catch(() => undefined);
        await this.#failed(error);
      });
    } catch (error) {
      await this.#failed(error);
    }
  }

  async #failed(error: unknown): Promise<void> {
    const reason = errorClass(error);
    this.#options.log("error", "the service ended, and is begun again after a pause", { error: reason, pauseMs: this.#pauseMs });
    await this.#move("failed", reason);
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.begin(), this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, this.#options.pauseMsMax ?? PAUSE_MS_MAX);
  }

  /** What cannot be written down is still in {@link health}. */
  async #move(state: ServiceHealth["state"], reason: string): Promise<void> {
    this.#health = { service: this.#options.service, state, reason, sinceMs: this.#options.clock.now() };
    await this.#options.db.write([moveService(this.#health)], "process").catch(() => undefined);
  }
}
