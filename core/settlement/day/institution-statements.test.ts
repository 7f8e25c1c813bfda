import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { asFen } from "../../protocol/money.ts";
import type { AccountingDay, Supplement } from "../books.ts";
import { type AccountsDay, openAccountsDay } from "../reconcile/testing/accounts-day.ts";
import { INSTITUTION } from "../testing/room.ts";
import { HOSPITAL, openScene, type Scene } from "../testing/scene.ts";
import type { InstitutionStatements, StatementLine, StatementQuery } from "../statement-port.ts";
import { addDays } from "./accounting-day.ts";
import { createInstitutionStatements } from "./institution-statements.ts";
import { monthStatement } from "./month.ts";

let desk: AccountsDay;
let statements: InstitutionStatements;
beforeAll(async () => {
  desk = await openAccountsDay();
  statements = createInstitutionStatements({ shardOf: () => desk.file, clock: desk.clock });
  await desk.submit(
    { outTradeNo: "bill-1" },
    { outTradeNo: "bill-2", credential: "p2", amount: "40.00" },
    { outTradeNo: "bad", amount: "0.00" },
  );
  for (const bill of ["bill-1", "bill-2", "bad"]) await desk.rested(bill);
  await desk.submit({ action: "refund", outTradeNo: "back", originalOutTradeNo: "bill-1", credential: undefined, refundType: "CASH" });
  await desk.rested("back");
});
afterAll(async () => {
  await desk.close();
});

const read = (more: Partial<StatementQuery> = {}) => statements.read({ institution: INSTITUTION, period: desk.day, limit: 100, ...more });
async function allPages(limit: number): Promise<readonly StatementLine[]> {
  const rows: StatementLine[] = [];
  for (let after: string | undefined; ;) {
    const page = await read({ limit, ...(after === undefined ? {} : { after }) });
    rows.push(...(page?.rows ?? []));
    after = page?.next;
    if (after === undefined) return rows;
  }
}

describe("an institution's statement", () => {
  test("has what was paid and given back, and nothing that was refused", async () => {
    const page = await read();
    expect(page?.rows.map(({ kind, outTradeNo, amount }) => [kind, outTradeNo, amount]).toSorted()).toEqual([
      ["refund", "back", 2000n],
      ["settlement", "bill-1", 10_000n],
      ["settlement", "bill-2", 4000n],
    ]);
    expect(page?.totals).toMatchObject({ settlements: 2, settled: 14_000n, refunds: 1, refunded: 2000n });
    expect(page?.totals.sources).toEqual([
      { rail: "insurance", fundSource: "hifp_pay", settled: 8400n, refunded: 0n },
      { rail: "commercial", fundSource: "commercial_claim", settled: 2800n, refunded: 0n },
      { rail: "bank", fundSource: "psn_cash_pay", settled: 2800n, refunded: 2000n },
    ]);
    const back = page?.rows.find((row) => row.kind === "refund");
    const paid = page?.rows.find((row) => row.outTradeNo === "bill-1");
    expect(back).toMatchObject({ originalSettlementId: paid?.settlementId, late: false, legs: [{ rail: "bank", amount: 2000n }] });
    expect(paid?.legs.reduce((sum, leg) => sum + leg.amount, 0n)).toBe(10_000n);
  });

  test("is the same page by page as at once", async () => {
    const whole = (await read())?.rows;
    expect(await allPages(1)).toEqual(whole);
    expect(await allPages(2)).toEqual(whole);
  });

  test("of the month is that of its days", async () => {
    expect((await read({ period: desk.day.slice(0, 6) }))?.rows).toEqual((await read())?.rows);
  });

  test("of another institution is empty", async () => {
    expect(await read({ institution: "H51070300002" })).toMatchObject({ rows: [], totals: { settlements: 0, settled: 0n, sources: [] } });
  });

  test.each([
    ["a day to come", { period: () => addDays(desk.day, 1) }],
    ["no period", { period: () => "20260231" }],
    ["a cursor that nobody gave", { after: () => "20260101.rs1" }],
  ])("of %s is refused", async (_, query) => {
    const asked = Object.fromEntries(Object.entries(query).map(([name, give]) => [name, give()]));
    expect(await read(asked)).toBeUndefined();
  });

  test("goes on only by a cursor of its own institution and period", async () => {
    const after = (await read({ limit: 1 }))?.next ?? "";
    expect(await read({ after })).toBeDefined();
    expect(await read({ after, period: desk.day.slice(0, 6) })).toBeUndefined();
    expect(await read({ after, institution: "H51070300002" })).toBeUndefined();
    expect(await read({ after: after.replace(/.$/, (last) => (last === "0" ? "1" : "0")) })).toBeUndefined();
  });

  test("is closed once its day is", async () => {
    expect((await read())?.closed).toBe(false);
    desk.sleepUntil(1);
    await desk.reconcile();
    expect((await desk.office.closeDay({ day: desk.day, by: "li" })).ok).toBe(true);
    expect((await read())?.closed).toBe(true);
    expect((await read({ period: addDays(desk.day, 1) }))?.closed).toBe(false);
  });
});

const OTHER = "H51070300002";
const DAY = "20260512" as AccountingDay;

