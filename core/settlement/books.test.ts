/** Day close, corrections and what the database itself refuses. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadCrypto } from "../crypto/index.ts";
import { asFen } from "../protocol/money.ts";
import type { EventMs } from "../protocol/time.ts";
import type { AccountingDay, Adjustment, Posting, Supplement } from "./books.ts";
import { dayEnd, dayOf } from "./day/accounting-day.ts";
import { HOSPITAL, openScene, type Scene } from "./testing/scene.ts";
import { listHash, trialBalanceHash } from "./trial-balance.ts";

const crypto = await loadCrypto();
const DAY = "20260512" as AccountingDay;
const NEXT = "20260513" as AccountingDay;

let scene: Scene;
beforeEach(async () => {
  scene = await openScene();
});
afterEach(async () => await scene.close());

async function postings(rail: Posting["rail"], day: AccountingDay = DAY): Promise<readonly Posting[]> {
  const found: Posting[] = [];
  for await (const posting of scene.world.shard.books.postings({ rail, day })) found.push(posting);
  return found;
}

describe("the postings of a day", () => {
  test("are its captured legs and refunds, by the payer's keys, with every fund and the entry that records it", async () => {
    const bill = await scene.bill();
    const back = await scene.refund({ refundType: "HI", refundAmount: "10.00" });
    const [first, second, ...more] = await postings("insurance");
    expect(more).toEqual([]);
    const [capture, refund] = first?.kind === "capture" ? [first, second] : [second, first];
    expect(capture).toEqual({
      rail: "insurance",
      settlementId: bill.id,
      key: `${bill.id}/insurance/capture`,
      kind: "capture",
      institution: HOSPITAL,
      amount: 6500n,
      parts: [
        { fundSource: "hifp_pay", amount: 6000n },
        { fundSource: "acct_pay", amount: 500n },
      ],
      railReference: scene.world.payers.insurance.movements[0]?.railReference,
      postedAtMs: bill.decidedAtMs,
      day: DAY,
      late: false,
      ledgerIndex: bill.ledgerIndex,
    });
    expect([refund?.kind, refund?.key, refund?.ledgerIndex]).toEqual(["refund", `${back.id}/insurance/refund`, back.ledgerIndex]);
    expect((await postings("bank")).map(({ amount }) => amount)).toEqual([1750n]);
    expect(await postings("bank", NEXT)).toEqual([]);
  });

  test("come in the order of their keys, in whole legs, however many there are", async () => {
    const bills = 2_010;
    scene.world.submit(
      Array.from({ length: bills }, (_, at) => ({
        action: "settle" as const,
        institution: HOSPITAL,
        outTradeNo: `n${at}`,
        eventId: `n${at}`,
        amount: "0.10",
        credential: "p1",
      })),
    );
    await scene.world.settle();
    const found = await postings("insurance");
    const keys = found.map(({ key }) => key);
    expect(keys).toEqual([...new Set(keys)].sort());
    expect(keys).toHaveLength(bills);
    // Six fen of every bill, and four more of each as long as the personal account had them.
    expect(found.reduce((sum, { amount }) => sum + amount, 0n)).toBe(6n * BigInt(bills) + 500n);
  });
});

describe("a day", () => {
  test("is sealed once it is over: trial balance, tree head, watermark, and what goes on", async () => {
    await scene.bill();
    scene.fault("bank", "capture", "lostAfter");
    const open = await scene.bill({ outTradeNo: "open" });
    const head = { size: scene.world.shard.log.size, root: scene.world.shard.log.root };
    await scene.world.nextDay(true);
    const [seal, ...more] = await scene.world.shard.books.seals();
    expect(more).toEqual([]);
    expect(seal).toMatchObject({ day: DAY, head, carriedOver: [open.id], position: { index: head.size } });
    expect(seal?.offsets).toEqual([{ topic: "settlement.request.submitted.v1", partition: 0, nextOffset: 2n }]);
    expect(seal?.trialBalance.rows.map(({ account, debit, credit, balance }) => [account, debit, credit, balance])).toEqual([
      [`institution/${HOSPITAL}/bank/000000/psn_cash_pay`, 0n, 1750n, 1750n],
      [`institution/${HOSPITAL}/commercial/000000/commercial_claim`, 0n, 1750n, 1750n],
      [`institution/${HOSPITAL}/insurance/510104/acct_pay`, 0n, 500n, 500n],
      [`institution/${HOSPITAL}/insurance/510104/hifp_pay`, 0n, 6000n, 6000n],
      ["payer/bank/000000/psn_cash_pay", 1750n, 0n, -1750n],
      ["payer/commercial/000000/commercial_claim", 1750n, 0n, -1750n],
      ["payer/insurance/510104/acct_pay", 500n, 0n, -500n],
      ["payer/insurance/510104/hifp_pay", 6000n, 0n, -6000n],
    ]);
    const [leaf] = await scene.leaves("day.closed");
    expect(scene.fact(leaf, "trial.hash")).toBe(trialBalanceHash(crypto, DAY, seal?.trialBalance.rows ?? []));
    expect(scene.fact(leaf, "carried.hash")).toBe(listHash(crypto, [open.id]));
    expect(scene.fact(leaf, "offset.settlement.request.submitted.v1.0")).toBe("2");
    expect(scene.fact(leaf, "head.size")).toBe(head.size.toString());
  });

  test.each<[string, AccountingDay, EventMs, string]>([
    ["before it is over", DAY, (dayEnd(DAY) - 1) as EventMs, "dayNotOver"],
    ["by a clock that runs ahead of the shard's", DAY, dayEnd(DAY), "dayNotOver"],
    ["that is to come", "20270101" as AccountingDay, dayEnd(NEXT), "dayNotOver"],
  ])("is not sealed %s", async (_, day, atMs, refusal) => {
    await scene.bill();
    expect(await scene.world.shard.books.seal(day, atMs)).toBe(refusal);
    expect(await scene.world.shard.books.seals()).toEqual([]);
  });

  test("is sealed in its turn and once, and an empty one is sealed too", async () => {
    await scene.bill();
    await scene.world.nextDay(false);
    await scene.world.nextDay(false);
    const { books } = scene.world.shard;
    const { now } = scene.world;
    expect(await books.seal(NEXT, now)).toBe("earlierDayOpen");
    expect(await books.seal(DAY, now)).toMatchObject({ day: DAY });
    expect(await books.seal(DAY, now)).toBe("alreadySealed");
    const empty = await books.seal(NEXT, now);
    expect(empty).toMatchObject({ day: NEXT });
    expect((await books.trialBalance(NEXT)).rows.map(({ debit, credit }) => [debit, credit])).toEqual(
      Array.from({ length: 8 }, () => [0n, 0n]),
    );
    await scene.world.restart();
    expect(await scene.world.shard.books.seal(NEXT, now)).toBe("alreadySealed");
    expect((await scene.world.shard.books.seals()).map(({ day }) => day)).toEqual([DAY, NEXT]);
  });

  test("that is sealed keeps its figures, and closing balances go on from it", async () => {
    await scene.bill();
    await scene.world.nextDay(true);
    const before = await scene.world.shard.books.seals();
    await scene.refund({ refundAmount: "50.00" });
    await scene.bill({ outTradeNo: "second", amount: "1.00" });
    expect((await scene.world.shard.books.seals())[0]).toEqual(before[0]);
    const open = await scene.world.shard.books.trialBalance(NEXT);
    await scene.world.nextDay(true);
    expect(await scene.world.shard.books.trialBalance(NEXT)).toEqual(open);
    const balances = new Map((await scene.world.shard.balances()).map(({ account, posted }) => [account, posted]));
    for (const { account, balance } of open.rows) expect([account, balance]).toEqual([account, balances.get(account)]);
  });

  test("has no place for what comes after its seal: it is booked on the next one, with a mark", async () => {
    scene.fault("bank", "capture", "lostAfter");
    await scene.bill();
    await scene.world.nextDay(true);
    await scene.world.reconcile();
    expect((await scene.find("bill")).standing.state).toBe("settled");
    expect((await postings("bank", NEXT)).map(({ late }) => late)).toEqual([true]);
    const [leaf] = await scene.leaves("settlement.settled");
    expect([scene.fact(leaf, "day"), scene.fact(leaf, "late")]).toEqual([NEXT, "true"]);
    expect(await postings("bank", DAY)).toEqual([]);
  });

  test("is that of UTC+8", async () => {
    expect(dayOf((dayEnd(DAY) - 1) as EventMs)).toBe(DAY);
    expect(new Date(dayEnd(DAY)).toISOString()).toBe("2026-05-12T16:00:00.000Z");
    await scene.bill();
    expect((await postings("bank")).map(({ day }) => day)).toEqual([DAY]);
  });
});

const claim: Adjustment = {
  adjustmentId: "a1",
  caseId: "c1",
  kind: "suspend",
  rail: "bank",
  fundSource: "psn_cash_pay",
  institution: HOSPITAL,
  settlementId: undefined,
  amount: 700n,
  reason: "underInquiry",
  requestedBy: "li",
  approvedBy: undefined,
};

async function adjust(change: Partial<Adjustment>): Promise<unknown> {
  const answer = await scene.world.shard.books.adjust({ ...claim, ...change }, scene.world.now);
  return typeof answer === "string" ? answer : "booked";
}
async function posted(): Promise<Readonly<Record<string, bigint>>> {
  const balances = await scene.world.shard.balances();
  return Object.fromEntries(balances.flatMap(({ account, posted: fen }) => (fen === 0n ? [] : [[account, fen]])));
}

describe("a correction", () => {
  test("into suspense and out of it moves one fund source between the payer's purse and suspense, and back", async () => {
    expect(await adjust({})).toBe("booked");
    expect(await posted()).toEqual({ "payer/bank/000000/psn_cash_pay": -700n, [`suspense/${HOSPITAL}/bank/000000/psn_cash_pay`]: 700n });
    expect(await adjust({ adjustmentId: "a2", kind: "release", amount: 200n })).toBe("booked");
    expect(await posted()).toEqual({ "payer/bank/000000/psn_cash_pay": -500n, [`suspense/${HOSPITAL}/bank/000000/psn_cash_pay`]: 500n });
    const [leaf] = await scene.leaves("adjustment.suspended");
    expect([leaf?.actor, leaf?.idempotencyKey, scene.fact(leaf, "caseId"), scene.fact(leaf, "amount"), scene.fact(leaf, "day")]).toEqual([
      "operator/li",
      "a1",
      "c1",
      "700",
      DAY,
    ]);
    expect(await postings("bank")).toEqual([]);
  });

  test("the other way round owes the payer", async () => {
    expect(await adjust({ amount: -700n })).toBe("booked");
    expect(await posted()).toEqual({ "payer/bank/000000/psn_cash_pay": 700n, [`suspense/${HOSPITAL}/bank/000000/psn_cash_pay`]: -700n });
    expect(await adjust({ adjustmentId: "a2", kind: "release", amount: 1n })).toBe("nothingSuspended");
    expect(await adjust({ adjustmentId: "a3", kind: "release", amount: -700n })).toBe("booked");
    expect(await posted()).toEqual({});
  });

  test("is written off by two people, and counted as that", async () => {
    await adjust({});
    expect(await adjust({ adjustmentId: "a2", kind: "writeOff", approvedBy: "wang" })).toBe("booked");
    expect(await posted()).toEqual({ "payer/bank/000000/psn_cash_pay": -700n, [`writeOff/${HOSPITAL}/bank/000000/psn_cash_pay`]: 700n });
    expect(scene.fact((await scene.leaves("adjustment.writtenOff"))[0], "approvedBy")).toBe("wang");
  });

  test.each<[string, Partial<Adjustment>, string]>([
    ["repeated", {}, "repeated"],
    ["a write-off by one", { adjustmentId: "a2", kind: "writeOff" }, "needsSecondPerson"],
    ["a write-off by the same twice", { adjustmentId: "a2", kind: "writeOff", approvedBy: "li" }, "samePerson"],
    ["a release of more than is suspended", { adjustmentId: "a2", kind: "release", amount: 701n }, "nothingSuspended"],
    ["a release of another case", { adjustmentId: "a2", kind: "release", caseId: "c2" }, "nothingSuspended"],
    [
      "a write-off of another fund",
      { adjustmentId: "a2", kind: "writeOff", approvedBy: "wang", fundSource: "acct_pay" },
      "nothingSuspended",
    ],
  ])("that is %s is refused, and the refusal recorded, but not a repeat", async (_, change, refusal) => {
    await adjust({});
    const before = await posted();
    expect(await adjust(change)).toBe(refusal);
    expect(await posted()).toEqual(before);
    const refused = await scene.leaves("adjustment.refused");
    expect(refused.map((leaf) => scene.fact(leaf, "cause"))).toEqual(refusal === "repeated" ? [] : [refusal]);
  });

  test("after the seal of its day is booked on the next", async () => {
    await scene.bill();
    await scene.world.nextDay(true);
    await adjust({});
    const [row] = await scene.world.read("SELECT day FROM adjustment");
    expect(row?.["day"]).toBe(BigInt(NEXT));
    expect((await scene.world.shard.books.seals())[0]?.trialBalance.rows).toHaveLength(8);
  });
});

const found: Supplement = {
  supplementId: "s1",
  caseId: "c1",
  rail: "insurance",
  movement: "capture",
  key: "",
  railReference: "I77",
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
};
async function book(change: Partial<Supplement> = {}): Promise<unknown> {
  const order = { ...found, ...change };
  const foreseen = await scene.world.shard.books.refusalOf({ do: "supplement", order });
  const answer = await scene.world.shard.books.supplement(order, scene.world.now);
  if (typeof answer === "string" && answer !== "repeated") expect(foreseen).toBe(answer);
  return typeof answer === "string" ? answer : "booked";
}
async function takeBack(change: Partial<Supplement> = {}): Promise<unknown> {
  const order = { ...found, reason: "agreed", ...change };
  const answer = await scene.world.shard.books.takeBack(order, scene.world.now);
  return typeof answer === "string" ? answer : "back";
}
const purse = (side: string, fund: string, area = "000000"): string => `${side}/insurance/${area}/${fund}`;

describe("a movement that only the payer has", () => {
  test.each<[string, Supplement["movement"], bigint]>([
    ["a payment", "capture", 1n],
    ["a refund", "refund", -1n],
    ["a reversal", "reversal", -1n],
  ])("that is %s is taken into the books of both, fund by fund, and stands among the day's postings", async (_, movement, way) => {
    expect(await book({ movement })).toBe("booked");
    expect(await posted()).toEqual({
      [purse("payer", "hifp_pay")]: -60n * way,
      [purse("payer", "acct_pay")]: -5n * way,
      [purse(`institution/${HOSPITAL}`, "hifp_pay")]: 60n * way,
      [purse(`institution/${HOSPITAL}`, "acct_pay")]: 5n * way,
    });
    expect(await postings("insurance")).toMatchObject([
      { key: "supplement/s1", kind: movement, amount: 65n, railReference: "I77", institution: HOSPITAL, late: false, parts: found.parts },
    ]);
    const [leaf] = await scene.leaves("supplement.booked");
    expect([leaf?.actor, scene.fact(leaf, "approvedBy"), scene.fact(leaf, "fen.insurance.hifp_pay")]).toEqual([
      "operator/li",
      "wang",
      "60",
    ]);
  });

  test("goes back once, by two people, and both ways stay in the postings of their days", async () => {
    await book();
    expect(await takeBack({ approvedBy: "li" })).toBe("samePerson");
    expect(await takeBack({ approvedBy: undefined })).toBe("needsSecondPerson");
    expect(await takeBack({ supplementId: "s9" })).toBe("notBooked");
    expect(await takeBack({ caseId: "c9" })).toBe("notBooked");
    expect(await takeBack()).toBe("back");
    expect(await takeBack()).toBe("repeated");
    expect(await posted()).toEqual({});
    expect((await postings("insurance")).map(({ kind, supplement }) => [kind, supplement?.takenBack])).toEqual([
      ["capture", true],
      ["reversal", true],
    ]);
    // The way is free for the right order.
    expect(await book({ supplementId: "s2", movement: "refund" })).toBe("booked");
    expect((await posted())[purse(`institution/${HOSPITAL}`, "hifp_pay")]).toBe(-60n);
  });

  test("is booked on the open day when the payer's day is sealed, with the mark of what comes late", async () => {
    await scene.bill();
    await scene.world.nextDay(true);
    expect(await book()).toBe("booked");
    const mine = (await postings("insurance", NEXT)).filter(({ supplement }) => supplement !== undefined);
    expect(mine.map(({ day, late }) => [day, late])).toEqual([[NEXT, true]]);
    expect((await scene.world.shard.books.seals())[0]?.trialBalance.rows).toHaveLength(8);
  });

  test("belongs to a settlement where it is said, and is booked in the purses of its area", async () => {
    scene.fault("bank", "authorise", "refuse");
    const refusedBill = await scene.bill();
    expect(refusedBill.standing.state).toBe("refused");
    const key = `${refusedBill.id}/insurance/capture`;
    expect(await book({ settlementId: refusedBill.id, key })).toBe("booked");
    const area = refusedBill.region ?? "";
    expect((await posted())[purse("payer", "hifp_pay", area)]).toBe(-60n);
    expect(await postings("insurance")).toMatchObject([{ key, settlementId: refusedBill.id }]);
    expect(await scene.story("bill")).toContain("supplement.booked");
  });

  test.each<[string, (bill: string) => Partial<Supplement>, string]>([
    ["repeated", () => ({}), "repeated"],
    ["asked for by one", () => ({ supplementId: "s2", approvedBy: undefined }), "needsSecondPerson"],
    ["asked for and approved by the same", () => ({ supplementId: "s2", approvedBy: "li" }), "samePerson"],
    ["of a settlement that is none", () => ({ supplementId: "s2", settlementId: "rs0" }), "settlementUnknown"],
    ["of another institution's settlement", (bill) => ({ supplementId: "s2", settlementId: bill, institution: "H9" }), "settlementUnknown"],
    ["in the books by its settlement", (bill) => ({ supplementId: "s2", key: `${bill}/insurance/capture` }), "alreadyBooked"],
    ["in the books by another order", () => ({ supplementId: "s2" }), "alreadyBooked"],
  ])("that is %s is refused, and the refusal recorded, but not a repeat", async (_, change, refusal) => {
    const bill = await scene.bill();
    await book();
    const before = await posted();
    expect(await book(change(bill.id))).toBe(refusal);
    expect(await posted()).toEqual(before);
    const refused = await scene.leaves("supplement.refused");
    expect(refused.map((leaf) => scene.fact(leaf, "cause"))).toEqual(refusal === "repeated" ? [] : [refusal]);
  });

  test("whose settlement has no end yet waits for that", async () => {
    scene.fault("bank", "capture", "lostBefore");
    const open = await scene.bill();
    expect(await book({ settlementId: open.id })).toBe("settlementOpen");
    expect(await postings("insurance")).not.toContainEqual(expect.objectContaining({ railReference: "I77" }));
  });
});

describe("an entry without money", () => {
  test("is recorded, and says where it stands", async () => {
    const draft = { kind: "reconciliation.run", outcome: "accepted" as const, actor: "operator/li", facts: { matched: "3" } };
    const { index } = await scene.world.shard.books.record(draft, scene.world.now);
    const leaf = (await scene.world.leaves())[Number(index)];
    expect([leaf?.kind, scene.fact(leaf, "matched")]).toEqual(["reconciliation.run", "3"]);
  });
});

describe("the database itself refuses", () => {
  const transfer = "INSERT INTO transfer (group_id, rail, fund_source, stage, debit, credit, amount, at_ms, day, late, ledger_index)";
  beforeEach(async () => {
    await scene.bill();
    await scene.world.nextDay(true);
    await scene.bill({ outTradeNo: "open", amount: "1.00" });
    await scene.world.shard.books.adjust(claim, scene.world.now);
    await scene.world.shard.books.supplement(found, scene.world.now);
  });

  test.each([
    ["a posting into a sealed day", `${transfer} VALUES ('x','bank','f','pending','a','b',1,0,20260512,0,0)`, "the day is sealed"],
    ["a posting of nothing", `${transfer} VALUES ('x','bank','f','pending','a','b',0,0,20260513,0,0)`, "a transfer moves something"],
    [
      "a posting that was never reserved",
      `${transfer} VALUES ('x','bank','f','posted','a','b',1,0,20260513,0,0)`,
      "no such pending transfer",
    ],
    [
      "a second end of a transfer",
      `${transfer} SELECT group_id, rail, fund_source, 'voided', debit, credit, amount, at_ms, 20260513, 0, 0 FROM transfer WHERE stage='posted'`,
      "transfer already ended",
    ],
    [
      "a posting of another amount than was reserved",
      `${transfer} SELECT 'y', rail, fund_source, stage, debit, credit, amount+1, at_ms, 20260513, 0, 0 FROM transfer WHERE stage='posted'`,
      "no such pending transfer",
    ],
    [
      "a reversal in the same direction",
      `${transfer} SELECT group_id, rail, fund_source, 'reversed', debit, credit, amount, at_ms, 20260513, 0, 0 FROM transfer WHERE stage='posted'`,
      "no such posted transfer",
    ],
    ["a changed transfer", "UPDATE transfer SET amount=1", "transfer is append-only"],
    ["a missing transfer", "DELETE FROM transfer", "transfer is append-only"],
    ["a changed seal", "UPDATE seal SET trial_hash='x'", "a sealed day is not changed"],
    ["a missing seal", "DELETE FROM seal", "a sealed day is not changed"],
    ["a changed sealed balance", "UPDATE sealed_balance SET balance=0", "a sealed day is not changed"],
    ["a missing sealed balance", "DELETE FROM sealed_balance", "a sealed day is not changed"],
    ["one more sealed balance", "INSERT INTO sealed_balance VALUES (20260512,'a','f',0,0,1)", "the day is sealed"],
    [
      "a second seal of a day",
      "INSERT INTO seal SELECT day-1, sealed_at_ms, trial_hash, head_size, head_root, offsets, carried_over, 0, leaf_hash FROM seal",
      "the day is sealed",
    ],
    [
      "a seal that leaves a day open",
      "INSERT INTO seal SELECT 20260514, sealed_at_ms, trial_hash, head_size, head_root, offsets, carried_over, 0, leaf_hash FROM seal",
      "an earlier day is open",
    ],
    ["a settled bill that changes", "UPDATE settlement SET state='refused', revision=revision+1", "settlement is closed"],
    ["a step taken twice", "UPDATE settlement SET attempt=9", "settlement has moved on"],
    ["a missing settlement", "DELETE FROM settlement", "a settlement is kept for ever"],
    ["a changed supplement", "UPDATE supplement SET key='x'", "supplement is append-only"],
    ["a missing supplement", "DELETE FROM supplement", "supplement is append-only"],
    [
      "a supplement by one person",
      "INSERT INTO supplement SELECT 's9', case_id, rail, movement, key, rail_reference, payer_day, statement_hash, institution, settlement_id, reason, requested_by, requested_by, day, at_ms, ledger_index FROM supplement",
      "a supplement needs two people",
    ],
    [
      "the return of a supplement by one person",
      "INSERT INTO supplement_return SELECT id, reason, requested_by, requested_by, day, at_ms, ledger_index FROM supplement",
      "the return of a supplement needs two people",
    ],
    [
      "the return of a supplement that is none",
      "INSERT INTO supplement_return VALUES ('s9', 'agreed', 'li', 'wang', 20260513, 0, 0)",
      "no such supplement",
    ],
    ["a changed correction", "UPDATE adjustment SET amount=1", "adjustment is append-only"],
    ["a missing correction", "DELETE FROM adjustment", "adjustment is append-only"],
    [
      "a write-off by one",
      "INSERT INTO adjustment SELECT 'a9', case_id, 'writeOff', rail, fund_source, institution, settlement_id, amount, reason, requested_by, requested_by, day, at_ms, ledger_index FROM adjustment",
      "a write-off needs two people",
    ],
  ])("%s", async (_, sql, message) => {
    await expect(scene.world.write(sql)).rejects.toThrow(message);
  });

  test("changed evidence", async () => {
    scene.fault("bank", "capture", "lostAfter");
    await scene.bill({ outTradeNo: "lost", amount: "1.00" });
    await scene.world.reconcile();
    await expect(scene.world.write("UPDATE evidence SET taken=0")).rejects.toThrow("evidence is append-only");
    await expect(scene.world.write("DELETE FROM evidence")).rejects.toThrow("evidence is append-only");
  });

  test("amounts that are below zero or not whole", async () => {
    const half = `${transfer} VALUES ('x','bank','f','pending','a','b',${asFen(-1n)},0,20260513,0,0)`;
    await expect(scene.world.write(half)).rejects.toThrow("a transfer moves something");
  });
});
