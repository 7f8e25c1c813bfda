import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { encodeEvent } from "../../streams/contracts/codec.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { settlementId } from "../protocol/settlement-id.ts";
import { utf8 } from "../protocol/bytes.ts";
import { enrol, INSTITUTION, openRig, type Outcome, type Rig, type Running } from "./testing/rig.ts";

let rig: Rig;
let running: Running;
beforeEach(async () => {
  rig = await openRig();
  running = await rig.start();
});
afterEach(async () => {
  await running.stop();
  expect(await rig.leavesDiffer()).toEqual([]);
  await rig.close();
});

async function outcomeOf(outTradeNo: string): Promise<readonly Outcome[]> {
  return (await rig.outcomes()).filter(({ data }) => data.outTradeNo === outTradeNo);
}
async function decided(): Promise<void> {
  await running.worker.drained();
}
function legsOf(outcome: Outcome | undefined): string {
  if (outcome === undefined || !("legs" in outcome.data)) return "";
  return outcome.data.legs.map((leg) => `${leg.rail}.${leg.fundSource} ${leg.amount}`).join(", ");
}

describe("a bill", () => {
  test("is split over insurance, commercial insurer and bank, with a receipt that verifies offline", async () => {
    await enrol(rig, "p1", { insurance: { personalAccount: "5.00" }, commercial: {}, bank: {} });
    await rig.submit({ amount: "100.00" });
    await decided();
    const [outcome, ...more] = await outcomeOf("no-1");
    expect(more).toEqual([]);
    expect(outcome?.type).toBe("settlement.claim.settled.v1");
    expect(outcome?.data.settlementId).toBe(settlementId(rig.crypto, INSTITUTION, "no-1"));
    expect(legsOf(outcome)).toBe(
      "insurance.hifp_pay 60.00, insurance.acct_pay 5.00, commercial.commercial_claim 17.50, bank.psn_cash_pay 17.50",
    );
    expect(rig.isReceipt(outcome?.data.receipt)).toBe(true);
    expect(await rig.balance("bank", "b-p1")).toMatchObject({ balance: "982.50" });
    expect(await rig.audit()).toEqual({ verdict: "verified", size: 4n });
  });

  test.each([
    ["a person with a bank account only", { bank: {} }, "bank.psn_cash_pay 100.00"],
    ["a person insured in full", { insurance: { sharePercent: 100 }, bank: {} }, "insurance.hifp_pay 100.00"],
    ["an insurer below its deductible", { insurance: { deductible: "500.00" }, bank: {} }, "bank.psn_cash_pay 100.00"],
    ["an insurer at its ceiling", { insurance: { ceiling: "10.01" }, bank: {} }, "insurance.hifp_pay 10.01, bank.psn_cash_pay 89.99"],
    [
      "serious illness and assistance funds",
      { insurance: { sharePercent: 33.33, seriousIllnessPercent: 33.33, assistancePercent: 33.33 }, bank: {} },
      "insurance.hifp_pay 33.33, insurance.hifmi_pay 33.33, insurance.maf_pay 33.33, bank.psn_cash_pay 0.01",
    ],
    [
      "no bank account where the insurers pay all",
      { insurance: {}, commercial: { sharePercent: 100 } },
      "insurance.hifp_pay 60.00, commercial.commercial_claim 40.00",
    ],
  ])("of %s is paid to the fen", async (_, seeds, legs) => {
    await enrol(rig, "p1", seeds);
    await rig.submit({ amount: "100.00" });
    await decided();
    const [outcome] = await outcomeOf("no-1");
    expect(legsOf(outcome)).toBe(legs);
  });

  test("leaves balances that are the sums of its transfers, payer and institution opposite, per fund source", async () => {
    await enrol(rig, "p1", { insurance: { personalAccount: "5.00" }, commercial: {}, bank: {} });
    await rig.submit({ amount: "100.00" });
    await decided();
    const balances = await running.shard.balances();
    expect(balances.map(({ account, posted, pending }) => [account, posted, pending])).toEqual([
      [`institution/${INSTITUTION}/bank/000000/psn_cash_pay`, 1750n, 0n],
      [`institution/${INSTITUTION}/commercial/000000/commercial_claim`, 1750n, 0n],
      [`institution/${INSTITUTION}/insurance/510104/acct_pay`, 500n, 0n],
      [`institution/${INSTITUTION}/insurance/510104/hifp_pay`, 6000n, 0n],
      ["payer/bank/000000/psn_cash_pay", -1750n, 0n],
      ["payer/commercial/000000/commercial_claim", -1750n, 0n],
      ["payer/insurance/510104/acct_pay", -500n, 0n],
      ["payer/insurance/510104/hifp_pay", -6000n, 0n],
    ]);
  });

  test("keeps the sealed credential only until the payers answered", async () => {
    await enrol(rig, "p1", { bank: {} });
    await rig.submit({ amount: "100.00" });
    await decided();
    expect((await running.shard.find(INSTITUTION, "no-1"))?.credential).toBeUndefined();
  });
});

