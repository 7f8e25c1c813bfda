/**
 * The province that every seed begins with: keys, hospitals, people and their accounts, two edges, empty logs. Made
 * once; a seed works on copies of its files.
 */
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parkedBus } from "../../cli/platform/bus.ts";
import { loadCrypto } from "../../core/crypto/index.ts";
import { openKeyStore } from "../../core/crypto/keystore.ts";
import type { Crypto, KeyStore } from "../../core/crypto/port.ts";
import { KEY_HANDLES } from "../../core/key-handles.ts";
import { openKeyedLog } from "../../core/log-keys.ts";
import { fromHex, toHex } from "../../core/protocol/bytes.ts";
import type { PartnerProfile } from "../../core/protocol/envelope.ts";
import type { Result } from "../../core/protocol/result.ts";
import type { EventMs } from "../../core/protocol/time.ts";
import { openCoreServices } from "../../core/services.ts";
import { EDGE_CACHE_KEY, EDGE_REPLY_KEY } from "../../edge/identity.ts";
import { type TrustedKey, verifierKey } from "../../ledger/verifier/note.ts";
import { openDatabase } from "../../migrations/database.ts";
import { openEmbeddedBus } from "../../streams/bus/embedded.ts";
import { type QuickCrypto, quickCrypto, seedRandomness, signingUnseeded } from "./quick-sm2.ts";
import { topicPlan } from "../../streams/contracts/codec.ts";

/** Noon of a working day, UTC+8. */
export const EPOCH_MS = Date.UTC(2026, 4, 12, 4);
export const PLATFORM = "ronghe.test";
export const PARTITIONS = 2;
export const EDGES = ["edge-1", "edge-2"] as const;
export type EdgeName = (typeof EDGES)[number];
/** Two that fall into different partitions, and a third beside one of them. */
export const HOSPITALS = ["H51010400001", "H51010400002", "H51010400003"] as const;
export const APP = "5101A0001";
export const TERMINAL = "T0001";
const BY = "operator/test";
const KEK = new Uint8Array(32).fill(7);

/** Who pays for a person, and how much of what they are asked: enough, and sometimes not. */
export interface SimPerson {
  readonly user: string;
  readonly insurance?: { readonly sharePercent: number; readonly balance: bigint };
  readonly commercial?: { readonly sharePercent: number };
  readonly bank?: { readonly balance: bigint };
}
export const PEOPLE: readonly SimPerson[] = [
  { user: "u0", insurance: { sharePercent: 60, balance: 5_000n }, commercial: { sharePercent: 50 }, bank: { balance: 100_000_000n } },
  { user: "u1", insurance: { sharePercent: 85, balance: 0n }, bank: { balance: 100_000_000n } },
  { user: "u2", bank: { balance: 100_000_000n } },
  { user: "u3", insurance: { sharePercent: 33, balance: 700n }, commercial: { sharePercent: 100 } },
  { user: "u4", insurance: { sharePercent: 70, balance: 100n }, bank: { balance: 2_000n } },
];

const PARTNER = {
  partnerAppId: "19E6E3D8A3B94F6C8E0D1A2B3C4D5E6F",
  partnerSecret: "4A5B6C7D8E9F0A1B2C3D4E5F6A7B8C9D",
  dialect: "standard",
  signType: "SM2",
  encryption: "optional",
  ratePerSecond: 1_000,
  rateBurst: 1_000,
} as const;

interface Secrets {
  readonly edgeKeys: Readonly<Record<string, string>>;
  readonly hospitalKey: string;
}

export interface Founded {
  readonly folder: string;
  readonly crypto: QuickCrypto;
  readonly coreKeys: KeyStore;
  readonly edgeKeys: KeyStore;
  readonly edgeSecrets: ReadonlyMap<string, Uint8Array>;
  /** Signs for every hospital. */
  readonly hospitalKey: Uint8Array;
  readonly hospitalProfile: PartnerProfile;
  readonly platformKey: Uint8Array;
  readonly trustedKeys: readonly TrustedKey[];
}

export function shardOrigin(partition: number): string {
  return `${PLATFORM}/settlement-${partition}`;
}
export function shardKey(partition: number): string {
  return `ledger.settlement-${partition}/1`;
}
export const REGISTRY_ORIGIN = `${PLATFORM}/registry`;

/** Its keys and secrets are the same each time, so that a seed is the same on every machine. */
export async function found(folder: string): Promise<void> {
  // Its self-test draws at random, the first time only.
  const crypto = signingUnseeded(await loadCrypto());
  seedRandomness(0);
  try {
    await foundFrom(folder, crypto);
  } finally {
    seedRandomness(undefined);
  }
}

