import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { asFen, FEN_MAX } from "../../protocol/money.ts";
import type { EventMs } from "../../protocol/time.ts";
import { addDays, dayStart } from "../day/accounting-day.ts";
import type { StatementRow } from "../rails/port.ts";
import type { RunAnswer, RunRequest } from "./run.ts";
import { DAY, type Desk, HOUR, openDesk, row } from "./testing/desk.ts";

let desk: Desk;
beforeEach(async () => {
  desk = await openDesk();
});
afterEach(async () => {
  await desk.close();
});

const NEXT = addDays(DAY, 1);
const noon = (day = DAY): EventMs => (dayStart(day) + 12 * HOUR) as EventMs;

async function run(more: Partial<RunRequest> = {}): Promise<RunAnswer> {
  const answer = await desk.reconciler.run({ rail: "bank", day: DAY, by: "li", input: { kind: "service", details: "asNeeded" }, ...more });
  if (!answer.ok) throw new Error(JSON.stringify(answer.error));
  return answer.value;
}
/** Runs the days that follow, as the payer closes them. */
async function daysLater(days: number): Promise<readonly RunAnswer[]> {
  const answers: RunAnswer[] = [];
  for (let after = 1; after <= days; after++) {
    const day = addDays(DAY, after);
    desk.clock.at = (dayStart(day) + 25 * HOUR) as EventMs;
    answers.push(await run({ day }));
  }
  return answers;
}
const counts = (answer: RunAnswer): Record<string, number> =>
  Object.fromEntries(Object.entries(answer.counts).flatMap(([name, value]) => (value === 0n ? [] : [[name, Number(value)]])));
const cases = async (): Promise<readonly (readonly [string, string, bigint | undefined, bigint | undefined])[]> =>
  (await desk.reconciler.store.cases()).map((one) => [one.class, one.state, one.ours?.amount, one.theirs?.amount]);
const settle = (n: number): string => `rs${n}/bank/capture`;

const split = (a: bigint, b: bigint): StatementRow["parts"] => [
  { fundSource: "acct_pay", amount: asFen(a) },
  { fundSource: "hifp_pay", amount: asFen(b) },
];

describe("equal totals", () => {
  test("match a day without details", async () => {
    desk.both(settle(1), 100n);
    desk.both(settle(2), 250n, { institution: "H2" });
    const answer = await run();
    expect(counts(answer)).toEqual({ rowsOurs: 2, rowsTheirs: 2, fenOurs: 350, fenTheirs: 350, totalsEqual: 2 });
    expect(answer.method).toBe("totals");
    expect(desk.payers.bank.asked).toBe(0);
  });

  test("are not enough when details are asked for, and give the same result", async () => {
    desk.both(settle(1), 100n);
    const answer = await run({ input: { kind: "service", details: "always" } });
    expect(answer.method).toBe("details");
    expect(counts(answer)).toEqual({ rowsOurs: 1, rowsTheirs: 1, fenOurs: 100, fenTheirs: 100, matched: 1 });
  });

  test("are not enough while a call of ours has no answer", async () => {
    desk.both(settle(1), 100n);
    open(settle(2), 40n);
    expect((await run()).method).toBe("details");
  });

  test("of all institutions together hide amounts that are swapped between two of them: each is compared, and each is a case", async () => {
    for (const [n, institution, mine, theirs] of [
      [1, "H1", 47_000n, 3_000n],
      [2, "H2", 3_000n, 47_000n],
    ] as const) {
      desk.shards.get(n - 1)?.add({ key: settle(n), rail: "bank", institution, amount: mine, postedAtMs: noon() });
      desk.payers.bank.rows.push(row(settle(n), theirs, { institution }));
    }
    const answer = await run();
    expect([answer.method, counts(answer)["amount"], counts(answer)["totalsEqual"]]).toEqual(["details", 2, undefined]);
  });

  test("of an institution hide amounts that are swapped between its funds: each fund source is compared", async () => {
    desk.shards.get(0)?.add({ key: settle(1), rail: "bank", amount: 100n, parts: split(60n, 40n), postedAtMs: noon() });
    desk.payers.bank.rows.push(row(settle(1), 100n, { parts: split(40n, 60n) }));
    expect(counts(await run())).toMatchObject({ amount: 1 });
  });

  test("in one sum, from a payer that does not state institutions, are not believed: its rows are compared", async () => {
    desk.payers.bank.oneSum = true;
    desk.both(settle(1), 100n);
    const answer = await run();
    expect([answer.method, counts(answer)["matched"]]).toEqual(["details", 1]);
  });

  test("of nothing at all are a reconciled day", async () => {
    expect(counts(await run())).toEqual({});
  });
});

/** The largest amount there is, three times on both sides. */
function three(): readonly StatementRow[] {
  for (let n = 1; n <= 3; n++) desk.both(settle(n), FEN_MAX);
  return desk.payers.bank.rows;
}

