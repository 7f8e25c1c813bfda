/** Payers' statements as the adapters read them, true and spoiled. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { asFen } from "../../protocol/money.ts";
import type { EventMs } from "../../protocol/time.ts";
import type { RailName } from "../plan.ts";
import { StatementError, type StatementRow } from "./port.ts";
import { csvRow, csvTrailer, readStatementCsv, STATEMENT_HEADER } from "./statement-csv.ts";
import { InstitutionSums } from "./statement-totals.ts";
import { readTotals } from "./statement-totals-body.ts";
import { FILE_HEADER, fileTrailer, readStatementFile } from "./nhsa/statement-file.ts";
import { HOSPITAL, MORNING, openPayersRig, type PayersRig, settleLeg, yuan } from "./testing/payers-rig.ts";

const RAILS = ["insurance", "commercial", "bank"] as const satisfies readonly RailName[];
/** Of 100.00, alone. */
const TAKEN = { insurance: "65.00", commercial: "33.33", bank: "100.00" } as const;

describe.each(RAILS)("a statement of the %s rail", (rail) => {
  let rig: PayersRig;
  beforeEach(async () => {
    rig = await openPayersRig();
  });
  afterEach(async () => await rig.close());
  const figures = async (): Promise<unknown> => {
    const { captures, captured, refunds, refunded } = await rig.payers[rail].statementTotals("20260801");
    return { captures, captured, refunds, refunded };
  };

  test("has a row for every movement under our key, and totals that are their sum", async () => {
    const payer = rig.payers[rail];
    await settleLeg(payer, "s1");
    await settleLeg(payer, "s2", "10.00");
    const refund = { refundId: "r1", settlementId: "s1", institution: HOSPITAL, amount: yuan("1.00") };
    await payer.refund({ ...refund, action: "refund" }, "first");
    await payer.refund({ ...refund, refundId: "s2", settlementId: "s2", action: "reverse", amount: yuan("2.00") }, "first");
    const rows = await rig.rows(rail);
    expect(rows.map((row) => [row.key, row.kind, row.institution])).toEqual([
      [`r1/${rail}/refund`, "refund", HOSPITAL],
      [`s1/${rail}/capture`, "capture", HOSPITAL],
      [`s2/${rail}/capture`, "capture", HOSPITAL],
      [`s2/${rail}/reverse`, "reversal", HOSPITAL],
    ]);
    expect(rows[1]).toMatchObject({ amount: yuan(TAKEN[rail]), atMs: MORNING });
    for (const row of rows) expect(row.parts.reduce((sum, part) => sum + part.amount, 0n)).toBe(row.amount);
    const sums = new InstitutionSums();
    for (const row of rows) sums.add(row);
    expect(await figures()).toEqual(sums.totals);
    const { institutions } = await payer.statementTotals("20260801");
    expect(institutions).toMatchObject([{ institution: HOSPITAL, ...sums.totals }]);
    if (rail !== "insurance") expect(institutions).toEqual(sums.institutions);
  });

  test("is closed when its day is over, and a day without movements is empty", async () => {
    await settleLeg(rig.payers[rail], "s1");
    expect(await rig.payers[rail].statementTotals("20260801")).toMatchObject({ closed: false, captures: 1 });
    // 1 August 2026, 23:59:59.999 in UTC+8, and a millisecond later.
    rig.nowMs = (Date.UTC(2026, 7, 1, 16) - 1) as EventMs;
    expect((await rig.payers[rail].statementTotals("20260801")).closed).toBe(false);
    rig.nowMs = Date.UTC(2026, 7, 1, 16) as EventMs;
    expect((await rig.payers[rail].statementTotals("20260801")).closed).toBe(true);
    expect(await rig.rows(rail, "20260802")).toEqual([]);
  });

  test("survives a restart of the payer and of our side", async () => {
    await settleLeg(rig.payers[rail], "s1");
    const before = await rig.rows(rail);
    await rig.restartSandbox();
    await rig.restartAdapters();
    expect(await rig.rows(rail)).toEqual(before);
  });

  test("with a missing row tells of the others only, in rows and totals, until it is corrected", async () => {
    await rig.fault({ rail, action: "statement", kind: "missingRow" });
    await settleLeg(rig.payers[rail], "s1");
    await settleLeg(rig.payers[rail], "s2", "10.00");
    expect((await rig.rows(rail)).map((row) => row.key)).toEqual([`s2/${rail}/capture`]);
    expect(await figures()).toMatchObject({ captures: 1 });
    await rig.admin("/admin/statements/correct", {});
    expect((await rig.rows(rail)).map((row) => row.key)).toEqual([`s1/${rail}/capture`, `s2/${rail}/capture`]);
  });

  test("with an extra row tells of a payment that nobody made", async () => {
    await rig.fault({ rail, action: "statement", kind: "extraRow" });
    await settleLeg(rig.payers[rail], "s1");
    const rows = await rig.rows(rail);
    expect(rows.map((row) => row.amount)).toEqual([yuan(TAKEN[rail]), yuan(TAKEN[rail])]);
    expect(rows.filter((row) => row.key === `s1/${rail}/capture`)).toHaveLength(1);
    expect(await figures()).toMatchObject({ captures: 2 });
    // It tells the same again, and after a restart.
    await rig.restartSandbox();
    expect(await rig.rows(rail)).toEqual(rows);
    await rig.admin("/admin/statements/correct", {});
    expect(await rig.rows(rail)).toHaveLength(1);
  });

  test("with a wrong amount is off by a fen, in rows and totals", async () => {
    await rig.fault({ rail, action: "statement", kind: "wrongRowAmount" });
    await settleLeg(rig.payers[rail], "s1");
    const wrong = yuan(TAKEN[rail]) + 1n;
    expect((await rig.rows(rail)).map((row) => row.amount)).toEqual([wrong]);
    expect(await figures()).toMatchObject({ captured: wrong });
  });

  test("with a row of the next day has it there", async () => {
    await rig.fault({ rail, action: "statement", kind: "nextDayRow" });
    await settleLeg(rig.payers[rail], "s1");
    expect(await rig.rows(rail)).toEqual([]);
    expect((await rig.rows(rail, "20260802")).map((row) => row.key)).toEqual([`s1/${rail}/capture`]);
    await rig.admin("/admin/statements/correct", {});
    expect((await rig.rows(rail)).map((row) => row.key)).toEqual([`s1/${rail}/capture`]);
  });

  test.each(["serverError", "refuse", "garbage", "errorText"] as const)("that the payer does not give (%s) is none", async (kind) => {
    await settleLeg(rig.payers[rail], "s1");
    await rig.fault({ rail, action: "statement", kind, count: null });
    await expect(rig.rows(rail)).rejects.toThrow(StatementError);
    await expect(figures()).rejects.toThrow(StatementError);
    await rig.clearFaults();
    expect(await rig.rows(rail)).toHaveLength(1);
  });
});

