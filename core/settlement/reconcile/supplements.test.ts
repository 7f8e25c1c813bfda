/** 补账 in the reconciliation room: what people take into the books of a movement that only the payer has. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { EventMs } from "../../protocol/time.ts";
import type { StatementRow } from "../rails/port.ts";
import { settlementId } from "../../protocol/settlement-id.ts";
import type { AccountingDay } from "../books.ts";
import { addDays, dayStart } from "../day/accounting-day.ts";
import type { CaseStep } from "./cases.ts";
import type { RunAnswer } from "./run.ts";
import { DAY, type Desk, HOUR, openDesk, row } from "./testing/desk.ts";
import type { MemoryBooks } from "./testing/memory-books.ts";

let desk: Desk;
let shard: MemoryBooks;
beforeEach(async () => {
  desk = await openDesk();
  const books = desk.shards.get(0);
  if (books === undefined) throw new Error("no shard 0");
  shard = books;
});
afterEach(async () => await desk.close());

async function run(after: number): Promise<RunAnswer["counts"]> {
  const day = addDays(DAY, after) as AccountingDay;
  desk.clock.at = Math.max(desk.clock.at, dayStart(day) + 25 * HOUR) as EventMs;
  const answer = await desk.reconciler.run({ rail: "bank", day, by: "li", input: { kind: "service", details: "always" } });
  if (!answer.ok) throw new Error(answer.error.code);
  return answer.value.counts;
}
async function step(id: string, more: Partial<CaseStep> & Pick<CaseStep, "action">): Promise<string> {
  const answer = await desk.reconciler.step(id, { by: "zhao", approvedBy: "qian", reason: "ourError", ...more });
  return answer.ok ? answer.value.state : answer.error;
}
/** Only the payer has it, its second look is over, and somebody looks into it. */
async function payerOnly(stated: StatementRow): Promise<string> {
  desk.payers.bank.rows.push(stated);
  for (const after of [0, 1, 2]) await run(after);
  const [only] = await desk.reconciler.store.cases();
  const id = only?.id ?? "";
  await step(id, { action: "assign", owner: "zhao" });
  return id;
}
const TO_H1 = { action: "book", target: { institution: "H1" } } as const;
const cases = async (): Promise<readonly unknown[]> =>
  (await desk.reconciler.store.cases()).map((one) => [one.class, one.state, one.ours?.amount, one.theirs?.amount]);

