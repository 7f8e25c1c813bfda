/** The parts of a platform running in this process: all of them on one machine, or one of them beside others. */
import { rm } from "node:fs/promises";
import { loadCrypto } from "../../core/crypto/index.ts";
import type { Crypto } from "../../core/crypto/port.ts";
import { watchTogether } from "../../core/protocol/server/storage-watch.ts";
import { type Clock, systemClock } from "../../core/protocol/time.ts";
import { PROVINCE_PROFILES } from "../../core/settlement/split/profile.ts";
import { startSandboxRails, type SandboxRails } from "../../core/settlement/rails/sandbox/start.ts";
import { startSandboxRailsThread } from "../../core/settlement/rails/sandbox/thread.ts";
import type { RunningEdge } from "../../edge/entry.node.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import { topicPlan } from "../../streams/contracts/codec.ts";
import { type Config, uplinkOf, UsageError } from "../config.ts";
import { openBus } from "./bus.ts";
import { type RailUrls, type RunningCore, startCore } from "./core.ts";
import { startPlatformEdge } from "./edge.ts";
import { openKeys } from "./keys.ts";
import {
  coreUrlOf,
  forgetEdge,
  forgetSandbox,
  type Layout,
  layoutOf,
  makeFolders,
  type PlatformFile,
  readPlatform,
  knownRuntime,
  type RuntimeFile,
  writePrivate,
} from "./layout.ts";
import { ownFolder } from "./owner.ts";
import { chosenPayers, payersOfCore } from "./payers.ts";
import { type RunningStreams, startStreams } from "./streams.ts";
import { watchStorage } from "./storage.ts";
import { openTraces } from "./tracing.ts";

export const PARTS = ["core", "edge", "streams", "sandbox"] as const;
export type Part = (typeof PARTS)[number];

export interface RunOptions {
  readonly config: Config;
  readonly parts: ReadonlySet<Part>;
  readonly clock?: Clock;
  readonly crypto?: Crypto;
  /** No request lines on standard output. */
  readonly quiet?: boolean;
  /** How often the edge looks for new settings. */
  readonly edgeRefreshMs?: number;
  /** Gives the sandbox payers a thread of their own, so that their work is not the platform's; they then have the system clock. */
  readonly railsThread?: boolean;
  /** Called once the sandbox payers listen, before the core asks them anything. */
  readonly beforeCore?: (rails: SandboxRails) => Promise<void>;
}

export interface RunningPlatform {
  readonly layout: Layout;
  readonly platform: PlatformFile;
  readonly crypto: Crypto;
  readonly clock: Clock;
  /** Absent in an edge that hands over to the core. */
  readonly bus?: EventBus;
  readonly core?: RunningCore;
  readonly edge?: RunningEdge;
  readonly streams?: RunningStreams;
  readonly rails?: SandboxRails;
  /** Rejects when some part cannot go on; the process should then end, its supervisor start it again. */
  readonly crashed: Promise<never>;
  /** Resolves when everything taken in has been settled, recorded, streamed and judged. */
  drained(): Promise<void>;
  stop(): Promise<void>;
}

