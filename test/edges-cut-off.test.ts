/**
 * Two edges of one province lose their line: work goes on, everything drains when it is back, the core decides what two
 * edges took twice, and an edge's disk that is carried away opens nothing.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAppClient, partnerOf, readClients, signerOf } from "../cli/platform/clients.ts";
import { PlannedClock } from "../cli/platform/clock.ts";
import { readConfig, type Config } from "../cli/config.ts";
import { startPlatformEdge } from "../cli/platform/edge.ts";
import { foundSandbox, type Founded } from "../cli/platform/found.ts";
import { openKeys } from "../cli/platform/keys.ts";
import { edgeLayout, layoutOf, type Layout } from "../cli/platform/layout.ts";
import { PARTS, type RunningPlatform, runPlatform } from "../cli/platform/run.ts";
import { watchStorage } from "../cli/platform/storage.ts";
import { loadCrypto } from "../core/crypto/index.ts";
import type { Crypto } from "../core/crypto/port.ts";
import { fromBase64, fromHex, utf8 } from "../core/protocol/bytes.ts";
import { parseScannedCode } from "../core/protocol/fused-code.ts";
import { signInternalRequest } from "../core/protocol/internal-auth.ts";
import { edgeBundle, type EdgeBundle } from "../core/protocol/internal.ts";
import { checkSignedCode, mintSignedCode } from "../core/protocol/signed-token.ts";
import { systemClock } from "../core/protocol/time.ts";
import { startSandboxRails } from "../core/settlement/rails/sandbox/start.ts";
import { createHisClient, type HisClient } from "../edge/client.ts";
import { edgeSecretAad } from "../edge/identity.ts";
import { openBundleCache } from "../edge/node/bundle-cache.ts";
import type { RunningEdge } from "../edge/node/libsql-edge.ts";
import { openDatabase } from "../migrations/database.ts";
import { decodeEvent } from "../streams/contracts/codec.ts";
import type { DataTopic } from "../streams/contracts/topics.ts";
import * as v from "valibot";
import { allFiles, copyFolder } from "./harness/folder.ts";

const MINUTE_MS = 60_000;
const BY = "operator/test";

let root: string;
let config: Config;
let layout: Layout;
let founded: Founded;
let crypto: Crypto;
let clock: PlannedClock;
let platform: RunningPlatform;
/** False while the line of both edges is cut: neither the core nor the way to the bus is there. */
let line = true;
const edges: RunningEdge[] = [];
const codesIssued: string[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "ronghe-cut-off-"));
  config = readConfig({
    RONGHE_DATA: root,
    RONGHE_EDGE_PORT: "0",
    RONGHE_CORE_PORT: "0",
    RONGHE_STREAMS_PORT: "0",
    RONGHE_RAILS_PORT: "0",
    RONGHE_LOG: "off",
  });
  layout = layoutOf(root);
  crypto = await loadCrypto();
  clock = new PlannedClock(systemClock.now());
  founded = await foundSandbox({ config, layout, crypto, seed: 7, people: 30, partitions: 2, edges: 3, clock });
  const rails = await startSandboxRails({ file: layout.sandbox.rails, clock, seedAccounts: founded.seedAccounts });
  await rails.close();
  platform = await runPlatform({ config, parts: new Set(PARTS), clock, crypto, quiet: true });
  for (const edgeId of ["edge-2", "edge-3"]) edges.push(await startEdge(edgeId));
});
afterAll(async () => {
  await Promise.all(edges.map((edge) => edge.stop()));
  await platform.stop();
  await rm(root, { recursive: true, force: true });
});

async function startEdge(edgeId: string): Promise<RunningEdge> {
  const folder = edgeLayout(layout, edgeId);
  return await startPlatformEdge({
    config,
    layout: folder,
    platform: { ...founded.platform, edgeId },
    crypto,
    keys: await openKeys(config, folder, crypto, "edge"),
    clock,
    storage: watchStorage("edge", config, clock),
    bus: "core",
    coreUrl: platform.core?.url ?? "",
    coreFetch: async (request) => {
      if (!line) throw new TypeError("the line is cut");
      const answer = await fetch(request);
      if (!line) throw new TypeError("the line was cut");
      return answer;
    },
    refreshMs: 200,
    quiet: true,
  });
}

