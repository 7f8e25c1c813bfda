/**
 * A disk that takes no more bytes, made by the kernel: from one moment on no file of the process may grow, or a volume of
 * its own is full (workerd ends by the signal of such a limit). Whoever asks whether calls can be sent here is told no,
 * calls are answered -1 and change nothing, and all goes on by itself.
 */
import { execFile } from "node:child_process";
import { mkdir, open, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ERRORS } from "../core/protocol/errors.ts";
import { type EdgeProcess, RUNTIMES, type Runtime, startEdge, untilReady } from "./harness/edges.ts";
import { FREE_PORTS, temporaryFolder } from "./harness/folder.ts";
import { ronghe, serve } from "./harness/process.ts";
import { type Province, startProvince, untilFinal } from "./harness/province.ts";

const run = promisify(execFile);
const VOLUME_BYTES = 32 * 1024 * 1024;

/** What a part writes to, as far as this test decides over it. */
interface Disk {
  fill(): Promise<unknown>;
  empty(): Promise<unknown>;
}

/** No file of the process may grow. The hard limit stays, so that the soft one can be raised again. */
function limitOf(pid: number): Disk {
  const limit = (to: "0" | "unlimited"): Promise<unknown> => run("prlimit", ["--pid", String(pid), `--fsize=${to}:`]);
  return { fill: () => limit("0"), empty: () => limit("unlimited") };
}

