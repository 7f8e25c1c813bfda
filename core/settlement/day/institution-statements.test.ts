import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AccountsDay, openAccountsDay } from "../reconcile/testing/accounts-day.ts";
import { INSTITUTION } from "../testing/room.ts";
import type { InstitutionStatements, StatementLine, StatementQuery } from "../statement-port.ts";
import { addDays } from "./accounting-day.ts";
import { createInstitutionStatements } from "./institution-statements.ts";

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
