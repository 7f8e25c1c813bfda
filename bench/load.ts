/** Posts ready-made requests from a thread of its own, a bounded number at once, so that asking is not the platform's work. */
import { performance } from "node:perf_hooks";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Pool } from "undici";

export interface LoadReport {
  readonly accepted: number;
  /** Answers that were no success, by what the platform said; empty in a good run. */
  readonly refusals: Readonly<Record<string, number>>;
  /** How long an answer took, ms. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Load {
  /** Posts every body once; resolves when all are answered. */
  post(bodies: readonly string[]): Promise<LoadReport>;
  close(): Promise<void>;
}

interface LoadOptions {
  readonly url: string;
  readonly path: string;
  readonly atOnce: number;
  /** Answers are not read as replies: nothing counts as accepted. */
  readonly raw?: boolean;
  /** Asks once for each body, without it. */
  readonly get?: boolean;
}

/** Marks a thread that this file started. */
const ROLE = "ronghe.bench-load";

export function startLoad(options: LoadOptions): Load {
  const worker = new Worker(new URL(import.meta.url), { workerData: { role: ROLE, options } });
  return {
    post: (bodies) =>
      new Promise((resolve, reject) => {
        worker.once("error", reject);
        worker.once("message", (report: LoadReport) => {
          worker.off("error", reject);
          resolve(report);
        });
        worker.postMessage(bodies, []);
      }),
    async close() {
      await worker.terminate();
    },
  };
}

async function postAll(
  pool: Pool,
  { path, atOnce, raw = false, get = false }: LoadOptions,
  bodies: readonly string[],
): Promise<LoadReport> {
  const took: number[] = [];
  const refusals: Record<string, number> = {};
  let accepted = 0;
  let next = 0;
  async function lane(): Promise<void> {
    for (let body = bodies[next++]; body !== undefined; body = bodies[next++]) {
      const from = performance.now();
      const response = await pool.request(
        get ? { method: "GET", path } : { method: "POST", path, body, headers: { "content-type": "application/json" } },
      );
      if (raw) {
        await response.body.dump();
        continue;
      }
      const reply = (await response.body.json()) as { readonly success?: unknown; readonly code?: unknown; readonly message?: unknown };
      took.push(performance.now() - from);
      const refusal = `${String(reply.code)} ${String(reply.message)}`;
      if (reply.success === true) accepted++;
      else refusals[refusal] = (refusals[refusal] ?? 0) + 1;
    }
  }
  await Promise.all(Array.from({ length: atOnce }, lane));
  took.sort((a, b) => a - b);
  const share = (part: number): number => took[Math.min(took.length - 1, Math.floor(took.length * part))] ?? 0;
  return { accepted, refusals, p50Ms: share(0.5), p99Ms: share(0.99) };
}

function serve(options: LoadOptions): void {
  const pool = new Pool(options.url, { connections: options.atOnce });
  parentPort?.on("message", (bodies: readonly string[]) => {
    void postAll(pool, options, bodies).then((report) => parentPort?.postMessage(report, []));
  });
}

function isOurs(data: unknown): data is { readonly role: string; readonly options: LoadOptions } {
  return typeof data === "object" && data !== null && "role" in data && data.role === ROLE;
}

if (!isMainThread && isOurs(workerData)) serve(workerData.options);