const ROW: StatementRow = {
  key: "s1/bank/capture",
  kind: "capture",
  institution: HOSPITAL,
  amount: asFen(100n),
  parts: [{ fundSource: "psn_cash_pay", amount: asFen(100n) }],
  railReference: "B1",
  atMs: MORNING,
};
const TOTALS = { captures: 1, captured: asFen(100n), refunds: 0, refunded: asFen(0n), closed: true };
const WHOLE = STATEMENT_HEADER + csvRow(ROW) + csvTrailer(TOTALS);

async function* pieces(text: string, size: number): AsyncIterable<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  for (let from = 0; from < bytes.length; from += size) yield await Promise.resolve(bytes.subarray(from, from + size));
}
async function read(text: string, size = 7): Promise<readonly StatementRow[]> {
  const rows: StatementRow[] = [];
  for await (const row of readStatementCsv(pieces(text, size))) rows.push(row);
  return rows;
}

async function* bytes(): AsyncIterable<Uint8Array> {
  yield await Promise.resolve(new Uint8Array([0xff, 0xfe, 0x00]));
}

async function readNoUtf8(): Promise<void> {
  for await (const row of readStatementCsv(bytes())) throw new Error(row.key);
}

test("an insurer's day above 10^14 yuan is told to the fen: 3201 has no field that holds so much, so its rows are summed", async () => {
  const rig = await openPayersRig();
  try {
    const most = "99999999999999.99";
    const taken = [await settleLeg(rig.payers.insurance, "s1", most), await settleLeg(rig.payers.insurance, "s2", most)];
    const { captures, captured } = await rig.payers.insurance.statementTotals("20260801");
    expect([captures, captured]).toEqual([2, taken.reduce((sum, fen) => sum + fen, 0n)]);
    expect((await rig.rows("insurance")).map((row) => row.amount)).toEqual(taken);
  } finally {
    await rig.close();
  }
});

