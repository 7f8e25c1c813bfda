/** Accounts of the sandbox payers, as the admin endpoint and seeds describe them, and as the books keep them. */
import * as v from "valibot";
import { asFen, type Fen, formatYuan, parseYuan } from "../../../protocol/money.ts";

const yuan = v.pipe(v.string(), v.regex(/^(?:0|[1-9]\d{0,13})(?:\.\d{1,2})?$/));
const accountId = v.pipe(v.string(), v.minLength(1), v.maxLength(64));
/** Percent with at most two decimals, as text or number. */
const percent = v.pipe(
  v.union([v.number(), v.pipe(v.string(), v.regex(/^\d{1,3}(?:\.\d{1,2})?$/), v.transform(Number))]),
  v.minValue(0),
  v.maxValue(100),
  v.check((value) => Math.abs(value * 100 - Math.round(value * 100)) < 1e-6, "at most two decimals"),
);
const status = v.optional(v.picklist(["active", "closed"]), "active");

/** What a payer knows of one person. Amounts are yuan; the deductible and the ceiling are what is left of them. */
export const seedAccount = v.variant("rail", [
  v.pipe(
    v.strictObject({
      rail: v.literal("insurance"),
      account: accountId,
      status,
      /** 统筹 share of what lies above the deductible. */
      sharePercent: percent,
      /** 大病 share of the same. */
      seriousIllnessPercent: v.optional(percent, 0),
      /** 医疗救助 share of the same. */
      assistancePercent: v.optional(percent, 0),
      deductible: v.optional(yuan, "0.00"),
      ceiling: v.optional(yuan, "99999999999999.99"),
      personalAccount: v.optional(yuan, "0.00"),
    }),
    v.check((seed) => seed.sharePercent + seed.seriousIllnessPercent + seed.assistancePercent <= 100, "shares above 100 percent"),
  ),
  v.strictObject({
    rail: v.literal("commercial"),
    account: accountId,
    status,
    /** Share of what is left for the person. */
    sharePercent: percent,
    ceiling: v.optional(yuan, "99999999999999.99"),
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
  /** Shares in hundredths of a percent. */
  readonly share: bigint;
  readonly seriousIllnessShare: bigint;
  readonly assistanceShare: bigint;
  deductible: Fen;
  ceiling: Fen;
  personalAccount: Fen;
}
export interface CommercialAccount extends CommonAccount {
  readonly rail: "commercial";
  readonly share: bigint;
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
        share: hundredths(seed.sharePercent),
        seriousIllnessShare: hundredths(seed.seriousIllnessPercent),
        assistanceShare: hundredths(seed.assistancePercent),
        deductible: fen(seed.deductible),
        ceiling: fen(seed.ceiling),
        personalAccount: fen(seed.personalAccount),
      };
    case "commercial":
      return { ...common, rail: "commercial", share: hundredths(seed.sharePercent), ceiling: fen(seed.ceiling) };
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
        deductible: formatYuan(account.deductible),
        ceiling: formatYuan(account.ceiling),
        personalAccount: formatYuan(account.personalAccount),
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
