import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadCrypto } from "../../crypto/index.ts";
import { toHex, utf8 } from "../../protocol/bytes.ts";
import { asFen, formatYuan } from "../../protocol/money.ts";
import { type EventMs, formatCst14 } from "../../protocol/time.ts";
import { dayStart } from "../day/accounting-day.ts";
import type { StatementRow } from "../rails/port.ts";
import { TotalsSum } from "../rails/statement-totals.ts";
import { type CsvRead, printCsvRow, readCsv } from "./csv.ts";
import { CANONICAL, mappingHash, printMapping, readMapping, type StatementMapping } from "./mapping.ts";
import { mappingOf, mappingsOf } from "./mappings.ts";
import { BadStatementError, sayDefect, type StatementDefect, type StatementLine } from "./statement.ts";
import { csvText } from "./testing/csv-text.ts";
import { DAY, type Desk, HOUR, openDesk, row } from "./testing/desk.ts";
import { gb18030, utf16le } from "./testing/gb18030.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-mapping-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function mapped(input: unknown, rail: "bank" | "insurance" | "commercial" = "bank"): StatementMapping {
  const read = readMapping(input, rail);
  if (!read.ok) throw new Error(read.error.en);
  return read.value;
}

async function read(
  content: string | Uint8Array,
  mapping: StatementMapping,
): Promise<{ readonly rows: readonly StatementLine[]; readonly of: CsvRead } | readonly StatementDefect[]> {
  const file = join(folder, "statement.csv");
  await writeFile(file, content);
  const rows: StatementLine[] = [];
  try {
    const of = await readCsv({ file, mapping }, (line) => void rows.push(line));
    return { rows, of };
  } catch (error) {
    if (error instanceof BadStatementError) return error.defects;
    throw error;
  }
}

const BANK = {
  columns: {
    key: "商户订单号",
    reference: "银行流水号",
    institution: "商户号",
    kind: "交易类型",
    amount: "交易金额",
    postedAt: "交易时间",
  },
  institutions: { "898510148160001": "H51010400001" },
  signs: "refundsNegative",
  totals: { words: ["合计"], rows: 3, net: 6 },
};
const INSURER = {
  columns: {
    reference: "结算流水号",
    key: "医药机构流水号",
    kind: "业务类型",
    amount: "医疗费用合计",
    postedDate: "结算日期",
    postedTime: "结算时间",
  },
  institution: "H51010400001",
  funds: { hifp_pay: "统筹基金支付", acct_pay: "个人账户支付", maf_pay: "医疗救助" },
  kinds: { capture: ["门诊结算"], refund: ["结算撤销"] },
  totals: "none",
};
const EXCEL = {
  columns: {
    key: ["订单号", "商户订单号"],
    reference: "流水号",
    institution: "机构",
    captured: "借方金额",
    refunded: "贷方金额",
    postedAt: "入账时间",
  },
  totals: { words: ["总计"], captured: 4, refunded: 5 },
};

