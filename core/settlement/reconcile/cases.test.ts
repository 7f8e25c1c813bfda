import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { asFen } from "../../protocol/money.ts";
import type { EventMs } from "../../protocol/time.ts";
import { addDays, dayStart } from "../day/accounting-day.ts";
import { afterStep, CASE_ACTIONS, CASE_STATES, type CaseAction, type CaseRefusal, type CaseState, type CaseStep } from "./cases.ts";
import { owedBySource } from "./records.ts";
import { DAY, type Desk, HOUR, openDesk, row } from "./testing/desk.ts";

describe("the life of a case", () => {
  const TABLE: Readonly<Record<CaseState, Partial<Readonly<Record<CaseAction, CaseState>>>>> = {
    open: { assign: "investigating", giveBack: "open", settle: "resolved", restate: "open" },
    investigating: {
      assign: "investigating",
      resolve: "resolved",
      suspend: "suspended",
      giveBack: "investigating",
      book: "booked",
      settle: "resolved",
      restate: "investigating",
    },
    suspended: {
      release: "resolved",
      writeOff: "writtenOff",
      giveBack: "suspended",
      book: "booked",
      settle: "resolved",
      restate: "suspended",
    },
    resolved: {},
    writtenOff: {},
    booked: { takeBack: "investigating" },
  };
  const rows = CASE_STATES.flatMap((state) => CASE_ACTIONS.map((action) => [state, action] as const));
  test.each(rows)("from %s by %s is as the table says", (state, action) => {
    const to = TABLE[state][action];
    const closed = state === "resolved" || state === "writtenOff" || state === "booked";
    const step: CaseStep = { action, by: "li", owner: "li", reason: "agreed", approvedBy: "wang" };
    expect(afterStep(state, step)).toEqual(to === undefined ? (closed ? "caseClosed" : "notFromHere") : { state: to });
  });

  test.each<[string, CaseState, CaseStep, CaseRefusal]>([
    ["a name that is none", "open", { action: "assign", by: "Li Si", owner: "li" }, "personMalformed"],
    ["the platform's own name", "open", { action: "assign", by: "ronghe", owner: "li" }, "personMalformed"],
    ["nobody to assign to", "open", { action: "assign", by: "li" }, "personMalformed"],
    ["no reason", "investigating", { action: "resolve", by: "li" }, "reasonMissing"],
    ["one person only", "suspended", { action: "writeOff", by: "li", reason: "immaterial" }, "needsSecondPerson"],
    ["a supplement by one person", "investigating", { action: "book", by: "li", reason: "ourError" }, "needsSecondPerson"],
    ["a supplement by the same twice", "suspended", { action: "book", by: "li", approvedBy: "li", reason: "ourError" }, "samePerson"],
    ["its return by the same twice", "booked", { action: "takeBack", by: "li", approvedBy: "li", reason: "agreed" }, "samePerson"],
    ["one person only gives nothing back", "open", { action: "giveBack", by: "li", reason: "agreed" }, "needsSecondPerson"],
    ["the same person twice", "suspended", { action: "writeOff", by: "li", approvedBy: "li", reason: "immaterial" }, "samePerson"],
  ])("%s is refused", (_, state, step, refusal) => {
    expect(afterStep(state, step)).toBe(refusal);
  });
});

const side = (fen: bigint, ...parts: readonly (readonly [string, bigint])[]) => ({
  amount: asFen(fen),
  parts: parts.map(([fundSource, amount]) => ({ fundSource, amount: asFen(amount) })),
});

