/** What stays without an answer: who is asked how often, what the ledger and the hospital hear of it, and how it ends. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { decodeEvent } from "../../streams/contracts/codec.ts";
import { asFen } from "../protocol/money.ts";
import type { Evidence } from "./books.ts";
import { railKey } from "./rails/port.ts";
import type { Settlement } from "./settlement.ts";
import { openScene, type Scene } from "./testing/scene.ts";

let scene: Scene;
beforeEach(async () => {
  scene = await openScene();
});
afterEach(async () => await scene.close());

const SETTLED = ["settlement.accepted", "settlement.holding", "settlement.held", "settlement.settled"];
function evidence(key: string, found: Evidence["found"], change: Partial<Evidence> = {}): Evidence {
  const [, rail = "bank"] = key.split("/");
  return { key, rail: rail as Evidence["rail"], found, statementHash: "ab".repeat(32), runId: "run-1", ...change };
}
function done(amount: bigint): Evidence["found"] {
  return { kind: "done", amount: asFen(amount), railReference: "S1", parts: [] };
}

/** The bank refuses, and the insurer gives nothing back of what it took: its statement says so. */
async function keep(): Promise<Settlement> {
  scene.fault("bank", "capture", "refuse");
  scene.fault("insurance", "reverse", "refuse");
  await scene.bill();
  await scene.world.reconcile();
  return await scene.find("bill");
}

/** As a payer would answer that claims what only the insurance may. */
function claimingFund<A extends object>(answer: A): A {
  return "parts" in answer ? { ...answer, parts: [{ fundSource: "hifp_pay", amount: asFen(1750n) }] } : answer;
}

describe("a payment that nobody confirms", () => {
  test.each(["lostBefore", "lostAfter", "garbage", "wrongAmount"] as const)("%s four times is asked again and settles", async (kind) => {
    scene.fault("bank", "capture", kind, 4);
    const bill = await scene.bill();
    expect(bill.standing.state).toBe("settled");
    expect(await scene.story("bill")).toEqual([...SETTLED.slice(0, 3), "settlement.unknown", "settlement.settled"]);
    expect(await scene.told("bill")).toEqual(["settlement.claim.unknown.v1", "settlement.claim.settled.v1"]);
    expect(scene.moved()).toEqual({ insurance: 6500n, commercial: 1750n, bank: 1750n });
  });

  test("is left to reconciliation after the last asking: told as unknown, recorded as awaiting, and nobody is asked any more", async () => {
    scene.fault("bank", "capture", "lostAfter");
    const bill = await scene.bill();
    expect(bill.standing).toEqual({ state: "awaiting", phase: "posting" });
    expect(bill.dueAtMs).toBeUndefined();
    expect(await scene.story("bill")).toEqual([...SETTLED.slice(0, 3), "settlement.unknown", "settlement.awaiting"]);
    const [leaf] = await scene.leaves("settlement.awaiting");
    expect([scene.fact(leaf, "phase"), scene.fact(leaf, "missing"), scene.fact(leaf, "cause")]).toEqual([
      "posting",
      "bank/capture",
      "asksExhausted",
    ]);
    expect(await scene.told("bill")).toEqual(["settlement.claim.unknown.v1"]);
    expect(await scene.world.shard.nextDueMs(scene.world.now)).toBeUndefined();
    const key = railKey(bill.id, "bank", "capture");
    expect(await scene.world.shard.books.openKeys("bank")).toEqual([
      { key, settlementId: bill.id, amount: 1750n, askedAtMs: bill.stepAtMs },
    ]);
    expect(await scene.world.shard.books.openKeys("insurance")).toEqual([]);
  });

  test("is settled once the payer's statement shows it", async () => {
    scene.fault("bank", "capture", "lostAfter");
    await scene.bill();
    expect(await scene.world.reconcile()).toBe(1);
    expect((await scene.find("bill")).standing.state).toBe("settled");
    expect((await scene.story("bill")).slice(-2)).toEqual(["settlement.healed", "settlement.settled"]);
    expect(await scene.told("bill")).toEqual(["settlement.claim.unknown.v1", "settlement.claim.settled.v1"]);
    expect(await scene.world.shard.books.openKeys("bank")).toEqual([]);
  });

  test("is undone once the payer's closed day proves that it never was: what others took goes back", async () => {
    scene.fault("bank", "capture", "lostBefore");
    await scene.bill();
    expect(await scene.world.reconcile()).toBe(1);
    const bill = await scene.find("bill");
    expect([bill.standing.state, bill.refusal]).toEqual(["refused", "payerRefused"]);
    expect(scene.moved()).toEqual({ insurance: 0n, commercial: 0n, bank: 0n });
    const postings = [];
    for await (const posting of scene.world.shard.books.postings({ rail: "insurance", day: "20260512" as never })) postings.push(posting);
    expect(postings.map(({ kind, key, amount }) => [kind, key.split("/").slice(1).join("/"), amount])).toEqual([
      ["capture", "insurance/capture", 6500n],
      ["reversal", "insurance/reverse", 6500n],
    ]);
  });

  test("of two payers is healed by two statements, in any order and with time between", async () => {
    scene.fault("insurance", "capture", "lostAfter");
    scene.fault("bank", "capture", "lostAfter");
    const { id } = await scene.bill();
    const { books } = scene.world.shard;
    expect(await books.heal(evidence(railKey(id, "bank", "capture"), done(1750n)), scene.world.now)).toBe("healed");
    await scene.world.settle();
    expect((await scene.find("bill")).standing).toEqual({ state: "awaiting", phase: "posting" });
    expect(await books.openKeys("bank")).toEqual([]);
    expect(await books.heal(evidence(railKey(id, "insurance", "capture"), done(6500n)), scene.world.now)).toBe("healed");
    await scene.world.settle();
    expect((await scene.find("bill")).standing.state).toBe("settled");
  });
});

