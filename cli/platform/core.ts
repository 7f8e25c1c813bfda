/** The core put together: its services, the settlement shards with their logs, and the address it answers on. */
import type { CoreOptions } from "./core-options.ts";
import { setTimeout as pause } from "node:timers/promises";
import { SEALING, SEALING_VERSION } from "../../core/key-handles.ts";
import { storageMetrics } from "../../core/protocol/server/storage-metrics.ts";
import type { StorageWatch, ToldStorage } from "../../core/protocol/server/storage-watch.ts";
import { Metrics } from "../../core/protocol/metrics.ts";
import type { Clock } from "../../core/protocol/time.ts";
import { Tracing } from "../../core/protocol/tracing.ts";
import type { Publication } from "../../core/checkpoint-publication.ts";
import { openKeyedLog } from "../../core/log-keys.ts";
import { createCoreApp } from "../../core/server.ts";
import { type CoreServices, openCoreServices } from "../../core/services.ts";
import { openPayers, sealingKey } from "../../core/settlement/rails/payers.ts";
import { createPresettlement } from "../../core/settlement/rails/presettlement.ts";
import { PROVINCE_PROFILES } from "../../core/settlement/split/profile.ts";
import { openShard, type Shard } from "../../core/settlement/shard.ts";
import { SettlementTelemetry } from "../../core/settlement/telemetry.ts";
import { type SettlementWorker, startSettlement } from "../../core/settlement/worker.ts";
import { listen } from "../../edge/node/listen.ts";
import type { Log } from "../../ledger/port.ts";
import { type Database, openDatabase } from "../../migrations/database.ts";
import { BusWatch } from "../../streams/bus/watch.ts";
import { type RunningBooks, openAllShards, openBooks } from "./books.ts";
import { reportBug } from "./bugs.ts";
import { watchCore } from "./core-metrics.ts";
import { folderStorage } from "./folder-storage.ts";
import { isErasure, openPlatformEraser, performErasure } from "./eraser.ts";
import { expectLogFile, type PlatformFile } from "./layout.ts";
import { readWitnessing } from "./witnessing.ts";
import { printLine, printNotice } from "./lines.ts";

export interface RailUrls {
  readonly insurance: string;
  readonly commercial: string;
  readonly bank: string;
}

/** Registry, access, identity, vault: enough to set a platform up, without serving anybody. */
export async function openPlatformServices(options: CoreOptions): Promise<CoreServices> {
  const { config, layout, platform, crypto, keys, clock, bus } = options;
  expectLogFile(layout, layout.core.database);
  return await openCoreServices({
    crypto,
    keys,
    clock,
    bus,
    storage: options.storage,
    file: layout.core.database,
    platform: platform.platform,
    witnessing: options.witnessing,
    publishEveryMs: config.RONGHE_CHECKPOINT_INTERVAL_MS,
    onBug: reportBug("core"),
    onLeftOut: ({ orgId, fields }) => printNotice({ part: "core", notice: "bundle.partnerLeftOut", institution: orgId, fields }),
    appIdWidth: platform.appIdWidth,
    vaultSettings: { codeLifeMs: config.RONGHE_CODE_TTL_S * 1000, ecTokenLifeMs: config.RONGHE_EC_TOKEN_TTL_S * 1000, area: platform.area },
  });
}

export interface RunningCore {
  readonly url: string;
  readonly services: CoreServices;
  readonly settlement: SettlementWorker;
  /** Reconciliation and day close. */
  readonly books: RunningBooks;
  /** Answers as the HTTP address does, without a socket: for an edge in the same process. */
  readonly fetch: (request: Request) => Promise<Response>;
  /** Resolves when everything taken in is settled, recorded, signed and on the bus. */
  drained(): Promise<void>;
  readonly crashed: Promise<never>;
  stop(): Promise<void>;
}

export interface ServingOptions extends CoreOptions {
  readonly storage: StorageWatch;
  readonly rails: RailUrls;
  readonly tracing?: Tracing;
  /** No request lines on standard output. */
  readonly quiet?: boolean;
}

export async function startCore(given: ServingOptions): Promise<RunningCore> {
  const opened: (() => Promise<unknown>)[] = [];
  try {
    return await startOver(given, (close) => void opened.push(close));
  } catch (error) {
    // What was opened before the part that failed would keep the process alive.
    for (const close of opened.toReversed()) await close();
    throw error;
  }
}

