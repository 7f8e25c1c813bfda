/** Edges, bus and core, each started as in production on files of its own, and started again whenever it ended. */
import { join } from "node:path";
import { createCoreApp } from "../../core/server.ts";
import { type CoreServices, openCoreServices } from "../../core/services.ts";
import { openKeyedLog } from "../../core/log-keys.ts";
import type { Clock, EventMs } from "../../core/protocol/time.ts";
import type { Rails } from "../../core/settlement/rails/port.ts";
import { openShard, type Shard } from "../../core/settlement/shard.ts";
import { type SettlementWorker, startSettlement } from "../../core/settlement/worker.ts";
import { EDGE_REPLY_KEY } from "../../edge/identity.ts";
import { type RunningEdge, startLibsqlEdge } from "../../edge/node/libsql-edge.ts";
import { type Database, openDatabase } from "../../migrations/database.ts";
import { openEmbeddedBus } from "../../streams/bus/embedded.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import type { SeededRandom } from "../../cli/sandbox/random.ts";
import type { Trace } from "./chance.ts";
import type { BusHub } from "./bus-link.ts";
import { EPOCH_MS, type Founded, PARTITIONS, PLATFORM, shardKey, shardOrigin, type EdgeName } from "./founding.ts";
import { Life, type WriteVerdict } from "./life.ts";
import type { Network, Reachable } from "./network.ts";
import { withoutNumbers } from "../harness/renumbering.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** How a part ends: at its n-th write from now on, which is made or not. */
interface Death {
  writes: number;
  readonly made: boolean;
}

export interface PartOptions<Running> {
  readonly name: string;
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly die: SeededRandom;
  readonly start: () => Promise<Running>;
  readonly stop: (running: Running) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
}

export class Part<Running> implements Reachable {
  readonly name: string;
  life: Life | undefined;
  running: Running | undefined;
  diskFull = false;
  /** What its clock is wrong by, ms. */
  skewMs = 0;
  readonly #options: PartOptions<Running>;
  #death: Death | undefined;
  #up: Promise<void> = Promise.resolve();
  #stopping = false;

  constructor(options: PartOptions<Running>) {
    this.#options = options;
    this.name = options.name;
  }

