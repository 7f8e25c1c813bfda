/** Pre-settlement and statements as an edge asks for them: real vault, real payers over HTTP, the core's own routes. */
import * as v from "valibot";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { FeeLineText } from "../protocol/fee-lines.ts";
import { toBase64, utf8 } from "../protocol/bytes.ts";
import { statementReply } from "../protocol/internal.ts";
import { signInternalRequest } from "../protocol/internal-auth.ts";
import { asFen } from "../protocol/money.ts";
import type { EventMs } from "../protocol/time.ts";
import { createCoreApp } from "../server.ts";
import { openPayers, rawSealingKey } from "../settlement/rails/payers.ts";
import type { Payers } from "../settlement/rails/port.ts";
import { createPresettlement } from "../settlement/rails/presettlement.ts";
import type { SandboxTotals } from "../settlement/rails/sandbox/admin-app.ts";
import { type SandboxRails, startSandboxRails } from "../settlement/rails/sandbox/start.ts";
import type { StatementPage, StatementQuery } from "../settlement/statement-port.ts";
import { ACCOUNTS, EDGE, HOSPITAL, openProvince, OTHER_HOSPITAL, type Province, TERMINAL, valueOf } from "../testing/province.ts";

let province: Province;
let sandbox: SandboxRails;
let payers: Payers;
let app: ReturnType<typeof createCoreApp>;
let page: StatementPage | undefined;
const asked: StatementQuery[] = [];

beforeAll(async () => {
  province = await openProvince();
  const { clock, crypto, folder } = province;
  sandbox = await startSandboxRails({
    clock,
    seedAccounts: [
      { rail: "insurance", account: ACCOUNTS.insurance, sharePercent: 60, personalAccount: "5.00" },
      { rail: "commercial", account: ACCOUNTS.commercial, sharePercent: 50 },
      { rail: "bank", account: ACCOUNTS.bank, balance: "1000.00" },
    ],
  });
  payers = await openPayers({
    urls: { insurance: sandbox.insuranceUrl, commercial: sandbox.commercialUrl, bank: sandbox.bankUrl },
    file: `${folder}/rails.db`,
    sealing: rawSealingKey(crypto, crypto.random(32)),
    clock,
  });
  const { vault } = province.core;
  const presettle = createPresettlement({ vault, insurance: payers.insurance, commercial: payers.commercial });
  const statements = {
    read(query: StatementQuery): Promise<StatementPage | undefined> {
      asked.push(query);
      return Promise.resolve(page);
    },
  };
  app = createCoreApp({ ...province.core.ports, presettle, statements });
});
afterAll(async () => {
  await Promise.all(Object.values(payers).map((payer) => payer.close()));
  await sandbox.close();
  await province.close();
});
beforeEach(async () => {
  await fetch(`${sandbox.adminUrl}/admin/faults`, { method: "DELETE" });
});

let serial = 0;
const number = (): string => `q${++serial}`;

async function admin(path: string, body?: unknown): Promise<unknown> {
  return await (await fetch(`${sandbox.adminUrl}${path}`, body === undefined ? {} : { method: "POST", body: JSON.stringify(body) })).json();
}

async function post(path: string, content: object, served = app): Promise<Record<string, unknown>> {
  const body = JSON.stringify(content);
  const signed = signInternalRequest(
    province.crypto,
    province.edgeKey,
    { edge: EDGE, method: "POST", path, body: utf8(body) },
    province.clock.now(),
  );
  const response = await served.request(path, { method: "POST", headers: { ...signed.headers }, body });
  return (await response.json()) as Record<string, unknown>;
}

async function question(shown: { readonly code: string } | { readonly ecToken: string }, more: object = {}): Promise<object> {
  const outTradeNo = number();
  const dataKey = province.crypto.random(32);
  const wrapped = province.crypto.sm2Encrypt(await province.keys.publicKey("edge.seal/1"), dataKey);
  const [kind, value] = "code" in shown ? (["code", shown.code] as const) : (["ecToken", shown.ecToken] as const);
  return {
    institution: HOSPITAL,
    terminal: TERMINAL,
    businessType: "01301",
    transactionId: `${HOSPITAL}/${outTradeNo}`,
    outTradeNo,
    credential: {
      kind,
      keyHandle: "edge.seal/1",
      wrappedKey: toBase64(wrapped),
      sealed: toBase64(province.crypto.seal(dataKey, utf8(value), utf8(`${HOSPITAL}\n${outTradeNo}`))),
    },
    observedAtMs: province.clock.now(),
    amount: "100.00",
    ...more,
  };
}

const presettle = async (shown: { readonly code: string } | { readonly ecToken: string }, more: object = {}) =>
  await post("/internal/v1/presettle", await question(shown, more));

