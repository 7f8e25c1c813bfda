/** `rh.presettle` and `rh.statement` at the edge, and what bills and refund scopes become on their way to the core. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FeeLineText } from "../core/protocol/fee-lines.ts";
import type { CallFailure } from "./client.ts";
import { EC_TOKEN, PERSON, sceneAt, startPlatform, type TestInstitution, type TestPlatform } from "./testing/platform.ts";

let p: TestPlatform;
let hospital: TestInstitution;
beforeAll(async () => {
  p = await startPlatform();
  ({ hospital } = p.institutions);
});
afterAll(async () => {
  await p.stop();
  await p.remove();
});

let serial = 0;
const number = (): string => `P${++serial}`;

function valueOf<T>(result: { ok: true; value: T } | { ok: false; error: CallFailure }): T {
  if (!result.ok) throw new Error(`refused: ${result.error.code} ${result.error.message}`);
  return result.value;
}
function errorOf(result: { ok: true; value: unknown } | { ok: false; error: CallFailure }): string | undefined {
  return result.ok ? "accepted" : result.error.error;
}

const LINES: readonly FeeLineText[] = [
  { itemCode: "XA01", itemName: "对乙酰氨基酚片", quantity: "3", unitPrice: "9.50", amount: "28.5", category: "09", selfPayClass: "01" },
  { itemCode: "XB02", itemName: "超声", quantity: "1", unitPrice: "100", amount: "100.00", category: "03", selfPayClass: "02" },
];

describe("rh.presettle", () => {
  test("by a code: asks the core once, opens the visit, and leaves the scan of a code that was shown", async () => {
    const outTradeNo = number();
    const code = await p.code();
    const scans = (await p.events("code.scan.observed.v1")).length;
    const bill = { amount: "128.50", medType: "21", feeLines: [...LINES] };
    const reply = valueOf(await p.client(hospital).presettle({ ...sceneAt(hospital), outTradeNo, code, ...bill }));
    expect(reply).toMatchObject({
      outTradeNo,
      ecToken: EC_TOKEN,
      ecTokenExpires: "20261121100000",
      insuOrg: PERSON.insuOrg,
      amount: "128.50",
      split: { medfee_sumamt: "128.50", hifp_pay: "128.50", psn_cash_pay: "0.00" },
      legs: [{ rail: "insurance", fundSource: "hifp_pay", amount: "128.50" }],
      balc: "5.00",
    });
    expect(p.core.bills.at(-1)).toMatchObject({ outTradeNo, amount: "128.50", medType: "21", feeLines: LINES });
    expect(JSON.stringify(p.core.bills.at(-1))).not.toContain(code.slice(-40));
    const told = (await p.events("code.scan.observed.v1")).slice(scans);
    expect(told.map((event) => event.data)).toMatchObject([{ step: "verify", outcome: "accepted" }]);
    // Nothing was submitted: there is no settlement under this number.
    expect(errorOf(await p.client(hospital).result({ outTradeNo }))).toBe("settlementUnknown");
  });

  test("opens the visit once: the code may still settle there, and nothing else", async () => {
    const code = await p.code();
    const ask = async (outTradeNo: string, by = hospital): Promise<string | undefined> =>
      errorOf(await p.client(by).presettle({ ...sceneAt(by), outTradeNo, code, amount: "1.00" }));
    const outTradeNo = number();
    expect(await ask(outTradeNo)).toBe("accepted");
    expect(await ask(outTradeNo)).toBe("accepted");
    expect(await ask(number())).toBe("codeUsed");
    expect(await ask(number(), p.institutions.secretive)).toBe("codeUsed");
    expect(errorOf(await p.client(hospital).verify({ ...sceneAt(hospital), outTradeNo: number(), code }))).toBe("codeUsed");
    expect(errorOf(await p.client(hospital).settle({ ...sceneAt(hospital), outTradeNo: number(), code, amount: "1.00" }))).toBe("accepted");
  });

  test("by the visit's ecToken: as often as it takes, and no scan", async () => {
    const scans = (await p.events("code.scan.observed.v1")).length;
    for (const amount of ["1.00", "2.00"]) {
      const request = { ...sceneAt(hospital), outTradeNo: number(), ecToken: EC_TOKEN, amount };
      expect(valueOf(await p.client(hospital).presettle(request)).split.medfee_sumamt).toBe(amount);
    }
    expect((await p.events("code.scan.observed.v1")).length).toBe(scans);
  });

  test("a payer that says no has seen a good code: its scan stays, and the visit is open", async () => {
    const code = await p.code();
    const outTradeNo = number();
    const request = { ...sceneAt(hospital), outTradeNo, code, amount: "1.00" };
    p.core.answer = "payerUnavailable";
    expect(errorOf(await p.client(hospital).presettle(request))).toBe("payerUnavailable");
    p.core.answer = "resolve";
    expect(errorOf(await p.client(hospital).presettle({ ...request, outTradeNo: number() }))).toBe("codeUsed");
    expect(errorOf(await p.client(hospital).presettle(request))).toBe("accepted");
  });

  test.each([
    ["a code issued to identify", async () => ({ code: await p.code({ purpose: "verify" }) }), "codeKindRefused"],
    ["an NHSA code", () => ({ code: "28123456789012345678" }), "codeKindRefused"],
    ["both a code and a token", async () => ({ code: await p.code(), ecToken: EC_TOKEN }), "badRequest"],
    ["neither", () => ({}), "badRequest"],
    [
      "a line that is another price",
      () => ({ ecToken: EC_TOKEN, feeLines: LINES.map((line) => ({ ...line, quantity: "2" })) }),
      "feesInvalid",
    ],
    ["lines of another total", () => ({ ecToken: EC_TOKEN, feeLines: LINES.slice(1) }), "feesInvalid"],
    ["too many lines", () => ({ ecToken: EC_TOKEN, feeLines: Array.from({ length: 201 }, () => LINES[0]) }), "badRequest"],
    ["a line with a field too many", () => ({ ecToken: EC_TOKEN, feeLines: [{ ...LINES[0], patient: "x" }] }), "badRequest"],
  ] as const)("refuses %s", async (_, shown, error) => {
    const request = { ...sceneAt(hospital), outTradeNo: number(), amount: "128.50", ...(await shown()) };
    const answer = await p.client(hospital).presettle(request as Parameters<ReturnType<TestPlatform["client"]>["presettle"]>[0]);
    expect(errorOf(answer)).toBe(error);
  });

  test("reads an empty list as none: an empty list is not part of what is signed (domain notes 1.2)", async () => {
    const request = { ...sceneAt(hospital), outTradeNo: number(), ecToken: EC_TOKEN, amount: "1.00", feeLines: [] };
    expect(errorOf(await p.client(hospital).presettle(request))).toBe("accepted");
    expect(p.core.bills.at(-1)).not.toHaveProperty("feeLines");
  });

  test("does not read an oversized call that can have no lines", async () => {
    const body = await p.envelope(hospital, "rh.result", { orgId: hospital.settings.orgId, outTradeNo: number() });
    const response = await p.post("rh.result", body + " ".repeat(p.ports.limits.bodyBytesMax));
    expect(await response.json()).toMatchObject({ code: "600003" });
  });

  test("takes a bill of two hundred lines, sealed too", async () => {
    const { secretive } = p.institutions;
    const line = { ...LINES[0], itemName: "名".repeat(100), quantity: "1", unitPrice: "0.01", amount: "0.01" } as FeeLineText;
    const feeLines = Array.from({ length: 200 }, () => line);
    const request = { ...sceneAt(secretive), outTradeNo: number(), ecToken: EC_TOKEN, amount: "2.00", feeLines };
    expect(errorOf(await p.client(secretive).presettle(request))).toBe("accepted");
  });
});

const settle = async (outTradeNo: string, more: object = {}) =>
  await p.client(hospital).settle({ ...sceneAt(hospital), outTradeNo, ecToken: EC_TOKEN, amount: "128.50", ...more });

describe("a bill on its way to the core", () => {
  test("carries its kind of care and its lines", async () => {
    const outTradeNo = number();
    valueOf(await settle(outTradeNo, { medType: "11", feeLines: [...LINES] }));
    const event = (await p.events("settlement.request.submitted.v1")).find(({ data }) => data.outTradeNo === outTradeNo);
    expect(event?.data).toMatchObject({ medType: "11", feeLines: LINES });
  });

  test("is another bill with other lines, with none, or with another kind of care", async () => {
    const outTradeNo = number();
    valueOf(await settle(outTradeNo, { feeLines: [...LINES] }));
    expect(errorOf(await settle(outTradeNo, { feeLines: [...LINES] }))).toBe("accepted");
    const others = [{ feeLines: LINES.toReversed() }, {}, { feeLines: [...LINES], medType: "21" }];
    for (const other of others) expect(errorOf(await settle(outTradeNo, other))).toBe("idempotencyConflict");
  });
});

const refund = async (outTradeNo: string, more: object = {}) =>
  await p.client(hospital).refund({ ...sceneAt(hospital), outTradeNo, originalOutTradeNo: "A1", ...more });

const submitted = async (outTradeNo: string) =>
  (await p.events("settlement.request.submitted.v1")).find(({ data }) => data.outTradeNo === outTradeNo)?.data;

describe("a refund on its way to the core", () => {
  test("carries which payers and how much; ALL is the same as not saying", async () => {
    const [part, whole] = [number(), number()];
    valueOf(await refund(part, { refundType: "HI", refundAmount: "20.5" }));
    expect(await submitted(part)).toMatchObject({ refundType: "HI", refundAmount: "20.50" });
    valueOf(await refund(whole, { refundType: "ALL" }));
    expect(await submitted(whole)).not.toHaveProperty("refundType");
    expect(errorOf(await refund(whole))).toBe("accepted");
    for (const other of [{ refundType: "CASH" }, { refundAmount: "1.00" }])
      expect(errorOf(await refund(whole, other))).toBe("idempotencyConflict");
  });

  test.each(["0", "0.001", "-1.00", "all"])("of %s yuan is refused", async (refundAmount) => {
    expect(errorOf(await refund(number(), { refundAmount }))).toBe("amountInvalid");
  });
});

describe("rh.statement", () => {
  test("is the caller's own, page after page, with totals of the whole period", async () => {
    const outTradeNo = number();
    const first = valueOf(await p.client(hospital).statement({ outTradeNo, period: "20261121", pageSize: "7" }));
    expect(first).toEqual({
      outTradeNo,
      period: "20261121",
      closed: "0",
      totals: {
        settlements: "1",
        settled: "2.00",
        refunds: "0",
        refunded: "0.00",
        sources: [{ rail: "bank", fundSource: "psn_cash_pay", settled: "2.00", refunded: "0.00" }],
      },
      rows: [
        {
          kind: "settlement",
          outTradeNo: "A1",
          settlementId: "rs1",
          day: "20261121",
          at: "20261121093000",
          late: "0",
          amount: "1.00",
          legs: [{ rail: "bank", fundSource: "psn_cash_pay", amount: "1.00" }],
        },
      ],
      cursor: "1",
    });
    expect(p.core.periods.at(-1)).toEqual({ institution: hospital.settings.orgId, period: "20261121", limit: 7 });
    const last = valueOf(await p.client(hospital).statement({ outTradeNo: number(), period: "20261121", cursor: first.cursor ?? "" }));
    expect(last).not.toHaveProperty("cursor");
    // Of no bill: it has no number.
    expect(last.rows).toEqual([
      {
        kind: "supplement",
        movement: "payment",
        day: "20261121",
        at: "20261121093000",
        late: "0",
        amount: "1.00",
        legs: [{ rail: "bank", fundSource: "psn_cash_pay", amount: "1.00" }],
      },
    ]);
    expect(p.core.periods.at(-1)).toMatchObject({ cursor: "1", limit: 50 });
  });

  test.each([
    { period: "2026" },
    { period: "20261121", pageSize: "0" },
    { period: "20261121", pageSize: "101" },
    { period: "20261121", cursor: "a b" },
  ])("refuses %j", async (request) => {
    expect(errorOf(await p.client(hospital).statement({ outTradeNo: number(), ...request }))).toBe("badRequest");
  });
});
