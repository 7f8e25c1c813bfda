/**
 * How a bill is split under an insured person's plan, payer after payer (domain notes 4.4): 统筹 → 大病/大额 → 公务员,
 * 企业补充 → 医疗救助 → 其他 → 个人账户 → 家庭共济 → 现金. Pure; every share by largest remainder, so the fen add up for
 * every total.
 */
import { type FeeLine, lineAmount } from "../../protocol/fee-lines.ts";
import { asFen, type Fen } from "../../protocol/money.ts";
import { type Amounts, sumOf } from "./amounts.ts";
import { apportion } from "./apportion.ts";
import type { ProvinceProfile } from "./profile.ts";

/** All shares in hundredths of a percent. */
export const WHOLE_SHARE = 10_000n;

/** What a person is entitled to, and what is left of it this year. */
export interface BenefitPlan {
  /** 职工 or 居民: whose 大额/大病 fund pays, `hifob_pay` or `hifmi_pay`. */
  readonly insured: "employee" | "resident";
  readonly deductibleLeft: Fen;
  /** Of what lies above the deductible; what the shares leave is the person's. Together at most {@link WHOLE_SHARE}. */
  readonly poolShare: bigint;
  readonly seriousShare: bigint;
  readonly civilServantShare: bigint;
  readonly enterpriseShare: bigint;
  readonly assistanceShare: bigint;
  readonly otherShare: bigint;
  /** The most that 统筹 still pays this year. */
  readonly poolCeilingLeft: Fen;
  /** 大额/大病 share of what 统筹 could not pay because of its ceiling. */
  readonly aboveCeilingShare: bigint;
  /** 乙类先行自付: the part of a class 02 line that the person pays first. */
  readonly classBSelfPayShare: bigint;
  /** Highest insured unit price by item code, yuan text; what lies above is 超限价. */
  readonly priceLimits: ReadonlyMap<string, string>;
  readonly personalAccount: Fen;
  readonly familyAccount: Fen;
}

/** Without fee lines the whole bill is within the insured scope. */
export function splitBill(bill: Fen, lines: readonly FeeLine[] | undefined, plan: BenefitPlan, profile: ProvinceProfile): Amounts {
  const scope = scopeOf(bill, lines, plan);
  const deductible = least(plan.deductibleLeft, scope.insured);
  const funds = fundsOf(asFen(scope.insured - deductible), plan);
  const hospital = profile.hospitalPart ? scope.aboveLimit : asFen(0n);
  const fund = sumOf(Object.values(funds));
  const person = asFen(bill - fund - hospital);
  const account = least(plan.personalAccount, person);
  const family = least(plan.familyAccount, asFen(person - account));
  const aboveLimitIsTerm = profile.totalTerms.includes("overlmt_selfpay");
  return {
    medfee_sumamt: bill,
    fulamt_ownpay_amt: asFen(scope.own + (aboveLimitIsTerm ? 0n : scope.aboveLimit)),
    overlmt_selfpay: aboveLimitIsTerm ? scope.aboveLimit : asFen(0n),
    preselfpay_amt: scope.paidFirst,
    inscp_scp_amt: scope.insured,
    act_pay_dedc: deductible,
    ...funds,
    fund_pay_sumamt: asFen(fund + (profile.fundIncludesAccount ? account : 0n)),
    psn_part_amt: person,
    acct_pay: account,
    acct_mulaid_pay: family,
    psn_cash_pay: asFen(person - account - family),
    hosp_part_amt: hospital,
  };
}

interface Scope {
  readonly own: Fen;
  readonly aboveLimit: Fen;
  readonly paidFirst: Fen;
  readonly insured: Fen;
}

/** 全自费, 超限价, 先行自付, and what is left: 符合政策范围. */
function scopeOf(bill: Fen, lines: readonly FeeLine[] | undefined, plan: BenefitPlan): Scope {
  const zero = asFen(0n);
  if (lines === undefined) return { own: zero, aboveLimit: zero, paidFirst: zero, insured: bill };
  let [own, aboveLimit, paidFirst] = [0n, 0n, 0n];
  for (const line of lines) {
    if (line.selfPayClass === "03") {
      own += line.fen;
      continue;
    }
    const limit = plan.priceLimits.get(line.itemCode);
    const within = limit === undefined ? line.fen : least(line.fen, lineAmount(line.quantity, limit));
    aboveLimit += line.fen - within;
    if (line.selfPayClass === "02") paidFirst += shareOf(within, plan.classBSelfPayShare);
  }
  return {
    own: asFen(own),
    aboveLimit: asFen(aboveLimit),
    paidFirst: asFen(paidFirst),
    insured: asFen(bill - own - aboveLimit - paidFirst),
  };
}

type Funds = Pick<Amounts, "hifp_pay" | "cvlserv_pay" | "hifes_pay" | "hifmi_pay" | "hifob_pay" | "maf_pay" | "oth_pay">;

function fundsOf(above: Fen, plan: BenefitPlan): Funds {
  const shares = [
    plan.poolShare,
    plan.seriousShare,
    plan.civilServantShare,
    plan.enterpriseShare,
    plan.assistanceShare,
    plan.otherShare,
  ] as const;
  const person = WHOLE_SHARE - shares.reduce((sum, share) => sum + share, 0n);
  const [pool = asFen(0n), serious = asFen(0n), civil = asFen(0n), enterprise = asFen(0n), aid = asFen(0n), other = asFen(0n)] = apportion(
    above,
    [...shares, person],
  );
  const paidByPool = least(pool, plan.poolCeilingLeft);
  const largeSum = asFen(serious + shareOf(asFen(pool - paidByPool), plan.aboveCeilingShare));
  return {
    hifp_pay: paidByPool,
    cvlserv_pay: civil,
    hifes_pay: enterprise,
    hifmi_pay: plan.insured === "resident" ? largeSum : asFen(0n),
    hifob_pay: plan.insured === "employee" ? largeSum : asFen(0n),
    maf_pay: aid,
    oth_pay: other,
  };
}

/** By largest remainder between the share and what it leaves. */
export function shareOf(amount: Fen, share: bigint): Fen {
  const [part = asFen(0n)] = apportion(amount, [share, WHOLE_SHARE - share]);
  return part;
}

function least(a: Fen, b: Fen): Fen {
  return a < b ? a : b;
}
