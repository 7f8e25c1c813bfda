import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { asFen } from "../../protocol/money.ts";
import type { EventMs } from "../../protocol/time.ts";
import type { AccountingDay, TrialBalance } from "../books.ts";
import { RAIL_ORDER } from "../plan.ts";
import type { MemoryBooks } from "../reconcile/testing/memory-books.ts";
import { DAY, type Desk, HOUR, openDesk } from "../reconcile/testing/desk.ts";
import { addDays, dayEnd, dayOf, daysOfMonth, dayStart, parseDay, parseMonth, printDay } from "./accounting-day.ts";
import { closeDay, type CloseRequest, closings } from "./close.ts";
import { monthStatement } from "./month.ts";
import { monthCsv } from "./month-csv.ts";
import { monthPage } from "./month-page.ts";

const NEXT = addDays(DAY, 1);

describe("an accounting day", () => {
  test("begins and ends at midnight of UTC+8", () => {
    expect(dayStart(DAY)).toBe(Date.UTC(2026, 0, 4, 16));
    expect(dayOf(dayStart(DAY))).toBe(DAY);
    expect(dayOf((dayEnd(DAY) - 1) as EventMs)).toBe(DAY);
    expect(dayOf(dayEnd(DAY))).toBe(NEXT);
  });
  test.each([
    ["20260131", 1, "20260201"],
    ["20261231", 1, "20270101"],
    ["20280228", 1, "20280229"],
    ["20260301", -1, "20260228"],
  ])("%s and %i days is %s", (from, days, to) => {
    expect(addDays(from as AccountingDay, days)).toBe(to);
  });
  test.each(["2026-1-5", "20260230", "2026-13-01", "260105", "2026/01/05", "", "20260105x"])("is not %j", (text) => {
    expect(parseDay(text)).toBeUndefined();
  });
  test("is read and printed with hyphens, a month as its days", () => {
    expect(parseDay("2026-01-05")).toBe(DAY);
    expect(printDay(DAY)).toBe("2026-01-05");
    expect(parseMonth("2026-02")).toBe("202602");
    expect(parseMonth("2026-13")).toBeUndefined();
    expect(daysOfMonth("202602")).toHaveLength(28);
    expect(daysOfMonth("202612").at(-1)).toBe("20261231");
  });
});

let desk: Desk;
beforeEach(async () => {
  desk = await openDesk();
  foundedOn = DAY;
});
afterEach(async () => {
  await desk.close();
});
const shard = (n: number): MemoryBooks => {
  const books = desk.shards.get(n);
  if (books === undefined) throw new Error("no such shard");
  return books;
};
let foundedOn: AccountingDay;
const close = (more: Partial<CloseRequest> = {}) => {
  const { store, recorder } = desk.reconciler;
  return closeDay({ db: desk.db, store, recorder, shards: desk.shards, clock: desk.clock, foundedOn }, { day: DAY, by: "li", ...more });
};
async function reconcile(day = DAY): Promise<void> {
  for (const rail of RAIL_ORDER) {
    const run = await desk.reconciler.run({ rail, day, by: "li", input: { kind: "service", details: "always" } });
    if (!run.ok) throw new Error(run.error.code);
  }
}