describe("a day above 10^14 yuan", () => {
  const net = 3n * FEN_MAX;

  test.each<[string, (rows: readonly StatementRow[]) => Promise<RunRequest["input"]>, string]>([
    ["by equal totals", () => Promise.resolve({ kind: "service", details: "asNeeded" }), "totalsEqual"],
    ["by the payer's rows", () => Promise.resolve({ kind: "service", details: "always" }), "matched"],
    ["by a file with its totals", async (rows) => ({ kind: "file", file: await desk.csv("much.csv", rows) }), "matched"],
  ])("is compared to the fen %s, and its run, entry and event say so", async (_, input, name) => {
    const answer = await run({ input: await input(three()) });
    expect(answer.counts).toMatchObject({ fenOurs: net, fenTheirs: net, [name]: 3n });
    await desk.reopen();
    expect(await desk.reconciler.store.run(answer.id)).toMatchObject({ counts: { fenOurs: net, fenTheirs: net } });
    const entry = desk.shards.get(0)?.leaves.find(({ kind }) => kind === "reconciliation.finished");
    expect(entry?.facts).toMatchObject({ "count.fenOurs": "29999999999999997", "count.fenTheirs": "29999999999999997" });
    const [event] = await desk.db.read("SELECT value FROM outbox");
    expect(Buffer.from(event?.["value"] as ArrayBuffer).toString()).toContain(
      '"net":{"ours":"299999999999999.97","theirs":"299999999999999.97"}',
    );
  });

  test("is told apart from one that differs by a fen", async () => {
    const rows = three().map((one, n) => (n === 2 ? { ...one, amount: asFen(one.amount - 1n) } : one));
    const answer = await run({ input: { kind: "file", file: await desk.csv("less.csv", rows) } });
    expect(answer.counts).toMatchObject({ fenOurs: net, fenTheirs: net - 1n, matched: 2n, amount: 1n });
    expect(await cases()).toEqual([["amount", "open", FEN_MAX, FEN_MAX - 1n]]);
  });
});

describe("rows", () => {
  test("of all shards are matched by key, whatever the order of the payer", async () => {
    for (const n of [5, 1, 4, 2, 3]) desk.both(settle(n), BigInt(n) * 100n, { institution: n % 2 === 0 ? "H1" : "H2" });
    desk.both("rf1/bank/refund", 100n, { kind: "refund" });
    const answer = await run({ input: { kind: "service", details: "always" } });
    expect(counts(answer)).toMatchObject({ matched: 6, rowsOurs: 6, fenOurs: 1400, fenTheirs: 1400 });
    expect(await cases()).toEqual([]);
  });

  test("without our key are matched by the payer's reference", async () => {
    desk.shards.get(0)?.add({ key: settle(1), rail: "bank", amount: 100n, postedAtMs: noon(), railReference: "B77" });
    const file = await desk.csv("s.csv", [row("", 100n, { railReference: "B77" })]);
    expect(counts(await run({ input: { kind: "file", file } }))).toMatchObject({ byReference: 1, rowsTheirs: 1 });
  });

  test("of a payment that was reversed before it counted cancel each other", async () => {
    desk.payers.bank.rows.push(row(settle(1), 100n), row("rs1/bank/reverse", 100n, { kind: "reversal" }));
    expect(counts(await run({ input: { kind: "service", details: "always" } }))).toMatchObject({ cancelled: 2, rowsTheirs: 2 });
    await daysLater(3);
    expect(await cases()).toEqual([]);
  });

  test("of a payment that was reversed on its own day meet ours of a later day, which are as little", async () => {
    desk.payers.bank.rows.push(row(settle(1), 100n), row("rs1/bank/reverse", 100n, { kind: "reversal" }));
    await run({ input: { kind: "service", details: "always" } });
    for (const [key, kind] of [
      [settle(1), "capture"],
      ["rs1/bank/reverse", "reversal"],
    ] as const)
      desk.shards.get(0)?.add({ key, kind, rail: "bank", amount: 100n, postedAtMs: noon(NEXT) });
    const [next] = await daysLater(3);
    expect(next === undefined ? {} : counts(next)).toMatchObject({ cancelled: 2 });
    expect(await cases()).toEqual([]);
  });

  test.each<[string, Partial<StatementRow>]>([
    ["amount", { amount: asFen(101n) }],
    ["kind", { kind: "refund" }],
    ["institution", { institution: "H2" }],
    ["split over funds", { parts: [{ fundSource: "acct_pay", amount: asFen(100n) }] }],
  ])("that disagree about the %s are a case at once", async (_, wrong) => {
    desk.shards.get(0)?.add({ key: settle(1), rail: "bank", amount: 100n, postedAtMs: noon() });
    desk.payers.bank.rows.push(row(settle(1), 100n, wrong));
    expect(counts(await run({ input: { kind: "service", details: "always" } }))).toMatchObject({ amount: 1 });
    expect(await cases()).toEqual([["amount", "open", 100n, wrong.amount ?? 100n]]);
  });
});

