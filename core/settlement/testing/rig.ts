/**
 * A settlement room for tests: real bus, real shard, real log, real payers over HTTP. Only the vault is a table in
 * memory: a credential names its person there by its own text.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCrypto } from "../../crypto/index.ts";
import type { Crypto } from "../../crypto/port.ts";
import { fromBase64, toBase64, toHex, utf8, utf8Text } from "../../protocol/bytes.ts";
import type { ErrorName } from "../../protocol/errors.ts";
import { ok, refused, type Result } from "../../protocol/result.ts";
import { type Clock, systemClock } from "../../protocol/time.ts";
import type { AccountBindings, DeTokenise } from "../../vault/port.ts";
import { openLog } from "../../../ledger/log.ts";
import { verifierKey } from "../../../ledger/verifier/note.ts";
import { verifyDatabase, verifyReceiptText } from "../../../ledger/verify-files.ts";
import { type Database, openDatabase } from "../../../migrations/database.ts";
import { openEmbeddedBus } from "../../../streams/bus/embedded.ts";
import type { EventBus } from "../../../streams/bus/port.ts";
import { decodeEvent, encodeEvent, topicPlan } from "../../../streams/contracts/codec.ts";
import type { AnyEvent } from "../../../streams/contracts/event.ts";
import type { EventData } from "../../../streams/contracts/topics.ts";
import { createHttpRail } from "../rails/http-rail.ts";
import type { Rail } from "../rails/port.ts";
import type { SeedAccount } from "../rails/sandbox/accounts.ts";
import type { SandboxTotals } from "../rails/sandbox/admin-app.ts";
import type { FaultRequest } from "../rails/sandbox/faults.ts";
import { type SandboxRails, startSandboxRails } from "../rails/sandbox/start.ts";
import { startSandboxRailsThread } from "../rails/sandbox/thread.ts";
import type { OpenCredential } from "../saga.ts";
import { openShard, type Shard } from "../shard.ts";
import { type SettlementLimits, type SettlementWorker, startSettlement } from "../worker.ts";

export const INSTITUTION = "H51010400001";
export const ORIGIN = "ronghe.test/settlement-0";
const OUTCOME_TOPICS = [
  "settlement.claim.settled.v1",
  "settlement.claim.refused.v1",
  "settlement.claim.refunded.v1",
  "settlement.claim.unknown.v1",
] as const;
/** Quick enough for a test, slow enough for a busy machine to answer in. */
const QUICK: Partial<SettlementLimits> = { askAgainMinMs: 20, askAgainMaxMs: 100 };
const RAIL_TIMEOUT_MS = 300;

type Submitted = EventData<"settlement.request.submitted.v1">;
export type Outcome = Extract<AnyEvent, { type: (typeof OUTCOME_TOPICS)[number] }>;

/** What stands between the worker and its parts, so that a test can cut it off at any call. */
export interface Interposed {
  readonly database?: (db: Database) => Database;
  readonly rail?: (rail: Rail) => Rail;
}
export interface Running {
  readonly worker: SettlementWorker;
  readonly shard: Shard;
  stop(): Promise<void>;
}

/** People by credential text; each credential serves one transaction, as the real vault has it. */
export class TableVault {
  readonly people: Map<string, Omit<AccountBindings, "position" | "ecToken">> = new Map();
  readonly refusals: Map<string, ErrorName> = new Map();
  readonly calls: DeTokenise[] = [];
  readonly #used = new Map<string, string>();

  deTokenise(request: DeTokenise): Promise<Result<AccountBindings, ErrorName>> {
    this.calls.push(request);
    if (request.purpose === "refund") return Promise.resolve(refused("badRequest"));
    const { value } = request.credential;
    const refusal = this.refusals.get(value);
    const person = this.people.get(value);
    const user = this.#used.get(value) ?? request.transactionId;
    if (refusal !== undefined) return Promise.resolve(refused(refusal));
    if (person === undefined) return Promise.resolve(refused("codeUnknown"));
    if (user !== request.transactionId) return Promise.resolve(refused("codeUsed"));
    this.#used.set(value, user);
    return Promise.resolve(
      ok({ ...person, ecToken: `510104${"A".repeat(32)}`, position: { origin: "r", index: 0n, leafHash: new Uint8Array(32) } }),
    );
  }
}

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
  /** Whether a receipt verifies offline. */
  isReceipt(text: string | undefined): boolean;
  restartSandbox(): Promise<void>;
  close(): Promise<void>;
}
export type Request = Pick<Submitted, "action" | "outTradeNo" | "originalOutTradeNo" | "amount" | "terminal" | "institution"> & {
  readonly credential: string | undefined;
  readonly eventId: string;
};

