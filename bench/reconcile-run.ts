/**
 * One reconciliation of so many rows in a process of its own, so that its memory is its own:
 * `node bench/reconcile-run.ts write FILE N` makes the statement, a CSV file in shuffled order; `… run FILE N` compares it
 * and prints one JSON line. Our postings are counted off, so that the shards' own reading is not measured here.
 */
import { createWriteStream } from "node:fs";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { loadCrypto } from "../core/crypto/index.ts";
import { asFen } from "../core/protocol/money.ts";
import type { EventMs } from "../core/protocol/time.ts";
import type { AccountingDay, Posting, ShardBooks } from "../core/settlement/books.ts";
import { dayStart } from "../core/settlement/day/accounting-day.ts";
import { printCsvRow, printCsvTrailer } from "../core/settlement/reconcile/csv.ts";
import { CSV_HEADER } from "../core/settlement/reconcile/mapping.ts";
import { TotalsSum } from "../core/settlement/rails/statement-totals.ts";
import { openReconciler } from "../core/settlement/reconcile/reconciler.ts";
import { printJson } from "../cli/output.ts";
import { openDatabase } from "../migrations/database.ts";

const DAY = "20260105" as AccountingDay;
/** Shares no factor with any count of rows that is asked for: visits every row once, in no order. */
const STRIDE = 7_368_787;
const LINES_AT_ONCE = 500;
/** One of so many rows of ours is not in the statement, one of so many differs. */
const MISSING_EVERY = 10_007;
const WRONG_EVERY = 20_011;

const [what, file = "", count = "100000"] = process.argv.slice(2);
const rows = Number(count);
if (what === "write") await writeStatement();
else await compare();

async function compare(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "ronghe-bench-reconcile-"));
  try {
    const db = await openDatabase({ kind: "books", file: join(folder, "books.db") });
    const reconciler = await openReconciler({
      db,
      shards: new Map([[0, books()]]),
      shardOf: () => 0,
      payers: {},
      crypto: await loadCrypto(),
      clock: { now: () => (dayStart(DAY) + 90_000_000) as EventMs },
      folder,
      find: () => Promise.resolve(undefined),
    });
    const beforeMb = process.memoryUsage().rss / 2 ** 20;
    const from = performance.now();
    const answer = await reconciler.run({ rail: "bank", day: DAY, by: "bench", input: { kind: "file", file } });
    const seconds = (performance.now() - from) / 1000;
    if (!answer.ok) throw new Error(JSON.stringify(answer.error));
    await db.close();
    const { matched, waiting, amount } = answer.value.counts;
    const peakMb = process.resourceUsage().maxRSS / 1024;
    printJson({ rows, seconds, beforeMb, peakMb, matched: Number(matched), waiting: Number(waiting), amount: Number(amount) });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function posting(n: number): Posting {
  const key = `rs${String(n).padStart(30, "0")}/bank/capture`;
  const amount = asFen(BigInt(100 + (n % 99_900)));
  return {
    rail: "bank",
    settlementId: key.slice(0, 32),
    key,
    kind: "capture",
    institution: `H5101040000${n % 6}`,
    amount,
    parts: [{ fundSource: "psn_cash_pay", amount }],
    railReference: `B${String(n).padStart(12, "0")}`,
    postedAtMs: (dayStart(DAY) + Math.floor((n / rows) * 80_000) * 1000) as EventMs,
    day: DAY,
    late: false,
    ledgerIndex: BigInt(n),
  };
}

async function writeStatement(): Promise<void> {
  const stream = createWriteStream(file);
  let lines = `${CSV_HEADER}\r\n`;
  const sum = new TotalsSum();
  for (let at = 0; at < rows; at++) {
    const n = (at * STRIDE) % rows;
    if (n % MISSING_EVERY === 1) continue;
    const { postedAtMs: atMs, amount, ...one } = posting(n);
    const row = { ...one, atMs, amount: n % WRONG_EVERY === 2 ? asFen(amount + 1n) : amount, parts: [] };
    sum.add(row);
    lines += `${printCsvRow(row)}\r\n`;
    if (at % LINES_AT_ONCE !== 0) continue;
    if (!stream.write(lines)) await once(stream, "drain");
    lines = "";
  }
  stream.end(`${lines}${printCsvTrailer(sum.totals)}\r\n`);
  await finished(stream);
}

function none(): never {
  throw new Error("a benchmark compares, nothing else");
}

function books(): ShardBooks {
  return {
    shard: 0,
    async *postings() {
      for (let n = 0; n < rows; n++) yield posting(n);
    },
    openKeys: () => Promise.resolve([]),
    kept: () => Promise.resolve([]),
    onKept: () => undefined,
    giveBack: none,
    heal: none,
    adjust: none,
    supplement: none,
    takeBack: none,
    refusalOf: none,
    record: () => Promise.resolve({ origin: "bench/settlement-0", index: 0n, leafHash: new Uint8Array(32) }),
    trialBalance: none,
    seal: none,
    seals: () => Promise.resolve([]),
  };
}