  get clock(): Clock {
    return { now: () => Math.floor(EPOCH_MS + this.#options.time.nowMs + this.skewMs) as EventMs };
  }

  /** Resolves once it runs, however often it ended meanwhile. */
  up(): Promise<void> {
    return this.#up;
  }

  start(): void {
    this.#up = this.#startUntilUp();
  }

  dieAt(writes: number, made: boolean): void {
    this.#death = { writes, made };
  }

  spare(): void {
    this.#death = undefined;
  }

  async stop(): Promise<void> {
    await this.up();
    this.#stopping = true;
    const { life, running } = this;
    if (life !== undefined && running !== undefined) await life.run(() => this.#options.stop(running));
  }

  async #startUntilUp(): Promise<void> {
    const { time, trace, die, start, onFailure } = this.#options;
    for (;;) {
      const life = new Life(this.name, { onWrite: (of) => this.#onWrite(of) });
      this.life = life;
      trace.note(`${this.name} starts`);
      // A part that cannot start, on a full disk for instance, is a process that ended: it is started again.
      const starting = life.run(start).catch((error: unknown) => {
        onFailure(error);
        life.kill();
        return undefined;
      });
      const running = await Promise.race([starting, life.ended.then(() => undefined)]);
      if (running !== undefined) {
        this.running = running;
        trace.note(`${this.name} runs`);
        void life.ended.then(() => this.#restart());
        return;
      }
      await time.sleep(die.int(50, 800));
    }
  }

  #restart(): void {
    this.running = undefined;
    if (this.#stopping) return;
    const { time, die } = this.#options;
    this.#up = time.sleep(die.int(50, 1_500)).then(() => this.#startUntilUp());
  }

  #onWrite(life: Life): WriteVerdict | undefined {
    const { trace } = this.#options;
    const kind = this.name.startsWith("edge") ? "edge" : (this.name as "core" | "bus");
    if (this.diskFull && kind === "edge") {
      trace.fault("edge disk full", this.name);
      return "full";
    }
    const death = this.#death;
    if (death === undefined || life !== this.life) return undefined;
    death.writes--;
    if (death.writes > 0) return undefined;
    this.#death = undefined;
    trace.fault(`${kind} ends ${death.made ? "after" : "before"} a write`, this.name);
    return death.made ? "diesAfter" : "diesBefore";
  }
}

export interface RunningBus {
  readonly bus: EventBus;
}

export async function startBus(folder: string, part: Part<RunningBus>, hub: BusHub): Promise<RunningBus> {
  const bus = await openEmbeddedBus({ file: join(folder, "bus.db"), clock: part.clock });
  const running = { bus };
  part.running = running;
  await hub.started();
  return running;
}

export interface RunningCoreParts {
  readonly services: CoreServices;
  readonly settlement: SettlementWorker;
  readonly shards: readonly { readonly shard: Shard; readonly db: Database }[];
  readonly fetch: (request: Request) => Promise<Response>;
}

export interface CoreStart {
  readonly founded: Founded;
  readonly folder: string;
  readonly clock: Clock;
  readonly bus: EventBus;
  readonly rails: Rails;
  readonly onCrash: (error: unknown) => void;
  /** Repeats come under numbers of their own (`harness/renumbering.ts`). */
  readonly renumbered: boolean;
}

export async function startSimCore({ founded, folder, clock, bus, rails, onCrash, renumbered }: CoreStart): Promise<RunningCoreParts> {
  const { crypto, coreKeys: keys } = founded;
  const services = await openCoreServices({ file: join(folder, "core.db"), platform: PLATFORM, crypto, keys, bus, clock, onBug: onCrash });
  const shards: { shard: Shard; db: Database }[] = [];
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const db = await openDatabase({ kind: "shard", file: join(folder, `shard-${partition}.db`) });
    const log = await openKeyedLog({ db, origin: shardOrigin(partition), crypto, keys, firstHandle: shardKey(partition) });
    await log.checkpoint(clock.now());
    shards.push({ db, shard: await openShard({ db, log, bus, crypto, clock, partition }) });
  }
  const settlement = await startSettlement({
    bus,
    shards: (partition) => shards[partition]?.shard ?? Promise.reject(new Error(`no shard ${partition}`)),
    ...(renumbered ? withoutNumbers(services) : { vault: services.vault, openCredential: services.openCredential }),
    rails,
    clock,
    crypto,
    origin: services.origin,
    limits: { askAgainMinMs: 200, askAgainMaxMs: 1_000 },
  });
  settlement.crashed.catch(onCrash);
  const app = createCoreApp(services.ports);
  return { services, settlement, shards, fetch: async (request) => await app.fetch(request) };
}

export interface RunningSimEdge extends RunningEdge {
  readonly fetch: (request: Request) => Promise<Response>;
}

export interface EdgeStart {
  readonly name: EdgeName;
  readonly founded: Founded;
  readonly folder: string;
  readonly clock: Clock;
  /** `core`: it hands over to the core's `POST /ingest`. */
  readonly bus: EventBus | "core";
  readonly network: Network;
  readonly core: Part<RunningCoreParts>;
  readonly onCrash: (error: unknown) => void;
}

export async function startSimEdge(start: EdgeStart): Promise<RunningSimEdge> {
  const { name, founded, folder, clock, network, core } = start;
  let app: ((request: Request) => Response | Promise<Response>) | undefined;
  const edge = await startLibsqlEdge(
    {
      edgeId: name,
      file: join(folder, `${name}.db`),
      host: "edge.test",
      port: 0,
      coreUrl: "http://core.test",
      internalKey: founded.edgeSecrets.get(name) ?? new Uint8Array(32),
      platformKey: founded.platformKey,
      replyKeyHandle: EDGE_REPLY_KEY,
      refreshMs: 5_000,
    },
    {
      bus: start.bus,
      crypto: founded.crypto,
      keyStore: founded.edgeKeys,
      clock,
      onBug: (error) => start.onCrash(error),
      coreFetch: (request) => network.fetch(name, core, request, () => core.running?.fetch ?? notYet),
    },
    (fetch) => {
      app = fetch;
      return Promise.resolve({ url: `http://${name}.test`, close: () => Promise.resolve() });
    },
  );
  edge.crashed.catch(start.onCrash);
  return { ...edge, fetch: async (request) => (await app?.(request)) ?? (await notYet()) };
}

export async function notYet(): Promise<never> {
  throw new Error("it does not listen yet");
}
