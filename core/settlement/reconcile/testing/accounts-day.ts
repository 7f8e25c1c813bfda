/**
 * An accountant's day for tests: a real shard, real payers over HTTP with faults, real books; only the clock is moved
 * from one day to the next.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { loadCrypto } from "../../../crypto/index.ts";
import { toHex, utf8 } from "../../../protocol/bytes.ts";
import { type EventMs, systemClock } from "../../../protocol/time.ts";
import { decodeLeaf } from "../../../../ledger/verifier/leaf.ts";
import { verifierKey } from "../../../../ledger/verifier/note.ts";
import { verifyDatabase } from "../../../../ledger/verify-files.ts";
import { type Database, openDatabase } from "../../../../migrations/database.ts";
import { openEmbeddedBus } from "../../../../streams/bus/embedded.ts";
import { topicPlan } from "../../../../streams/contracts/codec.ts";
import type { AccountingDay } from "../../books.ts";
import { addDays, dayOf, dayStart } from "../../day/accounting-day.ts";
import { RAIL_ORDER, type RailName } from "../../plan.ts";
import type { Payer } from "../../rails/port.ts";
import type { FaultRequest } from "../../rails/sandbox/faults.ts";
import type { SandboxTotals } from "../../rails/sandbox/admin-app.ts";
import { startSandboxRails } from "../../rails/sandbox/start.ts";
import { INSTITUTION, ORIGIN, type Request, requestRecord, shardFileIn, startRoom, TableVault } from "../../testing/room.ts";
import type { Settlement } from "../../settlement.ts";
import { isTerminal } from "../../states.ts";
import { openOffice, type Office } from "../office.ts";
import type { RunAnswer } from "../run.ts";

const HOUR_MS = 3_600_000;
const OUTCOMES = ["settled", "refused", "refunded", "unknown"].map((how) => `settlement.claim.${how}.v1`);

export interface AccountsDay {
  readonly office: Office;
  readonly day: AccountingDay;
  readonly clock: { now(): EventMs };
  /** The shard's file, read beside the shard. */
  readonly file: Pick<Database, "read">;
  submit(...requests: readonly Partial<Request>[]): Promise<void>;
  fault(...faults: readonly FaultRequest[]): Promise<void>;
  clearFaults(): Promise<void>;
  /** Waits until nobody is to be asked any more: it ended, or is left to reconciliation. */
  rested(outTradeNo?: string): Promise<Settlement>;
  /** Kinds of the settlement's entries, in order. */
  story(id: string): Promise<readonly string[]>;
  /** What the hospital was told of it, by event. */
  told(outTradeNo?: string): Promise<readonly string[]>;
  balances(): Promise<ReadonlyMap<string, { readonly posted: bigint; readonly pending: bigint }>>;
  totals(): Promise<SandboxTotals>;
  /** The clock goes to the first hour of the day so many days on. */
  sleepUntil(days: number): void;
  /** All payers of the day so many days on; then everything that follows is carried out. */
  reconcile(days?: number): Promise<Readonly<Record<RailName, RunAnswer>>>;
  audit(): Promise<string>;
  close(): Promise<void>;
}

/** A test that would wait for ever says what for. */
const REST_MS_MAX = 40_000;
/** Asked twice, then left to reconciliation. */
const PATIENCE = { askAgainMinMs: 20, askAgainMaxMs: 50, asksMax: 2 };

