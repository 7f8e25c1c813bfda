import { existsSync } from "node:fs";
import { asFen, formatYuan } from "../../core/protocol/money.ts";
import { cstDay, type EventMs } from "../../core/protocol/time.ts";
import { decodeLeaf, type Leaf } from "../../ledger/verifier/leaf.ts";
import { openDatabase } from "../../migrations/database.ts";
import { compareWithLedger, type SupervisionRow, supervisionReport } from "../../streams/supervision/report.ts";
import { type Config, UsageError } from "../config.ts";
import { printJson, printTable } from "../output.ts";
import { layoutOf, readPlatform } from "../platform/layout.ts";
import { logFiles } from "../platform/verify.ts";

const FUND_NAMES: Readonly<Record<string, string>> = {
  hifp_pay: "统筹基金",
  hifmi_pay: "大病保险",
  maf_pay: "医疗救助",
  acct_pay: "个人账户",
  commercial_claim: "商保直赔",
  psn_cash_pay: "银行/现金",
};
const PAGE = 5_000;

export interface SuperviseOptions {
  readonly day?: string;
  readonly json?: boolean;
  readonly lang: "zh" | "en";
}

/** `ronghe supervise`: the supervisor's figures, and whether they add up with the ledger to the fen (status 1 when not). */
export async function supervise(config: Config, options: SuperviseOptions): Promise<number> {
  if (options.day !== undefined && !/^\d{4}-\d{2}-\d{2}$/.test(options.day)) throw new UsageError("--day is yyyy-mm-dd");
  const layout = layoutOf(config.RONGHE_DATA);
  if (!existsSync(layout.streams.database)) throw new UsageError(`nothing has been supervised on ${config.RONGHE_DATA} yet`);
  const db = await openDatabase({ kind: "streams", file: layout.streams.database, readOnly: true });
  const rows = await supervisionReport(db, options.day);
  await db.close();
  const leaves = await settlementLeaves(config);
  const entries = options.day === undefined ? leaves : leaves.filter((leaf) => cstDay(Number(leaf.postedMs) as EventMs) === options.day);
  const comparison = compareWithLedger(rows, entries);
  if (options.json === true) printJson({ rows, comparison });
  else printRows(rows, options.lang, comparison);
  return comparison.agrees ? 0 : 1;
}

function printRows(rows: readonly SupervisionRow[], lang: "zh" | "en", comparison: ReturnType<typeof compareWithLedger>): void {
  const zh = lang === "zh";
  printTable(
    zh
      ? ["日期", "机构", "扫码(通过/拒绝)", "结算", "拒付", "退费", "待查", "资金来源(净额, 元)"]
      : ["day", "institution", "scans (good/bad)", "settled", "refused", "refunded", "unknown", "funds (net, yuan)"],
    rows.map((row) => {
      const count = (good: boolean): number =>
        row.scans.reduce((sum, line) => sum + (line.observedBy === "edge" && (line.outcome === "accepted") === good ? line.scans : 0), 0);
      const funds = row.funds.map(
        (fund) => `${zh ? (FUND_NAMES[fund.fundSource] ?? fund.fundSource) : fund.fundSource} ${yuan(fund.netFen)}`,
      );
      return [
        row.day,
        row.institution,
        `${count(true)} / ${count(false)}`,
        ...[row.settled, row.refused, row.refunded, row.unknown].map(String),
        funds.join("\n"),
      ];
    }),
  );
  const { supervision, ledger } = comparison.totalFen;
  if (zh)
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

function yuan(fen: bigint): string {
  return formatYuan(asFen(fen));
}

/** Settled and refunded entries of every shard, decoded from their exact bytes. */
async function settlementLeaves(config: Config): Promise<readonly Leaf[]> {
  const layout = layoutOf(config.RONGHE_DATA);
  const leaves: Leaf[] = [];
  for (const { origin, file } of logFiles(layout, readPlatform(layout))) {
    if (origin.endsWith("/registry") || !existsSync(file)) continue;
    const db = await openDatabase({ kind: "shard", file, readOnly: true });
    for (let from = 0n; ;) {
      const rows = await db.read(
        "SELECT idx, bytes FROM leaf WHERE idx >= ? AND kind IN ('settlement.settled', 'settlement.refunded') ORDER BY idx LIMIT ?",
        from,
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
