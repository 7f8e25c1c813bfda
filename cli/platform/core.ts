/** The core put together: its services, the settlement shards with their logs, and the address it answers on. */
import type { AddressInfo } from "node:net";
import { serve, type ServerType } from "@hono/node-server";
import type { Crypto, KeyStore } from "../../core/crypto/port.ts";
import type { Clock } from "../../core/protocol/time.ts";
import { createCoreApp } from "../../core/server.ts";
import { type CoreServices, openCoreServices } from "../../core/services.ts";
import { createHttpRail } from "../../core/settlement/rails/http-rail.ts";
import type { Rails } from "../../core/settlement/rails/port.ts";
import { openShard, type Shard } from "../../core/settlement/shard.ts";
import { type SettlementWorker, startSettlement } from "../../core/settlement/worker.ts";
import { openLog } from "../../ledger/log.ts";
import type { Log } from "../../ledger/port.ts";
import { type Database, openDatabase } from "../../migrations/database.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import type { Config } from "../config.ts";
import { reportBug } from "./bugs.ts";
import type { Layout, PlatformFile } from "./layout.ts";

export interface RailUrls {
  readonly insurance: string;
  readonly commercial: string;
  readonly bank: string;
}

export interface CoreOptions {
  readonly config: Config;
  readonly layout: Layout;
  readonly platform: PlatformFile;
  readonly crypto: Crypto;
  readonly keys: KeyStore;
  readonly clock: Clock;
  readonly bus: EventBus;
}

/** Registry, access, identity, vault: enough to set a platform up, without serving anybody. */
export async function openPlatformServices(options: CoreOptions): Promise<CoreServices> {
  const { config, platform, crypto, keys, clock, bus } = options;
  return await openCoreServices({
    crypto,
    keys,
    clock,
    bus,
    file: options.layout.core.database,
    platform: platform.platform,
    onBug: reportBug("core"),
    appIdWidth: platform.appIdWidth,
    vaultSettings: { codeLifeMs: config.RONGHE_CODE_TTL_S * 1000, ecTokenLifeMs: config.RONGHE_EC_TOKEN_TTL_S * 1000, area: platform.area },
  });
}

export interface RunningCore {
  readonly url: string;
  readonly services: CoreServices;
  readonly settlement: SettlementWorker;
  /** Answers as the HTTP address does, without a socket: for an edge in the same process. */
  readonly fetch: (request: Request) => Promise<Response>;
  /** Resolves when everything taken in is settled, recorded, signed and on the bus. */
  drained(): Promise<void>;
  readonly crashed: Promise<never>;
  stop(): Promise<void>;
}

export async function startCore(options: CoreOptions & { readonly rails: RailUrls }): Promise<RunningCore> {
  const { bus, config, crypto, clock } = options;
  const services = await openPlatformServices(options);
  const rails = railsOf(options.rails, config.RONGHE_RAIL_TIMEOUT_S * 1000);
  const settlement = await startSettlement({
    bus,
    shards: (partition) => openPlatformShard(options, partition),
    vault: services.vault,
    rails,
    clock,
    crypto,
    openCredential: services.openCredential,
  });
  const app = createCoreApp(services.ports);
  const tidying = setInterval(() => void services.vault.expireCodes(clock.now()).catch(() => undefined), TIDY_MS);
  tidying.unref();
  const server = await listen((request) => app.fetch(request), config.RONGHE_HOST, config.RONGHE_CORE_PORT);
  return {
    url: server.url,
    services,
    settlement,
    fetch: async (request) => await app.fetch(request),
    crashed: settlement.crashed,
    async drained() {
      await settlement.drained();
      await services.drained();
    },
    async stop() {
      clearInterval(tidying);
      await Promise.all([server.close(), settlement.stop()]);
      await services.stop();
      await Promise.all(Object.values(rails).map((rail) => rail.close()));
    },
  };
}

/** How often codes that nobody can honour any more are marked expired. */
const TIDY_MS = 60_000;

/** Handle of the key that signs a shard's checkpoints. */
export function shardKeyHandle(partition: number): string {
  return `ledger.settlement-${partition}/1`;
}

export function shardOrigin(platform: PlatformFile, partition: number): string {
  return `${platform.platform}/settlement-${partition}`;
}

export async function openPlatformShard(options: CoreOptions, partition: number): Promise<Shard> {
  const { crypto, keys, clock, bus } = options;
  const handle = shardKeyHandle(partition);
  await keys.ensure(handle, "sm2");
  const db = await openDatabase({ kind: "shard", file: options.layout.core.shard(partition) });
  const origin = shardOrigin(options.platform, partition);
  const log = await openLog({
    db,
    origin,
    crypto,
    random: (length) => crypto.random(length),
    signer: { keyName: origin, publicKey: await keys.publicKey(handle), sign: (message) => keys.sm2Sign(handle, message) },
  });
  if (log.size === 0n) await openingEntry(db, log, clock);
  // A process killed between commit and signature left entries that no checkpoint covers yet.
  else await log.checkpoint(clock.now());
  return await openShard({ db, log, bus, crypto, clock, partition });
}

/** A log begins with an entry of its own, so that an empty one is never a state to be explained. */
async function openingEntry(db: Database, log: Log, clock: Clock): Promise<void> {
  const staged = log.stage([{ kind: "log.opened", outcome: "accepted", actor: "core" }], clock.now());
  try {
    await db.write(staged.statements);
  } catch (error) {
    staged.aborted();
    throw error;
  }
  staged.committed();
  await log.checkpoint(clock.now());
}

function railsOf(urls: RailUrls, timeoutMs: number): Rails {
  return {
    insurance: createHttpRail({ name: "insurance", url: urls.insurance, timeoutMs }),
    commercial: createHttpRail({ name: "commercial", url: urls.commercial, timeoutMs }),
    bank: createHttpRail({ name: "bank", url: urls.bank, timeoutMs }),
  };
}

async function listen(
  fetch: (request: Request) => Response | Promise<Response>,
  host: string,
  port: number,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = await new Promise<ServerType>((resolve, reject) => {
    const starting: ServerType = serve({ fetch, hostname: host, port }, () => resolve(starting));
    starting.once("error", reject);
  });
  const address = server.address() as AddressInfo;
  const authority = host.includes(":") ? `[${host}]` : host;
  return { url: `http://${authority}:${address.port}`, close: () => new Promise((resolve) => void server.close(() => resolve())) };
}