describe("a settlement is refused, and nothing moves,", () => {
  const poor = { insurance: {}, commercial: {}, bank: { balance: "1.00" } };
  test.each<[string, { seeds?: object; vault?: ErrorName; amount?: string; credential?: string | undefined; refusal: ErrorName }]>([
    ["when the bank account does not cover the rest", { seeds: poor, refusal: "noFunds" }],
    ["when the bank account is closed", { seeds: { bank: { status: "closed" } }, refusal: "payerRefused" }],
    ["when the insurer does not know the person", { seeds: { insurance: { status: "closed" }, bank: {} }, refusal: "payerRefused" }],
    ["when something is left and no bank account is bound", { seeds: { insurance: {}, commercial: {} }, refusal: "bindingMissing" }],
    ["when no account is bound at all", { seeds: {}, refusal: "bindingMissing" }],
    ["when the code was used", { seeds: { bank: {} }, vault: "codeUsed", refusal: "codeUsed" }],
    ["when the code has expired", { seeds: { bank: {} }, vault: "codeExpired", refusal: "codeExpired" }],
    ["when the ecToken is of another institution", { seeds: { bank: {} }, vault: "tokenInvalid", refusal: "tokenInvalid" }],
    ["when the code was never issued", { refusal: "codeUnknown" }],
    ["when the bill is zero", { seeds: { bank: {} }, amount: "0.00", refusal: "amountInvalid" }],
    ["when there is no credential", { seeds: { bank: {} }, credential: undefined, refusal: "badRequest" }],
  ])("%s", async (_, { seeds, vault, refusal, ...request }) => {
    if (seeds !== undefined) await enrol(rig, "p1", seeds);
    if (vault !== undefined) rig.vault.refusals.set("p1", vault);
    await rig.submit({ amount: "100.00", ...request });
    await decided();
    const [outcome, ...more] = await outcomeOf("no-1");
    expect(more).toEqual([]);
    expect(outcome?.type).toBe("settlement.claim.refused.v1");
    expect(outcome?.data).toMatchObject({ refusal, action: "settle" });
    expect(rig.isReceipt(outcome?.data.receipt)).toBe(true);
    const totals = await rig.totals();
    expect(totals).toMatchObject({ legs: [], doubled: 0, held: 0 });
    expect((await running.shard.balances()).every(({ posted, pending }) => posted === 0n && pending === 0n)).toBe(true);
    expect((await rig.audit()).verdict).toBe("verified");
  });
});