/** A hospital's desk at one of the two edges: 0 or 1. */
async function desk(edge: number, hospital: number): Promise<{ his: HisClient; scene: Parameters<HisClient["refund"]>[0]; orgId: string }> {
  const clients = (await readClients(layout, "institution")).filter(({ orgId }) => orgId.startsWith("H"));
  const profile = clients[hospital];
  const url = edges[edge]?.url;
  if (profile === undefined || url === undefined) throw new Error("no such desk");
  const sign = signerOf(crypto, profile);
  const his = createHisClient({
    url,
    orgId: profile.orgId,
    profile: partnerOf(profile),
    sign,
    crypto,
    clock,
    fetch: (request) => fetch(request),
  });
  const termId = profile.terminals[0] ?? "";
  const scene = {
    businessType: "01301" as const,
    termId,
    termIp: "10.0.0.1",
    operatorId: "1",
    operatorName: "甲",
    officeId: "1",
    officeName: "收费处",
    outTradeNo: "",
    originalOutTradeNo: "",
  };
  return { his, scene, orgId: profile.orgId };
}

let serial = 0;
const number = (): string => `C${++serial}`;

async function settleAt(edge: number, hospital: number, code: string, amount = "20.00", outTradeNo = number()) {
  const { his, scene } = await desk(edge, hospital);
  const { originalOutTradeNo: _, ...at } = scene;
  return await his.settle({ ...at, outTradeNo, code, amount });
}

/** A code of somebody whose accounts pay any bill of these tests. */
async function codeOf(person: number): Promise<string> {
  const solvent = founded.province.people.filter(({ bank }) => (bank?.balanceFen ?? 0n) >= 100_000n);
  const chosen = solvent[person % solvent.length];
  const profile = (await readClients(layout, "app")).find(({ orgId }) => orgId === chosen?.appId);
  if (chosen === undefined || profile === undefined) throw new Error("nobody to ask a code for");
  const app = createAppClient({ url: platform.core?.url ?? "", profile, crypto, clock });
  const issued = await app.issueCode(chosen.appUserId, "settle", "signed");
  if (!issued.ok) throw new Error(`no code: ${issued.error}`);
  codesIssued.push(issued.value.code);
  return issued.value.code;
}

async function statusOf(edge: number): Promise<Record<string, unknown>> {
  return (await (await fetch(`${edges[edge]?.url}/status`)).json()) as Record<string, unknown>;
}

/** Cuts the line and waits until both edges have noticed. */
async function cut(): Promise<void> {
  line = false;
  for (const edge of [0, 1]) while ((await statusOf(edge))["standing"] !== "offline") await sleep(20);
}

/** The line is back, and everything that waited has been sent, settled and judged. */
async function reconnect(): Promise<void> {
  line = true;
  await Promise.all(edges.map((edge) => edge.drained()));
  await platform.drained();
}

async function eventsOf<T extends DataTopic>(topic: T) {
  const { bus } = platform;
  if (bus === undefined) throw new Error("a platform without a bus");
  const found = [];
  for (const [partition] of (await bus.endOffsets(topic)).entries())
    for (const record of await bus.read(topic, partition, 0n, 10_000)) {
      const event = decodeEvent(record, topic);
      if (!event.ok) throw new Error(event.error.reason);
      found.push(event.value);
    }
  return found;
}

async function outcomeOf(edge: number, hospital: number, outTradeNo: string) {
  const { his } = await desk(edge, hospital);
  const reply = await his.result({ outTradeNo, waitSeconds: "20" });
  if (!reply.ok) throw new Error(`${outTradeNo}: ${reply.error.code} ${reply.error.message}`);
  return reply.value;
}