describe("a statement", () => {
  test.each<[string, Partial<Evidence> & { key?: string }, string]>([
    ["about a call of nobody's", { key: "rs00000000000000000000000000000000/bank/capture" }, "unknownKey"],
    ["about a hold", { key: "ID/bank/authorise" }, "unknownKey"],
    ["about a release", { key: "ID/bank/void" }, "unknownKey"],
    ["about a refund of what is no refund", { key: "ID/bank/refund" }, "unknownKey"],
    ["of another payer", { rail: "insurance" }, "unknownKey"],
    ["that is no key", { key: "ID/bank/capture/more" }, "unknownKey"],
    ["about an answer that came", { key: "ID/insurance/capture", rail: "insurance", found: done(6500n) }, "notOpen"],
    ["of another amount", { found: done(1751n) }, "contradicts"],
    [
      "of other funds",
      { found: { ...done(1750n), parts: [{ fundSource: "acct_pay", amount: asFen(1750n) }] } as Evidence["found"] },
      "contradicts",
    ],
  ])("%s heals nothing", async (_, change, verdict) => {
    scene.fault("bank", "capture", "lostAfter");
    const { id } = await scene.bill();
    const key = (change.key ?? "ID/bank/capture").replace("ID", id);
    expect(await scene.world.shard.books.heal({ ...evidence(key, done(1750n)), ...change, key }, scene.world.now)).toBe(verdict);
    expect((await scene.find("bill")).standing.state).toBe("awaiting");
    expect(await scene.leaves("settlement.healed")).toEqual([]);
  });

  test("shown again changes nothing", async () => {
    scene.fault("bank", "capture", "lostAfter");
    const { id } = await scene.bill();
    const one = evidence(railKey(id, "bank", "capture"), done(1750n));
    const { books } = scene.world.shard;
    expect(await books.heal(one, scene.world.now)).toBe("healed");
    expect(await books.heal(one, scene.world.now)).toBe("notOpen");
    await scene.world.settle();
    const before = (await scene.world.leaves()).length;
    expect(await books.heal(one, scene.world.now)).toBe("notOpen");
    expect(await scene.world.leaves()).toHaveLength(before);
  });

  test("that denies what our books have, or has another amount of it, contradicts and changes nothing", async () => {
    const { id } = await scene.bill();
    const key = railKey(id, "bank", "capture");
    const before = (await scene.world.leaves()).length;
    expect(await scene.world.shard.books.heal(evidence(key, { kind: "absent" }), scene.world.now)).toBe("contradicts");
    expect(await scene.world.shard.books.heal(evidence(key, done(1n)), scene.world.now)).toBe("contradicts");
    expect(await scene.world.leaves()).toHaveLength(before);
  });

  test("that shows a payment of a refused settlement is too late: recorded once, refused, for people to clear", async () => {
    scene.fault("bank", "authorise", "refuse");
    const { id } = await scene.bill();
    const late = evidence(railKey(id, "bank", "capture"), done(1750n));
    expect(await scene.world.shard.books.heal(late, scene.world.now)).toBe("contradicts");
    expect(await scene.world.shard.books.heal(late, scene.world.now)).toBe("contradicts");
    const [leaf, ...more] = await scene.leaves("settlement.lateAnswer");
    expect(more).toEqual([]);
    expect([leaf?.outcome, scene.fact(leaf, "offered.total"), scene.fact(leaf, "statementHash")]).toEqual([
      "refused",
      "1750",
      "ab".repeat(32),
    ]);
    expect((await scene.find("bill")).standing.state).toBe("refused");
  });
});