describe("the same id", () => {
  test("with the same body is the same settlement, however often and at once", async () => {
    await enrol(rig, "p1", { bank: {} });
    await rig.submit(...Array.from({ length: 20 }, (_, at) => ({ amount: "10.00", eventId: `e${at}` })));
    await rig.submit({ amount: "10.00", eventId: "later" });
    await decided();
    await rig.submit({ amount: "10.00", eventId: "after the outcome" });
    await decided();
    expect((await outcomeOf("no-1")).map(({ type }) => type)).toEqual(["settlement.claim.settled.v1"]);
    expect(await rig.balance("bank", "b-p1")).toMatchObject({ balance: "990.00" });
    expect((await rig.audit()).size).toBe(4n);
  });

  test("with another body is a conflict: told and recorded once per event, the first untouched", async () => {
    await enrol(rig, "p1", { bank: {} });
    await rig.submit({ amount: "10.00" });
    await decided();
    const before = await running.shard.find(INSTITUTION, "no-1");
    await rig.submit({ amount: "11.00", eventId: "other" }, { amount: "11.00", eventId: "other" });
    await decided();
    const outcomes = await outcomeOf("no-1");
    expect(outcomes.map(({ type }) => type)).toEqual(["settlement.claim.settled.v1", "settlement.claim.refused.v1"]);
    expect(outcomes[1]?.data).toMatchObject({ refusal: "idempotencyConflict" });
    expect(outcomes[1]?.data.requestHash).not.toBe(outcomes[0]?.data.requestHash);
    expect(await running.shard.find(INSTITUTION, "no-1")).toEqual(before);
    expect(await rig.balance("bank", "b-p1")).toMatchObject({ balance: "990.00" });
    expect(await rig.audit()).toEqual({ verdict: "verified", size: 5n });
  });

  test("with another body in the same slice is a conflict too, and the first of them counts", async () => {
    await enrol(rig, "p1", { bank: {} });
    await rig.submit({ amount: "10.00" }, { amount: "12.00" });
    await decided();
    expect((await outcomeOf("no-1")).map(({ type, data }) => [type, "amount" in data ? data.amount : undefined])).toEqual([
      ["settlement.claim.settled.v1", "10.00"],
      ["settlement.claim.refused.v1", undefined],
    ]);
  });

  test("of another institution is another settlement", async () => {
    await enrol(rig, "p1", { bank: {} });
    await enrol(rig, "p2", { bank: {} });
    await rig.submit({ amount: "10.00" }, { amount: "10.00", institution: "H51070300002", credential: "p2" });
    await decided();
    expect((await outcomeOf("no-1")).map(({ type, data }) => [type, data.institution])).toEqual(
      expect.arrayContaining([
        ["settlement.claim.settled.v1", INSTITUTION],
        ["settlement.claim.settled.v1", "H51070300002"],
      ]),
    );
  });
});

