import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import QRCode from "qrcode";
import { loadCrypto } from "../../core/crypto/index.ts";
import { CST_OFFSET_MS, type EventMs, systemClock } from "../../core/protocol/time.ts";
import { startSandboxRails } from "../../core/settlement/rails/sandbox/start.ts";
import { tellStory } from "../commands/settlement.ts";
import { type Config, UsageError } from "../config.ts";
import { printErrorLine, printJson, printPicture, printTable, printText } from "../output.ts";
import { readClients } from "../platform/clients.ts";
import { PlannedClock } from "../platform/clock.ts";
import { foundSandbox } from "../platform/found.ts";
import { foundIn } from "../platform/founding.ts";
import { type Layout, layoutOf, platformExists, writePrivate } from "../platform/layout.ts";
import { PARTS, type RunningPlatform, runPlatform } from "../platform/run.ts";
import { onStopAsked } from "../platform/stop.ts";
import { readStory } from "../platform/story.ts";
import { newestEntryMs, readLogFiles, verifyPlatform } from "../platform/verify.ts";
import { progressBar } from "../progress.ts";
import { makeProvince, type Province } from "../sandbox/province.ts";
import { seededRandom } from "../sandbox/random.ts";
import { type BooksSummary, booksSummary, closeTheDays } from "./books.ts";
import { type Act, type DayPlan, planDays } from "./day.ts";
import { createDriver, type Driver } from "./drive.ts";
import { countLeaves, type DemoSummary, judgeAlerts, type Judged, ledgerSummary } from "./tally.ts";

export interface DemoOptions {
  readonly once?: boolean;
  readonly json?: boolean;
  readonly seed: number;
  readonly settlements: number;
  readonly data?: string;
  /** Who looks on, with the request lines on standard output. */
  readonly watch?: DemoWatch;
}

export interface DemoWatch {
  /** Told of each code and token as it is issued. */
  readonly onSecret: (secret: string) => void;
  /** Once all acts are carried out and judged, while the platform still serves. */
  readonly beforeStop: (platform: RunningPlatform) => Promise<void>;
}

const PEOPLE_MIN = 80;
const PARTITIONS = 2;
const DAY_MS = 86_400_000;
/** After Ctrl-C the platform may take so long to end in order. */
const STOP_MS_MAX = 10_000;
/** The edge asks for new settings so often: planned days pass faster than real ones. */
const EDGE_REFRESH_MS = 500;

