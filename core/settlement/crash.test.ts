/** The process may end between any two steps; what was begun is finished at the next start, once. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../../migrations/database.ts";
import { settlementId } from "../protocol/settlement-id.ts";
import type { Rail } from "./rails/port.ts";
import { enrol, INSTITUTION, type Interposed, openRig, type Rig } from "./testing/rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await openRig();
});
afterAll(async () => await rig.close());

/** More than there are points. */
const ROUNDS_MAX = 150;

class Crash extends Error {
  override readonly name = "Crash";
}

/** Before and after every write and every call to a payer there is a numbered point; at `end` and ever after, all fails. */
function crashingAt(end: number): Interposed & { readonly hit: Promise<void>; readonly crashed: () => boolean } {
  let points = 0;
  const { promise: hit, resolve: reach } = Promise.withResolvers<void>();
  const pass = (): void => {
    if (points++ < end) return;
    reach();
    throw new Crash(`point ${end}`);
  };
  const around = async <T>(work: () => Promise<T>): Promise<T> => {
    pass();
    const value = await work();
    pass();
    return value;
  };
  return {
    hit,
    crashed: () => points > end,
    database: (db): Database => ({
      file: db.file,
      busyCount: db.busyCount,
      write: (statements) => around(() => db.write(statements)),
      read: (sql, ...args) => db.read(sql, ...args),
      close: () => db.close(),
    }),
    rail: (rail): Rail => ({
      name: rail.name,
      authorise: (request, asking) => around(() => rail.authorise(request, asking)),
      capture: (request, asking) => around(() => rail.capture(request, asking)),
      void: (request, asking) => around(() => rail.void(request, asking)),
      refund: (request, asking) => around(() => rail.refund(request, asking)),
      query: (key) => around(() => rail.query(key)),
      close: () => rail.close(),
    }),
  };
}

test("a crash at any write or call, and then a start, ends as no crash would have", async () => {
  // What the refunds give back is settled beforehand, on a calm day.
  const calm = await rig.start();
  for (let at = 0; at < ROUNDS_MAX; at++) await enrol(rig, `r${at}-back`, { insurance: {}, bank: {} });
  await rig.submit(...Array.from({ length: ROUNDS_MAX }, (_, at) => ({ outTradeNo: `r${at}-back`, credential: `r${at}-back` })));
  await calm.worker.drained();
  await calm.stop();

  let round = 0;
  for (let crashed = true; crashed && round < ROUNDS_MAX; round++) {
    const name = `r${round}`;
    await enrol(rig, `${name}-rich`, { insurance: { personalAccount: "5.00" }, commercial: {}, bank: {} });
    await enrol(rig, `${name}-poor`, { insurance: {}, commercial: {}, bank: { balance: "1.00" } });
    const crash = crashingAt(round);
    const dying = await rig.start(crash).catch(() => undefined);
    await rig.submit(
      { outTradeNo: `${name}-rich`, credential: `${name}-rich` },
      { outTradeNo: `${name}-poor`, credential: `${name}-poor` },
      { action: "refund", outTradeNo: `${name}-refund`, originalOutTradeNo: `${name}-back` },
    );
    // It either gets through, or it hits the point and never gets further.
    if (dying !== undefined) await Promise.race([dying.worker.drained().catch(() => undefined), crash.hit]);
    await dying?.stop();
    crashed = crash.crashed();

    const healed = await rig.start();
    await healed.worker.drained();
    for (const [outTradeNo, state] of [
      [`${name}-rich`, "settled"],
      [`${name}-poor`, "refused"],
      [`${name}-back`, "settled"],
      [`${name}-refund`, "refunded"],
    ] as const)
      expect([round, outTradeNo, (await healed.shard.find(INSTITUTION, outTradeNo))?.standing.state]).toEqual([round, outTradeNo, state]);
    const legs = async (outTradeNo: string): Promise<unknown> =>
      (await rig.totals(settlementId(rig.crypto, INSTITUTION, outTradeNo))).legs.map((leg) => [leg.rail, leg.captured, leg.refunded]);
    expect(await legs(`${name}-rich`)).toEqual([
      ["insurance", "65.00", "0.00"],
      ["commercial", "17.50", "0.00"],
      ["bank", "17.50", "0.00"],
    ]);
    expect(await legs(`${name}-poor`)).toEqual([]);
    expect(await legs(`${name}-back`)).toEqual([
      ["insurance", "60.00", "60.00"],
      ["bank", "40.00", "40.00"],
    ]);
    expect(await rig.totals("none")).toMatchObject({ doubled: 0, held: 0 });
    expect((await healed.shard.balances()).every(({ pending }) => pending === 0n)).toBe(true);
    await healed.stop();
  }
  // A settlement of three rails, a refusal that releases two and a refund cross at least so many points.
  expect(round).toBeGreaterThan(40);
  expect(round).toBeLessThan(ROUNDS_MAX);
  const outcomes = await rig.outcomes();
  for (const end of ["rich", "poor", "refund"])
    expect(new Set(outcomes.filter(({ data }) => data.outTradeNo.endsWith(end)).map(({ id }) => id)).size).toBe(round);
  expect((await rig.audit()).verdict).toBe("verified");
});

test("payers killed and started again know every answer they gave", async () => {
  await enrol(rig, "restart", { insurance: {}, bank: {} });
  const first = await rig.start();
  await rig.submit({ outTradeNo: "restart", credential: "restart" });
  await first.worker.drained();
  await first.stop();
  const before = await rig.totals();
  await rig.restartSandbox();
  expect(await rig.totals()).toEqual(before);
  const second = await rig.start();
  await rig.submit({ action: "refund", outTradeNo: "restart-back", originalOutTradeNo: "restart" });
  await second.worker.drained();
  expect((await second.shard.find(INSTITUTION, "restart-back"))?.standing.state).toBe("refunded");
  expect(await rig.balance("bank", "b-restart")).toMatchObject({ balance: "1000.00" });
  await second.stop();
});
