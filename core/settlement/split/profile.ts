/** What provinces read differently in one and the same message (domain notes 4.1, 4.3). */
import type { ScopeField } from "./amounts.ts";

export interface ProvinceProfile {
  readonly name: string;
  /** `fund_pay_sumamt` counts `acct_pay` too. */
  readonly fundIncludesAccount: boolean;
  /** Which terms make up `medfee_sumamt`. Where 超限价自费 is not among them, it is counted as 全自费. */
  readonly totalTerms: readonly ScopeField[];
  /** `hosp_part_amt` (医院负担) is used; elsewhere it must be zero. */
  readonly hospitalPart: boolean;
  /** `infcode` 0 beside a non-empty `err_msg` is a failure. Where it is not, the text is a remark. */
  readonly errorTextFails: boolean;
}

export const HUNAN: ProvinceProfile = {
  name: "hunan",
  fundIncludesAccount: false,
  totalTerms: ["fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt"],
  hospitalPart: false,
  errorTextFails: true,
};
export const GUANGDONG: ProvinceProfile = {
  name: "guangdong",
  fundIncludesAccount: true,
  totalTerms: ["fulamt_ownpay_amt", "preselfpay_amt", "inscp_scp_amt"],
  hospitalPart: true,
  errorTextFails: false,
};
export const PROVINCE_PROFILES = { hunan: HUNAN, guangdong: GUANGDONG } as const;
