import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { asFen, parseYuan } from "../../protocol/money.ts";
import { type Clock, type EventMs, systemClock } from "../../protocol/time.ts";
import { createHttpRail, readReply } from "./http-rail.ts";
import { type AuthoriseRequest, type Rail, railKey } from "./port.ts";
import type { SeedAccount } from "./sandbox/accounts.ts";
import { type SandboxRails, startSandboxRails } from "./sandbox/start.ts";
import { startSandboxRailsThread } from "./sandbox/thread.ts";

const SEEDS: readonly SeedAccount[] = [
  { rail: "commercial", account: "c1", sharePercent: "33.33" },
  { rail: "bank", account: "b1", balance: "100.00" },
];

let folder: string;
let sandbox: SandboxRails;
let bank: Rail;
let nowMs = 0;
const clock: Clock = { now: () => nowMs as EventMs };
beforeEach(async () => {
  nowMs = 1_000;
  folder = await mkdtemp(join(tmpdir(), "ronghe-rails-"));
  await start();
});
afterEach(async () => {
  await stop();
  await rm(folder, { recursive: true, force: true });
});
async function start(): Promise<void> {
  sandbox = await startSandboxRails({ clock, file: join(folder, "payers.db"), seedAccounts: SEEDS, holdMs: 1_000 });
  bank = createHttpRail({ name: "bank", url: sandbox.bankUrl, timeoutMs: 1_000 });
}
async function stop(): Promise<void> {
  await bank.close();
  await sandbox.close();
}
const leg = (settlementId: string, yuan: string): { settlementId: string; institution: string; amount: ReturnType<typeof asFen> } => ({
  settlementId,
  institution: "H1",
  amount: parseYuan(yuan) ?? asFen(0n),
});
function asking(settlementId: string, yuan: string, contractId = "b1"): AuthoriseRequest {
  const asked = parseYuan(yuan) ?? asFen(0n);
  const account = (): ReturnType<AuthoriseRequest["account"]> => Promise.resolve({ rail: "bank", contractId });
  return { settlementId, institution: "H1", businessType: "01301", bill: asked, asked, account };
}
async function balance(): Promise<unknown> {
  return await (await fetch(`${sandbox.adminUrl}/admin/accounts?rail=bank&account=b1`)).json();
}

