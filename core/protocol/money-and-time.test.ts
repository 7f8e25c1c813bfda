import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asFen, FEN_MAX, formatYuan, parseYuan } from "./money.ts";
import { cstDay, formatCst14, parseCst14, parseWireTimestamp, type EventMs } from "./time.ts";

describe("yuan on the wire", () => {
  it("reads back what it wrote, up to numeric(16,2)", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: FEN_MAX }), (fen) => {
        expect(parseYuan(formatYuan(asFen(fen)))).toBe(fen);
      }),
    );
  });
  it.each([
    ["0", 0n],
    ["0.5", 50n],
    ["0.05", 5n],
    ["128.50", 12_850n],
    ["99999999999999.99", FEN_MAX],
  ])("reads %s", (text, fen) => {
    expect(parseYuan(text)).toBe(fen);
  });
  it.each([
    "1.234",
    "0.000",
    "-1",
    "-0.01",
    "+1",
    "1e3",
    "1E3",
    "007",
    "00",
    ".5",
    "5.",
    "",
    " 1",
    "1 ",
    "1\n",
    "1,000.00",
    "１.00",
    "NaN",
    "Infinity",
    "0x10",
    "100000000000000.00",
    "999999999999999",
  ])("refuses %j", (text) => {
    expect(parseYuan(text)).toBeUndefined();
  });
  it("writes two decimals, and a minus sign only for differences", () => {
    expect(formatYuan(asFen(0n))).toBe("0.00");
    expect(formatYuan(asFen(7n))).toBe("0.07");
    expect(formatYuan(asFen(-7n))).toBe("-0.07");
  });
});

describe("timestamps of S3 A.2", () => {
  it("read back what they were written from, to the second", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253_370_735_999 }), (seconds) => {
        const at = (seconds * 1000) as EventMs;
        expect(parseCst14(formatCst14(at))).toBe(at);
      }),
    );
  });
  it("take 10 digits as seconds, 13 as milliseconds, 14 as local time in UTC+8", () => {
    const at = Date.UTC(2019, 9, 16, 0, 31, 45);
    expect(parseWireTimestamp("1571185905")).toBe(at);
    expect(parseWireTimestamp("1571185905123")).toBe(at + 123);
    expect(parseWireTimestamp("20191016083145")).toBe(at);
  });
  it.each([
    "20190230000000",
    "20191301000000",
    "20190001000000",
    "20191016240000",
    "20191016236000",
    "20191016235960",
    "20230229000000",
    "157118590",
    "157118590512",
    "201910160831450",
    "0571185905",
    "1571185905.",
    "1.571185905e9",
    "-157118590",
    "",
    "１571185905",
    "1571185905\n",
  ])("refuse %j", (text) => {
    expect(parseWireTimestamp(text)).toBeUndefined();
  });
  it("know leap days and the business day in UTC+8", () => {
    expect(parseCst14("20240229000000")).toBe(Date.UTC(2024, 1, 28, 16));
    expect(cstDay(Date.UTC(2024, 1, 28, 15, 59, 59) as EventMs)).toBe("2024-02-28");
    expect(cstDay(Date.UTC(2024, 1, 28, 16) as EventMs)).toBe("2024-02-29");
  });
});
