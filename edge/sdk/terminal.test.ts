import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../../core/protocol/bytes.ts";
import { settlementId } from "../../core/protocol/settlement-id.ts";
import { sceneAt, startPlatform, type TestPlatform } from "../testing/platform.ts";
import { folderQueue } from "./node-queue.ts";
import { memoryQueue, openTerminal, type QueueStore, type Terminal, type TerminalOptions, type TerminalOutcome } from "./terminal.ts";

let world: TestPlatform;
/** What the network does with the next requests; `undefined` carries them. */
let road: ((request: Request) => Promise<Response> | undefined) | undefined;
const opened: Terminal[] = [];
let serial = 0;

beforeAll(async () => {
  world = await startPlatform();
});
afterEach(async () => {
  road = undefined;
  for (const terminal of opened.splice(0)) await terminal.stop();
});
afterAll(async () => {
  await world.stop();
  await world.remove();
});

async function terminalAt(more: Partial<TerminalOptions> = {}): Promise<Terminal> {
  const { hospital } = world.institutions;
  const terminal = await openTerminal({
    url: "http://edge.test",
    orgId: hospital.settings.orgId,
    profile: world.profileOf(hospital),
    sign: (message) => world.crypto.sm2Sign(hospital.privateKey, message),
    crypto: world.crypto,
    clock: world.clock,
    fetch: async (request) => (await road?.(request.clone())) ?? (await world.app.request(request)),
    scene: sceneAt(hospital),
    patienceMs: 400,
    timeoutMs: 5_000,
    ...more,
  });
  opened.push(terminal);
  return terminal;
}

const ORG = (): string => world.institutions.hospital.settings.orgId;
const number = (): string => `T${++serial}`;
const bill = async (more: { readonly outTradeNo?: string; readonly amount?: string } = {}) => ({
  outTradeNo: number(),
  code: await world.code(),
  amount: "10.00",
  ...more,
});

/** The core settles what the edge forwarded under this number. */
async function settleAtCore(outTradeNo: string): Promise<void> {
  const institution = ORG();
  const submitted = await expectSoon(async () =>
    (await world.events("settlement.request.submitted.v1")).find((event) => event.data.outTradeNo === outTradeNo),
  );
  await world.publish("settlement.claim.settled.v1", {
    settlementId: settlementId(world.crypto, institution, outTradeNo),
    institution,
    outTradeNo,
    terminal: sceneAt(world.institutions.hospital).termId,
    businessType: "01301",
    action: "settle",
    person: toHex(new Uint8Array(32)),
    requestHash: submitted.data.requestHash,
    amount: "10.00",
    legs: [{ rail: "bank", fundSource: "psn_cash_pay", amount: "10.00" }],
    atMs: world.clock.now(),
  } as never);
}

async function expectSoon<T>(look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  return (await expect.poll(look).toBeDefined().then(look)) as T;
}

