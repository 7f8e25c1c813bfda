import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { asFen, type Fen, formatYuan } from "../protocol/money.ts";
import { assertPays, type FundPart, type Leg, legsTotal, legTotal, RAIL_ORDER, remainderOf, takeLeg } from "./plan.ts";
import { describeAccount, openAccount, type SeedAccount, seedAccount } from "./rails/sandbox/accounts.ts";
import { HoldBook } from "./rails/sandbox/hold-book.ts";
import { InsurerBook } from "./rails/sandbox/insurer-book.ts";
import { partsOf } from "./split/amounts.ts";
import { HUNAN } from "./split/profile.ts";
import * as v from "valibot";

const part = (fundSource: string, fen: bigint): FundPart => ({ fundSource, amount: asFen(fen) });

describe("a payer's answer", () => {
  test("becomes a leg when it pays at most what was asked", () => {
    const leg = takeLeg("insurance", asFen(100n), [part("hifp_pay", 60n), part("acct_pay", 40n)], "r1");
    expect(leg).toEqual({
      ok: true,
      value: { rail: "insurance", parts: [part("hifp_pay", 60n), part("acct_pay", 40n)], railReference: "r1" },
    });
  });

  test.each([
    ["one fen above what was asked", "insurance", [part("hifp_pay", 101n)], "partsAboveAsked"],
    ["a source twice", "insurance", [part("hifp_pay", 1n), part("hifp_pay", 1n)], "sourceTwice"],
    ["a source that is no name", "insurance", [part("hifp-pay!", 1n)], "sourceMalformed"],
    ["a bank that claims a fund of the insurance", "bank", [part("hifp_pay", 100n)], "sourceForeign"],
    ["a commercial insurer that claims a fund of the insurance", "commercial", [part("hifp_pay", 1n)], "sourceForeign"],
    ["an insurer that claims the patient's cash", "insurance", [part("psn_cash_pay", 1n)], "sourceForeign"],
    ["a source that nobody knows", "insurance", [part("hifp_pay2", 1n)], "sourceForeign"],
    ["a part of nothing", "commercial", [part("commercial_claim", 0n)], "partBelowOne"],
    ["a negative part that hides an excess", "insurance", [part("hifp_pay", 150n), part("acct_pay", -50n)], "partBelowOne"],
    ["a bank that pays less than the remainder", "bank", [part("psn_cash_pay", 99n)], "remainderNotMet"],
    ["more parts than there are fund sources", "insurance", Array.from({ length: 17 }, (_, at) => part(`s${at}`, 1n)), "partsAboveAsked"],
  ] as const)("is refused as a contradiction: %s", (_, rail, parts, contradiction) => {
    expect(takeLeg(rail, asFen(100n), parts, "r1")).toEqual({ ok: false, error: contradiction });
  });
});

const leg = (rail: Leg["rail"], fen: bigint): Leg => ({ rail, parts: [part("x", fen)], railReference: "r" });

describe("legs", () => {
  test.each([
    ["that sum to one fen less", [leg("insurance", 60n), leg("bank", 39n)]],
    ["that sum to one fen more", [leg("insurance", 60n), leg("bank", 41n)]],
    ["in another order than the payers'", [leg("bank", 40n), leg("insurance", 60n)]],
    ["of one rail twice", [leg("bank", 40n), leg("bank", 60n)]],
    ["with one that pays nothing", [leg("insurance", 100n), { rail: "bank", parts: [], railReference: "r" } as Leg]],
  ])("%s do not pay the bill", (_, legs) => {
    expect(() => assertPays(asFen(100n), legs)).toThrow(RangeError);
  });
});

const percent = fc.integer({ min: 0, max: 10_000 }).map((hundredths) => hundredths / 100);
const yuan = fc.bigInt({ min: 0n, max: 100_000n }).map((fen) => `${fen / 100n}.${(fen % 100n).toString().padStart(2, "0")}`);
const plans = fc
  .record({
    share: percent,
    serious: percent,
    deductible: yuan,
    ceiling: yuan,
    personal: yuan,
    commercialShare: percent,
    commercialCeiling: yuan,
  })
  .map((plan) => ({
    insurance: {
      rail: "insurance",
      account: "i",
      sharePercent: plan.share,
      seriousIllnessPercent: Math.min(plan.serious, Math.floor((100 - plan.share) * 100) / 100),
      deductible: plan.deductible,
      ceiling: plan.ceiling,
      personalAccount: plan.personal,
    } satisfies SeedAccount,
    commercial: {
      rail: "commercial",
      account: "c",
      sharePercent: plan.commercialShare,
      ceiling: plan.commercialCeiling,
    } satisfies SeedAccount,
    bank: { rail: "bank", account: "b", balance: "99999.00" } satisfies SeedAccount,
  }));

type Seeds = { readonly [rail in Leg["rail"]]: SeedAccount };

interface Books {
  readonly insurance: InsurerBook;
  readonly commercial: HoldBook;
  readonly bank: HoldBook;
}

