import { resolve } from "node:path";
import { asFen, formatYuan } from "../../core/protocol/money.ts";
import { type EventMs, formatCst14 } from "../../core/protocol/time.ts";
import { parseDay, printDay } from "../../core/settlement/day/accounting-day.ts";
import { fundName, RAIL_NAMES } from "../../core/settlement/day/fund-names.ts";
import { RAIL_ORDER, type RailName } from "../../core/settlement/plan.ts";
import { CASE_REASONS, type CaseReason, IS_OPEN, isClosed } from "../../core/settlement/reconcile/cases.ts";
import { CLASS_NAMES, KIND_NAMES, STATE_NAMES } from "../../core/settlement/reconcile/names.ts";
import { caseStory } from "../../core/settlement/reconcile/reconciler.ts";
import type { Encoding } from "../../core/settlement/reconcile/mapping.ts";
import type { Case } from "../../core/settlement/reconcile/records.ts";
import { type RunSummary, Store } from "../../core/settlement/reconcile/store.ts";
import type { OperationInput } from "../../core/settlement/reconcile/operations.ts";
import { openDatabase } from "../../migrations/database.ts";
import { type Config, UsageError } from "../config.ts";
import { printErrorLine, printJson, printTable } from "../output.ts";
import { layoutOf, readPlatform } from "../platform/layout.ts";
import { perform } from "../platform/office.ts";
import { isThere } from "../platform/files.ts";
import { handedFile } from "../platform/handed-file.ts";

export interface RunOptions {
  readonly rail: string;
  readonly day: string;
  readonly by: string;
  readonly file?: string;
  readonly encoding?: Encoding;
  readonly details?: boolean;
  readonly json?: boolean;
  readonly lang: "zh" | "en";
}

/** `ronghe reconcile run`: compares a payer's day with the books. Status 3 when it was refused. */
export async function reconcileRun(config: Config, options: RunOptions): Promise<number> {
  const rail = railOf(options.rail);
  const day = dayOf(options.day);
  const { by, file, encoding, details } = options;
  const answer = await done(config, {
    do: "reconcile.run",
    rail,
    day,
    by,
    ...(file === undefined ? {} : { file: resolve(await handedFile(file)) }),
    ...(encoding === undefined ? {} : { encoding }),
    ...(details === undefined ? {} : { details }),
    lang: options.lang,
  });
  if (typeof answer === "number") return answer;
  if (options.json === true) {
    printJson(answer);
    return 0;
  }
  const run = answer as { readonly id: string; readonly repeated: boolean };
  const found = await reading(config, async (store) => await store.run(run.id));
  if (found === undefined) throw new Error("a run that was just made is gone");
  if (run.repeated)
    console.log(options.lang === "zh" ? "同一对账单已对过，以下为当时结果" : "this statement was compared before; this is what came of it");
  printRuns([found], options.lang);
  return 0;
}

export interface ListOptions {
  readonly rail?: string;
  readonly day?: string;
  readonly all?: boolean;
  readonly json?: boolean;
  readonly lang: "zh" | "en";
}

/**
 * `ronghe reconcile list`: the cases that are open, what waits for a second look, then the newest run of each payer for the
 * newest days; every case and run with `--all`, and every run of a day that is named.
 */
