import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { asFen } from "../protocol/money.ts";
import { type Leg, legsTotal } from "./plan.ts";
import { apportion, refundable } from "./refunds.ts";

function leg(rail: Leg["rail"], parts: Readonly<Record<string, bigint>>): Leg {
  return { rail, railReference: "", parts: Object.entries(parts).map(([fundSource, amount]) => ({ fundSource, amount: asFen(amount) })) };
}
const paid = [
  leg("insurance", { hifp_pay: 6000n, acct_pay: 500n }),
  leg("commercial", { commercial_claim: 1750n }),
  leg("bank", { psn_cash_pay: 1750n }),
];
function text(legs: readonly Leg[]): string {
  return legs.flatMap(({ rail, parts }) => parts.map(({ fundSource, amount }) => `${rail}.${fundSource} ${amount}`)).join(", ");
}

describe("what is left to give back", () => {
  test.each([
    ["ALL", "insurance.hifp_pay 6000, insurance.acct_pay 500, commercial.commercial_claim 1750, bank.psn_cash_pay 1750"],
    ["HI", "insurance.hifp_pay 6000, insurance.acct_pay 500, commercial.commercial_claim 1750"],
    ["CASH", "bank.psn_cash_pay 1750"],
  ] as const)("of kind %s is %s", (scope, left) => {
    expect(text(refundable(paid, [], scope))).toBe(left);
  });

  test("is less by every refund, per fund source, and what has nothing left is gone", () => {
    const refunds = [
      [leg("insurance", { hifp_pay: 1000n, acct_pay: 500n })],
      [leg("insurance", { hifp_pay: 1n }), leg("bank", { psn_cash_pay: 1750n })],
    ];
    expect(text(refundable(paid, refunds, "ALL"))).toBe("insurance.hifp_pay 4999, commercial.commercial_claim 1750");
  });
});

describe("an amount given back", () => {
  test("is shared in proportion; the fen left over go to the largest remainders", () => {
    const three = [leg("insurance", { hifp_pay: 100n, hifmi_pay: 100n, maf_pay: 100n })];
    expect(text(apportion(asFen(100n), three))).toBe("insurance.hifp_pay 34, insurance.hifmi_pay 33, insurance.maf_pay 33");
    expect(text(apportion(asFen(1n), paid))).toBe("insurance.hifp_pay 1");
    expect(text(apportion(asFen(10_000n), paid))).toBe(text(paid));
  });

  test.each([0n, -1n, 10_001n])("of %s fen is none", (amount) => {
    expect(() => apportion(asFen(amount), paid)).toThrow(RangeError);
  });

  test("sums to the fen and stays within what each part has, for any split of any bill", () => {
    const rails = ["insurance", "commercial", "bank"] as const;
    const amount = fc.bigInt({ min: 1n, max: 9_999_999_999n });
    const legs = fc.tuple(
      fc.array(amount, { minLength: 1, maxLength: 8 }),
      fc.array(amount, { maxLength: 2 }),
      fc.array(amount, { maxLength: 1 }),
    );
    fc.assert(
      fc.property(legs, fc.double({ min: 0, max: 1, noNaN: true }), (amounts, share) => {
        const left = amounts.flatMap((parts, at) => {
          const rail = rails[at];
          return rail === undefined || parts.length === 0 ? [] : [leg(rail, Object.fromEntries(parts.map((fen, n) => [`f${n}`, fen])))];
        });
        const total = legsTotal(left);
        const asked = asFen(1n + BigInt(Math.floor(Number(total - 1n) * share)));
        const given = apportion(asked, left);
        expect(legsTotal(given)).toBe(asked);
        const after = refundable(left, [given], "ALL");
        expect(legsTotal(after)).toBe(total - asked);
        for (const { parts } of given) for (const part of parts) expect(part.amount > 0n).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
