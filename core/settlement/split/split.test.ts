/** The split of a bill and the equations it must satisfy. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkFeeLines, feeLinesHash, type FeeLineText, lineAmount } from "../../protocol/fee-lines.ts";
import { loadCrypto } from "../../crypto/index.ts";
import { asFen, type Fen } from "../../protocol/money.ts";
import { AMOUNT_FIELDS, type AmountField, type Amounts, partsOf, sumOf } from "./amounts.ts";
import { apportion } from "./apportion.ts";
import { onlineViolationsOf, readAmounts, refundViolationsOf, violationsOf } from "./equations.ts";
import { GUANGDONG, HUNAN, PROVINCE_PROFILES } from "./profile.ts";
import { coversRefund, leftOf, refundParts } from "./refund-parts.ts";
import { type BenefitPlan, splitBill } from "./split.ts";

const fen = (amount: number | bigint): Fen => asFen(BigInt(amount));

const NO_PLAN: BenefitPlan = {
  insured: "resident",
  deductibleLeft: fen(0),
  poolShare: 0n,
  seriousShare: 0n,
  civilServantShare: 0n,
  enterpriseShare: 0n,
  assistanceShare: 0n,
  otherShare: 0n,
  poolCeilingLeft: fen(10n ** 12n),
  aboveCeilingShare: 0n,
  classBSelfPayShare: 0n,
  priceLimits: new Map(),
  personalAccount: fen(0),
  familyAccount: fen(0),
};

const LINE: FeeLineText = {
  itemCode: "XA01",
  itemName: "项目",
  quantity: "1",
  unitPrice: "100.00",
  amount: "100.00",
  category: "09",
  selfPayClass: "01",
};

describe("dividing by largest remainder", () => {
  test.each([
    ["thirds", [1n, 1n, 1n]],
    ["three awkward weights", [3333n, 1429n, 5238n]],
    ["a weight of almost nothing", [9999n, 1n, 0n]],
    ["primes", [7n, 11n, 13n]],
  ])("%s: every total from 0.01 to 100.00 adds up, no share a fen off its exact value", (_, weights) => {
    const whole = weights.reduce((sum, weight) => sum + weight, 0n);
    const wrong: string[] = [];
    for (let total = 1n; total <= 10_000n; total++) {
      const shares = apportion(fen(total), weights);
      if (sumOf(shares) !== total) wrong.push(`${total}: ${shares.join(" ")}`);
      for (const [at, weight] of weights.entries()) {
        const off = (shares[at] ?? 0n) * whole - total * weight;
        if (off >= whole || off <= -whole || (weight === 0n && off !== 0n)) wrong.push(`${total}: ${shares.join(" ")}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("the spare fen goes to the largest remainder, the earlier one among equals", () => {
    expect(apportion(fen(100), [1n, 1n, 1n])).toEqual([34n, 33n, 33n]);
    expect(apportion(fen(10), [15n, 25n, 60n])).toEqual([2n, 2n, 6n]);
    expect(apportion(fen(1), [1n, 2n])).toEqual([0n, 1n]);
  });

  test.each([[[]], [[0n, 0n]], [[1n, -1n]]])("weights of row %# are no weights", (weights) => {
    expect(() => apportion(fen(1), weights)).toThrow(RangeError);
  });
});

describe("a bill", () => {
  const shares = fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 6, maxLength: 6 }).map((drawn) =>
    drawn.map((share) =>
      BigInt(
        Math.floor(
          (share * 10_000) /
            Math.max(
              10_000,
              drawn.reduce((a, b) => a + b, 0),
            ),
        ),
      ),
    ),
  );
  const money = fc.bigInt({ min: 0n, max: 100_000n }).map(fen);
  const plans = fc
    .record({
      shares,
      insured: fc.constantFrom("employee" as const, "resident" as const),
      deductibleLeft: money,
      poolCeilingLeft: money,
      personalAccount: money,
      familyAccount: money,
      aboveCeilingShare: fc.bigInt({ min: 0n, max: 10_000n }),
      classBSelfPayShare: fc.bigInt({ min: 0n, max: 10_000n }),
      limit: fc.integer({ min: 0, max: 200 }),
    })
    .map(({ shares: [pool = 0n, serious = 0n, civil = 0n, enterprise = 0n, aid = 0n, other = 0n], limit, ...rest }) => ({
      ...NO_PLAN,
      ...rest,
      poolShare: pool,
      seriousShare: serious,
      civilServantShare: civil,
      enterpriseShare: enterprise,
      assistanceShare: aid,
      otherShare: other,
      priceLimits: new Map([["XA01", String(limit)]]),
    }));
  const lines = fc.array(
    fc
      .record({
        quantity: fc.integer({ min: 1, max: 20_000 }).map((n) => (n / 10_000).toFixed(4).replace(/\.?0+$/, "")),
        unitPrice: fc.integer({ min: 0, max: 9_999_999 }).map((n) => (n / 10_000).toFixed(4)),
        selfPayClass: fc.constantFrom("01" as const, "02" as const, "03" as const),
        itemCode: fc.constantFrom("XA01", "XA02"),
      })
      .map((line): FeeLineText => {
        const amount = lineAmount(line.quantity, line.unitPrice).toString().padStart(3, "0");
        return { ...LINE, ...line, amount: `${amount.slice(0, -2)}.${amount.slice(-2)}` };
      }),
    { minLength: 1, maxLength: 6 },
  );

  test.each(Object.entries(PROVINCE_PROFILES))("satisfies every equation of %s, whatever plan and lines", (_, profile) => {
    fc.assert(
      fc.property(plans, lines, (plan, texts) => {
        const total = sumOf(texts.map((line) => lineAmount(line.quantity, line.unitPrice)));
        const checked = checkFeeLines(texts, total);
        if (!checked.ok) throw new Error(checked.error);
        const amounts = splitBill(total, checked.value, plan, profile);
        expect(violationsOf(amounts, profile)).toEqual([]);
        expect(sumOf(partsOf(amounts).map((part) => part.amount)) + amounts.psn_cash_pay).toBe(total);
      }),
      { numRuns: 1_000 },
    );
  });

  test.each([
    ["thirds", { poolShare: 3_333n, seriousShare: 3_333n }],
    ["66.67 and 14.29", { poolShare: 6_667n, seriousShare: 1_429n }],
    ["99.99 and 0.01", { poolShare: 9_999n, seriousShare: 1n }],
  ])("split three ways (%s) adds up for every total from 0.01 to 100.00", (_, part) => {
    const wrong: string[] = [];
    for (const profile of [HUNAN, GUANGDONG])
      for (let total = 1n; total <= 10_000n; total++) {
        const amounts = splitBill(fen(total), undefined, { ...NO_PLAN, ...part, personalAccount: fen(7) }, profile);
        if (violationsOf(amounts, profile).length > 0) wrong.push(`${profile.name} ${total}`);
      }
    expect(wrong).toEqual([]);
  });

  const LINES: readonly FeeLineText[] = [
    { ...LINE, amount: "100.00" },
    { ...LINE, itemCode: "XB02", unitPrice: "50.00", quantity: "2", amount: "100.00", selfPayClass: "02" },
    { ...LINE, itemCode: "XC03", unitPrice: "30.00", amount: "30.00", selfPayClass: "03" },
    { ...LINE, itemCode: "XL04", unitPrice: "40.00", quantity: "2", amount: "80.00" },
  ];
  const PLAN: BenefitPlan = {
    ...NO_PLAN,
    insured: "employee",
    deductibleLeft: fen(50_00),
    poolShare: 5_000n,
    seriousShare: 1_000n,
    civilServantShare: 500n,
    enterpriseShare: 500n,
    assistanceShare: 200n,
    otherShare: 100n,
    poolCeilingLeft: fen(80_00),
    aboveCeilingShare: 5_000n,
    classBSelfPayShare: 1_000n,
    priceLimits: new Map([["XL04", "25.00"]]),
    personalAccount: fen(20_00),
    familyAccount: fen(10_00),
  };
  /** 310.00: 30 全自费, 30 超限价, 10 先行自付, 240 in scope; 50 deductible, 190 above: 95 at the pool, of which 80 are left. */
  const COMMON = {
    medfee_sumamt: 310_00,
    preselfpay_amt: 10_00,
    inscp_scp_amt: 240_00,
    act_pay_dedc: 50_00,
    hifp_pay: 80_00,
    hifob_pay: 19_00 + 7_50,
    hifmi_pay: 0,
    cvlserv_pay: 9_50,
    hifes_pay: 9_50,
    maf_pay: 3_80,
    oth_pay: 1_90,
    acct_pay: 20_00,
    acct_mulaid_pay: 10_00,
  };
  test.each([
    [
      "hunan",
      HUNAN,
      {
        fulamt_ownpay_amt: 30_00,
        overlmt_selfpay: 30_00,
        fund_pay_sumamt: 131_20,
        psn_part_amt: 178_80,
        psn_cash_pay: 148_80,
        hosp_part_amt: 0,
      },
    ],
    [
      "guangdong",
      GUANGDONG,
      {
        fulamt_ownpay_amt: 60_00,
        overlmt_selfpay: 0,
        fund_pay_sumamt: 151_20,
        psn_part_amt: 148_80,
        psn_cash_pay: 118_80,
        hosp_part_amt: 30_00,
      },
    ],
  ] as const)("is split as %s counts", (_, profile, own) => {
    const checked = checkFeeLines(LINES, fen(310_00));
    if (!checked.ok) throw new Error(checked.error);
    const expected = Object.fromEntries(Object.entries({ ...COMMON, ...own }).map(([field, amount]) => [field, fen(amount)]));
    expect(splitBill(fen(310_00), checked.value, PLAN, profile)).toEqual(expected);
  });
});