const openCredential: OpenCredential = (sealed) => {
  const value = fromBase64(sealed.sealed);
  return Promise.resolve(value === undefined ? refused("badRequest") : ok({ kind: sealed.kind, value: utf8Text(value) ?? "" }));
};

export async function openRig(options: { readonly partitions?: number; readonly railsThread?: boolean } = {}): Promise<Rig> {
  const folder = await mkdtemp(join(tmpdir(), "ronghe-settlement-"));
  const crypto = await loadCrypto();
  const clock = systemClock;
  const vault = new TableVault();
  const bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock });
  await bus.ensureTopics(topicPlan(options.partitions ?? 1));
  const openSandbox = (): Promise<SandboxRails> => {
    const file = join(folder, "rails.journal");
    return options.railsThread === true ? startSandboxRailsThread({ file }) : startSandboxRails({ clock, file });
  };
  let sandbox = await openSandbox();
  const keys = crypto.sm2GenerateKeyPair();
  const trustedKeys = [{ ...verifierKey((...parts) => crypto.sm3(...parts), ORIGIN, keys.publicKey), origins: [ORIGIN] }];
  const shardFile = join(folder, "shard-0.db");

  const start = async (interposed: Interposed = {}, limits: Partial<SettlementLimits> = {}): Promise<Running> => {
    const rail = (name: "insurance" | "commercial" | "bank", url: string): Rail => {
      const http = createHttpRail({ name, url, timeoutMs: RAIL_TIMEOUT_MS });
      return interposed.rail?.(http) ?? http;
    };
    const rails = {
      insurance: rail("insurance", sandbox.insuranceUrl),
      commercial: rail("commercial", sandbox.commercialUrl),
      bank: rail("bank", sandbox.bankUrl),
    };
    const opened = await openDatabase({ kind: "shard", file: shardFile });
    const db = interposed.database?.(opened) ?? opened;
    const sign = (message: Uint8Array): Promise<Uint8Array> => Promise.resolve(crypto.sm2Sign(keys.privateKey, message));
    const signer = { keyName: ORIGIN, publicKey: keys.publicKey, sign };
    const log = await openLog({ db, origin: ORIGIN, crypto, random: (length) => crypto.random(length), signer });
    const shard = await openShard({ db, log, bus, crypto, clock, partition: 0 });
    const worker = await startSettlement({
      bus,
      vault,
      openCredential,
      rails,
      crypto,
      clock,
      shards: () => shard,
      limits: { ...QUICK, ...limits },
    });
    return {
      worker,
      shard,
      async stop() {
        await worker.stop();
        await Promise.all(Object.values(rails).map((one) => one.close()));
      },
    };
  };

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
    start,
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

function requestRecord(crypto: Crypto, request: Partial<Request>): ReturnType<typeof encodeEvent> {
  const { eventId, credential, ...given } = request;
  const content = { action: "settle" as const, institution: INSTITUTION, terminal: "T1", outTradeNo: "no-1", ...given };
  const amount = content.action === "settle" && !("amount" in given) ? "100.00" : given.amount;
  const whose = content.action === "settle" && !("credential" in request) ? "p1" : credential;
  const requestHash = toHex(crypto.sm3(utf8(JSON.stringify({ ...content, amount, whose }))));
  return encodeEvent({
    id: eventId ?? `${content.institution}.${content.outTradeNo}.${requestHash.slice(0, 16)}`,
    type: "settlement.request.submitted.v1",
    source: "/ronghe/edge/test",
    timeMs: systemClock.now(),
    key: content.institution,
    data: {
      ...content,
      businessType: "01301",
      requestHash,
      operatorId: "op1",
      acceptedAtMs: systemClock.now(),
      edge: "test",
      ...(amount === undefined ? {} : { amount }),
      ...(whose === undefined
        ? {}
        : { credential: { kind: "code" as const, keyHandle: "edge.seal/1", wrappedKey: "", sealed: toBase64(utf8(whose)) } }),
    },
  });
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
