/** Many seeds on the cores of this machine: one thread each, whose time and files are virtual. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { found } from "./founding.ts";
import type { Control, SeedEnd } from "./seed.ts";

export interface SimulateOptions {
  readonly seeds: readonly number[];
  readonly control?: Control;
  /** Gives the trace of good seeds too. */
  readonly traced?: boolean;
  readonly onEnd?: (end: SeedEnd, done: number) => void;
  /** Ends early when this many seeds have failed (default 5). */
  readonly failuresMax?: number;
}

/** A folder in memory where there is one: what is tested is not the disk. */
export function simulationFolder(): string {
  return mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "ronghe-simulation-"));
}

export async function simulate(options: SimulateOptions): Promise<readonly SeedEnd[]> {
  const folder = simulationFolder();
  const workers: Worker[] = [];
  try {
    await found(folder);
    const ends: SeedEnd[] = [];
    const queue = [...options.seeds];
    let failures = 0;
    const next = (): number | undefined => (failures >= (options.failuresMax ?? 5) ? undefined : queue.shift());
    const work = (worker: Worker): Promise<void> =>
      new Promise((resolve, reject) => {
        worker.on("error", reject);
        worker.on("message", (end: SeedEnd | "ready") => {
          if (end !== "ready") {
            ends.push(end);
            if (end.findings.length > 0) failures++;
            options.onEnd?.(end, ends.length);
          }
          const seed = next();
          if (seed === undefined) resolve();
          else worker.postMessage({ seed, traced: options.traced, control: options.control }, []);
        });
      });
    const count = Math.max(1, Math.min(availableParallelism(), options.seeds.length));
    for (let n = 0; n < count; n++) workers.push(new Worker(new URL("./thread.ts", import.meta.url), { workerData: { folder } }));
    await Promise.all(workers.map(work));
    return ends.sort((a, b) => a.seed - b.seed);
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
    rmSync(folder, { recursive: true, force: true });
  }
}
