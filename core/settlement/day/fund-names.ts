/** Payers and fund sources (资金来源) as people call them. */
import type { RailName } from "../plan.ts";

export interface Name {
  readonly zh: string;
  readonly en: string;
}

export const RAIL_NAMES: Readonly<Record<RailName, Name>> = {
  insurance: { zh: "医疗保险", en: "medical insurance" },
  commercial: { zh: "商业保险", en: "commercial insurance" },
  bank: { zh: "银行", en: "bank" },
};

const FUNDS: Readonly<Record<string, Name>> = {
  hifp_pay: { zh: "统筹基金", en: "pooling fund" },
  cvlserv_pay: { zh: "公务员补助", en: "civil servants" },
  hifes_pay: { zh: "企业补充", en: "enterprise supplement" },
  hifmi_pay: { zh: "居民大病保险", en: "serious illness" },
  hifob_pay: { zh: "职工大额", en: "large amounts" },
  maf_pay: { zh: "医疗救助", en: "medical assistance" },
  oth_pay: { zh: "其他基金", en: "other funds" },
  acct_pay: { zh: "个人账户", en: "personal account" },
  acct_mulaid_pay: { zh: "家庭共济", en: "family account" },
  commercial_claim: { zh: "商保直赔", en: "direct claim" },
  psn_cash_pay: { zh: "银行支付", en: "bank payment" },
};

/** A source that is not in the list stands under its own code. */
export function fundName(fundSource: string): Name {
  return FUNDS[fundSource] ?? { zh: fundSource, en: fundSource };
}