export async function reconcileList(config: Config, options: ListOptions): Promise<void> {
  const rail = options.rail === undefined ? undefined : railOf(options.rail);
  const day = options.day === undefined ? undefined : dayOf(options.day);
  const found = await reading(config, async (store) => {
    const where = "(?1 IS NULL OR rail=?1) AND (?2 IS NULL OR day=?2)";
    const open = options.all === true ? "1" : IS_OPEN;
    return {
      runs: newestRuns(await store.runs({ rail, day }), options.all === true || day !== undefined),
      waiting: await store.unmatched(`${where} AND state='waiting' ORDER BY day, rail, id`, rail ?? null, day ?? null),
      cases: openFirst(await store.cases(`${where} AND ${open}`, rail ?? null, day ?? null)),
    };
  });
  if (options.json === true) {
    printJson(found);
    return;
  }
  const zh = options.lang === "zh";
  console.log(zh ? `差异: ${found.cases.length}` : `differences: ${found.cases.length}`);
  if (found.cases.length > 0) printCases(found.cases, options.lang);
  console.log(zh ? `待二次核对 (T+1, T+2): ${found.waiting.length}` : `waiting for a second look (T+1, T+2): ${found.waiting.length}`);
  if (found.waiting.length > 0)
    printTable(
      zh ? ["日期", "支付方", "一方", "类型", "机构", "金额", "编号"] : ["day", "payer", "side", "kind", "institution", "amount", "key"],
      found.waiting.map((row) => [
        printDay(row.day),
        RAIL_NAMES[row.rail][options.lang],
        zh ? { ours: "我方有", theirs: "对方有" }[row.side] : row.side,
        KIND_NAMES[row.kind][options.lang],
        row.institution,
        formatYuan(row.amount),
        row.key === "" ? row.reference : row.key,
      ]),
    );
  printRuns(found.runs, options.lang);
}

function openFirst(cases: readonly Case[]): readonly Case[] {
  return [...cases.filter((one) => !isClosed(one.state)), ...cases.filter((one) => isClosed(one.state))];
}

/** Runs shown where nobody asked for more: one per payer and day. */
const RUNS_SHOWN = 9;

/** The newest days first; of each payer's day the run that stands. */
function newestRuns(runs: readonly RunSummary[], all: boolean): readonly RunSummary[] {
  if (all) return runs;
  return [...new Map(runs.map((run) => [`${run.day} ${run.rail}`, run])).values()].slice(-RUNS_SHOWN).toReversed();
}

/** `ronghe reconcile show CASE`: one difference with its whole history. */
export async function reconcileShow(
  config: Config,
  id: string,
  options: { readonly json?: boolean; readonly lang: "zh" | "en" },
): Promise<void> {
  const story = await reading(config, (store) => caseStory(store, id));
  if (story === undefined) throw new UsageError(`no case ${id} in ${config.RONGHE_DATA}`);
  if (options.json === true) {
    printJson(story);
    return;
  }
  const zh = options.lang === "zh";
  printCases([story.case], options.lang);
  const { key, reference, statementHash, runId, line } = story.case;
  console.log(
    `${zh ? "我方编号" : "our key"}: ${key === "" ? "-" : key}   ${zh ? "对方单号" : "payer's number"}: ${reference === "" ? "-" : reference}`,
  );
  console.log(
    `${zh ? "对账单" : "statement"}: SM3 ${statementHash}${line === undefined ? "" : ` ${zh ? "第" : "row "}${line}${zh ? "行" : ""}`}   ${runId}`,
  );
  for (const { fundSource, amount } of story.owed) {
    const [name, yuan] = [fundName(fundSource)[options.lang], formatYuan(asFen(amount < 0n ? -amount : amount))];
    if (zh) console.log(amount > 0n ? `${name}: 支付方应付 ${yuan} 元` : `${name}: 我方应退 ${yuan} 元`);
    else console.log(amount > 0n ? `${name}: the payer owes ${yuan} yuan` : `${name}: we owe ${yuan} yuan`);
  }
  printTable(
    zh
      ? ["步骤", "时间 (UTC+8)", "动作", "状态", "经办", "复核", "原因", "备注", "账本"]
      : ["step", "time (UTC+8)", "action", "state", "by", "approved by", "reason", "note", "entry"],
    story.steps.map((step) => [
      String(step.step),
      instant(step.atMs),
      step.action + (step.owner === undefined ? "" : ` → ${step.owner}`),
      STATE_NAMES[step.state][options.lang],
      step.by,
      step.approvedBy ?? "",
      step.reason ?? "",
      step.note ?? "",
      step.entry === undefined ? "" : `${step.entry.origin} #${step.entry.index}`,
    ]),
  );
  if (story.proposals.length > 0) {
    console.log(
      zh
        ? "可能相关（机构、金额、时间相近，须人工判断）:"
        : "may belong to it (same institution and amount, close in time; for a person to judge):",
    );
    for (const row of story.proposals)
      console.log(`  ${printDay(row.day)} ${row.side} ${formatYuan(row.amount)} ${row.key === "" ? row.reference : row.key}`);
  }
}

