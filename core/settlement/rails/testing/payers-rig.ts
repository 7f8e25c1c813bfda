/** The sandbox payers and our three adapters, on real HTTP, in a folder of their own. */
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCrypto } from "../../../crypto/index.ts";
import type { FeeLineText } from "../../../protocol/fee-lines.ts";
import { asFen, type Fen, parseYuan } from "../../../protocol/money.ts";
import type { Clock, EventMs } from "../../../protocol/time.ts";
import type { RailName } from "../../plan.ts";
import type { ProvinceProfile } from "../../split/profile.ts";
import type { NhsaSettings } from "../nhsa/desk.ts";
import { openPayers, rawSealingKey } from "../payers.ts";
import type { AuthoriseRequest, LegRequest, Payer, Payers, RailAccount, StatementRow } from "../port.ts";
import type { SeedAccount } from "../sandbox/accounts.ts";
import type { SandboxTotals } from "../sandbox/admin-app.ts";
import type { FaultRequest } from "../sandbox/faults.ts";
import { type SandboxRails, startSandboxRails } from "../sandbox/start.ts";

export const HOSPITAL = "H51010400001";
export const EC_TOKEN = `510104${"A".repeat(32)}`;
export const PERSON_SECRET = "psn-0042-secret";
/** Of 100.00 without lines the insurer pays 65.00, the commercial insurer a third of the rest. */
export const SEEDS: readonly SeedAccount[] = [
  { rail: "insurance", account: PERSON_SECRET, sharePercent: 60, personalAccount: "5.00" },
  { rail: "commercial", account: "c1", sharePercent: "33.33" },
  { rail: "bank", account: "b1", balance: "1000.00" },
];
/** 1 August 2026, 09:00 in UTC+8. */
export const MORNING = Date.UTC(2026, 7, 1, 1) as EventMs;

export interface PayersRig {
  readonly folder: string;
  readonly sandbox: SandboxRails;
  readonly payers: Payers;
  nowMs: EventMs;
  fault(fault: FaultRequest): Promise<void>;
  clearFaults(): Promise<void>;
  /** POST with a body, GET without. */
  admin(path: string, body?: unknown): Promise<unknown>;
  totals(): Promise<SandboxTotals>;
  rows(rail: RailName, day?: string): Promise<readonly StatementRow[]>;
  /** Ends our side and starts it again on what it remembered. */
  restartAdapters(): Promise<void>;
  restartSandbox(): Promise<void>;
  close(): Promise<void>;
}

export async function openPayersRig(
  options: {
    readonly profile?: ProvinceProfile;
    readonly timeoutMs?: number;
    readonly nhsa?: Partial<NhsaSettings>;
    readonly seeds?: readonly SeedAccount[];
  } = {},
): Promise<PayersRig> {
  const folder = await mkdtemp(join(tmpdir(), "ronghe-payers-rig-"));
  const crypto = await loadCrypto();
  const key = crypto.random(32);
  const time = { nowMs: MORNING };
  const clock: Clock = { now: () => time.nowMs };
  const ports = { insurance: 0, commercial: 0, bank: 0, admin: 0 };
  const profile = options.profile === undefined ? {} : { profile: options.profile };
  const startPayers = (): Promise<SandboxRails> =>
    startSandboxRails({ clock, file: join(folder, "payers.db"), seedAccounts: options.seeds ?? SEEDS, ports, holdMs: 900_000, ...profile });
  let sandbox = await startPayers();
  for (const [name, url] of Object.entries({
    insurance: sandbox.insuranceUrl,
    commercial: sandbox.commercialUrl,
    bank: sandbox.bankUrl,
    admin: sandbox.adminUrl,
  }))
    ports[name as keyof typeof ports] = Number(new URL(url).port);
  const openAdapters = (): Promise<Payers> =>
    openPayers({
      urls: { insurance: sandbox.insuranceUrl, commercial: sandbox.commercialUrl, bank: sandbox.bankUrl },
      file: join(folder, "rails.db"),
      sealing: rawSealingKey(crypto, key),
      clock,
      timeoutMs: options.timeoutMs ?? 2_000,
      nhsa: { ...profile, ...options.nhsa },
    });
  let payers = await openAdapters();
  const closeAdapters = async (): Promise<void> => void (await Promise.all(Object.values(payers).map((payer) => payer.close())));
  const admin = async (path: string, body?: unknown): Promise<unknown> => {
    const response = await fetch(`${sandbox.adminUrl}${path}`, body === undefined ? {} : { method: "POST", body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return await response.json();
  };
  return {
    folder,
    get sandbox() {
      return sandbox;
    },
    get payers() {
      return payers;
    },
    get nowMs() {
      return time.nowMs;
    },
    set nowMs(now: EventMs) {
      time.nowMs = now;
    },
    fault: async (fault) => void (await admin("/admin/faults", fault)),
    clearFaults: async () => void (await fetch(`${sandbox.adminUrl}/admin/faults`, { method: "DELETE" })),
    admin,
    totals: async () => (await admin("/admin/totals")) as SandboxTotals,
    async rows(rail, day = "20260801") {
      const rows: StatementRow[] = [];
      for await (const row of payers[rail].statementRows(day)) rows.push(row);
      return rows.toSorted((a, b) => (a.key < b.key ? -1 : 1));
    },
    async restartAdapters() {
      await closeAdapters();
      payers = await openAdapters();
    },
    async restartSandbox() {
      await sandbox.close();
      sandbox = await startPayers();
    },
    async close() {
      await closeAdapters();
      await sandbox.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export function yuan(text: string): Fen {
  const amount = parseYuan(text);
  if (amount === undefined) throw new RangeError(text);
  return amount;
}

export const ACCOUNTS: Readonly<Record<RailName, RailAccount>> = {
  insurance: { rail: "insurance", ecToken: EC_TOKEN, psnNo: PERSON_SECRET, insuOrg: "510104" },
  commercial: { rail: "commercial", authorisationId: "c1" },
  bank: { rail: "bank", contractId: "b1" },
};

export function asking(
  rail: RailName,
  settlementId: string,
  amount = "100.00",
  more: { readonly medType?: string; readonly fees?: readonly FeeLineText[]; readonly account?: RailAccount } = {},
): AuthoriseRequest {
  const { account, ...rest } = more;
  const bill = yuan(amount);
  return {
    settlementId,
    institution: HOSPITAL,
    businessType: "01301",
    bill,
    asked: bill,
    account: () => Promise.resolve(account ?? ACCOUNTS[rail]),
    ...rest,
  };
}

export function leg(settlementId: string, amount: Fen | string): LegRequest {
  return { settlementId, institution: HOSPITAL, amount: typeof amount === "string" ? yuan(amount) : amount };
}

/** Holds and takes; gives what was taken. */
export async function settleLeg(
  payer: Payer,
  settlementId: string,
  amount = "100.00",
  more: Parameters<typeof asking>[3] = {},
): Promise<Fen> {
  const held = await payer.authorise(asking(payer.name, settlementId, amount, more), "first");
  if (held.kind !== "done") throw new Error(`authorise: ${JSON.stringify(held)}`);
  const taken = await payer.capture(leg(settlementId, held.amount), "first");
  if (taken.kind !== "done") throw new Error(`capture: ${JSON.stringify(taken)}`);
  return asFen(held.amount);
}

/** Every byte that a folder holds, as text: for what must not be in it. */
export async function textOf(folder: string): Promise<string> {
  const files = (await readdir(folder)).map((name) => join(folder, name));
  return (await Promise.all(files.map(async (file) => (await readFile(file)).toString("latin1")))).join("\n");
}
