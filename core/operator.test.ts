/** Orders of operators to a running core: sealed under its own key store, once, and each an entry of the registry. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AccessCommand } from "./access/commands.ts";
import { KEY_HANDLES } from "./key-handles.ts";
import { OPERATOR, PERFORM_PATH } from "./http/operator-routes.ts";
import { toHex, utf8 } from "./protocol/bytes.ts";
import { signInternalRequest } from "./protocol/internal-auth.ts";
import { openAnswer, openOrder, OPERATOR_PATH, type Order, sealAnswer, sealOrder } from "./protocol/operator.ts";
import { createCoreApp } from "./server.ts";
import { APP, EDGE, HOSPITAL, openProvince, type Province, TERMINAL } from "./testing/province.ts";

let province: Province;
let app: ReturnType<typeof createCoreApp>;
/** What the books were asked to do. */
const performed: unknown[] = [];
const books = {
  operator: {
    key: new Uint8Array(32).fill(9),
    perform: (request: unknown) => {
      performed.push(request);
      return Promise.resolve({ ok: true });
    },
  },
};
beforeAll(async () => {
  province = await openProvince();
  app = createCoreApp({ ...province.core.ports, ...books });
});
/** A core that begins again on the same files, in front of the same callers. */
async function restart(): Promise<void> {
  await province.reopen();
  app = createCoreApp({ ...province.core.ports, ...books });
}
afterAll(async () => {
  await province.close();
});

function orderOf(command: unknown, over: Partial<Order> = {}): Order {
  return { nonce: toHex(province.crypto.random(16)), atMs: province.clock.now(), by: "operator/li", command, ...over };
}
const post = async (sealed: string): Promise<Response> => await app.request(OPERATOR_PATH, { method: "POST", body: sealed });
const seal = (order: Order): Promise<string> => sealOrder(province.keys, KEY_HANDLES.operator, order);

async function ask(command: AccessCommand | object) {
  const order = orderOf(command);
  const answer = await openAnswer(province.keys, KEY_HANDLES.operator, await (await post(await seal(order))).text(), order.nonce);
  if (answer === undefined) throw new Error("no answer to this order");
  return answer.result;
}

describe("an order", () => {
  it("suspends an edge and lets it in again, as the list shows, under the operator's name", async () => {
    expect(await ask({ do: "edge.status", edgeId: EDGE, status: "suspended" })).toEqual({ ok: true, value: {} });
    expect(await ask({ do: "edge.list" })).toMatchObject({
      ok: true,
      value: { edges: [{ edgeId: EDGE, status: "suspended", serves: null }] },
    });
    expect(await ask({ do: "edge.status", edgeId: EDGE, status: "active" })).toEqual({ ok: true, value: {} });
    const rows = await province.core.registry.db.read("SELECT bytes FROM leaf WHERE kind = 'access.edge.changed'");
    expect(rows).toHaveLength(2);
    for (const row of rows) expect(Buffer.from(row["bytes"] as ArrayBuffer).includes("operator/li")).toBe(true);
  });

  it.each<[string, AccessCommand]>([
    ["suspends a partner", { do: "partner.status", orgId: APP, status: "suspended" }],
    ["lets a partner in", { do: "partner.status", orgId: APP, status: "active" }],
    ["suspends a terminal", { do: "terminal.status", orgId: HOSPITAL, termId: TERMINAL, status: "suspended" }],
    [
      "sets an offline allowance",
      { do: "partner.offline", orgId: HOSPITAL, allowance: { amountMaxFen: "1", totalMaxFen: "2", forMs: 3, ageMaxMs: 4 } },
    ],
    ["draws a partner's secret", { do: "partner.secret", orgId: HOSPITAL, partnerSecret: "A".repeat(32), overlapMs: 1_000 }],
    ["announces a code key", { do: "key.add", purpose: "code" }],
    ["lists keys", { do: "key.list", purpose: "code" }],
    ["retires a key", { do: "key.retire", handle: "code.sign/1" }],
    ["gives an edge a secret", { do: "edge.rotate", edgeId: EDGE, overlapMs: 0 }],
  ])("%s", async (_what, command) => {
    expect((await ask(command)).ok).toBe(true);
  });

  it("adds and retires a partner's key", async () => {
    const publicKey = toHex(province.crypto.sm2GenerateKeyPair().publicKey);
    expect(await ask({ do: "partner.key", orgId: HOSPITAL, publicKey, change: "add" })).toEqual({ ok: true, value: {} });
    expect(province.core.access.institution(HOSPITAL)?.publicKeys[0]).toBe(publicKey);
    expect(await ask({ do: "partner.key", orgId: HOSPITAL, publicKey, change: "retire" })).toEqual({ ok: true, value: {} });
  });

  it("announces a code key a bundle's life ahead, so that no edge that serves lacks it", async () => {
    const added = await ask({ do: "key.add", purpose: "code" });
    const { key } = (added.ok ? added.value : {}) as { key: { addedAtMs: number; activeFromMs: number } };
    expect(key.activeFromMs - key.addedAtMs).toBe(24 * 3_600_000);
  });

  it("is refused with its reason, and what is no command is a bad request", async () => {
    expect(await ask({ do: "edge.status", edgeId: "edge-0", status: "active" })).toEqual({ ok: false, error: "edgeUnknown" });
    expect(await ask({ do: "edge.delete", edgeId: EDGE })).toEqual({ ok: false, error: "badRequest" });
    expect(await ask({ do: "edge.list", more: true })).toEqual({ ok: false, error: "badRequest" });
  });
});

