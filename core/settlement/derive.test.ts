/** What the leaves say must be possible; the first entry that is not is named. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadCrypto } from "../crypto/index.ts";
import { asFen } from "../protocol/money.ts";
import type { Leaf } from "../../ledger/verifier/leaf.ts";
import type { AccountingDay, Supplement } from "./books.ts";
import { deriveBooks, openDerivation } from "./derive.ts";
import { openScene, type Scene } from "./testing/scene.ts";

const crypto = await loadCrypto();
let scene: Scene;
let leaves: readonly Leaf[];
/** A day with everything in it: settled, refused, refunded in part, healed, late, conflicting, corrected, closed. */
beforeAll(async () => {
  scene = await openScene();
  await scene.bill();
  await scene.bill({ amount: "1.00" });
  await scene.refund({ refundType: "HI", refundAmount: "10.00" });
  scene.fault("commercial", "capture", "holdExpired");
  await scene.bill({ outTradeNo: "expired" });
  scene.faults.clear();
  scene.fault("bank", "authorise", "lostAfter");
  await scene.bill({ outTradeNo: "given up" });
  scene.faults.clear();
  scene.fault("bank", "capture", "lostAfter");
  await scene.bill({ outTradeNo: "healed" });
  await scene.world.nextDay(true);
  await scene.world.reconcile();
  scene.faults.clear();
  const claim = { caseId: "c1", rail: "bank", fundSource: "psn_cash_pay", institution: "H51010400001", settlementId: undefined } as const;
  const people = { reason: "underInquiry", requestedBy: "li", approvedBy: "wang" };
  await scene.world.shard.books.adjust({ ...claim, ...people, adjustmentId: "a1", kind: "suspend", amount: 700n }, scene.world.now);
  await scene.world.shard.books.adjust({ ...claim, ...people, adjustmentId: "a2", kind: "writeOff", amount: 700n }, scene.world.now);
  const order: Supplement = {
    supplementId: "s1",
    caseId: "c2",
    rail: "bank",
    movement: "capture",
    key: "",
    railReference: "B7",
    payerDay: "20260512" as AccountingDay,
    statementHash: "ab",
    institution: "H51010400001",
    settlementId: undefined,
    parts: [{ fundSource: "psn_cash_pay", amount: asFen(900n) }],
    reason: "ourError",
    requestedBy: "li",
    approvedBy: "wang",
  };
  await scene.world.shard.books.supplement(order, scene.world.now);
  await scene.world.shard.books.takeBack({ ...order, reason: "agreed" }, scene.world.now);
  await scene.world.nextDay(true);
  leaves = await scene.world.leaves();
});
afterAll(async () => await scene.close());

function first(kind: string): Leaf {
  const leaf = leaves.find((one) => one.kind === kind);
  if (leaf === undefined) throw new Error(`no ${kind}`);
  return leaf;
}
function withFact(leaf: Leaf, name: string, value: string | undefined): Leaf {
  const others = (leaf.facts ?? []).filter((fact) => fact.name !== name);
  return { ...leaf, facts: value === undefined ? others : [...others, { name, value }] };
}
function defectsWith(change: (leaf: Leaf) => Leaf | undefined): readonly { readonly index: bigint; readonly what: string }[] {
  return deriveBooks(
    crypto,
    leaves.flatMap((leaf) => change(leaf) ?? []),
  ).defects;
}