describe("a row without counterpart", () => {
  test("waits for the payer's next days, and meets it there: timing, not a difference", async () => {
    desk.shards.get(0)?.add({ key: settle(1), rail: "bank", amount: 100n, postedAtMs: (dayStart(NEXT) - 1000) as EventMs });
    desk.payers.bank.rows.push(row(settle(1), 100n, { atMs: (dayStart(NEXT) + 1000) as EventMs }));
    expect(counts(await run())).toMatchObject({ waiting: 1 });
    const [next] = await daysLater(2);
    expect(next === undefined ? {} : counts(next)).toMatchObject({ met: 1 });
    expect(await cases()).toEqual([]);
  });

  test("may also be the payer's, ours coming a day later", async () => {
    desk.payers.bank.rows.push(row(settle(1), 100n));
    desk.shards.get(0)?.add({ key: settle(1), rail: "bank", amount: 100n, postedAtMs: noon(NEXT) });
    expect(counts(await run())).toMatchObject({ waiting: 1 });
    const [next] = await daysLater(1);
    expect(next === undefined ? {} : counts(next)).toMatchObject({ met: 1 });
  });

  test("that meets it with another amount is an amount case", async () => {
    desk.payers.bank.rows.push(row(settle(1), 100n));
    desk.shards.get(0)?.add({ key: settle(1), rail: "bank", amount: 90n, postedAtMs: noon(NEXT) });
    await run();
    await daysLater(1);
    expect(await cases()).toEqual([["amount", "open", 90n, 100n]]);
  });

  test.each([
    ["a payment of ours", "shortage", 100n, undefined, "capture", 100n],
    ["the payer's payment", "surplus", undefined, 100n, "capture", -100n],
    ["a refund of ours", "surplus", 100n, undefined, "refund", -100n],
    ["the payer's refund", "shortage", undefined, 100n, "refund", 100n],
    ["a reversal of ours", "surplus", 100n, undefined, "reversal", -100n],
    ["the payer's reversal", "shortage", undefined, 100n, "reversal", 100n],
  ] as const)("that is only %s becomes a %s after the second look, and not before", async (...is) => {
    const [whose, difference, ours, theirs, kind, owed] = is;
    const key = kind === "capture" ? settle(1) : settle(1).replace("capture", kind === "refund" ? "refund" : "reverse");
    if (ours !== undefined) desk.shards.get(0)?.add({ key, kind, rail: "bank", amount: 100n, postedAtMs: noon() });
    else desk.payers.bank.rows.push(row(key, 100n, { kind }));
    await run();
    const [first, second] = await daysLater(2);
    expect(first === undefined ? {} : counts(first)).toEqual({});
    expect(second === undefined ? {} : counts(second)).toEqual({ opened: 1 });
    expect([whose, await cases()]).toEqual([whose, [[difference, "open", ours, theirs]]]);
    // A file of the same day that says it again counts it in its class, and opens nothing.
    const again = theirs === undefined ? [] : [row(key, 100n, { kind })];
    desk.shards.get(0)?.add({ key: settle(8), rail: "bank", amount: 5n, postedAtMs: noon() });
    const file = await csv("again.csv", ...again, row(settle(8), 5n));
    expect(counts(await run({ input: file }))).toMatchObject({ [difference]: 1, matched: 1 });
    // What goes into suspense is what the payer owes us.
    const [only] = await desk.reconciler.store.cases();
    await desk.reconciler.step(only?.id ?? "", { action: "assign", by: "li", owner: "li" });
    await desk.reconciler.step(only?.id ?? "", { action: "suspend", by: "li", reason: "underInquiry" });
    expect([...(desk.shards.get(0)?.adjustments.values() ?? [])].map(({ amount }) => amount)).toEqual([owed]);
  });

  test("that comes after all clears its case by itself", async () => {
    desk.payers.bank.rows.push(row(settle(1), 100n));
    await run();
    await daysLater(2);
    desk.shards.get(0)?.add({ key: settle(1), rail: "bank", amount: 100n, postedAtMs: noon(addDays(DAY, 3)) });
    desk.clock.at = (dayStart(addDays(DAY, 4)) + HOUR) as EventMs;
    await run({ day: addDays(DAY, 3) });
    expect(await cases()).toEqual([["surplus", "resolved", undefined, 100n]]);
    const [only] = await desk.reconciler.store.cases();
    expect((await desk.reconciler.store.steps(only?.id ?? "")).map(({ action, reason }) => [action, reason])).toEqual([
      ["open", undefined],
      ["settle", "counterpartArrived"],
    ]);
  });

  test("is shown what may belong to it, and never matched with it by itself", async () => {
    desk.payers.bank.rows.push(row("B-unknown", 100n));
    desk.shards.get(0)?.add({ key: settle(1), rail: "bank", amount: 100n, postedAtMs: (dayStart(DAY) + 10 * HOUR + 60_000) as EventMs });
    await run({ input: { kind: "service", details: "always" } });
    await daysLater(2);
    const all = await desk.reconciler.store.cases();
    expect(all.map((one) => one.class).sort()).toEqual(["shortage", "surplus"]);
    for (const one of all) expect((await desk.reconciler.show(one.id))?.proposals).toHaveLength(1);
  });
});