describe("what a difference means in money", () => {
  test.each([
    [
      "a payment only we have: the payer owes it",
      { kind: "capture", ours: side(5n, ["hifp_pay", 5n]), theirs: undefined },
      [["hifp_pay", 5n]],
    ],
    [
      "a payment only the payer has: we owe it",
      { kind: "capture", ours: undefined, theirs: side(5n, ["hifp_pay", 5n]) },
      [["hifp_pay", -5n]],
    ],
    ["a refund only we have: we owe it", { kind: "refund", ours: side(5n, ["hifp_pay", 5n]), theirs: undefined }, [["hifp_pay", -5n]]],
    [
      "amounts that differ, fund by fund",
      { kind: "capture", ours: side(9n, ["a", 6n], ["b", 3n]), theirs: side(8n, ["a", 5n], ["b", 3n]) },
      [["a", 1n]],
    ],
    [
      "the same sum split otherwise",
      { kind: "capture", ours: side(9n, ["a", 6n], ["b", 3n]), theirs: side(9n, ["a", 3n], ["b", 6n]) },
      [
        ["a", 3n],
        ["b", -3n],
      ],
    ],
    [
      "what a payer keeps of a refused bill, which both have: we owe it",
      { class: "keptMoney", kind: "capture", ours: side(5n, ["hifp_pay", 5n]), theirs: side(5n, ["hifp_pay", 5n]) },
      [["hifp_pay", -5n]],
    ],
    [
      "a payer that does not split: as a whole",
      { kind: "capture", ours: side(9n, ["a", 6n], ["b", 3n]), theirs: side(8n) },
      [["oth_pay", 1n]],
    ],
  ] as const)("%s", (_, one, owed) => {
    expect(owedBySource({ rail: "insurance", class: "amount", ...one }).map(({ fundSource, amount }) => [fundSource, amount])).toEqual(
      owed,
    );
  });
});