describe("a file as its payer writes it", () => {
  test("is read: a bank's CSV in GB 18030, with a title, Chinese headers in its own order, separated thousands, signs and a row of totals", async () => {
    const text = [
      "某某银行商户对账单,,,,,,",
      "账期：2026-01-05,,,,,,",
      "交易时间,商户号,商户订单号,银行流水号,交易类型,交易金额(元),备注",
      '2026-01-05 09:30:00,898510148160001,rs1/bank/capture,B0001,消费,"1,031.44",张三',
      "2026-01-05 10:00:05.999,898510148160001,rs2/bank/refund,B0002,退款,-31.44,",
      "2026/1/5 11:05,898510148160001,rs3/bank/reverse,B0003,冲正,（12.50）,",
      '合计,,3笔,,,"987.50",',
      ",,,,,,",
      "",
      "",
    ].join("\r\n");
    const found = await read(gb18030(text), mapped(BANK));
    expect(found).toMatchObject({ of: { rows: 3, stated: true } });
    expect("rows" in found ? found.rows : found).toEqual([
      expect.objectContaining({ line: 4, key: "rs1/bank/capture", railReference: "B0001", kind: "capture", amount: 103_144n }),
      expect.objectContaining({ line: 5, kind: "refund", amount: 3_144n, atMs: dayStart(DAY) + 10 * HOUR + 5_000 }),
      expect.objectContaining({ line: 6, kind: "reversal", amount: 1_250n, institution: "H51010400001" }),
    ]);
  });

  test.each<[string, (text: string) => Uint8Array | string]>([
    ["UTF-16 with its mark", utf16le],
    ["UTF-8", (text) => text],
    ["GB 18030", gb18030],
  ])("is read: an insurer's TSV in %s, a column for each fund, date and time apart, and no row of totals", async (_, encode) => {
    const text = [
      "结算日期\t结算时间\t结算流水号\t医药机构流水号\t业务类型\t医疗费用合计\t统筹基金支付\t个人账户支付\t医疗救助\t姓名",
      "20260105\t093000\tI001\trs1/insurance/capture\t门诊结算\t65.00\t60.00\t5.00\t0.00\t张三",
      "20260105\t110501\tI002\trs2/insurance/refund\t结算撤销\t65.00\t60.00\t5.00\t\t李四",
      "",
    ].join("\n");
    const found = await read(encode(text), mapped(INSURER, "insurance"));
    expect(found).toMatchObject({ of: { stated: false } });
    expect("rows" in found ? found.rows : found).toEqual([
      expect.objectContaining({
        kind: "capture",
        parts: [
          { fundSource: "hifp_pay", amount: 6_000n },
          { fundSource: "acct_pay", amount: 500n },
        ],
        atMs: dayStart(DAY) + 9.5 * HOUR,
      }),
      expect.objectContaining({ kind: "refund", institution: "H51010400001", railReference: "I002" }),
    ]);
  });

  test("is read: what Excel saves, with a byte order mark, semicolons, apostrophes, formulas that keep digits, and two columns of amounts", async () => {
    const text = [
      "\uFEFF机构;商户订单号;流水号;借方金额;贷方金额;入账时间;;",
      'H1;\'rs1/bank/capture;="000123";１，０３１．４４;;2026/1/5 上午 9:30:00;;',
      "H1;'rs2/bank/reverse;'000124;;12.50;2026/1/5 下午 1:05:00;;",
      '总计;;;"1,031.44";12.50;;;',
      ";;;;;;;",
    ].join("\r\n");
    const found = await read(text, mapped(EXCEL));
    expect("rows" in found ? found.rows : found).toEqual([
      expect.objectContaining({ key: "rs1/bank/capture", railReference: "000123", kind: "capture", amount: 103_144n }),
      // Money given back under the key of a reversal is that reversal.
      expect.objectContaining({ railReference: "000124", kind: "reversal", amount: 1_250n, atMs: dayStart(DAY) + HOUR * 13 + 300_000 }),
    ]);
  });

  test.each<["借" | "D" | "Credit", "capture" | "refund"]>([
    ["借", "refund"],
    ["D", "refund"],
    ["Credit", "capture"],
  ])("says by a side %s that it is a %s where payments stand in credit", async (side, kind) => {
    const mapping = mapped({
      columns: { reference: "流水号", side: "借贷标志", amount: "金额", postedAt: "时间" },
      institution: "H1",
      captureSide: "credit",
      totals: "none",
    });
    expect(await read(`流水号|借贷标志|金额|时间\nB1|${side}|1.00|20260105093000\n`, mapping)).toMatchObject({ rows: [{ kind }] });
  });
});

const PLAIN = {
  columns: { reference: "no", kind: "type", amount: "yuan", postedAt: "at" },
  institution: "H1",
  signs: "refundsNegative",
  totals: "none",
};
const plain = (...rows: string[]): string => ["no,type,yuan,at", ...rows, ""].join("\n");
const AT = "20260105093000";

