/**
 * Founds a sandbox platform: keys, institutions, apps, people with their accounts at the sandbox payers, and the
 * callers' own profiles. Everything goes through the same doors as in a province: access, identity, vault.
 */
import { writeFile } from "node:fs/promises";
import type { Crypto, KeyStore } from "../../core/crypto/port.ts";
import { KEY_HANDLES } from "../../core/key-handles.ts";
import type { CoreServices } from "../../core/services.ts";
import { toHex } from "../../core/protocol/bytes.ts";
import { formatYuan, asFen } from "../../core/protocol/money.ts";
import type { Result } from "../../core/protocol/result.ts";
import { type Clock, systemClock } from "../../core/protocol/time.ts";
import type { SeedAccount } from "../../core/settlement/rails/sandbox/accounts.ts";
import { printPolicy } from "../../ledger/verifier/policy.ts";
import { verifierKey } from "../../ledger/verifier/note.ts";
import { makeFolder } from "../../migrations/make-folder.ts";
import type { Config } from "../config.ts";
import { makeProvince, type Province, type SandboxPerson } from "../sandbox/province.ts";
import { seededRandom } from "../sandbox/random.ts";
import { parkedBus } from "./bus.ts";
import { clientFile, type ClientProfile } from "./clients.ts";
import { openPlatformServices, openPlatformShard, shardKeyHandle, shardOrigin } from "./core.ts";
import { makeSandboxKek, foundKeys, keyPlace } from "./keys.ts";
import { completeEdgeFolders, edgeIds, makeEdgeFolder } from "./edge-folder.ts";
import { FIRST_EDGE, type Layout, makeFolders, type PlatformFile, writePrivate } from "./layout.ts";

const OPERATOR = "operator/sandbox";
/** How many people are registered at a time: enough to share commits. */
const TOGETHER = 64;

export interface FoundOptions {
  readonly config: Config;
  readonly layout: Layout;
  readonly crypto: Crypto;
  readonly seed: number;
  readonly people: number;
  readonly partitions: number;
  /** Edges registered (default 1). */
  readonly edges?: number;
  readonly clock?: Clock;
  readonly onProgress?: (done: number, of: number) => void;
}

export interface Founded {
  readonly platform: PlatformFile;
  readonly province: Province;
  readonly seedAccounts: readonly SeedAccount[];
}

export async function foundSandbox(options: FoundOptions): Promise<Founded> {
  const { layout, crypto, config } = options;
  const clock = options.clock ?? systemClock;
  const province = makeProvince(seededRandom(options.seed), { people: options.people });
  const platform: PlatformFile = {
    platform: "ronghe.example/51",
    partitions: options.partitions,
    area: "510000",
    appIdWidth: 9,
    edgeId: FIRST_EDGE,
    createdAtMs: clock.now(),
  };
  await makeFolders(layout);
  await makeFolder(layout.clients);
  if (config.RONGHE_KEY_PASSPHRASE === undefined) await makeSandboxKek(crypto, layout);
  const keys = await foundKeys(config, keyPlace(layout, "core"), crypto);
  const edges = edgeIds(options.edges ?? 1);
  const replyKeys: string[] = [];
  // While a platform is founded nothing leaves it: its first events wait in the outbox until it serves.
  const services = await openPlatformServices({ config, layout, platform, crypto, keys, clock, bus: parkedBus });
  try {
    for (const edgeId of edges) {
      const { authKey } = expectOk(await services.access.registerEdge({ edgeId }, OPERATOR), "edge");
      replyKeys.push(await makeEdgeFolder({ config, crypto, layout, edgeId, authKey }));
    }
    await registerCallers(options, services, province, {
      edges: replyKeys,
      core: toHex(await keys.publicKey(KEY_HANDLES.platformSign)),
    });
    await registerPeople(services, province.people, options.onProgress);
  } finally {
    await services.stop();
  }
  for (let partition = 0; partition < platform.partitions; partition++) {
    const shard = await openPlatformShard({ config, layout, platform, crypto, keys, clock, bus: parkedBus }, partition);
    await shard.close();
  }
  await writePublicKeys(options, platform, keys);
  await completeEdgeFolders(layout, platform, edges);
  // Last: a folder without this file is not a platform, so that a founding that was cut short is never taken for one.
  await writePrivate(layout.platform, `${JSON.stringify(platform, undefined, 2)}\n`);
  return { platform, province, seedAccounts: province.people.flatMap(accountsOf) };
}

