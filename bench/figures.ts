/**
 * How Ronghe's benchmarks measure: what is measured and what bounds it take turns in short rounds of one run, so that a
 * noisy machine meets both alike. The rates are medians of the rounds; the ratio is the median of each round's own ratio.
 */
import { performance } from "node:perf_hooks";
import { printTable } from "../cli/output.ts";

export interface Figure {
  /** Stable name for machines, for example `edge.decode`. */
  readonly name: string;
  readonly what: string;
  /** What is counted. */
  readonly unit: string;
  readonly perSecond: number;
  readonly bound?: Bound;
  readonly aim?: Aim;
  /** One remark for people. */
  readonly note?: string;
}

export interface Bound {
  readonly what: string;
  readonly perSecond: number;
  /** Median over the rounds of measured rate ÷ bound rate. */
  readonly ratio: number;
}

/** What the design asks for: a share of the bound, or a rate. */
export type Aim = { readonly ratio: number } | { readonly perSecond: number };

/** Told how far a benchmark is. */
export type Report = (done: number, of: number) => void;

/** Does some work and says how many operations it was. */
export type Work = (round: number) => number | Promise<number>;

/** A clock that only runs forward, ms. */
export type Meter = () => number;

/** Processor time of this thread: for work whose other half, the callers, stands in a thread of its own. */
export const threadTime: Meter = () => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

export interface Contest {
  readonly subject: Work;
  readonly bound: Work;
  readonly rounds: number;
  /** Rounds that only warm up, before those that count. */
  readonly warmUps?: number;
  /** What time is taken by, ms; wall time by default. */
  readonly meter?: Meter;
  readonly report?: Report;
}

export interface Outcome {
  readonly perSecond: number;
  readonly boundPerSecond: number;
  readonly ratio: number;
}

/** Subject and bound take turns, each first in every other round. */
export async function contest({ subject, bound, rounds, warmUps = 1, meter, report }: Contest): Promise<Outcome> {
  const rates: { readonly subject: number; readonly bound: number }[] = [];
  for (let round = 0; round < warmUps + rounds; round++) {
    const early = round % 2 === 0 ? await rateOf(subject, round, meter) : undefined;
    const boundRate = await rateOf(bound, round, meter);
    const rate = early ?? (await rateOf(subject, round, meter));
    if (round >= warmUps) rates.push({ subject: rate, bound: boundRate });
    report?.(round + 1, warmUps + rounds);
  }
  return {
    perSecond: median(rates.map((rate) => rate.subject)),
    boundPerSecond: median(rates.map((rate) => rate.bound)),
    ratio: median(rates.map((rate) => rate.subject / rate.bound)),
  };
}

/** Operations per second of one piece of work. */
export async function rateOf(work: Work, round: number, meter: Meter = () => performance.now()): Promise<number> {
  const from = meter();
  const operations = await work(round);
  return (operations * 1000) / (meter() - from);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  const lower = sorted[sorted.length % 2 === 1 ? middle : middle - 1];
  if (upper === undefined || lower === undefined) throw new RangeError("a median of nothing");
  return (upper + lower) / 2;
}

/** Whether a figure reaches its aim; `undefined` when it has none. */
export function reaches({ perSecond, bound, aim }: Figure): boolean | undefined {
  if (aim === undefined) return undefined;
  return "ratio" in aim ? bound !== undefined && bound.ratio >= aim.ratio : perSecond >= aim.perSecond;
}

export function printFigures(figures: readonly Figure[]): void {
  printTable(
    ["measured", "per second", "bound in the same run", "per second", "ratio", "aim"],
    figures.map((figure) => [
      figure.what,
      `${rounded(figure.perSecond)} ${figure.unit}`,
      figure.bound?.what ?? "",
      figure.bound === undefined ? "" : rounded(figure.bound.perSecond),
      figure.bound === undefined ? "" : figure.bound.ratio.toFixed(2),
      aimText(figure),
    ]),
  );
  for (const { name, note } of figures) if (note !== undefined) console.log(`${name}: ${note}`);
}

function aimText(figure: Figure): string {
  if (figure.aim === undefined) return "";
  const wanted = "ratio" in figure.aim ? `ratio ${figure.aim.ratio}` : `${figure.aim.perSecond}/s`;
  return `${wanted}: ${reaches(figure) === true ? "reached" : "missed"}`;
}

function rounded(value: number): string {
  return Math.round(value).toLocaleString("en");
}