describe("a file that is not what its mapping says", () => {
  test("is refused with each row and column and what was wanted, in the reader's language, and without what stood there", async () => {
    const found = await read(
      plain(
        `B1,支付,1.00,${AT}`,
        `张三,支付,2.00,${AT}`,
        `B3,罚款,3.00,${AT}`,
        `B4,支付,四元,${AT}`,
        "B5,支付,5.00,昨天",
        `B6,退款,6.00,${AT}`,
        "B7",
      ),
      mapped(PLAIN),
    );
    if ("rows" in found) throw new Error("read");
    expect(found.map((one) => [one.line, one.column])).toEqual([
      [3, "no"],
      [4, "type"],
      [5, "yuan"],
      [6, "at"],
      [7, undefined],
      [8, undefined],
    ]);
    expect(
      (["zh", "en"] as const).map((lang) =>
        found
          .slice(0, 1)
          .map((one) => sayDefect(one, lang))
          .join(""),
      ),
    ).toEqual([
      expect.stringMatching(/^第 3 行“no”：应为支付方流水号/),
      expect.stringMatching(/^row 3, "no": wanted the payer's own number/),
    ]);
    expect(JSON.stringify(found)).not.toMatch(/张三|罚款|四元|昨天/);
  });

  test("is refused with the first twenty rows at most, whatever its length", async () => {
    const found = await read(plain(...Array.from({ length: 500 }, (_, n) => `B${n},罚款,1.00,${AT}`)), mapped(PLAIN));
    expect(found).toHaveLength(20);
  });

  test.each<[string, string, StatementDefect["code"]]>([
    ["whose rows disagree with the totals", `合计,,1,,,2.00,`, "totalsDisagree"],
    ["whose totals count other rows", `合计,,2,,,1.00,`, "totalsDisagree"],
    ["whose totals are no numbers", `合计,,1,,,壹元,`, "malformedRow"],
    ["without totals although it should have them", "", "cutShort"],
  ])("%s is refused", async (_, last, code) => {
    const text = `交易时间,商户号,商户订单号,银行流水号,交易类型,交易金额,备注\n${AT},H1,,B1,支付,1.00,\n${last}\n`;
    expect(await read(text, mapped(BANK))).toMatchObject([{ code }]);
  });

  test("without the columns is refused, naming those that are missing", async () => {
    const [found] = (await read("no,yuan\nB1,1.00\n", mapped(PLAIN))) as readonly [StatementDefect];
    expect([found.code, found.detail.zh]).toEqual(["header", expect.stringContaining('"type", "at"')]);
  });

  test("with a sign against its kind is refused", async () => {
    expect(await read(plain(`B1,支付,-1.00,${AT}`), mapped(PLAIN))).toMatchObject([{ code: "malformedRow", line: 2 }]);
  });
});

function both(desk: Desk, count: number): void {
  for (let n = 0; n < count; n++) desk.both(`rs${String(n).padStart(3, "0")}/bank/capture`, BigInt(1_000 + n));
}
function scaled(one: StatementRow, by: (fen: bigint) => bigint): string {
  return printCsvRow({ ...one, amount: asFen(by(one.amount)) });
}

describe("a file in fen", () => {
  let desk: Desk;
  beforeEach(async () => {
    desk = await openDesk();
  });
  afterEach(async () => {
    await desk.close();
  });
  const reconcile = async (rows: readonly string[]): ReturnType<Desk["reconciler"]["run"]> => {
    const file = join(folder, "fen.csv");
    await writeFile(file, csvText(rows));
    return await desk.reconciler.run({ rail: "bank", day: DAY, by: "li", input: { kind: "file", file } });
  };

  test("is refused as that when no amount has decimals", async () => {
    const whole = Array.from({ length: 51 }, (_, n) => `B${n},支付,${3_144 + n},${AT}`);
    expect(await read(plain(...whole), mapped(PLAIN))).toMatchObject([{ code: "inFen", line: 2 }]);
  });

  test("is refused as that when its header says so", async () => {
    expect(await read(plain(`B1,支付,100,${AT}`).replace("yuan", "yuan（分）"), mapped(PLAIN))).toMatchObject([{ code: "inFen" }]);
  });

  test("is read where the mapping says fen", async () => {
    expect(await read(plain(`B1,支付,3144,${AT}`), mapped({ ...PLAIN, unit: "fen" }))).toMatchObject({ rows: [{ amount: 3_144n }] });
  });

  test("that has one amount without decimals among others is a file with a bad row", async () => {
    expect(await read(plain(`B1,支付,1.00,${AT}`, `B2,支付,2,${AT}`), mapped(PLAIN))).toMatchObject([{ code: "malformedRow", line: 3 }]);
  });

  test.each<[string, (fen: bigint) => bigint]>([
    ["a hundred times ours", (fen) => fen * 100n],
    ["a hundredth of ours", (fen) => fen / 100n],
  ])("is refused as that when 51 of 51 amounts are %s, and no case is opened", async (_, by) => {
    both(desk, 51);
    for (const one of desk.payers.bank.rows) {
      const mine = desk.shards.get(0)?.all.find(({ key }) => key === one.key);
      if (mine !== undefined) Object.assign(mine, { amount: asFen(mine.amount * 100n) });
    }
    const answer = await reconcile(desk.payers.bank.rows.map((one) => scaled(one, (fen) => by(fen * 100n))));
    expect(answer).toMatchObject({
      ok: false,
      error: { defects: [{ code: "inFen", detail: { zh: expect.stringContaining("51 笔中有 51 笔") } }] },
    });
    for (const table of ["run", "unmatched", "reconciliation_case", "entry"])
      expect(await desk.db.read(`SELECT 1 FROM ${table}`)).toEqual([]);
  });

  test("is not seen in one amount of fifty: that is a difference", async () => {
    both(desk, 50);
    const answer = await reconcile(desk.payers.bank.rows.map((one, n) => scaled(one, (fen) => (n === 7 ? fen * 100n : fen))));
    expect(answer).toMatchObject({ ok: true, value: { counts: { matched: 49n, amount: 1n } } });
  });
});

describe("a mapping", () => {
  test.each<[string, unknown, RegExp]>([
    ["with a field that nobody knows", { ...PLAIN, colour: "red" }, /colour/],
    ["without a reference", { ...PLAIN, columns: { ...PLAIN.columns, reference: undefined } }, /reference/],
    ["without amounts", { ...PLAIN, columns: { ...PLAIN.columns, amount: undefined } }, /金额/],
    ["with one of two columns of amounts", { ...PLAIN, columns: { ...PLAIN.columns, amount: undefined, captured: "a" } }, /金额/],
    ["without a time", { ...PLAIN, columns: { ...PLAIN.columns, postedAt: undefined } }, /时间/],
    ["without an institution", { ...PLAIN, institution: undefined }, /机构/],
    ["with a side and no word on it", { ...PLAIN, columns: { ...PLAIN.columns, side: "s" } }, /captureSide/],
    ["that tells no payment from a refund", { ...PLAIN, signs: "none", columns: { ...PLAIN.columns, kind: undefined } }, /区分/],
    ["with another payer's fund", { ...PLAIN, funds: { hifp_pay: "统筹" } }, /资金来源/],
    ["with totals of nothing", { ...PLAIN, totals: { words: ["合计"] } }, /合计行/],
    ["that says nothing of totals", { ...PLAIN, totals: undefined }, /totals/],
    ["with a column of two meanings", { ...PLAIN, columns: { ...PLAIN.columns, key: "ＮＯ" } }, /列名/],
    ["with a word of two meanings", { ...PLAIN, kinds: { capture: ["扣"], refund: ["扣"] } }, /用词/],
    ["with a zone that is none", { ...PLAIN, zone: "Asia/Shanghai" }, /zone/],
    ["that is no object", "yuan", /映射/],
  ])("%s is refused, naming the field", (_, input, words) => {
    const answer = readMapping(JSON.parse(JSON.stringify(input)), "bank");
    expect(answer.ok ? answer : answer.error.zh).toMatch(words);
  });

  test("is known by the SM3 of its text, whatever the order in which it was written", async () => {
    const crypto = await loadCrypto();
    const other = mapped(Object.fromEntries(Object.entries(PLAIN).toReversed()));
    expect(mappingHash(crypto, other)).toBe(mappingHash(crypto, mapped(PLAIN)));
    expect(mappingHash(crypto, other)).toBe(toHex(crypto.sm3(utf8(printMapping(other)))));
    expect(mapped(JSON.parse(printMapping(other)))).toEqual(other);
  });

  test("round-trips any statement that is written in its style", async () => {
    await fc.assert(
      fc.asyncProperty(STYLE, fc.array(MOVEMENT, { maxLength: 12 }), async (style, drawn) => {
        const rows = drawn.map((one, n) => ({ ...one, railReference: `R${n}` }));
        const found = await read(styled(style, rows), mapped(styleMapping(style)));
        if (!("rows" in found)) throw new Error(JSON.stringify(found));
        expect(found.rows).toEqual(rows.map((one, n) => ({ ...one, line: style.preamble + 2 + n })));
      }),
      { numRuns: 150, seed: 13 },
    );
  });
});

describe("a mapping in the books", () => {
  let desk: Desk;
  beforeEach(async () => {
    desk = await openDesk();
  });
  afterEach(async () => {
    await desk.close();
  });
  const set = (mapping: unknown, by = "li"): ReturnType<Desk["reconciler"]["setMapping"]> =>
    desk.reconciler.setMapping({ rail: "bank", by, mapping });

  test("is kept with who set it and when; the same again is the same, another one is the next version, and none is changed or removed", async () => {
    const first = await set(BANK);
    desk.clock.at = (desk.clock.at + 1_000) as EventMs;
    expect(await set(BANK, "zhao")).toEqual(first);
    await set(PLAIN, "zhao");
    expect(await mappingsOf(desk.db)).toMatchObject([
      { rail: "bank", version: 1, setBy: "li", setAtMs: desk.clock.at - 1_000 },
      { rail: "bank", version: 2, setBy: "zhao", setAtMs: desk.clock.at },
    ]);
    expect((await mappingOf(desk.db, "bank"))?.mapping).toEqual(mapped(PLAIN));
    expect(await mappingOf(desk.db, "insurance")).toBeUndefined();
    await expect(desk.db.write([{ sql: "UPDATE statement_mapping SET set_by='wang'", args: [] }])).rejects.toThrow("kept as it was set");
    await expect(desk.db.write([{ sql: "DELETE FROM statement_mapping", args: [] }])).rejects.toThrow("kept as it was set");
  });

  test("that is malformed, or set by nobody, changes nothing", async () => {
    expect(await set({})).toMatchObject({ ok: false, error: { code: "mappingMalformed" } });
    expect(await set(BANK, "Li Si")).toMatchObject({ ok: false, error: { code: "personMalformed" } });
    expect(await mappingsOf(desk.db)).toEqual([]);
  });

  test("is named by its hash in the entry of every run that read a file under it, and the kept form is the same statement", async () => {
    desk.both("rs1/bank/capture", 100n);
    const file = join(folder, "bank.csv");
    await writeFile(file, "no,type,yuan,at,k\nR-rs1/bank/capture,支付,1.00,20260105100000,'rs1/bank/capture\n合计,,1.00,,\n");
    const kept = await set({ ...PLAIN, columns: { ...PLAIN.columns, key: "k" }, totals: { words: ["合计"], net: 3 } });
    if (!kept.ok) throw new Error(kept.error.code);
    const request = { rail: "bank" as const, day: DAY, by: "li" };
    const answer = await desk.reconciler.run({ ...request, input: { kind: "file", file } });
    expect(answer).toMatchObject({ ok: true, value: { mappingHash: kept.value.hash, counts: { matched: 1n } } });
    for (const books of desk.shards.values())
      expect(books.leaves.filter(({ kind }) => kind === "reconciliation.finished")).toMatchObject([
        { facts: { mapping: kept.value.hash } },
      ]);
    const fetched = await desk.reconciler.run({ ...request, input: { kind: "service", details: "always" } });
    expect(fetched).toMatchObject({ ok: true, value: { repeated: true } });
    const statements = join(desk.folder, "statements");
    const [again = ""] = await readdir(statements);
    const reread = await desk.reconciler.run({ ...request, input: { kind: "file", file: join(statements, again) } });
    expect(reread).toMatchObject({ ok: true, value: { repeated: true } });
  });

  test("of no totals lets a file heal what it has, and prove nothing by what it lacks", async () => {
    const open = (n: number): void =>
      void desk.shards.get(0)?.open.set(`rs${n}/bank/capture`, {
        key: `rs${n}/bank/capture`,
        rail: "bank",
        settlementId: `rs${n}`,
        institution: "H1",
        amount: 100n,
        askedAtMs: (dayStart(DAY) + 12 * HOUR) as EventMs,
      });
    open(1);
    open(2);
    const row1 = printCsvRow(row("rs1/bank/capture", 100n));
    const request = { rail: "bank" as const, day: DAY, by: "li" };
    const run = async (text: string): ReturnType<Desk["reconciler"]["run"]> => {
      const file = join(folder, "s.csv");
      await writeFile(file, text);
      return await desk.reconciler.run({ ...request, input: { kind: "file", file } });
    };
    await set({ ...CANONICAL, columns: { ...CANONICAL.columns, key: "order" }, totals: "none" });
    const cut = csvText([row1])
      .replace("key,", "order,")
      .replace(/total.*\r\n/, "");
    expect(await run(cut)).toMatchObject({ ok: true, value: { totals: "none", counts: { healed: 1n } } });
    expect([...(desk.shards.get(0)?.open.keys() ?? [])]).toEqual(["rs2/bank/capture"]);
    for (const books of desk.shards.values()) expect(books.leaves.at(-1)?.facts).toMatchObject({ totals: "none" });
    // The same rows under totals of their own are another statement: now what is not there was not done.
    const whole = await run(csvText([row1]));
    expect(whole).toMatchObject({ ok: true, value: { repeated: false, totals: "stated", counts: { healed: 1n } } });
    expect(desk.shards.get(0)?.open.size).toBe(0);
  });
});

// --- statements in any style

interface Style {
  readonly separator: "," | ";" | "\t" | "|";
  readonly encode: "utf-8" | "bom" | "utf-16le" | "gb18030";
  readonly order: readonly number[];
  readonly ways: "kind" | "side" | "columns" | "sign";
  readonly money: "plain" | "thousands" | "wide" | "mark" | "fen";
  readonly negative: "minus" | "parentheses" | "behind";
  readonly text: "plain" | "apostrophe" | "formula" | "wide";
  readonly time: "solid" | "iso" | "slash" | "chinese" | "zone" | "fraction" | "apart";
  readonly totals: boolean;
  readonly preamble: number;
  readonly emptyLines: number;
  readonly lineEnd: "\n" | "\r\n";
}

const STYLE: fc.Arbitrary<Style> = fc.record({
  separator: fc.constantFrom(",", ";", "\t", "|"),
  encode: fc.constantFrom("utf-8", "bom", "utf-16le", "gb18030"),
  order: fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6], { minLength: 7 }),
  ways: fc.constantFrom("kind", "side", "columns", "sign"),
  money: fc.constantFrom("plain", "thousands", "wide", "mark", "fen"),
  negative: fc.constantFrom("minus", "parentheses", "behind"),
  text: fc.constantFrom("plain", "apostrophe", "formula", "wide"),
  time: fc.constantFrom("solid", "iso", "slash", "chinese", "zone", "fraction", "apart"),
  totals: fc.boolean(),
  preamble: fc.integer({ min: 0, max: 5 }),
  emptyLines: fc.integer({ min: 0, max: 3 }),
  lineEnd: fc.constantFrom("\n", "\r\n"),
});
const MOVEMENT: fc.Arbitrary<Omit<StatementRow, "railReference">> = fc
  .record({
    n: fc.integer({ min: 1, max: 9_999 }),
    kind: fc.constantFrom("capture" as const, "refund" as const, "reversal" as const),
    institution: fc.stringMatching(/^[0-9A-Za-z][0-9A-Za-z._-]{0,10}$/),
    amount: fc.bigInt({ min: 1n, max: 9_999_999_999_999n }).map(asFen),
    atMs: fc.integer({ min: 0, max: 2_000_000_000 }).map((seconds) => (seconds * 1000) as EventMs),
  })
  .map(({ n, ...one }) => ({
    ...one,
    key: `rs${n}/bank/${{ capture: "capture", refund: "refund", reversal: "reverse" }[one.kind]}`,
    parts: [],
  }));

