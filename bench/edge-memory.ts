/**
 * Memory of the edge over ten minutes of load (`RONGHE_BENCH_MINUTES`), on its three runtimes at once: settlements taken
 * durably and drained to the core, and one call in ten that is garbage. What it holds in each fifth of the time says
 * whether it grows: nonces do for ten minutes and marks of codes for as long as codes live, and then no more.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { type EdgeProcess, RUNTIMES, startEdge, untilReady } from "../test/harness/edges.ts";
import { type Province, startProvince } from "../test/harness/province.ts";
import { bareWorker, settlements } from "./edge-runtimes.ts";
import { type Figure, median, type Report } from "./figures.ts";
import { startLoad } from "./load.ts";

const MINUTES = Number(process.env["RONGHE_BENCH_MINUTES"] ?? 10);
/** Posted to each edge every second: load, and room for callers and core on the same machine. */
const POSTED = 40;
const GARBAGE_EVERY = 10;
const AT_ONCE = 8;
const SECOND_MS = 1_000;

type Edge = Pick<EdgeProcess, "runtime" | "url" | "kill9" | "pid">;
const execute = promisify(execFile);

export async function run(report: Report): Promise<readonly Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), "ronghe-bench-memory-"));
  const edges: Edge[] = [];
  try {
    const province = await startProvince(join(folder, "province"), undefined, 1 + RUNTIMES.length);
    try {
      for (const [at, runtime] of RUNTIMES.entries()) {
        const settings = { ...(await province.edgeSettings(at + 2)), RONGHE_OUTBOX_MAX: "200000" };
        const edge = runtime === "workerd" ? await bareWorker(settings) : await startEdge(runtime, settings);
        edges.push(edge);
        await untilReady(edge);
      }
      const seconds = MINUTES * 60;
      let done = 0;
      return await Promise.all(edges.map((edge) => memoryOf(province, edge, seconds, () => report(++done, seconds * edges.length))));
    } finally {
      for (const edge of edges) await edge.kill9();
      await province.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function memoryOf(province: Province, edge: Edge, seconds: number, step: () => void): Promise<Figure> {
  const load = startLoad({ url: edge.url, path: "/v1/rh.settle", atOnce: AT_ONCE });
  const samplesMb: number[] = [];
  let accepted = 0;
  const from = performance.now();
  try {
    for (let second = 0; second < seconds; second++) {
      const bodies = await settlements(province, edge, second * POSTED, POSTED);
      const report = await load.post(bodies.map((body, at) => (at % GARBAGE_EVERY === 0 ? body.slice(0, -9) : body)));
      accepted += report.accepted;
      samplesMb.push(await groupMb(edge.pid()));
      step();
      await sleep(Math.max(0, from + (second + 1) * SECOND_MS - performance.now()));
    }
  } finally {
    await load.close();
  }
  if (accepted === 0) throw new Error(`nothing was accepted on ${edge.runtime}`);
  const fifth = (n: number): string =>
    median(samplesMb.slice(Math.floor((samplesMb.length * n) / 5), Math.ceil((samplesMb.length * (n + 1)) / 5))).toFixed(0);
  const took = (performance.now() - from) / SECOND_MS;
  return {
    name: `edge.memory.${edge.runtime.toLowerCase()}`,
    what: `${edge.runtime}: settlements taken under load, ${(took / 60).toFixed(1)} minutes`,
    unit: "requests/s",
    perSecond: accepted / took,
    note: `${accepted.toLocaleString("en")} taken; memory in each fifth of the time: ${[0, 1, 2, 3, 4].map(fifth).join(", ")} MB; at the most ${Math.max(...samplesMb).toFixed(0)} MB`,
  };
}

/** What a group of processes holds in memory. */
async function groupMb(leader: number): Promise<number> {
  const { stdout } = await execute("ps", ["-eo", "pgid=,rss="]);
  const rows = stdout
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number));
  return rows.reduce((sum, [group, kb]) => (group === leader ? sum + (kb ?? 0) / 1024 : sum), 0);
}