describe("a refund", () => {
  const refund = { action: "refund" as const, outTradeNo: "back-1", originalOutTradeNo: "no-1", credential: undefined };

  test("gives every leg back and says what it follows from", async () => {
    await enrol(rig, "p1", { insurance: { personalAccount: "5.00" }, commercial: {}, bank: {} });
    await rig.submit({ amount: "100.00" });
    await decided();
    await rig.submit(refund);
    await decided();
    const [outcome] = await outcomeOf("back-1");
    expect(outcome?.type).toBe("settlement.claim.refunded.v1");
    expect(outcome?.data).toMatchObject({ originalSettlementId: settlementId(rig.crypto, INSTITUTION, "no-1"), amount: "100.00" });
    expect(rig.isReceipt(outcome?.data.receipt)).toBe(true);
    expect(await rig.balance("insurance", "i-p1")).toMatchObject({ personalAccount: "5.00" });
    expect(await rig.balance("bank", "b-p1")).toMatchObject({ balance: "1000.00" });
    expect((await running.shard.balances()).every(({ posted, pending }) => posted === 0n && pending === 0n)).toBe(true);
    expect((await rig.totals()).sources.every(({ captured, refunded }) => captured === refunded)).toBe(true);
  });

  test("asked for again under its own id gives back once", async () => {
    await enrol(rig, "p1", { bank: {} });
    await rig.submit({ amount: "100.00" });
    await decided();
    await rig.submit({ ...refund, eventId: "a" }, { ...refund, eventId: "b" });
    await decided();
    await rig.submit({ ...refund, eventId: "c" });
    await decided();
    expect((await outcomeOf("back-1")).map(({ type }) => type)).toEqual(["settlement.claim.refunded.v1"]);
    expect(await rig.balance("bank", "b-p1")).toMatchObject({ balance: "1000.00" });
  });

  test("of what was given back, asked for under another id, in the same slice or later, is refused", async () => {
    await enrol(rig, "p1", { bank: {} });
    await rig.submit({ amount: "100.00" });
    await decided();
    await rig.submit(refund, { ...refund, outTradeNo: "back-2" });
    await decided();
    await rig.submit({ ...refund, outTradeNo: "back-3" });
    await decided();
    expect((await outcomeOf("back-1")).map(({ type }) => type)).toEqual(["settlement.claim.refunded.v1"]);
    for (const again of ["back-2", "back-3"])
      expect((await outcomeOf(again))[0]?.data).toMatchObject({ refusal: "refundRefused", action: "refund" });
    // Refused as they came, no payer asked: one entry each, beside four of the settlement and two of the refund.
    expect(await rig.audit()).toEqual({ verdict: "verified", size: 8n });
    expect(await rig.balance("bank", "b-p1")).toMatchObject({ balance: "1000.00" });
  });

  test("of one kind touches that kind only, and the rest can be given back later", async () => {
    await enrol(rig, "p1", { insurance: { personalAccount: "5.00" }, commercial: {}, bank: {} });
    await rig.submit({ amount: "100.00" });
    await decided();
    await rig.submit({ ...refund, outTradeNo: "cash", refundType: "CASH" });
    await decided();
    expect(legsOf((await outcomeOf("cash"))[0])).toBe("bank.psn_cash_pay 17.50");
    expect(await rig.balance("insurance", "i-p1")).toMatchObject({ personalAccount: "0.00" });
    await rig.submit({ ...refund, outTradeNo: "cash again", refundType: "CASH" }, { ...refund, outTradeNo: "hi", refundType: "HI" });
    await decided();
    expect((await outcomeOf("cash again"))[0]?.data).toMatchObject({ refusal: "refundRefused" });
    expect(legsOf((await outcomeOf("hi"))[0])).toBe("insurance.hifp_pay 60.00, insurance.acct_pay 5.00, commercial.commercial_claim 17.50");
    expect((await running.shard.balances()).every(({ posted, pending }) => posted === 0n && pending === 0n)).toBe(true);
    expect((await rig.totals()).sources.every(({ captured, refunded }) => captured === refunded)).toBe(true);
  });

  test("of an amount takes from every fund its share, to the fen, and never more in all than was paid", async () => {
    await enrol(rig, "p1", { insurance: { personalAccount: "5.00" }, commercial: {}, bank: {} });
    await rig.submit({ amount: "100.00" });
    await decided();
    await rig.submit(
      ...[
        ["third", "33.33"],
        ["rest", "66.67"],
        ["more", "0.01"],
      ].map(([outTradeNo = "", refundAmount]) => ({ ...refund, outTradeNo, refundAmount })),
    );
    await decided();
    expect(legsOf((await outcomeOf("third"))[0])).toBe(
      "insurance.hifp_pay 20.00, insurance.acct_pay 1.67, commercial.commercial_claim 5.83, bank.psn_cash_pay 5.83",
    );
    expect((await outcomeOf("rest"))[0]?.data).toMatchObject({ amount: "66.67" });
    expect((await outcomeOf("more"))[0]?.data).toMatchObject({ refusal: "refundRefused" });
    expect((await running.shard.balances()).every(({ posted, pending }) => posted === 0n && pending === 0n)).toBe(true);
    expect(await rig.balance("bank", "b-p1")).toMatchObject({ balance: "1000.00" });
  });

  test("of more than is left is refused as that, and nothing moves", async () => {
    await enrol(rig, "p1", { bank: {} });
    await rig.submit({ amount: "100.00" });
    await decided();
    await rig.submit({ ...refund, refundAmount: "99.99" }, { ...refund, outTradeNo: "back-2", refundAmount: "0.02" });
    await decided();
    expect((await outcomeOf("back-2"))[0]?.data).toMatchObject({ refusal: "refundExceeds" });
    expect(await rig.balance("bank", "b-p1")).toMatchObject({ balance: "999.99" });
  });

  test("of a refused settlement, of a refund, of nothing and of another institution's settlement is refused", async () => {
    await enrol(rig, "p1", { bank: {} });
    await enrol(rig, "p2", { bank: { balance: "1.00" } });
    await rig.submit({ amount: "100.00" }, { amount: "100.00", outTradeNo: "poor", credential: "p2" });
    await decided();
    await rig.submit(refund);
    await decided();
    await rig.submit(
      { ...refund, outTradeNo: "r1", originalOutTradeNo: "poor" },
      { ...refund, outTradeNo: "r2", originalOutTradeNo: "back-1" },
      { ...refund, outTradeNo: "r3", originalOutTradeNo: "never" },
      { ...refund, outTradeNo: "r4", institution: "H51070300002" },
      { ...refund, outTradeNo: "r5", originalOutTradeNo: undefined },
    );
    await decided();
    const refusals = (await rig.outcomes()).flatMap(({ data }) =>
      "refusal" in data && data.action === "refund" ? [[data.outTradeNo, data.refusal]] : [],
    );
    expect(refusals).toEqual(
      expect.arrayContaining([
        ["r1", "refundRefused"],
        ["r2", "refundRefused"],
        ["r3", "settlementUnknown"],
        ["r4", "settlementUnknown"],
        ["r5", "badRequest"],
      ]),
    );
    expect(refusals).toHaveLength(5);
  });

  test("that the insurer refuses is refused, and may be asked for under another id", async () => {
    await enrol(rig, "p1", { insurance: {}, bank: {} });
    await rig.submit({ amount: "100.00" });
    await decided();
    await rig.fault({ rail: "insurance", action: "refund", kind: "refuse" });
    await rig.submit(refund);
    await decided();
    expect((await outcomeOf("back-1"))[0]?.data).toMatchObject({ refusal: "refundRefused" });
    expect((await rig.totals()).legs.every(({ refunds }) => refunds === 0)).toBe(true);
    await rig.submit({ ...refund, outTradeNo: "back-2" });
    await decided();
    expect((await outcomeOf("back-2")).map(({ type }) => type)).toEqual(["settlement.claim.refunded.v1"]);
  });
});

describe("a request that cannot be read", () => {
  test("goes to the dead letters with a quarantine entry, and those after it are carried out", async () => {
    await enrol(rig, "p1", { bank: {} });
    const good = encodeEvent({
      id: "e",
      type: "identity.binding.changed.v1",
      source: "/ronghe/edge/test",
      timeMs: 0,
      key: INSTITUTION,
      data: { person: "0".repeat(64), kind: "bank", state: "active", atMs: 0 },
    });
    await rig.bus.publish([{ ...good, topic: "settlement.request.submitted.v1", value: utf8("{") }]);
    await rig.submit({ amount: "10.00" });
    await decided();
    const [letter, ...more] = await rig.bus.read("settlement.request.submitted.dlq.v1", 0, 0n, 10);
    expect(more).toEqual([]);
    expect(letter?.headers).toMatchObject({ dlq_offset: "0", dlq_error: "typeMismatch", dlq_consumer: "core-settlement" });
    expect((await outcomeOf("no-1")).map(({ type }) => type)).toEqual(["settlement.claim.settled.v1"]);
    expect(await rig.audit()).toEqual({ verdict: "verified", size: 5n });
  });
});
