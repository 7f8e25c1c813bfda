/** Accounts of the sandbox payers, as the admin endpoint and seeds describe them, and as the books keep them. */
import * as v from "valibot";
import { codePoints } from "../../../protocol/texts.ts";
import { asFen, type Fen, formatYuan, parseYuan } from "../../../protocol/money.ts";
import type { BenefitPlan } from "../../split/split.ts";

const yuan = v.pipe(v.string(), v.regex(/^(?:0|[1-9]\d{0,13})(?:\.\d{1,2})?$/));
const unitPrice = v.pipe(v.string(), v.regex(/^(?:0|[1-9]\d{0,9})(?:\.\d{1,6})?$/));
const accountId = v.pipe(v.string(), codePoints(1, 64));
/** Percent with at most two decimals, as text or number. */
const percent = v.pipe(
  v.union([v.number(), v.pipe(v.string(), v.regex(/^\d{1,3}(?:\.\d{1,2})?$/), v.transform(Number))]),
  v.minValue(0),
  v.maxValue(100),
  v.check((value) => Math.abs(value * 100 - Math.round(value * 100)) < 1e-6, "at most two decimals"),
);
const status = v.optional(v.picklist(["active", "closed"]), "active");
const NO_CEILING = "99999999999999.99";

/** What a payer knows of one person. Amounts are yuan; deductible and ceilings are what is left of them this year. */
export const seedAccount = v.variant("rail", [
  v.pipe(
    v.strictObject({
      rail: v.literal("insurance"),
      account: accountId,
      status,
      /** 职工 or 居民; decides whether 大额 (`hifob_pay`) or 大病 (`hifmi_pay`) pays. */
      plan: v.optional(v.picklist(["employee", "resident"]), "resident"),
      /** 统筹 share of what lies above the deductible. */
      sharePercent: percent,
      /** 大病/大额 share of the same, and the others' shares: 公务员, 企业补充, 医疗救助, 其他. */
      seriousIllnessPercent: v.optional(percent, 0),
      civilServantPercent: v.optional(percent, 0),
      enterprisePercent: v.optional(percent, 0),
      assistancePercent: v.optional(percent, 0),
      otherPercent: v.optional(percent, 0),
      deductible: v.optional(yuan, "0.00"),
      ceiling: v.optional(yuan, NO_CEILING),
      /** 大病/大额 share of what 统筹 could not pay because of its ceiling. */
      aboveCeilingPercent: v.optional(percent, 0),
      /** 乙类先行自付. */
      classBSelfPayPercent: v.optional(percent, 0),
      /** Highest insured unit price by item code. */
      priceLimits: v.optional(v.record(v.string(), unitPrice), {}),
      personalAccount: v.optional(yuan, "0.00"),
      /** 家庭共济. */
      familyAccount: v.optional(yuan, "0.00"),
    }),
    v.check(
      (seed) =>
        seed.sharePercent +
          seed.seriousIllnessPercent +
          seed.civilServantPercent +
          seed.enterprisePercent +
          seed.assistancePercent +
          seed.otherPercent <=
        100,
      "shares above 100 percent",
    ),
  ),
  v.strictObject({
    rail: v.literal("commercial"),
    account: accountId,
    status,
    /** Share of what is left for the person. */
    sharePercent: percent,
    /** What is left of the policy's yearly limit. */
    ceiling: v.optional(yuan, NO_CEILING),
    /** The policy's limit for one claim. */
    claimCeiling: v.optional(yuan, NO_CEILING),
  }),
  v.strictObject({ rail: v.literal("bank"), account: accountId, status, balance: yuan }),
]);
export type SeedAccount = v.InferInput<typeof seedAccount>;
export const seedAccounts = v.array(seedAccount);

interface CommonAccount {
  readonly account: string;
  readonly status: "active" | "closed";
}
export interface InsuranceAccount extends CommonAccount {
  readonly rail: "insurance";
  /** With what is left of deductible, ceiling and accounts: replaced whole at each movement. */
  plan: BenefitPlan;
}
export interface CommercialAccount extends CommonAccount {
  readonly rail: "commercial";
  /** Hundredths of a percent. */
  readonly share: bigint;
  readonly claimCeiling: Fen;
  ceiling: Fen;
}
export interface BankAccount extends CommonAccount {
  readonly rail: "bank";
  balance: Fen;
}
export type SandboxAccount = InsuranceAccount | CommercialAccount | BankAccount;

export function openAccount(seed: v.InferOutput<typeof seedAccount>): SandboxAccount {
  const common = { account: seed.account, status: seed.status };
  switch (seed.rail) {
    case "insurance":
      return {
        ...common,
        rail: "insurance",
        plan: {
          insured: seed.plan,
          deductibleLeft: fen(seed.deductible),
          poolShare: hundredths(seed.sharePercent),
          seriousShare: hundredths(seed.seriousIllnessPercent),
          civilServantShare: hundredths(seed.civilServantPercent),
          enterpriseShare: hundredths(seed.enterprisePercent),
          assistanceShare: hundredths(seed.assistancePercent),
          otherShare: hundredths(seed.otherPercent),
          poolCeilingLeft: fen(seed.ceiling),
          aboveCeilingShare: hundredths(seed.aboveCeilingPercent),
          classBSelfPayShare: hundredths(seed.classBSelfPayPercent),
          priceLimits: new Map(Object.entries(seed.priceLimits)),
          personalAccount: fen(seed.personalAccount),
          familyAccount: fen(seed.familyAccount),
        },
      };
    case "commercial":
      return {
        ...common,
        rail: "commercial",
        share: hundredths(seed.sharePercent),
        ceiling: fen(seed.ceiling),
        claimCeiling: fen(seed.claimCeiling),
      };
    case "bank":
      return { ...common, rail: "bank", balance: fen(seed.balance) };
  }
}

/** What is left in an account, for the admin endpoint. */
export function describeAccount(account: SandboxAccount): Readonly<Record<string, string>> {
  const common = { rail: account.rail, account: account.account, status: account.status };
  switch (account.rail) {
    case "insurance":
      return {
        ...common,
        plan: account.plan.insured,
        deductible: formatYuan(account.plan.deductibleLeft),
        ceiling: formatYuan(account.plan.poolCeilingLeft),
        personalAccount: formatYuan(account.plan.personalAccount),
        familyAccount: formatYuan(account.plan.familyAccount),
      };
    case "commercial":
      return { ...common, ceiling: formatYuan(account.ceiling) };
    case "bank":
      return { ...common, balance: formatYuan(account.balance) };
  }
}

function hundredths(value: number): bigint {
  return BigInt(Math.round(value * 100));
}

function fen(text: string): Fen {
  return parseYuan(text) ?? asFen(0n);
}
