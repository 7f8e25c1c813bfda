import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as v from "valibot";
import { BUNDLE_TRUST_HEADER, bundleKeyId } from "./protocol/bundle-keys.ts";
import { fromHex, toBase64, toHex, utf8 } from "./protocol/bytes.ts";
import { type OpenedReply, openReply, type PartnerProfile, sealRequest } from "./protocol/envelope.ts";
import { ERRORS, type ErrorName } from "./protocol/errors.ts";
import { checkInternalReply, INTERNAL_HEADERS, signInternalRequest } from "./protocol/internal-auth.ts";
import { edgeBundle, type ResolveRequest, signedBundle } from "./protocol/internal.ts";
import { parseScannedCode } from "./protocol/fused-code.ts";
import type { EventMs } from "./protocol/time.ts";
import { type CallLine, createCoreApp } from "./server.ts";
import {
  APP,
  APP_USER,
  EDGE,
  HOSPITAL,
  openProvince,
  OTHER_HOSPITAL,
  PARTNER,
  type Province,
  TERMINAL,
  valueOf,
} from "./testing/province.ts";

let province: Province;
let app: ReturnType<typeof createCoreApp>;
const lines: CallLine[] = [];
const bugs: Error[] = [];

beforeAll(async () => {
  province = await openProvince();
  app = createCoreApp({ ...province.core.ports, log: (line) => lines.push(line), onBug: (error) => bugs.push(error) });
});
afterAll(async () => {
  await province.close();
});

