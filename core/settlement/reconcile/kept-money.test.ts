/** Money that a payer keeps of a refused bill: a case of its own until it is given back, on a real shard and real books. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCrypto } from "../../crypto/index.ts";
import { type Database, openDatabase } from "../../../migrations/database.ts";
import { openScene, type Scene } from "../testing/scene.ts";
import type { Case } from "./records.ts";
import { openReconciler, type Reconciler } from "./reconciler.ts";
import type { CaseStep } from "./cases.ts";

const crypto = await loadCrypto();
let scene: Scene;
let folder: string;
let db: Database;
let office: Reconciler;
beforeEach(async () => {
  scene = await openScene();
  folder = await mkdtemp(join(tmpdir(), "ronghe-kept-"));
  await open();
});
afterEach(async () => {
  await office.idle();
  await db.close();
  await scene.close();
  await rm(folder, { recursive: true, force: true });
});

async function open(): Promise<void> {
  db = await openDatabase({ kind: "books", file: join(folder, "books.db") });
  office = await openReconciler({
    db,
    folder,
    crypto,
    shards: new Map([[0, scene.world.shard.books]]),
    shardOf: () => 0,
    payers: {},
    clock: { now: () => scene.world.now },
    async find(_, kind, subject) {
      const [row] = await scene.world.read("SELECT idx FROM leaf WHERE subject=? AND kind=?", subject, kind);
      return row === undefined ? undefined : { origin: scene.world.shard.log.origin, index: BigInt(String(row["idx"])) };
    },
  });
}

/** As another process would find it. */
async function reopen(): Promise<void> {
  await office.idle();
  await db.close();
  await scene.world.restart();
  await open();
}

async function keep(): Promise<void> {
  scene.fault("bank", "capture", "refuse");
  scene.fault("insurance", "reverse", "refuse");
  await scene.bill();
  await scene.world.reconcile();
}

async function only(): Promise<Case> {
  await office.idle();
  const [one, ...more] = await office.store.cases();
  if (one === undefined || more.length > 0) throw new Error(`${more.length} cases more than one`);
  return one;
}
const said = async (): Promise<readonly (string | undefined)[]> =>
  (await office.store.steps((await only()).id)).map(({ action, reason, entry }) =>
    entry === undefined ? "no entry" : `${action} ${reason ?? ""}`.trim(),
  );
const step = async (more: CaseStep): Promise<string> => {
  const answer = await office.step((await only()).id, more);
  return answer.ok ? answer.value.state : answer.error;
};
const GIVE: CaseStep = { action: "giveBack", by: "li", approvedBy: "wang", reason: "agreed" };

describe("money that a payer keeps of a refused bill", () => {
  test("is a case as soon as the bill is refused, with its payer, bill and amount, and an entry", async () => {
    await keep();
    const bill = await scene.find("bill");
    expect(await only()).toMatchObject({
      class: "keptMoney",
      rail: "insurance",
      state: "open",
      settlementId: bill.id,
      institution: bill.institution,
      ours: { amount: 6500n },
      theirs: { amount: 6500n },
      runId: "run",
    });
    expect(await said()).toEqual(["open"]);
    const { id } = await only();
    expect((await office.show(id))?.owed).toEqual([
      { fundSource: "acct_pay", amount: -500n },
      { fundSource: "hifp_pay", amount: -6000n },
    ]);
  });

  test("is found by the next process when the first ended before it looked", async () => {
    await office.idle();
    await db.close();
    await keep();
    await scene.world.restart();
    await open();
    expect((await only()).state).toBe("open");
    await reopen();
    expect(await said()).toEqual(["open"]);
  });

  test("goes back to the hospital's refund: the case says what is left, and closes with the last of it", async () => {
    await keep();
    await scene.refund({ outTradeNo: "part", refundAmount: "13.00" });
    expect([(await only()).state, (await only()).ours?.amount]).toEqual(["open", 5200n]);
    await scene.refund({ outTradeNo: "rest" });
    expect((await only()).state).toBe("resolved");
    expect(await said()).toEqual(["open", "restate givenBack", "settle givenBack"]);
    expect(scene.moved()).toEqual({ insurance: 0n, commercial: 0n, bank: 0n });
  });

  test("goes back by two people of the office, once: repeats and a payer that refuses change nothing, the next order does", async () => {
    await keep();
    expect(await step({ ...GIVE, approvedBy: undefined })).toBe("needsSecondPerson");
    expect(await step({ ...GIVE, approvedBy: "li" })).toBe("samePerson");
    scene.fault("insurance", "refund", "refuse");
    expect(await step(GIVE)).toBe("open");
    expect(await step(GIVE)).toBe("open");
    await scene.world.settle();
    expect((await only()).ours?.amount).toBe(6500n);
    scene.faults.delete("insurance/refund");
    expect(await step(GIVE)).toBe("open");
    await scene.world.settle();
    expect(await said()).toEqual(["open", "giveBack agreed", "giveBack agreed", "settle givenBack"]);
    expect((await only()).state).toBe("resolved");
    expect(await step(GIVE)).toBe("caseClosed");
    expect(scene.moved()).toEqual({ insurance: 0n, commercial: 0n, bank: 0n });
  });

  test("whose refund nobody answers is asked for again until it is given back", async () => {
    await keep();
    scene.fault("insurance", "refund", "lostBefore", 3);
    await step(GIVE);
    await scene.world.settle();
    expect((await only()).state).toBe("resolved");
  });

  test("in suspense is taken out of it as it is given back", async () => {
    await keep();
    await step({ action: "assign", by: "li", owner: "li" });
    await step({ action: "suspend", by: "li", reason: "underInquiry" });
    await scene.refund({ outTradeNo: "part", refundAmount: "13.00" });
    expect((await only()).ours?.amount).toBe(5200n);
    await step(GIVE);
    await scene.world.settle();
    expect((await only()).state).toBe("resolved");
    const balances = await scene.world.shard.balances();
    expect(balances.filter(({ account }) => account.startsWith("suspense/")).map(({ posted }) => posted)).toEqual([0n, 0n]);
  });

  test("ended between shard and books is begun once, and the step is written by the repeat", async () => {
    await keep();
    const one = await only();
    const order = { caseId: one.id, settlementId: one.settlementId ?? "", rail: one.rail, requestedBy: "li", approvedBy: "wang" } as const;
    expect(await scene.world.shard.books.giveBack(order)).toBe("begun");
    await reopen();
    expect(await step(GIVE)).toBe("open");
    expect(await said()).toEqual(["open", "giveBack agreed"]);
    await scene.world.settle();
    expect(await said()).toEqual(["open", "giveBack agreed", "settle givenBack"]);
    expect(scene.world.payers.insurance.movements.filter(({ kind }) => kind === "refund")).toHaveLength(1);
  });

  test("that people closed stays closed", async () => {
    await keep();
    await step({ action: "assign", by: "li", owner: "li" });
    await step({ action: "resolve", by: "li", reason: "agreed" });
    await reopen();
    expect(await said()).toEqual(["open", "assign", "resolve agreed"]);
  });
});
