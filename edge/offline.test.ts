/** What a hospital feels when the line to the core is cut: the edge answers at once, says how sure it is, and keeps count. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseYuan } from "../core/protocol/money.ts";
import type { VerifyReply } from "../core/protocol/operations.ts";
import type { CallFailure } from "./client.ts";
import type { EdgeStatus } from "./app/status.ts";
import { EDGE_LIMITS } from "./ports.ts";
import { EC_TOKEN, sceneAt, startPlatform, type TestPlatform } from "./testing/platform.ts";

let p: TestPlatform;
let bus: "there" | "away" | undefined;
let waitingMs = 0;
let serial = 0;
const number = (): string => `O${++serial}`;
const hospital = () => p.institutions.hospital;
const his = () => p.client(hospital());

beforeEach(async () => {
  bus = undefined;
  waitingMs = 0;
  p = await startPlatform();
  steerOutbox();
});
afterEach(async () => {
  await p.stop();
  await p.remove();
});

/** The outbox says what a test wants it to say of the bus. */
function steerOutbox(): void {
  const { outbox } = p.ports;
  const backlog = outbox.backlog.bind(outbox);
  outbox.backlog = (orgId) => (bus === undefined ? backlog(orgId) : { depth: 1, oldestAgeMs: waitingMs, bus });
}

function cutCore(): void {
  p.core.answer = "coreUnavailable";
}

async function restart(): Promise<void> {
  await p.stop();
  p = await startPlatform({ resume: p });
  steerOutbox();
}

const settle = async (over: object = {}) =>
  await his().settle({ ...sceneAt(hospital()), outTradeNo: number(), code: await p.code(), amount: "10.00", ...over });
const verify = async (over: object = {}) =>
  await his().verify({ ...sceneAt(hospital()), outTradeNo: number(), code: await p.code(), ...over });
const errorOf = (result: { readonly ok: boolean; readonly error?: CallFailure }): string | undefined => result.error?.error;
const status = async (): Promise<EdgeStatus> => (await (await p.app.request("/status")).json()) as EdgeStatus;

describe("a code shown while the core is away", () => {
  beforeEach(cutCore);

  test("is told genuine, and nothing is said of who it is", async () => {
    const outTradeNo = number();
    const reply = await verify({ outTradeNo });
    expect(reply).toEqual({ ok: true, value: { outTradeNo, grade: "offline" } satisfies VerifyReply });
    expect(p.lines.at(-1)).toMatchObject({ outcome: "ok", offline: true });
    const scans = await p.events("code.scan.observed.v1");
    expect(scans.map(({ data }) => [data.step, data.outcome])).toEqual([["verify", "accepted"]]);
  });

  test("is told expired, forged, of an unknown app, or shown before", async () => {
    const code = await p.code();
    expect((await verify({ code })).ok).toBe(true);
    expect(errorOf(await verify({ code }))).toBe("codeUsed");
    expect(errorOf(await verify({ code: await p.code({ expiresAtMs: p.clock.now() - 6_000 }) }))).toBe("codeExpired");
    expect(errorOf(await verify({ code: `${code.slice(0, -1)}${code.endsWith("a") ? "b" : "a"}` }))).toBe("codeForged");
    expect(errorOf(await verify({ code: await p.code({ appId: "5101B0009" }) }))).toBe("channelUnknown");
  });

  test("is told shown before after a restart too", async () => {
    const code = await p.code();
    expect((await verify({ code })).ok).toBe(true);
    await restart();
    expect(errorOf(await verify({ code }))).toBe("codeUsed");
  });

  test("may be asked for again under the same number, and is identified when the core is back", async () => {
    const request = { outTradeNo: number(), code: await p.code() };
    expect(await verify(request)).toMatchObject({ ok: true, value: { grade: "offline" } });
    expect(await verify(request)).toMatchObject({ ok: true, value: { grade: "offline" } });
    p.core.answer = "resolve";
    expect(await verify(request)).toMatchObject({ ok: true, value: { grade: "online", userName: "张**" } });
  });

  test("cannot be told when only its issuer can: that is an outage, not an answer", async () => {
    expect(errorOf(await verify({ code: p.opaqueCode() }))).toBe("coreUnavailable");
    expect(errorOf(await verify({ code: "28123456789012345678" }))).toBe("coreUnavailable");
  });
});