describe("a movement that only the payer has", () => {
  test.each([
    ["capture", "B-odd"],
    ["refund", "B-odd"],
    ["reversal", ""],
  ] as const)("is taken into the books as a %s, and its row meets it there: no difference is left", async (kind, key) => {
    const id = await payerOnly(row(key, 70n, { kind, railReference: "R7" }));
    expect(await step(id, TO_H1)).toBe("booked");
    expect([...shard.supplements.values()]).toMatchObject([
      {
        caseId: id,
        movement: kind,
        key,
        railReference: "R7",
        payerDay: DAY,
        institution: "H1",
        parts: [{ fundSource: "psn_cash_pay", amount: 70n }],
        reason: "ourError",
        requestedBy: "zhao",
        approvedBy: "qian",
      },
    ]);
    // Booked on the day after the second look; that day's run finds it, and the payer's row of three days before.
    expect(await run(3)).toMatchObject({ met: 1n, waiting: 0n, opened: 0n });
    desk.both("rs9/bank/capture", 5n);
    expect(await run(0)).toMatchObject({ matched: 1n, met: 1n, surplus: 0n, shortage: 0n });
    for (const after of [4, 5]) await run(after);
    expect(await cases()).toEqual([[kind === "capture" ? "surplus" : "shortage", "booked", undefined, 70n]]);
  });

  test("is none of the open differences any more, and every step of it is an entry", async () => {
    const id = await payerOnly(row("B-odd", 70n));
    await step(id, TO_H1);
    const leaves = shard.leaves.filter(({ kind }) => kind === "reconciliation.case");
    expect(leaves.at(-1)).toMatchObject({ subject: `${id}/3`, actor: "operator/zhao" });
    expect(leaves.at(-1)?.facts).toMatchObject({ action: "book", state: "booked", approvedBy: "qian", "fen.theirs": "70" });
    expect(shard.leaves.filter(({ kind }) => kind === "supplement.booked")).toHaveLength(1);
  });

  test("belongs to the bill that is named, by the number of the institution", async () => {
    const id = await payerOnly(row("B-odd", 70n));
    expect(await step(id, { action: "book", target: { institution: "H1", outTradeNo: "T/1" } })).toBe("booked");
    expect([...shard.supplements.values()][0]?.settlementId).toBe(settlementId(desk.crypto, "H1", "T/1"));
  });

  test.each<[string, Partial<CaseStep>, string]>([
    ["by one person", { approvedBy: undefined }, "needsSecondPerson"],
    ["by the same person twice", { approvedBy: "zhao" }, "samePerson"],
    ["for nobody", { target: undefined }, "targetMissing"],
    ["for another institution than the payer names", { target: { institution: "H2" } }, "otherTarget"],
  ])("is not taken in %s, and nothing is changed", async (_, change, refusal) => {
    const id = await payerOnly(row("B-odd", 70n));
    expect(await step(id, { ...TO_H1, ...change })).toBe(refusal);
    expect([shard.supplements.size, (await desk.reconciler.show(id))?.case.state]).toEqual([0, "investigating"]);
  });

  test("is not taken into another bill than its key names", async () => {
    const id = await payerOnly(row(`${settlementId(desk.crypto, "H1", "T1")}/bank/capture`, 70n));
    expect(await step(id, { action: "book", target: { institution: "H1", outTradeNo: "T2" } })).toBe("otherTarget");
    expect(await step(id, { action: "book", target: { institution: "H1", outTradeNo: "T1" } })).toBe("booked");
  });

  test("is not taken in when the shard refuses it: the case stays where it was", async () => {
    const id = await payerOnly(row("B-odd", 70n));
    shard.refuses = "alreadyBooked";
    expect(await step(id, TO_H1)).toBe("alreadyBooked");
    expect([shard.supplements.size, (await desk.reconciler.show(id))?.case.state]).toEqual([0, "investigating"]);
  });

  test("leaves suspense with the step that books it", async () => {
    const id = await payerOnly(row("B-odd", 70n));
    await step(id, { action: "suspend", reason: "underInquiry" });
    expect(await step(id, TO_H1)).toBe("booked");
    expect([...shard.adjustments.values()].map(({ kind, amount }) => [kind, amount])).toEqual([
      ["suspend", -70n],
      ["release", -70n],
    ]);
  });

  test("that the payer changes afterwards is a difference of amounts with what was booked", async () => {
    const id = await payerOnly(row("B-odd", 70n));
    await step(id, TO_H1);
    desk.payers.bank.rows.splice(0, 1, row("B-odd", 60n));
    await run(0);
    await run(3);
    expect(
      (await desk.reconciler.store.cases("class='amount'")).map(({ state, ours, theirs }) => [state, ours?.amount, theirs?.amount]),
    ).toEqual([["open", 70n, 60n]]);
  });

  test("that the payer never had is missing there, as anything that we have", async () => {
    const id = await payerOnly(row("B-odd", 70n));
    await step(id, TO_H1);
    desk.payers.bank.rows.splice(0, 1);
    await run(0);
    for (const after of [3, 4, 5]) await run(after);
    expect(await cases()).toEqual([
      ["surplus", "booked", undefined, 70n],
      ["shortage", "open", 70n, undefined],
    ]);
  });

  test("whose process ended while it was booked is booked once by the next", async () => {
    const id = await payerOnly(row("B-odd", 70n));
    shard.interrupt = (what) => {
      if (what === "recorded supplement.booked") throw new Error("ended here");
    };
    await expect(step(id, TO_H1)).rejects.toThrow("ended here");
    shard.interrupt = () => undefined;
    await desk.reopen();
    expect([shard.supplements.size, shard.all.length, (await desk.reconciler.show(id))?.case.state]).toEqual([1, 1, "booked"]);
  });
});

describe("a supplement that was wrong", () => {
  const BACK = { action: "takeBack", reason: "agreed" } as const;

  test.each([
    ["before its row met it", []],
    ["after its row met it", [3]],
  ])("goes back by two people %s, and the difference is somebody's again", async (_, days) => {
    const id = await payerOnly(row("B-odd", 70n));
    expect(await step(id, BACK)).toBe("notFromHere");
    await step(id, TO_H1);
    for (const day of days) await run(day);
    expect(await step(id, { ...BACK, approvedBy: undefined })).toBe("needsSecondPerson");
    expect(await step(id, { ...BACK, approvedBy: "zhao" })).toBe("samePerson");
    expect(await step(id, BACK)).toBe("investigating");
    expect(await step(id, BACK)).toBe("notFromHere");
    for (const after of [3, 4, 5]) await run(after);
    expect(await cases()).toEqual([["surplus", "investigating", undefined, 70n]]);
    expect((await desk.reconciler.store.unmatched("state IN ('waiting','case')")).map(({ side }) => side)).toEqual(["theirs"]);
    // And it can be booked as it should have been.
    expect(await step(id, TO_H1)).toBe("booked");
    expect([...shard.supplements.keys()]).toHaveLength(2);
  });
});
