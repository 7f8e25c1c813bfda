/**
 * Every fault of every payer, over real HTTP, from the lost answer to the healed day: the state, the entry, what the
 * hospital is told, and what reconciliation makes of it.
 */
import { afterEach, describe, expect, test } from "vitest";
import { railKey } from "../rails/port.ts";
import type { FaultRequest } from "../rails/sandbox/faults.ts";
import { type AccountsDay, openAccountsDay } from "./testing/accounts-day.ts";

let open: AccountsDay[] = [];
afterEach(async () => {
  for (const one of open) await one.close();
  open = [];
});
async function accountsDay(): Promise<AccountsDay> {
  const one = await openAccountsDay();
  open.push(one);
  return one;
}

type Kind = Exclude<FaultRequest["kind"], "missingRow" | "extraRow" | "wrongRowAmount" | "nextDayRow">;
type Rail = FaultRequest["rail"];
/** For ever, and nobody says what became of it either. The insurer has no such question: it is asked the same again. */
function silence(rail: Rail, action: "capture" | "void" | "refund", kind: Kind): FaultRequest[] {
  const lasting = { rail, count: null } as const;
  const call = kind === "lateAnswer" ? { ...lasting, action, kind, lateMs: 1_500 } : { ...lasting, action, kind };
  return rail === "insurance" ? [call] : [call, { ...lasting, action: "query", kind: "serverError" }];
}
const BEGUN = ["settlement.accepted", "settlement.holding", "settlement.held"];
const netOf = async (desk: AccountsDay): Promise<readonly bigint[]> => [...(await desk.balances()).values()].map(({ posted }) => posted);

async function captured(desk: AccountsDay, settlementId: string, rail: Rail): Promise<number | undefined> {
  return (await desk.totals()).legs.find((leg) => leg.settlementId === settlementId && leg.rail === rail)?.captures;
}

/** Nothing waits, nothing differs, nobody has anything to do. */
async function expectClear(desk: AccountsDay): Promise<void> {
  const { store } = desk.office.reconciler;
  expect(await store.cases("1")).toEqual([]);
  expect(await store.unmatched("state IN ('waiting','healing','case')")).toEqual([]);
  expect(await desk.audit()).toBe("verified");
  expect(await desk.totals()).toMatchObject({ doubled: 0 });
}