describe("a hold that nobody confirms", () => {
  test("expires after its patience: all is released, and no statement is waited for", async () => {
    scene.fault("bank", "authorise", "lostBefore");
    const bill = await scene.bill();
    expect([bill.standing.state, bill.refusal]).toEqual(["refused", "payerRefused"]);
    expect(await scene.story("bill")).toEqual([
      "settlement.accepted",
      "settlement.holding",
      "settlement.unknown",
      "settlement.expired",
      "settlement.refused",
    ]);
    expect(await scene.told("bill")).toEqual(["settlement.claim.unknown.v1", "settlement.claim.refused.v1"]);
    expect(scene.world.payers.insurance.heldCount() + scene.world.payers.bank.heldCount()).toBe(0);
  });

  test("and was granted after all is answered too late: recorded and refused, and released", async () => {
    scene.fault("bank", "authorise", "lostAfter");
    const bill = await scene.bill();
    expect(bill.standing.state).toBe("refused");
    expect((await scene.story("bill")).slice(-3)).toEqual(["settlement.expired", "settlement.lateAnswer", "settlement.refused"]);
    const [leaf] = await scene.leaves("settlement.lateAnswer");
    expect([leaf?.outcome, scene.fact(leaf, "rail"), scene.fact(leaf, "offered.parts")]).toEqual(["refused", "bank", "psn_cash_pay=1750"]);
    expect(scene.world.payers.bank.heldCount()).toBe(0);
  });

  test("because the payer's answer exceeds the question is refused there and then, if the payer's record says the same", async () => {
    const { bank } = scene.world.payers;
    const query = bank.query.bind(bank);
    bank.query = async (key) => {
      const answer = await query(key);
      return answer.kind === "done"
        ? { ...answer, amount: asFen(1751n), parts: [{ fundSource: "psn_cash_pay", amount: asFen(1751n) }] }
        : answer;
    };
    scene.fault("bank", "authorise", "wrongAmount");
    const bill = await scene.bill();
    expect([bill.standing.state, bill.refusal]).toEqual(["refused", "payerRefused"]);
    expect(await scene.story("bill")).toEqual(["settlement.accepted", "settlement.holding", "settlement.voiding", "settlement.refused"]);
    expect(scene.fact((await scene.leaves("settlement.voiding"))[0], "contradiction.bank")).toBe("partsAboveAsked");
    expect(bank.heldCount()).toBe(0);
    expect(bank.movements).toEqual([]);
  });

  test("because a bank claims a fund of the insurance is not booked: refused, released, and the entry says so", async () => {
    const { bank } = scene.world.payers;
    const [authorise, query] = [bank.authorise.bind(bank), bank.query.bind(bank)];
    bank.authorise = async (...asked) => claimingFund(await authorise(...asked));
    bank.query = async (key) => claimingFund(await query(key));
    expect((await scene.bill()).standing.state).toBe("refused");
    expect(scene.fact((await scene.leaves("settlement.voiding"))[0], "contradiction.bank")).toBe("sourceForeign");
    expect(bank.movements).toEqual([]);
  });

  test("in the answer, but is right on the payer's record, counts as recorded", async () => {
    scene.fault("bank", "authorise", "wrongAmount");
    expect((await scene.bill()).standing.state).toBe("settled");
    expect(await scene.story("bill")).toEqual(SETTLED);
  });
});

