/** The insurance adapter and an insurer that speaks NHSA's envelope, over real HTTP. */
import { readFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { FeeLineText } from "../../../protocol/fee-lines.ts";
import { asFen } from "../../../protocol/money.ts";
import type { EventMs } from "../../../protocol/time.ts";
import { openDatabase } from "../../../../migrations/database.ts";
import { GUANGDONG, HUNAN } from "../../split/profile.ts";
import { type RailAccount, railKey } from "../port.ts";
import {
  ACCOUNTS,
  asking,
  EC_TOKEN,
  HOSPITAL,
  leg,
  MORNING,
  openPayersRig,
  type PayersRig,
  PERSON_SECRET,
  settleLeg,
  textOf,
  yuan,
} from "../testing/payers-rig.ts";
import type { VisitKind } from "./messages.ts";
import { FILE_HEADER, fileRow, fileTrailer } from "./statement-file.ts";

let rig: PayersRig;
/** A province of its own for each test of a group. */
function freshEachTime(): void {
  beforeEach(async () => {
    rig = await openPayersRig();
  });
  afterEach(async () => await rig.close());
}

const insured = async (): Promise<unknown> => await rig.admin(`/admin/accounts?rail=insurance&account=${PERSON_SECRET}`);
const refund = (refundId: string, amount: string, action: "refund" | "reverse" = "refund") =>
  ({ refundId, action, settlementId: "s1", institution: HOSPITAL, amount: yuan(amount) }) as const;
const PARTS = [
  { fundSource: "hifp_pay", amount: yuan("60.00") },
  { fundSource: "acct_pay", amount: yuan("5.00") },
];

describe("a visit", () => {
  freshEachTime();
  test.each([
    ["outpatient", "11"],
    ["pharmacy", "41"],
    ["inpatient", "21"],
  ] as const satisfies readonly (readonly [VisitKind, string])[])("of an %s is pre-settled, settled and undone", async (_, medType) => {
    const { insurance } = rig.payers;
    const held = await insurance.authorise(asking("insurance", "s1", "100.00", { medType }), "first");
    expect(held).toMatchObject({ kind: "done", amount: 65_00n, parts: PARTS });
    // A pre-settlement takes nothing.
    expect(await insured()).toMatchObject({ personalAccount: "5.00" });
    const taken = await insurance.capture(leg("s1", "65.00"), "first");
    expect(taken).toMatchObject({ kind: "done", amount: 65_00n });
    expect(await insured()).toMatchObject({ personalAccount: "0.00" });
    expect(await insurance.capture(leg("s1", "65.00"), "again")).toEqual(taken);
    expect(await insurance.refund(refund("r1", "65.00"), "first")).toMatchObject({ kind: "done", amount: 65_00n, parts: PARTS });
    expect(await insured()).toMatchObject({ personalAccount: "5.00" });
    expect(await rig.totals()).toMatchObject({ doubled: 0, held: 0 });
  });

  test("of a pharmacy is one by the business type alone", async () => {
    const { insurance } = rig.payers;
    const request = { ...asking("insurance", "s1"), businessType: "02121" };
    await insurance.authorise(request, "first");
    await insurance.capture(leg("s1", "65.00"), "first");
    expect((await rig.rows("insurance"))[0]?.key).toBe(railKey("s1", "insurance", "capture"));
  });

  test("with fee lines is split by what each line is", async () => {
    const line: FeeLineText = {
      itemCode: "XA01",
      itemName: "项目",
      quantity: "1",
      unitPrice: "50.00",
      amount: "50.00",
      category: "09",
      selfPayClass: "01",
    };
    const fees = [line, { ...line, itemCode: "XC03", selfPayClass: "03" as const }];
    const { insurance } = rig.payers;
    const held = await insurance.authorise(asking("insurance", "s1", "100.00", { fees }), "first");
    expect(held).toMatchObject({ kind: "done", amount: 35_00n });
    await rig.restartAdapters();
    expect(await rig.payers.insurance.capture(leg("s1", "35.00"), "again")).toMatchObject({ kind: "done", amount: 35_00n });
  });

  test("counts as its province does", async () => {
    await rig.close();
    rig = await openPayersRig({ profile: GUANGDONG });
    expect(await settleLeg(rig.payers.insurance, "s1")).toBe(65_00n);
    const quote = await rig.payers.insurance.presettle({ ...asking("insurance", "v"), visitId: "v", account: ACCOUNTS.insurance });
    expect(quote).toMatchObject({ amounts: { fund_pay_sumamt: yuan("60.00"), acct_pay: yuan("0.00") } });
    expect(await rig.payers.insurance.statementTotals("20260801")).toMatchObject({ captures: 1, captured: 65_00n });
  });

  test("whose insurer counts as another province does gets no split", async () => {
    await rig.close();
    rig = await openPayersRig({ profile: GUANGDONG, nhsa: { profile: { ...GUANGDONG, fundIncludesAccount: false } } });
    expect(await rig.payers.insurance.authorise(asking("insurance", "s1"), "first")).toEqual({ kind: "unknown", reason: "garbage" });
  });
});

describe("a pre-settlement for the cashier", () => {
  freshEachTime();
  test("tells the whole split and the account's balance, and leaves nothing behind", async () => {
    const request = { ...asking("insurance", "v1"), visitId: "v1", account: ACCOUNTS.insurance };
    expect(await rig.payers.insurance.presettle(request)).toMatchObject({
      kind: "done",
      amount: 65_00n,
      personalAccount: 5_00n,
      amounts: { medfee_sumamt: 100_00n, hifp_pay: 60_00n, acct_pay: 5_00n, psn_part_amt: 40_00n, psn_cash_pay: 35_00n },
    });
    expect(await rig.totals()).toMatchObject({ legs: [], held: 0 });
    expect(await rig.payers.insurance.capture(leg("v1", "65.00"), "first")).toEqual({ kind: "refused", reason: "holdUnknown" });
  });
});

describe("the medium", () => {
  freshEachTime();
  test.each(["", "short", "5101045101045101045101045101045101045101 "])("is an ecToken, not %j", async (ecToken) => {
    const account: RailAccount = { rail: "insurance", ecToken, psnNo: PERSON_SECRET, insuOrg: "510104" };
    expect(await rig.payers.insurance.authorise(asking("insurance", "s1", "100.00", { account }), "first")).toEqual({
      kind: "refused",
      reason: "ecTokenMissing",
    });
  });

  test.each([
    ["without one", {}],
    ["of another kind", { mdtrt_cert_type: "02", mdtrt_cert_no: "510104199001011234" }],
    ["that is no token", { mdtrt_cert_type: "01", mdtrt_cert_no: "x" }],
  ])("%s is refused by the insurer too", async (_, medium) => {
    const input = { data: { psn_no: PERSON_SECRET, ...medium } };
    expect(await post("1101", input)).toMatchObject({ infcode: "-1", err_msg: expect.stringMatching(/^F1003 /) as string });
  });

  test("stands for one person: at the insurer another one's is refused", async () => {
    await settleLeg(rig.payers.insurance, "s1");
    await rig.admin("/admin/accounts", [{ rail: "insurance", account: "other", sharePercent: 10 }]);
    const account: RailAccount = { rail: "insurance", ecToken: EC_TOKEN, psnNo: "other", insuOrg: "510104" };
    expect(await rig.payers.insurance.authorise(asking("insurance", "s2", "1.00", { account }), "first")).toEqual({
      kind: "refused",
      reason: "ecTokenMissing",
    });
  });

  test("and the person's number lie nowhere in the clear", async () => {
    await settleLeg(rig.payers.insurance, "s1");
    await rig.payers.insurance.authorise(asking("insurance", "s2"), "first");
    await rig.payers.insurance.refund(refund("r1", "65.00"), "first");
    await rig.restartAdapters();
    const { sandbox } = rig;
    await sandbox.close();
    const kept = await textOf(rig.folder);
    expect(kept).not.toContain(EC_TOKEN);
    // The payers' own books do name the person: theirs to keep. Ours do not.
    await rig.payers.insurance.close();
    expect((await readFile(`${rig.folder}/rails.db`)).toString("latin1")).not.toContain(PERSON_SECRET);
    await rig.restartSandbox();
  });

  test("of a closed account, or of nobody, is refused", async () => {
    await rig.admin("/admin/accounts", [{ rail: "insurance", account: "gone", sharePercent: 10, status: "closed" }]);
    for (const [psnNo, reason] of [
      ["gone", "accountClosed"],
      ["nobody", "accountUnknown"],
    ] as const) {
      const account: RailAccount = { rail: "insurance", ecToken: `${EC_TOKEN.slice(0, 30)}${psnNo}`, psnNo, insuOrg: "510104" };
      expect(await rig.payers.insurance.authorise(asking("insurance", `s-${psnNo}`, "1.00", { account }), "first")).toEqual({
        kind: "refused",
        reason,
      });
    }
  });
});

describe("a release", () => {
  freshEachTime();
  test("of what was only pre-settled tells the insurer nothing, and closes the leg", async () => {
    const { insurance } = rig.payers;
    await insurance.authorise(asking("insurance", "s1"), "first");
    await rig.fault({ rail: "insurance", action: "void", kind: "refuse" });
    expect(await insurance.void(leg("s1", "65.00"), "first")).toMatchObject({ kind: "done" });
    expect(await insurance.capture(leg("s1", "65.00"), "first")).toEqual({ kind: "refused", reason: "holdExpired" });
    expect(await insurance.authorise(asking("insurance", "s1"), "again")).toEqual({ kind: "refused", reason: "legClosed" });
  });

  test("that comes before the question refuses the question", async () => {
    const { insurance } = rig.payers;
    expect(await insurance.void(leg("s1", "0.00"), "first")).toMatchObject({ kind: "done" });
    expect(await insurance.authorise(asking("insurance", "s1"), "first")).toEqual({ kind: "refused", reason: "legClosed" });
  });

  test("that overtakes the question on the road refuses its answer", async () => {
    const { insurance } = rig.payers;
    await rig.admin("/admin/delay", { rail: "insurance", ms: 300 });
    const asked = insurance.authorise(asking("insurance", "s1"), "first");
    // Nothing leaves our side for this release: it is on record before the insurer can have answered.
    const release = insurance.void(leg("s1", "0.00"), "first");
    expect(await release).toMatchObject({ kind: "done" });
    expect(await asked).toEqual({ kind: "refused", reason: "legClosed" });
  });

  test("of a settled leg is refused: it must be given back", async () => {
    await settleLeg(rig.payers.insurance, "s1");
    expect(await rig.payers.insurance.void(leg("s1", "65.00"), "first")).toEqual({ kind: "refused", reason: "captured" });
    expect(await rig.payers.insurance.refund(refund("s1", "65.00", "reverse"), "first")).toMatchObject({ kind: "done" });
    expect(await rig.payers.insurance.void(leg("s1", "65.00"), "again")).toEqual({ kind: "refused", reason: "refunded" });
    expect((await rig.rows("insurance")).map((row) => [row.key, row.kind, row.amount])).toEqual([
      ["s1/insurance/capture", "capture", 65_00n],
      ["s1/insurance/reverse", "reversal", 65_00n],
    ]);
  });
});

/** A settlement whose answer is lost, once with its effect and once without. */
async function lose(kind: "serverErrorAfter" | "serverError"): Promise<void> {
  await rig.payers.insurance.authorise(asking("insurance", "s1"), "first");
  await rig.fault({ rail: "insurance", action: "capture", kind, count: 2 });
  expect(await rig.payers.insurance.capture(leg("s1", "65.00"), "first")).toEqual({ kind: "unknown", reason: "serverError" });
}

describe("a settlement without an answer", () => {
  freshEachTime();
  test.each(["serverErrorAfter", "serverError"] as const)("(%s) is asked again under the same msgid, after a crash too", async (kind) => {
    await lose(kind);
    await rig.restartAdapters();
    expect(await rig.payers.insurance.query("s1/insurance/capture")).toEqual({ kind: "unknown", reason: "timeout" });
    expect(await rig.payers.insurance.capture(leg("s1", "65.00"), "again")).toMatchObject({ kind: "done", amount: 65_00n });
    expect((await rig.totals()).legs).toMatchObject([{ captures: 1, captured: "65.00" }]);
  });

  test.each([
    [
      "serverErrorAfter",
      [
        ["capture", 65_00n],
        ["reversal", 65_00n],
      ],
    ],
    ["serverError", []],
  ] as const)("(%s) is reversed by 2601 when it is given up: nothing counts in the end", async (kind, moved) => {
    await lose(kind);
    expect(await rig.payers.insurance.void(leg("s1", "65.00"), "first")).toMatchObject({ kind: "done" });
    expect(await insured()).toMatchObject({ personalAccount: "5.00" });
    const rows = (await rig.rows("insurance")).map((row) => [row.kind, row.amount]);
    expect(rows).toEqual(moved);
    // The message that was reversed may still arrive: it is not accepted any more.
    expect(await rig.payers.insurance.capture(leg("s1", "65.00"), "again")).toMatchObject({ kind: "refused" });
  });

  test.each(["serverErrorAfter", "serverError"] as const)(
    "and whose 2601 (%s) has none either changes nothing until that is answered",
    async (kind) => {
      await lose("serverErrorAfter");
      await rig.fault({ rail: "insurance", action: "void", kind, count: 2 });
      expect(await rig.payers.insurance.void(leg("s1", "65.00"), "first")).toEqual({ kind: "unknown", reason: "serverError" });
      expect(await rig.payers.insurance.query("s1/insurance/capture")).toEqual({ kind: "unknown", reason: "timeout" });
      expect(await rig.payers.insurance.query("s1/insurance/void")).toEqual({ kind: "unknown", reason: "timeout" });
      expect(await rig.payers.insurance.refund(refund("r1", "65.00"), "first")).toMatchObject({ kind: "unknown" });
      await rig.restartAdapters();
      expect(await rig.payers.insurance.void(leg("s1", "65.00"), "again")).toMatchObject({ kind: "done" });
      expect(await insured()).toMatchObject({ personalAccount: "5.00" });
      expect(await rig.totals()).toMatchObject({ doubled: 0 });
    },
  );

  test("and was proved after its 2601 was sent is given back by that same 2601, once", async () => {
    await lose("serverErrorAfter");
    await rig.fault({ rail: "insurance", action: "void", kind: "serverErrorAfter", count: 2 });
    expect(await rig.payers.insurance.void(leg("s1", "65.00"), "first")).toMatchObject({ kind: "unknown" });
    const reversal = refund("s1", "65.00", "reverse");
    const reversed = await rig.payers.insurance.refund(reversal, "first");
    expect(reversed).toMatchObject({ kind: "done", amount: 65_00n, parts: PARTS });
    expect(await rig.payers.insurance.refund(reversal, "again")).toEqual(reversed);
    expect((await rig.rows("insurance")).map((row) => [row.key, row.kind])).toEqual([
      ["s1/insurance/capture", "capture"],
      ["s1/insurance/reverse", "reversal"],
    ]);
    expect(await insured()).toMatchObject({ personalAccount: "5.00" });
  });

  test("that a statement proved can be given back: its number is asked for again", async () => {
    await lose("serverErrorAfter");
    expect((await rig.rows("insurance"))[0]).toMatchObject({ key: "s1/insurance/capture", amount: 65_00n });
    expect(await rig.payers.insurance.refund(refund("r1", "65.00"), "first")).toMatchObject({ kind: "done", amount: 65_00n });
  });
});

describe("a settlement that comes out other than pre-settled", () => {
  freshEachTime();
  test("is undone and refused, once the insurer has said so twice", async () => {
    const { insurance } = rig.payers;
    await insurance.authorise(asking("insurance", "s1"), "first");
    // Another visit uses the account up in between.
    await settleLeg(insurance, "s2", "10.00");
    expect(await insurance.capture(leg("s1", "65.00"), "first")).toEqual({ kind: "unknown", reason: "garbage" });
    expect(await insurance.capture(leg("s1", "65.00"), "again")).toEqual({ kind: "refused", reason: "holdUnknown" });
    const rows = (await rig.rows("insurance")).filter((row) => row.key.startsWith("s1/"));
    expect(rows.map((row) => row.kind)).toEqual(["capture", "reversal"]);
    expect(await insurance.void(leg("s1", "65.00"), "first")).toMatchObject({ kind: "done" });
    expect(await insurance.capture(leg("s1", "65.00"), "again")).toEqual({ kind: "refused", reason: "holdUnknown" });
  });
});

describe("a refund", () => {
  freshEachTime();
  test("gives back in parts, fund by fund, and never more than was paid", async () => {
    const { insurance } = rig.payers;
    await settleLeg(insurance, "s1");
    const some = { ...refund("r1", "20.00"), parts: [{ fundSource: "hifp_pay", amount: yuan("20.00") }] };
    expect(await insurance.refund(some, "first")).toMatchObject({ kind: "done", amount: 20_00n, parts: some.parts });
    expect(await insurance.refund(some, "again")).toMatchObject({ kind: "done", amount: 20_00n });
    expect(await insurance.refund({ ...refund("r2", "45.01") }, "first")).toEqual({ kind: "refused", reason: "refundExceeds" });
    const shared = await insurance.refund(refund("r3", "9.00"), "first");
    expect(shared).toMatchObject({
      kind: "done",
      parts: [
        { fundSource: "hifp_pay", amount: 8_00n },
        { fundSource: "acct_pay", amount: 1_00n },
      ],
    });
    expect(await insurance.refund(refund("r4", "36.00"), "first")).toMatchObject({ kind: "done" });
    expect(await insurance.refund(refund("r5", "0.01"), "first")).toEqual({ kind: "refused", reason: "refunded" });
    expect(await insured()).toMatchObject({ personalAccount: "5.00", ceiling: "99999999999999.99" });
    expect((await rig.totals()).legs).toMatchObject([{ captured: "65.00", refunded: "65.00", refunds: 3 }]);
  });

  test("of what was never settled is refused", async () => {
    expect(await rig.payers.insurance.refund(refund("r1", "65.00"), "first")).toEqual({ kind: "refused", reason: "notCaptured" });
  });

  test("without an answer is found again under its own msgid, once", async () => {
    await settleLeg(rig.payers.insurance, "s1");
    await rig.fault({ rail: "insurance", action: "refund", kind: "serverErrorAfter", count: 2 });
    expect(await rig.payers.insurance.refund(refund("r1", "65.00"), "first")).toEqual({ kind: "unknown", reason: "serverError" });
    expect(await rig.payers.insurance.query("r1/insurance/refund")).toEqual({ kind: "unknown", reason: "timeout" });
    await rig.restartAdapters();
    expect(await rig.payers.insurance.refund(refund("r1", "65.00"), "again")).toMatchObject({ kind: "done", amount: 65_00n });
    expect(await rig.payers.insurance.query("r1/insurance/refund")).toMatchObject({ kind: "done" });
    expect((await rig.totals()).legs).toMatchObject([{ refunds: 1, refunded: "65.00" }]);
  });
});

let posted = 0;
async function post(infno: string, input: object, more: object = {}): Promise<unknown> {
  const response = await send(infno, input, more);
  return response.ok ? await response.json() : response.status;
}

async function send(infno: string, input: object, more: object = {}): Promise<Response> {
  const body = {
    infno,
    msgid: `${HOSPITAL}20260801090000${String(9_000 + posted++).padStart(4, "0")}`,
    mdtrtarea_admvs: "510104",
    insuplc_admdvs: "510104",
    recer_sys_code: "TEST",
    dev_no: "",
    dev_safe_info: "",
    cainfo: "",
    signtype: "",
    infver: "V1.0",
    opter_type: "1",
    opter: "op",
    opter_name: "操作员",
    inf_time: "2026-08-01 09:00:00",
    fixmedins_code: HOSPITAL,
    fixmedins_name: "医院",
    sign_no: `S${HOSPITAL}20260801`,
    input,
    ...more,
  };
  return await fetch(`${rig.sandbox.insuranceUrl}/fsi/api/${infno}`, { method: "POST", body: JSON.stringify(body) });
}

const reverse = (omsgid: string, oinfno: string): Promise<unknown> => post("2601", { data: { psn_no: PERSON_SECRET, omsgid, oinfno } });

describe("the insurer", () => {
  beforeAll(async () => {
    rig = await openPayersRig();
  });
  afterAll(async () => await rig.close());
  let originals = 0;
  /** Of a message that never arrived. */
  const unseen = (): string => `${HOSPITAL}20260801080000${String(++originals).padStart(4, "0")}`;
  test.each(["2102", "2103", "2207", "2208", "2304", "2305", "2401"])("takes back %s by 2601, once", async (oinfno) => {
    const msgid = unseen();
    expect(await reverse(msgid, oinfno)).toMatchObject({ infcode: "0", output: {} });
    expect(await reverse(msgid, oinfno)).toMatchObject({ infcode: "-1", err_msg: expect.stringMatching(/^F2006 /) as string });
  });

  test.each(["2206", "2101", "2601", "1101", "2201"])("refuses 2601 for %s: it is not on the list", async (oinfno) => {
    expect(await reverse(unseen(), oinfno)).toMatchObject({ infcode: "-1", err_msg: expect.stringMatching(/^F2005 /) as string });
  });

  test("refuses 2601 without the original's msgid", async () => {
    expect(await post("2601", { data: { psn_no: PERSON_SECRET, oinfno: "2207" } })).toMatchObject({ infcode: "-1" });
  });

  test("refuses what is not signed in, and takes it after a sign-in", async () => {
    const data = { mdtrt_cert_type: "01", mdtrt_cert_no: EC_TOKEN, psn_no: PERSON_SECRET };
    expect(await post("1101", { data }, { sign_no: "S0" })).toMatchObject({
      infcode: "-1",
      err_msg: expect.stringMatching(/^F9001 /) as string,
    });
    expect(await post("9001", { signIn: { opter_no: "op", mac: "", ip: "" } }, { sign_no: "" })).toMatchObject({
      infcode: "0",
      output: { signinoutb: { sign_no: `S${HOSPITAL}20260801` } },
    });
  });

  test.each([
    ["a msgid of another institution", { msgid: `H00000000000${"0".repeat(18)}` }],
    ["a msgid too short", { msgid: "1" }],
    ["a field that is none of the header's", { whatever: "1" }],
    ["another transaction than its address", { infno: "2207" }],
  ])("does not read a message with %s", async (_, more) => {
    expect(await post("1101", {}, more)).toBe(400);
  });

  test("does a msgid's work once, and refuses it with other content", async () => {
    const data = { psn_no: PERSON_SECRET, omsgid: unseen(), oinfno: "2207" };
    const own = { msgid: `${HOSPITAL}202608010900005555` };
    expect(await post("2601", { data }, own)).toMatchObject({ infcode: "0" });
    expect(await post("2601", { data }, own)).toMatchObject({ infcode: "0" });
    const other = { ...data, omsgid: `${HOSPITAL}202608010900004321` };
    expect(await post("2601", { data: other }, own)).toMatchObject({ infcode: "-1", err_msg: expect.stringMatching(/^F2008 /) as string });
  });

  test("knows after a restart what it settled", async () => {
    await settleLeg(rig.payers.insurance, "s1");
    await rig.restartSandbox();
    expect(await insured()).toMatchObject({ personalAccount: "0.00" });
    expect(await rig.payers.insurance.refund(refund("r1", "65.00"), "first")).toMatchObject({ kind: "done" });
  });
});

async function msgidOf(settlementId: string): Promise<string | undefined> {
  const db = await openDatabase({ kind: "rails", file: `${rig.folder}/rails.db`, readOnly: true });
  const [row] = await db.read("SELECT msgid FROM nhsa_leg WHERE settlement_id=?", settlementId);
  await db.close();
  return row === undefined ? undefined : String(row["msgid"]);
}

async function download(input: object): Promise<string> {
  return await (await send("9102", input)).text();
}

async function upload(bill: string): Promise<string> {
  const row = {
    msgid: (await msgidOf("s1")) ?? "",
    setlId: "1",
    settlementId: "s1",
    refund: false,
    atMs: MORNING,
    bill: yuan(bill),
    parts: PARTS,
  };
  return FILE_HEADER + fileRow({ ...row, result: "" }, HUNAN) + fileTrailer(1);
}

describe("reconciliation in NHSA's way", () => {
  freshEachTime();
  test("finds the totals of a day equal by 3201, refunds in parts and whole included", async () => {
    await settleLeg(rig.payers.insurance, "s1");
    await rig.payers.insurance.refund(refund("r1", "20.00"), "first");
    await settleLeg(rig.payers.insurance, "s2", "10.00");
    await rig.payers.insurance.refund({ ...refund("r2", "6.00"), settlementId: "s2" }, "first");
    const totals = await rig.payers.insurance.statementTotals("20260801");
    expect(totals).toMatchObject({ day: "20260801", closed: false, captures: 2, captured: 72_54n, refunds: 2, refunded: 26_00n });
    rig.nowMs = (MORNING + 86_400_000) as EventMs;
    expect(await rig.payers.insurance.statementTotals("20260801")).toMatchObject({ closed: true });
    expect(await rig.payers.insurance.statementTotals("20260802")).toMatchObject({ captures: 0, refunds: 0 });
  });

  test("tells a tampered local total as unequal, and leads from the row back to its message", async () => {
    await settleLeg(rig.payers.insurance, "s1");
    const range = { setl_optins: "510104", stmt_begndate: "2026-08-01", stmt_enddate: "2026-08-01" };
    const ours = {
      insutype: "",
      clr_type: "",
      ...range,
      medfee_sumamt: "100.01",
      fund_pay_sumamt: "60.00",
      acct_pay: "5.00",
      fixmedins_setl_cnt: "1",
    };
    expect(await post("3201", { data: ours })).toMatchObject({ output: { stmtinfo: { stmt_rslt: "000103" } } });
    const told = (await post("9101", { fsUploadIn: { in: await upload("100.01"), filename: "f", fixmedins_code: HOSPITAL } })) as {
      output: object;
    };
    const file = (await post("3202", { data: { ...range, ...told.output } })) as { output: { fileinfo: object } };
    const body = { fsDownloadIn: { ...file.output.fileinfo, fixmedins_code: HOSPITAL } };
    const text = await download(body);
    expect(text.split("\n").map((line) => line.split("\t").at(-1))).toEqual(["stmt_rslt", "000103", "1", ""]);
    expect(text).toContain((await msgidOf("s1")) ?? "none");
  });

  test("rows of every kind come back under our calls' keys", async () => {
    await settleLeg(rig.payers.insurance, "s1");
    await rig.payers.insurance.refund(refund("r1", "20.00"), "first");
    const rows = await rig.rows("insurance");
    expect(rows).toEqual([
      {
        key: "r1/insurance/refund",
        kind: "refund",
        institution: HOSPITAL,
        amount: 20_00n,
        parts: [
          { fundSource: "hifp_pay", amount: 18_46n },
          { fundSource: "acct_pay", amount: 1_54n },
        ],
        railReference: expect.stringMatching(/^\d{30}$/) as string,
        atMs: MORNING,
      },
      {
        key: "s1/insurance/capture",
        kind: "capture",
        institution: HOSPITAL,
        amount: 65_00n,
        parts: PARTS,
        railReference: expect.stringMatching(/^\d{30}$/) as string,
        atMs: MORNING,
      },
    ]);
    expect(await rig.payers.insurance.query("s1/insurance/capture")).toMatchObject({ railReference: rows[1]?.railReference });
  });
});

describe("an adapter", () => {
  freshEachTime();

  test("of an institution without a code of twelve characters has no insurance leg", async () => {
    const request = { ...asking("insurance", "s1"), institution: "H1" };
    expect(await rig.payers.insurance.authorise(request, "first")).toEqual({ kind: "refused", reason: "declined" });
  });

  test("asks an insurer for the whole bill only", async () => {
    const request = { ...asking("insurance", "s1"), asked: asFen(1n) };
    expect(await rig.payers.insurance.authorise(request, "first")).toEqual({ kind: "refused", reason: "declined" });
  });
});
