/** Totals of a payer's day as they travel: written by the sandbox, read by our adapter. */
import { asFen, formatYuan, parseYuanSum } from "../../protocol/money.ts";
import type { StatementTotalsBody } from "./contract.ts";
import type { InstitutionTotals, StatementTotals } from "./port.ts";
import { addUp, type InstitutionSums, sameTotals, type Totals } from "./statement-totals.ts";

export function printTotals(day: string, sums: InstitutionSums, closed: boolean): StatementTotalsBody {
  return {
    day,
    closed,
    ...printed(sums.totals),
    institutions: sums.institutions.map(({ institution, funds = [], ...totals }) => ({
      institution,
      ...printed(totals),
      funds: funds.map(({ fundSource, captured, refunded }) => ({
        fundSource,
        captured: formatYuan(captured),
        refunded: formatYuan(refunded),
      })),
    })),
  };
}

function printed({ captures, captured, refunds, refunded }: Totals): Omit<StatementTotalsBody, "day" | "closed" | "institutions"> {
  return { captures, captured: formatYuan(captured), refunds, refunded: formatYuan(refunded) };
}

/** `undefined`: institutions that do not add up to the whole, or funds that do not add up to their institution. */
export function readTotals(body: StatementTotalsBody): StatementTotals | undefined {
  const { day, closed } = body;
  const whole = { day, closed, ...figures(body) };
  if (body.institutions === undefined) return whole;
  const institutions = body.institutions.map((one): InstitutionTotals => ({
    institution: one.institution,
    ...figures(one),
    funds: one.funds.map(({ fundSource, captured, refunded }) => ({ fundSource, captured: yuan(captured), refunded: yuan(refunded) })),
  }));
  const { totals, sound } = addUp(institutions);
  return sound && sameTotals(totals, whole) ? { ...whole, institutions } : undefined;
}

function figures(of: Pick<StatementTotalsBody, "captures" | "captured" | "refunds" | "refunded">): Totals {
  const { captures, refunds } = of;
  return { captures, captured: yuan(of.captured), refunds, refunded: yuan(of.refunded) };
}

/** Its form was checked by the contract's schema. */
function yuan(text: string): Totals["captured"] {
  return parseYuanSum(text) ?? asFen(0n);
}
