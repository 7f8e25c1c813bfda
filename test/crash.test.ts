/**
 * `kill -9` at random points, on both buses: whatever was acknowledged ends exactly once, nobody pays twice, and
 * every ledger verifies. The seed is printed; moments still depend on the machine, invariants do not.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";
import { asFen, formatYuan } from "../core/protocol/money.ts";
import type { SettlementReply } from "../core/protocol/operations.ts";
import { seededRandom } from "../cli/sandbox/random.ts";
import { shortestSession, startKafka } from "../streams/bus/testing/kafka.ts";
import { FREE_PORTS, temporaryFolder } from "./harness/folder.ts";
import { hospitals } from "./harness/hospital.ts";
import { ronghe, serve, type Serving } from "./harness/process.ts";

const KILLS = 20;
const LANES = 6;
const seed = Number(process.env["TEST_SEED"] ?? Date.now() % 1_000_000);

const kafka = await startKafka();
afterAll(async () => {
  if (!("skipped" in kafka)) await kafka.stop();
});

interface Ended {
  readonly outTradeNo: string;
  readonly amount: string;
  readonly reply: SettlementReply;
  readonly original?: string;
}

/** Bills and refunds in several lanes until told to stop; every one is insisted on until it is final. */
async function workUntil(data: string, stopped: () => boolean): Promise<readonly Ended[]> {
  const his = await hospitals(data);
  const ended: Ended[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: LANES }, async (_, lane) => {
      for (let n = 0; !stopped(); n++) {
        const number = next++;
        const amount = formatYuan(asFen(BigInt(100 + ((number * 7919) % 50_000))));
        const bill = { outTradeNo: `K${seed}-${number}`, institution: lane, code: await his.code(number), amount };
        // A code lives a minute; a core that stays away longer would let it expire, which is a refusal and just as final.
        const reply = await his.settle(bill);
        ended.push({ outTradeNo: bill.outTradeNo, amount, reply });
        if (n % 5 === 4 && reply.status === "settled") {
          const outTradeNo = `${bill.outTradeNo}-R`;
          ended.push({
            outTradeNo,
            amount,
            reply: await his.refund({ outTradeNo, institution: lane, original: bill.outTradeNo }),
            original: bill.outTradeNo,
          });
        }
      }
    }),
  );
  expect(his.acknowledged.size).toBe(ended.length);
  return ended;
}

function fen(yuan: string): bigint {
  return BigInt(yuan.replace(".", ""));
}

/** Money that the payers moved, ledgers, and answers must tell one story. */
async function check(data: string, ended: readonly Ended[]): Promise<void> {
  const runtime = JSON.parse(await readFile(join(data, "runtime.json"), "utf8")) as { railsAdminUrl: string };
  const totals = (await (await fetch(`${runtime.railsAdminUrl}/admin/totals`)).json()) as {
    doubled: number;
    legs: { settlementId: string; captured: string; refunded: string }[];
  };
  const moved = new Map<string, { captured: bigint; refunded: bigint }>();
  for (const leg of totals.legs) {
    const sum = moved.get(leg.settlementId) ?? { captured: 0n, refunded: 0n };
    moved.set(leg.settlementId, { captured: sum.captured + fen(leg.captured), refunded: sum.refunded + fen(leg.refunded) });
  }
  expect(totals.doubled).toBe(0);
  const givenBack = new Set(ended.filter((one) => one.reply.status === "refunded").map((one) => one.original));
  for (const one of ended.filter((each) => each.original === undefined)) {
    const sum = moved.get(one.reply.settlementId) ?? { captured: 0n, refunded: 0n };
    moved.delete(one.reply.settlementId);
    const paid = one.reply.status === "settled" ? fen(one.amount) : 0n;
    // A capture undone again before a refusal moves nothing in sum.
    expect({ id: one.outTradeNo, net: sum.captured - sum.refunded }).toEqual({
      id: one.outTradeNo,
      net: givenBack.has(one.outTradeNo) ? 0n : paid,
    });
  }
  expect([...moved.keys()]).toEqual([]);
  const verified = await ronghe(["ledger", "verify", "--json"], { RONGHE_DATA: data });
  expect(verified.code, verified.stdout).toBe(0);
}

async function killLoop(start: () => Promise<Serving>, aliveMs: readonly [number, number]): Promise<Serving> {
  const random = seededRandom(seed);
  let part = await start();
  for (let kill = 0; kill < KILLS; kill++) {
    await sleep(random.int(...aliveMs));
    await part.kill9();
    part = await start();
  }
  return part;
}

describe(`kill -9, ${KILLS} times (seed ${seed})`, () => {
  it("of the whole platform on the embedded bus loses nothing and pays nothing twice", async () => {
    await using folder = await temporaryFolder();
    const settings = { RONGHE_DATA: folder.path, ...FREE_PORTS, RONGHE_CODE_TTL_S: "300", RONGHE_LOG: "off" };
    expect((await ronghe(["sandbox", "init"], settings)).code).toBe(0);
    let over = false;
    const first = await serve(["all"], settings);
    const work = workUntil(folder.path, () => over);
    await first.kill9();
    const last = await killLoop(() => serve(["all"], settings), [150, 1_200]);
    over = true;
    const ended = await work;
    expect(ended.filter((one) => one.reply.status === "settled").length).toBeGreaterThan(0);
    await check(folder.path, ended);
    expect(await last.stop()).toBe(0);
  });

  it.skipIf("skipped" in kafka)("of the core on a real Kafka broker loses nothing and pays nothing twice", async () => {
    if ("skipped" in kafka) return;
    await using folder = await temporaryFolder();
    const settings = {
      RONGHE_DATA: folder.path,
      ...FREE_PORTS,
      RONGHE_CODE_TTL_S: "300",
      RONGHE_LOG: "off",
      RONGHE_BUS: "kafka",
      RONGHE_KAFKA_BROKERS: kafka.brokers.join(","),
      RONGHE_KAFKA_SESSION_S: shortestSession(),
      RONGHE_PAYERS: "sandbox",
    };
    expect((await ronghe(["sandbox", "init"], settings)).code).toBe(0);
    const payers = await serve(["sandbox"], settings);
    let core = await serve(["core"], settings);
    const edge = await serve(["edge"], settings);
    let over = false;
    const work = workUntil(folder.path, () => over);
    await sleep(2_000);
    await core.kill9();
    core = await killLoop(() => serve(["core"], settings), [300, 6_000]);
    over = true;
    const ended = await work;
    expect(ended.filter((one) => one.reply.status === "settled").length).toBeGreaterThan(0);
    await check(folder.path, ended);
    for (const part of [edge, core, payers]) expect(await part.stop()).toBe(0);
  });
});