describe("a pre-settlement", () => {
  test("tells the split of every payer and opens the visit; the ecToken asks again and settles, then it is over", async () => {
    const first = await presettle({ code: await province.issue() });
    expect(first).toMatchObject({
      ok: true,
      insuOrg: "500101",
      balc: "5.00",
      split: {
        medfee_sumamt: "100.00",
        hifp_pay: "60.00",
        fund_pay_sumamt: "60.00",
        psn_part_amt: "40.00",
        acct_pay: "5.00",
        commercial_claim: "17.50",
        psn_cash_pay: "17.50",
      },
      legs: [
        { rail: "insurance", fundSource: "hifp_pay", amount: "60.00" },
        { rail: "insurance", fundSource: "acct_pay", amount: "5.00" },
        { rail: "commercial", fundSource: "commercial_claim", amount: "17.50" },
        { rail: "bank", fundSource: "psn_cash_pay", amount: "17.50" },
      ],
    });
    const ecToken = String(first["ecToken"]);
    expect(await presettle({ ecToken }, { amount: "10.00" })).toMatchObject({ ok: true, ecToken, split: { hifp_pay: "6.00" } });
    expect(await admin("/admin/totals")).toMatchObject({ legs: [], held: 0 } satisfies Partial<SandboxTotals>);

    const { vault } = province.core;
    const atMs = province.clock.now();
    const settlement = {
      institution: HOSPITAL,
      terminal: TERMINAL,
      businessType: "01301",
      transactionId: `${HOSPITAL}/s1`,
      atMs,
      acceptedAtMs: atMs,
    };
    const opened = valueOf(
      await vault.deTokenise({ ...settlement, purpose: "settlement", credential: { kind: "ecToken", value: ecToken } }),
    );
    expect(opened.ecToken).toBe(ecToken);
    expect(await presettle({ ecToken })).toEqual({ ok: false, error: "tokenInvalid" });
  });

  test("with fee lines splits by what each line is", async () => {
    const line: FeeLineText = {
      itemCode: "XA01",
      itemName: "项目",
      quantity: "2",
      unitPrice: "25.00",
      amount: "50.00",
      category: "09",
      selfPayClass: "01",
    };
    const feeLines = [line, { ...line, itemCode: "XC03", selfPayClass: "03" }];
    const code = await province.issue();
    expect(await presettle({ code }, { feeLines, medType: "21" })).toMatchObject({
      ok: true,
      split: { fulamt_ownpay_amt: "50.00", inscp_scp_amt: "50.00", hifp_pay: "30.00" },
    });
  });

  test("that is repeated under its number shows the same visit, and is asked of the payers anew", async () => {
    const asking = await question({ code: await province.issue() });
    const first = await post("/internal/v1/presettle", asking);
    await admin("/admin/accounts", [{ rail: "insurance", account: ACCOUNTS.insurance, sharePercent: 50, personalAccount: "5.00" }]);
    const second = await post("/internal/v1/presettle", asking);
    await admin("/admin/accounts", [{ rail: "insurance", account: ACCOUNTS.insurance, sharePercent: 60, personalAccount: "5.00" }]);
    expect(second).toMatchObject({ ok: true, ecToken: first["ecToken"], split: { hifp_pay: "50.00" } });
  });

  test("shows a code once: another number, another institution and a settlement's own rules find it used", async () => {
    const code = await province.issue();
    await presettle({ code });
    expect(await presettle({ code })).toEqual({ ok: false, error: "codeUsed" });
  });

  test.each([
    ["a code issued to identify", () => province.issue({ purpose: "verify" }), {}, "codeKindRefused"],
    ["a business type under which no money moves", () => province.issue(), { businessType: "01101" }, "businessTypeRefused"],
    ["a terminal that is not registered", () => province.issue(), { terminal: "T9999" }, "terminalUnknown"],
    ["lines that do not make up the amount", () => province.issue(), { feeLines: [lineOf("99.99")] }, "feesInvalid"],
    ["an amount of zero", () => province.issue(), { amount: "0.00" }, "amountInvalid"],
    ["a transaction of another number", () => province.issue(), { transactionId: `${HOSPITAL}/other` }, "badRequest"],
    ["an unknown field", () => province.issue(), { colour: "red" }, "badRequest"],
  ] as const)("refuses %s", async (_, issue, more, error) => {
    expect(await presettle({ code: await issue() }, more)).toEqual({ ok: false, error });
  });

  test("refuses an institution that the edge does not serve", async () => {
    const { authKey } = valueOf(await province.core.access.registerEdge({ edgeId: "edge-9", serves: [OTHER_HOSPITAL] }, "operator/test"));
    const body = JSON.stringify(await question({ code: await province.issue() }));
    const path = "/internal/v1/presettle";
    const signed = signInternalRequest(
      province.crypto,
      authKey,
      { edge: "edge-9", method: "POST", path, body: utf8(body) },
      province.clock.now(),
    );
    const response = await app.request(path, { method: "POST", headers: { ...signed.headers }, body });
    expect(await response.json()).toEqual({ ok: false, error: "institutionUnknown" });
  });

  test.each([
    ["insurance", "serverError", "payerUnavailable"],
    ["commercial", "garbage", "payerUnavailable"],
    ["insurance", "refuse", "payerRefused"],
    ["commercial", "refuse", "payerRefused"],
  ] as const)("tells that the %s rail does not answer (%s)", async (rail, kind, error) => {
    await admin("/admin/faults", { rail, action: "authorise", kind, count: 2 });
    expect(await presettle({ code: await province.issue() })).toEqual({ ok: false, error });
    expect(await admin("/admin/totals")).toMatchObject({ legs: [], held: 0 });
  });

  test("is an entry of the registry log, and one meeting of the person however often the bill is asked about", async () => {
    const meetings = async (): Promise<number> => {
      await province.core.drained();
      return (await province.bus.read("identity.token.resolved.v1", 0, 0n, 10_000)).length;
    };
    const before = await meetings();
    const { ecToken } = await presettle({ code: await province.issue() });
    await presettle({ ecToken: String(ecToken) });
    expect(await meetings()).toBe(before + 1);
    const rows = await province.core.registry.db.read("SELECT kind FROM leaf ORDER BY idx DESC LIMIT 2");
    expect(rows.map((row) => row["kind"])).toEqual(["vault.account.detokenised", "vault.account.detokenised"]);
  });

  test("is nobody's to answer where no payers are", async () => {
    const bare = createCoreApp(province.core.ports);
    expect(await post("/internal/v1/presettle", await question({ code: await province.issue() }), bare)).toEqual({
      ok: false,
      error: "coreUnavailable",
    });
    expect(await post("/internal/v1/statement", { institution: HOSPITAL, period: "20260512", limit: 1 }, bare)).toEqual({
      ok: false,
      error: "coreUnavailable",
    });
  });
});

