/** Payers and fund sources (资金来源) as people call them. */
import { fundSourceOf } from "../../protocol/fund-sources.ts";
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

/** A source that is not in the list stands under its own code. */
export function fundName(fundSource: string): Name {
  return fundSourceOf(fundSource) ?? { zh: fundSource, en: fundSource };
}
