/** A settlement room for tests, and everything around it: real bus, real shard, real log, real payers over HTTP. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCrypto } from "../../crypto/index.ts";
import type { Crypto } from "../../crypto/port.ts";
import { toHex, utf8 } from "../../protocol/bytes.ts";
import { type Clock, systemClock } from "../../protocol/time.ts";
import { verifierKey } from "../../../ledger/verifier/note.ts";
import { verifyDatabase, verifyReceiptText } from "../../../ledger/verify-files.ts";
import { openDatabase } from "../../../migrations/database.ts";
import { openEmbeddedBus } from "../../../streams/bus/embedded.ts";
import type { EventBus } from "../../../streams/bus/port.ts";
import { decodeEvent, topicPlan } from "../../../streams/contracts/codec.ts";
import type { AnyEvent } from "../../../streams/contracts/event.ts";
import type { SeedAccount } from "../rails/sandbox/accounts.ts";
import type { SandboxTotals } from "../rails/sandbox/admin-app.ts";
import type { FaultRequest } from "../rails/sandbox/faults.ts";
import { type SandboxRails, startSandboxRails } from "../rails/sandbox/start.ts";
import { startSandboxRailsThread } from "../rails/sandbox/thread.ts";
import type { SettlementLimits } from "../worker.ts";
import { compareWithLeaves } from "./compare.ts";
import { type Interposed, ORIGIN, type Request, requestRecord, type Running, shardFileIn, startRoom, TableVault } from "./room.ts";

export { INSTITUTION, type Interposed, ORIGIN, type Request, type Running, TableVault } from "./room.ts";
const OUTCOME_TOPICS = [
  "settlement.claim.settled.v1",
  "settlement.claim.refused.v1",
  "settlement.claim.refunded.v1",
  "settlement.claim.unknown.v1",
] as const;
export type Outcome = Extract<AnyEvent, { type: (typeof OUTCOME_TOPICS)[number] }>;

export interface Rig {
  readonly folder: string;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly vault: TableVault;
  readonly bus: EventBus;
  readonly sandbox: SandboxRails;
  readonly shardFile: string;
  start(interposed?: Interposed, limits?: Partial<SettlementLimits>): Promise<Running>;
  /** Publishes a request and gives its data; `eventId` and hash follow from the content unless given. */
  submit(...requests: readonly Partial<Request>[]): Promise<void>;
  /** Outcome events on the bus so far, in order per topic. */
  outcomes(): Promise<readonly Outcome[]>;
  fault(fault: FaultRequest): Promise<void>;
  accounts(seeds: readonly SeedAccount[]): Promise<void>;
  balance(rail: string, account: string): Promise<Readonly<Record<string, string>>>;
  totals(settlementId?: string): Promise<SandboxTotals>;
  /** What an auditor finds in the shard's file: the first defect, or "verified" and the number of entries. */
  audit(): Promise<{ readonly verdict: string; readonly size: bigint }>;
  /** Where the shard's tables differ from what its leaves say; nowhere, unless there is a bug. */
  leavesDiffer(): Promise<readonly string[]>;
  /** Whether a receipt verifies offline. */
  isReceipt(text: string | undefined): boolean;
  restartSandbox(): Promise<void>;
  close(): Promise<void>;
}
export async function openRig(options: { readonly partitions?: number; readonly railsThread?: boolean } = {}): Promise<Rig> {
  const folder = await mkdtemp(join(tmpdir(), "ronghe-settlement-"));
  const crypto = await loadCrypto();
  const clock = systemClock;
  const vault = new TableVault();
  const bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock });
  await bus.ensureTopics(topicPlan(options.partitions ?? 1));
  const openSandbox = (): Promise<SandboxRails> => {
    const file = join(folder, "payers.db");
    return options.railsThread === true ? startSandboxRailsThread({ file }) : startSandboxRails({ clock, file });
  };
  let sandbox = await openSandbox();
  const keys = crypto.sm2GenerateKeyPair();
  const railsKey = crypto.random(32);
  const trustedKeys = [{ ...verifierKey((...parts) => crypto.sm3(...parts), ORIGIN, keys.publicKey), origins: [ORIGIN] }];
  const shardFile = shardFileIn(folder);

  const admin = async (path: string, init?: RequestInit): Promise<unknown> => {
    const response = await fetch(`${sandbox.adminUrl}${path}`, init);
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return await response.json();
  };
  const post = async (path: string, body: unknown): Promise<void> => {
    await admin(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  };

  return {
    folder,
    crypto,
    clock,
    vault,
    bus,
    shardFile,
    start: (interposed, limits) => {
      const urls = { insurance: sandbox.insuranceUrl, commercial: sandbox.commercialUrl, bank: sandbox.bankUrl };
      return startRoom({ folder, crypto, clock, vault, bus, urls, keys, railsKey }, interposed, limits);
    },
    get sandbox() {
      return sandbox;
    },
    async submit(...requests) {
      const verdicts = await bus.publish(requests.map((request) => requestRecord(crypto, request)));
      if (!verdicts.every((verdict) => verdict.kind === "ok")) throw new Error("the bus took not every request");
    },
    async outcomes() {
      const found: Outcome[] = [];
      for (const topic of OUTCOME_TOPICS)
        for (const [partition] of (await bus.endOffsets(topic)).entries())
          for (const record of await bus.read(topic, partition, 0n, 10_000)) {
            const event = decodeEvent(record, topic);
            if (!event.ok) throw new Error(event.error.reason);
            found.push(event.value as Outcome);
          }
      return found;
    },
    fault: (fault) => post("/admin/faults", fault),
    accounts: (seeds) => post("/admin/accounts", seeds),
    balance: async (rail, account) =>
      (await admin(`/admin/accounts?rail=${rail}&account=${encodeURIComponent(account)}`)) as Readonly<Record<string, string>>,
    totals: async (settlementId) =>
      (await admin(`/admin/totals${settlementId === undefined ? "" : `?settlement=${settlementId}`}`)) as SandboxTotals,
    async audit() {
      const db = await openDatabase({ kind: "shard", file: shardFile, readOnly: true });
      try {
        const report = await verifyDatabase({ db, crypto, trustedKeys, origin: ORIGIN });
        return { verdict: report.ok ? "verified" : (report.firstDefect?.detail ?? "incomplete"), size: report.size };
      } finally {
        await db.close();
      }
    },
    async leavesDiffer() {
      const db = await openDatabase({ kind: "shard", file: shardFile, readOnly: true });
      try {
        return await compareWithLeaves(db, crypto);
      } finally {
        await db.close();
      }
    },
    isReceipt: (text) => text !== undefined && verifyReceiptText(text, { crypto, trustedKeys }).ok,
    async restartSandbox() {
      await sandbox.close();
      sandbox = await openSandbox();
    },
    async close() {
      await sandbox.close();
      await bus.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A person with accounts on the rails named, and those accounts at the payers. */
export async function enrol(
  rig: Rig,
  name: string,
  seeds: {
    readonly insurance?: Partial<Extract<SeedAccount, { rail: "insurance" }>>;
    readonly commercial?: Partial<Extract<SeedAccount, { rail: "commercial" }>>;
    readonly bank?: Partial<Extract<SeedAccount, { rail: "bank" }>>;
  },
): Promise<void> {
  const { insurance, commercial, bank } = seeds;
  const accounts: SeedAccount[] = [
    ...(insurance === undefined ? [] : [{ rail: "insurance" as const, account: `i-${name}`, sharePercent: 60, ...insurance }]),
    ...(commercial === undefined ? [] : [{ rail: "commercial" as const, account: `c-${name}`, sharePercent: 50, ...commercial }]),
    ...(bank === undefined ? [] : [{ rail: "bank" as const, account: `b-${name}`, balance: "1000.00", ...bank }]),
  ];
  await rig.accounts(accounts);
  rig.vault.people.set(name, {
    person: toHex(rig.crypto.sm3(utf8(name))),
    ...(insurance === undefined ? {} : { insurance: { accountId: `i-${name}`, insuOrg: "510104" } }),
    ...(commercial === undefined ? {} : { commercial: { authorisationId: `c-${name}` } }),
    ...(bank === undefined ? {} : { bank: { contractId: `b-${name}` } }),
  });
}
