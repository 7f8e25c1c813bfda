/**
 * Double entry (docs in DESIGN 5, ledger notes 2.1): every movement of a settlement is a pair of purses of the same
 * fund source, first reserved (`pending`), then `posted` or `voided` by one more row. Rows are never changed.
 */
import type { Fen } from "../protocol/money.ts";
import type { Leg, RailName } from "./plan.ts";
import type { Settlement } from "./settlement.ts";

export type TransferStage = "pending" | "posted" | "voided";
export interface Transfer {
  readonly settlementId: string;
  readonly rail: RailName;
  readonly fundSource: string;
  readonly stage: TransferStage;
  /** Account the amount leaves. */
  readonly debit: string;
  /** Account the amount enters. */
  readonly credit: string;
  readonly amount: Fen;
  readonly railReference: string | undefined;
}
export interface Account {
  readonly id: string;
  readonly side: "payer" | "institution";
  readonly rail: RailName;
  readonly fundSource: string;
  readonly institution: string | undefined;
}

/** The payer's purse of a fund source. */
export function payerAccount(rail: RailName, fundSource: string): Account {
  return { id: `payer/${rail}/${fundSource}`, side: "payer", rail, fundSource, institution: undefined };
}

/** What an institution has to receive from a fund source. */
export function institutionAccount(institution: string, rail: RailName, fundSource: string): Account {
  return { id: `institution/${institution}/${rail}/${fundSource}`, side: "institution", rail, fundSource, institution };
}

/** The linked group of one settlement at one stage: payers to institution; the other way round for a refund. */
export function transfersOf(
  settlement: Pick<Settlement, "id" | "institution" | "action">,
  legs: readonly Leg[],
  stage: TransferStage,
  references?: ReadonlyMap<RailName, string>,
): readonly Transfer[] {
  return legs.flatMap((leg) =>
    leg.parts.map(({ fundSource, amount }) => {
      const payer = payerAccount(leg.rail, fundSource).id;
      const institution = institutionAccount(settlement.institution, leg.rail, fundSource).id;
      const [debit, credit] = settlement.action === "settle" ? [payer, institution] : [institution, payer];
      const railReference = references?.get(leg.rail) ?? (leg.railReference === "" ? undefined : leg.railReference);
      return { settlementId: settlement.id, rail: leg.rail, fundSource, stage, debit, credit, amount, railReference };
    }),
  );
}

/** Both purses of every part. */
export function accountsOf(institution: string, legs: readonly Leg[]): readonly Account[] {
  return legs.flatMap((leg) =>
    leg.parts.flatMap(({ fundSource }) => [payerAccount(leg.rail, fundSource), institutionAccount(institution, leg.rail, fundSource)]),
  );
}

export interface Balance {
  readonly account: string;
  readonly fundSource: string;
  /** Credits less debits of posted transfers, fen. */
  readonly posted: bigint;
  /** Credits less debits reserved and neither posted nor voided yet, fen. */
  readonly pending: bigint;
}

/** Every balance, always derived: there is no stored total that could disagree. */
export const BALANCES_SQL = `
SELECT account, fund_source,
  sum(CASE WHEN stage='posted' THEN amount ELSE 0 END) AS posted,
  sum(CASE WHEN stage='pending' THEN amount ELSE -amount END) AS pending
FROM (
  SELECT credit AS account, fund_source, stage, amount FROM transfer
  UNION ALL
  SELECT debit AS account, fund_source, stage, -amount FROM transfer
)
GROUP BY account, fund_source ORDER BY account`;