describe("day close", () => {
  test("seals every shard behind the reconciliations it rests on, and says who did it", async () => {
    desk.both("rs1/bank/capture", 100n);
    desk.both("rs2/bank/capture", 40n, { institution: "H2" });
    await reconcile();
    const closed = await close();
    expect(closed).toMatchObject({ ok: true, value: { day: DAY, closedBy: "li", overrideReason: undefined, repeated: false } });
    for (const n of [0, 1]) {
      const kinds = shard(n).leaves.map(({ kind }) => kind);
      expect(kinds.slice(-2)).toEqual(["day.closing", "day.closed"]);
      const decision = shard(n).leaves.find(({ kind }) => kind === "day.closing");
      expect(Object.keys(decision?.facts ?? {}).toSorted()).toEqual(["day", "run.bank", "run.commercial", "run.insurance"]);
      expect(decision?.actor).toBe("operator/li");
    }
    expect((await desk.db.read("SELECT shard FROM day_seal WHERE day=? ORDER BY shard", DAY)).map((row) => Number(row["shard"]))).toEqual([
      0, 1,
    ]);
  });

  test("done again is the same close", async () => {
    await reconcile();
    await close();
    const leaves = shard(0).leaves.length;
    expect(await close({ by: "wang" })).toMatchObject({ ok: true, value: { closedBy: "li", repeated: true } });
    expect(shard(0).leaves.length).toBe(leaves);
  });

  test.each<[string, () => Promise<void> | void, Partial<CloseRequest>, object]>([
    ["by nobody", () => undefined, { by: "" }, { code: "personMalformed" }],
    ["for a reason that is none", () => undefined, { withoutReconciliation: "x" }, { code: "reasonMalformed" }],
    ["of a day that is not over", () => void (desk.clock.at = dayStart(DAY)), {}, { code: "dayNotOver" }],
    ["of a day before the platform's first", () => void (foundedOn = addDays(DAY, 1)), {}, { code: "beforeFounding" }],
    ["while the day before is open", () => void (foundedOn = addDays(DAY, -1)), {}, { code: "earlierDayOpen", day: addDays(DAY, -1) }],
    ["without any reconciliation", () => undefined, {}, { code: "reconciliationMissing", rails: ["insurance", "commercial", "bank"] }],
    [
      "with books that do not balance",
      broken,
      { withoutReconciliation: "drill" },
      { code: "trialBalanceBroken", fundSource: "psn_cash_pay" },
    ],
  ])("%s is refused, and nothing is written", async (_, given, more, error) => {
    await given();
    expect(await close(more)).toEqual({ ok: false, error });
    expect(await closings(desk.db)).toEqual([]);
    expect([0, 1].flatMap((n) => shard(n).sealed)).toEqual([]);
    expect(shard(0).leaves.filter(({ kind }) => kind.startsWith("day."))).toEqual([]);
  });

  test("names the payers that are missing", async () => {
    await desk.reconciler.run({ rail: "bank", day: DAY, by: "li", input: { kind: "service", details: "asNeeded" } });
    expect(await close()).toEqual({ ok: false, error: { code: "reconciliationMissing", rails: ["insurance", "commercial"] } });
  });

  test("may be forced, with the reason in the ledger", async () => {
    expect(await close({ withoutReconciliation: "payer away for maintenance" })).toMatchObject({ ok: true });
    expect(shard(1).leaves.find(({ kind }) => kind === "day.closing")?.facts).toEqual({ day: DAY, override: "payer away for maintenance" });
  });

  test("is refused while a payer's day with movements is matched by equal totals alone, and goes on once rows are compared", async () => {
    desk.both("rs9/bank/capture", 900n);
    for (const rail of ["insurance", "commercial", "bank"] as const) {
      const run = await desk.reconciler.run({ rail, day: DAY, by: "li", input: { kind: "service", details: "asNeeded" } });
      expect(run).toMatchObject({ ok: true, value: { method: "totals" } });
    }
    expect(await close()).toEqual({ ok: false, error: { code: "reconciliationMissing", rails: ["bank"] } });
    await reconcile();
    expect(await close()).toMatchObject({ ok: true });
  });

  test("goes in order: the next day waits for this one", async () => {
    desk.both("rs1/bank/capture", 100n);
    await reconcile();
    await close();
    desk.clock.at = (dayEnd(addDays(DAY, 2)) + HOUR) as EventMs;
    await reconcile(addDays(DAY, 2));
    expect(await close({ day: addDays(DAY, 2) })).toEqual({ ok: false, error: { code: "earlierDayOpen", day: NEXT } });
    await reconcile(NEXT);
    expect(await close({ day: NEXT })).toMatchObject({ ok: true });
    expect(await close({ day: addDays(DAY, 2) })).toMatchObject({ ok: true });
  });

  test("carries open settlements over, and says so in its seal", async () => {
    const call = {
      key: "rs9/bank/capture",
      rail: "bank",
      settlementId: "rs9",
      institution: "H1",
      amount: 5n,
      askedAtMs: (dayEnd(DAY) - 60_000) as EventMs,
    } as const;
    shard(0).open.set("rs9/bank/capture", call);
    await reconcile();
    const closed = await close();
    expect(closed.ok ? closed.value.seals.map((seal) => seal.carriedOver) : []).toEqual([["rs9"], []]);
    expect((await desk.db.read("SELECT carried_over FROM day_seal WHERE day=? AND shard=0", DAY))[0]?.["carried_over"]).toBe(1n);
  });

  test.each(["record day.closing", "recorded day.closing", "seal 0", "seal 1", "recorded day.closed"])(
    "that ends at «%s» goes on to the same seals, each entry once",
    async (moment) => {
      desk.both("rs1/bank/capture", 100n);
      await reconcile();
      for (const books of desk.shards.values())
        books.interrupt = (what) => {
          if (what === moment) throw new Error("ended here");
        };
      await expect(close()).rejects.toThrow("ended here");
      for (const books of desk.shards.values()) books.interrupt = () => undefined;
      await desk.reopen();
      expect(await close({ by: "wang" })).toMatchObject({ ok: true, value: { closedBy: "li" } });
      for (const n of [0, 1]) {
        expect(shard(n).leaves.filter(({ kind }) => kind === "day.closing")).toHaveLength(1);
        expect(shard(n).sealed).toHaveLength(1);
      }
    },
  );
});

const morning = (day: AccountingDay): EventMs => (dayStart(day) + 9 * HOUR) as EventMs;
const month = (whose: Parameters<typeof monthStatement>[1]["whose"]) =>
  monthStatement([...desk.shards.values()], { month: "202601", whose });