describe("a bill while the link is away", () => {
  test("is taken as accepted within the allowance, durable and signed for the core, and counted", async () => {
    bus = "away";
    expect(await settle({ amount: "1000.00" })).toMatchObject({ ok: true, value: { status: "accepted" } });
    expect(await p.state.billsSince(0)).toEqual([{ orgId: hospital().settings.orgId, count: 1, fen: parseYuan("1000.00") }]);
    expect(p.lines.at(-1)).toMatchObject({ outcome: "ok", offline: true });
  });

  test("is refused above the allowance for one bill, and for all bills, with a code of its own; a smaller one still goes", async () => {
    bus = "away";
    expect(errorOf(await settle({ amount: "1000.01" }))).toBe("offlineAmount");
    for (let n = 0; n < 2; n++) expect((await settle({ amount: "1000.00" })).ok).toBe(true);
    expect(errorOf(await settle({ amount: "500.01" }))).toBe("offlineTotal");
    expect((await settle({ amount: "500.00" })).ok).toBe(true);
    expect(errorOf(await settle({ amount: "0.01" }))).toBe("offlineTotal");
  });

  test("of many at once no more are taken than the allowance bears", async () => {
    bus = "away";
    const replies = await Promise.all(Array.from({ length: 12 }, () => settle({ amount: "500.00" })));
    expect(replies.filter((reply) => reply.ok)).toHaveLength(5);
    expect(replies.filter((reply) => errorOf(reply) === "offlineTotal")).toHaveLength(7);
  });

  test("counts once when it is repeated, and the count outlives a restart", async () => {
    bus = "away";
    const request = { outTradeNo: number(), code: await p.code(), amount: "900.00" };
    for (let n = 0; n < 3; n++) expect((await settle(request)).ok).toBe(true);
    await restart();
    expect((await settle(request)).ok).toBe(true);
    expect(await p.state.billsSince(0)).toMatchObject([{ count: 1, fen: 90_000n }]);
  });

  test("is refused once the link has been away for longer than the allowance; what was taken may still be asked for", async () => {
    bus = "away";
    const request = { outTradeNo: number(), code: await p.code(), amount: "9.00" };
    expect((await settle(request)).ok).toBe(true);
    waitingMs = hospital().settings.offline.forMs;
    expect(errorOf(await settle())).toBe("offlineTooLong");
    expect(await settle(request)).toMatchObject({ ok: true, value: { status: "accepted" } });
    expect(await his().result({ outTradeNo: request.outTradeNo })).toMatchObject({ ok: true, value: { status: "accepted" } });
  });

  test("counts no more once the link is back, and other institutions have their own count", async () => {
    bus = "away";
    for (let n = 0; n < 2; n++) expect((await settle({ amount: "1000.00" })).ok).toBe(true);
    const { pharmacy } = p.institutions;
    const theirs = { ...sceneAt(pharmacy), outTradeNo: number(), code: await p.code(), amount: "1000.00" };
    expect((await p.client(pharmacy).settle(theirs)).ok).toBe(true);
    bus = "there";
    expect((await settle({ amount: "5000.00" })).ok).toBe(true);
    expect((await status()).takenOffline).toEqual([]);
  });

  test("is granted anew in a new outage, though nothing was taken while the link was there in between", async () => {
    bus = "away";
    for (let n = 0; n < 2; n++) expect((await settle({ amount: "1000.00" })).ok).toBe(true);
    bus = "there";
    p.clock.advance(10_000);
    bus = "away";
    for (let n = 0; n < 2; n++) expect((await settle({ amount: "1000.00" })).ok).toBe(true);
    expect(errorOf(await settle({ amount: "500.01" }))).toBe("offlineTotal");
  });

  test("counts what was taken after the link was lost and before that was noticed", async () => {
    p.clock.advance(10_000);
    bus = "there";
    for (let n = 0; n < 2; n++) expect((await settle({ amount: "1000.00" })).ok).toBe(true);
    p.clock.advance(10_000);
    [bus, waitingMs] = ["away", 10_000];
    expect(errorOf(await settle({ amount: "500.01" }))).toBe("offlineTotal");
    expect((await settle({ amount: "500.00" })).ok).toBe(true);
    expect((await status()).takenOffline).toMatchObject([{ bills: 3, amount: "2500.00" }]);
  });

  test("is not taken by a code that only the issuer can tell, nor by an ecToken that this edge did not see given", async () => {
    bus = "away";
    expect(errorOf(await settle({ code: p.opaqueCode() }))).toBe("offlineUnverifiable");
    expect(errorOf(await settle({ code: undefined, ecToken: "510100zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz" }))).toBe("offlineUnverifiable");
  });

  test("is taken by an ecToken that was given here, at any terminal of the house, once", async () => {
    expect(await verify()).toMatchObject({ ok: true, value: { ecToken: EC_TOKEN } });
    bus = "away";
    const byToken = { code: undefined, ecToken: EC_TOKEN, termId: hospital().settings.terminals[1]?.termId ?? "" };
    expect((await settle(byToken)).ok).toBe(true);
    expect(errorOf(await settle(byToken))).toBe("tokenInvalid");
  });

  test("is not taken by an ecToken that has ended since", async () => {
    expect((await verify()).ok).toBe(true);
    bus = "away";
    p.clock.advance(1_800_001);
    expect(errorOf(await settle({ code: undefined, ecToken: EC_TOKEN }))).toBe("offlineUnverifiable");
  });

  test("counts as offline also when the core alone is away", async () => {
    cutCore();
    expect(await verify()).toMatchObject({ value: { grade: "offline" } });
    expect(errorOf(await settle({ amount: "1000.01" }))).toBe("offlineAmount");
    p.core.answer = "resolve";
    // The probe of the call before finds it back.
    await expect.poll(async () => (await settle({ amount: "1000.01" })).ok).toBe(true);
  });

  test("may be given back: a refund asks the core, and takes nothing from anybody before", async () => {
    bus = "away";
    const refund = await his().refund({ ...sceneAt(hospital()), outTradeNo: number(), originalOutTradeNo: "earlier" });
    expect(refund).toMatchObject({ ok: true, value: { status: "accepted" } });
    expect(await p.state.billsSince(0)).toEqual([]);
  });
});