export async function runPlatform(options: RunOptions): Promise<RunningPlatform> {
  const { config, parts } = options;
  const layout = layoutOf(config.RONGHE_DATA);
  const platform = readPlatform(layout);
  const alone = parts.size === 1 && (parts.has("sandbox") || isUplinkedEdge(config, parts));
  const together = parts.has("core") && parts.has("edge") && parts.has("streams");
  if (config.RONGHE_BUS === "embedded" && !alone && !together)
    throw new UsageError("parts that run by themselves need a bus between them: RONGHE_BUS=kafka and RONGHE_KAFKA_BROKERS");
  if (parts.has("sandbox") && chosenPayers(config)?.kind === "real")
    throw new UsageError("the settings name real payers: a sandbox beside them would pay with invented money");
  await makeFolders(layout, parts);
  const stops: (() => Promise<void> | void)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of stops.splice(0).toReversed()) await end();
  };
  try {
    return await startParts(options, layout, platform, stops, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startParts(
  options: RunOptions,
  layout: Layout,
  platform: PlatformFile,
  stops: (() => Promise<void> | void)[],
  stop: () => Promise<void>,
): Promise<RunningPlatform> {
  const { config, parts } = options;
  const clock = options.clock ?? systemClock;
  const crypto = options.crypto ?? (await loadCrypto());
  const traces = await openTraces(config);
  // Once all parts have ended.
  stops.push(() => traces.stop());
  for (const part of parts) {
    const owned = ownFolder(layout[part].folder);
    stops.push(() => owned.release());
  }
  const storage = {
    core: watchStorage("core", config, clock),
    edge: watchStorage("edge", config, clock),
    streams: watchStorage("streams", config, clock),
  };
  // A bus of this process is storage of those that write to it; an edge has its outbox, and takes calls while any bus is away.
  const standing = ON_THE_BUS.filter((part) => parts.has(part)).map((part) => storage[part]);
  const bus = isUplinkedEdge(config, parts)
    ? undefined
    : await openBus(config, clock, `ronghe-${[...parts].join("-")}`, watchTogether(standing));
  if (bus !== undefined) {
    stops.push(() => bus.close());
    await bus.ensureTopics(topicPlan(platform.partitions));
  }

  const railPort = (offset: number): number => (config.RONGHE_RAILS_PORT === 0 ? 0 : config.RONGHE_RAILS_PORT + offset);
  const railOptions = {
    file: layout.sandbox.rails,
    host: config.RONGHE_HOST,
    profile: PROVINCE_PROFILES[config.RONGHE_PROVINCE],
    ports: { insurance: railPort(0), commercial: railPort(1), bank: railPort(2), admin: railPort(3) },
  };
  const startRails = (): Promise<SandboxRails> =>
    options.railsThread === true ? startSandboxRailsThread(railOptions) : startSandboxRails({ ...railOptions, clock });
  const rails = parts.has("sandbox") ? await startRails() : undefined;
  if (rails !== undefined) stops.push(() => rails.close());
  if (rails !== undefined) await options.beforeCore?.(rails);

  const common = { config, layout, platform, crypto, clock };
  const core =
    bus !== undefined && parts.has("core")
      ? await startCore({
          ...common,
          bus,
          keys: await openKeys(config, layout, crypto, "core"),
          tracing: traces.of("core"),
          quiet: options.quiet ?? false,
          storage: storage.core,
          rails: rails === undefined ? await payersOfCore(config, layout) : urlsOf(rails),
        })
      : undefined;
  if (core !== undefined) stops.push(() => core.stop());
  const streams = bus !== undefined && parts.has("streams") ? await startStreams({ ...common, bus, storage: storage.streams }) : undefined;
  if (streams !== undefined) stops.push(() => streams.stop());
  const edge = parts.has("edge")
    ? await startPlatformEdge({
        ...common,
        bus: bus ?? "core",
        keys: await openKeys(config, layout, crypto, "edge"),
        storage: storage.edge,
        coreUrl: core?.url ?? (await coreUrlOf(config, layout)),
        ...(core === undefined ? {} : { coreFetch: core.fetch }),
        ...(options.edgeRefreshMs === undefined ? {} : { refreshMs: options.edgeRefreshMs }),
        tracing: traces.of("edge"),
        quiet: options.quiet ?? false,
      })
    : undefined;
  if (edge !== undefined) stops.push(() => edge.stop());

  // Whoever pays with real money leaves no address of a sandbox behind.
  if (chosenPayers(config)?.kind === "real") await forgetSandbox(layout);
  const known = await knownRuntime(layout);
  const runtime: RuntimeFile = {
    ...(known !== undefined && parts.size < PARTS.length ? known : {}),
    pid: process.pid,
    bus: config.RONGHE_BUS,
    ...(edge === undefined ? {} : { edgeUrl: edge.url }),
    ...(core === undefined ? {} : { coreUrl: core.url }),
    ...(rails === undefined ? {} : { railsAdminUrl: rails.adminUrl, rails: urlsOf(rails) }),
  };
  await writePrivate(layout.runtime, `${JSON.stringify(runtime, undefined, 2)}\n`);
  if (rails !== undefined && core === undefined) stops.push(() => forgetSandbox(layout));
  if (parts.has("edge")) stops.push(() => (core === undefined ? forgetEdge(layout) : rm(layout.runtime, { force: true })));

  const never = new Promise<never>(() => undefined);
  const crashed = Promise.race([core?.crashed ?? never, edge?.crashed ?? never]);
  crashed.catch(() => undefined);
  return {
    layout,
    platform,
    crypto,
    clock,
    ...(bus === undefined ? {} : { bus }),
    ...(core === undefined ? {} : { core }),
    ...(edge === undefined ? {} : { edge }),
    ...(streams === undefined ? {} : { streams }),
    ...(rails === undefined ? {} : { rails }),
    crashed,
    async drained() {
      await edge?.drained();
      await core?.drained();
      await streams?.drained();
    },
    stop,
  };
}

/** Those that keep nothing more while a bus keeps nothing. */
const ON_THE_BUS = ["core", "streams"] as const satisfies readonly Part[];

/** An edge by itself that reaches no broker, or is told to leave it alone. */
function isUplinkedEdge(config: Config, parts: ReadonlySet<Part>): boolean {
  return parts.size === 1 && parts.has("edge") && uplinkOf(config) === "core";
}

function urlsOf({ insuranceUrl, commercialUrl, bankUrl }: SandboxRails): RailUrls {
  return { insurance: insuranceUrl, commercial: commercialUrl, bank: bankUrl };
}