describe("an equation that does not hold", () => {
  const GOOD: Amounts = amountsOf({
    medfee_sumamt: 1_000,
    fulamt_ownpay_amt: 100,
    overlmt_selfpay: 50,
    preselfpay_amt: 50,
    inscp_scp_amt: 800,
    act_pay_dedc: 100,
    hifp_pay: 500,
    maf_pay: 100,
    fund_pay_sumamt: 600,
    psn_part_amt: 400,
    acct_pay: 150,
    acct_mulaid_pay: 50,
    psn_cash_pay: 200,
  });
  const GOOD_GD: Amounts = {
    ...GOOD,
    fulamt_ownpay_amt: fen(150),
    overlmt_selfpay: fen(0),
    fund_pay_sumamt: fen(750),
    psn_part_amt: fen(350),
    psn_cash_pay: fen(150),
    hosp_part_amt: fen(50),
  };

  test("is none in a good split of either profile", () => {
    expect([violationsOf(GOOD, HUNAN), violationsOf(GOOD_GD, GUANGDONG)]).toEqual([[], []]);
  });

  test.each([
    ["negativeAmount", { oth_pay: fen(-1), hifp_pay: fen(501) }, HUNAN],
    ["totalTerms", { inscp_scp_amt: fen(801) }, HUNAN],
    ["totalTerms", { overlmt_selfpay: fen(49) }, HUNAN],
    ["totalPayers", { psn_part_amt: fen(401), psn_cash_pay: fen(201) }, HUNAN],
    ["personParts", { psn_cash_pay: fen(201) }, HUNAN],
    ["personParts", { acct_mulaid_pay: fen(49) }, HUNAN],
    ["fundParts", { hifp_pay: fen(501) }, HUNAN],
    ["hospitalPart", { hosp_part_amt: fen(1) }, HUNAN],
    ["deductibleAboveScope", { act_pay_dedc: fen(801) }, HUNAN],
    ["totalTerms", { fulamt_ownpay_amt: fen(149) }, GUANGDONG],
    ["totalPayers", { hosp_part_amt: fen(49) }, GUANGDONG],
    ["fundParts", { maf_pay: fen(99) }, GUANGDONG],
    ["personParts", { acct_pay: fen(151), fund_pay_sumamt: fen(751) }, GUANGDONG],
  ] as const)("%s is told by its own code (row %#)", (code, change, profile) => {
    const good = profile === HUNAN ? GOOD : GOOD_GD;
    expect(violationsOf({ ...good, ...change }, profile)).toEqual([code]);
  });

  test("where the account counts as fund, a split the other way is found", () => {
    expect(violationsOf(GOOD, GUANGDONG)).toEqual(["totalTerms", "totalPayers", "fundParts"]);
    expect(violationsOf(GOOD_GD, HUNAN)).toEqual(["totalPayers", "fundParts", "hospitalPart"]);
  });

  test.each([
    ["onlineParts", { ownPayAmt: fen(41) }, [fen(60), fen(40)]],
    ["detailSum", {}, [fen(60), fen(41)]],
  ] as const)("online: %s", (code, change, details) => {
    const order = { feeSumamt: fen(100), ownPayAmt: fen(40), psnAcctPay: fen(10), fundPay: fen(50), ...change };
    expect(onlineViolationsOf(order, fen(100), details)).toEqual([code]);
    expect(
      onlineViolationsOf({ feeSumamt: fen(100), ownPayAmt: fen(40), psnAcctPay: fen(10), fundPay: fen(50) }, fen(100), [fen(100)]),
    ).toEqual([]);
  });

  const LEFT = { fund: fen(60), account: fen(10), cash: fen(30) };
  test.each([
    ["ALL", LEFT, []],
    ["CASH", { fund: fen(0), account: fen(0), cash: fen(10) }, []],
    ["HI", { fund: fen(60), account: fen(10), cash: fen(0) }, []],
    ["ALL", { ...LEFT, cash: fen(29) }, ["refundNotWhole"]],
    ["ALL", { ...LEFT, cash: fen(31) }, ["refundAboveOriginal", "refundNotWhole"]],
    ["CASH", { fund: fen(0), account: fen(1), cash: fen(10) }, ["cashRefundTouchesInsurance"]],
    ["HI", { fund: fen(60), account: fen(0), cash: fen(1) }, ["insuranceRefundTouchesCash"]],
    ["HI", { fund: fen(61), account: fen(0), cash: fen(0) }, ["refundAboveOriginal"]],
  ] as const)("refund of type %s (row %#) is judged", (type, refund, codes) => {
    expect(refundViolationsOf(type, refund, LEFT)).toEqual(codes);
  });

  test.each([
    ["three decimals", "1.000"],
    ["a minus sign", "-1.00"],
    ["nothing", ""],
    ["words", "免费"],
  ])("an amount with %s is told by its field", (_, text) => {
    const fields = Object.fromEntries(AMOUNT_FIELDS.map((field) => [field, "0.00"]));
    expect(readAmounts(fields).ok).toBe(true);
    expect(readAmounts({ ...fields, maf_pay: text })).toEqual({ ok: false, error: "maf_pay" });
    expect(readAmounts({ ...fields, medfee_sumamt: undefined })).toEqual({ ok: false, error: "medfee_sumamt" });
  });
});

