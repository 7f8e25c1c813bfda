/** `ronghe reconcile mapping …`: how each payer writes its statement files. */
import { loadCrypto } from "../../core/crypto/index.ts";
import { parseStrictJson, toPlainJson } from "../../core/protocol/json.ts";
import { formatYuan } from "../../core/protocol/money.ts";
import { formatCst14 } from "../../core/protocol/time.ts";
import { RAIL_NAMES } from "../../core/settlement/day/fund-names.ts";
import type { RailName } from "../../core/settlement/plan.ts";
import { readCsv } from "../../core/settlement/reconcile/csv.ts";
import { CANONICAL, type Encoding, mappingHash, readMapping, type StatementMapping } from "../../core/settlement/reconcile/mapping.ts";
import { type KeptMapping, mappingFor, mappingOf, mappingsOf } from "../../core/settlement/reconcile/mappings.ts";
import { KIND_NAMES } from "../../core/settlement/reconcile/names.ts";
import { BadStatementError, sayDefect, type StatementLine } from "../../core/settlement/reconcile/statement.ts";
import { type Config, UsageError } from "../config.ts";
import { handedFile, readHandedText } from "../platform/handed-file.ts";
import { printErrorLine, printJson, printJsonLine, printTable } from "../output.ts";
import { done, railOf, reading } from "./reconcile.ts";

type Lang = "zh" | "en";

/** Status 3 when it was refused. */
export async function mappingSet(
  config: Config,
  file: string,
  options: { readonly rail: string; readonly by: string; readonly json?: boolean; readonly lang: Lang },
): Promise<number> {
  const rail = railOf(options.rail);
  const answer = await done(config, { do: "mapping.set", rail, by: options.by, mapping: await jsonIn(file), lang: options.lang });
  if (typeof answer === "number") return answer;
  if (options.json === true) printJson(answer);
  else {
    const { version, hash } = answer as KeptMapping;
    console.log(`${RAIL_NAMES[rail][options.lang]}: ${options.lang === "zh" ? "映射" : "mapping"} ${version}   SM3 ${hash}`);
  }
  return 0;
}

export async function mappingShow(config: Config, options: { readonly rail: string; readonly json?: boolean }): Promise<void> {
  const rail = railOf(options.rail);
  const kept = await reading(config, (store) => mappingOf(store.db, rail));
  if (options.json === true) printJson(kept ?? { rail, version: 0, mapping: CANONICAL, hash: mappingHash(await loadCrypto(), CANONICAL) });
  else for (const line of JSON.stringify(kept?.mapping ?? CANONICAL, undefined, 2).split("\n")) printJsonLine(line);
}

export async function mappingList(
  config: Config,
  options: { readonly rail?: string; readonly json?: boolean; readonly lang: Lang },
): Promise<void> {
  const rail = options.rail === undefined ? undefined : railOf(options.rail);
  const found = await reading(config, (store) => mappingsOf(store.db, rail));
  if (options.json === true) {
    printJson({ mappings: found });
    return;
  }
  const zh = options.lang === "zh";
  printTable(
    zh ? ["支付方", "版本", "时间 (UTC+8)", "经办", "SM3"] : ["payer", "version", "time (UTC+8)", "by", "SM3"],
    found.map((one) => [RAIL_NAMES[one.rail][options.lang], String(one.version), formatCst14(one.setAtMs), one.setBy, one.hash]),
  );
}

/** Rows shown of a file that is tried. */
const ROWS_SHOWN = 5;

/** Status 3 when the file or the mapping is refused. */
export async function mappingTest(
  config: Config,
  file: string,
  options: {
    readonly rail: string;
    readonly mapping?: string;
    readonly encoding?: Encoding;
    readonly json?: boolean;
    readonly lang: Lang;
  },
): Promise<number> {
  const rail = railOf(options.rail);
  const { lang } = options;
  const statement = await handedFile(file);
  const mapping =
    options.mapping === undefined
      ? await reading(config, (store) => mappingFor(store.db, rail, statement))
      : readable(await jsonIn(options.mapping), rail, lang);
  if (mapping === undefined) return 3;
  const rows: StatementLine[] = [];
  try {
    const read = await readCsv({ file: statement, mapping, encoding: options.encoding }, (row) => {
      if (rows.length < ROWS_SHOWN) rows.push(row);
    });
    if (options.json === true) printJson({ ...read, first: rows });
    else printRead(rows, read, lang);
    return 0;
  } catch (error) {
    if (!(error instanceof BadStatementError)) throw error;
    const [first, ...others] = error.defects;
    printErrorLine(`ronghe: ${sayDefect(first, lang)} (${first.code})`, ...others.map((one) => `  ${sayDefect(one, lang)}`));
    return 3;
  }
}

function readable(input: unknown, rail: RailName, lang: Lang): StatementMapping | undefined {
  const read = readMapping(input, rail);
  if (read.ok) return read.value;
  console.error(`ronghe: ${read.error[lang]} (mappingMalformed)`);
  return undefined;
}

function printRead(first: readonly StatementLine[], read: Awaited<ReturnType<typeof readCsv>>, lang: Lang): void {
  const zh = lang === "zh";
  const { captures, captured, refunds, refunded } = read.totals;
  const figures = [`${captures} / ${formatYuan(captured)}`, `${refunds} / ${formatYuan(refunded)}`];
  console.log(zh ? `支付 ${figures[0]}   退款与冲正 ${figures[1]}` : `payments ${figures[0]}   refunds and reversals ${figures[1]}`);
  if (!read.stated)
    console.log(zh ? "文件没有合计行：其中没有的，不能证明未发生" : "the file has no row of totals: what it lacks is not proved undone");
  printTable(
    zh
      ? ["行", "我方编号", "支付方流水号", "类型", "机构", "金额", "时间 (UTC+8)"]
      : ["row", "our key", "payer's number", "kind", "institution", "amount", "time (UTC+8)"],
    first.map((row) => [
      String(row.line),
      row.key,
      row.railReference,
      KIND_NAMES[row.kind][lang],
      row.institution,
      formatYuan(row.amount),
      formatCst14(row.atMs),
    ]),
  );
}

const MAPPING_BYTES_MAX = 256 * 1024;

async function jsonIn(file: string): Promise<unknown> {
  const text = await readHandedText(file, MAPPING_BYTES_MAX);
  const read = parseStrictJson(text.replace(/^\uFEFF/, ""));
  if (!read.ok) throw new UsageError(`${file} is not JSON (${read.error})`);
  return toPlainJson(read.value);
}
