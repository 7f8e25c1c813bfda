import { describe, expect, test } from "vitest";
import { parseCst14 } from "../../protocol/time.ts";
import { cellText, readAmount, readCount, readDateAndTime, readInstant } from "./fields.ts";

const YUAN = { unit: "yuan", decimals: "two" } as const;
const LOOSE = { unit: "yuan", decimals: "optional" } as const;
const FEN = { unit: "fen", decimals: "two" } as const;
const amount = (cell: string, form: Parameters<typeof readAmount>[1] = YUAN): unknown => {
  const read = readAmount(cellText(cell), form, 14);
  return typeof read === "object" ? (read.negative ? -read.fen : read.fen) : read;
};

describe("a cell", () => {
  test.each([
    ["'20260801000012", "20260801000012"],
    ['="000123"', "000123"],
    ["  B12\u3000", "B12"],
    ["Ｂ１２－３", "B12-3"],
    ["\uFEFFkey", "key"],
    ["①", "①"],
    ["=1+1", "=1+1"],
  ])("%j holds %j", (raw, text) => {
    expect(cellText(raw)).toBe(text);
  });
});

describe("an amount", () => {
  test.each<[string, bigint]>([
    ["1234.50", 123_450n],
    ["1,234.50", 123_450n],
    ["１，２３４．５０", 123_450n],
    ["¥1,234.50", 123_450n],
    ["￥1,234.50", 123_450n],
    ["1,234.50元", 123_450n],
    ["CNY 12.50", 1_250n],
    ["-12.50", -1_250n],
    ["－12.50", -1_250n],
    ["\u221212.50", -1_250n],
    ["12.50-", -1_250n],
    ["(12.50)", -1_250n],
    ["（12.50）", -1_250n],
    ["-¥12.50", -1_250n],
    ["(¥12.50)", -1_250n],
    ["负12.50", -1_250n],
    ["+12.50", 1_250n],
    ["99,999,999,999,999.99", 9_999_999_999_999_999n],
  ])("%s is %d fen", (cell, fen) => {
    expect(amount(cell)).toBe(fen);
  });

  test.each([
    "",
    "12.5",
    "12.500",
    "10,12.50",
    "1,2345.00",
    "1,,234.00",
    ",123.00",
    "012.50",
    "1.234,50",
    "1e3",
    "(-12.50)",
    "-12.50-",
    "(12.50",
    "12.50 13.00",
    "100,000,000,000,000.00",
    "十二元",
  ])("%j is none", (cell) => {
    expect(amount(cell)).toBeUndefined();
  });

  test("without decimals is told apart where two are wanted, and is yuan where the mapping leaves them open", () => {
    expect([amount("12"), amount("12", LOOSE), amount("12.5", LOOSE), amount("12.345", LOOSE)]).toEqual(["whole", 1200n, 1250n, undefined]);
  });

  test("in fen has no decimals", () => {
    expect([amount("1250", FEN), amount("12.50", FEN), amount("9,999,999,999,999,999", FEN)]).toEqual([
      1250n,
      undefined,
      9_999_999_999_999_999n,
    ]);
  });
});

test.each<[string, number | undefined]>([
  ["3", 3],
  ["1,024", 1024],
  ["3笔", 3],
  ["0", 0],
  ["03", undefined],
  ["3.0", undefined],
  ["", undefined],
  ["1000000000000", undefined],
])("a count %j is %s", (cell, count) => {
  expect(readCount(cell)).toBe(count);
});

describe("an instant", () => {
  const AT = parseCst14("20260801093005");
  test.each([
    "20260801093005",
    "20260801 093005",
    "20260801T093005",
    "20260801 09:30:05",
    "2026-08-01 09:30:05",
    "2026-8-1 9:30:05",
    "2026/08/01 09:30:05",
    "2026.08.01 09:30:05",
    "2026-08-01T09:30:05",
    "2026-08-01 09:30:05.999",
    "2026-08-01 09:30:05,999",
    "20260801093005.999",
    "2026年8月1日 9时30分5秒",
    "2026年08月01日09:30:05",
    "2026/8/1 上午 9:30:05",
    "２０２６－０８－０１　０９：３０：０５",
    "2026-08-01T01:30:05Z",
    "2026-08-01T01:30:05.123Z",
    "2026-08-01T09:30:05+08:00",
    "2026-08-01 02:30:05 +0100",
  ])("%s is read to the second", (cell) => {
    expect(readInstant(cellText(cell), "+08:00")).toBe(AT);
  });

  test("without a zone is in that of the mapping", () => {
    expect(readInstant("2026-08-01 01:30:05", "Z")).toBe(AT);
    expect(readInstant("2026-08-01 10:30:05", "+09:00")).toBe(AT);
  });

  test.each([
    ["2026/8/1 下午 1:05", "20260801130500"],
    ["2026/8/1 上午 12:05:00", "20260801000500"],
    ["2026/8/1 下午 12:05:00", "20260801120500"],
    ["2026-08-01 09:30", "20260801093000"],
  ])("%s is %s", (cell, digits) => {
    expect(readInstant(cell, "+08:00")).toBe(parseCst14(digits));
  });

  test.each([
    "",
    "20260801",
    "2026-08-01",
    "01/08/2026 09:30:05",
    "2026-08/01 09:30:05",
    "2026-02-30 09:30:05",
    "2026-08-01 24:00:00",
    "2026-08-01 下午 13:00:00",
    "2026-08-01 09:60:00",
    "46235.3958912037",
    "1785547805",
    "2026-08-01 09:30:05 CST",
  ])("%j is none", (cell) => {
    expect(readInstant(cell, "+08:00")).toBeUndefined();
  });

  test("in two cells is put together, and a date alone is the first second of its day", () => {
    expect(readDateAndTime("2026-08-01", "09:30:05", "+08:00")).toBe(AT);
    expect(readDateAndTime("20260801", "093005", "+08:00")).toBe(AT);
    expect(readDateAndTime("2026年8月1日", undefined, "+08:00")).toBe(parseCst14("20260801000000"));
    expect(readDateAndTime("2026-08-01", "", "+08:00")).toBeUndefined();
  });
});