describe("a call whose answer is missing", () => {
  test("is healed by the payer's row, which is then no difference, today or when the posting comes tomorrow", async () => {
    open(settle(1), 100n);
    desk.payers.bank.rows.push(row(settle(1), 100n));
    const answer = await run();
    expect(counts(answer)).toMatchObject({ healed: 1 });
    const [evidence] = desk.shards.get(0)?.evidence ?? [];
    expect(evidence).toMatchObject({
      key: settle(1),
      runId: answer.id,
      statementHash: answer.statementHash,
      found: { kind: "done", amount: 100n },
    });
    // It posted on the day of its healing.
    const [next] = await daysLater(3);
    expect(next === undefined ? {} : counts(next)).toMatchObject({ met: 1 });
    expect(await cases()).toEqual([]);
  });

  test("is healed by its absence from the day the payer has closed", async () => {
    open(settle(1), 100n);
    expect(counts(await run())).toMatchObject({ healed: 1 });
    expect(desk.shards.get(0)?.evidence[0]?.found).toEqual({ kind: "absent" });
    await daysLater(2);
    expect(await cases()).toEqual([]);
  });

  test("asked just before midnight is not called absent before the next day is compared too", async () => {
    open(settle(1), 100n, (dayStart(NEXT) - 60_000) as EventMs);
    expect(counts(await run())).toEqual({});
    const [next] = await daysLater(1);
    expect(next === undefined ? {} : counts(next)).toMatchObject({ healed: 1 });
  });

  test("of a later day is left alone", async () => {
    open(settle(1), 100n, noon(NEXT));
    expect(counts(await run())).toEqual({});
    expect(desk.shards.get(0)?.open.size).toBe(1);
  });

  test("to which the payer did something else is an amount case, and stays open", async () => {
    open(settle(1), 100n);
    desk.payers.bank.rows.push(row(settle(1), 101n));
    expect(counts(await run())).toMatchObject({ amount: 1 });
    expect(await cases()).toEqual([["amount", "open", 100n, 101n]]);
    expect(desk.shards.get(0)?.open.size).toBe(1);
  });
});

describe("the same statement again", () => {
  test("is the same run with the same result: nothing is opened, healed or recorded twice", async () => {
    open(settle(1), 100n);
    desk.payers.bank.rows.push(row(settle(1), 100n), row(settle(2), 5n));
    desk.shards.get(0)?.add({ key: settle(2), rail: "bank", amount: 6n, postedAtMs: noon() });
    const first = await run();
    const leaves = desk.shards.get(0)?.leaves.length;
    const again = await run();
    expect(again).toEqual({ ...first, repeated: true });
    expect(desk.shards.get(0)?.leaves.length).toBe(leaves);
    expect(await cases()).toHaveLength(1);
  });

  test("corrected is another run; what it no longer says is withdrawn, what it still says is not opened again", async () => {
    for (const n of [1, 2]) desk.shards.get(0)?.add({ key: settle(n), rail: "bank", amount: 100n, postedAtMs: noon() });
    const wrong = [row(settle(1), 101n), row(settle(2), 102n)];
    const first = await run({ input: { kind: "file", file: await desk.csv("a.csv", wrong) } });
    expect(counts(first)).toMatchObject({ amount: 2 });
    const second = await run({ input: { kind: "file", file: await desk.csv("b.csv", [row(settle(1), 100n), row(settle(2), 102n)]) } });
    expect(second.id).not.toBe(first.id);
    expect(counts(second)).toEqual({ rowsOurs: 2, rowsTheirs: 2, fenOurs: 200, fenTheirs: 202, matched: 1, amount: 1 });
    expect((await cases()).map(([, state]) => state).sort()).toEqual(["open", "resolved"]);
    // Wrong once more: a case that only a statement had cleared is opened again, under the next number.
    await run({ input: { kind: "file", file: await desk.csv("c.csv", [row(settle(1), 103n), row(settle(2), 102n)]) } });
    expect((await desk.reconciler.store.cases("state='open'")).map((one) => one.id.split(".")[1] ?? "1").sort()).toEqual(["1", "2"]);
  });
});

async function csv(name: string, ...rows: StatementRow[]): Promise<RunRequest["input"]> {
  return { kind: "file", file: await desk.csv(name, rows) };
}