describe("a hold that the payer let go before it was taken", () => {
  test("ends its transfers as expired, the others as released or reversed", async () => {
    scene.fault("commercial", "capture", "holdExpired");
    expect((await scene.bill()).standing.state).toBe("refused");
    const rows = await scene.world.read("SELECT rail, stage FROM transfer WHERE stage<>'pending' ORDER BY rail, stage");
    expect(rows.map((row) => `${String(row["rail"])} ${String(row["stage"])}`)).toEqual([
      "bank posted",
      "bank reversed",
      "commercial expired",
      "insurance posted",
      "insurance posted",
      "insurance reversed",
      "insurance reversed",
    ]);
    expect(scene.moved()).toEqual({ insurance: 0n, commercial: 0n, bank: 0n });
  });
});

describe("a payer that says of our own key what only a movement explains", () => {
  test.each(["captured", "refunded", "notCaptured", "keyConflict"] as const)(
    "%s to a capture is unknown, never a no: asked again, paid once",
    async (reason) => {
      const { bank } = scene.world.payers;
      const capture = bank.capture.bind(bank);
      let asked = 0;
      bank.capture = async (...request) => {
        const answer = await capture(...request);
        return asked++ === 0 ? { kind: "refused", reason } : answer;
      };
      expect((await scene.bill()).standing.state).toBe("settled");
      expect(asked).toBe(2);
      expect(scene.moved()).toMatchObject({ bank: 1750n });
    },
  );

  test("captured to a hold is unknown, never a no: asked again, paid once", async () => {
    const { bank } = scene.world.payers;
    const authorise = bank.authorise.bind(bank);
    let asked = 0;
    bank.authorise = async (...request) => {
      const answer = await authorise(...request);
      return asked++ === 0 ? { kind: "refused", reason: "captured" } : answer;
    };
    expect((await scene.bill()).standing.state).toBe("settled");
    expect(scene.moved()).toMatchObject({ bank: 1750n });
  });
});

