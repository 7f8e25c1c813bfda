import { loadCrypto } from "../../core/crypto/index.ts";
import { asFen, formatYuan } from "../../core/protocol/money.ts";
import { type EventMs, systemClock } from "../../core/protocol/time.ts";
import { bigintOf, numberOf, textOf } from "../../core/rows.ts";
import { readBooks } from "../../core/settlement/books-reader.ts";
import type { AccountingDay } from "../../core/settlement/books.ts";
import { dayOf as dayAt, parseMonth, printDay } from "../../core/settlement/day/accounting-day.ts";
import { closings } from "../../core/settlement/day/close.ts";
import { type MonthBooks, type MonthStatement, monthStatement, type Whose } from "../../core/settlement/day/month.ts";
import { monthCsv } from "../../core/settlement/day/month-csv.ts";
import { monthPage } from "../../core/settlement/day/month-page.ts";
import { fundName, RAIL_NAMES } from "../../core/settlement/day/fund-names.ts";
import type { Case } from "../../core/settlement/reconcile/records.ts";
import { type Database, openDatabase } from "../../migrations/database.ts";
import { type Config, UsageError } from "../config.ts";
import { printJson, printTable } from "../output.ts";
import { readClients } from "../platform/clients.ts";
import { type Layout, layoutOf, readPlatform } from "../platform/layout.ts";
import { dayOf, done, railOf, reading } from "./reconcile.ts";
import { isThere, writeOut } from "../platform/files.ts";

export interface CloseOptions {
  readonly by: string;
  readonly withoutReconciliation?: string;
  readonly json?: boolean;
}

/** `ronghe day close`: seals a day in every shard (the first open one, when none is named). Status 3 when it was refused. */
export async function dayClose(config: Config, day: string | undefined, options: CloseOptions): Promise<number> {
  const { by, withoutReconciliation } = options;
  const answer = await done(config, {
    do: "day.close",
    by,
    ...(day === undefined ? {} : { day: dayOf(day) }),
    ...(withoutReconciliation === undefined ? {} : { withoutReconciliation }),
  });
  if (typeof answer === "number") return answer;
  if (options.json === true) printJson(answer);
  else {
    const closed = answer as { readonly day: AccountingDay; readonly repeated: boolean };
    console.log(`${printDay(closed.day)} ${closed.repeated ? "已于之前日切 was closed before" : "已日切 is closed"}`);
    await dayShow(config, closed.day, { lang: "zh" });
  }
  return 0;
}

export interface ShowOptions {
  readonly json?: boolean;
  readonly lang: "zh" | "en";
}

/** `ronghe day show`: closed days, or one of them, with seals and what was carried over. */
export async function dayShow(config: Config, dayText: string | undefined, options: ShowOptions): Promise<void> {
  const day = dayText === undefined ? undefined : dayOf(dayText);
  const found = await reading(config, async ({ db }) => {
    const seals = (await db.read("SELECT * FROM day_seal WHERE ?1 IS NULL OR day=?1 ORDER BY day, shard", day ?? null)).map((row) => ({
      day: textOf(row, "day") as AccountingDay,
      origin: textOf(row, "origin"),
      index: bigintOf(row, "ledger_index"),
      sealedAtMs: numberOf(row, "sealed_at_ms"),
      size: bigintOf(row, "head_size"),
      root: textOf(row, "head_root"),
      trialBalanceHash: textOf(row, "trial_balance_hash"),
      carriedOver: numberOf(row, "carried_over"),
    }));
    return { days: (await closings(db)).filter((one) => day === undefined || one.day === day), seals };
  });
  if (day !== undefined && found.days.length === 0) throw new UsageError(`${printDay(day)} is not closed`);
  const carried = day === undefined ? [] : await carriedOver(layoutOf(config.RONGHE_DATA), day);
  if (options.json === true) {
    printJson({ ...found, ...(day === undefined ? {} : { carriedOver: carried }) });
    return;
  }
  const zh = options.lang === "zh";
  printTable(
    zh
      ? ["日期", "经办", "未对账原因", "日志", "条目", "树大小", "树根 (SM3)", "结转"]
      : ["day", "by", "override", "log", "entry", "tree size", "root (SM3)", "carried over"],
    found.seals.map((seal) => {
      const closing = found.days.find((one) => one.day === seal.day);
      return [
        printDay(seal.day),
        closing?.closedBy ?? "",
        closing?.overrideReason ?? "",
        seal.origin,
        `#${seal.index}`,
        String(seal.size),
        `${seal.root.slice(0, 16)}…`,
        String(seal.carriedOver),
      ];
    }),
  );
  for (const id of carried) console.log(`${zh ? "结转" : "carried over"}: ${id}`);
}

async function carriedOver(layout: Layout, day: AccountingDay): Promise<readonly string[]> {
  return await withShards(layout, async (books) => {
    const ids: string[] = [];
    for (const one of books) for (const seal of await one.seals()) if (seal.day === day) ids.push(...seal.carriedOver);
    return ids;
  });
}