async function foundFrom(folder: string, crypto: Crypto): Promise<void> {
  // An hour earlier, so that nothing in the logs is younger than the first seed's first moment.
  const clock = { now: () => (EPOCH_MS - 3_600_000) as EventMs };
  const keys = await openKeyStore({ file: join(folder, "keys.json"), unlock: { kek: KEK }, crypto, clock });
  const edgeKeys = await openKeyStore({ file: join(folder, "edge-keys.json"), unlock: { kek: KEK }, crypto, clock });
  await edgeKeys.ensure(EDGE_REPLY_KEY, "sm2");
  await edgeKeys.ensure(EDGE_CACHE_KEY, "secret");
  const core = await openCoreServices({ file: join(folder, "core.db"), platform: PLATFORM, crypto, keys, clock, bus: parkedBus });
  const pair = crypto.sm2GenerateKeyPair();
  const publicKeys = [toHex(pair.publicKey)];
  const terminals = [{ termId: TERMINAL, latitude: 30.6, longitude: 104 }];
  for (const orgId of HOSPITALS)
    valueOf(await core.access.registerInstitution({ ...PARTNER, orgId, kind: "hospital", name: "医院", publicKeys, terminals }, BY));
  valueOf(await core.access.registerApp({ ...PARTNER, appId: APP, name: "健康通", publicKeys }, BY));
  const secrets: Record<string, string> = {};
  for (const edgeId of EDGES) secrets[edgeId] = toHex(valueOf(await core.access.registerEdge({ edgeId }, BY)).authKey);
  for (const [at, person] of PEOPLE.entries()) {
    const idNo = `11010119900101${String(at).padStart(3, "0")}`;
    const registered = await core.identity.register({ idType: "01", idNo: withCheckDigit(idNo), name: "张三" }, BY);
    await bind(core, valueOf(registered).personId, person);
  }
  await core.stop();
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const db = await openDatabase({ kind: "shard", file: join(folder, `shard-${partition}.db`) });
    const origin = shardOrigin(partition);
    const log = await openKeyedLog({ db, origin, crypto, keys, firstHandle: shardKey(partition) });
    const staged = log.stage([{ kind: "log.opened", outcome: "accepted", actor: "core" }], clock.now());
    await db.write(staged.statements);
    staged.committed();
    await log.checkpoint(clock.now());
    await db.close();
  }
  for (const edge of EDGES) await (await openDatabase({ kind: "edge", file: join(folder, `${edge}.db`) })).close();
  const bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock });
  await bus.ensureTopics(topicPlan(PARTITIONS));
  await bus.close();
  const kept: Secrets = { edgeKeys: secrets, hospitalKey: toHex(pair.privateKey) };
  writeFileSync(join(folder, "secrets.json"), JSON.stringify(kept));
}

async function bind(core: Awaited<ReturnType<typeof openCoreServices>>, personId: string, person: SimPerson): Promise<void> {
  const { user } = person;
  const { bindings } = core.vault;
  valueOf(await bindings.bindApp({ personId, appId: APP, appUserId: user }, BY));
  const account = async (kind: "insurance" | "commercial" | "bank", more: { readonly insuOrg?: string } = {}): Promise<void> => {
    valueOf(await bindings.bindAccount({ personId, kind, accountId: `${kind}-${user}`, confirmed: true, ...more }, BY));
  };
  if (person.insurance !== undefined) await account("insurance", { insuOrg: "510104" });
  if (person.commercial !== undefined) await account("commercial");
  if (person.bank !== undefined) await account("bank");
}

export async function openFounded(folder: string): Promise<Founded> {
  const crypto = quickCrypto(await loadCrypto());
  const clock = { now: () => EPOCH_MS };
  const coreKeys = await openKeyStore({ file: join(folder, "keys.json"), unlock: { kek: KEK }, crypto, clock });
  const edgeKeys = await openKeyStore({ file: join(folder, "edge-keys.json"), unlock: { kek: KEK }, crypto, clock });
  const secrets = JSON.parse(readFileSync(join(folder, "secrets.json"), "utf8")) as Secrets;
  const trusted = async (origin: string, handle: string): Promise<TrustedKey> => ({
    ...verifierKey((...parts) => crypto.sm3(...parts), origin, await coreKeys.publicKey(handle)),
    origins: [origin],
  });
  const shards = Array.from({ length: PARTITIONS }, (_, at) => trusted(shardOrigin(at), shardKey(at)));
  const { partnerAppId, partnerSecret, dialect, signType } = PARTNER;
  crypto.sm2PublicKey(bytes(secrets.hospitalKey));
  return {
    folder,
    crypto,
    coreKeys,
    edgeKeys,
    edgeSecrets: new Map(Object.entries(secrets.edgeKeys).map(([edge, hex]) => [edge, bytes(hex)])),
    hospitalKey: bytes(secrets.hospitalKey),
    hospitalProfile: {
      appId: partnerAppId,
      appSecret: partnerSecret,
      dialect,
      signType,
      encryption: "none",
      publicKeys: [await edgeKeys.publicKey(EDGE_REPLY_KEY)],
    },
    platformKey: await coreKeys.publicKey(KEY_HANDLES.bundleSign),
    trustedKeys: [await trusted(REGISTRY_ORIGIN, KEY_HANDLES.registrySign), ...(await Promise.all(shards))],
  };
}

/** The databases of a new seed, with what a write-ahead log may still hold. */
export function copyDatabases(from: string, to: string): void {
  for (const name of readdirSync(from))
    if (name.includes(".db") && !name.endsWith("-shm") && existsSync(join(from, name))) copyFileSync(join(from, name), join(to, name));
}

function bytes(hex: string): Uint8Array {
  const value = fromHex(hex);
  if (value === undefined) throw new Error("not hex");
  return value;
}

function valueOf<T>(result: Result<T, string>): T {
  if (!result.ok) throw new Error(`founding the simulation: ${result.error}`);
  return result.value;
}

/** GB 11643: the eighteenth character of an ID number. */
function withCheckDigit(digits: string): string {
  const weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
  const sum = weights.reduce((total, weight, at) => total + weight * Number(digits[at]), 0);
  return `${digits}${"10X98765432".charAt(sum % 11)}`;
}
