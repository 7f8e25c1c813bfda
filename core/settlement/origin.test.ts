/** Requests that nobody in force proved: put aside, recorded, told, and nothing done. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { OriginCheck, OriginRefusal } from "../access/event-origin.ts";
import { TEST_ORIGIN } from "../access/testing/origin.ts";
import { ORIGIN_HEADERS, withOrigin } from "../protocol/event-origin.ts";
import { utf8Text } from "../protocol/bytes.ts";
import { refused } from "../protocol/result.ts";
import type { BusRecord } from "../../streams/bus/port.ts";
import { decodeEvent } from "../../streams/contracts/codec.ts";
import { rejectedFor } from "./origin.ts";
import { enrol, openRig, type Rig } from "./testing/rig.ts";
import { INSTITUTION, bareRequest, type Running } from "./testing/room.ts";

let rig: Rig;
let running: Running;
beforeEach(async () => {
  rig = await openRig();
  running = await rig.start();
  await enrol(rig, "p1", { bank: {} });
});
afterEach(async () => {
  await running.stop();
  await rig.close();
});

const forged: readonly (readonly [string, string, (genuine: BusRecord) => BusRecord])[] = [
  ["without an origin", "originMissing", (genuine) => ({ ...genuine, headers: withoutOrigin(genuine.headers) })],
  [
    "signed by somebody else",
    "originKeyUnknown",
    (genuine) => withOrigin(rig.crypto, { id: "11".repeat(8), key: new Uint8Array(32) }, genuine),
  ],
  [
    "changed after it was signed",
    "originForged",
    (genuine) => ({ ...genuine, value: new TextEncoder().encode((utf8Text(genuine.value) ?? "").replace('"100.00"', '"1.00"')) }),
  ],
];

function withoutOrigin(headers: BusRecord["headers"]): BusRecord["headers"] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name !== ORIGIN_HEADERS.mac && name !== ORIGIN_HEADERS.key));
}

describe("a request", () => {
  test.each(forged)("%s is quarantined with an entry, a dead letter and a finding, and moves nothing", async (_what, reason, forge) => {
    const genuine = withOrigin(rig.crypto, TEST_ORIGIN, bareRequest(rig.crypto, { outTradeNo: "forged" }));
    await rig.bus.publish([forge(genuine)]);
    await rig.submit({ outTradeNo: "honest" });
    await running.worker.drained();

    const [letter, ...more] = await rig.bus.read("settlement.request.submitted.dlq.v1", 0, 0n, 10);
    expect(more).toEqual([]);
    expect(letter?.headers).toMatchObject({ dlq_offset: "0", dlq_error: reason, dlq_consumer: "core-settlement" });
    const [finding, ...others] = await rig.bus.read("settlement.request.rejected.v1", 0, 0n, 10);
    expect(others).toEqual([]);
    expect(finding === undefined ? undefined : decodeEvent(finding, "settlement.request.rejected.v1")).toMatchObject({
      ok: true,
      value: { key: INSTITUTION, data: { institution: INSTITUTION, edge: "test", action: "settle", reason, partition: 0, offset: "0" } },
    });
    expect((await rig.outcomes()).map(({ type, data }) => [type, data.outTradeNo])).toEqual([["settlement.claim.settled.v1", "honest"]]);
    expect(await running.shard.find(INSTITUTION, "forged")).toBeUndefined();
    expect((await rig.audit()).verdict).toBe("verified");
  });

  test("forged five hundred times makes one entry and not five hundred, and every dead letter stands", async () => {
    await rig.submit({ outTradeNo: "first" });
    await running.worker.drained();
    const { size } = await rig.audit();
    await rig.bus.publish(Array.from({ length: 500 }, (_, n) => bareRequest(rig.crypto, { outTradeNo: `forged-${n}` })));
    await running.worker.drained();
    expect((await rig.audit()).size - size).toBe(1n);
    expect(await rig.bus.read("settlement.request.submitted.dlq.v1", 0, 0n, 1_000)).toHaveLength(500);
    await running.stop();
    running = await rig.start();
    await rig.submit({ outTradeNo: "honest" });
    await running.worker.drained();
    expect((await rig.audit()).verdict).toMatch(/^verified/);
    expect(await rig.leavesDiffer()).toEqual([]);
  });

  test("of an edge that there is not has no name of its own among the sources: whoever invents names makes no entries", async () => {
    const [record, nowMs] = [bareRequest(rig.crypto, {}), rig.clock.now()];
    const delivered = { ...record, partition: 0, offset: 0n, timestampMs: nowMs };
    const event = decodeEvent(delivered, "settlement.request.submitted.v1");
    if (!event.ok) throw new Error("the request cannot be read");
    const sourceFor = async (why: OriginRefusal) => {
      const origin: OriginCheck = { check: () => Promise.resolve(refused(why)) };
      return (await rejectedFor(origin, delivered, event.value, nowMs))?.source;
    };
    expect([await sourceFor("originEdgeUnknown"), await sourceFor("originForged")]).toEqual(["unknown", "test"]);
  });

  test("put aside once is put aside once, also when it is delivered again after a restart", async () => {
    await rig.bus.publish([bareRequest(rig.crypto, { outTradeNo: "forged" })]);
    await running.worker.drained();
    await running.stop();
    running = await rig.start();
    await rig.submit({ outTradeNo: "honest" });
    await running.worker.drained();
    expect(await rig.bus.read("settlement.request.rejected.v1", 0, 0n, 10)).toHaveLength(1);
    expect(await rig.bus.read("settlement.request.submitted.dlq.v1", 0, 0n, 10)).toHaveLength(1);
  });
});