describe("one number at two edges", () => {
  test("the same bill from another window at the other edge is answered as it ended, another amount is 600030, at every edge", async () => {
    const { his, scene } = await desk(0, 0);
    const other = await desk(1, 0);
    const profile = (await readClients(layout, "institution")).find(({ orgId }) => orgId.startsWith("H"));
    const termId = profile?.terminals[1] ?? "";
    expect(termId).not.toBe(scene.termId);
    const { originalOutTradeNo: _, ...at } = scene;
    const outTradeNo = number();
    const bill = { ...at, outTradeNo, code: await codeOf(5), amount: "21.00", waitSeconds: "20" as const };
    const first = await his.settle(bill);
    expect(first).toMatchObject({ ok: true, value: { status: "settled", amount: "21.00" } });
    await reconnect();
    // At the moment at which the other edge knows the outcome, and also before: the core decides alike.
    expect(await other.his.settle({ ...bill, termId })).toEqual(first);
    for (const { his: asked } of [{ his }, other]) {
      expect(await asked.settle({ ...bill, termId, amount: "22.00" })).toMatchObject({ ok: false, error: { code: "600030" } });
      expect(await asked.result({ outTradeNo, waitSeconds: "20" })).toEqual(first);
    }
    const settled = (await eventsOf("settlement.claim.settled.v1")).filter(({ data }) => data.outTradeNo === outTradeNo);
    expect(settled).toHaveLength(1);
    // What an outage grants is counted from when the line was last there: both edges hear the core behind this bill.
    clock.moveTo(clock.now() + MINUTE_MS);
    for (const edge of edges) expect((await fetch(`${edge.url}/ready`)).status).toBe(200);
  });
});