describe("a payment whose answer is lost", () => {
  test.each<[Rail, Kind]>([
    ["bank", "timeoutAfter"],
    ["bank", "serverErrorAfter"],
    ["bank", "wrongAmount"],
    ["bank", "garbage"],
    ["bank", "duplicateAnswer"],
    ["bank", "lateAnswer"],
    ["commercial", "serverErrorAfter"],
    ["insurance", "serverErrorAfter"],
    ["insurance", "garbage"],
  ])("(%s, %s), the money being taken: unknown, awaiting, settled by the payer's statement", async (rail, kind) => {
    const desk = await accountsDay();
    // An answer can only be repeated where one was given before.
    if (kind === "duplicateAnswer") {
      await desk.submit({ outTradeNo: "before", credential: "p2" });
      expect((await desk.rested("before")).standing.state).toBe("settled");
    }
    await desk.fault(...silence(rail, "capture", kind));
    await desk.submit({});
    const waiting = await desk.rested();
    expect(waiting.standing).toEqual({ state: "awaiting", phase: "posting" });
    expect(waiting.missing).toEqual([{ rail, action: "capture" }]);
    expect(await desk.story(waiting.id)).toEqual([...BEGUN, "settlement.unknown", "settlement.awaiting"]);
    expect(await desk.told()).toEqual(["unknown"]);
    await desk.clearFaults();
    // A late answer is of a call that the payer only begins when we have given up.
    await expect.poll(() => captured(desk, waiting.id, rail)).toBe(1);

    desk.sleepUntil(1);
    const runs = await desk.reconcile();
    expect(runs[rail].counts).toMatchObject({ healed: 1n, surplus: 0n, shortage: 0n, amount: 0n });
    const settled = await desk.rested();
    expect(settled.standing.state).toBe("settled");
    expect((await desk.story(settled.id)).slice(-2)).toEqual(["settlement.healed", "settlement.settled"]);
    expect(await desk.told()).toEqual(["unknown", "settled"]);

    desk.sleepUntil(2);
    await desk.reconcile(1);
    await expectClear(desk);
  });

  test.each<[Rail, Kind]>([
    ["bank", "timeoutBefore"],
    ["bank", "serverError"],
    ["insurance", "serverError"],
    ["insurance", "timeoutBefore"],
  ])("(%s, %s), nothing being taken: unknown, awaiting, undone because the closed day does not have it", async (rail, kind) => {
    const desk = await accountsDay();
    await desk.fault(...silence(rail, "capture", kind));
    await desk.submit({});
    const waiting = await desk.rested();
    expect([waiting.standing.state, waiting.missing]).toEqual(["awaiting", [{ rail, action: "capture" }]]);
    expect(await desk.told()).toEqual(["unknown"]);
    await desk.clearFaults();

    desk.sleepUntil(1);
    expect((await desk.reconcile())[rail].counts.healed).toBe(1n);
    const ended = await desk.rested();
    expect([ended.standing.state, ended.refusal]).toEqual(["refused", "payerRefused"]);
    expect(await desk.told()).toEqual(["unknown", "refused"]);
    expect((await netOf(desk)).every((posted) => posted === 0n)).toBe(true);

    // What the other payers had taken, and gave back, is on their next statement.
    desk.sleepUntil(2);
    await desk.reconcile(1);
    await expectClear(desk);
  });

  test.each<Rail>(["bank", "insurance", "commercial"])(
    "but refused outright (%s) is refused, told so at once, and leaves nothing to heal",
    async (rail) => {
      const desk = await accountsDay();
      await desk.fault({ rail, action: "capture", kind: "refuse" });
      await desk.submit({});
      const ended = await desk.rested();
      expect([ended.standing.state, ended.refusal]).toEqual(["refused", "payerRefused"]);
      expect(await desk.told()).toEqual(["refused"]);
      desk.sleepUntil(1);
      const runs = await desk.reconcile();
      expect(Object.values(runs).map(({ counts }) => counts.healed)).toEqual([0n, 0n, 0n]);
      await expectClear(desk);
    },
  );
});

describe("a reversal (2601) that nobody answers", () => {
  test.each<[Kind, bigint]>([
    ["serverError", 1n],
    ["serverErrorAfter", 1n],
  ])("(%s) changes nothing until the insurer's statement is there", async (kind, healed) => {
    const desk = await accountsDay();
    // The insurer takes its part and does not say so; the bank says no; taking it back is not answered either.
    await desk.fault(...silence("insurance", "capture", "serverErrorAfter"));
    await desk.fault({ rail: "insurance", action: "void", kind, count: null }, { rail: "bank", action: "capture", kind: "refuse" });
    await desk.submit({});
    const waiting = await desk.rested();
    expect(waiting.standing).toEqual({ state: "awaiting", phase: "voiding" });
    expect(waiting.missing).toEqual([{ rail: "insurance", action: "void" }]);
    const before = await desk.balances();
    expect([...before.values()].every(({ posted }) => posted === 0n)).toBe(true);
    expect(await desk.told()).toEqual(["unknown"]);
    await desk.clearFaults();

    desk.sleepUntil(1);
    expect(await desk.balances()).toEqual(before);
    const runs = await desk.reconcile();
    expect(runs.insurance.counts.healed).toBe(healed);
    const ended = await desk.rested();
    expect([ended.standing.state, ended.refusal]).toEqual(["refused", "payerRefused"]);
    expect(await desk.told()).toEqual(["unknown", "refused"]);
    expect((await netOf(desk)).every((posted) => posted === 0n)).toBe(true);
    const insured = (await desk.totals()).legs.find((leg) => leg.rail === "insurance");
    expect(insured?.captured).toBe(insured?.refunded);

    desk.sleepUntil(2);
    await desk.reconcile(1);
    await expectClear(desk);
  });
});

