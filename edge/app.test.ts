import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openEnvelope, readEnvelope } from "../core/protocol/envelope.ts";
import { settlementId } from "../core/protocol/settlement-id.ts";
import { viewOf } from "./app/view.ts";
import type { CallFailure } from "./client.ts";
import { EC_TOKEN, PERSON, sceneAt, startPlatform, type TestPlatform } from "./testing/platform.ts";

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(async () => {
  await platform.stop();
  await platform.remove();
});

let serial = 0;
const number = (): string => `A${++serial}`;

function valueOf<T>(result: { ok: true; value: T } | { ok: false; error: CallFailure }): T {
  if (!result.ok) throw new Error(`refused: ${result.error.code} ${result.error.message}`);
  return result.value;
}

/** What the core says of a number, whoever asked it. */
const outcomeAsCore = (outTradeNo: string, requestHash: string) => ({
  settlementId: settlementId(platform.crypto, platform.institutions.hospital.settings.orgId, outTradeNo),
  institution: platform.institutions.hospital.settings.orgId,
  terminal: "T-ELSEWHERE",
  businessType: "01301",
  outTradeNo,
  requestHash,
  atMs: platform.clock.now(),
  person: "cd".repeat(32),
  amount: "9.90",
});
const LEGS = [{ rail: "bank" as const, fundSource: "cash", amount: "9.90" }];

describe("rh.verify", () => {
  test("identifies a person by a genuine code, masked, with an ecToken", async () => {
    const { hospital } = platform.institutions;
    const outTradeNo = number();
    const reply = valueOf(await platform.client(hospital).verify({ ...sceneAt(hospital), outTradeNo, code: await platform.code() }));
    expect(reply).toEqual({
      outTradeNo,
      grade: "online",
      userName: "张**",
      idType: "01",
      idNo: `5${"*".repeat(16)}4`,
      ecToken: EC_TOKEN,
      ecTokenExpires: "20261121100000",
      insuOrg: PERSON.insuOrg,
    });
  });

  test("sends the core the code sealed, never in the clear, bound to institution and number", async () => {
    const { hospital } = platform.institutions;
    const code = await platform.code();
    const outTradeNo = number();
    await platform.client(hospital).verify({ ...sceneAt(hospital), outTradeNo, code });
    const call = platform.core.calls.at(-1);
    if (call === undefined) throw new Error("the core was not asked");
    expect(JSON.stringify(call)).not.toContain(code.slice(-40));
    const { crypto, keys } = platform;
    const key = crypto.sm2Decrypt(keys.seal.privateKey, Buffer.from(call.credential.wrappedKey, "base64"));
    if (key === undefined) throw new Error("the data key does not open");
    const sealed = Buffer.from(call.credential.sealed, "base64");
    const opened = crypto.open(key, sealed, Buffer.from(`${hospital.settings.orgId}\n${outTradeNo}`));
    expect(Buffer.from(opened ?? []).toString()).toBe(code);
    expect(crypto.open(key, sealed, Buffer.from(`${hospital.settings.orgId}\nother`))).toBeUndefined();
  });

  test("may be repeated under the same number, even after the code ended, and is one scan", async () => {
    const { hospital } = platform.institutions;
    const request = {
      ...sceneAt(hospital),
      outTradeNo: number(),
      code: await platform.code({ expiresAtMs: platform.clock.now() + 10_000 }),
    };
    valueOf(await platform.client(hospital).verify(request));
    platform.clock.advance(60_000);
    valueOf(await platform.client(hospital).verify(request));
    const scans = await platform.events("code.scan.observed.v1");
    const fingerprint = scans.at(-1)?.data.codeFingerprint;
    expect(new Set(scans.filter((scan) => scan.data.codeFingerprint === fingerprint).map((scan) => scan.id)).size).toBe(1);
  });

  test("lets one code, verified once, settle once at the same institution and nowhere else", async () => {
    const { hospital, pharmacy } = platform.institutions;
    const code = await platform.code();
    valueOf(await platform.client(hospital).verify({ ...sceneAt(hospital), outTradeNo: number(), code }));
    const elsewhere = await platform.client(pharmacy).settle({ ...sceneAt(pharmacy), outTradeNo: number(), code, amount: "1.00" });
    expect(elsewhere).toMatchObject({ ok: false, error: { error: "codeUsed" } });
    const here = await platform.client(hospital).settle({ ...sceneAt(hospital), outTradeNo: number(), code, amount: "1.00" });
    expect(valueOf(here).status).toBe("accepted");
    const again = await platform.client(hospital).settle({ ...sceneAt(hospital), outTradeNo: number(), code, amount: "1.00" });
    expect(again).toMatchObject({ ok: false, error: { error: "codeUsed" } });
  });
});

