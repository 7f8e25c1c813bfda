/**
 * What each sandbox payer decides to pay of what it is asked. Pure: says what to take from the account, and the taking
 * and giving back are the book's. Rounding is down to the fen, so a payer never pays more than its share; the next
 * payer, and in the end the person, meets the rest.
 */
import { asFen, type Fen } from "../../../protocol/money.ts";
import type { FundPart } from "../../plan.ts";
import type { BankAccount, CommercialAccount, InsuranceAccount, SandboxAccount } from "./accounts.ts";

/** What a decision takes out of an account; given back when the hold ends or the payment is returned. */
export interface Decision {
  readonly parts: readonly FundPart[];
  readonly deductible: Fen;
}

/** `undefined`: the account cannot pay what it must (only the bank must). */
export function decide(account: SandboxAccount, asked: Fen): Decision | undefined {
  switch (account.rail) {
    case "insurance":
      return decideInsurance(account, asked);
    case "commercial":
      return decideCommercial(account, asked);
    case "bank":
      return decideBank(account, asked);
  }
}

/** Applies a decision to the account, or gives it back with `direction` -1. */
export function take(account: SandboxAccount, decision: Decision, direction: 1n | -1n): void {
  const of = (source: string): bigint => decision.parts.find((part) => part.fundSource === source)?.amount ?? 0n;
  switch (account.rail) {
    case "insurance":
      account.deductible = asFen(account.deductible - direction * decision.deductible);
      account.ceiling = asFen(account.ceiling - direction * of("hifp_pay"));
      account.personalAccount = asFen(account.personalAccount - direction * of("acct_pay"));
      return;
    case "commercial":
      account.ceiling = asFen(account.ceiling - direction * of("commercial_claim"));
      return;
    case "bank":
      account.balance = asFen(account.balance - direction * of("psn_cash_pay"));
      return;
  }
}

/** 统筹 up to its ceiling, 大病 and 医疗救助 by their shares, then the personal account for what is left. */
function decideInsurance(account: InsuranceAccount, asked: Fen): Decision {
  const deductible = min(account.deductible, asked);
  const above = asked - deductible;
  const pool = min(shareOf(above, account.share), account.ceiling);
  const serious = shareOf(above, account.seriousIllnessShare);
  const assistance = shareOf(above, account.assistanceShare);
  const personal = min(account.personalAccount, asked - pool - serious - assistance);
  return {
    deductible,
    parts: nonZero([
      ["hifp_pay", pool],
      ["hifmi_pay", serious],
      ["maf_pay", assistance],
      ["acct_pay", personal],
    ]),
  };
}

function decideCommercial(account: CommercialAccount, asked: Fen): Decision {
  return { deductible: asFen(0n), parts: nonZero([["commercial_claim", min(shareOf(asked, account.share), account.ceiling)]]) };
}

function decideBank(account: BankAccount, asked: Fen): Decision | undefined {
  return account.balance < asked ? undefined : { deductible: asFen(0n), parts: nonZero([["psn_cash_pay", asked]]) };
}

/** `share` in hundredths of a percent. */
function shareOf(amount: bigint, share: bigint): Fen {
  return asFen((amount * share) / 10_000n);
}

function min(a: bigint, b: bigint): Fen {
  return asFen(a < b ? a : b);
}

function nonZero(parts: readonly (readonly [string, Fen])[]): readonly FundPart[] {
  return parts.filter(([, amount]) => amount > 0n).map(([fundSource, amount]) => ({ fundSource, amount }));
}