export async function openAccountsDay(): Promise<AccountsDay> {
  const folder = await mkdtemp(join(tmpdir(), "ronghe-accounts-"));
  const crypto = await loadCrypto();
  const day = dayOf(systemClock.now());
  // Noon, whatever the time: no test of one day runs into the next.
  let shiftMs = dayStart(day) + 12 * HOUR_MS - systemClock.now();
  const clock = { now: () => (systemClock.now() + shiftMs) as EventMs };
  const bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock });
  await bus.ensureTopics(topicPlan(1));
  const sandbox = await startSandboxRails({ clock, file: join(folder, "payers.db") });
  const urls = { insurance: sandbox.insuranceUrl, commercial: sandbox.commercialUrl, bank: sandbox.bankUrl };
  const vault = new TableVault();
  const keys = crypto.sm2GenerateKeyPair();
  const payers = new Map<RailName, Payer>();
  const room = await startRoom(
    { folder, crypto, clock, vault, bus, urls, keys, railsKey: crypto.random(32) },
    {
      rail: (one) => {
        payers.set(one.name, one as Payer);
        return one;
      },
    },
    PATIENCE,
  );
  const { shard } = room;
  const reading = await openDatabase({ kind: "shard", file: shardFileIn(folder), readOnly: true });
  const office = await openOffice({
    file: join(folder, "books.db"),
    folder,
    shards: new Map([[0, shard.books]]),
    shardOf: () => 0,
    payers: Object.fromEntries(payers),
    crypto,
    clock,
    find: () => Promise.resolve(undefined),
    foundedAtMs: dayStart(day),
  });
  const admin = async (path: string, init?: RequestInit): Promise<unknown> => {
    const response = await fetch(`${sandbox.adminUrl}${path}`, init);
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return await response.json();
  };
  const post = async (path: string, body: unknown): Promise<void> => {
    await admin(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  };
  await post("/admin/accounts", [
    { rail: "insurance", account: "i-p1", sharePercent: 60 },
    { rail: "commercial", account: "c-p1", sharePercent: 50 },
    { rail: "bank", account: "b-p1", balance: "1000.00" },
  ]);
  // Two codes of one person: each serves one bill.
  for (const code of ["p1", "p2"])
    vault.people.set(code, {
      person: toHex(crypto.sm3(utf8("p1"))),
      insurance: { accountId: "i-p1", insuOrg: "510104" },
      commercial: { authorisationId: "c-p1" },
      bank: { contractId: "b-p1" },
    });

  async function rested(outTradeNo = "no-1"): Promise<Settlement> {
    for (const begun = systemClock.now(); ;) {
      const found = await shard.find(INSTITUTION, outTradeNo);
      if (systemClock.now() - begun > REST_MS_MAX)
        throw new Error(
          `still ${found?.standing.state} (${found?.standing.phase}), attempt ${found?.attempt}, ${found?.missing.map((one) => `${one.rail}/${one.action}`).join(" ")}`,
        );
      if (found !== undefined && (isTerminal(found.standing.state) || found.standing.state === "awaiting")) {
        await shard.drained();
        return found;
      }
      await sleep(20);
    }
  }

  return {
    office,
    day,
    clock,
    file: reading,
    rested,
    async submit(...requests) {
      await bus.publish(requests.map((request) => requestRecord(crypto, request)));
    },
    async fault(...faults) {
      for (const one of faults) await post("/admin/faults", one);
    },
    clearFaults: async () => void (await admin("/admin/faults", { method: "DELETE" })),
    async story(id) {
      return (await reading.read("SELECT bytes FROM leaf WHERE subject=? ORDER BY idx", id)).map((row) => {
        const leaf = row["bytes"] instanceof ArrayBuffer ? decodeLeaf(new Uint8Array(row["bytes"])) : undefined;
        return leaf?.ok === true ? leaf.value.kind : "unreadable";
      });
    },
    async told(outTradeNo = "no-1") {
      const found: { readonly atMs: number; readonly type: string }[] = [];
      for (const topic of OUTCOMES)
        for (const record of await bus.read(topic, 0, 0n, 1_000)) {
          const data = JSON.parse(Buffer.from(record.value).toString("utf8")) as { outTradeNo: string; atMs: number };
          if (data.outTradeNo === outTradeNo) found.push({ atMs: data.atMs, type: topic });
        }
      return found.toSorted((a, b) => a.atMs - b.atMs).map(({ type }) => type.split(".")[2] ?? "");
    },
    async balances() {
      return new Map((await shard.balances()).map(({ account, posted, pending }) => [account, { posted, pending }]));
    },
    totals: async () => (await admin("/admin/totals")) as SandboxTotals,
    sleepUntil(days) {
      shiftMs = dayStart(addDays(day, days)) + HOUR_MS - systemClock.now();
    },
    async reconcile(days = 0) {
      const answers: Partial<Record<RailName, RunAnswer>> = {};
      for (const rail of RAIL_ORDER) {
        const run = await office.reconciler.run({
          rail,
          day: addDays(day, days),
          by: "li",
          input: { kind: "service", details: "always" },
        });
        if (!run.ok) throw new Error(`${rail}: ${JSON.stringify(run.error)}`);
        answers[rail] = run.value;
      }
      return answers as Record<RailName, RunAnswer>;
    },
    async audit() {
      await shard.drained();
      const trustedKeys = [{ ...verifierKey((...parts) => crypto.sm3(...parts), ORIGIN, keys.publicKey), origins: [ORIGIN] }];
      const report = await verifyDatabase({ db: reading, crypto, trustedKeys, origin: ORIGIN });
      return report.ok ? "verified" : (report.firstDefect?.detail ?? "incomplete");
    },
    async close() {
      await office.close();
      await reading.close();
      await room.stop();
      await sandbox.close();
      await bus.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
