/** The parts of one seed and the lines between them. */
import { originKeyOf, withOrigin } from "../../core/protocol/event-origin.ts";
import { renumbering } from "../harness/renumbering.ts";
import { BusHub } from "./bus-link.ts";
import { dieFor, type Trace } from "./chance.ts";
import { EDGES, type EdgeName, type Founded } from "./founding.ts";
import { DeadError } from "./life.ts";
import { Network, NetworkError } from "./network.ts";
import { Part, type RunningBus, type RunningCoreParts, type RunningSimEdge, startBus, startSimCore, startSimEdge } from "./parts.ts";
import { openSimPayers, railsTo, type SimPayers } from "./payers.ts";
import type { Control } from "./seed.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface SimPlatform {
  readonly network: Network;
  readonly bus: Part<RunningBus>;
  readonly core: Part<RunningCoreParts>;
  readonly edges: Readonly<Record<EdgeName, Part<RunningSimEdge>>>;
  readonly payers: SimPayers;
  start(): Promise<void>;
  /** Resolves when nothing waits anywhere but for a statement. */
  drained(): Promise<void>;
  stop(): Promise<void>;
}

export interface PlatformOptions {
  readonly seed: number;
  readonly founded: Founded;
  readonly folder: string;
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly control: Control | undefined;
  /** The second edge hands over to the core's `POST /ingest`. */
  readonly overHttp: boolean;
  readonly fail: (finding: string) => void;
}

export function openPlatform(options: PlatformOptions): SimPlatform {
  const { seed, founded, folder, time, trace, control, overHttp } = options;
  const network = new Network(time, trace, dieFor(seed, "network"));
  const onFailure = (part: string) => (error: unknown) => {
    if (!isWeather(error)) options.fail(`${part} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  };
  const line = {
    seed,
    time,
    trace,
    die: dieFor(seed, "payers"),
    trouble: () => network.payerTrouble,
    forgetsKeys: control === "payersForget",
  };
  const payers = openSimPayers(line);
  const rails = railsTo(payers, line);
  const renumbered = control === "noDeduplication";

  const partOf = <R>(name: string, start: (part: Part<R>) => Promise<R>, stop: (running: R) => Promise<void>): Part<R> => {
    const die = dieFor(seed, `part/${name}`);
    const part: Part<R> = new Part<R>({ name, time, trace, die, stop, start: () => start(part), onFailure: onFailure(name) });
    return part;
  };
  const bus: Part<RunningBus> = partOf(
    "bus",
    (part) => startBus(folder, part, hub),
    (running) => running.bus.close(),
  );
  const hub = new BusHub({
    place: bus,
    bus: () => {
      if (bus.running === undefined) throw new NetworkError("the bus is starting");
      return bus.running.bus;
    },
    network,
    trace,
    die: dieFor(seed, "bus"),
    forgets: control === "busForgets",
    ...(renumbered ? { lens: renumbering(signedBy(founded)) } : {}),
  });
  const core: Part<RunningCoreParts> = partOf(
    "core",
    ({ clock }) => startSimCore({ founded, folder, clock, bus: hub.linkOf("core"), rails, renumbered, onCrash: onFailure("core") }),
    async (running) => {
      await running.settlement.stop();
      await running.services.stop();
    },
  );
  const edgeOf = (name: EdgeName): Part<RunningSimEdge> =>
    partOf(
      name,
      ({ clock }) => {
        const uplink = overHttp && name === "edge-2" ? "core" : hub.linkOf(name);
        return startSimEdge({ name, founded, folder, clock, network, core, bus: uplink, onCrash: onFailure(name) });
      },
      (running) => running.stop(),
    );
  const edges = { "edge-1": edgeOf("edge-1"), "edge-2": edgeOf("edge-2") };
  const inOrder = [bus, core, edges["edge-1"], edges["edge-2"]] as const;

  return {
    network,
    bus,
    core,
    edges,
    payers,
    async start() {
      for (const part of inOrder) {
        part.start();
        await part.up();
      }
    },
    async drained() {
      for (const part of inOrder) await part.up();
      for (const name of EDGES) await edges[name].running?.drained();
      await core.running?.settlement.drained();
      await core.running?.services.drained();
    },
    async stop() {
      for (const part of inOrder.toReversed()) await part.stop();
    },
  };
}

/** What a part may meet in a storm: a line that is down, a disk that is full, its own end. */
function isWeather(error: unknown): boolean {
  if (error instanceof NetworkError || error instanceof DeadError) return true;
  return error instanceof Error && "code" in error && error.code === "SQLITE_FULL";
}

/** Signs a request again as its edge would have. */
function signedBy({ crypto, edgeSecrets }: Founded): Parameters<typeof renumbering>[0] {
  return (record, edge) => {
    const secret = edgeSecrets.get(edge);
    if (secret === undefined) throw new Error(`no edge ${edge}`);
    return withOrigin(crypto, originKeyOf(crypto, secret), record);
  };
}
