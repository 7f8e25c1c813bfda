/**
 * Double entry (DESIGN 5, ledger notes 2.1): every movement of a settlement is a pair of purses of the same fund
 * source, first reserved (`pending`), then ended by one more row: `posted`, `voided` (released) or `expired` (the payer
 * let the hold go). What was posted before its settlement failed is `reversed` by a row of the opposite direction.
 * Rows are never changed.
 */
import type { Fen } from "../protocol/money.ts";
import type { Adjustment, Supplement } from "./books.ts";
import type { Leg, RailName } from "./plan.ts";
import type { References, Settlement } from "./settlement.ts";

export const TRANSFER_STAGES = ["pending", "posted", "voided", "expired", "reversed"] as const;
export type TransferStage = (typeof TRANSFER_STAGES)[number];
export interface Transfer {
  /** The settlement, refund, adjustment or supplement that it belongs to: all transfers of a group are written together. */
  readonly group: string;
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

export const ACCOUNT_SIDES = ["payer", "institution", "suspense", "writeOff"] as const;
export type AccountSide = (typeof ACCOUNT_SIDES)[number];
/** A purse: side × rail × fund source × institution × region. Its id says all of it. */
export interface Account {
  readonly id: string;
  readonly side: AccountSide;
  readonly rail: RailName;
  readonly fundSource: string;
  /** `undefined` for a payer's. */
  readonly institution: string | undefined;
  readonly region: string;
}

/** Region of purses that belong to no insured area: commercial insurers, banks, corrections. */
export const NO_REGION = "000000";

/** What a fund of an area has paid out, over all institutions. */
export function payerAccount(rail: RailName, region: string, fundSource: string): Account {
  return { id: `payer/${rail}/${region}/${fundSource}`, side: "payer", rail, fundSource, institution: undefined, region };
}

/** What an institution has to receive from a fund of an area. */
export function institutionAccount(institution: string, rail: RailName, region: string, fundSource: string): Account {
  return { id: `institution/${institution}/${rail}/${region}/${fundSource}`, side: "institution", rail, fundSource, institution, region };
}

/** 挂账: what a payer and we do not agree on yet. */
export function suspenseAccount({ institution, rail, fundSource }: PurseOf): Account {
  return correctionAccount("suspense", { institution, rail, fundSource });
}

/** 核销: what was given up, by two people. */
export function writeOffAccount({ institution, rail, fundSource }: PurseOf): Account {
  return correctionAccount("writeOff", { institution, rail, fundSource });
}

type PurseOf = Pick<Adjustment, "institution" | "rail" | "fundSource">;
function correctionAccount(side: "suspense" | "writeOff", { institution, rail, fundSource }: PurseOf): Account {
  return { id: `${side}/${institution}/${rail}/${NO_REGION}/${fundSource}`, side, rail, fundSource, institution, region: NO_REGION };
}

type Owner = Pick<Settlement, "id" | "institution" | "action" | "region">;

/** The linked group of one settlement at one stage: payers to institution; the other way round for a refund. */
export function transfersOf(owner: Owner, legs: readonly Leg[], stage: TransferStage, references?: References): readonly Transfer[] {
  const toInstitution = (owner.action === "settle") === (stage !== "reversed");
  return legs.flatMap((leg) => {
    const region = regionOf(owner, leg.rail);
    return leg.parts.map(({ fundSource, amount }) => {
      const payer = payerAccount(leg.rail, region, fundSource).id;
      const institution = institutionAccount(owner.institution, leg.rail, region, fundSource).id;
      const [debit, credit] = toInstitution ? [payer, institution] : [institution, payer];
      const railReference = references?.get(leg.rail) ?? (leg.railReference === "" ? undefined : leg.railReference);
      return { group: owner.id, rail: leg.rail, fundSource, stage, debit, credit, amount, railReference };
    });
  });
}

/** Both purses of every part. */
export function accountsOf(owner: Owner, legs: readonly Leg[]): readonly Account[] {
  return legs.flatMap((leg) => {
    const region = regionOf(owner, leg.rail);
    return leg.parts.flatMap(({ fundSource }) => [
      payerAccount(leg.rail, region, fundSource),
      institutionAccount(owner.institution, leg.rail, region, fundSource),
    ]);
  });
}

/** A correction is one pair, reserved and posted at once: the payer's purse, suspense, or what was given up. */
export function adjustmentTransfers(adjustment: Omit<Adjustment, "reason">): {
  readonly accounts: readonly Account[];
  readonly transfers: readonly Transfer[];
} {
  const { kind, rail, fundSource, amount } = adjustment;
  const suspense = suspenseAccount(adjustment);
  const other = kind === "writeOff" ? writeOffAccount(adjustment) : payerAccount(rail, NO_REGION, fundSource);
  // Above zero the payer owes us: its purse is debited and suspense holds the claim, until it leaves again.
  const intoSuspense = (kind === "suspend") === amount > 0n;
  const [debit, credit] = intoSuspense ? [other.id, suspense.id] : [suspense.id, other.id];
  const size = (amount < 0n ? -amount : amount) as Fen;
  const pair = { group: adjustmentGroup(adjustment.adjustmentId), rail, fundSource, debit, credit, amount: size, railReference: undefined };
  return {
    accounts: [suspense, other],
    transfers: [
      { ...pair, stage: "pending" },
      { ...pair, stage: "posted" },
    ],
  };
}

/** 补账: as the payer's own movement would have been booked, reserved and posted at once. `region`: of its settlement. */
export function supplementTransfers(
  order: Pick<Supplement, "supplementId" | "rail" | "movement" | "railReference" | "institution" | "parts">,
  region: string | undefined,
): { readonly accounts: readonly Account[]; readonly transfers: readonly Transfer[] } {
  const { supplementId, rail, movement, railReference, institution, parts } = order;
  const owner = { id: supplementGroup(supplementId), institution, region, action: movement === "capture" ? "settle" : "refund" } as const;
  const legs = [{ rail, parts, railReference }];
  const transfers = (["pending", "posted"] as const).flatMap((stage) => transfersOf(owner, legs, stage));
  return { accounts: accountsOf(owner, legs), transfers };
}

export function supplementGroup(supplementId: string): string {
  return `supplement/${supplementId}`;
}

/** The way back of what was posted. */
export function reversing(posted: Transfer): Transfer {
  return { ...posted, stage: "reversed", debit: posted.credit, credit: posted.debit };
}

/** Settlement ids begin with `rs`, so no group has two owners. */
export function adjustmentGroup(adjustmentId: string): string {
  return `adjustment/${adjustmentId}`;
}

function regionOf(owner: Pick<Settlement, "region">, rail: RailName): string {
  return rail === "insurance" ? (owner.region ?? NO_REGION) : NO_REGION;
}

export interface Balance {
  readonly account: string;
  readonly fundSource: string;
  /** Credits less debits of posted and reversed transfers, fen. */
  readonly posted: bigint;
  /** Credits less debits reserved and not ended yet, fen. */
  readonly pending: bigint;
}

/** Every balance, always derived: there is no stored total that could disagree. */
export const BALANCES_SQL = `
SELECT account, fund_source,
  sum(CASE WHEN stage IN ('posted','reversed') THEN amount ELSE 0 END) AS posted,
  sum(CASE stage WHEN 'pending' THEN amount WHEN 'reversed' THEN 0 ELSE -amount END) AS pending
FROM (
  SELECT credit AS account, fund_source, stage, amount FROM transfer
  UNION ALL
  SELECT debit AS account, fund_source, stage, -amount FROM transfer
)
GROUP BY account, fund_source ORDER BY account`;