describe("a month", () => {
  beforeEach(async () => {
    const split = [
      { fundSource: "hifp_pay", amount: asFen(6000n) },
      { fundSource: "acct_pay", amount: asFen(500n) },
    ];
    shard(0).add({ key: "rs1/insurance/capture", rail: "insurance", amount: 6500n, parts: split, postedAtMs: morning(DAY) });
    shard(0).add({ key: "rs1/bank/capture", rail: "bank", amount: 3500n, postedAtMs: morning(DAY) });
    shard(1).add({ key: "rs2/bank/capture", rail: "bank", amount: 200n, institution: "H2", postedAtMs: morning(DAY) });
    shard(0).add({ key: "rf1/bank/refund", kind: "refund", rail: "bank", amount: 1000n, postedAtMs: morning(NEXT), late: true });
    for (const books of desk.shards.values()) await books.seal(DAY, dayEnd(DAY));
  });

  test("of an institution sums its movements per day and fund source, and cites the seal of its shard", async () => {
    const statement = await month({ institution: "H1" });
    expect(statement.days.map(({ day, standing, late, total }) => [day, standing, late, total.net])).toEqual([
      [DAY, "sealed", 0, 10_000n],
      [NEXT, "open", 1, -1000n],
    ]);
    expect(statement.sources.map(({ rail, fundSource, captured, refunded, net }) => [rail, fundSource, captured, refunded, net])).toEqual([
      ["insurance", "acct_pay", 500n, 0n, 500n],
      ["insurance", "hifp_pay", 6000n, 0n, 6000n],
      ["bank", "psn_cash_pay", 3500n, 1000n, 2500n],
    ]);
    expect(statement.days[0]?.seals).toMatchObject([{ origin: "test/settlement-0", index: 0n, root: "07".repeat(32) }]);
    expect(statement.total).toMatchObject({ captures: 2, refunds: 1, net: 9000n });
  });

  test("of a payer sums all institutions, and cites every seal", async () => {
    const statement = await month({ rail: "bank" });
    expect(statement.total).toMatchObject({ captured: 3700n, refunded: 1000n });
    expect(statement.days[0]?.seals.map(({ origin }) => origin)).toEqual(["test/settlement-0", "test/settlement-1"]);
  });

  test("that was changed behind its seal says so, on paper too", async () => {
    const [seal] = shard(0).sealed;
    if (seal === undefined) throw new Error("no seal");
    const rows: TrialBalance["rows"] = seal.trialBalance.rows.map((row) =>
      row.account === "institution/H1/bank/psn_cash_pay" ? { ...row, credit: asFen(row.credit + 1n) } : row,
    );
    shard(0).sealed[0] = { ...seal, trialBalance: { ...seal.trialBalance, rows } };
    const statement = await month({ institution: "H1" });
    expect(statement.days[0]?.standing).toBe("disagrees");
    expect(monthPage(statement, { cases: [], printedAtMs: 0 as EventMs })).toContain("与封账不符，请勿使用：2026-01-05");
    expect(monthCsv(statement, "en")).toContain("disagrees with its seal");
  });

  test("without anything is an empty statement", async () => {
    expect(await month({ institution: "H9" })).toMatchObject({ sources: [], total: { captures: 0, net: 0n } });
  });

  test("as CSV adds up, opens in a spreadsheet, and names the seals", async () => {
    const csv = monthCsv(await month({ institution: "H1" }), "zh");
    const lines = csv.trimEnd().split("\r\n");
    expect(csv.startsWith("\uFEFF日期,支付方,资金来源,")).toBe(true);
    expect(lines[1]).toBe(
      `2026-01-05,医疗保险,个人账户,acct_pay,1,5.00,0,0.00,5.00,0.00,已日切,test/settlement-0#0 size=0 root=${"07".repeat(32)}`,
    );
    expect(lines.at(-1)).toBe("合计,银行,银行/现金,psn_cash_pay,1,35.00,1,10.00,25.00,0.00,,");
    expect(lines).toHaveLength(1 + 4 + 3);
  });

  test("as a page speaks both languages, loads nothing, and escapes what it is given", async () => {
    const page = monthPage(await month({ institution: "H1" }), { name: '<b>"一院"</b>', cases: [], printedAtMs: dayEnd(DAY) });
    expect(page).toContain("&lt;b&gt;&quot;一院&quot;&lt;/b&gt;");
    expect(page).not.toMatch(/<script|https?:|<link|<img|url\(/);
    for (const text of [
      "结算月报",
      "Monthly settlement statement",
      "暂定数：以下日期尚未日切：2026-01-06",
      "迟到 1 笔",
      "test/settlement-0",
      "@media print",
    ])
      expect(page).toContain(text);
  });
});

function broken(): void {
  desk.both("rs1/bank/capture", 100n);
  const books = shard(0);
  const whole = books.trialBalance.bind(books);
  books.trialBalance = async (day) => {
    const balance = await whole(day);
    return { ...balance, rows: balance.rows.slice(1) };
  };
}
