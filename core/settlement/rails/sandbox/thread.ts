/**
 * The sandbox payers on a thread of their own, so that their work is not the platform's: for benchmarks, and for a
 * demo that keeps everything in one process. The thread has the system clock.
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { systemClock } from "../../../protocol/time.ts";
import { type SandboxRails, type SandboxRailsOptions, startSandboxRails } from "./start.ts";

type ThreadOptions = Omit<SandboxRailsOptions, "clock" | "draw">;
type Urls = Omit<SandboxRails, "close">;
/** Marks a thread that this file started: other workers may import it. */
const ROLE = "ronghe.sandbox-rails";

export async function startSandboxRailsThread(options: ThreadOptions): Promise<SandboxRails> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { role: ROLE, options } });
  const urls = await new Promise<Urls>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`the sandbox thread ended with ${code}`)));
  });
  return {
    ...urls,
    async close() {
      const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
      worker.postMessage("close", []);
      await ended;
    },
  };
}

async function serveInThread(options: ThreadOptions): Promise<void> {
  const { close, ...urls } = await startSandboxRails({ ...options, clock: systemClock });
  parentPort?.once("message", () => void close());
  parentPort?.postMessage(urls, []);
}

if (!isMainThread && isOurs(workerData)) await serveInThread(workerData.options);

function isOurs(data: unknown): data is { readonly role: string; readonly options: ThreadOptions } {
  return typeof data === "object" && data !== null && "role" in data && data.role === ROLE;
}
