/** One writer, many wishes: what goes wrong with one of them must not touch the others. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { railKey } from "./rails/port.ts";
import type { Settlement, Transition } from "./settlement.ts";
import { StaleSettlementError } from "./shard.ts";
import { HOSPITAL, openScene, type Scene } from "./testing/scene.ts";

let scene: Scene;
beforeEach(async () => {
  scene = await openScene();
});
afterEach(async () => await scene.close());

const REFUSE: Transition = { name: "refuse", refusal: "payerRefused", reversed: new Map(), kept: [], late: [] };

async function waiting(outTradeNo: string): Promise<Settlement> {
  scene.fault("bank", "capture", "lostAfter");
  return await scene.bill({ outTradeNo });
}

describe("in one commit", () => {
  test("a step that the table does not have is refused alone", async () => {
    const bill = await scene.bill();
    const other = await waiting("other");
    const [wrong, right] = await Promise.allSettled([
      scene.world.shard.advance(bill, REFUSE),
      scene.world.shard.books.record({ kind: "x.y", outcome: "accepted", actor: "core" }, scene.world.now),
    ]);
    expect([wrong.status, right.status]).toEqual(["rejected", "fulfilled"]);
    expect((await scene.find("other")).revision).toBe(other.revision);
  });

  test("a step that the database refuses is refused alone, and the others are written", async () => {
    const bill = await scene.bill();
    // An older picture of a settlement that has moved on: the guard refuses the whole transaction.
    const older: Settlement = { ...bill, standing: { state: "voiding", phase: undefined }, revision: 1, legs: [] };
    const [wrong, right] = await Promise.allSettled([
      scene.world.shard.advance(older, REFUSE),
      scene.world.shard.books.record({ kind: "x.y", outcome: "accepted", actor: "core" }, scene.world.now),
    ]);
    expect(wrong).toMatchObject({ status: "rejected" });
    expect(right.status).toBe("fulfilled");
    expect(await scene.leaves("x.y")).toHaveLength(1);
    expect((await scene.find("bill")).standing.state).toBe("settled");
  });

  test("requests, steps, a heal, a correction and a seal keep their order", async () => {
    const bill = await waiting("bill");
    await scene.world.nextDay(false);
    const { books } = scene.world.shard;
    const key = railKey(bill.id, "bank", "capture");
    const found = scene.world.payers.bank.statementOf(key);
    const correction = { rail: "bank", fundSource: "psn_cash_pay", institution: HOSPITAL, settlementId: undefined, amount: 1n } as const;
    const people = { reason: "agreed", requestedBy: "li", approvedBy: undefined };
    const answers = await Promise.all([
      books.record({ kind: "first.of", outcome: "accepted", actor: "core" }, scene.world.now),
      books.seal("20260512" as never, scene.world.now),
      books.heal({ key, rail: "bank", found, statementHash: "00", runId: "r" }, scene.world.now),
      books.adjust({ adjustmentId: "a", caseId: "c", kind: "suspend", ...correction, ...people }, scene.world.now),
      books.record({ kind: "last.of", outcome: "accepted", actor: "core" }, scene.world.now),
    ]);
    expect(answers[1]).toMatchObject({ carriedOver: [bill.id] });
    expect(answers[2]).toBe("healed");
    expect((await scene.world.leaves()).slice(-5).map(({ kind }) => kind)).toEqual([
      "first.of",
      "day.closed",
      "settlement.healed",
      "adjustment.suspended",
      "last.of",
    ]);
    await scene.world.settle();
  });
});

describe("a step that was begun before reconciliation brought the answer", () => {
  test("is refused as stale, and the settlement goes on from what is stored", async () => {
    const before = await waiting("bill");
    const told: string[] = [];
    scene.world.shard.onDue(() => told.push("due"));
    const key = railKey(before.id, "bank", "capture");
    const found = scene.world.payers.bank.statementOf(key);
    const [healing, step] = await Promise.allSettled([
      scene.world.shard.books.heal({ key, rail: "bank", found, statementHash: "00", runId: "r" }, scene.world.now),
      scene.world.shard.advance(
        { ...before, standing: { state: "unknown", phase: "posting" } },
        { name: "leave", missing: before.missing, cause: "asksExhausted" },
      ),
    ]);
    expect(healing).toEqual({ status: "fulfilled", value: "healed" });
    expect(step.status === "rejected" && step.reason instanceof StaleSettlementError).toBe(true);
    expect(told).toEqual(["due"]);
    await scene.world.settle();
    expect((await scene.find("bill")).standing.state).toBe("settled");
  });
});
