/** The doors of the core before anybody is proven: what a stranger can make it do. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toHex, utf8 } from "../protocol/bytes.ts";
import { openReply, type PartnerProfile, sealRequest } from "../protocol/envelope.ts";
import { ERRORS } from "../protocol/errors.ts";
import { INTERNAL_HEADERS, signInternalRequest } from "../protocol/internal-auth.ts";
import { type CallLine, createCoreApp } from "../server.ts";
import { APP, APP_USER, EDGE, openProvince, PARTNER, type Province, valueOf } from "../testing/province.ts";

let province: Province;
beforeAll(async () => {
  province = await openProvince();
});
afterAll(() => province.close());

const lines: CallLine[] = [];
let source = "";
let serial = 0;
/** A core whose calls come from a source that nothing is known of. */
function freshCore(): ReturnType<typeof createCoreApp> {
  lines.length = 0;
  source = `203.0.113.${++serial}`;
  return createCoreApp({ ...province.core.ports, sourceOf: () => source, log: (line) => lines.push(line) });
}

/** A body that tells whether anybody looked at it. */
function untouched(): { readonly body: ReadableStream; readonly reads: () => number } {
  let reads = 0;
  const body = new ReadableStream({ pull: (controller) => void (reads++, controller.enqueue(utf8("x"))) }, { highWaterMark: 0 });
  return { body, reads: () => reads };
}
const post = async (
  app: ReturnType<typeof createCoreApp>,
  path: string,
  body: string | ReadableStream,
  headers: Record<string, string> = {},
): Promise<Response> =>
  await app.request(new Request(`http://core${path}`, { method: "POST", body, headers, duplex: "half" } as RequestInit));

const partner = async (appSecret: string = PARTNER.partnerSecret): Promise<PartnerProfile> => ({
  appId: PARTNER.partnerAppId,
  appSecret,
  dialect: "standard",
  signType: "SM2",
  encryption: "required",
  publicKeys: [await province.keys.publicKey("platform.sign/1")],
});
async function envelope(appSecret?: string): Promise<string> {
  const { crypto, clock, partnerKeys } = province;
  const data = { orgId: APP, appUserId: APP_USER, purpose: "settle", form: "signed" };
  const request = { orgId: APP, transType: "rh.code.issue", version: "1.0.0", data, timestampMs: clock.now() };
  return await sealRequest(crypto, request, await partner(appSecret), (message) => crypto.sm2Sign(partnerKeys.privateKey, message));
}

const DOORS = {
  "/internal/v1/resolve": "{}",
  "/ingest": "{}",
  "/operator/v1/access": "not an order",
  "/v1/rh.code.issue": "garbage",
} as const;

describe.each(Object.entries(DOORS))("at %s", (path, garbage) => {
  test("a source that floods is turned away before its body is read, with Retry-After and one log line a second", async () => {
    const app = freshCore();
    let answer = await post(app, path, garbage);
    for (let n = 0; n < 1_100 && answer.headers.get("retry-after") === null; n++) answer = await post(app, path, garbage);
    const { body, reads } = untouched();
    const told = lines.length;
    const turned = await post(app, path, body);
    for (let n = 0; n < 20; n++) await post(app, path, garbage);
    expect(turned.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    expect(turned.status).toBe(path.startsWith("/v1/") ? 200 : 429);
    expect(reads()).toBe(0);
    expect(lines.length).toBe(told);
    expect(lines.at(-1)).toMatchObject({ outcome: "rateLimited", alike: 0 });
    province.clock.advance(1_000);
    source = "198.51.100.1";
    expect((await post(app, path, garbage)).headers.get("retry-after")).toBeNull();
  });
});

describe("a flood", () => {
  test("at one door is known at the others, and a proven edge or app behind the same address is heard", async () => {
    const app = freshCore();
    const body = await envelope();
    expect(await (await post(app, "/v1/rh.code.issue", body)).text()).toContain('"code":"0"');
    for (let n = 0; n < 110; n++) await post(app, "/ingest", "{}");
    expect((await post(app, "/ingest", "{}")).status).toBe(401);
    source = "198.51.100.2";
    for (let n = 0; n < 110; n++) await post(app, "/ingest", "{}");
    expect((await post(app, "/internal/v1/resolve", "{}")).status).toBe(429);
  });
});

const signed = (over: { readonly edge?: string; readonly atMs?: number } = {}): Record<string, string> => {
  const { crypto, clock, edgeKey } = province;
  const request = { edge: over.edge ?? EDGE, method: "POST", path: "/ingest", body: utf8("{}") };
  return { ...signInternalRequest(crypto, edgeKey, request, (over.atMs ?? clock.now()) as ReturnType<typeof clock.now>).headers };
};
describe("of a call to /ingest, headers are judged before a byte of the body is read:", () => {
  test.each<[string, number, () => Record<string, string>]>([
    ["none", 401, () => ({})],
    ["an edge that is not registered", 401, () => signed({ edge: "edge-77" })],
    ["an old instant", 401, () => signed({ atMs: province.clock.now() - 120_001 })],
    ["a malformed signature", 401, () => ({ ...signed(), [INTERNAL_HEADERS.signature]: "00" })],
    ["a length above what is taken", 413, () => ({ ...signed(), "content-length": String(2 * 1024 * 1024) })],
  ])("%s", async (_what, status, headers) => {
    const { body, reads } = untouched();
    expect((await post(freshCore(), "/ingest", body, headers())).status).toBe(status);
    expect(reads()).toBe(0);
  });

  test("a nonce that came before", async () => {
    const app = freshCore();
    const headers = signed();
    await post(app, "/ingest", "{}", headers);
    const { body, reads } = untouched();
    expect(await (await post(app, "/ingest", body, headers)).json()).toEqual({ ok: false, error: "requestReplayed" });
    expect(reads()).toBe(0);
  });
});

test("a refusal at the channel address is signed under the secret that was used, though one under the other was given in the same second", async () => {
  const app = freshCore();
  const after = toHex(province.crypto.random(16));
  valueOf(await province.core.access.rotatePartnerSecret(APP, { partnerSecret: after, overlapMs: 60_000 }, "operator/test"));
  for (const secret of [PARTNER.partnerSecret, after, PARTNER.partnerSecret]) {
    const body = await envelope(secret);
    await post(app, "/v1/rh.code.issue", body);
    const replayed = await (await post(app, "/v1/rh.code.issue", body)).text();
    const opened = openReply(province.crypto, replayed, await partner(secret), { nowMs: province.clock.now() });
    expect(valueOf(opened).code).toBe(ERRORS.requestReplayed.code);
  }
});