describe("rh.settle", () => {
  test("is durable and on its way to the core when it is answered", async () => {
    const { hospital } = platform.institutions;
    const outTradeNo = number();
    const code = await platform.code();
    const reply = valueOf(await platform.client(hospital).settle({ ...sceneAt(hospital), outTradeNo, code, amount: "128.5" }));
    expect(reply).toEqual({ outTradeNo, settlementId: expect.stringMatching(/^rs[0-9a-f]{32}$/), status: "accepted" });
    const event = (await platform.events("settlement.request.submitted.v1")).find((one) => one.data.outTradeNo === outTradeNo);
    expect(event).toMatchObject({
      key: hospital.settings.orgId,
      subject: reply.settlementId,
      data: {
        action: "settle",
        amount: "128.50",
        edge: "e1",
        terminal: `${hospital.settings.orgId}T1`,
        acceptedAtMs: platform.clock.now(),
      },
    });
    const scans = (await platform.events("code.scan.observed.v1")).filter(
      (one) => one.data.codeFingerprint === event?.data.codeFingerprint,
    );
    expect(scans).toHaveLength(1);
    expect(scans[0]?.data).toMatchObject({ step: "settle", outcome: "accepted", observedBy: "edge", codeKind: "fused.signed" });
  });

  test("takes an ecToken in place of a code, without a scan", async () => {
    const { hospital } = platform.institutions;
    const scansBefore = (await platform.events("code.scan.observed.v1")).length;
    const reply = await platform.client(hospital).settle({ ...sceneAt(hospital), outTradeNo: number(), ecToken: EC_TOKEN, amount: "5.00" });
    expect(valueOf(reply).status).toBe("accepted");
    expect(await platform.events("code.scan.observed.v1")).toHaveLength(scansBefore);
  });

  test("waits for the outcome when asked to, and answers with it", async () => {
    const { hospital } = platform.institutions;
    const outTradeNo = number();
    const request = { ...sceneAt(hospital), outTradeNo, code: await platform.code(), amount: "20.00", waitSeconds: "20" as const };
    const waiting = platform.client(hospital).settle(request);
    await settleAsCore(outTradeNo, "20.00");
    expect(valueOf(await waiting)).toMatchObject({ outTradeNo, status: "settled", amount: "20.00", receipt: "a receipt" });
    const repeated = valueOf(await platform.client(hospital).settle({ ...request, waitSeconds: undefined }));
    expect(repeated).toMatchObject({ status: "settled", legs: [{ rail: "bank", fundSource: "cash", amount: "20.00" }] });
  });

  test("50 identical calls at once make one event and one answer", async () => {
    const { hospital } = platform.institutions;
    const request = { ...sceneAt(hospital), outTradeNo: number(), code: await platform.code(), amount: "9.90" };
    const replies = await Promise.all(Array.from({ length: 50 }, () => platform.client(hospital).settle(request)));
    expect(new Set(replies.map((reply) => JSON.stringify(reply))).size).toBe(1);
    expect(valueOf(replies[0] ?? raise()).status).toBe("accepted");
    const events = await platform.events("settlement.request.submitted.v1");
    expect(events.filter((event) => event.data.outTradeNo === request.outTradeNo)).toHaveLength(1);
  });

  test("a repeat with other content is a conflict, and the first stands", async () => {
    const { hospital } = platform.institutions;
    const request = { ...sceneAt(hospital), outTradeNo: number(), ecToken: EC_TOKEN, amount: "9.90" };
    valueOf(await platform.client(hospital).settle(request));
    const other = await platform.client(hospital).settle({ ...request, amount: "99.00" });
    expect(other).toMatchObject({ ok: false, error: { error: "idempotencyConflict", code: "600030" } });
    const events = await platform.events("settlement.request.submitted.v1");
    expect(events.filter((event) => event.data.outTradeNo === request.outTradeNo).map((event) => event.data.amount)).toEqual(["9.90"]);
  });

  test("a number that another edge has settled for other content is a conflict here, and nothing is sent on", async () => {
    const { hospital } = platform.institutions;
    const request = { ...sceneAt(hospital), outTradeNo: number(), ecToken: EC_TOKEN, amount: "99.00" };
    await platform.publish("settlement.claim.settled.v1", { ...outcomeAsCore(request.outTradeNo, "ab".repeat(32)), legs: LEGS });
    await expect.poll(() => platform.results.find(hospital.settings.orgId, request.outTradeNo)).toBeDefined();
    for (const refused of [await platform.client(hospital).settle(request), await platform.client(hospital).settle(request)])
      expect(refused).toMatchObject({ ok: false, error: { error: "idempotencyConflict", code: "600030" } });
    const events = await platform.events("settlement.request.submitted.v1");
    expect(events.filter((event) => event.data.outTradeNo === request.outTradeNo)).toEqual([]);
    expect(valueOf(await platform.client(hospital).result({ outTradeNo: request.outTradeNo }))).toMatchObject({
      status: "settled",
      amount: "9.90",
    });
  });

  test("a conflict that only the core can see is 600030 and never the outcome of a payment, and rh.result tells what stands", async () => {
    const { hospital } = platform.institutions;
    const request = { ...sceneAt(hospital), outTradeNo: number(), ecToken: EC_TOKEN, amount: "99.00", waitSeconds: "20" as const };
    const waiting = platform.client(hospital).settle(request);
    await expect.poll(() => platform.state.taken(hospital.settings.orgId, request.outTradeNo)).toBeDefined();
    const taken = await platform.state.taken(hospital.settings.orgId, request.outTradeNo);
    const other = { ...outcomeAsCore(request.outTradeNo, taken?.requestHash ?? ""), action: "settle" as const };
    await platform.publish("settlement.claim.refused.v1", { ...other, refusal: "idempotencyConflict" });
    expect(await waiting).toMatchObject({ ok: false, error: { code: "600030" } });
    // The first bill is still on its way: accepted, not refused.
    const { outTradeNo } = request;
    expect(valueOf(await platform.client(hospital).result({ outTradeNo })).status).toBe("accepted");
    await platform.publish("settlement.claim.settled.v1", { ...outcomeAsCore(outTradeNo, "ab".repeat(32)), legs: LEGS });
    await expect.poll(async () => valueOf(await platform.client(hospital).result({ outTradeNo })).status).toBe("settled");
    expect(await platform.client(hospital).settle(request)).toMatchObject({ ok: false, error: { code: "600030" } });
  });

  test("a repeat from the next window is the same request", async () => {
    const { hospital } = platform.institutions;
    const request = { ...sceneAt(hospital), outTradeNo: number(), ecToken: EC_TOKEN, amount: "9.90" };
    const first = valueOf(await platform.client(hospital).settle(request));
    const next = { ...request, termId: hospital.settings.terminals[1]?.termId ?? "", operatorId: "another" };
    expect(next.termId).not.toBe(request.termId);
    expect(valueOf(await platform.client(hospital).settle(next))).toEqual(first);
    const events = await platform.events("settlement.request.submitted.v1");
    expect(events.filter((event) => event.data.outTradeNo === request.outTradeNo)).toHaveLength(1);
  });

  test("a late repeat is answered although its code has expired since", async () => {
    const { hospital } = platform.institutions;
    const request = { ...sceneAt(hospital), outTradeNo: number(), code: await platform.code(), amount: "7.00" };
    const first = valueOf(await platform.client(hospital).settle(request));
    platform.clock.advance(3_600_000);
    expect(valueOf(await platform.client(hospital).settle(request))).toEqual(first);
  });
});