export interface StatementOptions {
  readonly month: string;
  readonly institution?: string;
  readonly rail?: string;
  readonly csv?: string;
  readonly html?: string;
  readonly json?: boolean;
  readonly lang: "zh" | "en";
}

/** `ronghe day statement`: a month of one institution or payer. Status 1 when a figure disagrees with its seal. */
export async function dayStatement(config: Config, options: StatementOptions): Promise<number> {
  const month = parseMonth(options.month);
  if (month === undefined) throw new UsageError("--month is yyyy-mm");
  if ((options.institution === undefined) === (options.rail === undefined))
    throw new UsageError("give --institution or --rail, one of them");
  const layout = layoutOf(config.RONGHE_DATA);
  const { createdAtMs } = readPlatform(layout);
  if (month > monthOf(systemClock.now())) throw new UsageError(`${options.month} has not begun`);
  if (month < monthOf(createdAtMs as EventMs)) throw new UsageError(`${options.month} lies before the platform's first month`);
  const whose: Whose = options.institution === undefined ? { rail: railOf(options.rail ?? "") } : { institution: options.institution };
  const name = await nameOf(layout, whose);
  if ("institution" in whose && name === undefined) throw new UsageError(`no institution ${whose.institution} in ${config.RONGHE_DATA}`);
  const statement = await withShards(layout, (books) => monthStatement(books, { month, whose }));
  if (options.csv !== undefined) await writeOut(options.csv, monthCsv(statement, options.lang));
  if (options.html !== undefined) {
    const cases = await casesOf(config, layout, month, whose);
    await writeOut(options.html, monthPage(statement, { name, cases, printedAtMs: systemClock.now() }));
  }
  if (options.json === true) printJson(statement);
  else if (options.csv === undefined && options.html === undefined) printStatement(statement, options.lang);
  for (const file of [options.csv, options.html]) if (file !== undefined && options.json !== true) console.log(file);
  const wrong = statement.days.filter((day) => day.standing === "disagrees").map((day) => printDay(day.day));
  if (wrong.length > 0) console.error(`ronghe: the figures of ${wrong.join(", ")} disagree with their seals: run \`ronghe ledger verify\``);
  return wrong.length > 0 ? 1 : 0;
}

function monthOf(atMs: EventMs): string {
  return dayAt(atMs).slice(0, 6);
}

function printStatement(statement: MonthStatement, lang: "zh" | "en"): void {
  const zh = lang === "zh";
  const standing = zh
    ? { sealed: "已日切", open: "未日切", disagrees: "与封账不符" }
    : { sealed: "sealed", open: "open", disagrees: "DISAGREES" };
  printTable(
    zh ? ["日期", "支付方", "资金来源", "支付", "退回", "净额", "日切"] : ["day", "payer", "fund", "paid", "refunded", "net", "day close"],
    [
      ...statement.days.flatMap((day) =>
        day.sources.map((one) => [
          printDay(day.day),
          RAIL_NAMES[one.rail][lang],
          fundName(one.fundSource)[lang],
          formatYuan(one.captured),
          formatYuan(one.refunded),
          formatYuan(one.net),
          standing[day.standing],
        ]),
      ),
      ...statement.sources.map((one) => [
        zh ? "合计" : "total",
        RAIL_NAMES[one.rail][lang],
        fundName(one.fundSource)[lang],
        formatYuan(one.captured),
        formatYuan(one.refunded),
        formatYuan(one.net),
        "",
      ]),
    ],
  );
  const { captured, refunded } = statement.total;
  console.log(`${zh ? "总净额" : "net"} ${formatYuan(asFen(captured - refunded))} ${zh ? "元" : "yuan"}`);
}

/** Reading halves of every shard's books, whoever owns them. */
async function withShards<T>(layout: Layout, use: (books: readonly MonthBooks[]) => Promise<T>): Promise<T> {
  const { partitions } = readPlatform(layout);
  const crypto = await loadCrypto();
  const databases: Database[] = [];
  try {
    for (let shard = 0; shard < partitions; shard++) {
      const file = layout.core.shard(shard);
      if (!isThere(file)) throw new UsageError(`${file} is not there`);
      databases.push(await openDatabase({ kind: "shard", file, readOnly: true }));
    }
    return await use(databases.map((db) => readBooks(db, crypto)));
  } finally {
    for (const db of databases) await db.close();
  }
}

async function nameOf(layout: Layout, whose: Whose): Promise<string | undefined> {
  if ("rail" in whose) return undefined;
  return (await readClients(layout, "institution")).find((one) => one.orgId === whose.institution)?.name;
}

async function casesOf(config: Config, layout: Layout, month: string, whose: Whose): Promise<readonly Case[]> {
  if (!isThere(layout.core.books)) return [];
  const [column, value] = "rail" in whose ? ["rail", whose.rail] : ["institution", whose.institution];
  return await reading(config, (store) => store.cases(`day LIKE ? AND ${column}=?`, `${month}%`, value));
}