/** A small volume over a folder; `undefined` where this process may not mount one. */
async function mountVolume(path: string): Promise<(Disk & { unmount(): Promise<void> }) | undefined> {
  await mkdir(path, { recursive: true });
  try {
    await run("mount", ["-t", "tmpfs", "-o", `size=${VOLUME_BYTES}`, "none", path]);
  } catch (error) {
    const skipped = "no volume can be mounted here (root is needed): a Worker on a full disk is not tried";
    if (process.env["CI"] !== undefined) throw new Error(skipped, { cause: error });
    process.stderr.write(`${skipped}\n`);
    return undefined;
  }
  const ballast = join(path, "ballast");
  return {
    async fill() {
      const file = await open(ballast, "a");
      for (let bytes = 1024 * 1024; bytes >= 1;) {
        const { bytesWritten } = await file.write(Buffer.alloc(bytes)).catch(() => ({ bytesWritten: 0 }));
        if (bytesWritten < bytes) bytes = Math.floor(bytes / 2);
      }
      await file.close();
    },
    empty: () => rm(ballast, { force: true }),
    unmount: async () => void (await run("umount", ["-l", path])),
  };
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let province: Province;
let volume: Awaited<ReturnType<typeof mountVolume>>;
const edges = new Map<Runtime, EdgeProcess>();

beforeAll(async () => {
  folder = await temporaryFolder();
  province = await startProvince(folder.path, undefined, 1 + RUNTIMES.length);
  const started = await Promise.all(
    RUNTIMES.map(async (runtime, at) => {
      const settings = await province.edgeSettings(at + 2);
      if (runtime === "workerd") volume = await mountVolume(join(settings["RONGHE_DATA"] ?? "", "edge", "workerd"));
      // Wrangler shows what a Worker writes only where its log is asked for.
      return await startEdge(runtime, { ...settings, RONGHE_EDGE_SHARDS: "1", ...(runtime === "workerd" ? { RONGHE_LOG: "json" } : {}) });
    }),
  );
  for (const edge of started) edges.set(edge.runtime, edge);
});
afterAll(async () => {
  await Promise.all([...edges.values()].map((edge) => edge.kill9()));
  await volume?.unmount();
  await province?.stop();
  await folder?.[Symbol.asyncDispose]();
});

async function json(url: string): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  const answer = await fetch(url);
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

/** Asks until the answer has this status; the test's own time is the limit. */
async function until(url: string, status: number): Promise<Record<string, unknown>> {
  for (;;) {
    const answer = await json(url);
    if (answer.status === status) return answer.body;
    await sleep(100);
  }
}

/** Lines about storage, in order; wrangler puts words of its own around those of a Worker. */
function storageLines(output: string, part: string): readonly Record<string, unknown>[] {
  return [...output.matchAll(/\{"atMs"[^{}]*"notice":"storage\.[^{}]*\}/g)]
    .map(([line]) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line["part"] === part);
}

describe.each(RUNTIMES)("an edge on %s whose disk is full", (runtime) => {
  it("is not ready, says why, takes nothing, and goes on by itself once there is room", async ({ skip }) => {
    const edge = edges.get(runtime);
    if (edge === undefined) throw new Error("no edge");
    const disk = runtime === "workerd" ? volume : limitOf(edge.pid());
    if (disk === undefined) return skip();
    await untilReady(edge);
    const desk = province.desk(edge, 0);
    const before = { ...desk.scene, outTradeNo: `${runtime}-before`, code: await province.code(1), amount: "10.00", waitSeconds: "30" };
    expect(await desk.client.settle(before)).toMatchObject({ ok: true, value: { status: "settled" } });
    expect((await json(`${edge.url}/health`)).body).toMatchObject({ storage: "ok" });
    const from = edge.output().length;
    const bill = { ...desk.scene, outTradeNo: `${runtime}-full`, code: await province.code(2), amount: "20.00", waitSeconds: "30" };

    await disk.fill();
    try {
      // An object that dies of its first write says no more than that: the next one names the cause.
      while ((await until(`${edge.url}/ready`, 503))["storage"] === "unknown") await sleep(100);
      expect(await until(`${edge.url}/ready`, 503)).toMatchObject({
        ready: false,
        storage: expect.stringMatching(/^SQLITE_(IOERR|FULL)$/),
      });
      expect((await json(`${edge.url}/status`)).body).toMatchObject({
        standing: "limited",
        findings: expect.arrayContaining(["storageFailing"]),
        storage: [{ database: "edge", cause: expect.stringMatching(/^SQLITE_/) }],
      });
      expect((await json(`${edge.url}/health`)).body).toMatchObject({ storage: expect.stringMatching(/^SQLITE_/) });
      expect(await (await fetch(`${edge.url}/metrics`)).text()).toMatch(/ronghe_storage_failing\{database="edge",cause="SQLITE_\w+"\} 1/);
      const page = await fetch(`${edge.url}/status`, { headers: { accept: "text/html" } });
      expect(await page.text()).toContain("本机数据无法写入");
      for (let call = 0; call < 5; call++)
        expect(await desk.client.settle(bill)).toMatchObject({ ok: false, error: { answered: true, error: "internal" } });
    } finally {
      await disk.empty();
    }
    await untilReady(edge);
    expect(ERRORS.internal.code).toBe("-1");
    expect(await desk.client.settle(bill)).toMatchObject({ ok: true, value: { status: "settled", amount: "20.00" } });
    expect(await untilFinal(desk, bill.outTradeNo)).toMatchObject({ status: "settled" });
    expect((await json(`${edge.url}/status`)).body).toMatchObject({ findings: [], storage: [] });
    const output = edge.output().slice(from);
    expect(storageLines(output, "edge").filter(({ cause }) => cause !== "unknown")).toEqual([
      expect.objectContaining({ notice: "storage.failing", database: "edge", cause: expect.stringMatching(/^SQLITE_/) }),
      expect.objectContaining({ notice: "storage.recovered", database: "edge", failedCalls: 5 }),
    ]);
    expect(output).not.toContain('"bug"');
  });
});

describe("a core beside an embedded bus whose disk is full", () => {
  it("is not ready although its own disk has room, names the bus, and goes on by itself", async ({ skip }) => {
    await using place = await temporaryFolder();
    const disk = await mountVolume(join(place.path, "volume"));
    if (disk === undefined) return skip();
    const settings = { ...FREE_PORTS, RONGHE_DATA: join(place.path, "data"), RONGHE_FREE_SPACE_MIN_MB: "0" };
    expect((await ronghe(["sandbox", "init"], settings)).code).toBe(0);
    await symlink(join(place.path, "volume", "bus.db"), join(place.path, "data", "bus.db"));
    const platform = await serve(["all"], settings);
    try {
      const core = /core +(http:\S+)/.exec(platform.output())?.[1] ?? "";
      await until(`${core}/ready`, 200);
      await disk.fill();
      expect(await until(`${core}/ready`, 503)).toMatchObject({ checks: { storage: false } });
      expect(await (await fetch(`${core}/metrics`)).text()).toMatch(/ronghe_storage_failing\{database="bus",cause="SQLITE_\w+"\} 1/);
      await disk.empty();
      await until(`${core}/ready`, 200);
      expect(storageLines(platform.output(), "core")).toMatchObject([
        { notice: "storage.failing", database: "bus", cause: "SQLITE_FULL" },
        { notice: "storage.recovered", database: "bus" },
      ]);
    } finally {
      await platform.stop();
      await disk.unmount();
    }
  });
});

describe("a core whose disk is full", () => {
  it("is not ready, says why, issues nothing, and goes on by itself once there is room", async () => {
    const { coreUrl } = province;
    await until(`${coreUrl}/ready`, 200);
    const from = province.coreOutput().length;
    const disk = limitOf(province.corePid());
    await disk.fill();
    try {
      expect(await until(`${coreUrl}/ready`, 503)).toMatchObject({ status: "unavailable", checks: { storage: false } });
      expect((await json(`${coreUrl}/health`)).body).toMatchObject({ storage: expect.stringMatching(/^SQLITE_/) });
      for (let call = 0; call < 3; call++) await expect(province.code(3)).rejects.toThrow("internal");
    } finally {
      await disk.empty();
    }
    await until(`${coreUrl}/ready`, 200);
    expect(await province.code(3)).toMatch(/^[0-9A-F]{64}:/);
    const output = province.coreOutput().slice(from);
    expect(storageLines(output, "core")).toEqual([
      expect.objectContaining({ notice: "storage.failing", cause: expect.stringMatching(/^SQLITE_/) }),
      expect.objectContaining({ notice: "storage.recovered", failedCalls: 3 }),
    ]);
    expect(output).not.toContain('"bug"');
  });
});
