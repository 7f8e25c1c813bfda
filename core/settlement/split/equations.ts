/**
 * The equations that the amounts of a settlement must satisfy (domain notes 4.3, checks 1 to 6), each with a code of
 * its own. Pure; used on what an insurer answers before any of it is believed.
 */
import { asFen, type Fen, parseYuan } from "../../protocol/money.ts";
import { refused, ok, type Result } from "../../protocol/result.ts";
import { ACCOUNT_FIELDS, AMOUNT_FIELDS, type AmountField, type Amounts, FUND_FIELDS, sumOf } from "./amounts.ts";
import type { ProvinceProfile } from "./profile.ts";

export type Violation =
  /** An amount below zero. */
  | "negativeAmount"
  /** 1: the total is not the sum of its scope terms. */
  | "totalTerms"
  /** 2: the total is not fund + person (+ hospital). */
  | "totalPayers"
  /** 3: the person's part is not accounts + cash. */
  | "personParts"
  /** 4: the fund total is not the sum of the funds. */
  | "fundParts"
  /** 医院负担 where the province has none. */
  | "hospitalPart"
  /** The insured deductible lies above what is insured. */
  | "deductibleAboveScope";

/** All that is wrong, in the order of the checks; nothing when the amounts hold. */
export function violationsOf(amounts: Amounts, profile: ProvinceProfile): readonly Violation[] {
  const total = amounts.medfee_sumamt;
  const hospital = profile.hospitalPart ? amounts.hosp_part_amt : 0n;
  const checks: readonly (readonly [Violation, boolean])[] = [
    ["negativeAmount", AMOUNT_FIELDS.every((field) => amounts[field] >= 0n)],
    ["totalTerms", sumOf(profile.totalTerms.map((field) => amounts[field])) === total],
    ["totalPayers", fundOf(amounts, profile) + amounts.psn_part_amt + hospital === total],
    ["personParts", sumOf(ACCOUNT_FIELDS.map((field) => amounts[field])) + amounts.psn_cash_pay === amounts.psn_part_amt],
    ["fundParts", sumOf(FUND_FIELDS.map((field) => amounts[field])) === fundOf(amounts, profile)],
    ["hospitalPart", profile.hospitalPart || amounts.hosp_part_amt === 0n],
    ["deductibleAboveScope", amounts.act_pay_dedc <= amounts.inscp_scp_amt],
  ];
  return checks.filter(([, holds]) => !holds).map(([code]) => code);
}

/** `fund_pay_sumamt` without the personal account, whichever way the province counts: else it would be counted twice. */
export function fundOf(amounts: Pick<Amounts, "fund_pay_sumamt" | "acct_pay">, profile: ProvinceProfile): Fen {
  return asFen(amounts.fund_pay_sumamt - (profile.fundIncludesAccount ? amounts.acct_pay : 0n));
}

/** Amounts of an online order (6201 and 6301). */
export interface OnlineAmounts {
  readonly feeSumamt: Fen;
  readonly ownPayAmt: Fen;
  readonly psnAcctPay: Fen;
  readonly fundPay: Fen;
}
export type OnlineViolation = "onlineParts" | "detailSum";

/** 5, first half: the three parts make the order, and the fee lines make the bill. */
export function onlineViolationsOf(order: OnlineAmounts, bill: Fen, details: readonly Fen[]): readonly OnlineViolation[] {
  const found: OnlineViolation[] = [];
  if (order.ownPayAmt + order.psnAcctPay + order.fundPay !== order.feeSumamt) found.push("onlineParts");
  if (sumOf(details) !== bill) found.push("detailSum");
  return found;
}

/** What a refund touches: everything, only cash, or no cash. */
export const REFUND_TYPES = ["ALL", "CASH", "HI"] as const;
export type RefundType = (typeof REFUND_TYPES)[number];
/** One settlement's money by what a refund type can touch. */
export interface RefundSides {
  readonly fund: Fen;
  readonly account: Fen;
  readonly cash: Fen;
}
export type RefundViolation = "refundAboveOriginal" | "refundNotWhole" | "cashRefundTouchesInsurance" | "insuranceRefundTouchesCash";

/** 5, second half. `left` is what was paid less what was given back before. */
export function refundViolationsOf(type: RefundType, refund: RefundSides, left: RefundSides): readonly RefundViolation[] {
  const found: RefundViolation[] = [];
  if (refund.fund > left.fund || refund.account > left.account || refund.cash > left.cash) found.push("refundAboveOriginal");
  if (type === "ALL" && (refund.fund !== left.fund || refund.account !== left.account || refund.cash !== left.cash))
    found.push("refundNotWhole");
  if (type === "CASH" && (refund.fund !== 0n || refund.account !== 0n)) found.push("cashRefundTouchesInsurance");
  if (type === "HI" && refund.cash !== 0n) found.push("insuranceRefundTouchesCash");
  return found;
}

/** Fields that a settlement answer cannot do without; the others are zero when they are absent. */
const REQUIRED: ReadonlySet<AmountField> = new Set(["medfee_sumamt", "fund_pay_sumamt", "psn_part_amt", "acct_pay", "psn_cash_pay"]);

/** 6: reads amounts in partners' form; three decimals, a sign or a missing total are errors. Gives the field that is wrong. */
export function readAmounts(fields: Readonly<Partial<Record<AmountField, string | undefined>>>): Result<Amounts, AmountField> {
  const read: Partial<Record<AmountField, Fen>> = {};
  for (const field of AMOUNT_FIELDS) {
    const text = fields[field];
    const amount = text === undefined && !REQUIRED.has(field) ? asFen(0n) : parseYuan(text ?? "");
    if (amount === undefined) return refused(field);
    read[field] = amount;
  }
  return ok(read as Amounts);
}
