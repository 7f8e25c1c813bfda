/** `npm run bench [-- name…] [-- --json]`: measures Ronghe against bounds taken in the same run. Never fails for being slow. */
import { availableParallelism } from "node:os";
import { printJson } from "../cli/output.ts";
import { progressBar } from "../cli/progress.ts";
import { type Figure, printFigures, reaches, type Report } from "./figures.ts";

const NAMES = [
  "crypto",
  "edge",
  "edge-runtimes",
  "fraud-restart",
  "ledger",
  "reconcile",
  "rules",
  "settlement",
  "verifier-page",
  "witness",
] as const;
/** Takes so long that it is only measured when named. */
const LONG = ["edge-memory", "leakage"] as const;

/** What a file of this folder that is named above exports. A benchmark without figures prints for itself. */
interface Benchmark {
  run(report: Report): Promise<readonly Figure[] | void>;
}

async function main(words: readonly string[]): Promise<number> {
  const json = words.includes("--json");
  const asked = words.filter((word) => word !== "--json");
  const known: readonly string[] = [...NAMES, ...LONG];
  const unknown = asked.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    console.error(`bench: nothing called ${unknown} to measure: ${known.join(", ")}, --json`);
    return 2;
  }
  const figures: Figure[] = [];
  for (const name of known) {
    if (asked.length > 0 ? !asked.includes(name) : LONG.some((long) => long === name)) continue;
    const bar = progressBar(`of ${name} measured`);
    const benchmark = (await import(`./${name}.ts`)) as Benchmark;
    const measured = (await benchmark.run((done, of) => bar.update(done, of))) ?? [];
    bar.stop();
    figures.push(...measured);
    if (measured.length > 0) printFigures(measured);
  }
  if (json)
    printJson({
      node: process.version,
      cores: availableParallelism(),
      figures: figures.map((figure) => ({ ...figure, reached: reaches(figure) })),
    });
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
