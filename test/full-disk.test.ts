/**
 * A disk that takes no more bytes, made by the kernel: from one moment on no file of the process may grow, or a volume of
 * its own is full (workerd ends by the signal of such a limit). Whoever asks whether calls can be sent here is told no,
 * calls are answered -1 and change nothing, and all goes on by itself.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ERRORS } from "../core/protocol/errors.ts";
import { json, limitOf, mountVolume, storageLines, until } from "./harness/disk.ts";
import { type EdgeProcess, RUNTIMES, type Runtime, startEdge, untilReady } from "./harness/edges.ts";
import { temporaryFolder } from "./harness/folder.ts";
import { type Province, startProvince, untilFinal } from "./harness/province.ts";

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