describe("rh.refund and rh.result", () => {
  test("a refund is a transaction of its own that names the settlement", async () => {
    const { hospital } = platform.institutions;
    const outTradeNo = number();
    const refund = await platform.client(hospital).refund({ ...sceneAt(hospital), outTradeNo, originalOutTradeNo: "A1" });
    expect(valueOf(refund).status).toBe("accepted");
    const event = (await platform.events("settlement.request.submitted.v1")).find((one) => one.data.outTradeNo === outTradeNo);
    expect(event?.data).toMatchObject({ action: "refund", originalOutTradeNo: "A1" });
  });

  test("a result is accepted while under way, and the outcome afterwards", async () => {
    const { hospital } = platform.institutions;
    const outTradeNo = number();
    await platform.client(hospital).settle({ ...sceneAt(hospital), outTradeNo, ecToken: EC_TOKEN, amount: "3.00" });
    expect(valueOf(await platform.client(hospital).result({ outTradeNo })).status).toBe("accepted");
    const waiting = platform.client(hospital).result({ outTradeNo, waitSeconds: "20" });
    await settleAsCore(outTradeNo, "3.00");
    expect(valueOf(await waiting).status).toBe("settled");
    expect(valueOf(await platform.client(hospital).result({ outTradeNo })).status).toBe("settled");
  });

  test("waiting for what is no number of seconds is refused by the edge, not given up by the client", async () => {
    const { hospital } = platform.institutions;
    const asked = platform.client(hospital).result({ outTradeNo: number(), waitSeconds: "soon" });
    expect(await asked).toMatchObject({ ok: false, error: { answered: true, error: "badRequest" } });
  });

  test("a hospital sees only its own numbers", async () => {
    const { hospital, pharmacy } = platform.institutions;
    const outTradeNo = number();
    await platform.client(hospital).settle({ ...sceneAt(hospital), outTradeNo, ecToken: EC_TOKEN, amount: "3.00" });
    await settleAsCore(outTradeNo, "3.00");
    expect(await platform.client(pharmacy).result({ outTradeNo })).toMatchObject({ ok: false, error: { error: "settlementUnknown" } });
  });
});

