/**
 * Fund sources (资金来源): the one vocabulary. NHSA's code, who alone may pay from it, and what people call it. Order of
 * payers, then of NHSA's `setlinfo`.
 */
export interface FundSource {
  readonly rail: keyof typeof RAIL_NAMES;
  readonly zh: string;
  readonly en: string;
}

/** Families of payers, as people call them. */
export const RAIL_NAMES = {
  insurance: { zh: "医疗保险", en: "medical insurance" },
  commercial: { zh: "商业保险", en: "commercial insurance" },
  bank: { zh: "银行", en: "bank" },
} as const;

export const FUND_SOURCES = {
  hifp_pay: { rail: "insurance", zh: "统筹基金", en: "pooling fund" },
  cvlserv_pay: { rail: "insurance", zh: "公务员医疗补助", en: "civil servants' supplement" },
  hifes_pay: { rail: "insurance", zh: "企业补充医疗保险", en: "enterprise supplement" },
  hifmi_pay: { rail: "insurance", zh: "居民大病保险", en: "serious illness" },
  hifob_pay: { rail: "insurance", zh: "职工大额医疗费用补助", en: "large amounts" },
  maf_pay: { rail: "insurance", zh: "医疗救助", en: "medical assistance" },
  oth_pay: { rail: "insurance", zh: "其他基金", en: "other funds" },
  acct_pay: { rail: "insurance", zh: "个人账户", en: "personal account" },
  acct_mulaid_pay: { rail: "insurance", zh: "家庭共济账户", en: "family account" },
  hosp_part_amt: { rail: "insurance", zh: "医院负担", en: "borne by the hospital" },
  commercial_claim: { rail: "commercial", zh: "商保直赔", en: "direct claim" },
  psn_cash_pay: { rail: "bank", zh: "银行/现金", en: "bank or cash" },
} as const satisfies Readonly<Record<string, FundSource>>;
export type FundSourceCode = keyof typeof FUND_SOURCES;

/** `undefined` for a code that is not in the vocabulary. */
export function fundSourceOf(code: string): FundSource | undefined {
  return Object.hasOwn(FUND_SOURCES, code) ? FUND_SOURCES[code as FundSourceCode] : undefined;
}
