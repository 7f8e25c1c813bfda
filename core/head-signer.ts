/** Signs a log's head after commits: never two signatures at once, and one for all commits of a short interval. */
import type { Log } from "../ledger/port.ts";
import type { EventMs } from "./protocol/time.ts";

const RETRY_MS = 500;

export class HeadSigner {
  readonly #log: Log;
  readonly #everyMs: number;
  readonly #signed: () => void;
  /** Time of the newest append that no signature covers. */
  #newestMs: EventMs | undefined;
  #running: Promise<void> | undefined;
  #failure: Error | undefined;
  #stopped = false;
  #endRest: (() => void) | undefined;

  /** `everyMs`: least time between two signatures. `signed` is told after each. */
  constructor(log: Log, everyMs: number, signed: () => void) {
    this.#log = log;
    this.#everyMs = everyMs;
    this.#signed = signed;
  }

  /** Something was appended at `atMs`. */
  dirty(atMs: EventMs): void {
    this.#newestMs = atMs;
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
  }

  /** Why the newest head could not be signed, until it could. */
  failure(): Error | undefined {
    return this.#failure;
  }

  /** Resolves when the durable head is signed; rejects when it cannot be. */
  async idle(): Promise<void> {
    for (let running = this.#running; running !== undefined; running = this.#running) {
      if (this.#failure !== undefined) throw this.#failure;
      await running;
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#endRest?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#newestMs !== undefined) {
      const atMs = this.#newestMs;
      this.#newestMs = undefined;
      try {
        if (this.#log.size > 0n) await this.#log.checkpoint(atMs);
        this.#failure = undefined;
        this.#signed();
        await this.#rest(this.#everyMs);
      } catch (error) {
        // Entries are durable all the same, and no event leaves before its entry is signed: try again.
        this.#failure = error instanceof Error ? error : new Error("the head was not signed");
        if (this.#stopped) return;
        this.#newestMs ??= atMs;
        await this.#rest(RETRY_MS);
      }
    }
  }

  async #rest(ms: number): Promise<void> {
    if (this.#stopped) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#endRest = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