describe("what is no order of an operator, now", () => {
  it.each<[string, () => Promise<string>]>([
    ["garbage", () => Promise.resolve("aGVsbG8=")],
    ["nothing", () => Promise.resolve("")],
    ["an order under another key of the store", () => sealOrder(province.keys, KEY_HANDLES.ecToken, orderOf({ do: "edge.list" }))],
    [
      "an answer sent back as an order",
      () => sealAnswer(province.keys, KEY_HANDLES.operator, { nonce: "0".repeat(32), result: { ok: true, value: {} } }),
    ],
    ["an old order", () => seal(orderOf({ do: "edge.list" }, { atMs: province.clock.now() - 60_001 }))],
    ["an order from ahead", () => seal(orderOf({ do: "edge.list" }, { atMs: province.clock.now() + 60_001 }))],
    ["an order by somebody without a name", () => seal(orderOf({ do: "edge.list" }, { by: "core" }))],
  ])("%s is turned away without a word", async (_what, make) => {
    const response = await post(await make());
    expect(response.status).toBe(401);
    expect(await response.json()).toEqual({ error: "unauthorised" });
  });

  it("the same order again is turned away", async () => {
    const sealed = await seal(orderOf({ do: "edge.list" }));
    expect([(await post(sealed)).status, (await post(sealed)).status]).toEqual([200, 401]);
  });

  it("the same order again is turned away after a restart too, while it would still be in time", async () => {
    const order = orderOf({ do: "edge.status", edgeId: EDGE, status: "suspended" });
    const sealed = await seal(order);
    expect((await post(sealed)).status).toBe(200);
    await ask({ do: "edge.status", edgeId: EDGE, status: "active" });
    await restart();
    province.clock.advance(30_000);
    expect((await post(sealed)).status).toBe(401);
    expect(province.core.access.edge(EDGE)?.status).toBe("active");
  });

  it("an order that does not open, or is too old, uses up no nonce", async () => {
    const order = orderOf({ do: "edge.list" });
    const old = await seal({ ...order, atMs: province.clock.now() - 60_001 });
    const other = await sealOrder(province.keys, KEY_HANDLES.ecToken, order);
    expect([(await post(old)).status, (await post(other)).status]).toEqual([401, 401]);
    expect((await post(await seal(order))).status).toBe(200);
  });

  it("an answer to another order is no answer", async () => {
    const order = orderOf({ do: "edge.list" });
    const answer = await (await post(await seal(order))).text();
    expect(await openAnswer(province.keys, KEY_HANDLES.operator, answer, "f".repeat(32))).toBeUndefined();
    expect(await openOrder(province.keys, KEY_HANDLES.operator, answer)).toBeUndefined();
    expect(answer).not.toContain(EDGE);
  });
});

async function perform(headers: Record<string, string>, body: string): Promise<Response> {
  return await app.request(PERFORM_PATH, { method: "POST", headers, body });
}

describe("work on the books", () => {
  it("is carried out once for each signed call, also when the core was restarted in between", async () => {
    const body = '{"do":"case.assign"}';
    const request = { edge: OPERATOR, method: "POST", path: PERFORM_PATH, body: utf8(body) };
    const { headers } = signInternalRequest(province.crypto, books.operator.key, request, province.clock.now());
    expect((await perform(headers, body)).status).toBe(200);
    expect((await perform(headers, body)).status).toBe(401);
    await restart();
    const again = await perform(headers, body);
    expect([again.status, await again.json()]).toEqual([401, { ok: false, error: "requestReplayed" }]);
    expect(performed).toEqual([{ do: "case.assign" }]);
  });
});
