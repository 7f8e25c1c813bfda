/**
 * Metrics in the text format that Prometheus reads (exposition format 0.0.4), for runtimes with web standards only. Labels
 * are drawn from closed lists: never an institution, a person, or anything that a caller can write.
 */

/** Of an answer that holds metrics. */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Of calls that people wait for, seconds. */
export const CALL_SECONDS: readonly number[] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Series of one metric; what would be one more counts under the label value `other`, and nothing grows without end. */
export const SERIES_MAX = 1_000;

export interface MetricSpec<L extends string> {
  /** `ronghe_…`, with its unit at the end; a counter ends in `_total`. */
  readonly name: string;
  readonly help: string;
  readonly labels: readonly L[];
}
export type Labels<L extends string> = Readonly<Record<L, string>>;
export interface Sample<L extends string> {
  readonly labels: Labels<L>;
  readonly value: number | bigint;
}
/** What is read when somebody asks. */
export type Reading<L extends string> = () => Iterable<Sample<L>> | Promise<Iterable<Sample<L>>>;

export interface Counter<L extends string> {
  add(labels: Labels<L>, count?: number): void;
}
export interface Histogram<L extends string> {
  observe(labels: Labels<L>, value: number): void;
}

interface Family {
  lines(): readonly string[] | Promise<readonly string[]>;
}

/**
 * @example
 * const calls = metrics.counter({ name: "ronghe_calls_total", help: "Calls.", labels: ["outcome"] });
 * calls.add({ outcome: "ok" });
 * await metrics.text(); // … ronghe_calls_total{outcome="ok"} 1
 */
export class Metrics {
  readonly #families = new Map<string, Family>();
  readonly #failures: Counter<"metric">;

  constructor() {
    const help = "Metrics that could not be read when they were asked for.";
    this.#failures = this.counter({ name: "ronghe_metrics_failures_total", help, labels: ["metric"] });
  }

  counter<L extends string>(spec: MetricSpec<L>): Counter<L> {
    const counts = new Series(spec, () => ({ count: 0 }));
    this.#add(spec, {
      lines: () => [
        ...header(spec, "counter"),
        ...counts.entries().map(([labels, { count }]) => `${spec.name}${labels} ${printed(count)}`),
      ],
    });
    return {
      add: (labels, count = 1) => {
        counts.of(labels).count += count;
      },
    };
  }

  histogram<L extends string>(spec: MetricSpec<L> & { readonly buckets: readonly number[] }): Histogram<L> {
    const { name, buckets } = spec;
    const seen = new Series(spec, () => ({ counts: buckets.map(() => 0), count: 0, sum: 0 }));
    this.#add(spec, {
      lines: () => [
        ...header(spec, "histogram"),
        ...seen
          .entries()
          .flatMap(([labels, { counts, count, sum }]) => [
            ...buckets.map((bucket, at) => `${name}_bucket${withLabel(labels, "le", printed(bucket))} ${upTo(counts, at)}`),
            `${name}_bucket${withLabel(labels, "le", "+Inf")} ${count}`,
            `${name}_sum${labels} ${printed(sum)}`,
            `${name}_count${labels} ${count}`,
          ]),
      ],
    });
    return {
      observe: (labels, value) => {
        const one = seen.of(labels);
        one.count++;
        one.sum += value;
        const at = buckets.findIndex((bucket) => value <= bucket);
        if (at >= 0) one.counts[at] = (one.counts[at] ?? 0) + 1;
      },
    };
  }

  /** Of what is known elsewhere. A reading that fails leaves its samples out and is counted. */
  gauge<L extends string>(spec: MetricSpec<L>, read: Reading<L>): void {
    this.#add(spec, {
      lines: async () => {
        try {
          const values = new Series<L, { value: number | bigint }>(spec, () => ({ value: 0 }));
          for (const { labels, value } of await read()) values.of(labels).value = value;
          return [...header(spec, "gauge"), ...values.entries().map(([labels, { value }]) => `${spec.name}${labels} ${printed(value)}`)];
        } catch {
          this.#failures.add({ metric: spec.name });
          return [];
        }
      },
    });
  }

  async text(): Promise<string> {
    const [failures, ...others] = [...this.#families.values()];
    const lines = await Promise.all(others.map((family) => family.lines()));
    // Last, so that it tells of this very reading.
    return `${[...lines.flat(), ...((await failures?.lines()) ?? [])].join("\n")}\n`;
  }

  #add(spec: MetricSpec<string>, family: Family): void {
    if (!NAME.test(spec.name) || spec.labels.some((label) => !LABEL.test(label) || label === "le"))
      throw new RangeError(`${spec.name}: not a metric's name, or not labels`);
    if (this.#families.has(spec.name)) throw new RangeError(`${spec.name} is there already`);
    this.#families.set(spec.name, family);
  }
}

/** No key of labels: those end in a line feed. */
const REST = "other";

const NAME = /^[a-z][a-z0-9_]*$/;
const LABEL = /^[a-z][a-z0-9_]*$/;

/** A bucket holds what the smaller ones hold. */
function upTo(counts: readonly number[], last: number): number {
  return counts.slice(0, last + 1).reduce((sum, count) => sum + count, 0);
}

/** Values by their labels. Garbage is counted too, so finding a series costs no more than joining its labels. */
class Series<L extends string, V> {
  readonly #labels: readonly L[];
  readonly #make: () => V;
  readonly #values = new Map<string, { readonly labels: string; readonly value: V }>();

  constructor(spec: MetricSpec<L>, make: () => V) {
    this.#labels = spec.labels;
    this.#make = make;
    // What has no labels is there from the start: a counter that is absent and one that is zero are not the same.
    if (spec.labels.length === 0) this.of({} as Labels<L>);
  }

  of(labels: Labels<L>): V {
    let key = "";
    // No label of ours holds a line feed; one that did would only share its series with another.
    for (const label of this.#labels) key += `${labels[label]}\n`;
    const known = this.#values.get(key);
    if (known !== undefined) return known.value;
    return this.#values.size < SERIES_MAX ? this.#begin(key, (label) => labels[label]) : this.#rest();
  }

  entries(): readonly (readonly [string, V])[] {
    return [...this.#values.values()].map(({ labels, value }) => [labels, value]);
  }

  #rest(): V {
    const known = this.#values.get(REST);
    return known === undefined ? this.#begin(REST, () => "other") : known.value;
  }

  #begin(key: string, labelled: (label: L) => string): V {
    const made = this.#make();
    this.#values.set(key, { labels: this.#print(labelled), value: made });
    return made;
  }

  #print(value: (label: L) => string): string {
    if (this.#labels.length === 0) return "";
    return `{${this.#labels.map((label) => `${label}="${escaped(value(label)).replaceAll('"', String.raw`\"`)}"`).join(",")}}`;
  }
}

function header({ name, help }: MetricSpec<string>, type: "counter" | "gauge" | "histogram"): readonly string[] {
  return [`# HELP ${name} ${escaped(help)}`, `# TYPE ${name} ${type}`];
}

function withLabel(labels: string, name: string, value: string): string {
  return labels === "" ? `{${name}="${value}"}` : `${labels.slice(0, -1)},${name}="${value}"}`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", String.raw`\n`);
}

function printed(value: number | bigint): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}