describe("a payer that refuses a release", () => {
  test("keeps nothing stuck: the entry says so, and the statement that shows no payment ends it", async () => {
    scene.fault("bank", "authorise", "refuse");
    scene.fault("insurance", "void", "refuse");
    const bill = await scene.bill();
    expect(bill.standing).toEqual({ state: "awaiting", phase: "voiding" });
    const [leaf] = await scene.leaves("settlement.awaiting");
    expect([scene.fact(leaf, "cause"), scene.fact(leaf, "missing")]).toEqual(["voidRefused", "insurance/void"]);
    expect(await scene.told("bill")).toEqual(["settlement.claim.unknown.v1"]);
    expect((await scene.world.shard.books.openKeys("insurance")).map(({ key }) => key)).toEqual([railKey(bill.id, "insurance", "capture")]);
    expect(await scene.world.reconcile()).toBe(1);
    expect((await scene.find("bill")).standing.state).toBe("refused");
    expect(await scene.told("bill")).toEqual(["settlement.claim.unknown.v1", "settlement.claim.refused.v1"]);
  });

  test("of what it took, and the statement shows that it keeps it: the books say so too", async () => {
    scene.fault("bank", "capture", "refuse");
    scene.fault("insurance", "reverse", "refuse");
    await scene.bill();
    expect(scene.fact((await scene.leaves("settlement.awaiting"))[0], "cause")).toBe("reversalRefused");
    expect(await scene.world.reconcile()).toBe(1);
    const bill = await scene.find("bill");
    expect([bill.standing.state, bill.legs.map(({ rail }) => rail)]).toEqual(["refused", ["insurance"]]);
    expect(scene.fact((await scene.leaves("settlement.refused"))[0], "kept.insurance")).toBe("true");
    expect(scene.moved()).toEqual({ insurance: 6500n, commercial: 0n, bank: 0n });
    const balances = await scene.world.shard.balances();
    expect(balances.filter(({ posted }) => posted > 0n).map(({ account, posted }) => [account, posted])).toEqual([
      [`institution/${bill.institution}/insurance/510104/acct_pay`, 500n],
      [`institution/${bill.institution}/insurance/510104/hifp_pay`, 6000n],
    ]);
  });

  describe("of what it took, and keeps it by its statement", () => {
    const ORDER = { caseId: "c1", rail: "insurance", requestedBy: "alice", approvedBy: "bob" } as const;

    test("tells the hospital and the ledger how much, by fund", async () => {
      await keep();
      const [leaf] = await scene.leaves("settlement.refused");
      expect([scene.fact(leaf, "fen.insurance.hifp_pay"), scene.fact(leaf, "fen.insurance.acct_pay")]).toEqual(["6000", "500"]);
      await scene.world.shard.drained();
      const refused = scene.world.told.map((record) => decodeEvent(record)).find((one) => one.ok && one.value.type.includes("refused"));
      expect(refused?.ok === true ? refused.value.data : undefined).toMatchObject({
        kept: [
          { rail: "insurance", fundSource: "hifp_pay", amount: "60.00" },
          { rail: "insurance", fundSource: "acct_pay", amount: "5.00" },
        ],
      });
    });

    test("gives it back to a refund of the refused bill, up to what was kept and no more", async () => {
      const bill = await keep();
      const { books } = scene.world.shard;
      expect((await books.kept()).map(({ settlementId, rail, left }) => [settlementId, rail, left.map(({ amount }) => amount)])).toEqual([
        [bill.id, "insurance", [6000n, 500n]],
      ]);
      expect((await scene.refund({ outTradeNo: "cash", refundType: "CASH" })).refusal).toBe("refundRefused");
      expect((await scene.refund({ outTradeNo: "more", refundAmount: "65.01" })).refusal).toBe("refundExceeds");
      expect((await scene.refund({ outTradeNo: "part", refundAmount: "13.00" })).standing.state).toBe("refunded");
      expect((await books.kept())[0]?.left.map(({ amount }) => amount)).toEqual([4800n, 400n]);
      expect((await scene.refund({ outTradeNo: "rest" })).standing.state).toBe("refunded");
      expect((await books.kept())[0]?.left).toEqual([]);
      expect((await scene.refund({ outTradeNo: "again" })).refusal).toBe("refundRefused");
      expect(scene.moved()).toEqual({ insurance: 0n, commercial: 0n, bank: 0n });
    });

    test("gives it back to an order of two operators, once however often it is given, and again after a refusal", async () => {
      const { id: settlementId } = await keep();
      const { books } = scene.world.shard;
      scene.fault("insurance", "refund", "refuse");
      expect(await books.giveBack({ ...ORDER, settlementId })).toBe("begun");
      expect(await books.giveBack({ ...ORDER, settlementId })).toBe("repeated");
      await scene.world.settle();
      expect((await scene.find("giveback-c1.1")).standing.state).toBe("refused");
      scene.faults.delete("insurance/refund");
      // The number of the next try is the hospital's already.
      await scene.bill({ outTradeNo: "giveback-c1.2", amount: "1.00" });
      expect(await books.giveBack({ ...ORDER, settlementId })).toBe("begun");
      await scene.world.restart();
      await scene.world.settle();
      const back = await scene.find("giveback-c1.3");
      expect([back.standing.state, back.amount, back.edge]).toEqual(["refunded", 6500n, "operator/alice"]);
      expect(await scene.world.shard.books.giveBack({ ...ORDER, settlementId })).toBe("nothingLeft");
      const opening = (await scene.leaves("settlement.refunding")).at(-1);
      expect([opening?.actor, scene.fact(opening, "caseId"), scene.fact(opening, "approvedBy")]).toEqual(["operator/alice", "c1", "bob"]);
      expect((await scene.world.shard.books.kept())[0]?.left).toEqual([]);
    });

    test("gives nothing back of a bill that kept nothing", async () => {
      const { id: settlementId } = await scene.bill();
      const { books } = scene.world.shard;
      expect(await books.giveBack({ ...ORDER, settlementId })).toBe("nothingLeft");
      expect(await books.giveBack({ ...ORDER, settlementId: "rs00000000000000000000000000000000" })).toBe("originalUnknown");
    });
  });

  test("of what it took, but gave it back without saying so, is believed by its statement", async () => {
    scene.fault("bank", "capture", "refuse");
    scene.fault("insurance", "reverse", "lostAfter");
    await scene.bill();
    expect(await scene.world.reconcile()).toBe(1);
    expect((await scene.find("bill")).standing.state).toBe("refused");
    expect(scene.moved()).toEqual({ insurance: 0n, commercial: 0n, bank: 0n });
  });
});