describe("a partial refund", () => {
  const PAID = [
    { fundSource: "hifp_pay", amount: fen(600) },
    { fundSource: "acct_pay", amount: fen(101) },
  ];
  test("is shared over what is left, and every fen of it is given back in the end", () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 1n, max: 701n }), { minLength: 1, maxLength: 20 }), (amounts) => {
        const refunds: (typeof PAID)[number][][] = [];
        for (const amount of amounts) {
          const left = leftOf(PAID, refunds);
          const parts = refundParts(left, fen(amount));
          const all = sumOf(left.map((part) => part.amount));
          expect(parts === undefined).toBe(amount > all);
          if (parts === undefined) continue;
          expect(sumOf(parts.map((part) => part.amount))).toBe(amount);
          expect(coversRefund(left, parts)).toBe(true);
          refunds.push([...parts]);
        }
      }),
    );
  });

  test.each([
    ["more than a fund has left", [{ fundSource: "acct_pay", amount: fen(102) }]],
    ["a fund that paid nothing", [{ fundSource: "oth_pay", amount: fen(1) }]],
    ["a fund twice", [PAID[1], PAID[1]].map((part) => ({ fundSource: "acct_pay", amount: part?.amount ?? fen(0) }))],
    ["nothing", []],
    ["an amount of zero", [{ fundSource: "hifp_pay", amount: fen(0) }]],
  ])("of %s cannot be given back", (_, parts) => {
    expect(coversRefund(PAID, parts)).toBe(false);
  });
});

