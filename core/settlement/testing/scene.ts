/** One person, one bill, faults of choice: a world for tests that look at a single settlement closely. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { loadCrypto } from "../../crypto/index.ts";
import type { Leaf } from "../../../ledger/verifier/leaf.ts";
import { decodeEvent } from "../../../streams/contracts/codec.ts";
import type { RailName } from "../plan.ts";
import type { RailAction } from "../rails/port.ts";
import type { Settlement } from "../settlement.ts";
import type { FaultPlan } from "./payers.ts";
import { openWorld, type World, type WorldRequest } from "./world.ts";

export const HOSPITAL = "H51010400001";
/** More often than anybody asks. */
export const ALWAYS = 99;

export interface Scene {
  readonly world: World;
  /** Faults by `rail/action`, for bill and refunds alike; may be changed on the way. */
  readonly faults: Map<string, Pick<FaultPlan, "kind" | "count">>;
  fault(rail: RailName, action: RailAction, kind: FaultPlan["kind"], count?: number): void;
  /** Submits and carries out; bills of 100.00, split 60 + 5, 17.50, 17.50, unless told otherwise. */
  bill(request?: Partial<WorldRequest>): Promise<Settlement>;
  refund(request?: Partial<WorldRequest>): Promise<Settlement>;
  find(outTradeNo: string): Promise<Settlement>;
  /** Kinds of the leaves about one settlement, in order. */
  story(outTradeNo: string): Promise<readonly string[]>;
  leaves(kind: string): Promise<readonly Leaf[]>;
  fact(leaf: Leaf | undefined, name: string): string | undefined;
  /** What the hospital is told: types of the outcome events, in order. */
  told(outTradeNo: string): Promise<readonly string[]>;
  /** Net movement at the payers, fen. */
  moved(): Readonly<Record<RailName, bigint>>;
  close(): Promise<void>;
}

const crypto = await loadCrypto();

export async function openScene(): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), "ronghe-scene-"));
  const faults = new Map<string, Pick<FaultPlan, "kind" | "count">>();
  const world = await openWorld({
    crypto,
    file: join(folder, "shard.db"),
    signEveryMs: 1,
    faultOf: (rail, action) => faults.get(`${rail}/${action}`),
  });
  world.people.set("p1", {
    insurance: { accountId: "i", insuOrg: "510104" },
    commercial: { authorisationId: "c" },
    bank: { contractId: "b" },
  });
  world.payers.insurance.accounts.set("i", { sharePercent: 60, balance: 500n });
  world.payers.commercial.accounts.set("c", { sharePercent: 50, balance: 0n });
  world.payers.bank.accounts.set("b", { balance: 1_000_000n });
  let events = 0;
  const find = async (outTradeNo: string): Promise<Settlement> => {
    const found = await world.shard.find(HOSPITAL, outTradeNo);
    if (found === undefined) throw new Error(`no ${outTradeNo}`);
    return found;
  };
  const submit = async (request: WorldRequest): Promise<Settlement> => {
    world.submit([request]);
    await world.settle();
    return await find(request.outTradeNo);
  };
  const scene: Scene = {
    world,
    faults,
    find,
    fault: (rail, action, kind, count = ALWAYS) => void faults.set(`${rail}/${action}`, { kind, count }),
    bill: (request) =>
      submit({
        action: "settle",
        institution: HOSPITAL,
        outTradeNo: "bill",
        eventId: `e${events++}`,
        amount: "100.00",
        credential: "p1",
        ...request,
      }),
    refund: (request) =>
      submit({
        action: "refund",
        institution: HOSPITAL,
        outTradeNo: "back",
        eventId: `e${events++}`,
        originalOutTradeNo: "bill",
        ...request,
      }),
    async story(outTradeNo) {
      const { id } = await find(outTradeNo);
      return (await world.leaves()).filter(({ subject }) => subject === id).map(({ kind }) => kind);
    },
    leaves: async (kind) => (await world.leaves()).filter((leaf) => leaf.kind === kind),
    fact: (leaf, name) => leaf?.facts?.find((fact) => fact.name === name)?.value,
    async told(outTradeNo) {
      await world.shard.drained();
      return world.told.flatMap((record) => {
        const event = decodeEvent(record);
        return event.ok && "outTradeNo" in event.value.data && event.value.data.outTradeNo === outTradeNo ? [event.value.type] : [];
      });
    },
    moved() {
      const { insurance, commercial, bank } = world.payers;
      return { insurance: net(insurance), commercial: net(commercial), bank: net(bank) };
    },
    async close() {
      try {
        // Whatever happened: the leaves say the same as the tables, and every fund is conserved.
        expect(await world.leavesDiffer()).toEqual([]);
        const bySource = new Map<string, bigint>();
        for (const { fundSource, posted } of await world.shard.balances())
          bySource.set(fundSource, (bySource.get(fundSource) ?? 0n) + posted);
        for (const [source, sum] of bySource) expect([source, sum]).toEqual([source, 0n]);
      } finally {
        await world.close();
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
  return scene;
}

function net(payer: World["payers"][RailName]): bigint {
  return payer.movements.reduce((sum, { kind, amount }) => sum + (kind === "capture" ? amount : -amount), 0n);
}