describe("a payer", () => {
  test("does the work of a key once and repeats its answer for ever", async () => {
    const first = await bank.authorise(asking("s1", "30.00"), "first");
    expect(await bank.authorise(asking("s1", "30.00"), "first")).toEqual(first);
    expect(await bank.query(railKey("s1", "bank", "authorise"))).toEqual(first);
    const taken = await bank.capture(leg("s1", "30.00"), "first");
    expect(await bank.capture(leg("s1", "30.00"), "again")).toEqual(taken);
    expect(await balance()).toMatchObject({ balance: "70.00" });
  });

  test("refuses a key that comes back with other content", async () => {
    await bank.authorise(asking("s1", "30.00"), "first");
    expect(await bank.authorise(asking("s1", "31.00"), "first")).toEqual({ kind: "refused", reason: "keyConflict" });
  });

  test("refuses an authorisation that arrives after its release", async () => {
    expect(await bank.void(leg("s1", "0.00"), "first")).toMatchObject({ kind: "done" });
    expect(await bank.authorise(asking("s1", "30.00"), "first")).toEqual({ kind: "refused", reason: "legClosed" });
    expect(await balance()).toMatchObject({ balance: "100.00" });
  });

  test("lets a hold end after its time, and the money is free again", async () => {
    await bank.authorise(asking("s1", "30.00"), "first");
    nowMs += 1_000;
    expect(await bank.capture(leg("s1", "30.00"), "first")).toEqual({ kind: "refused", reason: "holdExpired" });
    expect(await balance()).toMatchObject({ balance: "100.00" });
  });

  test("refuses what cannot follow: capture of nothing, of another amount, release of what was taken, refund twice", async () => {
    expect(await bank.capture(leg("none", "1.00"), "first")).toEqual({ kind: "refused", reason: "holdUnknown" });
    await bank.authorise(asking("s1", "30.00"), "first");
    expect(await bank.capture(leg("s1", "29.00"), "first")).toEqual({ kind: "refused", reason: "holdUnknown" });
    await bank.authorise(asking("s2", "30.00"), "first");
    expect(await bank.refund({ ...leg("s2", "30.00"), refundId: "r0", action: "refund" }, "first")).toEqual({
      kind: "refused",
      reason: "notCaptured",
    });
    await bank.capture(leg("s2", "30.00"), "first");
    expect(await bank.void(leg("s2", "30.00"), "first")).toEqual({ kind: "refused", reason: "captured" });
    expect(await bank.refund({ ...leg("s2", "30.00"), refundId: "r1", action: "refund" }, "first")).toMatchObject({ kind: "done" });
    expect(await bank.refund({ ...leg("s2", "30.00"), refundId: "r2", action: "refund" }, "first")).toEqual({
      kind: "refused",
      reason: "refunded",
    });
  });

  test("gives back in parts, each key once, and never more than it took", async () => {
    await bank.authorise(asking("s1", "30.00"), "first");
    await bank.capture(leg("s1", "30.00"), "first");
    const part = (refundId: string, yuan: string): ReturnType<Rail["refund"]> =>
      bank.refund(
        { ...leg("s1", yuan), refundId, action: "refund", parts: [{ fundSource: "psn_cash_pay", amount: leg("", yuan).amount }] },
        "first",
      );
    const first = await part("r1", "10.00");
    expect(first).toMatchObject({ kind: "done", amount: 1_000n, parts: [{ fundSource: "psn_cash_pay", amount: 1_000n }] });
    expect(await part("r1", "10.00")).toEqual(first);
    expect(await part("r2", "20.01")).toEqual({ kind: "refused", reason: "refundExceeds" });
    expect(await part("r3", "20.00")).toMatchObject({ kind: "done", amount: 2_000n });
    expect(await part("r4", "0.01")).toEqual({ kind: "refused", reason: "refunded" });
    expect(await balance()).toMatchObject({ balance: "100.00" });
  });

  test("refuses to give back from a fund that paid nothing", async () => {
    await bank.authorise(asking("s1", "30.00"), "first");
    await bank.capture(leg("s1", "30.00"), "first");
    const parts = [{ fundSource: "hifp_pay", amount: asFen(100n) }];
    expect(await bank.refund({ ...leg("s1", "1.00"), refundId: "r1", action: "refund", parts }, "first")).toEqual({
      kind: "refused",
      reason: "refundExceeds",
    });
  });

  test("says what it would pay without holding anything", async () => {
    const commercial = createHttpRail({ name: "commercial", url: sandbox.commercialUrl });
    const account = { rail: "commercial" as const, authorisationId: "c1" };
    const bill = asFen(100_00n);
    const request = { institution: "H1", visitId: "v1", businessType: "01301", bill, asked: bill, account };
    const parts = [{ fundSource: "commercial_claim", amount: 33_33n }];
    expect(await commercial.presettle(request)).toMatchObject({ kind: "done", amount: 33_33n, parts });
    expect(await commercial.presettle({ ...request, account: { ...account, authorisationId: "nobody" } })).toEqual({
      kind: "refused",
      reason: "accountUnknown",
    });
    expect(await (await fetch(`${sandbox.adminUrl}/admin/totals`)).json()).toMatchObject({ held: 0, legs: [] });
    await commercial.close();
  });

  test("knows after a restart what it answered before", async () => {
    const held = await bank.authorise(asking("s1", "30.00"), "first");
    await stop();
    await start();
    expect(await bank.authorise(asking("s1", "30.00"), "again")).toEqual(held);
    expect(await balance()).toMatchObject({ balance: "70.00" });
  });

  test.each([
    ["an account without a known field", { contractId: "b1", iban: "x" }],
    ["the medium of another family", { psnNo: "i1", insuplcAdmdvs: "510104" }],
  ])("refuses %s as malformed", async (_, account) => {
    const body = {
      key: "s1/bank/authorise",
      settlementId: "s1",
      institution: "H1",
      businessType: "01301",
      bill: "1.00",
      asked: "1.00",
      account,
    };
    const response = await fetch(`${sandbox.bankUrl}/v1/authorise`, { method: "POST", body: JSON.stringify(body) });
    expect(response.status).toBe(400);
    expect(await balance()).toMatchObject({ balance: "100.00" });
  });

  test("asks for an account only when it must be told who pays", async () => {
    const unopened = { ...asking("s1", "30.00"), account: (): ReturnType<AuthoriseRequest["account"]> => Promise.resolve(undefined) };
    expect(await bank.authorise(unopened, "again")).toEqual({ kind: "unasked" });
    const held = await bank.authorise(asking("s1", "30.00"), "first");
    expect(await bank.authorise(unopened, "again")).toEqual(held);
  });
});

