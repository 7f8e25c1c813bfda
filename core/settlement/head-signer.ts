/** Signs a log's head after commits: never two signatures at once, and one for all commits of a short interval. */
import type { Log } from "../../ledger/port.ts";
import type { EventMs } from "../protocol/time.ts";

export interface Signer {
  /** Something was appended at `atMs`. */
  dirty(atMs: EventMs): void;
  /** Resolves when the durable head is signed; rejects when it cannot be. */
  idle(): Promise<void>;
  stop(): Promise<void>;
}

const RETRY_MS = 500;

export function createSigner(log: Log, everyMs: number, signed: () => void): Signer {
  let newestMs: EventMs | undefined;
  let running: Promise<void> | undefined;
  let stopped = false;
  let failure: unknown;
  let wake: () => void = () => undefined;

  const rest = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const run = async (): Promise<void> => {
    while (newestMs !== undefined) {
      const atMs = newestMs;
      newestMs = undefined;
      try {
        if (log.size > 0n) await log.checkpoint(atMs);
        failure = undefined;
        signed();
        if (!stopped) await rest(everyMs);
      } catch (error) {
        // Entries are durable all the same, and no event leaves before its entry is signed: try again.
        failure = error;
        if (stopped) return;
        newestMs ??= atMs;
        await rest(RETRY_MS);
      }
    }
  };

  return {
    dirty(atMs) {
      newestMs = atMs;
      running ??= run().finally(() => (running = undefined));
    },
    async idle() {
      while (running !== undefined) {
        if (failure !== undefined) throw failure;
        await running;
      }
    },
    async stop() {
      stopped = true;
      wake();
      await running;
    },
  };
}
