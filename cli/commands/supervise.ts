import { cstDay, type EventMs } from "../../core/protocol/time.ts";
import { fundName } from "../../core/settlement/day/fund-names.ts";
import { decodeLeaf, type Leaf } from "../../ledger/verifier/leaf.ts";
import { openDatabase } from "../../migrations/database.ts";
import {
  compareWithLedger,
  type LedgerComparison,
  MONEY_ENTRIES,
  type SupervisionRow,
  SUPPLEMENT_ENTRIES,
  supervisionReport,
  supplementsFen,
} from "../../streams/supervision/report.ts";
import { type Config, UsageError } from "../config.ts";
import { type Gap, gapsOf, type ServiceHealth, servicesOf } from "../../streams/gap.ts";
import { printJson, printTable, printText } from "../output.ts";
import { layoutOf, readPlatform } from "../platform/layout.ts";
import { logFiles } from "../platform/verify.ts";
import { type Lang, yuanText as yuan } from "../text/figures.ts";
import { isThere } from "../platform/files.ts";

const PAGE = 5_000;
/** Neither agreed nor disagreed: a script that asks for agreement must not go on. */
const NOT_COMPARED = 2;
/** The figures agree, and records that were never counted may be missing on both sides. */
const WITH_GAPS = 3;

interface Findings {
  readonly gaps: readonly Gap[];
  readonly services: readonly ServiceHealth[];
}

export interface SuperviseOptions {
  readonly day?: string;
  readonly json?: boolean;
  readonly lang: "zh" | "en";
}

/**
 * `ronghe supervise`: the supervisor's figures, and whether they add up with the ledger to the fen: status 1 when not, 2
 * when the ledger is not on this machine, 3 when they do and records left the bus before they were counted.
 */
export async function supervise(config: Config, options: SuperviseOptions): Promise<number> {
  if (options.day !== undefined && !/^\d{4}-\d{2}-\d{2}$/.test(options.day)) throw new UsageError("--day is yyyy-mm-dd");
  const layout = layoutOf(config.RONGHE_DATA);
  if (!isThere(layout.streams.database)) throw new UsageError(`nothing has been supervised on ${config.RONGHE_DATA} yet`);
  const db = await openDatabase({ kind: "streams", file: layout.streams.database, readOnly: true });
  const rows = await supervisionReport(db, options.day);
  const findings = { gaps: await gapsOf(db), services: await servicesOf(db) };
  await db.close();
  const leaves = await settlementLeaves(config);
  if (leaves === undefined) {
    // The core keeps the shards elsewhere: what is not here is compared with nothing.
    if (options.json === true) printJson({ rows, comparison: null, ...findings });
    else {
      printRows(rows, options.lang);
      printText(
        options.lang === "zh"
          ? "账本不在本机，未与账本核对：请在核心主机上运行，或用 `ronghe ledger follow` 核对"
          : "the ledger is not here: the figures were compared with nothing; run this beside the core, or `ronghe ledger follow`",
      );
      printFindings(findings, options.lang);
    }
    return NOT_COMPARED;
  }
  const entries = options.day === undefined ? leaves : leaves.filter((leaf) => cstDay(Number(leaf.postedMs) as EventMs) === options.day);
  const comparison = compareWithLedger(rows, entries);
  const supplements = supplementsFen(leaves, options.day);
  const gapped = findings.gaps.some((gap) => touches(gap, options.day));
  if (options.json === true) printJson({ rows, comparison, supplementsFen: supplements ?? 0n, ...findings });
  else {
    printRows(rows, options.lang);
    printComparison(comparison, options.lang);
    if (supplements !== undefined)
      printText(
        options.lang === "zh"
          ? `另有补账净额 ${yuan(supplements)} 元：账簿、机构对账单和月结单都有，以上监管与账本数字不含`
          : `beside it ${yuan(supplements)} yuan net were booked by hand (supplements): books and statements have them, the figures above have not`,
      );
    printFindings(findings, options.lang);
    if (comparison.agrees && gapped)
      printText(
        options.lang === "zh"
          ? "核对一致，但有记录在计入之前已离开总线：监管数字可能不全"
          : "the figures agree, but records left the bus before they were counted: supervision may be incomplete",
      );
  }
  if (!comparison.agrees) return 1;
  return gapped ? WITH_GAPS : 0;
}

/** Whether what is lost may belong to the day: fraud's gaps touch no figure, and nothing lost is later than the gap says. */
function touches({ service, untilMs }: Gap, day: string | undefined): boolean {
  return service === "supervision" && (day === undefined || day <= cstDay(untilMs as EventMs));
}

