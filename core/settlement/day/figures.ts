/**
 * What movements add up to, per payer and fund source: the one sum behind an institution's own statement, the month
 * statement and whatever else prints gross figures of the books. Pure.
 *
 * A payment that was reversed before its bill was settled was neither paid nor given back: it counts in neither figure, on
 * no statement, and stands apart as `reversed`. Both movements are of one step, so of one accounting day. What a payer keeps
 * of a refused bill is money that was paid, and counts.
 */
import { asFen, type Fen } from "../../protocol/money.ts";
import type { Posting } from "../books.ts";
import { RAIL_ORDER, type RailName } from "../plan.ts";

export interface Sums {
  /** Movements; of a whole, legs. */
  readonly captures: number;
  readonly captured: Fen;
  readonly refunds: number;
  readonly refunded: Fen;
  /** Taken and given back by the same step, in none of the other figures. */
  readonly reversed: Fen;
  /** Captured less refunded. */
  readonly net: Fen;
}
export interface SourceSums extends Sums {
  readonly rail: RailName;
  readonly fundSource: string;
}
export type Movement = Pick<Posting, "rail" | "kind" | "parts">;

interface Growing {
  captures: number;
  captured: bigint;
  refunds: number;
  refunded: bigint;
  reversed: bigint;
}

export class Figures {
  readonly #bySource = new Map<string, Growing & { readonly rail: RailName; readonly fundSource: string }>();
  readonly #legs = { captures: 0, refunds: 0 };

  add({ rail, kind, parts }: Movement): void {
    count(this.#legs, kind);
    for (const { fundSource, amount } of parts) {
      const at = `${RAIL_ORDER.indexOf(rail)} ${fundSource}`;
      const sum = this.#bySource.get(at) ?? { rail, fundSource, ...NOTHING };
      this.#bySource.set(at, sum);
      count(sum, kind);
      if (kind === "refund") sum.refunded += amount;
      else sum.captured += kind === "capture" ? amount : -amount;
      if (kind === "reversal") sum.reversed += amount;
    }
  }

  get isEmpty(): boolean {
    return this.#bySource.size === 0;
  }

  /** In the order of payers. */
  get sources(): readonly SourceSums[] {
    return [...this.#bySource].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => sums(one));
  }

  /** Counts legs; sums all fund sources. */
  get total(): Sums {
    const all = [...this.#bySource.values()];
    const sum = (name: "captured" | "refunded" | "reversed"): bigint => all.reduce((total, one) => total + one[name], 0n);
    return sums({ ...this.#legs, captured: sum("captured"), refunded: sum("refunded"), reversed: sum("reversed") });
  }
}

const NOTHING: Growing = { captures: 0, captured: 0n, refunds: 0, refunded: 0n, reversed: 0n };

function count(of: { captures: number; refunds: number }, kind: Movement["kind"]): void {
  if (kind === "refund") of.refunds++;
  else of.captures += kind === "capture" ? 1 : -1;
}

function sums<T extends Growing>(one: T): T & Sums {
  const { captured, refunded, reversed } = one;
  return { ...one, captured: asFen(captured), refunded: asFen(refunded), reversed: asFen(reversed), net: asFen(captured - refunded) };
}
