/**
 * The core's services over one database, put together: registry, access, identity, vault, with what carries their
 * events and ledger entries to the bus. Whoever starts a process opens this, serves `createCoreApp(services.ports)`,
 * and stops both.
 */
import { startForwarder } from "../streams/bus/outbox.ts";
import type { EventBus } from "../streams/bus/port.ts";
import { type Access, openAccess } from "./access/access.ts";
import { createBundleMaker, type LeftOut } from "./access/bundle.ts";
import { EdgeContacts } from "./access/edge-contacts.ts";
import { createOriginCheck, type OriginCheck } from "./access/event-origin.ts";
import { openNonces } from "./access/nonces.ts";
import { openPublication, type Publication, type Witnessing } from "./checkpoint-publication.ts";
import type { Crypto, KeyStore } from "./crypto/port.ts";
import { openFingerprints } from "./fingerprints.ts";
import { type Identity, openIdentity } from "./identity/identity.ts";
import { KEY_HANDLES } from "./key-handles.ts";
import { createIngest } from "./ingest.ts";
import { startLedgerPublisher } from "./ledger-publisher.ts";
import { createOutcomeFeed } from "./outcome-feed.ts";
import { openRegistry, type Registry } from "./registry.ts";
import type { CorePorts } from "./server.ts";
import type { StorageWatch } from "./protocol/server/storage-watch.ts";
import type { Clock } from "./protocol/time.ts";
import { createCredentialOpener, type CredentialOpener } from "./vault/sealed-credential.ts";
import { type ConfirmAccount, openAppAccounts } from "./vault/app-accounts.ts";
import { openVault, type OpenedVault, type VaultSettings } from "./vault/vault.ts";

export interface CoreServices {
  readonly registry: Registry;
  /** What of the registry log is shown outside, and who stands by it. */
  readonly publication: Publication;
  readonly access: Access;
  readonly identity: Identity;
  readonly vault: OpenedVault;
  /** Shared with the settlement worker, so that data keys of edges are opened once. */
  readonly openCredential: CredentialOpener;
  /** For the settlement worker: which requests on the bus to believe. */
  readonly origin: OriginCheck;
  /** All that {@link CorePorts} needs. */
  readonly ports: CorePorts;
  /** Resolves when every event, leaf and checkpoint written so far is on the bus. */
  drained(): Promise<void>;
  stop(): Promise<void>;
}

export interface CoreServicesOptions {
  /** Path of the libSQL file. */
  readonly file: string;
  /** Name of the platform, for example `ronghe.nx`: its log is `<platform>/registry`. */
  readonly platform: string;
  readonly crypto: Crypto;
  readonly keys: KeyStore;
  readonly bus: EventBus;
  readonly clock: Clock;
  /** Characters of EHCAPPID, 9 by default (S0 5.1 leaves it open). */
  readonly appIdWidth?: number;
  readonly vaultSettings?: Partial<VaultSettings>;
  /** Asks a payer whose an account is; without it, bindings that apps ask for wait for an operator. */
  readonly confirmAccount?: ConfirmAccount;
  /** How long leaves and checkpoints gather before they are published. */
  readonly publishEveryMs?: number;
  /** Who cosigns the registry log's checkpoints, and what happens without them; nobody by default. */
  readonly witnessing?: Witnessing | undefined;
  readonly log?: CorePorts["log"];
  readonly onBug?: (error: Error) => void;
  /** Watches the core's database, and makes its readiness follow. */
  readonly storage?: StorageWatch | undefined;
  /** A partner that bundles for edges leave out, because its rows are wrong. */
  readonly onLeftOut?: (partner: LeftOut) => void;
}

export async function openCoreServices(options: CoreServicesOptions): Promise<CoreServices> {
  const { crypto, keys, clock, bus } = options;
  const registry = await openRegistry(options);
  const access = await openAccess({ registry, crypto, keys, appIdWidth: options.appIdWidth ?? 9 });
  const fingerprints = await openFingerprints(crypto, keys);
  const identity = openIdentity({ registry, crypto, keys, fingerprints });
  const contacts = new EdgeContacts();
  const vault = await openVault({
    contacts,
    registry,
    access,
    identity,
    crypto,
    keys,
    fingerprints,
    ...(options.vaultSettings === undefined ? {} : { settings: options.vaultSettings }),
  });
  const confirm = options.confirmAccount ?? (() => Promise.resolve("unknown" as const));
  const appAccounts = openAppAccounts({ registry, access, identity, bindings: vault.bindings, crypto, keys, fingerprints, confirm });
  const openCredential = createCredentialOpener({ crypto, keys });
  const forwarder = startForwarder({ db: registry.db, bus, clock });
  const { db, log } = registry;
  const publication = await openPublication({ db, log, crypto, clock, witnessing: options.witnessing });
  const every = options.publishEveryMs === undefined ? {} : { gatherMs: options.publishEveryMs };
  const publisher = await startLedgerPublisher({ db, log, bus, crypto, partition: 0, clock, newest: () => publication.latest(), ...every });
  registry.onCommitted(() => {
    forwarder.notify();
    publication.dirty();
  });
  publication.onPublished(() => publisher.notify());
  const outcomes = createOutcomeFeed(bus);
  const ports: CorePorts = {
    crypto,
    clock,
    access,
    contacts,
    vault,
    appAccounts,
    outcomes,
    ingest: createIngest({ bus, db: registry.db, clock, institution: (orgId) => access.institution(orgId) }),
    openCredential,
    bindings: vault.bindings,
    operatorKeys: keys,
    nonces: openNonces(registry),
    bundles: createBundleMaker({
      access,
      keys,
      crypto,
      codeFingerprintKey: fingerprints.codeKey,
      revokedCodes: (nowMs) => vault.revokedCodes(nowMs),
      ...(options.onLeftOut === undefined ? {} : { onLeftOut: options.onLeftOut }),
    }),
    sign: (message, userId) => keys.sm2Sign(KEY_HANDLES.platformSign, message, userId),
    ready: async () => ({
      checkpoint: registry.checkpointFailure() === undefined,
      ...(options.storage === undefined ? {} : { storage: (await options.storage.look()).length === 0 }),
    }),
    ...(options.storage === undefined ? {} : { storage: options.storage }),
    ...(options.log === undefined ? {} : { log: options.log }),
    ...(options.onBug === undefined ? {} : { onBug: options.onBug }),
  };
  return {
    registry,
    publication,
    access,
    identity,
    vault,
    openCredential,
    origin: createOriginCheck({ crypto, access }),
    ports,
    async drained() {
      await registry.idle();
      await publication.publishNow();
      await Promise.all([forwarder.drained(), publisher.drained()]);
    },
    async stop() {
      outcomes.close();
      await registry.idle();
      await publication.stop();
      await Promise.all([forwarder.stop(), publisher.stop()]);
      await registry.close();
    },
  };
}