const order = (supplementId: string, more: Partial<Supplement>): Supplement => ({
  supplementId,
  caseId: supplementId,
  rail: "insurance",
  movement: "capture",
  key: "",
  railReference: supplementId,
  payerDay: DAY,
  statementHash: "ab".repeat(32),
  institution: HOSPITAL,
  settlementId: undefined,
  parts: [
    { fundSource: "hifp_pay", amount: asFen(60n) },
    { fundSource: "acct_pay", amount: asFen(5n) },
  ],
  reason: "ourError",
  requestedBy: "li",
  approvedBy: "wang",
  ...more,
});

describe("what was booked by hand", () => {
  let scene: Scene;
  let own: InstitutionStatements;
  beforeAll(async () => {
    scene = await openScene();
    own = createInstitutionStatements({ shardOf: () => scene.world, clock: { now: () => scene.world.now } });
    await scene.bill();
    const back = await scene.refund({ refundAmount: "10.00" });
    await book("c1/1", { movement: "capture" });
    await book("c2/1", { movement: "refund", settlementId: back.id });
    await book("c3/1", { movement: "reversal" });
    await book("c4/1", { movement: "refund", institution: OTHER });
    await takeBack("c1/1");
    await scene.world.nextDay(true);
    await takeBack("c2/1");
    await book("c5/1", { movement: "capture" });
    // Into another month: from the thirteenth of May to the first of June.
    for (let night = 0; night < 19; night++) await scene.world.nextDay(true);
    await takeBack("c5/1");
  });
  afterAll(async () => await scene.close());

  async function book(id: string, more: Partial<Supplement>): Promise<void> {
    expect(await scene.world.shard.books.supplement(order(id, more), scene.world.now)).toBeTypeOf("object");
  }
  async function takeBack(id: string): Promise<void> {
    expect(await scene.world.shard.books.takeBack(order(id, {}), scene.world.now)).toBeTypeOf("object");
  }
  const page = async (period: string, more: Partial<StatementQuery> = {}) =>
    await own.read({ institution: HOSPITAL, period, limit: 100, ...more });
  const supplements = async (period: string): Promise<readonly StatementLine[]> =>
    ((await page(period))?.rows ?? []).filter(({ kind }) => kind === "supplement");

  test("stands behind the bills of its day in the order of its entries, both ways, with the bill it belongs to", async () => {
    const rows = await supplements("202605");
    expect(rows.map(({ movement, outTradeNo, day, late, amount }) => [movement, outTradeNo, day, late, amount])).toEqual([
      ["payment", undefined, DAY, false, 65n],
      ["refund", "back", DAY, false, 65n],
      ["reversal", undefined, DAY, false, 65n],
      ["reversal", undefined, DAY, false, 65n],
      ["payment", "back", "20260513", false, 65n],
      ["payment", undefined, "20260513", true, 65n],
    ]);
    for (const { legs } of rows)
      expect(legs).toEqual([
        { rail: "insurance", fundSource: "hifp_pay", amount: 60n },
        { rail: "insurance", fundSource: "acct_pay", amount: 5n },
      ]);
    expect(rows.find(({ outTradeNo }) => outTradeNo === "back")?.settlementId).toBe((await scene.find("back")).id);
    expect((await page("202605"))?.rows.slice(0, 2).map(({ outTradeNo }) => outTradeNo)).toEqual(expect.arrayContaining(["bill", "back"]));
  });

  test("is in the totals as in the month statement, and counted as no settlement and no refund", async () => {
    for (const month of ["202605", "202606"]) {
      const { total, sources } = await monthStatement([scene.world.shard.books], { month, whose: { institution: HOSPITAL } });
      const totals = (await page(month))?.totals;
      expect(totals).toMatchObject({ settled: total.captured, refunded: total.refunded });
      const moved = sources.filter(({ captured, refunded }) => captured !== 0n || refunded !== 0n);
      expect(totals?.sources).toEqual(
        moved.map(({ rail, fundSource, captured, refunded }) => ({ rail, fundSource, settled: captured, refunded })),
      );
    }
    expect((await page("202605"))?.totals).toMatchObject({ settlements: 1, refunds: 1 });
  });

  test("leaves less than nothing settled in a month that only took something back", async () => {
    expect((await page("202606"))?.totals).toEqual({
      settlements: 0,
      settled: -65n,
      refunds: 0,
      refunded: 0n,
      sources: [
        { rail: "insurance", fundSource: "acct_pay", settled: -5n, refunded: 0n },
        { rail: "insurance", fundSource: "hifp_pay", settled: -60n, refunded: 0n },
      ],
    });
    expect((await supplements("202606")).map(({ movement, day }) => [movement, day])).toEqual([["reversal", "20260601"]]);
  });

  test("is in one row each, whatever the size of a page, and its cursors are good for their institution and period only", async () => {
    const whole = (await page("202605"))?.rows;
    for (const limit of [1, 2, 3, 7]) {
      const rows: StatementLine[] = [];
      for (let after: string | undefined; ;) {
        const one = await page("202605", { limit, ...(after === undefined ? {} : { after }) });
        rows.push(...(one?.rows ?? []));
        after = one?.next;
        if (after === undefined) break;
        expect(after).toMatch(/^[0-9A-Za-z._-]{1,128}$/);
        for (const period of [DAY, "202606"]) expect(await page(period, { after })).toBeUndefined();
        expect(await page("202605", { after, institution: OTHER })).toBeUndefined();
      }
      expect(rows).toEqual(whole);
    }
  });
});