function booksOf(seeds: Seeds): Books {
  const books = { insurance: new InsurerBook(HUNAN), commercial: new HoldBook("commercial", 1_000), bank: new HoldBook("bank", 1_000) };
  for (const rail of RAIL_ORDER) {
    const account = openAccount(v.parse(seedAccount, seeds[rail]));
    if (account.rail === "insurance") books.insurance.accounts.set(account.account, account);
    else books[account.rail].accounts.set(account.account, account);
  }
  return books;
}

function decide(books: Books, rail: Leg["rail"], asked: Fen): readonly FundPart[] {
  if (rail !== "insurance") {
    const quote = books[rail].quote(rail.slice(0, 1), asked);
    return typeof quote === "string" ? [] : quote.parts;
  }
  const amounts = books.insurance.presettle({ account: "i", bill: asked.toString() });
  return typeof amounts === "string" ? [] : partsOf(amounts);
}

/** The waterfall as the saga runs it, over the sandbox payers' own decisions. */
function split(bill: Fen, books: Books): readonly Leg[] {
  const legs: Leg[] = [];
  for (const rail of RAIL_ORDER) {
    const asked = remainderOf(bill, legs);
    const parts = decide(books, rail, asked);
    if (parts.length === 0) continue;
    const leg = takeLeg(rail, asked, parts, "r");
    if (!leg.ok) throw new Error(leg.error);
    legs.push(leg.value);
  }
  return legs;
}

describe("a bill", () => {
  test("is paid to the fen, whatever the shares, deductibles and ceilings", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 10_000_000n }), plans, (bill, seeds) => {
        fc.pre(bill <= 9_999_900n);
        const legs = split(asFen(bill), booksOf(seeds));
        assertPays(asFen(bill), legs);
        expect(legsTotal(legs)).toBe(bill);
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    [33.33, 33.33],
    [66.67, 14.29],
    [99.99, 0.01],
    [0.01, 99.99],
  ])("of every amount from 0.01 to 100.00 adds up at %d and %d percent", (share, commercialShare) => {
    const seeds = {
      insurance: { rail: "insurance", account: "i", sharePercent: share, personalAccount: "0.07" },
      commercial: { rail: "commercial", account: "c", sharePercent: commercialShare },
      bank: { rail: "bank", account: "b", balance: "100.00" },
    } satisfies { [rail in Leg["rail"]]: SeedAccount };
    const books = booksOf(seeds);
    const wrong: bigint[] = [];
    for (let bill = 1n; bill <= 10_000n; bill++) if (legsTotal(split(asFen(bill), books)) !== bill) wrong.push(bill);
    expect(wrong).toEqual([]);
  });

  test("gives each account back exactly what it took, for every fund source, in one or in parts", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 5_000_000n }), plans, fc.boolean(), (bill, seeds, inParts) => {
        const books = booksOf(seeds);
        const left = (): unknown => RAIL_ORDER.map((rail) => [...books[rail].accounts.values()].map(describeAccount));
        const before = left();
        for (const leg of split(asFen(bill), books)) takeAndGiveBack(books, leg, asFen(bill), inParts);
        expect(left()).toEqual(before);
      }),
      { numRuns: 500 },
    );
  });
});

function takeAndGiveBack(books: Books, leg: Leg, bill: Fen, inParts: boolean): void {
  const pieces = inParts ? leg.parts.map((one) => [one]) : [leg.parts];
  if (leg.rail === "insurance") {
    const message = { infno: "2207", institution: "H51010400001" };
    const settled = books.insurance.carryOut(
      { action: "settle", ...message, msgid: "m0", settlementId: "s", mdtrtId: "s", account: "i", bill: bill.toString() },
      0,
    ).answer;
    if (settled.kind !== "settled") throw new Error(settled.kind);
    for (const [at, piece] of pieces.entries()) {
      const parts = inParts ? { parts: piece.map((one) => [one.fundSource, one.amount.toString()] as const) } : {};
      const undo = {
        action: "undo" as const,
        ...message,
        msgid: `u${at}`,
        account: "i",
        setlId: settled.setlId,
        reversal: false,
        ...parts,
      };
      expect(books.insurance.carryOut(undo, 0).answer.kind).toBe("undone");
    }
    return;
  }
  const book = books[leg.rail];
  const own = { settlementId: "s", institution: "H51010400001" };
  const amount = formatYuan(legTotal(leg));
  const asked = leg.rail === "bank" ? amount : formatYuan(bill);
  const account = leg.rail.slice(0, 1);
  const held = book.carryOut({ action: "authorise", key: "a", ...own, account, asked }, 0).reply;
  const taken = held.status === "done" ? held.amount : "0.00";
  for (const command of [
    { action: "capture" as const, key: "c", ...own, amount: taken },
    { action: "refund" as const, key: "r", ...own, amount: taken },
  ])
    expect(book.carryOut(command, 0).reply.status).toBe("done");
}