const NAMES = ["订单号", "流水号", "商户", "类型", "金额", "退回金额", "日期"] as const;
const WORDS = { capture: "支付", refund: "退款", reversal: "冲正" } as const;

function styleMapping({ separator, ways, time, totals, money }: Style): unknown {
  return {
    separator: separator === "|" ? "|" : "auto",
    columns: {
      key: NAMES[0],
      reference: NAMES[1],
      institution: NAMES[2],
      ...(ways === "kind" ? { kind: NAMES[3] } : ways === "side" ? { side: NAMES[3] } : {}),
      ...(ways === "columns" ? { captured: NAMES[4], refunded: NAMES[5] } : { amount: NAMES[4] }),
      ...(time === "apart" ? { postedDate: NAMES[6], postedTime: "时刻" } : { postedAt: NAMES[6] }),
    },
    ...(ways === "side" ? { captureSide: "credit" } : {}),
    signs: ways === "sign" ? "refundsNegative" : "none",
    unit: money === "fen" ? "fen" : "yuan",
    totals: totals ? { words: ["合计"], rows: 2, gross: 3, net: 4 } : "none",
  };
}

function styled(style: Style, rows: readonly StatementRow[]): string | Uint8Array {
  const cells = [...style.order];
  const names = [...cells.map((at) => NAMES[at] ?? ""), "时刻", "备注"];
  const line = (fields: readonly string[]): string =>
    fields.map((field) => (/[",;\t|]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(style.separator);
  const lines = [
    ...Array.from({ length: style.preamble }, (_, n) => line([`对账单第${n}页`])),
    line(names),
    ...rows.map((one) => {
      const all = fieldsOf(style, one);
      return line([...cells.map((at) => all[at] ?? ""), all[7] ?? "", "张三,缴费"]);
    }),
    ...(style.totals ? [line(totalsOf(style, rows))] : []),
    ...Array.from({ length: style.emptyLines }, (_, n) => (n % 2 === 0 ? "" : line(names.map(() => "")))),
  ];
  const text = `${lines.join(style.lineEnd)}${style.lineEnd}`;
  if (style.encode === "utf-16le") return utf16le(text);
  if (style.encode === "gb18030") return gb18030(text);
  return style.encode === "bom" ? `\uFEFF${text}` : text;
}

function fieldsOf(style: Style, one: StatementRow): readonly string[] {
  const back = one.kind !== "capture";
  const [date, clock] = instantText(style, one.atMs);
  const sum = money(style, one.amount, style.ways === "sign" && back);
  const amounts = style.ways === "columns" ? (back ? ["", sum] : [sum, ""]) : [sum, ""];
  return [
    kept(style, one.key),
    kept(style, one.railReference),
    kept(style, one.institution),
    style.ways === "side" ? (back ? "借" : "贷") : WORDS[one.kind],
    ...amounts,
    date,
    clock,
  ];
}

function kept({ text }: Style, value: string): string {
  if (text === "apostrophe") return `'${value}`;
  if (text === "formula") return `="${value}"`;
  return text === "wide" ? wide(value) : value;
}

function wide(value: string): string {
  return value.replaceAll(/[!-~]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) + 0xfee0));
}

function money({ money: form, negative }: Style, fen: bigint, below: boolean): string {
  const yuan = formatYuan(asFen(fen));
  const grouped = yuan.replaceAll(/(\d)(?=(\d{3})+\.)/g, "$1,");
  const text =
    form === "fen"
      ? fen.toString()
      : form === "plain"
        ? yuan
        : form === "wide"
          ? wide(grouped)
          : form === "mark"
            ? `￥${grouped}元`
            : grouped;
  if (!below) return text;
  return negative === "minus" ? `-${text}` : negative === "behind" && form !== "mark" ? `${text}-` : `(${text})`;
}

function instantText({ time }: Style, atMs: EventMs): readonly [string, string] {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(formatCst14(atMs)) ?? [];
  switch (time) {
    case "solid":
      return [formatCst14(atMs), ""];
    case "iso":
      return [`${year}-${month}-${day} ${hour}:${minute}:${second}`, ""];
    case "slash":
      return [`${year}/${Number(month)}/${Number(day)} ${Number(hour)}:${minute}:${second}`, ""];
    case "chinese":
      return [`${year}年${month}月${day}日 ${hour}时${minute}分${second}秒`, ""];
    case "zone":
      return [new Date(atMs).toISOString(), ""];
    case "fraction":
      return [`${year}-${month}-${day}T${hour}:${minute}:${second}.999+08:00`, ""];
    case "apart":
      return [`${year}${month}${day}`, `${hour}:${minute}:${second}`];
  }
}

function totalsOf(style: Style, rows: readonly StatementRow[]): readonly string[] {
  const sum = new TotalsSum();
  for (const one of rows) sum.add(one);
  const { captured, refunded } = sum.totals;
  const net = captured - refunded;
  return [
    "合计",
    `${rows.length}`,
    money(style, captured + refunded, false),
    money({ ...style, negative: "minus" }, net < 0n ? -net : net, net < 0n),
  ];
}
