/** What a payer can do wrong, on each rail and at each step: nobody pays twice, and every answer is found in the end. */
import { describe, expect, test } from "vitest";
import { FAULT_KINDS, type FaultedAction, type FaultKind } from "./rails/sandbox/faults.ts";
import { enrol, INSTITUTION, openRig, type Outcome, type Rig, type Running } from "./testing/rig.ts";
import type { Settlement } from "./settlement.ts";
import type { SettlementLimits } from "./worker.ts";

interface Room {
  readonly rig: Rig;
  readonly running: Running;
}

/** A room of its own for each test, so that they run side by side while payers keep silent. */
function inRoom(work: (here: Room) => Promise<void>, limits: Partial<SettlementLimits> = {}): () => Promise<void> {
  return async () => {
    const rig = await openRig();
    try {
      await enrol(rig, "p1", { insurance: { personalAccount: "5.00" }, commercial: {}, bank: {} });
      const running = await rig.start({}, limits);
      try {
        await work({ rig, running });
      } finally {
        await running.stop();
      }
      expect(await rig.leavesDiffer()).toEqual([]);
    } finally {
      await rig.close();
    }
  };
}

/** Waits until the settlement is decided, however often it has to ask again. */
async function decided({ rig, running }: Room, outTradeNo: string): Promise<readonly Outcome[]> {
  for (;;) {
    const state = (await running.shard.find(INSTITUTION, outTradeNo))?.standing.state;
    if (state === "settled" || state === "refused" || state === "refunded") break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await running.worker.drained();
  return (await rig.outcomes()).filter(({ data }) => data.outTradeNo === outTradeNo);
}

/** Lost for good unless asked again later: both sends of one attempt fail, and so does the query after each. */
async function lose(rig: Rig, fault: Where, kind: Exclude<FaultKind, "lateAnswer">): Promise<void> {
  await rig.fault({ ...fault, kind, count: 2 });
  await rig.fault({ rail: fault.rail, action: "query", kind: "serverError", count: 2 });
}
interface Where {
  readonly rail: (typeof RAILS)[number];
  readonly action: FaultedAction;
}

const RAILS = ["insurance", "commercial", "bank"] as const;
const STEPS = ["authorise", "capture"] as const;

describe.concurrent.each(RAILS)("the %s rail", (rail) => {
  // A hold stated one fen too high is only noticed where the bill has no room for it; see the next test.
  const faults = STEPS.flatMap((action) => FAULT_KINDS.map((kind) => [action, kind] as const)).filter(
    ([action, kind]) => kind !== "refuse" && (rail === "bank" || action === "capture" || kind !== "wrongAmount"),
  );
  test.each(faults)("%s: %s once is healed and paid once", async (action, kind) => {
    await inRoom(async (here) => {
      await here.rig.fault({ rail, action, kind });
      await here.rig.submit({ amount: "100.00" });
      const outcomes = await decided(here, "no-1");
      expect(outcomes.filter(({ type }) => type !== "settlement.claim.unknown.v1").map(({ type }) => type)).toEqual([
        "settlement.claim.settled.v1",
      ]);
      const totals = await here.rig.totals();
      expect(totals).toMatchObject({ doubled: 0, held: 0 });
      expect(totals.legs.map((leg) => [leg.rail, leg.captured, leg.captures])).toEqual([
        ["insurance", "65.00", 1],
        ["commercial", "17.50", 1],
        ["bank", "17.50", 1],
      ]);
      expect((await here.rig.audit()).verdict).toBe("verified");
    })();
  });

  test("authorise: a hold that was stated wrong is found when it is taken, at the latest, and nothing stays paid", async () => {
    await inRoom(async (here) => {
      await here.rig.fault({ rail, action: "authorise", kind: "wrongAmount" });
      await here.rig.submit({ amount: "100.00" });
      const outcomes = await decided(here, "no-1");
      expect(outcomes.map(({ type }) => type)).toContain(rail === "bank" ? "settlement.claim.settled.v1" : "settlement.claim.refused.v1");
      const totals = await here.rig.totals();
      expect(totals).toMatchObject({ doubled: 0, held: 0 });
      expect(totals.legs.every(({ captured, refunded }) => rail === "bank" || captured === refunded)).toBe(true);
    })();
  });

  test("capture: an answer about another amount is no answer, and is told as unknown until a true one comes", async () => {
    await inRoom(async (here) => {
      await here.rig.fault({ rail, action: "capture", kind: "wrongAmount" });
      await here.rig.submit({ amount: "100.00" });
      const outcomes = await decided(here, "no-1");
      expect(outcomes.map(({ type }) => type)).toEqual(["settlement.claim.settled.v1", "settlement.claim.unknown.v1"]);
    })();
  });

  test.each(STEPS)("%s: an answer that stays away is told as unknown once, then healed by asking", async (action) => {
    await inRoom(async (here) => {
      await lose(here.rig, { rail, action }, "serverErrorAfter");
      await here.rig.submit({ amount: "100.00" });
      const outcomes = await decided(here, "no-1");
      expect(outcomes.map(({ type }) => type)).toEqual(["settlement.claim.settled.v1", "settlement.claim.unknown.v1"]);
      expect(outcomes[1]?.data).toMatchObject({ rail, amount: "100.00" });
      expect(here.rig.isReceipt(outcomes[1]?.data.receipt)).toBe(true);
      expect(await here.rig.totals()).toMatchObject({ doubled: 0, held: 0 });
    })();
  });

  test.each(STEPS)("%s: a refusal releases what was held and gives back what was taken", async (action) => {
    await inRoom(async (here) => {
      await here.rig.fault({ rail, action, kind: "refuse" });
      await here.rig.submit({ amount: "100.00" });
      const [outcome, ...more] = await decided(here, "no-1");
      expect(more).toEqual([]);
      expect(outcome?.type).toBe("settlement.claim.refused.v1");
      expect(outcome?.data).toMatchObject({ refusal: "payerRefused" });
      const totals = await here.rig.totals();
      expect(totals).toMatchObject({ doubled: 0, held: 0 });
      expect(totals.legs.every(({ captured, refunded }) => captured === refunded)).toBe(true);
      expect(await here.rig.balance("insurance", "i-p1")).toMatchObject({ personalAccount: "5.00" });
      expect(await here.rig.balance("bank", "b-p1")).toMatchObject({ balance: "1000.00" });
      expect((await here.running.shard.balances()).every(({ posted, pending }) => posted === 0n && pending === 0n)).toBe(true);
      expect((await here.rig.audit()).verdict).toBe("verified");
    })();
  });

  test("a release that gets no answer is unknown, then refused, and nothing stays held", async () => {
    await inRoom(async (here) => {
      await here.rig.fault({ rail: "bank", action: "authorise", kind: "refuse" });
      await lose(here.rig, { rail, action: "void" }, "serverError");
      await here.rig.submit({ amount: "100.00" });
      const outcomes = await decided(here, "no-1");
      expect(outcomes.map(({ type }) => type)).toEqual(["settlement.claim.refused.v1", "settlement.claim.unknown.v1"]);
      expect(await here.rig.totals()).toMatchObject({ legs: [], held: 0 });
    })();
  });

  test.each(["timeoutBefore", "serverErrorAfter", "wrongAmount"] as const)("a refund that meets %s gives back once", async (kind) => {
    await inRoom(async (here) => {
      await here.rig.submit({ amount: "100.00" });
      await decided(here, "no-1");
      await here.rig.fault({ rail, action: "refund", kind });
      await here.rig.submit({ action: "refund", outTradeNo: "back-1", originalOutTradeNo: "no-1" });
      const outcomes = await decided(here, "back-1");
      expect(outcomes.map(({ type }) => type)).toContain("settlement.claim.refunded.v1");
      const totals = await here.rig.totals();
      expect(totals.doubled).toBe(0);
      expect(totals.legs.map(({ refunds, captured, refunded }) => [refunds, captured === refunded])).toEqual([
        [1, true],
        [1, true],
        [1, true],
      ]);
    })();
  });
});

describe("a hold that nobody answers", () => {
  test("is given up after its patience: released at every payer, so that a late authorisation holds nothing", async () => {
    await inRoom(
      async (here) => {
        await lose(here.rig, { rail: "bank", action: "authorise" }, "serverErrorAfter");
        await here.rig.submit({ amount: "100.00" });
        const outcomes = await decided(here, "no-1");
        expect(outcomes.map(({ type }) => type)).toEqual(["settlement.claim.refused.v1"]);
        expect(await here.rig.totals()).toMatchObject({ legs: [], held: 0 });
        expect(await here.rig.balance("bank", "b-p1")).toMatchObject({ balance: "1000.00" });
      },
      { holdMs: 0 },
    )();
  });
});

describe("a payment that nobody confirms", () => {
  test("is left to reconciliation, and goes on by itself once a statement proves it", async () => {
    await inRoom(
      async (here) => {
        await here.rig.fault({ rail: "bank", action: "capture", kind: "serverErrorAfter", count: null });
        await here.rig.fault({ rail: "bank", action: "query", kind: "serverError", count: null });
        await here.rig.submit({ amount: "100.00" });
        await here.running.worker.drained();
        const stuck = async (): Promise<Settlement | undefined> => await here.running.shard.find(INSTITUTION, "no-1");
        while ((await stuck())?.standing.state !== "awaiting") await new Promise((resolve) => setTimeout(resolve, 10));
        await here.running.worker.drained();
        expect((await here.rig.outcomes()).map(({ type }) => type)).toEqual(["settlement.claim.unknown.v1"]);
        const [open, ...more] = await here.running.shard.books.openKeys("bank");
        expect(more).toEqual([]);
        if (open === undefined) throw new Error("nothing is open");
        const { key, amount } = open;
        const found = { kind: "done" as const, amount, railReference: "S1", parts: [] };
        const evidence = { key, rail: "bank" as const, found, statementHash: "00", runId: "r1" };
        expect(await here.running.shard.books.heal(evidence, here.rig.clock.now())).toBe("healed");
        const outcomes = await decided(here, "no-1");
        expect(outcomes.map(({ type }) => type)).toEqual(["settlement.claim.settled.v1", "settlement.claim.unknown.v1"]);
        expect(await here.rig.totals()).toMatchObject({ doubled: 0, held: 0 });
      },
      { asksMax: 3 },
    )();
  });
});