describe("the right statement after a wrong one", () => {
  test("stands again, although it was compared before: what the wrong one left is taken back", async () => {
    desk.shards.get(0)?.add({ key: settle(1), rail: "bank", amount: 100n, postedAtMs: noon() });
    const right = await csv("right.csv", row(settle(1), 100n));
    const first = await run({ input: right });
    const wrong = await run({ input: await csv("wrong.csv", row(settle(2), 7n)) });
    expect(counts(wrong)).toMatchObject({ waiting: 2 });
    const again = await run({ input: right });
    expect(again).toMatchObject({ repeated: false, statementHash: first.statementHash });
    expect(again.id).not.toBe(first.id);
    expect(counts(again)).toMatchObject({ matched: 1 });
    expect(await desk.reconciler.store.unmatched("state='waiting'")).toEqual([]);
    expect(await run({ input: right })).toEqual({ ...again, repeated: true });
    await daysLater(2);
    expect(await cases()).toEqual([]);
  });

  test("clears the differences that the wrong one made", async () => {
    desk.shards.get(0)?.add({ key: settle(1), rail: "bank", amount: 100n, postedAtMs: noon() });
    const right = await csv("right.csv", row(settle(1), 100n));
    await run({ input: right });
    await run({ input: await csv("wrong.csv", row(settle(1), 101n)) });
    expect((await cases()).map(([, state]) => state)).toEqual(["open"]);
    await run({ input: right });
    expect((await cases()).map(([, state]) => state)).toEqual(["resolved"]);
  });
});

const wrong = (amount: bigint): StatementRow => row(settle(1), amount);
const theirs = async (): Promise<bigint | undefined> => (await desk.reconciler.store.cases()).at(-1)?.theirs?.amount;
const steps = async (): Promise<readonly string[]> => {
  const last = (await desk.reconciler.store.cases()).at(-1);
  return (await desk.reconciler.store.steps(last?.id ?? "")).map(({ action }) => action);
};