describe("the envelope", () => {
  test("is served in every profile: SM3 digests, encryption required", async () => {
    for (const institution of [platform.institutions.digest, platform.institutions.secretive]) {
      const request = { ...sceneAt(institution), outTradeNo: number(), code: await platform.code(), amount: "1.00" };
      expect(valueOf(await platform.client(institution).settle(request)).status).toBe("accepted");
    }
  });

  test("an encrypted call gets an encrypted answer", async () => {
    const { secretive } = platform.institutions;
    const data = { ...sceneAt(secretive), orgId: secretive.settings.orgId, outTradeNo: number(), ecToken: EC_TOKEN, amount: "1.00" };
    const response = await platform.post("rh.settle", await platform.envelope(secretive, "rh.settle", data));
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({ code: "0", encData: expect.stringMatching(/^[0-9A-F]+$/) });
    expect(text).not.toContain(data.outTradeNo);
  });

  test("of a repeated refusal within a second is signed once, and still verifies", async () => {
    const body = await platform.envelope(platform.institutions.suspended, "rh.result", { orgId: "x" });
    const [first, second] = [await (await platform.post("rh.result", body)).text(), await (await platform.post("rh.result", body)).text()];
    expect(second).toBe(first);
  });

  test("made by the client opens at a server", async () => {
    const { hospital } = platform.institutions;
    const raw = readEnvelope(await platform.envelope(hospital, "rh.result", { orgId: hospital.settings.orgId, outTradeNo: "A1" }));
    if (!raw.ok) throw new Error(raw.error);
    const view = platform.ports.settings.current()?.institution(hospital.settings.orgId);
    if (view === undefined) throw new Error("no such institution");
    expect(openEnvelope(platform.crypto, raw.value, view.partner, { nowMs: platform.clock.now() }).ok).toBe(true);
  });
});