describe("while the line is cut", () => {
  test("bills are taken, and settle in their order when it is back, although their codes ended long before", async () => {
    const codes = [await codeOf(0), await codeOf(1), await codeOf(2), await codeOf(3)];
    await cut();
    const numbers: string[] = [];
    for (const [at, code] of codes.entries()) {
      numbers.push(number());
      const taken = await settleAt(at % 2, 0, code, `${at + 1}0.00`, numbers[at]);
      expect(taken).toMatchObject({ ok: true, value: { status: "accepted" } });
    }
    expect(await statusOf(0)).toMatchObject({ link: { core: "away", bus: "away" }, takenOffline: [{ bills: 2, amount: "40.00" }] });
    clock.moveTo(clock.now() + 30 * MINUTE_MS);
    await reconnect();
    for (const [at, outTradeNo] of numbers.entries())
      expect(await outcomeOf(at % 2, 0, outTradeNo)).toMatchObject({ status: "settled", amount: `${at + 1}0.00` });
    const { orgId } = await desk(0, 0);
    const sent = (await eventsOf("settlement.request.submitted.v1")).filter(({ key }) => key === orgId);
    for (const edge of ["edge-2", "edge-3"]) {
      const instants = sent.filter(({ data }) => data.edge === edge).map(({ data }) => numbers.indexOf(data.outTradeNo));
      expect(instants).toEqual(instants.toSorted((a, b) => a - b));
    }
    for (const edge of [0, 1]) await expect.poll(async () => (await statusOf(edge))["standing"]).toBe("normal");
  });

  test("one code taken by two edges is paid once: the first to arrive wins, the second is refused, told and raised", async () => {
    const code = await codeOf(4);
    await cut();
    const [first, second] = [number(), number()];
    expect(await settleAt(0, 1, code, "30.00", first)).toMatchObject({ ok: true, value: { status: "accepted" } });
    expect(await settleAt(1, 2, code, "40.00", second)).toMatchObject({ ok: true, value: { status: "accepted" } });
    // Within one edge it is told at once.
    expect(await settleAt(0, 1, code)).toMatchObject({ ok: false, error: { error: "codeUsed" } });
    await reconnect();
    const outcomes = [await outcomeOf(0, 1, first), await outcomeOf(1, 2, second)];
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["refused", "settled"]);
    expect(outcomes.find(({ status }) => status === "refused")).toMatchObject({ refusalCode: "501001", refusalMessage: "二维码已使用" });

    const contested = (await eventsOf("code.scan.observed.v1")).filter(({ data }) => data.outcome === "codeContested");
    expect(contested).toHaveLength(1);
    const winner = outcomes[0]?.status === "settled" ? first : second;
    expect(contested[0]?.data).toMatchObject({
      observedBy: "core",
      step: "settle",
      contestedWith: { transactionId: expect.stringContaining(winner) },
    });
    const alerts = (await platform.streams?.alerts()) ?? [];
    expect(alerts.filter(({ rule }) => rule === "code-contested")).toMatchObject([{ trigger: contested[0]?.id, severity: "clear" }]);
  });

  test("a bill that arrives later than its institution allows is refused with a code of its own", async () => {
    const { orgId } = await desk(0, 0);
    const access = platform.core?.services.access;
    const short = { amountMaxFen: "100000", totalMaxFen: "1000000", forMs: 10 * MINUTE_MS, ageMaxMs: 20 * MINUTE_MS };
    await access?.setOfflineAllowance(orgId, short, BY);
    await expect.poll(async () => JSON.stringify(await bundleOf(0))).toContain(String(20 * MINUTE_MS));
    const codes = [await codeOf(5), await codeOf(6)];
    await cut();
    const late = number();
    expect((await settleAt(0, 0, codes[0] ?? "", "20.00", late)).ok).toBe(true);
    clock.moveTo(clock.now() + 10 * MINUTE_MS);
    expect(await settleAt(0, 0, await offlineCode())).toMatchObject({ ok: false, error: { error: "offlineTooLong", code: "600053" } });
    clock.moveTo(clock.now() + 11 * MINUTE_MS);
    await reconnect();
    expect(await outcomeOf(0, 0, late)).toMatchObject({ status: "refused", refusalCode: "600055" });
    await access?.setOfflineAllowance(orgId, { ...short, forMs: 240 * MINUTE_MS, ageMaxMs: 1_440 * MINUTE_MS }, BY);
    // What the next test cuts off must know of it.
    for (const edge of [0, 1])
      await expect
        .poll(async () => {
          const [kept, { bundle }] = [await bundleOf(edge), await statusOf(edge)];
          return !JSON.stringify(kept).includes(String(20 * MINUTE_MS)) && (bundle as { version: number }).version === kept.version;
        })
        .toBe(true);
  });

  test("a code is told genuine or used, and named offline-grade, without anybody's name", async () => {
    const code = await codeOf(7);
    await cut();
    const { his, scene } = await desk(1, 0);
    const { originalOutTradeNo: _, ...at } = scene;
    const outTradeNo = number();
    expect(await his.verify({ ...at, outTradeNo, code })).toEqual({ ok: true, value: { outTradeNo, grade: "offline" } });
    expect(await his.verify({ ...at, outTradeNo: number(), code })).toMatchObject({ ok: false, error: { error: "codeUsed" } });
    const bill = number();
    expect(await his.settle({ ...at, outTradeNo: bill, code, amount: "15.00" })).toMatchObject({ ok: true, value: { status: "accepted" } });
    await reconnect();
    expect(await outcomeOf(1, 0, bill)).toMatchObject({ status: "settled" });
  });
});

/** The bundle that an edge keeps, opened with its own keys. */
async function bundleOf(edge: number, folder: Layout = edgeLayout(layout, `edge-${edge + 2}`)): Promise<EdgeBundle> {
  const db = await openDatabase({ kind: "edge", file: folder.edge.database, readOnly: true });
  try {
    const cached = await (await openBundleCache(db, await openKeys(config, folder, crypto, "edge"))).load();
    const { bundle } = JSON.parse(cached?.text ?? "{}") as { bundle: string };
    return v.parse(edgeBundle, JSON.parse(bundle));
  } finally {
    await db.close();
  }
}