describe("people and a case", () => {
  let desk: Desk;
  let id: string;
  beforeEach(async () => {
    desk = await openDesk();
    desk.shards.get(0)?.add({ key: "rs1/bank/capture", rail: "bank", amount: 100n, postedAtMs: (dayStart(DAY) + HOUR) as EventMs });
    for (const after of [0, 1, 2]) {
      desk.clock.at = (dayStart(addDays(DAY, after)) + 25 * HOUR) as EventMs;
      await desk.reconciler.run({ rail: "bank", day: addDays(DAY, after), by: "li", input: { kind: "service", details: "asNeeded" } });
    }
    const [only] = await desk.reconciler.store.cases();
    id = only?.id ?? "";
  });
  afterEach(async () => {
    await desk.close();
  });
  const step = async (more: CaseStep): Promise<string> => {
    const answer = await desk.reconciler.step(id, more);
    return answer.ok ? answer.value.state : answer.error;
  };

  test("take it through suspense to a write-off by two, every step in the ledger, its note as a commitment only", async () => {
    expect(await step({ action: "assign", by: "li", owner: "zhao" })).toBe("investigating");
    expect(await step({ action: "suspend", by: "zhao", reason: "underInquiry", note: "asked the bank" })).toBe("suspended");
    expect(await step({ action: "writeOff", by: "zhao", approvedBy: "zhao", reason: "uncollectable" })).toBe("samePerson");
    expect(await step({ action: "writeOff", by: "zhao", reason: "uncollectable" })).toBe("needsSecondPerson");
    expect(await step({ action: "writeOff", by: "zhao", approvedBy: "qian", reason: "uncollectable" })).toBe("writtenOff");
    expect(await step({ action: "release", by: "zhao", reason: "agreed" })).toBe("caseClosed");
    const story = await desk.reconciler.show(id);
    expect(story?.steps.map(({ action, by, approvedBy, owner }) => [action, by, approvedBy, owner])).toEqual([
      ["open", "ronghe", undefined, undefined],
      ["assign", "li", undefined, "zhao"],
      ["suspend", "zhao", undefined, undefined],
      ["writeOff", "zhao", "qian", undefined],
    ]);
    expect(story?.case).toMatchObject({ owner: "zhao", state: "writtenOff" });
    const leaves = desk.shards.get(0)?.leaves.filter(({ kind }) => kind === "reconciliation.case") ?? [];
    expect(leaves.map(({ subject, actor }) => [subject, actor])).toEqual([
      [`${id}/1`, "core"],
      [`${id}/2`, "operator/li"],
      [`${id}/3`, "operator/zhao"],
      [`${id}/4`, "operator/zhao"],
    ]);
    expect(leaves[3]?.facts).toMatchObject({ approvedBy: "qian", reason: "uncollectable", state: "writtenOff", "fen.ours": "100" });
    expect(leaves[2]?.personal).toEqual({ note: "asked the bank" });
    expect(JSON.stringify(leaves.map(({ facts }) => facts))).not.toContain("asked the bank");
    expect([...(desk.shards.get(0)?.adjustments.values() ?? [])].map(({ kind, amount, fundSource }) => [kind, amount, fundSource])).toEqual(
      [
        ["suspend", 100n, "psn_cash_pay"],
        ["writeOff", 100n, "psn_cash_pay"],
      ],
    );
  });

  test("cannot step twice at once: the second finds the case moved on", async () => {
    await step({ action: "assign", by: "li", owner: "zhao" });
    const both = await Promise.all([
      step({ action: "resolve", by: "zhao", reason: "agreed" }),
      step({ action: "suspend", by: "qian", reason: "underInquiry" }),
    ]);
    expect(both).toEqual(["resolved", "caseClosed"]);
    expect(desk.shards.get(0)?.adjustments.size).toBe(0);
  });

  test("know no case by another name", async () => {
    expect(await desk.reconciler.step("20260105-bank-0000000000", { action: "assign", by: "li", owner: "li" })).toEqual({
      ok: false,
      error: "caseUnknown",
    });
  });

  test("find a step that was not written not done, and its money not moved", async () => {
    await step({ action: "assign", by: "li", owner: "zhao" });
    const write = desk.db.write.bind(desk.db);
    desk.db.write = () => Promise.reject(new Error("ended here"));
    await expect(step({ action: "suspend", by: "zhao", reason: "underInquiry" })).rejects.toThrow("ended here");
    desk.db.write = write;
    expect(desk.shards.get(0)?.adjustments.size).toBe(0);
    expect(await step({ action: "suspend", by: "zhao", reason: "underInquiry" })).toBe("suspended");
    expect(desk.shards.get(0)?.adjustments.size).toBe(1);
  });

  test.each(["adjust", "adjusted"])("find a step whose process ended at %s carried out by the next, once", async (at) => {
    await step({ action: "assign", by: "li", owner: "zhao" });
    const books = desk.shards.get(0);
    if (books === undefined) throw new Error("no shard 0");
    books.interrupt = (what) => {
      if (what === at) throw new Error("ended here");
    };
    await expect(step({ action: "suspend", by: "zhao", reason: "underInquiry" })).rejects.toThrow("ended here");
    books.interrupt = () => undefined;
    await desk.reopen();
    expect([...books.adjustments.values()].map(({ kind, amount }) => [kind, amount])).toEqual([["suspend", 100n]]);
    expect((await desk.reconciler.show(id))?.case.state).toBe("suspended");
    expect(books.leaves.filter(({ kind, subject }) => kind === "reconciliation.case" && subject === `${id}/3`)).toHaveLength(1);
  });

  test("cannot change its history, nor take it away", async () => {
    for (const [sql, guard] of [
      ["UPDATE case_step SET done_by='x'", "append-only"],
      ["DELETE FROM case_step", "append-only"],
      ["DELETE FROM reconciliation_case", "kept for ever"],
      ["UPDATE reconciliation_case SET state='resolved'", "moved on"],
      ["UPDATE run SET day='20260106'", "finished"],
      ["DELETE FROM run", "kept for ever"],
    ] as const)
      await expect(desk.db.write([{ sql, args: [] }])).rejects.toThrow(guard);
  });

  test("of a payer's side only is the other way round", async () => {
    desk.payers.bank.rows.push(row("B-odd", 70n, { atMs: (dayStart(addDays(DAY, 3)) + HOUR) as EventMs }));
    for (const after of [3, 4, 5]) {
      desk.clock.at = (dayStart(addDays(DAY, after)) + 25 * HOUR) as EventMs;
      await desk.reconciler.run({ rail: "bank", day: addDays(DAY, after), by: "li", input: { kind: "service", details: "asNeeded" } });
    }
    const surplus = (await desk.reconciler.store.cases()).find((one) => one.class === "surplus");
    expect((await desk.reconciler.show(surplus?.id ?? ""))?.owed).toEqual([{ fundSource: "psn_cash_pay", amount: -70n }]);
  });
});