describe("a case", () => {
  beforeEach(() => {
    desk.shards.get(0)?.add({ key: settle(1), rail: "bank", amount: 100n, postedAtMs: noon() });
  });

  test("is not closed by equal totals: the day is compared by rows as long as a difference of it is open", async () => {
    await run({ input: await csv("wrong.csv", wrong(101n)) });
    desk.shards.get(0)?.add({ key: settle(2), rail: "bank", amount: 1n, postedAtMs: noon() });
    // 101 and nothing, 100 and 1: one row each way, equal in sum.
    desk.payers.bank.rows.push(row(settle(1), 99n), row(settle(2), 2n));
    const answer = await run();
    expect([answer.method, desk.payers.bank.asked]).toEqual(["details", 1]);
    expect((await cases()).map(([, state]) => state)).toEqual(["open", "open"]);
  });

  test("in suspense or with somebody is not closed by equal totals either", async () => {
    await run({ input: await csv("wrong.csv", wrong(101n)) });
    const [only] = await desk.reconciler.store.cases();
    await desk.reconciler.step(only?.id ?? "", { action: "assign", by: "li", owner: "li" });
    desk.payers.bank.rows.push(wrong(100n));
    expect((await run()).method).toBe("details");
    expect((await cases()).map(([, state]) => state)).toEqual(["resolved"]);
  });

  test("opened again under the next number stays open when the same wrong statement is saved in another form", async () => {
    const a = await csv("a.csv", wrong(101n));
    const good = await csv("good.csv", wrong(100n));
    for (const input of [a, good, a]) await run({ input });
    // As other bytes the statement is known again; as another statement that says the same, it confirms the case.
    expect(counts(await run({ input: await csv("b.csv", wrong(101n), row(settle(9), 5n)) }))).toMatchObject({ amount: 1, waiting: 1 });
    expect((await desk.reconciler.store.cases()).map(({ id, state }) => [id.split(".")[1] ?? "1", state])).toEqual([
      ["1", "resolved"],
      ["2", "open"],
    ]);
  });

  test("follows the newest statement's amount, and back again, by a step of its own each time", async () => {
    for (const amount of [101n, 540n, 101n]) {
      await run({ input: await csv(`${amount}.csv`, wrong(amount)) });
      expect(await theirs()).toBe(amount);
    }
    expect(await steps()).toEqual(["open", "restate", "restate"]);
    const leaves = desk.shards.get(0)?.leaves.filter(({ kind }) => kind === "reconciliation.case") ?? [];
    expect(leaves.map(({ facts }) => facts?.["fen.theirs"])).toEqual(["101", "540", "101"]);
    expect(await cases()).toHaveLength(1);
  });

  test("takes another class when one side no longer has the movement, and is an amount again when it has", async () => {
    await run({ input: await csv("1.csv", wrong(101n)) });
    expect(counts(await run({ input: await csv("2.csv") }))).toMatchObject({ shortage: 1 });
    expect(await cases()).toEqual([["shortage", "open", 100n, undefined]]);
    expect(counts(await run({ input: await csv("3.csv", wrong(102n)) }))).toMatchObject({ amount: 1 });
    expect(await cases()).toEqual([["amount", "open", 100n, 102n]]);
    await run({ input: await csv("4.csv", wrong(100n)) });
    expect(await cases()).toEqual([["amount", "resolved", 100n, 102n]]);
    expect(await desk.reconciler.store.unmatched("state IN ('waiting','case')")).toEqual([]);
  });

  test("moves into suspense and writes off what the statement in force says, not what the first one said", async () => {
    await run({ input: await csv("1.csv", wrong(540n)) });
    const [only] = await desk.reconciler.store.cases();
    const id = only?.id ?? "";
    const moved = (): bigint =>
      [...(desk.shards.get(0)?.adjustments.values() ?? [])].reduce((sum, { kind, amount }) => sum + (kind === "suspend" ? amount : 0n), 0n);
    await desk.reconciler.step(id, { action: "assign", by: "li", owner: "li" });
    await run({ input: await csv("2.csv", wrong(340n)) });
    await desk.reconciler.step(id, { action: "suspend", by: "li", reason: "underInquiry" });
    expect(moved()).toBe(-240n);
    await run({ input: await csv("3.csv", wrong(101n)) });
    expect(moved()).toBe(-1n);
    const off = await desk.reconciler.step(id, { action: "writeOff", by: "li", approvedBy: "qian", reason: "immaterial" });
    expect(off).toMatchObject({ ok: true, value: { state: "writtenOff" } });
    expect([...(desk.shards.get(0)?.adjustments.values() ?? [])].at(-1)).toMatchObject({ kind: "writeOff", amount: -1n });
  });

  test.each(["adjust", "adjusted"])("keeps suspense at what the newest statement says when the run before it ended at %s", async (at) => {
    await run({ input: await csv("1.csv", wrong(540n)) });
    const [only] = await desk.reconciler.store.cases();
    const id = only?.id ?? "";
    const shard = desk.shards.get(0);
    if (shard === undefined) throw new Error("no shard 0");
    await desk.reconciler.step(id, { action: "assign", by: "li", owner: "li" });
    await desk.reconciler.step(id, { action: "suspend", by: "li", reason: "underInquiry" });
    shard.interrupt = (what) => {
      if (what === at) throw new Error("ended here");
    };
    const second = await csv("2.csv", wrong(340n));
    await expect(run({ input: second })).rejects.toThrow("ended here");
    shard.interrupt = () => undefined;
    await desk.reopen();
    await run({ input: await csv("3.csv", wrong(101n)) });
    expect([...shard.adjustments.values()].reduce((sum, { amount }) => sum + amount, 0n)).toBe(-1n);
    expect((await desk.reconciler.show(id))?.owed).toEqual([{ fundSource: "psn_cash_pay", amount: -1n }]);
  });

  test("whose run could not be written has moved nothing", async () => {
    await run({ input: await csv("1.csv", wrong(540n)) });
    const [only] = await desk.reconciler.store.cases();
    await desk.reconciler.step(only?.id ?? "", { action: "assign", by: "li", owner: "li" });
    await desk.reconciler.step(only?.id ?? "", { action: "suspend", by: "li", reason: "underInquiry" });
    const write = desk.db.write.bind(desk.db);
    desk.db.write = (statements) =>
      statements.some(({ sql }) => sql.includes("reconciliation_case")) ? Promise.reject(new Error("ended here")) : write(statements);
    await expect(run({ input: await csv("2.csv", wrong(340n)) })).rejects.toThrow("ended here");
    desk.db.write = write;
    expect([...(desk.shards.get(0)?.adjustments.values() ?? [])].map(({ amount }) => amount)).toEqual([-440n]);
    await run({ input: await csv("3.csv", wrong(101n)) });
    expect([...(desk.shards.get(0)?.adjustments.values() ?? [])].reduce((sum, { amount }) => sum + amount, 0n)).toBe(-1n);
  });

  test("in suspense leaves it with the statement that clears it, and nobody has to", async () => {
    await run({ input: await csv("1.csv", wrong(540n)) });
    const [only] = await desk.reconciler.store.cases();
    await desk.reconciler.step(only?.id ?? "", { action: "assign", by: "li", owner: "li" });
    await desk.reconciler.step(only?.id ?? "", { action: "suspend", by: "li", reason: "underInquiry" });
    await run({ input: await csv("2.csv", wrong(100n)) });
    expect((await cases()).map(([, state]) => state)).toEqual(["resolved"]);
    expect([...(desk.shards.get(0)?.adjustments.values() ?? [])].map(({ kind, amount }) => [kind, amount])).toEqual([
      ["suspend", -440n],
      ["release", -440n],
    ]);
    expect(await steps()).toEqual(["open", "assign", "suspend", "settle"]);
  });

  test.each([
    ["payment", "capture", "shortage"],
    ["refund", "refund", "surplus"],
  ] as const)(
    "of a %s on two days is one side's only when the payer takes its half back, and of amounts when it comes again",
    async (...is) => {
      const [, kind, difference] = is;
      const key = kind === "capture" ? settle(7) : settle(7).replace("capture", "refund");
      const half = row(key, 70n, { kind });
      const first = [wrong(100n), half];
      await run({ input: await csv("1.csv", ...first) });
      desk.shards.get(0)?.add({ key, kind, rail: "bank", amount: 60n, postedAtMs: noon(NEXT) });
      await daysLater(1);
      expect(await cases()).toEqual([["amount", "open", 60n, 70n]]);
      const without = await run({ input: await csv("2.csv", wrong(100n)) });
      expect(counts(without)).toMatchObject({ matched: 1 });
      expect(counts(without)[difference]).toBeUndefined();
      expect(await cases()).toEqual([[difference, "open", 60n, undefined]]);
      await run({ input: await csv("3.csv", wrong(100n), row(key, 65n, { kind })) });
      expect(await cases()).toEqual([["amount", "open", 60n, 65n]]);
    },
  );

  test("of a row that waited has the amount of the newest statement, before it is opened and after", async () => {
    await run({ input: await csv("1.csv", wrong(100n), row(settle(7), 70n)) });
    await run({ input: await csv("2.csv", wrong(100n), row(settle(7), 71n)) });
    expect((await desk.reconciler.store.unmatched("state='waiting'")).map(({ amount }) => amount)).toEqual([71n]);
    await daysLater(2);
    expect(await cases()).toEqual([["surplus", "open", undefined, 71n]]);
    expect(counts(await run({ input: await csv("3.csv", wrong(100n), row(settle(7), 72n)) }))).toMatchObject({ surplus: 1, matched: 1 });
    expect(await cases()).toEqual([["surplus", "open", undefined, 72n]]);
  });

  test("that people closed stays closed while the payer says the same, and is a new one when it says something else", async () => {
    await run({ input: await csv("1.csv", wrong(101n)) });
    const [only] = await desk.reconciler.store.cases();
    await desk.reconciler.step(only?.id ?? "", { action: "assign", by: "li", owner: "li" });
    await desk.reconciler.step(only?.id ?? "", { action: "resolve", by: "li", reason: "agreed" });
    const same = await run({ input: await csv("2.csv", wrong(101n), row(settle(9), 5n)) });
    expect([counts(same)["amount"], counts(same)["opened"], (await cases()).length]).toEqual([1, undefined, 1]);
    await run({ input: await csv("3.csv", wrong(540n)) });
    expect(await cases()).toEqual([
      ["amount", "resolved", 100n, 101n],
      ["amount", "open", 100n, 540n],
    ]);
  });
});

