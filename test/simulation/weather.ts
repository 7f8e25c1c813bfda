/** The bad weather of a seed: what is cut, full, wrong or killed, when, and for how long. Afterwards it is fine for good. */
import type { SeededRandom } from "../../cli/sandbox/random.ts";
import type { Trace } from "./chance.ts";
import { EDGES, type EdgeName } from "./founding.ts";
import type { Network } from "./network.ts";
import type { Part, RunningBus, RunningCoreParts, RunningSimEdge } from "./parts.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** No new trouble begins after this, and none lasts longer, ms. */
export const STORM_MS = 4_000;
/** What a clock is wrong by. */
const CLOCK_JUMP_MS = 600_000;

export interface WeatherOptions {
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly die: SeededRandom;
  readonly network: Network;
  readonly edges: Readonly<Record<EdgeName, Part<RunningSimEdge>>>;
  readonly core: Part<RunningCoreParts>;
  readonly bus: Part<RunningBus>;
}

export class Weather {
  readonly #options: WeatherOptions;

  constructor(options: WeatherOptions) {
    this.#options = options;
  }

  async storm(): Promise<void> {
    const { die, network, time, edges, core, bus } = this.#options;
    network.redelivery = die.pick([0, 0.05, 0.15]);
    network.payerTrouble = network.redelivery;
    network.trouble = die.pick([0, 0.03, 0.1]);
    const events = Array.from({ length: die.int(2, 6) }, () => ({ atMs: die.int(0, STORM_MS - 500), lastsMs: die.int(200, 2_000) }));
    await Promise.all(events.map((event) => this.#event(event.atMs, Math.min(event.lastsMs, STORM_MS - event.atMs))));
    await time.sleep(Math.max(0, STORM_MS - time.nowMs));
    network.redelivery = 0;
    network.payerTrouble = 0;
    network.trouble = 0;
    for (const part of [...Object.values(edges), core, bus]) part.spare();
    this.#options.trace.note("fine weather");
  }

  async #event(atMs: number, lastsMs: number): Promise<void> {
    const { die, time, network, trace, edges, core, bus } = this.#options;
    const kind = die.pick(["kill", "kill", "kill", "cut", "cut", "full", "clock"] as const);
    const edge = edges[die.pick(EDGES)];
    const made = die.chance(0.5);
    const writes = die.int(1, 6);
    const part = die.pick([edge, core, bus]);
    const line = die.pick([
      [edge, bus],
      [edge, core],
      [core, bus],
    ] as const);
    const ahead = die.chance(0.5);
    await time.sleep(atMs);
    switch (kind) {
      case "kill":
        part.dieAt(writes, made);
        return;
      case "cut": {
        const [from, to] = line;
        const name = `${from.name}|${to.name}`;
        trace.fault(from === core ? "core cut from bus" : to === bus ? "edge cut from bus" : "edge cut from core", name);
        network.cuts.add(name);
        await time.sleep(lastsMs);
        network.cuts.delete(name);
        return;
      }
      case "full":
        edge.diskFull = true;
        await time.sleep(lastsMs);
        edge.diskFull = false;
        return;
      case "clock": {
        const whose = made ? edge : core;
        trace.fault(`${whose === core ? "core" : "edge"} clock ${ahead ? "ahead" : "behind"}`, whose.name);
        whose.skewMs = ahead ? CLOCK_JUMP_MS : -CLOCK_JUMP_MS;
        await time.sleep(lastsMs);
        whose.skewMs = 0;
      }
    }
  }
}