const refund = async (outTradeNo: string) => await his().refund({ ...sceneAt(hospital()), outTradeNo, originalOutTradeNo: "A1" });

describe("an edge whose clock differs from the core's by more than 5 s", () => {
  test.each([5_001, -5_001])(
    "takes no settlement and no refund (%d ms), says so wherever it is asked, and goes on once it is set",
    async (clockSkewMs) => {
      const [before, request] = [number(), { outTradeNo: number(), code: await p.code() }];
      expect([(await settle(request)).ok, (await refund(before)).ok]).toEqual([true, true]);
      p.useSettingsState({ clockSkewMs });
      const submitted = (await p.events("settlement.request.submitted.v1")).length;
      expect(await settle()).toMatchObject({ ok: false, error: { code: "600056", error: "clockSkewed" } });
      expect(errorOf(await settle({ code: undefined, ecToken: EC_TOKEN }))).toBe("clockSkewed");
      expect(errorOf(await refund(number()))).toBe("clockSkewed");
      expect(p.lines.at(-1)).toMatchObject({ transType: "rh.refund", outcome: "clockSkewed" });
      expect((await p.events("settlement.request.submitted.v1")).length).toBe(submitted);
      // What was taken before is told as ever, and identifying goes on.
      expect([(await settle(request)).ok, (await refund(before)).ok, (await verify()).ok]).toEqual([true, true, true]);
      expect(await status()).toMatchObject({ standing: "limited", findings: ["clockSkew"], clockSkewMs });
      expect(await (await p.app.request("/health")).json()).toMatchObject({ clock: "wrong" });
      expect(await (await p.app.request("/metrics")).text()).toContain(`ronghe_edge_clock_skew_seconds ${clockSkewMs / 1000}`);
      p.useSettingsState({ clockSkewMs: 4_000 });
      expect([(await settle()).ok, (await refund(number())).ok]).toEqual([true, true]);
      expect(await (await p.app.request("/health")).json()).toMatchObject({ clock: "ok" });
    },
  );

  test("knows it without the core too, when it stands before the instant its settings were signed at", async () => {
    cutCore();
    await verify();
    p.clock.advance(-5_001);
    expect(errorOf(await settle())).toBe("clockSkewed");
    p.clock.advance(5_001);
    expect((await settle()).ok).toBe(true);
  });
});

const wrong = () => verify({ code: p.opaqueCode() });

describe("codes that only their issuer can tell", () => {
  test("stop being heard at a terminal after a few wrong ones, with Retry-After and a scan, and are heard again later", async () => {
    p.core.answer = "codeUnknown";
    for (let n = 0; n < EDGE_LIMITS.guesses.terminal.burst; n++) expect(errorOf(await wrong())).toBe("codeUnknown");
    const asked = p.core.calls.length;
    const limited = await wrong();
    expect(limited).toMatchObject({ ok: false, error: { error: "rateLimited", retryAfterSeconds: 12 } });
    expect(p.core.calls).toHaveLength(asked);
    expect((await p.events("code.scan.observed.v1")).at(-1)?.data).toMatchObject({ outcome: "rateLimited", codeKind: "fused.opaque" });
    p.core.answer = "resolve";
    expect((await verify()).ok).toBe(true);
    expect((await verify({ code: p.opaqueCode(), termId: hospital().settings.terminals[1]?.termId ?? "" })).ok).toBe(true);
    p.clock.advance(12_000);
    expect((await wrong()).ok).toBe(true);
  });

  test("cost right guesses nothing", async () => {
    for (let n = 0; n < 2 * EDGE_LIMITS.guesses.terminal.burst; n++) expect((await wrong()).ok).toBe(true);
  });
});