async function startOver(given: ServingOptions, onOpened: (close: () => Promise<unknown>) => void): Promise<RunningCore> {
  const { bus, config, crypto, clock } = given;
  const { tracing = new Tracing() } = given;
  const metrics = new Metrics();
  const watch = new SettlementTelemetry({ tracing, metrics });
  const { storage } = given;
  const options = { ...given, watch, witnessing: await readWitnessing(config, given.layout, crypto) };
  const services = await openPlatformServices(options);
  onOpened(() => services.stop());
  const rails = await openPayers({
    urls: options.rails,
    file: options.layout.core.rails,
    storage,
    sealing: sealingKey(options.keys, `${SEALING.rails}/${SEALING_VERSION}`),
    clock,
    timeoutMs: config.RONGHE_RAIL_TIMEOUT_S * 1000,
    nhsa: { profile: PROVINCE_PROFILES[config.RONGHE_PROVINCE] },
  });
  onOpened(() => Promise.all(Object.values(rails).map((rail) => rail.close())));
  const shards = await openAllShards(options.platform.partitions, (partition) => openPlatformShard(options, partition));
  onOpened(() => shards.closeOthers());
  const { registry, publication } = services;
  const logs: readonly OpenLog[] = [{ log: registry.log, publication }, ...shards.all.values()];
  const watched = watch.payers(rails);
  const settlement = await startSettlement({
    bus,
    shards: (partition) => shards.take(partition),
    vault: services.vault,
    rails: watched,
    telemetry: watch,
    clock,
    crypto,
    origin: services.origin,
    openCredential: services.openCredential,
  });
  onOpened(() => settlement.stop());
  const books = await openBooks(options, shards.all, rails);
  onOpened(() => books.close());
  const eraser = await openPlatformEraser(options, services, shards.all);
  // What an operation works on and keeps beside the databases lies in the core's folder: statements, working files.
  const files = storage.watch(folderStorage("statements", options.layout.core.folder));
  onOpened(async () => files.close());
  const perform = async (asked: unknown) => (isErasure(asked) ? await performErasure(eraser, asked) : await books.operator.perform(asked));
  const operator = { key: books.operator.key, perform: (asked: unknown) => toldIfFull(files, perform(asked)) };
  const presettle = createPresettlement({ vault: services.vault, insurance: watched.insurance, commercial: watched.commercial });
  const busWatch = new BusWatch({ bus, log: (level, message, fields) => printNotice({ part: "core", level, message, ...fields }) });
  onOpened(() => busWatch.stop());
  // A bus that is away must not keep the core from starting.
  void busWatch.look();
  storageMetrics(metrics, storage);
  watchCore(metrics, {
    clock,
    bus,
    busHealth: () => busWatch.latest,
    shards: shards.all,
    logs,
    settlement,
    books,
    bundles: services.ports.bundles,
  });
  const log = config.RONGHE_LOG === "json" && given.quiet !== true ? { log: printLine } : {};
  const served = {
    bus: () => busWatch.latest,
    presettle,
    operator,
    statements: books.statements,
    logs: () => logs,
    metrics,
    tracing,
    ...log,
  };
  const app = createCoreApp({ ...services.ports, ...served });
  // An order that waited for a settlement, or was cut short, is taken up by itself.
  const resume = async (): Promise<void> => {
    await eraser.resume();
  };
  let resuming = resume().catch(reportBug("core"));
  const tidying = setInterval(() => {
    void services.vault.expireCodes(clock.now()).catch(() => undefined);
    resuming = resuming.then(resume).catch(reportBug("core"));
  }, TIDY_MS);
  tidying.unref();
  onOpened(() => {
    clearInterval(tidying);
    return resuming;
  });
  const server = await listen((request, env) => app.fetch(request, env), { host: config.RONGHE_HOST, port: config.RONGHE_CORE_PORT });
  return {
    url: server.url,
    services,
    settlement,
    books,
    fetch: async (request) => await app.fetch(request),
    crashed: settlement.crashed,
    async drained() {
      await settlement.drained();
      await books.drained();
      await services.drained();
    },
    async stop() {
      clearInterval(tidying);
      // Edges that wait for outcomes are answered, or the server would wait for them.
      services.ports.outcomes.close();
      await server.close();
      await busWatch.stop();
      await resuming;
      // What is signed goes to the bus before the process ends: from there a lost database can be made again.
      await within(PUBLISH_MS_MAX, [...[...shards.all.values()].map((shard) => shard.drained()), services.drained()]);
      await books.close();
      await settlement.stop();
      await shards.closeOthers();
      await services.stop();
      await Promise.all(Object.values(rails).map((rail) => rail.close()));
    },
  };
}

interface OpenLog {
  readonly log: Log;
  readonly publication: Publication;
}

/** How long an orderly stop waits for a bus that does not answer. */
const PUBLISH_MS_MAX = 3_000;

async function within(ms: number, work: readonly Promise<void>[]): Promise<void> {
  const waiting = new AbortController();
  const done = Promise.all(work).catch(() => undefined);
  await Promise.race([done, pause(ms, undefined, { signal: waiting.signal, ref: false }).catch(() => undefined)]);
  waiting.abort();
}

/** `work`, whose want of room is told to whoever watches. */
async function toldIfFull<T>(files: ToldStorage, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    files.failed(error);
    throw error;
  }
}

/** How often codes that nobody can honour any more are marked expired. */
const TIDY_MS = 60_000;

/** Handle of the first key that signs a shard's checkpoints. */
export function shardKeyHandle(partition: number): string {
  return `ledger.settlement-${partition}/1`;
}

export function shardOrigin(platform: PlatformFile, partition: number): string {
  return `${platform.platform}/settlement-${partition}`;
}

export async function openPlatformShard(options: CoreOptions, partition: number): Promise<Shard> {
  const { config, layout, crypto, keys, clock, bus } = options;
  const file = layout.core.shard(partition);
  expectLogFile(layout, file);
  const db = await openDatabase({ kind: "shard", file, storage: options.storage });
  const origin = shardOrigin(options.platform, partition);
  const log = await openKeyedLog({ db, origin, crypto, keys, firstHandle: shardKeyHandle(partition) });
  if (log.size === 0n) await openingEntry(db, log, clock);
  // A process killed between commit and signature left entries that no checkpoint covers yet.
  else await log.checkpoint(clock.now());
  return await openShard({
    db,
    log,
    bus,
    crypto,
    clock,
    partition,
    witnessing: options.witnessing,
    watch: options.watch,
    publishEveryMs: config.RONGHE_CHECKPOINT_INTERVAL_MS,
  });
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
