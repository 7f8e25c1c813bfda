import { type Clock, type EventMs, systemClock } from "../../core/protocol/time.ts";

/**
 * The clock of a demo: stands where the plan puts it, never goes back, and at the end runs with the real one.
 * A whole day of visits then takes seconds, and rules that speak of minutes and kilometres still mean something.
 */
export class PlannedClock implements Clock {
  #nowMs = 0 as EventMs;
  #real = false;

  constructor(startMs: EventMs) {
    this.#nowMs = startMs;
  }

  now(): EventMs {
    return this.#real ? (Math.max(systemClock.now(), this.#nowMs) as EventMs) : this.#nowMs;
  }

  moveTo(atMs: number): void {
    if (atMs > this.#nowMs) this.#nowMs = atMs as EventMs;
  }

  /** From now on real time, which must not lie before the planned one. */
  followSystem(): void {
    this.#real = true;
  }
}