/** `npm run demo`: status 0 only when everything was answered, settled and verified. */
export async function demo(environment: Config, options: DemoOptions): Promise<number> {
  const data = options.data ?? (await mkdtemp(join(tmpdir(), "ronghe-demo-")));
  const config: Config = {
    ...environment,
    RONGHE_DATA: data,
    RONGHE_EDGE_PORT: 0,
    RONGHE_CORE_PORT: 0,
    RONGHE_STREAMS_PORT: 0,
    RONGHE_RAILS_PORT: 0,
  };
  const layout = layoutOf(data);
  const say = (line: string): void => {
    if (options.json !== true) console.log(line);
  };
  // Named in any case: without --data nobody else knows where it is.
  (options.json === true ? console.error : console.log)(`data folder: ${data}`);
  const started = performance.now();
  const run = await prepare(config, layout, options);
  const progress = join(layout.root, PROGRESS_FILE);
  const platform = await runPlatform({
    config,
    parts: new Set(PARTS),
    clock: run.clock,
    quiet: options.watch === undefined,
    edgeRefreshMs: EDGE_REFRESH_MS,
    // A bank that had fallen silent before the stop is silent still: faults live in its memory only.
    beforeCore: async (rails) => {
      if (await waitsForBank(layout, run)) await silenceBank(rails.adminUrl);
    },
  });
  const stopped = stopOnSignal(platform);
  const driver = await driverOf(platform, run.runId, options);
  try {
    // What a stopped run left open ends first: payers let a hold go when the planned clock runs on past its end.
    await platform.drained();
    await carryOut(driver, run, progress, () => stopped.asked());
    await platform.drained();
    if (!stopped.asked()) await closeTheDays(platform, run.clock, run.plan.days);
  } catch (error) {
    // Whoever asks a closing platform gets an error.
    if (!stopped.asked()) throw error;
  }
  if (stopped.asked()) return await stopped.ended();
  say("");
  say(
    `${run.plan.acts.length} visits, refunds and tricks carried out in ${((performance.now() - started) / 1000).toFixed(1)} s (bus: ${config.RONGHE_BUS})`,
  );

  const { judged, scans } = await judge(platform, run.plan, run.province);
  await options.watch?.beforeStop(platform);
  if (options.once === true) await platform.stop();
  const reports = await verifyPlatform({ layout, crypto: platform.crypto });
  const logs = await readLogFiles(layout, platform.platform);
  const books = await booksSummary(layout);
  const summary: DemoSummary = {
    bus: config.RONGHE_BUS,
    codes: countLeaves(logs, "vault.code.issued"),
    scans,
    settlements: {
      completed: countLeaves(logs, "settlement.settled"),
      refused: countLeaves(logs, "settlement.refused"),
      refunded: countLeaves(logs, "settlement.refunded"),
    },
    alerts: { injected: judged.injected, caught: judged.caught, other: judged.other },
    ...books,
    ledger: ledgerSummary(reports),
    verified: driver.unanswered === 0 && reports.every((report) => report.ok) && isReconciled(books, run.plan),
  };
  if (options.json !== true) {
    printSummary(summary, judged, driver.unanswered);
    await tellStories(platform, run);
  }
  if (options.once !== true && !stopped.asked()) {
    run.clock.followSystem();
    printErrorLine("", `still serving: edge ${platform.edge?.url}/docs   core ${platform.core?.url}   data ${data}   (Ctrl-C ends)`);
    await stopped.done;
  }
  await platform.stop();
  if (options.json === true) printJson(summary);
  return summary.verified ? 0 : 1;
}

interface Prepared {
  readonly province: Province;
  readonly plan: DayPlan;
  readonly clock: PlannedClock;
  readonly runId: string;
}

/** How many acts a stopped run had carried out. */
const PROGRESS_FILE = "demo-acts-done";

interface DemoFile {
  readonly runId: string;
  readonly seed: number;
  readonly settlements: number;
  readonly startMs: number;
}

/** Founds the province, or goes on with one whose demo was stopped. */
async function prepare(config: Config, layout: Layout, options: DemoOptions): Promise<Prepared> {
  const { seed, settlements } = options;
  const file = join(layout.root, "demo.json");
  if (platformExists(layout)) {
    const known = await readFile(file, "utf8").then(
      (text) => JSON.parse(text) as DemoFile,
      () => undefined,
    );
    if (known === undefined || known.seed !== seed || known.settlements !== settlements)
      throw new UsageError(`${layout.root} holds another platform; give an empty folder, or the same --seed and --settlements to go on`);
    const province = makeProvince(seededRandom(seed), { people: peopleFor(settlements) });
    const plan = planDays({ province, random: seededRandom(seed + 1), startMs: known.startMs, settlements });
    return { province, plan, clock: new PlannedClock(await newestEntryMs(layout, known.startMs as EventMs)), runId: known.runId };
  }
  // One day to close the last one on, and one for what its statement was too early for.
  const days = Math.ceil(settlements / 2_160) + 2;
  const today = Math.floor((systemClock.now() + CST_OFFSET_MS) / DAY_MS) * DAY_MS - CST_OFFSET_MS;
  const startMs = today - days * DAY_MS + 8 * 3_600_000;
  const clock = new PlannedClock((startMs - 3_600_000) as EventMs);
  const crypto = await loadCrypto();
  const runId = [...crypto.random(4)].map((byte) => "abcdefghjkmnpqrstuvwxyz23456789".charAt(byte % 31)).join("");
  const founded = await foundIn(layout, async () => {
    const bar = progressBar("people registered");
    const { province, seedAccounts } = await foundSandbox({
      config,
      layout,
      crypto,
      seed,
      people: peopleFor(settlements),
      partitions: PARTITIONS,
      clock,
      onProgress: (done, of) => bar.update(done, of),
    });
    bar.stop();
    const rails = await startSandboxRails({ file: layout.sandbox.rails, clock, seedAccounts });
    await rails.close();
    const known: DemoFile = { runId, seed, settlements, startMs };
    await writePrivate(file, `${JSON.stringify(known)}\n`);
    return { province };
  });
  return {
    province: founded.province,
    plan: planDays({ province: founded.province, random: seededRandom(seed + 1), startMs, settlements }),
    clock,
    runId,
  };
}