describe("totals of a day", () => {
  const one = { captures: 1, captured: "1.00", refunds: 0, refunded: "0.00" };
  const funds = [{ fundSource: "psn_cash_pay", captured: "1.00", refunded: "0.00" }];
  const body = { day: "20260801", closed: true, ...one, institutions: [{ institution: "H1", ...one, funds }] };

  test("above 10^14 yuan are read, of a service and of a statement's trailer", async () => {
    const much = "299999999999999.97";
    expect(readTotals({ day: "20260801", closed: true, ...one, captured: much })?.captured).toBe(29_999_999_999_999_997n);
    const row = { ...ROW, amount: asFen(99_999_999_999_999_99n), parts: [] };
    const text =
      STATEMENT_HEADER + csvRow(row).repeat(3) + csvTrailer({ ...TOTALS, captures: 3, captured: asFen(29_999_999_999_999_997n) });
    expect(await read(text)).toHaveLength(3);
  });

  test("whose institutions or funds do not add up, or stand twice, are no totals", () => {
    expect(readTotals(body)).toMatchObject({ institutions: [{ institution: "H1", captured: 100n }] });
    for (const institutions of [
      [],
      [{ institution: "H1", ...one, captured: "0.99", funds: [] }],
      [{ institution: "H1", ...one, funds: [{ ...funds[0], fundSource: "acct_pay", captured: "0.99", refunded: "0.00" }] }],
      [...body.institutions, { institution: "H1", captures: 0, captured: "0.00", refunds: 0, refunded: "0.00", funds: [] }],
    ])
      expect(readTotals({ ...body, institutions })).toBeUndefined();
  });
});

describe("a statement as CSV", () => {
  test("is read alike in pieces of any size, with either line end", async () => {
    for (const size of [1, 2, 3, 64, 4096]) {
      expect(await read(WHOLE, size)).toEqual([ROW]);
      expect(await read(WHOLE.replaceAll("\n", "\r\n"), size)).toEqual([ROW]);
    }
    expect(await read(WHOLE.trimEnd())).toEqual([ROW]);
  });

  test.each([
    ["without its trailer", WHOLE.slice(0, STATEMENT_HEADER.length + csvRow(ROW).length), "cutShort"],
    ["cut within a row", WHOLE.slice(0, STATEMENT_HEADER.length + 20), "malformed"],
    ["that lacks a row", STATEMENT_HEADER + csvTrailer(TOTALS), "cutShort"],
    ["whose trailer sums another amount", WHOLE.replace("total,1,1.00", "total,1,1.01"), "cutShort"],
    ["with a line after the trailer", WHOLE + csvRow(ROW), "malformed"],
    ["without its header", csvRow(ROW) + csvTrailer(TOTALS), "malformed"],
    ["with columns in another order", WHOLE.replace("kind,key", "key,kind"), "malformed"],
    ["with a row of another kind", WHOLE.replace("\ncapture,", "\npayment,"), "malformed"],
    ["with an amount of three decimals", WHOLE.replace(",1.00,psn", ",1.000,psn"), "malformed"],
    ["with an amount below zero", WHOLE.replace(",1.00,psn", ",-1.00,psn"), "malformed"],
    ["with parts that are not the amount", WHOLE.replace("pay=1.00", "pay=0.99"), "malformed"],
    ["with a field too many", WHOLE.replace(`,${MORNING}`, `,${MORNING},x`), "malformed"],
    ["that is nothing", "", "cutShort"],
    ["with a line that never ends", STATEMENT_HEADER + "x".repeat(3_000), "malformed"],
  ] as const)("%s is none", async (_, text, reason) => {
    await expect(read(text)).rejects.toMatchObject({ name: "StatementError", reason });
  });

  test("that is no UTF-8 is none", async () => {
    await expect(readNoUtf8()).rejects.toMatchObject({ reason: "malformed" });
  });
});

const rows = async (text: string): Promise<number> => {
  let count = 0;
  for await (const row of readStatementFile(pieces(text, 11))) count += row.msgid === "" ? 0 : 1;
  return count;
};

describe("the file of 3202", () => {
  test.each([
    ["cut short", FILE_HEADER, "cutShort"],
    ["that counts other rows", FILE_HEADER + fileTrailer(1), "cutShort"],
    ["without its header", fileTrailer(0), "malformed"],
    ["with a row of too few cells", `${FILE_HEADER}a\tb\n${fileTrailer(1)}`, "malformed"],
  ] as const)("%s is none", async (_, text, reason) => {
    await expect(rows(text)).rejects.toMatchObject({ reason });
    expect(await rows(FILE_HEADER + fileTrailer(0))).toBe(0);
  });
});