describe("fee lines", () => {
  test.each([
    ["3", "1.115", 335n],
    ["1", "0.004999", 0n],
    ["1", "0.005", 1n],
    ["0.5", "0.01", 1n],
    ["1.3333", "2.999999", 400n],
    ["999999999999.9999", "1", 100_000_000_000_000n],
  ])("%s times %s yuan is rounded half up (row %#)", (quantity, unitPrice, expected) => {
    expect(lineAmount(quantity, unitPrice)).toBe(expected);
  });

  test.each([
    ["lineAmountMalformed", { amount: "100.000" }, 100_00],
    ["lineAmountMalformed", { amount: "-100.00" }, 100_00],
    ["quantityZero", { quantity: "0.0000", amount: "0.00" }, 0],
    ["priceTimesQuantity", { amount: "100.01" }, 100_01],
    ["linesNotTotal", {}, 100_01],
  ] as const)("%s: %j", (fault, change, total) => {
    expect(checkFeeLines([{ ...LINE, ...change }], fen(total))).toEqual({ ok: false, error: fault });
  });

  test("have a hash that every field and the order of lines changes", async () => {
    const crypto = await loadCrypto();
    const other: Required<FeeLineText> = {
      itemCode: "XA02",
      itemName: "其他",
      quantity: "2",
      unitPrice: "50.00",
      amount: "100.0",
      category: "10",
      selfPayClass: "02",
    };
    const hashes = [
      feeLinesHash(crypto, [LINE]),
      feeLinesHash(crypto, [LINE, LINE]),
      feeLinesHash(crypto, [LINE, other]),
      feeLinesHash(crypto, [other, LINE]),
      ...Object.entries(other).map(([field, value]) => feeLinesHash(crypto, [{ ...LINE, [field]: value }])),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });
});

function amountsOf(given: Partial<Record<AmountField, number>>): Amounts {
  return Object.fromEntries(AMOUNT_FIELDS.map((field) => [field, fen(given[field] ?? 0)])) as unknown as Amounts;
}
