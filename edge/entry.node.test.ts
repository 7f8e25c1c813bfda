import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openKeyStore } from "../core/crypto/keystore.ts";
import type { Crypto, KeyStore } from "../core/crypto/port.ts";
import { toHex, utf8 } from "../core/protocol/bytes.ts";
import { checkInternalRequest, INTERNAL_HEADERS, readInternalClaim, signInternalReply } from "../core/protocol/internal-auth.ts";
import { openEmbeddedBus } from "../streams/bus/embedded.ts";
import type { EventBus } from "../streams/bus/port.ts";
import { topicPlan } from "../streams/contracts/codec.ts";
import { createHisClient, type HisClient } from "./client.ts";
import { type EdgeConfig, type RunningEdge, startEdge } from "./entry.node.ts";
import { listen, type Listening } from "./node/listen.ts";
import {
  EC_TOKEN,
  type Keys,
  makeBundle,
  makeKeys,
  PERSON,
  sceneAt,
  startPlatform,
  testClock,
  testCrypto,
  type TestPlatform,
} from "./testing/platform.ts";

const INTERNAL_KEY = new Uint8Array(32).fill(7);
const REPLY_KEY = "edge.reply/1";

let crypto: Crypto;
let keys: Keys;
let world: TestPlatform;
let folder: string;
let bus: EventBus;
let keyStore: KeyStore;
let core: Listening;
/** What the core does with the next calls. */
let coreSigns = true;
const clock = testClock();

beforeAll(async () => {
  crypto = await testCrypto();
  keys = makeKeys(crypto);
  world = await startPlatform();
  folder = await mkdtemp(join(tmpdir(), "ronghe-edge-entry-"));
  bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock });
  await bus.ensureTopics(topicPlan(1));
  keyStore = await openKeyStore({ file: join(folder, "keys.json"), unlock: { kek: new Uint8Array(32).fill(9) }, crypto, clock });
  await keyStore.ensure(REPLY_KEY, "sm2");
  core = await listen(coreApp().fetch, { host: "127.0.0.1", port: 0 });
});
afterAll(async () => {
  await core.close();
  await bus.close();
  await world.stop();
  await world.remove();
  await rm(folder, { recursive: true, force: true });
});

/** The core's side of `/internal/v1`, over real HTTP. */
function coreApp(): Hono {
  const app = new Hono();
  let version = 0;
  app.get("/health", (c) => c.json({ status: "ok" }));
  app.all("/internal/v1/:call", async (c) => {
    const claim = readInternalClaim((name) => c.req.header(name));
    const body = new Uint8Array(await c.req.arrayBuffer());
    const request = { method: c.req.method, path: c.req.path + new URL(c.req.url).search, body, nowMs: clock.now() };
    if (claim === undefined || !checkInternalRequest(crypto, INTERNAL_KEY, claim, request).ok) return c.json({}, 401);
    const answer =
      c.req.param("call") === "bundle" ? bundle(++version) : { ok: true, ...PERSON, ecToken: EC_TOKEN, ecTokenExpiresMs: clock.now() };
    const bytes = utf8(JSON.stringify(answer));
    const signature = signInternalReply(crypto, INTERNAL_KEY, { requestSignature: claim.signature, status: 200, body: bytes });
    return new Response(new Uint8Array(bytes), { headers: coreSigns ? { [INTERNAL_HEADERS.signature]: signature } : {} });
  });
  return app;
}

function bundle(version: number): { bundle: string; signature: string } {
  const institutions = Object.values(world.institutions).map((one) => one.settings);
  const text = JSON.stringify(makeBundle(world.keys, institutions, { version }));
  return { bundle: text, signature: toHex(crypto.sm2Sign(keys.platform.privateKey, utf8(text))) };
}

async function start(over: Partial<EdgeConfig> = {}): Promise<RunningEdge> {
  const config: EdgeConfig = {
    edgeId: "e1",
    file: join(folder, "edge.db"),
    host: "127.0.0.1",
    port: 0,
    coreUrl: core.url,
    internalKey: INTERNAL_KEY,
    platformKey: keys.platform.publicKey,
    replyKeyHandle: REPLY_KEY,
    ...over,
  };
  return await startEdge(config, { bus, crypto, keyStore, clock, coreFetch: fetch });
}