export interface StepOptions {
  readonly by: string;
  readonly to?: string;
  readonly approvedBy?: string;
  readonly reason?: string;
  readonly note?: string;
  readonly settlement?: string;
  readonly institution?: string;
  readonly json?: boolean;
  readonly lang: "zh" | "en";
}

type StepName = "assign" | "resolve" | "suspend" | "release" | "writeOff" | "giveBack" | "book" | "takeBack";

/** `ronghe reconcile assign|resolve|suspend|release|write-off|give-back|book|take-back CASE`. Status 3 when it was refused. */
export async function reconcileStep(config: Config, what: StepName, id: string, options: StepOptions): Promise<number> {
  const answer = await done(config, stepOperation(what, id, options));
  if (typeof answer === "number") return answer;
  if (options.json === true) printJson(answer);
  else {
    const { state, owner } = answer as { readonly state: Case["state"]; readonly owner?: string };
    console.log(`${id}: ${STATE_NAMES[state][options.lang]}${owner === undefined ? "" : ` (${owner})`}`);
  }
  return 0;
}

function stepOperation(what: StepName, id: string, options: StepOptions): OperationInput {
  const { by, to, approvedBy, note } = options;
  const common = { case: id, by, ...(note === undefined ? {} : { note }) };
  const second = approvedBy === undefined ? {} : { approvedBy };
  switch (what) {
    case "assign":
      return { do: "case.assign", ...common, owner: to ?? by };
    case "writeOff":
      return { do: "case.writeOff", ...common, reason: reasonOf(options.reason), ...second };
    case "giveBack":
      return { do: "case.giveBack", ...common, reason: reasonOf(options.reason), ...second };
    case "takeBack":
      return { do: "case.takeBack", ...common, reason: reasonOf(options.reason), ...second };
    case "book": {
      const why = options.reason === undefined ? {} : { reason: reasonOf(options.reason) };
      return { do: "case.book", ...common, ...why, ...second, ...targetOf(options) };
    }
    case "resolve":
      return { do: "case.resolve", ...common, reason: reasonOf(options.reason) };
    case "suspend":
      return { do: "case.suspend", ...common, reason: reasonOf(options.reason) };
    case "release":
      return { do: "case.release", ...common, reason: reasonOf(options.reason) };
  }
}

/** Exactly one of the two; a bill's number may have slashes of its own. */
function targetOf({ settlement, institution }: StepOptions): { readonly institution: string; readonly outTradeNo?: string } {
  const [, of, outTradeNo] = /^([^/]+)\/(.+)$/.exec(settlement ?? "") ?? [];
  if (settlement === undefined && institution !== undefined) return { institution };
  if (institution === undefined && of !== undefined && outTradeNo !== undefined) return { institution: of, outTradeNo };
  throw new UsageError("say whose it is: --settlement INSTITUTION/OUT_TRADE_NO, or --institution INSTITUTION");
}

/** The value, or status 3 after one line that says why not. */
export async function done(config: Config, operation: OperationInput): Promise<unknown> {
  const reply = await perform(config, operation);
  if (reply.ok) return reply.value;
  const [first = "", ...more] = reply.message.split("\n");
  printErrorLine(`ronghe: ${first} (${reply.code})`, ...more.map((line) => `  ${line}`));
  return 3;
}

/** Reads beside whoever owns the books. */
export async function reading<T>(config: Config, use: (store: Store) => Promise<T>): Promise<T> {
  const layout = layoutOf(config.RONGHE_DATA);
  readPlatform(layout);
  if (!isThere(layout.core.books)) throw new UsageError(`nothing has been reconciled on ${config.RONGHE_DATA} yet`);
  const db = await openDatabase({ kind: "books", file: layout.core.books, readOnly: true });
  try {
    return await use(new Store(db));
  } finally {
    await db.close();
  }
}

