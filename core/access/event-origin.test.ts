import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ORIGIN_HEADERS, originKeyOf, type OriginRecord, withOrigin } from "../protocol/event-origin.ts";
import { utf8 } from "../protocol/bytes.ts";
import { EDGE, HOSPITAL, openProvince, OTHER_HOSPITAL, type Province, valueOf } from "../testing/province.ts";
import { createOriginCheck, type OriginCheck, type OriginRefusal } from "./event-origin.ts";

let province: Province;
let check: OriginCheck;
beforeAll(async () => {
  province = await openProvince();
  check = createOriginCheck({ crypto: province.crypto, access: province.core.access });
});
afterAll(async () => {
  await province.close();
});

const RECORD: OriginRecord = {
  topic: "settlement.request.submitted.v1",
  key: HOSPITAL,
  value: utf8('{"amount":"10.00"}'),
  headers: { ce_id: "e1", ce_source: `/ronghe/edge/${EDGE}` },
};
const signed = (over: Partial<OriginRecord> = {}, secret = province.edgeKey): OriginRecord =>
  withOrigin(province.crypto, originKeyOf(province.crypto, secret), { ...RECORD, ...over });
const without = (name: string): OriginRecord => {
  const record = signed();
  return { ...record, headers: Object.fromEntries(Object.entries(record.headers).filter(([key]) => key !== name)) };
};
const ask = async (record: OriginRecord, claim = { edge: EDGE, institution: HOSPITAL }) =>
  await check.check(record, claim, province.clock.now());

describe("an event's origin", () => {
  it("holds for what an active edge signed for an institution it serves", async () => {
    expect(await ask(signed())).toEqual({ ok: true, value: undefined });
    const traced = signed();
    expect((await ask({ ...traced, headers: { ...traced.headers, traceparent: "00-1-2-01" } })).ok).toBe(true);
  });

  it.each<[string, OriginRefusal, () => OriginRecord]>([
    ["without a key id", "originMissing", () => without(ORIGIN_HEADERS.key)],
    ["without a MAC", "originMissing", () => without(ORIGIN_HEADERS.mac)],
    ["under a key that the core does not know", "originKeyUnknown", () => signed({}, new Uint8Array(32))],
    ["with another value", "originForged", () => ({ ...signed(), value: utf8('{"amount":"99.00"}') })],
    ["on another topic", "originForged", () => ({ ...signed(), topic: "code.scan.observed.v1" })],
    ["under another record key", "originForged", () => ({ ...signed(), key: OTHER_HOSPITAL })],
    ["under another event id", "originForged", () => ({ ...signed(), headers: { ...signed().headers, ce_id: "e2" } })],
    ["from another source", "originForged", () => ({ ...signed(), headers: { ...signed().headers, ce_source: "/ronghe/edge/x" } })],
    ["with half a MAC", "originForged", () => ({ ...signed(), headers: { ...signed().headers, [ORIGIN_HEADERS.mac]: "00" } })],
    ["signed for one institution and speaking for another", "originInstitution", () => signed({ key: OTHER_HOSPITAL })],
  ])("fails %s as %s", async (_what, error, make) => {
    expect(await ask(make())).toEqual({ ok: false, error });
  });

  it("fails for an edge that nobody registered", async () => {
    expect(await ask(signed(), { edge: "edge-0", institution: HOSPITAL })).toEqual({ ok: false, error: "originEdgeUnknown" });
  });

  it("fails for an institution that the edge does not serve, and for one that does not exist", async () => {
    const { authKey } = valueOf(await province.core.access.registerEdge({ edgeId: "edge-2", serves: [OTHER_HOSPITAL] }, "operator/test"));
    const record = signed({}, authKey);
    expect(await ask(record, { edge: "edge-2", institution: HOSPITAL })).toEqual({ ok: false, error: "originInstitution" });
    expect(await ask(signed({ key: "H0" }), { edge: EDGE, institution: "H0" })).toEqual({ ok: false, error: "originInstitution" });
  });

  it("fails for one edge's key in another's name", async () => {
    const { authKey } = valueOf(await province.core.access.registerEdge({ edgeId: "edge-3" }, "operator/test"));
    expect(await ask(signed({}, authKey))).toEqual({ ok: false, error: "originKeyUnknown" });
  });

  it("fails from the moment the edge is suspended", async () => {
    const { access } = province.core;
    valueOf(await access.setEdgeStatus(EDGE, "suspended", "operator/test"));
    expect(await ask(signed())).toEqual({ ok: false, error: "originEdgeSuspended" });
    valueOf(await access.setEdgeStatus(EDGE, "active", "operator/test"));
    expect((await ask(signed())).ok).toBe(true);
  });

  it("holds under the secret before while a new one is introduced, and no longer", async () => {
    const waiting = signed();
    const { authKey } = valueOf(await province.core.access.edges.rotate(EDGE, 60_000, "operator/test"));
    expect((await ask(waiting)).ok).toBe(true);
    expect((await ask(signed({}, authKey))).ok).toBe(true);
    province.clock.advance(60_000);
    expect(await ask(waiting)).toEqual({ ok: false, error: "originKeyUnknown" });
    expect((await ask(signed({}, authKey))).ok).toBe(true);
  });

  it("fails under what was cut from one place and pasted into another: every part has its length", () => {
    const { crypto } = province;
    const key = originKeyOf(crypto, province.edgeKey);
    const macs = ["a\n1:b", "a"].map(
      (topic, at) => withOrigin(crypto, key, { ...RECORD, topic, key: at === 0 ? "c" : "b\n1:c" }).headers[ORIGIN_HEADERS.mac],
    );
    expect(macs[0]).not.toBe(macs[1]);
  });
});
