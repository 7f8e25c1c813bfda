/** Which funds a partial refund of one leg gives back, when the caller does not say. Pure. */
import type { Fen } from "../../protocol/money.ts";
import type { FundPart } from "../plan.ts";
import { sumOf } from "./amounts.ts";
import { apportion } from "./apportion.ts";

/** What a leg paid less what was given back of it; funds that have nothing left are gone. */
export function leftOf(paid: readonly FundPart[], refunds: Iterable<readonly FundPart[]>): readonly FundPart[] {
  const left = new Map(paid.map((part) => [part.fundSource, part.amount as bigint]));
  for (const parts of refunds) for (const part of parts) left.set(part.fundSource, (left.get(part.fundSource) ?? 0n) - part.amount);
  return [...left].filter(([, amount]) => amount !== 0n).map(([fundSource, amount]) => ({ fundSource, amount: amount as Fen }));
}

/** `amount` over what is left by largest remainder; `undefined` when there is not so much left. */
export function refundParts(left: readonly FundPart[], amount: Fen): readonly FundPart[] | undefined {
  if (amount <= 0n || amount > sumOf(left.map((part) => part.amount))) return undefined;
  const shares = apportion(
    amount,
    left.map((part) => part.amount),
  );
  return left.flatMap(({ fundSource }, at) => {
    const share = shares[at];
    return share === undefined || share === 0n ? [] : [{ fundSource, amount: share }];
  });
}

/** Whether exactly these funds can be given back of what is left. */
export function coversRefund(left: readonly FundPart[], parts: readonly FundPart[]): boolean {
  const bySource = new Map(left.map((part) => [part.fundSource, part.amount]));
  return (
    parts.length > 0 &&
    new Set(parts.map((part) => part.fundSource)).size === parts.length &&
    parts.every((part) => part.amount > 0n && part.amount <= (bySource.get(part.fundSource) ?? 0n))
  );
}