describe("counts", () => {
  test("of a run add up: every movement of the day is counted in one class, whatever was compared before", async () => {
    const CLASSES = ["totalsEqual", "matched", "byReference", "cancelled", "healed", "waiting", "met", "surplus", "shortage", "amount"];
    const amounts = fc.array(fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }), { minLength: 6, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(amounts, fc.array(amounts, { minLength: 1, maxLength: 5 }), async (ours, statements) => {
        const mine = await openDesk();
        try {
          for (const [n, amount] of ours.entries())
            if (amount !== undefined) mine.shards.get(0)?.add({ key: settle(n), rail: "bank", amount: BigInt(amount), postedAtMs: noon() });
          for (const stated of statements) {
            const rows = stated.flatMap((amount, n) => (amount === undefined ? [] : [row(settle(n), BigInt(amount))]));
            mine.payers.bank.rows.splice(0, Infinity, ...rows);
            const answer = await mine.reconciler.run({ rail: "bank", day: DAY, by: "li", input: { kind: "service", details: "asNeeded" } });
            if (!answer.ok) throw new Error(answer.error.code);
            const found = counts(answer.value);
            const movements = ours.filter((amount, n) => amount !== undefined || stated[n] !== undefined).length;
            expect(CLASSES.reduce((sum, name) => sum + (found[name] ?? 0), 0)).toBe(movements);
            const differ = ours.filter((amount, n) => amount !== undefined && stated[n] !== undefined && stated[n] !== amount).length;
            if (answer.value.method === "details") expect(found["amount"] ?? 0).toBe(differ);
          }
        } finally {
          await mine.close();
        }
      }),
      { numRuns: 15, seed: 7 },
    );
  });
});

