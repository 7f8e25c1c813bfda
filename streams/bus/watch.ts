/**
 * How the bus stands, looked at every minute: its clock against ours, and what somebody's settings make of our batches. What
 * was found is there for whoever asks, and a change is a line in the log.
 */
import type { BusLog } from "./log.ts";
import { silentLog } from "./log.ts";
import type { BusHealth, EventBus } from "./port.ts";

const LOOK_MS = 60_000;
/** From here on an operator is told: an edge takes no settlements at less. */
export const SKEW_TOLD_MS = 5_000;
/** From here on consumers would take honest events for events from the future. */
export const SKEW_MS_MAX = 10 * 60_000;
/** A bus further away than this is more likely to be wrong than we are: nothing is judged by its clock. */
export const SKEW_BELIEVED_MS_MAX = 24 * 3_600_000;

export interface BusWatchOptions {
  readonly bus: Pick<EventBus, "health">;
  readonly log?: BusLog | undefined;
}

export class BusWatch {
  readonly #bus: Pick<EventBus, "health">;
  readonly #log: BusLog;
  readonly #timer: NodeJS.Timeout;
  #latest: BusHealth = { repacked: [] };
  #told = "";
  #looking: Promise<void> | undefined;

  constructor({ bus, log = silentLog }: BusWatchOptions) {
    this.#bus = bus;
    this.#log = log;
    this.#timer = setInterval(() => void this.look(), LOOK_MS);
    this.#timer.unref();
  }

  /** As it was when it was last looked at. */
  get latest(): BusHealth {
    return this.#latest;
  }

  /** The later of our clock and the bus's: an event that is not ahead of both is ahead of nobody. */
  laterOf(nowMs: number): number {
    const skewMs = this.#latest.skewMs ?? 0;
    return skewMs > 0 && skewMs <= SKEW_BELIEVED_MS_MAX ? nowMs + skewMs : nowMs;
  }

  /** Looks now; what is not answered leaves the last answer standing. */
  look(): Promise<void> {
    return (this.#looking ??= this.#look().finally(() => (this.#looking = undefined)));
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  async #look(): Promise<void> {
    const found = await this.#bus.health();
    const skewMs = found.skewMs ?? this.#latest.skewMs;
    this.#latest = { repacked: found.repacked, ...(skewMs === undefined ? {} : { skewMs }) };
    const isSkewed = Math.abs(skewMs ?? 0) > SKEW_TOLD_MS;
    const topics = found.repacked.map(({ topic, compression }) => `${topic}=${compression}`).join(",");
    const news = `${isSkewed} ${topics}`;
    if (news === this.#told) return;
    this.#told = news;
    if (isSkewed)
      this.#log("error", "our clock and the bus's differ: one of them is wrong", { skewMs: skewMs ?? 0, toldAboveMs: SKEW_TOLD_MS });
    if (topics !== "") this.#log("warn", "compression.type of topics was changed: the brokers pack anew what we have packed", { topics });
  }
}