function lineOf(amount: string): FeeLineText {
  return { itemCode: "XA01", itemName: "项目", quantity: "1", unitPrice: amount, amount, category: "09", selfPayClass: "01" };
}

describe("a statement", () => {
  test("is the institution's own, a page at a time", async () => {
    const legs = [{ rail: "bank" as const, fundSource: "psn_cash_pay", amount: asFen(100n) }];
    const line = { outTradeNo: "A1", settlementId: "rs1", day: "20260512", atMs: 1 as EventMs, late: false, amount: asFen(100n), legs };
    const sources = [{ rail: "bank" as const, fundSource: "psn_cash_pay", settled: asFen(100n), refunded: asFen(0n) }];
    page = {
      closed: true,
      totals: { settlements: 1, settled: asFen(100n), refunds: 0, refunded: asFen(0n), sources },
      rows: [{ kind: "settlement", ...line }],
      next: "c1",
    };
    const reply = await post("/internal/v1/statement", { institution: HOSPITAL, period: "202605", cursor: "c0", limit: 7 });
    expect(asked.at(-1)).toEqual({ institution: HOSPITAL, period: "202605", after: "c0", limit: 7 });
    expect(reply).toEqual({
      ok: true,
      closed: true,
      totals: {
        settlements: 1,
        settled: "1.00",
        refunds: 0,
        refunded: "0.00",
        sources: [{ rail: "bank", fundSource: "psn_cash_pay", settled: "1.00", refunded: "0.00" }],
      },
      rows: [{ kind: "settlement", ...line, amount: "1.00", legs: [{ rail: "bank", fundSource: "psn_cash_pay", amount: "1.00" }] }],
      next: "c1",
    });
  });

  test("has what was booked by hand, of no bill, and a period that gave back more than it has", async () => {
    const legs = [{ rail: "bank" as const, fundSource: "psn_cash_pay", amount: asFen(100n) }];
    const line = {
      kind: "supplement",
      movement: "reversal",
      day: "20260512",
      atMs: 1 as EventMs,
      late: true,
      amount: asFen(100n),
    } as const;
    const sources = [{ rail: "bank" as const, fundSource: "psn_cash_pay", settled: asFen(-100n), refunded: asFen(0n) }];
    page = {
      closed: true,
      totals: { settlements: 0, settled: asFen(-100n), refunds: 0, refunded: asFen(0n), sources },
      rows: [{ ...line, legs }],
    };
    // As an edge reads it.
    const reply = v.parse(statementReply, await post("/internal/v1/statement", { institution: HOSPITAL, period: "202605", limit: 7 }));
    expect(reply).toMatchObject({ totals: { settled: "-1.00", sources: [{ settled: "-1.00" }] } });
    expect(reply).toHaveProperty("rows", [
      { ...line, amount: "1.00", legs: [{ rail: "bank", fundSource: "psn_cash_pay", amount: "1.00" }] },
    ]);
  });

  test.each([
    ["a period that the books do not have", { institution: HOSPITAL, period: "29991231", limit: 1 }, "badRequest"],
    ["pages of no row", { institution: HOSPITAL, period: "20260512", limit: 0 }, "badRequest"],
    ["an institution that nobody knows", { institution: "H99999999999", period: "20260512", limit: 1 }, "institutionUnknown"],
  ])("refuses %s", async (_, body, error) => {
    page = undefined;
    expect(await post("/internal/v1/statement", body)).toEqual({ ok: false, error });
  });
});