function printRows(rows: readonly SupervisionRow[], lang: Lang): void {
  const zh = lang === "zh";
  printTable(
    zh
      ? ["日期", "机构", "扫码(通过/拒绝)", "结算", "拒付", "退费", "待查", "资金来源(净额, 元)"]
      : ["day", "institution", "scans (good/bad)", "settled", "refused", "refunded", "unknown", "funds (net, yuan)"],
    rows.map((row) => {
      const count = (good: boolean): number =>
        row.scans.reduce((sum, line) => sum + (line.observedBy === "edge" && (line.outcome === "accepted") === good ? line.scans : 0), 0);
      const funds = row.funds.map((fund) => `${fundName(fund.fundSource)[lang]} ${yuan(fund.netFen)}`);
      return [
        row.day,
        row.institution,
        `${count(true)} / ${count(false)}`,
        ...[row.settled, row.refused, row.refunded, row.unknown].map(String),
        funds,
      ];
    }),
  );
}

function printComparison(comparison: LedgerComparison, lang: Lang): void {
  const { supervision, ledger } = comparison.totalFen;
  if (lang === "zh")
    console.log(
      comparison.agrees
        ? `与账本核对一致：净额 ${yuan(ledger)} 元，分毫不差`
        : `与账本不一致：监管 ${yuan(supervision)} 元，账本 ${yuan(ledger)} 元`,
    );
  else
    console.log(
      comparison.agrees
        ? `agrees with the ledger to the fen: net ${yuan(ledger)} yuan`
        : `does NOT agree: supervision ${yuan(supervision)}, ledger ${yuan(ledger)} yuan`,
    );
}

/** What the figures do not rest on: records that left their topic, and a service that does not run. */
function printFindings({ gaps, services }: Findings, lang: Lang): void {
  const zh = lang === "zh";
  for (const { service, kind, topic, partition, fromOffset, toOffset, records } of gaps) {
    const place = `${topic}/${partition} ${fromOffset}-${toOffset}`;
    const what = kind === "judged" ? ["已判过", "judged before"] : ["未读到", "never read"];
    if (kind === "restarted") {
      printText(
        zh
          ? `缺口 ${service}: ${topic}/${partition} 的位置从头计数（原已读到 ${fromOffset}），现从现存的第一条记录读起，之间缺多少条无从得知`
          : `gap in ${service}: ${topic}/${partition} counts its offsets anew (it had been read up to ${fromOffset}); it is read from the first record that is there, and nobody can say how many are missing`,
      );
      continue;
    }
    printText(
      zh
        ? `缺口 ${service}: ${place}，${records} 条记录已不在总线上（${what[0] ?? ""}），此后不含它们`
        : `gap in ${service}: ${place}, ${records} records are no longer on the bus (${what[1] ?? ""}); nothing since rests on them`,
    );
  }
  for (const { service, state, reason } of services)
    if (state === "failed") printText(zh ? `${service} 未运行: ${reason}` : `${service} does not run: ${reason}`);
}

/** The entries of every shard that move money, by hand too, decoded from their exact bytes; `undefined` where no shard's file is. */
async function settlementLeaves(config: Config): Promise<readonly Leaf[] | undefined> {
  const layout = layoutOf(config.RONGHE_DATA);
  const shards = logFiles(layout, readPlatform(layout)).filter(({ origin, file }) => !origin.endsWith("/registry") && isThere(file));
  if (shards.length === 0) return undefined;
  const leaves: Leaf[] = [];
  for (const { origin, file } of shards) {
    const db = await openDatabase({ kind: "shard", file, readOnly: true });
    for (let from = 0n; ;) {
      const rows = await db.read(
        "SELECT idx, bytes FROM leaf WHERE idx >= ? AND kind IN (SELECT value FROM json_each(?)) ORDER BY idx LIMIT ?",
        from,
        JSON.stringify([...MONEY_ENTRIES, ...SUPPLEMENT_ENTRIES]),
        PAGE,
      );
      for (const row of rows) {
        const bytes = row["bytes"];
        const leaf = bytes instanceof ArrayBuffer ? decodeLeaf(new Uint8Array(bytes)) : undefined;
        if (leaf === undefined || !leaf.ok) throw new UsageError(`an entry of ${origin} cannot be read: run \`ronghe ledger verify\``);
        leaves.push(leaf.value);
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE) break;
      from = BigInt(String(last["idx"])) + 1n;
    }
    await db.close();
  }
  return leaves;
}