async function registerCallers(
  options: FoundOptions,
  services: CoreServices,
  province: Province,
  platformKeys: { readonly edges: readonly string[]; readonly core: string },
): Promise<void> {
  const { crypto, layout } = options;
  const letters = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";
  const draw = (length: number): string => [...crypto.random(length)].map((byte) => letters[byte % letters.length]).join("");
  const agreed = { dialect: "standard", signType: "SM2", encryption: "optional", ratePerSecond: 2_000, rateBurst: 4_000 } as const;
  for (const institution of province.institutions) {
    const pair = crypto.sm2GenerateKeyPair();
    const secrets = { partnerAppId: draw(32), partnerSecret: draw(32) };
    const { orgId, name, kind, terminals } = institution;
    expectOk(
      await services.access.registerInstitution(
        { orgId, name, kind, ...agreed, ...secrets, publicKeys: [toHex(pair.publicKey)], terminals: [...terminals] },
        OPERATOR,
      ),
      "institution",
    );
    await saveClient(layout, {
      kind: "institution",
      orgId,
      name,
      appId: secrets.partnerAppId,
      appSecret: secrets.partnerSecret,
      dialect: agreed.dialect,
      signType: agreed.signType,
      encryption: agreed.encryption,
      privateKey: toHex(pair.privateKey),
      platformKeys: [...platformKeys.edges],
      terminals: terminals.map((terminal) => terminal.termId),
      users: [],
    });
  }
  for (const app of province.apps) {
    const pair = crypto.sm2GenerateKeyPair();
    const secrets = { partnerAppId: draw(32), partnerSecret: draw(32) };
    expectOk(
      await services.access.registerApp(
        { appId: app.appId, name: app.name, ...agreed, ...secrets, publicKeys: [toHex(pair.publicKey)] },
        OPERATOR,
      ),
      "app",
    );
    await saveClient(layout, {
      kind: "app",
      orgId: app.appId,
      name: app.name,
      appId: secrets.partnerAppId,
      appSecret: secrets.partnerSecret,
      dialect: agreed.dialect,
      signType: agreed.signType,
      encryption: agreed.encryption,
      privateKey: toHex(pair.privateKey),
      platformKeys: [platformKeys.core],
      terminals: [],
      users: province.people.filter((person) => person.appId === app.appId).map((person) => person.appUserId),
    });
  }
}

async function registerPeople(
  services: CoreServices,
  people: readonly SandboxPerson[],
  onProgress: FoundOptions["onProgress"],
): Promise<void> {
  for (let from = 0; from < people.length; from += TOGETHER) {
    await Promise.all(people.slice(from, from + TOGETHER).map((person) => registerPerson(services, person)));
    onProgress?.(Math.min(from + TOGETHER, people.length), people.length);
  }
}

async function registerPerson(services: CoreServices, person: SandboxPerson): Promise<void> {
  const { personId } = expectOk(
    await services.identity.register({ idType: person.idType, idNo: person.idNo, name: person.name }, OPERATOR),
    "person",
  );
  const { bindings } = services.vault;
  const bound = [
    bindings.bindApp({ personId, appId: person.appId, appUserId: person.appUserId }, OPERATOR),
    ...(person.insurance === undefined
      ? []
      : [
          bindings.bindAccount(
            { personId, kind: "insurance", accountId: person.insurance.accountId, insuOrg: person.insuOrg, confirmed: true },
            OPERATOR,
          ),
        ]),
    ...(person.commercial === undefined
      ? []
      : [bindings.bindAccount({ personId, kind: "commercial", accountId: person.commercial.authorisationId, confirmed: true }, OPERATOR)]),
    ...(person.bank === undefined
      ? []
      : [bindings.bindAccount({ personId, kind: "bank", accountId: person.bank.contractId, confirmed: true }, OPERATOR)]),
  ];
  for (const binding of await Promise.all(bound)) expectOk(binding, "binding");
}

/** Verifier keys of all logs, and the keys that sign codes: what others need to check us. */
async function writePublicKeys(options: FoundOptions, platform: PlatformFile, keys: KeyStore): Promise<void> {
  const { crypto, layout } = options;
  const logs: [origin: string, handle: string][] = [[`${platform.platform}/registry`, KEY_HANDLES.registrySign]];
  for (let partition = 0; partition < platform.partitions; partition++) {
    await keys.ensure(shardKeyHandle(partition), "sm2");
    logs.push([shardOrigin(platform, partition), shardKeyHandle(partition)]);
  }
  const trusted = await Promise.all(
    logs.map(async ([origin, handle]) => ({ ...verifierKey(crypto.sm3, origin, await keys.publicKey(handle)), origins: [origin] })),
  );
  await writeFile(layout.policy, printPolicy(trusted));
  await writeFile(layout.codeKeys, `${toHex(await keys.publicKey(KEY_HANDLES.codeSign))}\n`);
  await writeFile(layout.edge.trust, `${toHex(await keys.publicKey(KEY_HANDLES.bundleSign))}\n`);
}

/** A person's accounts as the sandbox payers keep them. The payers know the insured by the account behind the ecToken. */
function accountsOf(person: SandboxPerson): SeedAccount[] {
  const accounts: SeedAccount[] = [];
  if (person.insurance !== undefined) {
    const { plan, accountId } = person.insurance;
    accounts.push({
      rail: "insurance",
      account: accountId,
      sharePercent: plan.sharePercent,
      seriousIllnessPercent: plan.seriousIllnessPercent,
      deductible: yuan(plan.deductibleFen),
      ceiling: yuan(plan.ceilingFen),
      personalAccount: yuan(plan.personalAccountFen),
    });
  }
  if (person.commercial !== undefined)
    accounts.push({
      rail: "commercial",
      account: person.commercial.authorisationId,
      sharePercent: person.commercial.sharePercent,
      ceiling: yuan(person.commercial.ceilingFen),
    });
  if (person.bank !== undefined) accounts.push({ rail: "bank", account: person.bank.contractId, balance: yuan(person.bank.balanceFen) });
  return accounts;
}

function yuan(fen: bigint): string {
  return formatYuan(asFen(fen));
}

async function saveClient(layout: Layout, profile: ClientProfile): Promise<void> {
  await writePrivate(clientFile(layout, profile), `${JSON.stringify(profile, undefined, 2)}\n`);
}

/** Founding uses only names it made itself: a refusal is a bug. */
function expectOk<T>(result: Result<T, string>, what: string): T {
  if (!result.ok) throw new Error(`founding the sandbox: ${what} refused with ${result.error}`);
  return result.value;
}