describe("the books from leaves alone", () => {
  test("are those of the database, and no entry contradicts another", async () => {
    expect(deriveBooks(crypto, leaves).defects).toEqual([]);
    expect(await scene.world.leavesDiffer()).toEqual([]);
  });

  test("have every kind of row", () => {
    const rows = deriveBooks(crypto, leaves).derivation.rows();
    expect(Object.fromEntries(Object.entries(rows).map(([table, of]) => [table, of.length > 0]))).toEqual(
      Object.fromEntries(Object.keys(rows).map((table) => [table, true])),
    );
  });

  test("grow leaf by leaf, and can be asked for at any time", () => {
    const derivation = openDerivation(crypto);
    for (const leaf of leaves) {
      expect(derivation.take(leaf)).toBeUndefined();
      if (leaf.kind === "settlement.settled") break;
    }
    expect(derivation.rows().settlement.map((row) => row["state"])).toEqual(["settled"]);
    expect(derivation.balances().reduce((sum, { posted }) => sum + posted, 0n)).toBe(0n);
  });

  test.each<[string, string, (leaf: Leaf) => Leaf, string]>([
    ["a held amount", "settlement.held", (leaf) => withFact(leaf, "fen.bank.psn_cash_pay", "1751"), "the legs do not sum to the bill"],
    [
      "a settled amount",
      "settlement.settled",
      (leaf) => withFact(leaf, "fen.bank.psn_cash_pay", "1751"),
      "other amounts than were reserved",
    ],
    [
      "an amount that is no number",
      "settlement.held",
      (leaf) => withFact(leaf, "fen.bank.psn_cash_pay", "17.5"),
      "an amount is no decimal number",
    ],
    ["a fact that is missing", "settlement.accepted", (leaf) => withFact(leaf, "fen.total", undefined), "no fact fen.total"],
    [
      "a refund of more than was paid",
      "settlement.refunding",
      (leaf) => withFact(leaf, "fen.insurance.acct_pay", "501"),
      "a refund of more than was paid",
    ],
    [
      "a refund of nobody's settlement",
      "settlement.refunding",
      (leaf) => ({ ...leaf, parent: "rs0" }),
      "a refund of what was neither settled nor kept",
    ],
    [
      "a refunded amount",
      "settlement.refunded",
      (leaf) => withFact(leaf, "fen.insurance.acct_pay", "1"),
      "other amounts than were reserved",
    ],
    ["the trial balance", "day.closed", (leaf) => withFact(leaf, "trial.hash", "00"), "the trial balance of 20260512 is another one"],
    [
      "what was carried over",
      "day.closed",
      (leaf) => withFact(leaf, "carried.hash", "00"),
      "other settlements were open at the seal of 20260512",
    ],
    ["a write-off by one", "adjustment.writtenOff", (leaf) => withFact(leaf, "approvedBy", "li"), "a write-off by one person"],
    ["a supplement by one", "supplement.booked", (leaf) => withFact(leaf, "approvedBy", "li"), "a supplement by one person"],
    [
      "a supplement of an unknown settlement",
      "supplement.booked",
      (leaf) => ({ ...leaf, subject: "rs0" }),
      "a supplement to a settlement that its institution does not have",
    ],
    [
      "a supplement of another area",
      "supplement.booked",
      (leaf) => withFact(leaf, "region", "510104"),
      "a supplement in another area than its settlement",
    ],
    [
      "the return of a supplement by one",
      "supplement.takenBack",
      (leaf) => withFact(leaf, "approvedBy", "li"),
      "the return of a supplement by one person",
    ],
    [
      "the return of another supplement",
      "supplement.takenBack",
      (leaf) => ({ ...leaf, idempotencyKey: "s9" }),
      "supplement s9 does not stand in the books",
    ],
    ["a write-off of more", "adjustment.writtenOff", (leaf) => withFact(leaf, "amount", "701"), "more leaves suspense than is in it"],
  ])("show that %s was changed", (_, kind, change, what) => {
    const changed = first(kind);
    const [defect] = defectsWith((leaf) => (leaf === changed ? change(leaf) : leaf));
    expect(defect).toEqual({ index: changed.index, what });
  });

  test.each([
    "settlement.accepted",
    "settlement.holding",
    "settlement.held",
    "settlement.settled",
    "settlement.healed",
    "adjustment.suspended",
    "supplement.booked",
  ])("show that a %s was left out", (kind) => {
    const gone = first(kind);
    expect(defectsWith((leaf) => (leaf === gone ? undefined : leaf))).not.toEqual([]);
  });

  test("show a day that was closed out of turn", () => {
    const closed = first("day.closed");
    const [defect] = defectsWith((leaf) => (leaf.kind === "day.closed" && leaf !== closed ? withFact(leaf, "day", "20260515") : leaf));
    expect(defect?.what).toBe("20260515 is sealed after 20260512");
  });

  test("show a posting into a sealed day", () => {
    const late = leaves.find((leaf) => leaf.kind === "settlement.settled" && leaf.facts?.some(({ name }) => name === "late"));
    const [defect] = defectsWith((leaf) => (leaf === late ? withFact(leaf, "day", "20260512") : leaf));
    expect(defect).toEqual({ index: late?.index, what: "something is booked on the sealed day 20260512" });
  });

  test("show a settlement that was taken in twice", () => {
    const [defect] = deriveBooks(
      crypto,
      leaves.flatMap((leaf) => (leaf === first("settlement.accepted") ? [leaf, leaf] : [leaf])),
    ).defects;
    expect(defect?.what).toMatch(/is taken in twice$/);
  });
});
