/**
 * The core's services over one database, put together: registry, access, identity, vault, with what carries their
 * events and ledger entries to the bus. Whoever starts a process opens this, serves `createCoreApp(services.ports)`,
 * and stops both.
 */
import { startForwarder } from "../streams/bus/outbox.ts";
import type { EventBus } from "../streams/bus/port.ts";
import { type Access, openAccess } from "./access/access.ts";
import { createBundleMaker } from "./access/bundle.ts";
import { openNonces } from "./access/nonces.ts";
import type { Crypto, KeyStore } from "./crypto/port.ts";
import { openFingerprints } from "./fingerprints.ts";
import { type Identity, openIdentity } from "./identity/identity.ts";
import { KEY_HANDLES } from "./key-handles.ts";
import { startLedgerPublisher } from "./ledger-publisher.ts";
import { openRegistry, type Registry } from "./registry.ts";
import type { CorePorts } from "./server.ts";
import type { Clock } from "./protocol/time.ts";
import { createCredentialOpener, type CredentialOpener } from "./vault/sealed-credential.ts";
import { openVault, type OpenedVault, type VaultSettings } from "./vault/vault.ts";

export interface CoreServices {
  readonly registry: Registry;
  readonly access: Access;
  readonly identity: Identity;
  readonly vault: OpenedVault;
  /** Shared with the settlement worker, so that data keys of edges are opened once. */
  readonly openCredential: CredentialOpener;
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
  readonly log?: CorePorts["log"];
  readonly onBug?: (error: Error) => void;
}

export async function openCoreServices(options: CoreServicesOptions): Promise<CoreServices> {
  const { crypto, keys, clock, bus } = options;
  const registry = await openRegistry(options);
  const access = await openAccess({ registry, crypto, keys, appIdWidth: options.appIdWidth ?? 9 });
  const fingerprints = await openFingerprints(crypto, keys);
  const identity = openIdentity({ registry, crypto, keys, fingerprints });
  const vault = await openVault({
    registry,
    access,
    identity,
    crypto,
    keys,
    fingerprints,
    ...(options.vaultSettings === undefined ? {} : { settings: options.vaultSettings }),
  });
  const openCredential = createCredentialOpener({ crypto, keys });
  const forwarder = startForwarder({ db: registry.db, bus, clock });
  const publisher = await startLedgerPublisher({ db: registry.db, log: registry.log, bus, partition: 0, clock });
  registry.onCommitted(() => {
    forwarder.notify();
    publisher.notify();
  });
  const ports: CorePorts = {
    crypto,
    clock,
    access,
    vault,
    openCredential,
    nonces: openNonces(registry),
    bundles: createBundleMaker(access, keys, fingerprints.codeKey),
    sign: (message) => keys.sm2Sign(KEY_HANDLES.platformSign, message),
    ready: () => ({ checkpoint: registry.checkpointFailure() === undefined }),
    ...(options.log === undefined ? {} : { log: options.log }),
    ...(options.onBug === undefined ? {} : { onBug: options.onBug }),
  };
  return {
    registry,
    access,
    identity,
    vault,
    openCredential,
    ports,
    async drained() {
      await registry.idle();
      await Promise.all([forwarder.drained(), publisher.drained()]);
    },
    async stop() {
      await registry.idle();
      await Promise.all([forwarder.stop(), publisher.stop()]);
      await registry.close();
    },
  };
}
