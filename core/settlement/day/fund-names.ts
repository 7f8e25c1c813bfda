/** Payers and fund sources (资金来源) as people call them. */
import { fundSourceOf } from "../../protocol/fund-sources.ts";

export { RAIL_NAMES } from "../../protocol/fund-sources.ts";

export interface Name {
  readonly zh: string;
  readonly en: string;
}

/** A source that is not in the list stands under its own code. */
export function fundName(fundSource: string): Name {
  return fundSourceOf(fundSource) ?? { zh: fundSource, en: fundSource };
}
