/**
 * What a run counts, per shard, so that each shard's log records its own and the sum is the run. Every movement of the day
 * is counted once, whether it stands on one side or on both:
 * `totalsEqual + matched + byReference + cancelled + healed + waiting + met + surplus + shortage + amount`.
 */
export const COUNT_NAMES = [
  "rowsOurs",
  "rowsTheirs",
  /** Net: taken less given back. */
  "fenOurs",
  "fenTheirs",
  /** Counted in totals that are equal, no row read. */
  "totalsEqual",
  /** By key, and by the payer's reference. */
  "matched",
  "byReference",
  /** A payment and its own reversal, of which our books have neither. */
  "cancelled",
  /** Open calls that the statement answered. */
  "healed",
  /** Timing: rows that wait for the payer's next days, and rows that met on another day. */
  "waiting",
  "met",
  /** What is different on this day, by class: whether its case is new, known or closed by people. */
  "surplus",
  "shortage",
  "amount",
  /** Cases that this run opened, of this day and of days whose second look it ended. */
  "opened",
] as const;
export type CountName = (typeof COUNT_NAMES)[number];
export type Counts = Readonly<Record<CountName, bigint>>;

export class Tally {
  readonly #shards = new Map<number, Record<CountName, bigint>>();

  constructor(shards: readonly number[]) {
    for (const shard of shards) this.#shards.set(shard, zero());
  }

  add(shard: number, name: CountName, by = 1n): void {
    const counts = this.#shards.get(shard) ?? zero();
    this.#shards.set(shard, counts);
    counts[name] += by;
  }

  get perShard(): ReadonlyMap<number, Counts> {
    return this.#shards;
  }
}

export function sumOf(counts: Iterable<Counts>): Counts {
  const sum = zero();
  for (const one of counts) for (const name of COUNT_NAMES) sum[name] += one[name];
  return sum;
}

function zero(): Record<CountName, bigint> {
  return Object.fromEntries(COUNT_NAMES.map((name) => [name, 0n])) as Record<CountName, bigint>;
}

/** What a movement adds to the net sum. */
export function signed(row: { readonly kind: string; readonly amount: bigint }): bigint {
  return row.kind === "capture" ? row.amount : -row.amount;
}