describe("a refund", () => {
  test("that the first payer refuses is refused, and nothing moved", async () => {
    await scene.bill();
    scene.fault("insurance", "refund", "refuse");
    const back = await scene.refund();
    expect([back.standing.state, back.refusal]).toEqual(["refused", "refundRefused"]);
    expect(await scene.story("back")).toEqual(["settlement.refunding", "settlement.refused"]);
    expect(scene.moved()).toEqual({ insurance: 6500n, commercial: 1750n, bank: 1750n });
  });

  test("that a later payer refuses waits for its statement, then counts what was given back, and the rest may be asked for again", async () => {
    await scene.bill();
    scene.fault("commercial", "refund", "refuse");
    const back = await scene.refund();
    expect(back.standing).toEqual({ state: "awaiting", phase: "refunding" });
    const [leaf] = await scene.leaves("settlement.awaiting");
    expect([scene.fact(leaf, "cause"), scene.fact(leaf, "missing")]).toEqual(["refundRefused", "commercial/refund"]);
    expect((await scene.refund({ outTradeNo: "early" })).refusal).toBe("refundRefused");
    expect(await scene.world.reconcile()).toBe(1);
    const after = await scene.find("back");
    expect([after.standing.state, after.legs.map(({ rail }) => rail)]).toEqual(["refunded", ["insurance", "bank"]]);
    expect(await scene.told("back")).toEqual(["settlement.claim.unknown.v1", "settlement.claim.refunded.v1"]);
    scene.faults.clear();
    const rest = await scene.refund({ outTradeNo: "rest" });
    expect([rest.standing.state, rest.amount]).toEqual(["refunded", 1750n]);
    expect(scene.moved()).toEqual({ insurance: 0n, commercial: 0n, bank: 0n });
  });

  test("that nobody confirms is counted once the statement shows it", async () => {
    await scene.bill();
    scene.fault("bank", "refund", "lostAfter");
    await scene.refund({ refundType: "CASH", refundAmount: "7.00" });
    expect((await scene.find("back")).standing.state).toBe("awaiting");
    expect((await scene.world.shard.books.openKeys("bank")).map(({ amount }) => amount)).toEqual([700n]);
    expect(await scene.world.reconcile()).toBe(1);
    expect((await scene.find("back")).standing.state).toBe("refunded");
    expect(scene.moved().bank).toBe(1050n);
  });

  test("on a later day than its bill, in parts, is booked on its own day", async () => {
    await scene.bill();
    await scene.world.nextDay(true);
    await scene.refund({ refundAmount: "40.00" });
    await scene.world.nextDay(true);
    await scene.refund({ outTradeNo: "back-2" });
    const rows = await scene.world.read("SELECT DISTINCT day FROM transfer WHERE stage='posted' ORDER BY day");
    expect(rows.map((row) => row["day"])).toEqual([20260512n, 20260513n, 20260514n]);
    expect(scene.moved()).toEqual({ insurance: 0n, commercial: 0n, bank: 0n });
  });
});
