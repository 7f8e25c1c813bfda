/** What a hospital tells of a bill beside its amount: it reaches the insurer, and is forgotten when no payer needs it. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { FeeLineText } from "../protocol/fee-lines.ts";
import { openDatabase } from "../../migrations/database.ts";
import { enrol, openRig, type Rig } from "./testing/rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await openRig();
});
afterAll(async () => await rig.close());

const line = (amount: string, selfPayClass: FeeLineText["selfPayClass"]): FeeLineText => ({
  itemCode: "XA01",
  itemName: "项目",
  quantity: "1",
  unitPrice: amount,
  amount,
  category: "09",
  selfPayClass,
});

test("fee lines and the kind of care decide the insurer's part, and stay in no row afterwards", async () => {
  await enrol(rig, "p1", { insurance: {}, bank: {} });
  const running = await rig.start();
  await rig.submit({ amount: "100.00", medType: "21", feeLines: [line("40.00", "01"), line("60.00", "03")] });
  await running.worker.drained();
  const [outcome] = await rig.outcomes();
  expect(outcome?.data).toMatchObject({
    legs: [
      { rail: "insurance", fundSource: "hifp_pay", amount: "24.00" },
      { rail: "bank", fundSource: "psn_cash_pay", amount: "76.00" },
    ],
  });
  await running.stop();
  const shard = await openDatabase({ kind: "shard", file: rig.shardFile, readOnly: true });
  expect(await shard.read("SELECT count(*) AS n FROM settlement WHERE care IS NOT NULL OR credential IS NOT NULL")).toEqual([{ n: 0n }]);
  await shard.close();
});
