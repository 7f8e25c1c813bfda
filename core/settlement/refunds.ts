/**
 * What a refund gives back: which legs (domain notes 4.3 check 5), at most what is left of each fund source, and how an
 * amount is shared among them. Pure.
 */
import { asFen, type Fen } from "../protocol/money.ts";
import { type FundPart, type Leg, legsTotal, type RailName } from "./plan.ts";

/** ALL touches every leg; HI the insurers' and no cash; CASH the bank's only. HI and CASH together are ALL. */
export const REFUND_SCOPES = ["ALL", "CASH", "HI"] as const;
export type RefundScope = (typeof REFUND_SCOPES)[number];
const RAILS: Readonly<Record<RefundScope, ReadonlySet<RailName>>> = {
  ALL: new Set(["insurance", "commercial", "bank"]),
  HI: new Set(["insurance", "commercial"]),
  CASH: new Set(["bank"]),
};

/** What is left of a settlement's legs within a scope after some refunds; legs and parts with nothing left are gone. */
export function refundable(settled: readonly Leg[], refunds: Iterable<readonly Leg[]>, scope: RefundScope): readonly Leg[] {
  const given = new Map<string, bigint>();
  for (const legs of refunds)
    for (const { rail, parts } of legs)
      for (const { fundSource, amount } of parts) {
        const purse = `${rail}/${fundSource}`;
        given.set(purse, (given.get(purse) ?? 0n) + amount);
      }
  return settled.flatMap((leg) => {
    if (!RAILS[scope].has(leg.rail)) return [];
    const parts = leg.parts.flatMap(({ fundSource, amount }): FundPart[] => {
      const left = amount - (given.get(`${leg.rail}/${fundSource}`) ?? 0n);
      return left > 0n ? [{ fundSource, amount: asFen(left) }] : [];
    });
    return parts.length === 0 ? [] : [{ rail: leg.rail, parts, railReference: "" }];
  });
}

/**
 * `amount` shared over the parts of `left` in proportion to what each has left; the fen that remain go to the largest
 * remainders, earlier parts first among equals. Never more than a part has, and the sum is `amount` to the fen.
 * Wants 0 < amount ≤ total of `left`.
 */
export function apportion(amount: Fen, left: readonly Leg[]): readonly Leg[] {
  const total = legsTotal(left);
  if (amount <= 0n || amount > total) throw new RangeError(`${amount} fen cannot be given back out of ${total}`);
  if (amount === total) return left;
  const shares = left
    .flatMap((leg) => leg.parts)
    .map((part) => ({ fen: (part.amount * amount) / total, rest: (part.amount * amount) % total }));
  let missing = amount - shares.reduce((sum, share) => sum + share.fen, 0n);
  // Array.prototype.sort is stable: equal remainders keep the order of payers.
  for (const share of shares.toSorted((a, b) => (a.rest === b.rest ? 0 : a.rest > b.rest ? -1 : 1))) {
    if (missing === 0n) break;
    share.fen += 1n;
    missing -= 1n;
  }
  const next = shares.values();
  return left.flatMap((leg) => {
    const parts = leg.parts.flatMap(({ fundSource }): FundPart[] => {
      const fen = next.next().value?.fen ?? 0n;
      return fen > 0n ? [{ fundSource, amount: asFen(fen) }] : [];
    });
    return parts.length === 0 ? [] : [{ ...leg, parts }];
  });
}
