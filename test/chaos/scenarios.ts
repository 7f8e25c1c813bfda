/** What is done to the processes in one round: the trouble, for how long, and its end. */
import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { SeededRandom } from "../../cli/sandbox/random.ts";
import type { LineState, Proxy } from "./proxy.ts";

/** The hands of a scenario on the running platform. */
export interface Stage {
  readonly toBus: Proxy;
  readonly toCore: Proxy;
  edgeDown(): Promise<void>;
  edgeUp(): Promise<void>;
  edgePid(): number;
  coreDown(): Promise<void>;
  coreUp(): Promise<void>;
  brokerDown(): Promise<void>;
  brokerUp(): Promise<void>;
  /** What the clock of a part is wrong by from now on, ms. */
  shiftClock(part: "edge" | "core", ms: number): Promise<void>;
}

export interface Scenario {
  readonly name: string;
  round(stage: Stage, die: SeededRandom): Promise<void>;
}

const run = promisify(execFile);
const CLOCK_JUMP_MS = 600_000;

const kill = (name: string, down: (stage: Stage) => Promise<void>, up: (stage: Stage) => Promise<void>): Scenario => ({
  name,
  async round(stage, die) {
    await sleep(die.int(20, 600));
    await down(stage);
    await sleep(die.int(0, 600));
    await up(stage);
  },
});

const line = (name: string, of: (stage: Stage) => Proxy, state: (die: SeededRandom) => LineState): Scenario => ({
  name,
  async round(stage, die) {
    const proxy = of(stage);
    await sleep(die.int(0, 300));
    proxy.set(state(die));
    await sleep(die.int(300, 1_500));
    proxy.set({ kind: "fine" });
  },
});

const clock = (part: "edge" | "core"): Scenario => ({
  name: `the clock of the ${part} jumps by ten minutes and back`,
  async round(stage, die) {
    await sleep(die.int(0, 300));
    await stage.shiftClock(part, die.chance(0.5) ? CLOCK_JUMP_MS : -CLOCK_JUMP_MS);
    await sleep(die.int(300, 1_200));
    await stage.shiftClock(part, 0);
  },
});

/** What a full disk refuses: from now on no file of the process grows, by order of the kernel. */
const diskFull: Scenario = {
  name: "the disk of the edge is full",
  async round(stage, die) {
    await sleep(die.int(0, 300));
    const pid = String(stage.edgePid());
    await run("prlimit", ["--pid", pid, "--fsize=0:"]);
    await sleep(die.int(300, 1_200));
    await run("prlimit", ["--pid", pid, "--fsize=unlimited:"]);
  },
};

export const SCENARIOS: readonly Scenario[] = [
  kill(
    "kill -9 of the edge",
    (stage) => stage.edgeDown(),
    (stage) => stage.edgeUp(),
  ),
  kill(
    "kill -9 of the core",
    (stage) => stage.coreDown(),
    (stage) => stage.coreUp(),
  ),
  kill(
    "kill -9 of the broker",
    (stage) => stage.brokerDown(),
    (stage) => stage.brokerUp(),
  ),
  line(
    "the line from edge to broker is cut",
    ({ toBus }) => toBus,
    () => ({ kind: "cut" }),
  ),
  line(
    "the line from edge to broker is slow",
    ({ toBus }) => toBus,
    (die) => ({ kind: "slow", delayMs: die.int(50, 400) }),
  ),
  line(
    "the line from edge to broker is half open",
    ({ toBus }) => toBus,
    () => ({ kind: "halfOpen" }),
  ),
  line(
    "the line from edge to core is cut",
    ({ toCore }) => toCore,
    () => ({ kind: "cut" }),
  ),
  line(
    "the line from edge to core is slow",
    ({ toCore }) => toCore,
    (die) => ({ kind: "narrow", bytesPerSecond: die.int(2_000, 20_000) }),
  ),
  line(
    "the line from edge to core is half open",
    ({ toCore }) => toCore,
    () => ({ kind: "halfOpen" }),
  ),
  diskFull,
  clock("edge"),
  clock("core"),
];