describe("a refund whose answer is lost", () => {
  test("is unknown, awaiting, and given back once by the payer's statement", async () => {
    const desk = await accountsDay();
    await desk.submit({});
    expect((await desk.rested()).standing.state).toBe("settled");
    await desk.fault(...silence("bank", "refund", "serverErrorAfter"));
    const back = { action: "refund" as const, outTradeNo: "back-1", originalOutTradeNo: "no-1", credential: undefined };
    await desk.submit(back);
    const waiting = await desk.rested("back-1");
    expect([waiting.standing.state, waiting.standing.phase]).toEqual(["awaiting", "refunding"]);
    await desk.clearFaults();
    desk.sleepUntil(1);
    expect((await desk.reconcile()).bank.counts.healed).toBe(1n);
    expect((await desk.rested("back-1")).standing.state).toBe("refunded");
    expect(await desk.told("back-1")).toEqual(["unknown", "refunded"]);
    const bank = (await desk.totals()).legs.find((leg) => leg.rail === "bank");
    expect([bank?.refunds, bank?.captured === bank?.refunded]).toEqual([1, true]);
    desk.sleepUntil(2);
    await desk.reconcile(1);
    await expectClear(desk);
  });
});

describe("a statement that is wrong", () => {
  test.each<[FaultRequest["kind"], string, bigint]>([
    ["wrongRowAmount", "amount", 0n],
    ["missingRow", "shortage", 2n],
    ["extraRow", "surplus", 2n],
  ])("(%s) becomes a case: %s", async (kind, difference, looks) => {
    const desk = await accountsDay();
    await desk.fault({ rail: "bank", action: "statement", kind } as FaultRequest);
    await desk.submit({});
    await desk.rested();
    for (let days = 0; days <= looks; days++) {
      desk.sleepUntil(days + 1);
      await desk.reconcile(days);
    }
    const cases = await desk.office.reconciler.store.cases("1");
    expect(cases.map((one) => [one.rail, one.class, one.state])).toEqual([["bank", difference, "open"]]);
    expect(await desk.audit()).toBe("verified");
  });

  test("by a row that belongs to the next day is timing, no case", async () => {
    const desk = await accountsDay();
    await desk.fault({ rail: "bank", action: "statement", kind: "nextDayRow" });
    await desk.submit({});
    const settled = await desk.rested();
    desk.sleepUntil(1);
    expect((await desk.reconcile()).bank.counts).toMatchObject({ waiting: 1n });
    desk.sleepUntil(2);
    expect((await desk.reconcile(1)).bank.counts).toMatchObject({ met: 1n });
    await expectClear(desk);
    const [met] = await desk.office.reconciler.store.unmatchedBy("key", "bank", [railKey(settled.id, "bank", "capture")]);
    expect(met?.state).toBe("met");
  });
});

describe("a closed day", () => {
  test("carries what is open over, takes nothing more in, and what is healed later posts into the next one", async () => {
    const desk = await accountsDay();
    await desk.submit({ outTradeNo: "good", credential: "p2" });
    await desk.rested("good");
    await desk.fault(...silence("bank", "capture", "serverErrorAfter"));
    await desk.submit({});
    const waiting = await desk.rested();
    await desk.clearFaults();
    desk.sleepUntil(1);
    const closed = await desk.office.closeDay({ day: desk.day, by: "li", withoutReconciliation: "bank away" });
    expect(closed.ok ? closed.value.seals.map((seal) => seal.carriedOver) : closed.error).toEqual([[waiting.id]]);
    const sealed = closed.ok ? closed.value.seals[0]?.trialBalance : undefined;
    await desk.reconcile();
    expect((await desk.rested()).standing.state).toBe("settled");
    const again = await desk.office.closeDay({ day: desk.day, by: "li" });
    expect(again.ok ? again.value.seals[0]?.trialBalance : undefined).toEqual(sealed);
    desk.sleepUntil(2);
    await desk.reconcile(1);
    expect((await desk.office.closeDay({ day: await desk.office.nextDay(), by: "li" })).ok).toBe(true);
    await expectClear(desk);
  });
});
