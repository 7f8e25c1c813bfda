/**
 * Reconciliation of a million rows: a payer's CSV file, in no order, against as many postings, each run in a process of
 * its own. The bound reads the same file line by line and does nothing with it. What matters beside the rate is memory:
 * ten times the rows must not need more of it.
 */
import { execFile } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Figure, rateOf, type Report } from "./figures.ts";

const SMALL = 100_000;
const LARGE = 1_000_000;
const CHILD = fileURLToPath(new URL("./reconcile-run.ts", import.meta.url));
const spawned = promisify(execFile);

interface Measured {
  readonly rows: number;
  readonly seconds: number;
  readonly beforeMb: number;
  readonly peakMb: number;
  readonly matched: number;
  readonly waiting: number;
  readonly amount: number;
}

export async function run(report: Report): Promise<readonly Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), "ronghe-bench-statement-"));
  try {
    const measured: Measured[] = [];
    let linesPerSecond = 0;
    for (const rows of [SMALL, LARGE]) {
      const file = join(folder, `${rows}.csv`);
      await spawned(process.execPath, [CHILD, "write", file, String(rows)]);
      const { stdout } = await spawned(process.execPath, [CHILD, "run", file, String(rows)]);
      const one = JSON.parse(stdout) as Measured;
      checkOutcome(one);
      measured.push(one);
      linesPerSecond = await rateOf(() => countLines(file), 0);
      report(measured.length, 2);
    }
    const [small, large] = measured;
    if (small === undefined || large === undefined) throw new Error("two runs were measured");
    const perSecond = large.rows / large.seconds;
    return [
      {
        name: "reconcile.rows",
        what: `rows of a payer's file compared with our postings, ${LARGE.toLocaleString("en")} of them`,
        unit: "rows/s",
        perSecond,
        bound: { what: "lines of the same file, read", perSecond: linesPerSecond, ratio: perSecond / linesPerSecond },
        note: `peak memory ${large.peakMb.toFixed(0)} MB, of ${SMALL.toLocaleString("en")} rows ${small.peakMb.toFixed(0)} MB (a process that has not begun: ${small.beforeMb.toFixed(0)} MB); ${large.seconds.toFixed(1)} s and ${small.seconds.toFixed(1)} s`,
      },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Fast and wrong is not fast: every row of the file found its posting, or was missed. */
function checkOutcome({ rows, matched, waiting, amount }: Measured): void {
  if (matched + waiting + amount !== rows || waiting === 0 || amount === 0)
    throw new Error(`of ${rows} rows ${matched} matched, ${waiting} wait and ${amount} differ`);
}

async function countLines(file: string): Promise<number> {
  let lines = 0;
  for await (const _ of createInterface({ input: createReadStream(file) })) lines++;
  return lines;
}