/** Offline nobody issues codes: one that the platform's own key signs, as if it had been issued just before the cut. */
async function offlineCode(): Promise<string> {
  const keys = await openKeys(config, layout, crypto, "core");
  const minted = await mintSignedCode({
    ehcId: "AB".repeat(32),
    valid: "CD".repeat(16),
    appId: founded.province.apps[0]?.appId ?? "",
    purpose: "settle",
    expiresAtMs: clock.now() + MINUTE_MS,
    random6: String(serial).padStart(6, "0"),
    sign: (message) => keys.sm2Sign("code.sign/1", message),
  });
  if (!minted.ok) throw new Error("an ambiguous code");
  return minted.value;
}

describe("an edge whose disk is carried away, keys, database and all", () => {
  let stolen: Layout;
  beforeAll(async () => {
    const code = await codeOf(8);
    await cut();
    // Something waits in its outbox.
    expect((await settleAt(0, 0, code, "12.00", "stolen-1")).ok).toBe(true);
    const copy = join(root, "stolen");
    await copyFolder(edgeLayout(layout, "edge-2").root, copy);
    stolen = layoutOf(copy);
    await reconnect();
  });

  test("holds no name, document, account, EHC-ID, code or secret that can be read", async () => {
    const files = await allFiles(stolen.root);
    expect(files.map(({ path }) => path.slice(stolen.root.length + 1)).toSorted()).toEqual(
      expect.arrayContaining([
        "edge/core-secret.sealed",
        "edge/edge.db",
        "edge/keys.json",
        "edge/platform-key.hex",
        "kek",
        "platform.json",
      ]),
    );
    const people = founded.province.people.flatMap(({ name, idNo, insurance, commercial, bank, appUserId }) => [
      name,
      idNo,
      appUserId,
      insurance?.accountId,
      commercial?.authorisationId,
      bank?.contractId,
    ]);
    const codes = codesIssued.flatMap((code) => [code.slice(0, 64), code.slice(-98), code.slice(-60, -20)]);
    const partners = [...(await readClients(layout, "institution")), ...(await readClients(layout, "app"))];
    const secrets = partners.flatMap(({ appSecret, privateKey }) => [appSecret, privateKey]);
    const wanted = [...people, ...codes, ...secrets].filter((text): text is string => text !== undefined && text !== "");
    expect(wanted.length).toBeGreaterThan(100);
    for (const { path, bytes } of files)
      for (const text of wanted)
        for (const form of [utf8(text), ...(/^[0-9a-fA-F]{32,}$/.test(text) ? [fromHex(text.toLowerCase()) ?? utf8(text)] : [])])
          expect(bytes.includes(Buffer.from(form)), `${path} holds ${text.slice(0, 4)}…`).toBe(false);
  });

  test("with its keys open as well, has none that opens an EHC-ID, a sealed code or an account, and none that mints", async () => {
    const keys = await openKeys(config, stolen, crypto, "edge");
    expect((await keys.list()).map(({ handle, kind }) => `${handle} ${kind}`).toSorted()).toEqual([
      "edge.cache/1 secret",
      "edge.data/1 secret",
      "edge.reply/1 sm2",
    ]);
    const bundle = await bundleOf(0, stolen);
    // What its partners sign with is in it, because it verifies them: no app's secret, and no private key of anybody.
    expect(bundle.institutions.map(({ kind }) => kind)).not.toContain("app");
    expect(Object.keys(bundle).toSorted()).toEqual(Object.keys(edgeBundle.entries).toSorted());

    const code = codesIssued[0] ?? "";
    const minted = await mintSignedCode({
      ehcId: code.slice(0, 64),
      valid: "CD".repeat(16),
      appId: bundle.appIds[0] ?? "",
      purpose: "settle",
      expiresAtMs: clock.now() + MINUTE_MS,
      random6: "stolen",
      sign: (message) => keys.sm2Sign("edge.reply/1", message),
    });
    const parsed = parseScannedCode(minted.ok ? minted.value : "", { appIdWidth: bundle.appIdWidth });
    if (!parsed.ok || parsed.value.kind !== "fused.signed") throw new Error("the forgery is not even a code");
    const publicKeys = bundle.codeKeys.map((key) => fromHex(key) ?? new Uint8Array());
    expect(checkSignedCode(crypto, parsed.value, { publicKeys, purposes: ["settle", "verify"], nowMs: clock.now() })).toEqual({
      ok: false,
      error: "codeForged",
    });

    const db = await openDatabase({ kind: "edge", file: stolen.edge.database, readOnly: true });
    const rows = await db.read("SELECT value FROM outbox WHERE topic = 'settlement.request.submitted.v1'");
    await db.close();
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) {
      const data = JSON.parse(Buffer.from(row["value"] as ArrayBuffer).toString()) as {
        credential: { wrappedKey: string; sealed: string };
      };
      const wrapped = fromBase64(data.credential.wrappedKey) ?? new Uint8Array();
      expect(await keys.sm2Decrypt("edge.reply/1", wrapped)).toBeUndefined();
      for (const handle of ["edge.cache/1", "edge.data/1"])
        expect(
          await keys.open(handle, fromBase64(data.credential.sealed) ?? new Uint8Array(), utf8("")).catch(() => undefined),
        ).toBeUndefined();
    }
  });

  test("speaks for its hospitals until the platform shuts it out, asks for no codes meanwhile, and what it has sent since is put aside", async () => {
    const core = platform.core;
    if (core === undefined) throw new Error("no core");
    const keys = await openKeys(config, stolen, crypto, "edge");
    const sealed = await readFile(stolen.edge.secret);
    const secret = (await keys.open("edge.data/1", sealed, edgeSecretAad("edge-2"))) ?? new Uint8Array();
    const ask = async (method: "GET" | "POST", path: string, body = ""): Promise<Response> => {
      const signed = signInternalRequest(crypto, secret, { edge: "edge-2", method, path, body: utf8(body) }, clock.now());
      return await core.fetch(
        new Request(`${core.url}${path}`, { method, headers: signed.headers, ...(method === "POST" ? { body } : {}) }),
      );
    };
    expect((await ask("GET", "/internal/v1/bundle")).status).toBe(200);
    for (const path of ["/internal/v1/accounts", "/internal/v1/codes", "/internal/v1/persons"])
      expect((await ask("POST", path, "{}")).status).toBe(404);

    await core.services.access.setEdgeStatus("edge-2", "suspended", BY);
    expect((await ask("POST", "/internal/v1/resolve", "{}")).status).toBe(401);
    expect((await ask("POST", "/ingest", "{}")).status).toBe(401);
    const bundle = (await (await ask("GET", "/internal/v1/bundle")).json()) as { bundle: string };
    expect(JSON.parse(bundle.bundle)).toMatchObject({ status: "suspended", institutions: [], codeKeys: [] });

    // Whoever also reaches the broker writes what the outbox held: nobody believes it any more.
    const db = await openDatabase({ kind: "edge", file: stolen.edge.database, readOnly: true });
    const [row] = await db.read("SELECT topic, key, value, headers FROM outbox WHERE topic = 'settlement.request.submitted.v1'");
    await db.close();
    const before = (await eventsOf("settlement.request.rejected.v1")).length;
    await platform.bus?.publish([
      {
        topic: String(row?.["topic"]),
        key: String(row?.["key"]),
        value: new Uint8Array(row?.["value"] as ArrayBuffer),
        headers: JSON.parse(String(row?.["headers"])) as Record<string, string>,
      },
    ]);
    await platform.drained();
    const rejected = (await eventsOf("settlement.request.rejected.v1")).slice(before);
    expect(rejected).toMatchObject([{ data: { edge: "edge-2", reason: "originEdgeSuspended" } }]);
    expect((await platform.streams?.alerts())?.filter(({ rule }) => rule === "request-forged")).toHaveLength(1);

    // The honest edge of that name stops by itself as soon as it hears of it, and says so.
    await expect.poll(async () => (await statusOf(0))["findings"]).toContain("edgeSuspended");
    const answer = await settleAt(0, 0, await codeOf(9));
    expect(answer).toMatchObject({ ok: false, error: { error: "edgeSuspended", code: "600050" } });
    await core.services.access.setEdgeStatus("edge-2", "active", BY);
    await expect.poll(async () => (await statusOf(0))["standing"]).toBe("normal");
  });
});