/** Enough people that nobody has to be ill all day. */
function peopleFor(settlements: number): number {
  return Math.min(5_000, Math.max(PEOPLE_MIN, Math.ceil(settlements / 3)));
}

async function driverOf(platform: RunningPlatform, runId: string, { json, watch }: DemoOptions): Promise<Driver> {
  const { layout, crypto, core, edge, clock } = platform;
  if (core === undefined || edge === undefined || !(clock instanceof PlannedClock))
    throw new Error("a demo runs all parts on a planned clock");
  let drawn = json === true || !process.stdout.isTTY;
  return createDriver({
    crypto,
    clock,
    edgeUrl: edge.url,
    coreUrl: core.url,
    institutions: await readClients(layout, "institution"),
    apps: await readClients(layout, "app"),
    runId,
    bankFallsSilent: async () => {
      if (platform.rails === undefined) throw new Error("a demo runs the sandbox payers");
      await silenceBank(platform.rails.adminUrl);
    },
    ...(watch === undefined ? {} : { onToken: watch.onSecret }),
    onCode: (code) => {
      watch?.onSecret(code);
      if (drawn) return;
      drawn = true;
      void QRCode.toString(code, { type: "terminal", small: true }).then((picture) =>
        printPicture(`the first code shown today:\n${picture}`),
      );
    },
  });
}

async function carryOut(driver: Driver, { plan, clock }: Prepared, progressFile: string, stopAsked: () => boolean): Promise<void> {
  const bar = progressBar("visits");
  const before = await actsDone(progressFile);
  let done = 0;
  for (const acts of instants(plan.acts)) {
    done += acts.length;
    if (done <= before) continue;
    clock.moveTo(acts[0]?.atMs ?? 0);
    await driver.perform(acts);
    // Calls that met a closing platform failed: the next run carries them out.
    if (stopAsked()) break;
    await writePrivate(progressFile, String(done));
    bar.update(done, plan.acts.length);
  }
  bar.stop();
}

async function actsDone(progressFile: string): Promise<number> {
  return Number(await readFile(progressFile, "utf8").catch(() => "0"));
}

/** The sandbox bank takes money and answers nothing, not even when it is asked what became of a call. */
async function silenceBank(adminUrl: string): Promise<void> {
  for (const fault of [
    { rail: "bank", action: "capture", kind: "serverErrorAfter", count: null },
    { rail: "bank", action: "query", kind: "serverError", count: null },
  ]) {
    const answer = await fetch(`${adminUrl}/admin/faults`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(fault),
    });
    if (!answer.ok) throw new Error(`the sandbox refuses a fault: ${answer.status}`);
  }
}

/** Whether the bank was told to take its part of the bill that it will not answer for. */
async function waitsForBank(layout: Layout, { plan, runId }: Prepared): Promise<boolean> {
  const act = plan.acts.at(-1);
  if (act?.kind !== "unanswered") return false;
  const story = await readStory(layout, await loadCrypto(), `${act.institution.orgId}/${runId}-${act.outTradeNo}`);
  const standing = story?.settlement.standing;
  return standing?.state === "posting" || standing?.phase === "posting";
}

/** Every day of the plan is closed, every difference cleared, and what the bank did not answer was healed. */
function isReconciled({ reconciliation, daysClosed }: BooksSummary, plan: DayPlan): boolean {
  return daysClosed >= plan.days.length && reconciliation.open === 0 && reconciliation.matched > 0;
}