export function railOf(text: string): RailName {
  const rail = RAIL_ORDER.find((name) => name === text);
  if (rail === undefined) throw new UsageError(`no payer ${text}: ${RAIL_ORDER.join(", ")}`);
  return rail;
}

export function dayOf(text: string): NonNullable<ReturnType<typeof parseDay>> {
  const day = parseDay(text);
  if (day === undefined) throw new UsageError("a day is yyyy-mm-dd");
  return day;
}

function reasonOf(text: string | undefined): CaseReason {
  const reason = CASE_REASONS.find((name) => name === text);
  if (reason === undefined) throw new UsageError(`--reason is one of ${CASE_REASONS.join(", ")}`);
  return reason;
}

/** What came of a run, in the order in which it is told; what did not happen is not. */
const RESULTS: readonly (readonly [
  words: { readonly zh: string; readonly en: string },
  count: (counts: RunSummary["counts"]) => bigint,
])[] = [
  [{ zh: "总额相等", en: "totals equal" }, ({ totalsEqual }) => totalsEqual],
  [{ zh: "相符", en: "matched" }, ({ matched, byReference, cancelled }) => matched + byReference + cancelled],
  [{ zh: "补正", en: "healed" }, ({ healed }) => healed],
  [{ zh: "待核对", en: "waiting" }, ({ waiting }) => waiting],
  [{ zh: "跨日相符", en: "met later" }, ({ met }) => met],
  [CLASS_NAMES.surplus, ({ surplus }) => surplus],
  [CLASS_NAMES.shortage, ({ shortage }) => shortage],
  [CLASS_NAMES.amount, ({ amount }) => amount],
];

function printRuns(runs: readonly RunSummary[], lang: "zh" | "en"): void {
  const zh = lang === "zh";
  printTable(
    zh
      ? ["日期", "支付方", "方式", "我方/对方 (笔)", "结果 (笔)", "编号"]
      : ["day", "payer", "method", "rows ours/theirs", "what came of it", "run"],
    runs.map(({ id, day, rail, method, source, counts }) => [
      printDay(day),
      RAIL_NAMES[rail][lang],
      zh
        ? `${{ totals: "总额", details: "明细" }[method]}${source === "file" ? "·文件" : ""}`
        : `${method}${source === "file" ? ", file" : ""}`,
      `${counts.rowsOurs} / ${counts.rowsTheirs}`,
      RESULTS.flatMap(([words, count]) => (count(counts) === 0n ? [] : [`${words[lang]} ${count(counts)}`])),
      // The beginning tells runs apart, and no command takes one: the whole stands in `--json`.
      `${id.slice(0, 14)}…`,
    ]),
  );
}

/** Whoever has a case stands under its state: so many columns fit a terminal of 80 with whole numbers. */
function printCases(cases: readonly Case[], lang: "zh" | "en"): void {
  const zh = lang === "zh";
  printTable(
    zh
      ? ["编号", "类别", "类型", "机构", "我方(元)", "对方(元)", "状态"]
      : ["case", "class", "kind", "institution", "ours", "theirs", "state"],
    cases.map((one) => [
      one.id,
      CLASS_NAMES[one.class][lang],
      KIND_NAMES[one.kind][lang],
      one.institution,
      sideAmount(one.ours),
      sideAmount(one.theirs),
      [STATE_NAMES[one.state][lang], ...(one.owner === undefined ? [] : [one.owner])],
    ]),
  );
}

function sideAmount(side: Case["ours"]): string {
  return side === undefined ? "-" : formatYuan(side.amount);
}

function instant(atMs: EventMs): string {
  const text = formatCst14(atMs);
  return `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6, 8)} ${text.slice(8, 10)}:${text.slice(10, 12)}:${text.slice(12)}`;
}