describe("a terminal", () => {
  it("tells kinds of codes apart without asking anybody", async () => {
    const terminal = await terminalAt();
    expect(terminal.scan(await world.code())).toMatchObject({ ok: true, value: { kind: "fused.signed" } });
    expect(terminal.scan("  ")).toMatchObject({ ok: false, error: "codeMalformed" });
  });

  it("identifies, and asks again when the first answer is lost", async () => {
    let lost = 0;
    road = (request) => {
      if (lost++ > 0) return undefined;
      return Promise.resolve(world.app.request(request)).then(() => Promise.reject(new TypeError("connection reset")));
    };
    const terminal = await terminalAt({ patienceMs: 10_000 });
    const verified = await terminal.verify({ outTradeNo: number(), code: await world.code() });
    expect(verified).toMatchObject({ ok: true, value: { userName: expect.stringContaining("*") } });
    expect(lost).toBeGreaterThan(1);
  });

  it("settles, and the outcome is final", async () => {
    const terminal = await terminalAt({ patienceMs: 20_000 });
    const paid = await bill();
    const outcome = terminal.settle(paid);
    await settleAtCore(paid.outTradeNo);
    expect(await outcome).toMatchObject({ kind: "final", reply: { status: "settled", amount: "10.00" } });
    expect(await terminal.waiting()).toEqual([]);
  });

  it("tells the cashier that it is pending, and tells the outcome when it comes", async () => {
    const told: [string, TerminalOutcome][] = [];
    const terminal = await terminalAt({ onOutcome: (...outcome) => told.push(outcome) });
    const paid = await bill();
    expect(await terminal.settle(paid)).toMatchObject({ kind: "pending", at: "edge", reply: { status: "accepted" } });
    expect(await terminal.waiting()).toEqual([paid.outTradeNo]);
    await settleAtCore(paid.outTradeNo);
    await expectSoon(() => (told.length > 0 ? told : undefined));
    expect(told).toMatchObject([[paid.outTradeNo, { kind: "final", reply: { status: "settled" } }]]);
    expect(await terminal.waiting()).toEqual([]);
  });

  it("keeps a bill while the edge is away and brings it when it is back, once", async () => {
    road = () => Promise.reject(new TypeError("no route to host"));
    const terminal = await terminalAt();
    const paid = await bill();
    expect(await terminal.settle(paid)).toEqual({ kind: "pending", at: "terminal" });
    road = undefined;
    await settleAtCore(paid.outTradeNo);
    await expectSoon(async () => ((await terminal.waiting()).length === 0 ? true : undefined));
    const brought = (await world.events("settlement.request.submitted.v1")).filter((event) => event.data.outTradeNo === paid.outTradeNo);
    expect(brought).toHaveLength(1);
  });

  it("says at once when the edge refuses, and keeps nothing", async () => {
    const terminal = await terminalAt();
    const code = await world.code({ expiresAtMs: world.clock.now() - 600_000 });
    const outcome = await terminal.settle({ ...(await bill()), code });
    expect(outcome).toMatchObject({ kind: "refused", failure: { error: "codeExpired", answered: true } });
    expect(await terminal.waiting()).toEqual([]);
  });

  it("does not call a bill refused that an unanswered call may have brought to the edge", async () => {
    let sent = 0;
    road = (request) => {
      if (!request.url.endsWith("rh.settle") || ++sent > 1) return undefined;
      return Promise.resolve(world.app.request(request)).then(() => Promise.reject(new TypeError("connection reset")));
    };
    const terminal = await terminalAt({ patienceMs: 20_000 });
    const paid = await bill();
    const outcome = terminal.settle(paid);
    await settleAtCore(paid.outTradeNo);
    expect(await outcome).toMatchObject({ kind: "final", reply: { status: "settled" } });
  });

  it("refuses the same number with other content while the first is under way", async () => {
    const terminal = await terminalAt();
    const paid = await bill();
    const first = terminal.settle(paid);
    expect(await terminal.settle({ ...paid, amount: "99.00" })).toMatchObject({
      kind: "refused",
      failure: { error: "idempotencyConflict" },
    });
    expect(await first).toMatchObject({ kind: "pending" });
    await settleAtCore(paid.outTradeNo);
  });

  it("gives back, whole", async () => {
    const terminal = await terminalAt({ patienceMs: 300 });
    const paid = await bill();
    await terminal.settle(paid);
    await settleAtCore(paid.outTradeNo);
    expect(await terminal.refund({ outTradeNo: number(), originalOutTradeNo: paid.outTradeNo })).toMatchObject({
      kind: "pending",
      at: "edge",
    });
    expect(await terminal.result(paid.outTradeNo)).toMatchObject({ ok: true, value: { status: "settled" } });
  });

  it.each<[string, () => Promise<{ open: () => Promise<QueueStore> }>]>([
    ["in memory", async () => ((queue) => ({ open: () => Promise.resolve(queue) }))(memoryQueue())],
    ["in a folder", async () => ({ open: () => folderQueue(join(world.folder, `queue-${++serial}`)) })],
  ])("finds what an earlier terminal left, queue %s", async (_, make) => {
    const { open } = await make();
    const path = await open();
    road = () => Promise.reject(new TypeError("no route to host"));
    const earlier = await terminalAt({ queue: path });
    const [one, other] = [await bill(), await bill()];
    await Promise.all([earlier.settle(one), earlier.settle(other)]);
    await earlier.stop();
    expect(await path.all()).toMatchObject([
      { queued: { request: { outTradeNo: one.outTradeNo } } },
      { queued: { request: { outTradeNo: other.outTradeNo } } },
    ]);
    road = undefined;
    const told = new Map<string, TerminalOutcome>();
    await terminalAt({ queue: path, onOutcome: (outTradeNo, outcome) => told.set(outTradeNo, outcome) });
    await settleAtCore(one.outTradeNo);
    await settleAtCore(other.outTradeNo);
    await expectSoon(() => (told.size === 2 ? true : undefined));
    expect([...told.values()].every((outcome) => outcome.kind === "final")).toBe(true);
    expect(await path.all()).toEqual([]);
  });
});