describe("a rail that is away", () => {
  test("gives no answer, rather than a guessed one", async () => {
    await sandbox.close();
    expect(await bank.authorise(asking("s1", "30.00"), "first")).toEqual({ kind: "unknown", reason: "unreachable" });
    expect(await bank.query("s1/bank/authorise")).toEqual({ kind: "unknown", reason: "unreachable" });
    await start();
  });
});

describe("a reply", () => {
  const done = { status: "done", key: "k", amount: "1.00", reference: "r" };
  test.each([
    ["no JSON", "<html>"],
    ["JSON of another shape", "[]"],
    ["of another key", JSON.stringify({ ...done, key: "other" })],
    ["with an amount of three decimals", JSON.stringify({ ...done, amount: "1.000" })],
    ["with an amount as a number", JSON.stringify({ ...done, amount: 1 })],
    ["with a negative amount", JSON.stringify({ ...done, amount: "-1.00" })],
    ["whose parts do not sum to its amount", JSON.stringify({ ...done, parts: [{ fundSource: "hifp_pay", amount: "0.99" }] })],
    ["with a reason that is not in the table", JSON.stringify({ status: "refused", key: "k", reason: "whatever" })],
    ["that is done and states an error", JSON.stringify({ ...done, error: "failed" })],
    ["with a reference that no statement could hold", JSON.stringify({ ...done, reference: "a,b" })],
    ["without a status", JSON.stringify({ key: "k", amount: "1.00", reference: "r" })],
  ])("%s is garbage", (_, text) => {
    expect(readReply("k", text)).toEqual({ kind: "unknown", reason: "garbage" });
  });
});

async function post(path: string, body: unknown): Promise<number> {
  return (await fetch(`${sandbox.adminUrl}${path}`, { method: "POST", body: JSON.stringify(body) })).status;
}

describe("the admin endpoint", () => {
  test.each([
    ["/admin/accounts", [{ rail: "bank", account: "x", balance: "1.001" }]],
    ["/admin/accounts", [{ rail: "insurance", account: "x", sharePercent: 60, seriousIllnessPercent: 41 }]],
    ["/admin/accounts", [{ rail: "insurance", account: "x", sharePercent: 33.333 }]],
    ["/admin/delay", { rail: "bank", ms: -1 }],
    ["/admin/faults", { rail: "bank", action: "capture", kind: "explode" }],
    ["/admin/faults", { rail: "bank", action: "capture", kind: "refuse", count: 0 }],
    ["/admin/faults", { rail: "bank", action: "capture", kind: "refuse", probability: 1.1 }],
    ["/admin/faults", { rail: "bank", action: "capture", kind: "refuse", lateMs: 5 }],
    ["/admin/faults", { rail: "bank", action: "capture", kind: "missingRow" }],
  ])("refuses %s %j", async (path, body) => {
    expect(await post(path, body)).toBe(400);
  });

  test("arms a fault for as many calls as it says", async () => {
    expect(await post("/admin/faults", { rail: "bank", action: "authorise", kind: "refuse", count: 2 })).toBe(200);
    const answers = [];
    for (const id of ["s1", "s2", "s3"]) answers.push((await bank.authorise(asking(id, "1.00"), "first")).kind);
    expect(answers).toEqual(["refused", "refused", "done"]);
  });

  test("arms a fault that hits a share of the calls, drawn at random", async () => {
    await stop();
    const draws = [0.9, 0.1, 0.5];
    sandbox = await startSandboxRails({ clock, file: join(folder, "payers.db"), seedAccounts: SEEDS, draw: () => draws.shift() ?? 1 });
    bank = createHttpRail({ name: "bank", url: sandbox.bankUrl });
    await post("/admin/faults", { rail: "bank", action: "authorise", kind: "refuse", count: null, probability: 0.5 });
    const answers = [];
    for (const id of ["s1", "s2", "s3"]) answers.push((await bank.authorise(asking(id, "1.00"), "first")).kind);
    expect(answers).toEqual(["done", "refused", "done"]);
  });
});

test("the payers run on a thread of their own just as well", async () => {
  const thread = await startSandboxRailsThread({ seedAccounts: SEEDS });
  const rail = createHttpRail({ name: "bank", url: thread.bankUrl });
  expect(await rail.authorise(asking(`s${systemClock.now()}`, "1.00"), "first")).toMatchObject({ kind: "done" });
  await rail.close();
  await thread.close();
});
