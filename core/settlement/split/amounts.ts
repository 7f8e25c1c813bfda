/**
 * The amount model of an insurance settlement (NHSA `setlinfo`, domain notes 4.3), in fen under NHSA's own names.
 * What each fund, the person and the hospital bear of one bill.
 */
import { asFen, type Fen } from "../../protocol/money.ts";
import type { FundPart } from "../plan.ts";

/** 基金: 统筹, 公务员, 企业补充, 居民大病, 职工大额, 医疗救助, 其他. */
export const FUND_FIELDS = ["hifp_pay", "cvlserv_pay", "hifes_pay", "hifmi_pay", "hifob_pay", "maf_pay", "oth_pay"] as const;
/** 个人账户, 家庭共济账户: the person's own money, decided by the insurer. */
export const ACCOUNT_FIELDS = ["acct_pay", "acct_mulaid_pay"] as const;
/** 全自费, 超限价自费, 先行自付, 符合政策范围. */
export const SCOPE_FIELDS = ["fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt"] as const;
export type FundField = (typeof FUND_FIELDS)[number];
export type AccountField = (typeof ACCOUNT_FIELDS)[number];
export type ScopeField = (typeof SCOPE_FIELDS)[number];

export type AmountField =
  | "medfee_sumamt"
  | ScopeField
  | "act_pay_dedc"
  | FundField
  | "fund_pay_sumamt"
  | "psn_part_amt"
  | AccountField
  | "psn_cash_pay"
  | "hosp_part_amt";
/** Every amount of one settlement; all at or above zero. */
export type Amounts = Readonly<Record<AmountField, Fen>>;

export const AMOUNT_FIELDS = [
  "medfee_sumamt",
  ...SCOPE_FIELDS,
  "act_pay_dedc",
  ...FUND_FIELDS,
  "fund_pay_sumamt",
  "psn_part_amt",
  ...ACCOUNT_FIELDS,
  "psn_cash_pay",
  "hosp_part_amt",
] as const satisfies readonly AmountField[];

/** What the insurer's leg is made of: its funds, the accounts it pays from, and what it lays upon the hospital. */
const LEG_FIELDS = [...FUND_FIELDS, ...ACCOUNT_FIELDS, "hosp_part_amt"] as const;

/** The parts of the insurance leg, zero ones left out; with the cash part they make the whole bill. */
export function partsOf(amounts: Amounts): readonly FundPart[] {
  return LEG_FIELDS.filter((field) => amounts[field] > 0n).map((field) => ({ fundSource: field, amount: amounts[field] }));
}

export function sumOf(amounts: Iterable<Fen>): Fen {
  let sum = 0n;
  for (const amount of amounts) sum += amount;
  return asFen(sum);
}
