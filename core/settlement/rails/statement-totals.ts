/** What a statement sums to: of all rows, and apart by institution and fund source. One counting for every side of it. */
import { asFen, type Fen } from "../../protocol/money.ts";
import type { InstitutionTotals, StatementRow, StatementTotals } from "./port.ts";

/** Counts and sums as 3201 compares them; refunds and reversals together. */
export type Totals = Pick<StatementTotals, "captures" | "captured" | "refunds" | "refunded">;

export class TotalsSum {
  #captures = 0;
  #refunds = 0;
  #captured = 0n;
  #refunded = 0n;

  add(row: Pick<StatementRow, "kind" | "amount">): void {
    if (row.kind === "capture") {
      this.#captures++;
      this.#captured += row.amount;
    } else {
      this.#refunds++;
      this.#refunded += row.amount;
    }
  }

  get totals(): Totals {
    return { captures: this.#captures, captured: asFen(this.#captured), refunds: this.#refunds, refunded: asFen(this.#refunded) };
  }
}

export class InstitutionSums {
  readonly #all = new TotalsSum();
  readonly #institutions = new Map<
    string,
    { readonly sum: TotalsSum; readonly funds: Map<string, { captured: bigint; refunded: bigint }> }
  >();

  /** Some row of it is not split over funds: its funds would not add up. */
  readonly #unsplit = new Set<string>();

  add(row: Pick<StatementRow, "kind" | "amount" | "institution" | "parts">): void {
    this.#all.add(row);
    const one = this.#institutions.get(row.institution) ?? { sum: new TotalsSum(), funds: new Map() };
    this.#institutions.set(row.institution, one);
    one.sum.add(row);
    if (row.parts.length === 0) this.#unsplit.add(row.institution);
    for (const { fundSource, amount } of row.parts) {
      const fund = one.funds.get(fundSource) ?? { captured: 0n, refunded: 0n };
      one.funds.set(fundSource, fund);
      fund[row.kind === "capture" ? "captured" : "refunded"] += amount;
    }
  }

  get totals(): Totals {
    return this.#all.totals;
  }

  /** In the order of their codes, funds in the order of their names. */
  get institutions(): readonly InstitutionTotals[] {
    return [...this.#institutions]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([institution, { sum, funds }]) => ({
        institution,
        ...sum.totals,
        funds: (this.#unsplit.has(institution) ? [] : [...funds])
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([fundSource, { captured, refunded }]) => ({ fundSource, captured: asFen(captured), refunded: asFen(refunded) })),
      }));
  }
}

export function sameTotals(a: Totals, b: Totals): boolean {
  return a.captures === b.captures && a.captured === b.captured && a.refunds === b.refunds && a.refunded === b.refunded;
}

/** Each institution has the same, and of each fund source where both state funds. */
export function sameInstitutions(a: readonly InstitutionTotals[], b: readonly InstitutionTotals[]): boolean {
  const theirs = new Map(b.map((one) => [one.institution, one]));
  if (a.length !== b.length || theirs.size !== b.length) return false;
  return a.every((one) => {
    const other = theirs.get(one.institution);
    return other !== undefined && sameTotals(one, other) && sameFunds(one.funds, other.funds);
  });
}

/** Only what both sides state is compared. */
function sameFunds(a: InstitutionTotals["funds"] = [], b: InstitutionTotals["funds"] = []): boolean {
  return a.length === 0 || b.length === 0 || fundsText(a) === fundsText(b);
}

function fundsText(funds: NonNullable<InstitutionTotals["funds"]>): string {
  return funds
    .map(({ fundSource, captured, refunded }) => `${fundSource} ${captured} ${refunded}`)
    .sort()
    .join("\n");
}

/** Of all institutions together, and whether each one's funds are its sums and none stands twice. */
export function addUp(institutions: readonly InstitutionTotals[]): { readonly totals: Totals; readonly sound: boolean } {
  const total = (of: (one: InstitutionTotals) => bigint): Fen => asFen(institutions.reduce((sum, one) => sum + of(one), 0n));
  const sound = institutions.every(
    ({ funds, captured, refunded }) =>
      funds === undefined ||
      ((funds.length === 0 || (sumOf(funds, "captured") === captured && sumOf(funds, "refunded") === refunded)) &&
        new Set(funds.map(({ fundSource }) => fundSource)).size === funds.length),
  );
  return {
    totals: {
      captures: institutions.reduce((sum, one) => sum + one.captures, 0),
      refunds: institutions.reduce((sum, one) => sum + one.refunds, 0),
      captured: total((one) => one.captured),
      refunded: total((one) => one.refunded),
    },
    sound: sound && new Set(institutions.map(({ institution }) => institution)).size === institutions.length,
  };
}

function sumOf(funds: NonNullable<InstitutionTotals["funds"]>, side: "captured" | "refunded"): bigint {
  return funds.reduce((sum, fund) => sum + fund[side], 0n);
}