const page = async (query: string) => await p.app.request(`/status${query}`, { headers: { accept: "text/html,*/*" } });

describe("GET /status", () => {
  test("is normal while everything is there, and tells no secret", async () => {
    await settle();
    const shown = await status();
    expect(shown).toMatchObject({
      edge: "e1",
      standing: "normal",
      findings: [],
      link: { core: "there", bus: "there" },
      offlineSinceMs: null,
      bundle: { version: 1, institutions: 6, revokedCodes: 0 },
      bundleRefused: null,
      takenOffline: [],
      crypto: p.crypto.implementations,
    });
    const text = JSON.stringify(shown);
    for (const { settings } of Object.values(p.institutions)) {
      expect(text).not.toContain(settings.appSecret);
      expect(text).not.toContain(settings.publicKeys[0]);
    }
  });

  test("is offline while something is away, says since when, and what was taken", async () => {
    await settle();
    p.clock.advance(120_000);
    bus = "away";
    waitingMs = 60_000;
    await settle({ amount: "12.30" });
    expect(await status()).toMatchObject({
      standing: "offline",
      findings: ["busAway"],
      link: { core: "there", bus: "away" },
      offlineSinceMs: p.clock.now() - 60_000,
      takenOffline: [{ institution: hospital().settings.orgId, bills: 1, amount: "12.30", amountMax: "2500.00", billMax: "1000.00" }],
    });
    cutCore();
    expect((await status()).findings).toEqual(["coreAway", "busAway"]);
  });

  test.each<[string, string, () => void]>([
    ["noSettings", "there are no settings", () => p.useView(undefined)],
    ["outboxFull", "the outbox is full", () => ((bus = "there"), (waitingMs = EDGE_LIMITS.outboxAgeMsMax))],
    ["offlineTooLong", "the outage is too long", () => ((bus = "away"), (waitingMs = hospital().settings.offline.forMs))],
    ["clockSkew", "the clock is wrong", () => p.useSettingsState({ clockSkewMs: -5_001 })],
  ])("is limited by %s when %s", async (finding, _why, bringAbout) => {
    bringAbout();
    const shown = await status();
    expect(shown.standing).toBe("limited");
    expect(shown.findings).toContain(finding);
  });

  test("is not normal when it cannot take the settings that the core gives, and goes on with those before", async () => {
    p.useSettingsState({ refused: { reason: "older", atMs: p.clock.now() } });
    expect(await status()).toMatchObject({ standing: "limited", findings: ["bundleRefused"], bundleRefused: { reason: "older" } });
    const app = p.app;
    expect(await (await app.request("/health")).json()).toMatchObject({ status: "ok", standing: "limited" });
    const ready = await app.request("/ready");
    expect([ready.status, await ready.json()]).toEqual([200, expect.objectContaining({ bundleRefused: "older" })]);
    expect(await (await app.request("/metrics")).text()).toContain('ronghe_edge_finding{finding="bundleRefused"} 1');
  });

  test("is a page for a browser, in both languages, that loads nothing, runs its own script only and renews itself", async () => {
    bus = "away";
    await settle();
    const chinese = await page("");
    expect(chinese.headers.get("content-type")).toContain("text/html");
    expect(chinese.headers.get("content-security-policy")).toContain("default-src 'none'");
    const [zh, en] = [await chinese.text(), await (await page("?lang=en")).text()];
    expect(zh).toContain('<html lang="zh-CN">');
    expect(zh).toContain("离线");
    expect(zh).not.toContain("http-equiv");
    expect(chinese.headers.get("content-security-policy")).toMatch(/script-src 'sha256-[^']+'; connect-src 'self'/);
    expect(en).toContain("Taken while offline");
    expect(en.replaceAll(/<a [^>]*>中文<\/a>|<style>[^]*?<\/style>/g, "")).not.toMatch(/\p{Script=Han}/u);
    for (const text of [zh, en])
      expect(text).not.toMatch(/<script (?!type="module">)|<script>|<link|<img|<iframe| on[a-z]+=|javascript:|https?:\/\//i);
  });
});