async function hisOf(edge: RunningEdge): Promise<HisClient> {
  const { hospital } = world.institutions;
  return createHisClient({
    url: edge.url,
    orgId: hospital.settings.orgId,
    profile: { ...world.profileOf(hospital), publicKeys: [await keyStore.publicKey(REPLY_KEY)] },
    sign: (message) => crypto.sm2Sign(hospital.privateKey, message),
    crypto,
    clock,
    fetch,
  });
}

describe("an edge on Node", () => {
  test("verifies and settles over HTTP, with replies that verify under its key", async () => {
    const edge = await start();
    const his = await hisOf(edge);
    const { hospital } = world.institutions;
    const code = await world.code();
    expect(await his.verify({ ...sceneAt(hospital), outTradeNo: "V1", code })).toMatchObject({ ok: true, value: { userName: "张**" } });
    const settled = await his.settle({ ...sceneAt(hospital), outTradeNo: "S1", code, amount: "10.00" });
    expect(settled).toMatchObject({ ok: true, value: { status: "accepted" } });
    await edge.drained();
    expect(await bus.endOffsets("settlement.request.submitted.v1")).toEqual([1n]);
    expect(await bus.endOffsets("code.scan.observed.v1")).toEqual([2n]);
    await edge.stop();
  });

  test("starts without the core from its sealed settings, and remembers what it took", async () => {
    const edge = await start({ coreUrl: "http://127.0.0.1:9" });
    const his = await hisOf(edge);
    const { hospital } = world.institutions;
    expect(await his.result({ outTradeNo: "S1" })).toMatchObject({ ok: true, value: { status: "accepted" } });
    const code = await world.code();
    expect(await his.verify({ ...sceneAt(hospital), outTradeNo: "V2", code })).toMatchObject({ ok: true, value: { grade: "offline" } });
    expect(await his.settle({ ...sceneAt(hospital), outTradeNo: "S2", code, amount: "10.00" })).toMatchObject({ ok: true });
    expect(await (await fetch(`${edge.url}/ready`)).json()).toMatchObject({ ready: true, core: "unreachable" });
    await edge.stop();
  });

  test("takes an unsigned answer of the core for no answer", async () => {
    const edge = await start();
    const { hospital } = world.institutions;
    const his = await hisOf(edge);
    coreSigns = false;
    const verified = await his.verify({ ...sceneAt(hospital), outTradeNo: "V3", code: await world.code() });
    coreSigns = true;
    expect(verified).toMatchObject({ ok: true, value: { grade: "offline" } });
    await edge.stop();
  });

  test("answers those who wait when it is told to stop", async () => {
    const edge = await start();
    const { hospital } = world.institutions;
    const his = await hisOf(edge);
    const request = { ...sceneAt(hospital), outTradeNo: "S3", code: await world.code(), amount: "1.00", waitSeconds: "30" };
    const waiting = his.settle(request);
    await expect.poll(() => bus.endOffsets("settlement.request.submitted.v1")).toEqual([3n]);
    await edge.stop();
    expect(await waiting).toMatchObject({ ok: true, value: { status: "accepted" } });
  });

  test("gives its parts back when its address is taken", async () => {
    const edge = await start();
    const port = Number(new URL(edge.url).port);
    await expect(start({ port, edgeId: "e2", file: join(folder, "other.db") })).rejects.toMatchObject({ code: "EADDRINUSE" });
    await rm(join(folder, "other.db"));
    await edge.stop();
  });

  test("keeps no code, secret or person readable in its files", async () => {
    const { hospital } = world.institutions;
    const edge = await start();
    const code = await world.code();
    await (await hisOf(edge)).settle({ ...sceneAt(hospital), outTradeNo: "S4", code, amount: "1.00" });
    const files = await Promise.all(["edge.db", "edge.db-wal"].map((name) => readFile(join(folder, name), "latin1")));
    await edge.stop();
    for (const secret of [code.slice(-90, -60), EC_TOKEN, hospital.settings.appSecret, PERSON.idNo, PERSON.userName])
      expect(files.join("")).not.toContain(Buffer.from(secret).toString("latin1"));
  });
});