describe("a run", () => {
  test("is an entry in every shard's log with that shard's counts, the statement's hash and the rules' version", async () => {
    desk.both(settle(1), 100n);
    desk.both(settle(2), 250n, { institution: "H2" });
    const answer = await run();
    for (const [shard, fen] of [
      [0, "100"],
      [1, "250"],
    ] as const) {
      const [leaf] = desk.shards.get(shard)?.leaves.filter(({ kind }) => kind === "reconciliation.finished") ?? [];
      expect(leaf).toMatchObject({ subject: answer.id, actor: "operator/li", ruleSetVersion: "reconcile/3" });
      expect(leaf?.facts).toMatchObject({ rail: "bank", day: DAY, method: "totals", "count.totalsEqual": "1", "count.fenOurs": fen });
      expect(Buffer.from(leaf?.requestHash ?? []).toString("hex")).toBe(answer.statementHash);
    }
    expect(answer.entries.map(({ origin }) => origin)).toEqual(["test/settlement-0", "test/settlement-1"]);
  });

  test("is announced once, citing its entry", async () => {
    desk.both(settle(1), 100n);
    const answer = await run();
    await run();
    const events = await desk.db.read("SELECT event_id, topic, key, headers, value FROM outbox");
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ event_id: `${answer.id}.finished`, topic: "supervision.reconciliation.finished.v1", key: "bank" });
    expect(JSON.parse(String(events[0]?.["headers"]))).toMatchObject({ ce_ledgerlog: "test/settlement-0", ce_ledgerseq: "0" });
  });

  test.each([
    ["of a day that is not over", "dayNotOver", () => void (desk.clock.at = noon())],
    ["that the payer has not closed", "payerDayOpen", () => void (desk.payers.bank.closed = false)],
  ] as readonly (readonly [string, string, () => void])[])("%s is refused", async (_, code, given) => {
    given();
    const answer = await desk.reconciler.run({ rail: "bank", day: DAY, by: "li", input: { kind: "service", details: "asNeeded" } });
    expect(answer).toEqual({ ok: false, error: { code } });
    expect(await desk.reconciler.store.runs()).toEqual([]);
  });

  test("whose rows do not add up to the payer's own totals is refused, and nothing is written", async () => {
    desk.payers.bank.rows.push(row(settle(1), 100n));
    desk.payers.bank.statementTotals = (day) =>
      Promise.resolve({ day, closed: true, captures: 2, captured: asFen(300n), refunds: 0, refunded: asFen(0n) });
    const answer = await desk.reconciler.run({ rail: "bank", day: DAY, by: "li", input: { kind: "service", details: "asNeeded" } });
    expect(answer).toMatchObject({ ok: false, error: { code: "badStatement", defects: [{ code: "totalsDisagree" }] } });
    expect(await desk.reconciler.store.runs()).toEqual([]);
  });

  test("in which nearly nothing matches is another payer's statement: refused whole", async () => {
    await desk.close();
    desk = await openDesk({ version: "test/1", secondLookDays: 2, midnightMs: 1_800_000, proposalWindowMs: 600_000, unmatchedMax: 3 });
    for (let n = 0; n < 5; n++) desk.payers.bank.rows.push(row(settle(n), 100n));
    const answer = await desk.reconciler.run({ rail: "bank", day: DAY, by: "li", input: { kind: "service", details: "asNeeded" } });
    expect(answer).toMatchObject({ ok: false, error: { defects: [{ code: "tooManyUnmatched" }] } });
  });
});

describe("a process that ends in the middle of a run", () => {
  const moments = [
    "heal rs1/bank/capture",
    "healed rs1/bank/capture",
    "heal rs3/bank/capture",
    "healed rs3/bank/capture",
    "record reconciliation.finished",
    "recorded reconciliation.finished",
    "record reconciliation.case",
    "recorded reconciliation.case",
  ];
  test.each(moments)("at «%s» goes on to the same result: counted once, recorded once", async (moment) => {
    open(settle(1), 100n);
    open(settle(3), 70n);
    desk.payers.bank.rows.push(row(settle(1), 100n), row(settle(2), 5n));
    desk.shards.get(0)?.add({ key: settle(2), rail: "bank", amount: 6n, postedAtMs: noon() });
    for (const books of desk.shards.values())
      books.interrupt = (what) => {
        if (what !== moment) return;
        throw new Error("ended here");
      };
    await expect(run()).rejects.toThrow("ended here");
    for (const books of desk.shards.values()) books.interrupt = () => undefined;
    await desk.reopen();
    const answer = await run();
    expect(counts(answer)).toMatchObject({ healed: 2, amount: 1 });
    for (const kind of ["reconciliation.finished", "reconciliation.case"])
      expect(desk.shards.get(0)?.leaves.filter((leaf) => leaf.kind === kind)).toHaveLength(1);
    expect(await cases()).toEqual([["amount", "open", 6n, 5n]]);
    expect(await desk.db.read("SELECT 1 FROM outbox")).toHaveLength(1);
    expect(
      desk.shards
        .get(0)
        ?.evidence.map(({ key }) => key)
        .sort(),
    ).toEqual([settle(1), settle(3)]);
  });
});

function open(key: string, amount: bigint, askedAtMs: EventMs = noon()): void {
  const settlementId = key.split("/")[0] ?? "";
  desk.shards.get(0)?.open.set(key, { key, rail: "bank", settlementId, institution: "H1", amount, askedAtMs });
}
