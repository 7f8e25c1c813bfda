/** One seed: a province, a storm, hospitals at work, and what is found afterwards. */
import { mkdtempSync, rmSync } from "node:fs";
import { openDatabase } from "../../migrations/database.ts";
import { dieFor, type Fault, Trace } from "./chance.ts";
import { check, haveOutcomes } from "./check.ts";
import { copyDatabases, EDGES, type Founded } from "./founding.ts";
import { Hospitals, type Told } from "./hospitals.ts";
import { openPlatform, type SimPlatform } from "./platform.ts";
import { seedRandomness } from "./quick-sm2.ts";
import { reconcile } from "./reconcile.ts";
import { VirtualTime } from "./virtual-time.ts";
import { Weather } from "./weather.ts";

export interface SeedOptions {
  readonly seed: number;
  /** Deliberate defects, to show that a check notices. */
  readonly control?: Control;
}
export type Control = "noDeduplication" | "doctoredLedger" | "payersForget" | "busForgets";

export interface SeedEnd {
  readonly seed: number;
  readonly findings: readonly string[];
  readonly digest: string;
  readonly trace: readonly string[];
  readonly hit: ReadonlyMap<Fault, number>;
  readonly counts: Readonly<Record<"acknowledged" | "settled" | "refunded" | "turns", number>>;
  /** Of this thread. */
  readonly cpuMs: number;
}

/** After this nothing is under way any more, or something is stuck. Virtual ms. */
const LIMIT_MS = 600_000;
const LANES = 3;
/** Results travel to the edges; one that an edge could not keep comes again after five seconds at most. */
const RESULTS_EVERY_MS = 250;
const RESULTS_MS_MAX = 30_000;
const STATEMENT_AFTER_MS = 8_000;
const STATEMENT_EVERY_MS = 2_000;
/** One seed in so many signs with SM2 itself, and so repeats in all but its signatures. */
export const SM2_EVERY = 20;

/** @param current where the installed time looks; set to this seed's. */
export async function runSeed(founded: Founded, current: { time: VirtualTime }, options: SeedOptions): Promise<SeedEnd> {
  const began = process.threadCpuUsage();
  const folder = mkdtempSync(`${founded.folder}/seed-`);
  try {
    copyDatabases(founded.folder, folder);
    const time = new VirtualTime();
    current.time = time;
    founded.crypto.useSm2(options.seed % SM2_EVERY === 0);
    seedRandomness(options.seed);
    const run = new SeedRun(founded, time, folder, options);
    await run.run();
    const { trace, findings, counts } = run;
    return { seed: options.seed, findings, digest: trace.digest(), trace: trace.lines, hit: trace.hit, counts, cpuMs: cpuMsSince(began) };
  } finally {
    seedRandomness(undefined);
    rmSync(folder, { recursive: true, force: true });
  }
}

class SeedRun {
  readonly findings: string[] = [];
  readonly trace: Trace;
  counts = { acknowledged: 0, settled: 0, refunded: 0, turns: 0 };
  readonly #founded: Founded;
  readonly #time: VirtualTime;
  readonly #folder: string;
  readonly #options: SeedOptions;

  constructor(founded: Founded, time: VirtualTime, folder: string, options: SeedOptions) {
    this.#founded = founded;
    this.#time = time;
    this.#folder = folder;
    this.#options = options;
    this.trace = new Trace(() => time.nowMs);
  }

  async run(): Promise<void> {
    try {
      await this.#time.until(this.#story(), LIMIT_MS);
    } catch (error) {
      this.findings.push(`the run ended: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
    this.counts.turns = this.#time.turns;
  }

  async #story(): Promise<void> {
    const { seed, control } = this.#options;
    const [time, trace, founded, folder] = [this.#time, this.trace, this.#founded, this.#folder];
    const fail = (finding: string): void => void this.findings.push(finding);
    const die = dieFor(seed, "choices");
    const platform = openPlatform({ seed, founded, folder, time, trace, control, fail, overHttp: die.chance(0.2) });
    await platform.start();
    const hospitals = await Hospitals.open({ founded, time, trace, fail, clocksTogether: die.chance(0.5), ...platform });
    const storm = new Weather({ time, trace, die: dieFor(seed, "weather"), ...platform }).storm();
    const desks = Array.from({ length: LANES }, (_, lane) => hospitals.desk(lane, dieFor(seed, `desk/${lane}`), die.int(1, 2)));
    const working = new AbortController();
    void storm.then(() => this.#reconcileUntil(working.signal, platform));
    await Promise.all(desks);
    await storm;
    trace.note("draining");
    await platform.drained();
    working.abort();
    await this.#decided(platform);
    await this.#toldOf(platform);
    await platform.stop();
    this.#count(hospitals.told);
    const doctored = control === "doctoredLedger";
    this.findings.push(...(await check({ founded, folder, payers: platform.payers, told: hospitals.told, trace, doctored })));
  }

  /** Until nothing is asked for and nothing waits: a payer may lose answers in fine weather too. */
  async #decided(platform: SimPlatform): Promise<void> {
    for (;;) {
      await reconcile(this.#founded, platform.core, platform.payers);
      await platform.drained();
      const open = await Promise.all((platform.core.running?.shards ?? []).map(({ shard }) => shard.countOpen()));
      if (open.every((counts) => counts.size === 0)) return;
      await this.#time.sleep(STATEMENT_EVERY_MS);
    }
  }

  /** Until every edge has every outcome; what is still missing then, the check names. */
  async #toldOf(platform: SimPlatform): Promise<void> {
    const books = (platform.core.running?.shards ?? []).map(({ db }) => db);
    const edges = await Promise.all(
      EDGES.map((name) => openDatabase({ kind: "edge", file: `${this.#folder}/${name}.db`, readOnly: true })),
    );
    for (let waitedMs = 0; waitedMs < RESULTS_MS_MAX; waitedMs += RESULTS_EVERY_MS) {
      await this.#time.sleep(RESULTS_EVERY_MS);
      if (await haveOutcomes(edges, books)) break;
    }
    for (const db of edges) await db.close();
  }

  /** What a payer refused half way, only its statement can tell. */
  async #reconcileUntil(over: AbortSignal, platform: SimPlatform): Promise<void> {
    await this.#time.sleep(STATEMENT_AFTER_MS);
    while (!over.aborted) {
      await reconcile(this.#founded, platform.core, platform.payers);
      await this.#time.sleep(STATEMENT_EVERY_MS);
    }
  }

  #count(told: readonly Told[]): void {
    this.counts.acknowledged = told.filter(({ acknowledgedBy }) => acknowledgedBy.size > 0).length;
    this.counts.settled = told.filter(({ final }) => final?.status === "settled").length;
    this.counts.refunded = told.filter(({ final }) => final?.status === "refunded").length;
  }
}

function cpuMsSince(began: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(began);
  return (user + system) / 1_000;
}