describe("beside the operations", () => {
  test("health, readiness and the documents answer without signature", async () => {
    expect(await (await platform.app.request("/health")).json()).toEqual({
      status: "ok",
      edge: "e1",
      standing: "normal",
      clock: "ok",
      storage: "ok",
    });
    const ready = await platform.app.request("/ready");
    expect(ready.status).toBe(200);
    expect(await ready.json()).toMatchObject({ ready: true, core: "reachable", results: "running", bundle: { version: 1 } });
    expect(await (await platform.app.request("/openapi.json")).json()).toMatchObject({ openapi: "3.1.0", paths: { "/v1/rh.verify": {} } });
    const page = await platform.app.request("/docs", { headers: { "accept-language": "en" } });
    expect(page.headers.get("content-security-policy")).toMatch(/^default-src 'none'; style-src 'sha256-/);
    expect(await page.text()).toContain('<html lang="zh-CN">');
    expect(await (await platform.app.request("/docs?lang=en")).text()).toContain('<html lang="en">');
    expect((await platform.app.request("/elsewhere")).status).toBe(404);
  });

  test("an edge without current settings is not ready", async () => {
    const view = platform.ports.settings.current();
    platform.useView(undefined);
    expect((await platform.app.request("/ready")).status).toBe(503);
    platform.useView(view);
  });

  test("the log knows institution, outcome and fingerprint, and nothing of the person", async () => {
    const { hospital } = platform.institutions;
    const code = await platform.code();
    await platform.client(hospital).verify({ ...sceneAt(hospital), outTradeNo: number(), code });
    expect(platform.lines.at(-1)).toMatchObject({
      transType: "rh.verify",
      outcome: "ok",
      institution: hospital.settings.orgId,
      codeKind: "fused.signed",
      codeFingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const all = JSON.stringify(platform.lines);
    for (const secret of [PERSON.userName, PERSON.idNo, EC_TOKEN, code.slice(-30), hospital.settings.appSecret, "收费员李"])
      expect(all).not.toContain(secret);
  });
});

function raise(): never {
  throw new Error("there is none");
}

/** Plays the core: settles what the edge submitted under a number. */
async function settleAsCore(outTradeNo: string, amount: string): Promise<void> {
  const submitted = await untilSubmitted(outTradeNo);
  await platform.publish("settlement.claim.settled.v1", {
    settlementId: submitted.subject ?? raise(),
    institution: submitted.data.institution,
    terminal: submitted.data.terminal,
    businessType: submitted.data.businessType,
    outTradeNo,
    requestHash: submitted.data.requestHash,
    atMs: platform.clock.now(),
    person: "ab".repeat(32),
    amount,
    legs: [{ rail: "bank", fundSource: "cash", amount }],
    receipt: "a receipt",
  });
}

async function untilSubmitted(
  outTradeNo: string,
): Promise<Awaited<ReturnType<typeof platform.events<"settlement.request.submitted.v1">>>[number]> {
  for (let tries = 0; tries < 200; tries++) {
    const found = (await platform.events("settlement.request.submitted.v1")).find((one) => one.data.outTradeNo === outTradeNo);
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return raise();
}

describe("a partner whose secret is replaced", () => {
  test("is served under both secrets, each reply under the one that was used, until the overlap ends", async () => {
    const { hospital } = platform.institutions;
    const view = platform.ports.settings.current();
    if (view === undefined) throw new Error("no settings");
    const settings = {
      ...hospital.settings,
      appSecret: "N".repeat(32),
      formerSecret: { appSecret: hospital.settings.appSecret, untilMs: platform.clock.now() + 60_000 },
    };
    platform.useView(viewOf(platform.crypto, { ...view.bundle, institutions: [settings] }));
    const asks = async (appSecret: string) =>
      await platform.client({ ...hospital, settings: { ...hospital.settings, appSecret } }).result({ outTradeNo: "nothing" });
    const served = { ok: false, error: { error: "settlementUnknown" } };
    expect(await asks("N".repeat(32))).toMatchObject(served);
    expect(await asks(hospital.settings.appSecret)).toMatchObject(served);
    expect(await asks("X".repeat(32))).toMatchObject({ ok: false, error: { answered: false } });
    platform.clock.advance(60_000);
    expect(await asks(hospital.settings.appSecret)).toMatchObject({ ok: false, error: { answered: false } });
    expect(await asks("N".repeat(32))).toMatchObject(served);
    platform.useView(view);
  });
});
