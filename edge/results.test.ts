import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { utf8, utf8Text } from "../core/protocol/bytes.ts";
import { settlementId } from "../core/protocol/settlement-id.ts";
import { encodeEvent } from "../streams/contracts/codec.ts";
import { startPlatform, type TestPlatform } from "./testing/platform.ts";

let p: TestPlatform;
beforeEach(async () => {
  p = await startPlatform();
});
afterEach(async () => {
  await p.stop();
  await p.remove();
});

const HASH = "aa".repeat(32);
const OTHER_HASH = "bb".repeat(32);

const outcome = (outTradeNo: string, requestHash = HASH) => ({
  settlementId: settlementId(p.crypto, "H1", outTradeNo),
  institution: "H1",
  terminal: "T1",
  businessType: "01301",
  outTradeNo,
  requestHash,
  atMs: p.clock.now(),
  person: "cd".repeat(32),
  amount: "5.00",
});
const awaited = (outTradeNo: string) => ({ institution: "H1", settlementId: settlementId(p.crypto, "H1", outTradeNo), requestHash: HASH });
const legs = [{ rail: "bank" as const, fundSource: "cash", amount: "5.00" }];

async function untilKnown(outTradeNo: string, requestHash = HASH): Promise<void> {
  await expect.poll(() => p.results.find("H1", outTradeNo, requestHash)).toBeDefined();
}

describe("outcomes from the bus", () => {
  test("are found by number, with amounts, legs and receipt", async () => {
    await p.publish("settlement.claim.settled.v1", { ...outcome("A1"), legs, receipt: "the receipt" });
    await untilKnown("A1");
    const { settlementId: id } = outcome("A1");
    expect(await p.results.find("H1", "A1")).toEqual({
      outTradeNo: "A1",
      settlementId: id,
      status: "settled",
      amount: "5.00",
      legs,
      receipt: "the receipt",
    });
    expect(await p.results.find("H2", "A1")).toBeUndefined();
  });

  test("of a refused bill name what a payer keeps of it, and nothing where none does", async () => {
    const refused = { action: "settle", refusal: "payerRefused" } as const;
    await p.publish("settlement.claim.refused.v1", { ...outcome("A1"), ...refused, kept: legs });
    await p.publish("settlement.claim.refused.v1", { ...outcome("A2"), ...refused });
    await untilKnown("A1");
    await untilKnown("A2");
    expect(await p.results.find("H1", "A1")).toMatchObject({ status: "refused", refusalCode: "600040", kept: legs });
    expect(await p.results.find("H1", "A2")).not.toHaveProperty("kept");
  });

  test("unknown gives way to a final one, and never replaces it", async () => {
    await p.publish("settlement.claim.unknown.v1", { ...outcome("A1"), rail: "bank" });
    await untilKnown("A1");
    expect((await p.results.find("H1", "A1"))?.status).toBe("unknown");
    await p.publish("settlement.claim.settled.v1", { ...outcome("A1"), legs });
    await expect.poll(async () => (await p.results.find("H1", "A1"))?.status).toBe("settled");
    await p.publish("settlement.claim.unknown.v1", { ...outcome("A1"), rail: "bank" });
    await p.publish("settlement.claim.unknown.v1", { ...outcome("A2"), rail: "bank" });
    await untilKnown("A2");
    expect((await p.results.find("H1", "A1"))?.status).toBe("settled");
  });

  test("a conflict belongs to its own content and does not hide what stands under the number", async () => {
    await p.publish("settlement.claim.refused.v1", { ...outcome("A1", OTHER_HASH), action: "settle", refusal: "idempotencyConflict" });
    await p.publish("settlement.claim.settled.v1", { ...outcome("A1"), legs });
    await untilKnown("A1");
    await untilKnown("A1", OTHER_HASH);
    expect((await p.results.find("H1", "A1"))?.status).toBe("settled");
    expect(await p.results.find("H1", "A1", OTHER_HASH)).toMatchObject({ status: "refused", refusalCode: "600030" });
  });

  test("a conflict alone is no outcome of the number: the first content may still be paid", async () => {
    await p.publish("settlement.claim.refused.v1", { ...outcome("A1", OTHER_HASH), action: "settle", refusal: "idempotencyConflict" });
    await untilKnown("A1", OTHER_HASH);
    expect(await p.results.find("H1", "A1")).toBeUndefined();
  });

  test("a refusal of a newer core that has no name here is refused all the same", async () => {
    await p.publish("settlement.claim.refused.v1", { ...outcome("A1"), action: "settle", refusal: "refusalOfTomorrow" });
    await untilKnown("A1");
    expect(await p.results.find("H1", "A1")).toMatchObject({ status: "refused", refusalCode: "-1" });
  });

  test("a leg of a payer that this edge does not know is shown with its amount, its payer as unknown", async () => {
    const key = "H1";
    const event = { id: "e1", type: "settlement.claim.settled.v1", source: "/ronghe/core/settlement", timeMs: 1, key } as const;
    const record = encodeEvent({ ...event, data: { ...outcome("A1"), legs } });
    await p.bus.publish([{ ...record, value: utf8((utf8Text(record.value) ?? "").replace('"rail":"bank"', '"rail":"added.later"')) }]);
    await untilKnown("A1");
    expect(await p.results.find("H1", "A1")).toMatchObject({ status: "settled", amount: "5.00", legs: [{ ...legs[0], rail: "unknown" }] });
  });

  test("a record that is no event is passed over and counted", async () => {
    await p.bus.publish([{ topic: "settlement.claim.settled.v1", key: "H1", value: new Uint8Array([1]), headers: {} }]);
    await p.publish("settlement.claim.settled.v1", { ...outcome("A1"), legs });
    await untilKnown("A1");
    expect(await p.db.read("SELECT count(*) AS n FROM result")).toMatchObject([{ n: 1n }]);
    expect(p.results.leftOut?.()).toBe(1);
  });

  test("are kept over a restart, and reading goes on where it stopped", async () => {
    await p.publish("settlement.claim.settled.v1", { ...outcome("A1"), legs });
    await untilKnown("A1");
    await p.stop();
    p = await startPlatform({ resume: p });
    expect((await p.results.find("H1", "A1"))?.status).toBe("settled");
    await p.db.write([{ sql: "DELETE FROM result", args: [] }]);
    await p.publish("settlement.claim.settled.v1", { ...outcome("A2"), legs });
    await untilKnown("A2");
    expect(await p.results.find("H1", "A1")).toBeUndefined();
  });
});

describe("waiting", () => {
  test("ends with the outcome for everyone who waits, and at once for who comes later", async () => {
    const waiting = Promise.all([p.results.wait(awaited("A1"), 20_000), p.results.wait(awaited("A1"), 20_000)]);
    await p.publish("settlement.claim.refunded.v1", { ...outcome("A1"), legs, originalSettlementId: "rs0", originalSettledAtMs: 1 });
    expect((await waiting).map((reply) => reply?.status)).toEqual(["refunded", "refunded"]);
    expect((await p.results.wait(awaited("A1"), 20_000))?.status).toBe("refunded");
  });

  test("ends without one when the time is over, and when the edge stops", async () => {
    expect(await p.results.wait(awaited("A1"), 5)).toBeUndefined();
    const waiting = p.results.wait(awaited("A1"), 20_000);
    p.results.release();
    expect(await waiting).toBeUndefined();
  });
});