/** The bill of which a part was given back, and the one that only the bank's statement could settle. */
async function tellStories({ layout, crypto }: RunningPlatform, { plan, runId }: Prepared): Promise<void> {
  for (const act of plan.acts) {
    const tradeNo =
      act.kind === "unanswered" ? act.outTradeNo : act.kind === "refund" && act.amountFen !== undefined ? act.original : undefined;
    if (tradeNo === undefined) continue;
    const story = await readStory(layout, crypto, `${act.institution.orgId}/${runId}-${tradeNo}`);
    if (story === undefined) continue;
    printText(
      "",
      act.kind === "unanswered"
        ? "银行未答复、由对账补正的账单 a bill that reconciliation healed"
        : "拆分结算、部分退费的账单 a split bill, partly refunded",
    );
    tellStory(story, "zh");
  }
}

/** Acts in groups of the same instant, in order. */
function instants(acts: readonly Act[]): readonly (readonly Act[])[] {
  const groups: Act[][] = [];
  for (const act of acts) {
    const last = groups.at(-1);
    if (last !== undefined && last[0]?.atMs === act.atMs) last.push(act);
    else groups.push([act]);
  }
  return groups;
}

async function judge(
  platform: RunningPlatform,
  plan: DayPlan,
  province: Province,
): Promise<{ readonly judged: Judged; readonly scans: number }> {
  const { streams, core } = platform;
  if (streams === undefined || core === undefined) throw new Error("a demo runs all parts");
  const labelled = new Set(plan.injected.flatMap((scheme) => scheme.people));
  const pseudonyms = new Map<string, string>();
  for (const person of province.people) {
    if (!labelled.has(person.appUserId)) continue;
    const found = await core.services.identity.find(person.idType, person.idNo);
    if (found !== undefined) pseudonyms.set(person.appUserId, found.pseudonym);
  }
  return { judged: judgeAlerts(plan, await streams.alerts(), pseudonyms), scans: await streams.scans() };
}

function printSummary(summary: DemoSummary, judged: Judged, unanswered: number): void {
  const { settlements } = summary;
  printTable(
    ["发码 codes", "扫码 scans", "结算 settled", "拒付 refused", "退费 refunded", "未答复 unanswered"],
    [[summary.codes, summary.scans, settlements.completed, settlements.refused, settlements.refunded, unanswered].map(String)],
  );
  printTable(
    ["欺诈手法 scheme", "注入 injected", "查获 caught", "漏报 missed"],
    judged.schemes.map((one) => [one.scheme, String(one.injected), String(one.caught), String(one.injected - one.caught)]),
  );
  console.log(`误报 wrongly raised: ${judged.other}`);
  const { reconciliation, daysClosed } = summary;
  printTable(
    ["对账相符 matched", "差异 differences", "补正 healed", "未结 open", "日切 days closed"],
    [[reconciliation.matched, reconciliation.differences, reconciliation.healed, reconciliation.open, daysClosed].map(String)],
  );
  printTable(
    ["日志 log", "条数 size", "根 root"],
    summary.ledger.map((log) => [log.origin, String(log.size), log.root]),
  );
  console.log(
    summary.verified ? "账本核验通过 every ledger verified" : "账本核验未通过 NOT verified: `ronghe ledger verify` names the defect",
  );
}

/** The first Ctrl-C ends in order at the next chance, a second one at once; nothing acknowledged is lost either way. */
function stopOnSignal(platform: RunningPlatform): { readonly done: Promise<void>; asked(): boolean; ended(): Promise<number> } {
  let asked = false;
  let ending = Promise.resolve();
  const { promise: done, resolve: finish } = Promise.withResolvers<void>();
  onStopAsked(() => {
    asked = true;
    finish();
    setTimeout(() => process.exit(130), STOP_MS_MAX).unref();
    ending = platform.stop();
    void ending.then(() => process.exit(130));
  });
  platform.crashed.catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
  return { done, asked: () => asked, ended: () => ending.then(() => 130) };
}