describe("every address", () => {
  it("leaves one line for each request, refusals and strangers included, that repeats nothing they wrote", async () => {
    const typed = "510104199003071234";
    const asked: readonly (readonly [method: string, path: string, route: string])[] = [
      ["GET", "/health", "/health"],
      ["GET", "/ready", "/ready"],
      ["GET", "/metrics", "/metrics"],
      ["GET", "/openapi.json", "/openapi.json"],
      ["GET", "/internal/v1/bundle", "/internal/v1/bundle"],
      ["POST", "/internal/v1/resolve", "/internal/v1/resolve"],
      ["POST", "/internal/v1/outcomes", "/internal/v1/outcomes"],
      ["POST", "/ingest", "/ingest"],
      ["POST", "/operator/v1/access", "/operator/v1/access"],
      ["POST", "/v1/code.issue", "other"],
      ["POST", `/v1/${typed}`, "other"],
      ["OPTIONS", `/v1/${typed}`, "other"],
      ["GET", `/${typed}/${typed}?${typed}`, "other"],
      ["POST", `/internal/v1/${typed}`, "other"],
      ["BREW", "/health", "/health"],
    ];
    for (const [method, path, route] of asked) {
      const from = lines.length;
      await app.request(path, { method, headers: { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` } });
      expect(lines.slice(from), path).toEqual([expect.objectContaining({ route, method: method === "BREW" ? "other" : method })]);
      // Nobody here has proven who they are: their trace is not ours.
      expect(lines.at(-1)).not.toHaveProperty("traceId");
    }
    expect(JSON.stringify(lines)).not.toContain(typed);
    const text = await (await app.request("/metrics")).text();
    expect(text).toContain('ronghe_core_requests_total{route="/ingest",status="401",outcome="unauthorised"} 1');
    expect(text).not.toContain(typed);
  });
});

describe("health", () => {
  it("says that it lives, that it is ready, and why not", async () => {
    expect(await (await app.request("/health")).json()).toEqual({ status: "ok", storage: "ok" });
    expect((await app.request("/ready")).status).toBe(200);
    const repacked = [{ topic: "a.b.v1", compression: "lz4" }];
    for (const [skewMs, status] of [
      [600_000, 200],
      [900_000, 503],
      [-900_000, 503],
    ] as const) {
      const skewed = createCoreApp({ ...province.core.ports, bus: () => ({ skewMs, repacked }) });
      expect(await (await skewed.request("/health")).json()).toEqual({
        status: "ok",
        storage: "ok",
        bus: { clockSkewMs: skewMs, repacked },
      });
      const ready = await skewed.request("/ready");
      expect([ready.status, await ready.json()]).toMatchObject([status, { checks: { busClock: status === 200 } }]);
    }
    const untold = createCoreApp({ ...province.core.ports, bus: () => ({ repacked: [] }) });
    expect(await (await untold.request("/health")).json()).toEqual({
      status: "ok",
      storage: "ok",
      bus: { clockSkewMs: null, repacked: [] },
    });
    expect((await untold.request("/ready")).status).toBe(200);
    const unready = createCoreApp({ ...province.core.ports, ready: () => ({ bus: false, checkpoint: true }) });
    const response = await unready.request("/ready");
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ status: "unavailable", checks: { bus: false, checkpoint: true } });
  });
});

interface Call {
  readonly edge: string;
  readonly key: Uint8Array;
  readonly body: string;
  readonly method: string;
  readonly path: string;
}

function call(more: Partial<Call> = {}): Call {
  return { edge: EDGE, key: province.edgeKey, body: "", method: "GET", path: "/internal/v1/bundle", ...more };
}

async function send(made: Call, change: (init: { headers: Record<string, string>; body: string; path: string }) => void = () => undefined) {
  const { edge, method, path } = made;
  const signed = signInternalRequest(province.crypto, made.key, { edge, method, path, body: utf8(made.body) }, province.clock.now());
  const init = { headers: { ...signed.headers }, body: made.body, path };
  change(init);
  const response = await app.request(init.path, { method, headers: init.headers, ...(method === "GET" ? {} : { body: init.body }) });
  const body = new Uint8Array(await response.arrayBuffer());
  const reply = { requestSignature: signed.signature, status: response.status, body };
  const genuine = checkInternalReply(province.crypto, made.key, reply, response.headers.get(INTERNAL_HEADERS.signature));
  return {
    status: response.status,
    json: JSON.parse(new TextDecoder().decode(body)) as Record<string, unknown>,
    genuine,
    headers: init.headers,
  };
}

const listed = async (): Promise<readonly string[]> => {
  const { json } = await send(call());
  return v.parse(edgeBundle, JSON.parse(v.parse(signedBundle, json).bundle)).revokedCodes;
};

const statusUnder = async (key: Uint8Array): Promise<number> => (await send(call({ edge: "edge-7", key }))).status;

describe("an edge's call", () => {
  it("is answered with a signed bundle that holds what the edge needs and no key of the core", async () => {
    const { json, genuine } = await send(call());
    expect(genuine).toBe(true);
    const { bundle, signature } = v.parse(signedBundle, json);
    const signer = await province.keys.publicKey("bundle.sign/1");
    expect(province.crypto.sm2Verify(signer, utf8(bundle), fromHex(signature) ?? new Uint8Array())).toBe(true);
    const settings = v.parse(edgeBundle, JSON.parse(bundle));
    expect(settings).toMatchObject({ edgeId: EDGE, status: "active", bundleKeys: [toHex(signer)], suspendedAppIds: [], revokedCodes: [] });
    expect(settings.appIds).toEqual([APP]);
    expect(settings.codeKeys).toEqual([toHex(await province.keys.publicKey("code.sign/1"))]);
    expect(settings.institutions.find((one) => one.orgId === HOSPITAL)).toMatchObject({
      appSecret: PARTNER.partnerSecret,
      terminals: [{ termId: TERMINAL, latitude: 29.56, longitude: 106.55 }],
    });
    const code = await province.issue();
    const fingerprint = province.core.registry.db.read("SELECT fingerprint FROM code_token");
    const { credentialFingerprintInput } = await import("./protocol/pseudonym.ts");
    const key = fromHex(settings.fingerprintKey) ?? new Uint8Array();
    const mine = toHex(province.crypto.hmacSm3(key, credentialFingerprintInput("code", code)));
    expect((await fingerprint).map((row) => row["fingerprint"])).toContain(mine);
  });

  it("gets newer bundles each time, and only its own institutions", async () => {
    const { authKey } = valueOf(await province.core.access.registerEdge({ edgeId: "edge-2", serves: [OTHER_HOSPITAL] }, "operator/test"));
    const bundles = [];
    for (let n = 0; n < 2; n++) {
      const { json } = await send(call({ edge: "edge-2", key: authKey }));
      bundles.push(v.parse(edgeBundle, JSON.parse(v.parse(signedBundle, json).bundle)));
    }
    expect(bundles[1]?.version).toBeGreaterThan(bundles[0]?.version ?? Infinity);
    expect(bundles[0]?.institutions.map((one) => one.orgId)).toEqual([OTHER_HOSPITAL]);
  });

  it("gets no secret of an app, with which it could ask for codes, unless it serves that app by name", async () => {
    expect(await servedBy({})).toContain(HOSPITAL);
    expect(await servedBy({})).not.toContain(APP);
    const { authKey } = valueOf(await province.core.access.registerEdge({ edgeId: "edge-4", serves: [APP] }, "operator/test"));
    expect(await servedBy({ edge: "edge-4", key: authKey })).toEqual([APP]);
  });

  it("is refused from the moment the edge is suspended, also after a restart, until it is let in again", async () => {
    const { authKey } = valueOf(await province.core.access.registerEdge({ edgeId: "edge-5" }, "operator/test"));
    const stolen = call({ edge: "edge-5", key: authKey, method: "POST", path: "/internal/v1/resolve", body: "{}" });
    expect((await send(stolen)).status).toBe(200);
    valueOf(await province.core.access.setEdgeStatus("edge-5", "suspended", "operator/test"));
    expect(await send(stolen)).toMatchObject({ status: 401, json: { ok: false, error: "unauthorised" } });
    await province.reopen();
    app = createCoreApp({ ...province.core.ports, log: (line) => lines.push(line), onBug: (error) => bugs.push(error) });
    expect((await send(stolen)).status).toBe(401);
    valueOf(await province.core.access.setEdgeStatus("edge-5", "active", "operator/test"));
    expect((await send(stolen)).status).toBe(200);
  });

  it("learns that it is suspended by a signed bundle that holds nothing else, so that it stops by itself", async () => {
    const { authKey } = valueOf(await province.core.access.registerEdge({ edgeId: "edge-6" }, "operator/test"));
    valueOf(await province.core.access.setEdgeStatus("edge-6", "suspended", "operator/test"));
    const { json, genuine } = await send(call({ edge: "edge-6", key: authKey }));
    expect(genuine).toBe(true);
    expect(v.parse(edgeBundle, JSON.parse(v.parse(signedBundle, json).bundle))).toMatchObject({
      edgeId: "edge-6",
      status: "suspended",
      institutions: [],
      appIds: [],
      codeKeys: [],
      fingerprintKey: "",
    });
  });

  it("is signed for under the newest key that the edge trusts, and under no retired one", async () => {
    const { signing } = province.core.access;
    const second = valueOf(await signing.add("bundle", 0, "operator/test"));
    const [newest, oldest] = [second, ...signing.inForce("bundle").slice(1)].map(({ publicKey }) => fromHex(publicKey) ?? new Uint8Array());
    const signerFor = async (...trusts: (Uint8Array | undefined)[]): Promise<string> => {
      const ids = trusts.map((key) => bundleKeyId(province.crypto, key ?? new Uint8Array()));
      const { json } = await send(call(), (init) => (init.headers[BUNDLE_TRUST_HEADER] = ids.join(",")));
      const { bundle, signature } = v.parse(signedBundle, json);
      const verifies = (key: Uint8Array | undefined): boolean =>
        province.crypto.sm2Verify(key ?? new Uint8Array(), utf8(bundle), fromHex(signature) ?? new Uint8Array());
      return verifies(newest) ? "newest" : verifies(oldest) ? "oldest" : "neither";
    };
    expect(await signerFor()).toBe("oldest");
    expect(await signerFor(oldest)).toBe("oldest");
    expect(await signerFor(oldest, newest)).toBe("newest");
    valueOf(await signing.retire("bundle.sign/1", "operator/test"));
    expect(await signerFor(oldest)).toBe("newest");
    expect(await signing.retire(second.handle, "operator/test")).toEqual({ ok: false, error: "lastKey" });
    await province.reopen();
    app = createCoreApp({ ...province.core.ports, log: (line) => lines.push(line), onBug: (error) => bugs.push(error) });
    expect(await signerFor(oldest, newest)).toBe("newest");
  });

  it("lists codes that their app took back, until they would have ended anyway", async () => {
    const code = await province.issue();
    valueOf(await province.core.vault.revokeCode({ code, appId: APP, atMs: province.clock.now() }));
    expect(await listed()).toHaveLength(1);
    province.clock.advance(70_000);
    expect(await listed()).toEqual([]);
  });

  it("counts under the secret before a new one until the overlap ends", async () => {
    const { authKey: before } = valueOf(await province.core.access.registerEdge({ edgeId: "edge-7" }, "operator/test"));
    const { authKey: present } = valueOf(await province.core.access.edges.rotate("edge-7", 60_000, "operator/test"));
    expect([await statusUnder(present), await statusUnder(before)]).toEqual([200, 200]);
    await province.reopen();
    app = createCoreApp({ ...province.core.ports, log: (line) => lines.push(line), onBug: (error) => bugs.push(error) });
    expect([await statusUnder(present), await statusUnder(before)]).toEqual([200, 200]);
    province.clock.advance(60_000);
    expect([await statusUnder(present), await statusUnder(before)]).toEqual([200, 401]);
  });

  it("does not resolve for an app that the edge was not given", async () => {
    const ask = { institution: APP, outTradeNo: "a1", transactionId: `${APP}/a1` };
    const { json } = await resolve(await resolveRequestOf(await province.issue(), ask));
    expect(json).toEqual({ ok: false, error: "institutionUnknown" });
  });

  it.each<[string, ErrorName, Partial<Call>, (init: { headers: Record<string, string>; body: string; path: string }) => void]>([
    ["without a signature", "unauthorised", {}, (init) => delete init.headers[INTERNAL_HEADERS.signature]],
    ["of an unknown edge", "unauthorised", { edge: "edge-9" }, () => undefined],
    ["under another key", "unauthorised", { key: new Uint8Array(32) }, () => undefined],
    ["with another body", "unauthorised", { method: "POST", path: "/internal/v1/resolve", body: "{}" }, (init) => (init.body = "[]")],
    ["to another path", "unauthorised", {}, (init) => (init.path = "/internal/v1/bundle?x=1")],
    ["with another nonce", "unauthorised", {}, (init) => (init.headers[INTERNAL_HEADERS.nonce] = "0".repeat(32))],
    [
      "with a body and an old timestamp",
      "timestampOutside",
      { method: "POST", path: "/internal/v1/resolve", body: "{}" },
      (init) => (init.headers[INTERNAL_HEADERS.timestamp] = "1"),
    ],
    [
      "with another timestamp",
      "unauthorised",
      {},
      (init) => (init.headers[INTERNAL_HEADERS.timestamp] = String(Number(init.headers[INTERNAL_HEADERS.timestamp]) + 1)),
    ],
  ])("%s is refused as %s", async (_what, error, more, change) => {
    const { status, json, genuine } = await send(call(more), change);
    expect({ status, json, genuine }).toEqual({ status: 401, json: { ok: false, error }, genuine: false });
  });

  it("is refused when stale and when it comes again", async () => {
    const first = await send(call());
    const again = await app.request("/internal/v1/bundle", { headers: first.headers });
    expect(await again.json()).toEqual({ ok: false, error: "requestReplayed" });
    province.clock.advance(120_001);
    const stale = await app.request("/internal/v1/bundle", { headers: first.headers });
    expect(await stale.json()).toMatchObject({ ok: false, error: "timestampOutside" });
  });

  it("is told the core's clock when its own is wrong, in a signed answer", async () => {
    const { edge, method, path } = call();
    const coreAtMs = province.clock.now();
    const atMs = (coreAtMs - 600_000) as EventMs;
    const signed = signInternalRequest(province.crypto, province.edgeKey, { edge, method, path, body: utf8("") }, atMs);
    const response = await app.request(path, { headers: { ...signed.headers } });
    const body = new Uint8Array(await response.arrayBuffer());
    expect([response.status, JSON.parse(new TextDecoder().decode(body))]).toEqual([
      401,
      { ok: false, error: "timestampOutside", coreAtMs },
    ]);
    const reply = { requestSignature: signed.signature, status: 401, body };
    const signature = response.headers.get(INTERNAL_HEADERS.signature);
    expect(checkInternalReply(province.crypto, province.edgeKey, reply, signature)).toBe(true);
  });

  it("shows how slow its clock is: what it took after a code's end is refused, though it dates it before", async () => {
    const asOf = async (slowMs: number, path = call().path) => {
      const { edge, method } = call();
      const atMs = (province.clock.now() - slowMs) as EventMs;
      const signed = signInternalRequest(province.crypto, province.edgeKey, { edge, method, path, body: utf8("") }, atMs);
      expect((await app.request(path, { headers: { ...signed.headers } })).status).toBe(200);
    };
    const settle = async (code: string, more: { acceptedAtMs: EventMs; arrivedAtMs: EventMs }) =>
      await province.core.vault.deTokenise({
        credential: { kind: "code", value: code },
        institution: HOSPITAL,
        terminal: TERMINAL,
        businessType: "01301",
        transactionId: `${HOSPITAL}/slow${lines.length}`,
        purpose: "settlement",
        acceptedAtMs: more.acceptedAtMs,
        acceptedBy: { edge: EDGE, arrivedAtMs: more.arrivedAtMs },
        atMs: province.clock.now(),
      });
    const [ended, taken] = [await province.issue(), await province.issue()];
    const issuedAtMs = province.clock.now();
    province.clock.advance(70_000);
    const now = province.clock.now();
    for (let n = 0; n < 3; n++) await asOf(70_000);
    expect(await settle(ended, { acceptedAtMs: issuedAtMs, arrivedAtMs: now })).toEqual({ ok: false, error: "codeExpired" });
    // An edge whose clock is right took it a minute ago, within the code's life.
    await asOf(0);
    expect((await settle(taken, { acceptedAtMs: issuedAtMs, arrivedAtMs: now })).ok).toBe(true);
    // Ten minutes ago the edge was there: it says nothing of itself then.
    const backdated = await province.issue();
    for (let n = 0; n < 20; n++) {
      province.clock.advance(30_000);
      await asOf(0);
    }
    const late = { acceptedAtMs: (province.clock.now() - 570_000) as EventMs, arrivedAtMs: province.clock.now() };
    expect(await settle(backdated, late)).toEqual({ ok: false, error: "codeExpired" });
    // The same, while it says that its events find no way out.
    const stuck = await province.issue();
    const stuckAtMs = province.clock.now();
    for (let n = 0; n < 20; n++) {
      province.clock.advance(30_000);
      await asOf(0, `${call().path}?waitingMs=${province.clock.now() - stuckAtMs}`);
    }
    expect((await settle(stuck, { acceptedAtMs: stuckAtMs, arrivedAtMs: province.clock.now() })).ok).toBe(true);
  });

  it("over 192 KiB is refused before anything is read", async () => {
    const { status } = await send(call({ method: "POST", path: "/internal/v1/resolve", body: "x".repeat(193 * 1024) }));
    expect(status).toBe(413);
  });
});

/** Whose settings an edge is given. */
async function servedBy(more: Partial<Call>): Promise<readonly string[]> {
  const { json } = await send(call(more));
  return v.parse(edgeBundle, JSON.parse(v.parse(signedBundle, json).bundle)).institutions.map((one) => one.orgId);
}

async function resolveRequestOf(code: string, more: Partial<ResolveRequest> = {}): Promise<ResolveRequest> {
  const outTradeNo = more.outTradeNo ?? `r${lines.length}`;
  const dataKey = province.crypto.random(32);
  const wrapped = province.crypto.sm2Encrypt(await province.keys.publicKey("edge.seal/1"), dataKey);
  const sealed = province.crypto.seal(dataKey, utf8(code), utf8(`${HOSPITAL}\n${outTradeNo}`));
  return {
    institution: HOSPITAL,
    terminal: TERMINAL,
    businessType: "01101",
    outTradeNo,
    transactionId: `${HOSPITAL}/${outTradeNo}`,
    credential: {
      kind: "code",
      keyHandle: "edge.seal/1",
      wrappedKey: toBase64(wrapped),
      sealed: toBase64(sealed),
    },
    observedAtMs: province.clock.now(),
    ...more,
  };
}

async function resolve(request: unknown, more: Partial<Call> = {}) {
  return await send(call({ method: "POST", path: "/internal/v1/resolve", body: JSON.stringify(request), ...more }));
}

describe("resolving for an edge", () => {
  it("opens the sealed code and answers who it is, masked, the same to a repetition", async () => {
    const request = await resolveRequestOf(await province.issue());
    const first = await resolve(request);
    expect(first).toMatchObject({
      status: 200,
      genuine: true,
      json: { ok: true, userName: "欧阳**", idNo: "1****************X", insuOrg: "500101" },
    });
    expect((await resolve(request)).json).toEqual(first.json);
    expect(lines.at(-1)).toMatchObject({ route: "/internal/v1/resolve", caller: EDGE, outcome: "ok" });
  });

  it("counts a code as of when the edge saw it, within five seconds", async () => {
    const [near, far] = [
      await resolveRequestOf(await province.issue(), { outTradeNo: "near" }),
      await resolveRequestOf(await province.issue(), { outTradeNo: "far" }),
    ];
    province.clock.advance(59_000);
    const observedAtMs = province.clock.now();
    province.clock.advance(2_000);
    expect((await resolve({ ...near, observedAtMs })).json["ok"]).toBe(true);
    province.clock.advance(5_000);
    expect((await resolve({ ...far, observedAtMs })).json).toEqual({ ok: false, error: "codeExpired" });
  });

  it.each<[string, ErrorName, (request: ResolveRequest) => unknown]>([
    ["not JSON", "badRequest", () => undefined],
    ["an unknown field", "badRequest", (request) => ({ ...request, more: 1 })],
    ["another institution's transaction", "badRequest", (request) => ({ ...request, transactionId: `${OTHER_HOSPITAL}/1` })],
    [
      "a credential moved to another transaction",
      "badRequest",
      (request) => ({ ...request, outTradeNo: "zz", transactionId: `${HOSPITAL}/zz` }),
    ],
    [
      "a data key that does not open",
      "badRequest",
      (request) => ({ ...request, credential: { ...request.credential, wrappedKey: "AAAA" } }),
    ],
    ["another key handle", "badRequest", (request) => ({ ...request, credential: { ...request.credential, keyHandle: "code.sign/1" } })],
    ["an instant between two milliseconds", "badRequest", (request) => ({ ...request, observedAtMs: request.observedAtMs - 0.5 })],
    ["a terminal nobody filed", "terminalUnknown", (request) => ({ ...request, terminal: "T9" })],
  ])("refuses %s as %s and repeats nothing of it", async (_what, error, change) => {
    const code = await province.issue();
    const { json, genuine } = await resolve(change(await resolveRequestOf(code)));
    expect({ json, genuine }).toEqual({ json: { ok: false, error }, genuine: true });
  });

  it("refuses an institution that the edge does not serve", async () => {
    const { authKey } = valueOf(await province.core.access.registerEdge({ edgeId: "edge-3", serves: [OTHER_HOSPITAL] }, "operator/test"));
    const { json } = await resolve(await resolveRequestOf(await province.issue()), { edge: "edge-3", key: authKey });
    expect(json).toEqual({ ok: false, error: "institutionUnknown" });
  });
});

function asApp(more: Partial<PartnerProfile> = {}): PartnerProfile {
  return {
    appId: PARTNER.partnerAppId,
    appSecret: PARTNER.partnerSecret,
    dialect: "standard",
    signType: "SM2",
    encryption: "required",
    publicKeys: [],
    ...more,
  };
}

function fails(): Promise<never> {
  return Promise.reject(new Error("disk full"));
}

async function post(body: string, path = "/v1/rh.code.issue"): Promise<{ text: string; reply: OpenedReply }> {
  const response = await app.request(path, { method: "POST", body });
  expect(response.status).toBe(200);
  const text = await response.text();
  const platform = asApp({ publicKeys: [await province.keys.publicKey("platform.sign/1")] });
  return { text, reply: valueOf(openReply(province.crypto, text, platform, { nowMs: province.clock.now() })) };
}

describe("the channel API", () => {
  interface Asked {
    readonly orgId: string;
    readonly transType: string;
    readonly data: object;
    readonly partner: PartnerProfile;
    readonly privateKey: Uint8Array;
    readonly timestampMs: EventMs;
  }
  const asked = (more: Partial<Asked> = {}): Asked => ({
    orgId: APP,
    transType: "rh.code.issue",
    partner: asApp(),
    privateKey: province.partnerKeys.privateKey,
    timestampMs: province.clock.now(),
    data: {
      orgId: more.orgId ?? APP,
      appUserId: APP_USER,
      purpose: "settle",
      form: "signed",
    },
    ...more,
  });
  const sealed = (ask: Asked): Promise<string> =>
    sealRequest(province.crypto, { ...ask, version: "1.0.0" }, ask.partner, (message) => province.crypto.sm2Sign(ask.privateKey, message));
  it("issues a code, encrypted for the app alone", async () => {
    const { text, reply } = await post(await sealed(asked()));
    const code = String(reply.data["code"]);
    expect(valueOf(parseScannedCode(code, { appIdWidth: 9 })).kind).toBe("fused.signed");
    expect(reply.data["expiresAt"]).toMatch(/^\d{14}$/);
    expect(text).not.toContain(code);
    expect(lines.at(-1)).toMatchObject({ caller: APP, outcome: "ok" });
  });

  it("gives one code for one signed request, also after a restart", async () => {
    const body = await sealed(asked());
    expect((await post(body)).reply.code).toBe("0");
    expect((await post(body)).reply.code).toBe(ERRORS.requestReplayed.code);
    await province.reopen();
    app = createCoreApp({ ...province.core.ports, log: (line) => lines.push(line), onBug: (error) => bugs.push(error) });
    expect((await post(body)).reply.code).toBe(ERRORS.requestReplayed.code);
  });

  it.each<[string, ErrorName, () => Promise<string>]>([
    ["not an envelope", "badRequest", async () => "{}"],
    ["a duplicate key", "badRequest", async () => (await sealed(asked())).replace('"version"', '"orgId":"x","version"')],
    ["an app nobody registered", "channelUnknown", () => sealed(asked({ orgId: "6401Z0000" }))],
    ["a hospital", "channelUnknown", () => sealed(asked({ orgId: HOSPITAL }))],
    ["another key", "unauthorised", () => sealed(asked({ privateKey: province.crypto.sm2GenerateKeyPair().privateKey }))],
    ["a stale timestamp", "timestampOutside", () => sealed(asked({ timestampMs: (province.clock.now() - 301_000) as EventMs }))],
    ["another operation in the body", "badRequest", () => sealed(asked({ transType: "rh.settle" }))],
    ["an unknown field", "badRequest", () => sealed(asked({ data: { ...asked().data, more: "1" } }))],
    ["a wrong purpose", "badRequest", () => sealed(asked({ data: { ...asked().data, purpose: "pay" } }))],
    ["a user that is not bound", "credentialUnknown", () => sealed(asked({ data: { ...asked().data, appUserId: "nobody-9f8e" } }))],
    ["17 KiB", "bodyTooLarge", async () => "x".repeat(17 * 1024)],
  ])("refuses %s as %s in a signed reply that repeats nothing", async (_what, error, make) => {
    const { text, reply } = await post(await make());
    expect(reply).toMatchObject({ code: ERRORS[error].code, success: false });
    expect(text).not.toContain(APP_USER);
    expect(text).not.toContain("nobody-9f8e");
  });

  it("signs the same refusal once a second, so that a flood of garbage costs no signatures", async () => {
    let signatures = 0;
    const { sign } = province.core.ports;
    const counting = createCoreApp({
      ...province.core.ports,
      sign: (message) => {
        signatures++;
        return sign(message);
      },
    });
    const forged = await sealed(asked({ privateKey: province.crypto.sm2GenerateKeyPair().privateKey }));
    for (const body of ["{}", forged, "{}", forged, "x".repeat(17 * 1024), "x".repeat(17 * 1024)])
      await counting.request("/v1/rh.code.issue", { method: "POST", body });
    expect(signatures).toBe(3);
    province.clock.advance(1_000);
    await counting.request("/v1/rh.code.issue", { method: "POST", body: "{}" });
    expect(signatures).toBe(4);
  });

  it("refuses an unknown operation, a suspended app and too many calls", async () => {
    expect((await post(await sealed(asked({ transType: "rh.other" })), "/v1/rh.other")).reply.code).toBe(ERRORS.unknownAddress.code);
    const { access } = province.core;
    const slow = {
      ...PARTNER,
      ratePerSecond: 1,
      rateBurst: 2,
      appId: "6401A0002",
      name: "慢",
      publicKeys: [toHex(province.partnerKeys.publicKey)],
    };
    valueOf(await access.registerApp(slow, "operator/test"));
    const codes = [];
    for (let n = 0; n < 3; n++) codes.push((await post(await sealed(asked({ orgId: "6401A0002" })))).reply.code);
    expect(codes).toEqual([ERRORS.credentialUnknown.code, ERRORS.credentialUnknown.code, ERRORS.rateLimited.code]);
    valueOf(await access.setStatus(APP, "suspended", "operator/test"));
    expect((await post(await sealed(asked()))).reply.code).toBe(ERRORS.channelInactive.code);
    valueOf(await access.setStatus(APP, "active", "operator/test"));
  });

  it("answers a failing store with a signed -1 and tells the operator", async () => {
    const failing = { issueCode: fails, resolve: fails, revokeCode: fails };
    app = createCoreApp({ ...province.core.ports, vault: failing, onBug: (error) => bugs.push(error) });
    const { text, reply } = await post(await sealed(asked()));
    expect(reply.code).toBe("-1");
    expect(text).not.toContain("disk");
    expect(bugs.at(-1)?.message).toBe("disk full");
  });
});
