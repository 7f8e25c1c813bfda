/** The accountant's day by the commands he types: through a running core, and on a folder whose core does not run. */
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { widthOf } from "../cli/text/width.ts";
import { systemClock } from "../core/protocol/time.ts";
import type { AccountingDay } from "../core/settlement/books.ts";
import { addDays, dayOf, printDay } from "../core/settlement/day/accounting-day.ts";
import { csvText } from "../core/settlement/reconcile/testing/csv-text.ts";
import { gb18030 } from "../core/settlement/reconcile/testing/gb18030.ts";
import { FREE_PORTS, temporaryFolder } from "./harness/folder.ts";
import { type Ended, ronghe, serve, type Serving } from "./harness/process.ts";

const TODAY = dayOf(systemClock.now());
const before = (days: number): AccountingDay => addDays(TODAY, -days);
const TOMORROW = printDay(addDays(TODAY, 1));
const RAILS = ["insurance", "commercial", "bank"];

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let settings: Record<string, string>;
let platform: Serving;
let institution: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  settings = { RONGHE_DATA: join(folder.path, "province"), ...FREE_PORTS };
  const made = await ronghe(["sandbox", "init"], settings);
  expect(made.code, made.stderr).toBe(0);
  institution = /institutions: (\w+)/.exec(made.stdout)?.[1] ?? "";
  await foundedEarlier(1);
  platform = await serve(["all"], settings);
});
afterAll(async () => {
  await platform.stop();
  await folder[Symbol.asyncDispose]();
});

let foundedAtMs: number | undefined;
/** So that there are days to compare and to close: those before the founding are not the platform's. */
async function foundedEarlier(days: number): Promise<void> {
  const file = join(folder.path, "province", "platform.json");
  const founded = JSON.parse(await readFile(file, "utf8")) as { createdAtMs: number };
  foundedAtMs ??= founded.createdAtMs;
  await writeFile(file, JSON.stringify({ ...founded, createdAtMs: foundedAtMs - days * 86_400_000 }));
}

const books = (...args: string[]): Promise<Ended> => ronghe(args, settings);
const json = (ended: Ended): Record<string, unknown> => JSON.parse(ended.stdout.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
/** One line, and no stack. */
const said = ({ code, stderr }: Ended): object => ({ status: code, lines: stderr.trim().split("\n") });
const one = (status: number, words: string): object => ({ status, lines: [expect.stringContaining(words)] });

async function csv(name: string, ...rows: string[]): Promise<string> {
  const file = join(folder.path, name);
  await writeFile(file, csvText(rows));
  return file;
}
function compare(day: AccountingDay, file: string): Promise<Ended> {
  return books("reconcile", "run", "--rail", "bank", "--day", printDay(day), "--by", "li", "--file", file, "--json");
}

describe("beside a running core", () => {
  it("a settled bill is told whole, every entry proved", async () => {
    const code = (await books("code", "issue")).stdout.trim();
    const paid = await books("call", "rh.settle", "--code", code, "--amount", "128.50", "--id", "bill-1");
    expect(paid.code, paid.stdout).toBe(0);
    const shown = await books("settlement", "show", `${institution}/bill-1`, "--json");
    expect(shown.code, shown.stderr).toBe(0);
    const story = json(shown) as {
      state: string;
      amount: string;
      entries: { kind: string; proof: string }[];
      reconciliation: { status: string }[];
    };
    expect(story).toMatchObject({ state: "settled", amount: "128.50" });
    expect(story.entries.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["settlement.accepted", "settlement.settled"]));
    expect(new Set(story.entries.map(({ proof }) => proof))).toEqual(new Set(["verified"]));
    expect(new Set(story.reconciliation.map(({ status }) => status))).toEqual(new Set(["notYet"]));
  });

  it("a day that is not over is neither reconciled nor closed", async () => {
    const early = ["reconcile", "run", "--rail", "bank", "--day", printDay(TODAY), "--by", "li"];
    expect(said(await books(...early))).toEqual(one(3, "尚未结束 (dayNotOver)"));
    expect(said(await books(...early, "--lang", "en"))).toEqual(one(3, "is not over (dayNotOver)"));
    expect(said(await books("day", "close", TOMORROW, "--by", "li"))).toEqual(one(3, "is not over (dayNotOver)"));
  });

  it("a day before the platform's first, or by somebody without a name, is not closed", async () => {
    const early = ["day", "close", printDay(before(2)), "--without-reconciliation", "drill"];
    expect(said(await books(...early, "--by", "li"))).toEqual(one(3, "lies before the platform's first day (beforeFounding)"));
    expect(said(await books(...early, "--by", "Li Si"))).toEqual(one(3, "a person is named by 1 to 32 of a-z"));
    expect(said(await books(...early, "--by", "l".repeat(100)))).toEqual(one(3, "(personMalformed)"));
  });

  it("yesterday is closed once every payer's statement was compared, and the ledger still verifies", async () => {
    const yesterday = printDay(before(1));
    expect(said(await books("day", "close", yesterday, "--by", "li"))).toEqual(
      one(3, "is not reconciled row by row (--details) with insurance, commercial, bank (reconciliationMissing)"),
    );
    for (const rail of RAILS) {
      const run = await books("reconcile", "run", "--rail", rail, "--day", yesterday, "--by", "li", "--json");
      expect(run.code, run.stderr).toBe(0);
      expect(json(run)).toMatchObject({
        rail,
        day: before(1),
        method: "totals",
        repeated: false,
        counts: { matched: "0", rowsTheirs: "0" },
      });
    }
    const closed = await books("day", "close", yesterday, "--by", "li", "--json");
    expect(closed.code, closed.stderr).toBe(0);
    expect(json(closed)).toMatchObject({ day: before(1), closedBy: "li", seals: [{}, {}] });
    const shown = json(await books("day", "show", yesterday, "--json"));
    expect(shown).toMatchObject({ days: [{ day: before(1), closedBy: "li" }], carriedOver: [] });
    expect((await books("ledger", "verify")).code).toBe(0);
    const told = (await books("tail", "supervision.reconciliation.finished.v1")).stdout.trim().split("\n");
    expect(told.map((line) => (JSON.parse(line) as { key: string }).key).toSorted()).toEqual(RAILS.toSorted());
  });

  it("another operator's key is not accepted", async () => {
    const file = join(settings["RONGHE_DATA"] ?? "", "core", "operator.key");
    const key = await readFile(file, "utf8");
    await writeFile(file, `${"0".repeat(64)}\n`);
    expect(said(await books("day", "close", "--by", "li"))).toEqual(one(2, "does not accept this operator (401)"));
    await writeFile(file, key);
  });
});

describe("on a folder whose core does not run", () => {
  beforeAll(async () => {
    await platform.stop();
    await foundedEarlier(10);
  });

  it("a difference goes from the payer's file through people to a write-off by two", async () => {
    const at = `${before(5)}101500`;
    const good = await csv("five.csv", `B-77,B77,capture,${institution},12.34,,${at}`);
    await appendFile(good, "broken\r\n");
    expect(said(await compare(before(5), good))).toEqual(
      one(3, "对账单被拒，未取入任何内容：第 4 行：合计行之后不应再有内容 (badStatement)"),
    );
    const fixed = await csv("five.csv", `B-77,B77,capture,${institution},12.34,,${at}`);
    expect(json(await compare(before(5), fixed))).toMatchObject({ repeated: false, counts: { waiting: "1", surplus: "0" } });
    expect(json(await compare(before(5), fixed))).toMatchObject({ repeated: true, counts: { waiting: "1" } });
    const nothing = await csv("nothing.csv");
    expect(json(await compare(before(4), nothing))).toMatchObject({ counts: { surplus: "0" } });
    expect(json(await compare(before(3), nothing))).toMatchObject({ counts: { surplus: "0", opened: "1" } });

    const list = json(await books("reconcile", "list", "--json")) as { cases: { id: string; class: string; state: string }[] };
    expect(list.cases).toMatchObject([{ class: "surplus", state: "open" }]);
    const id = list.cases[0]?.id ?? "";
    expect((await books("reconcile", "assign", id, "--by", "li", "--to", "zhao")).stdout).toBe(`${id}: 核查中 (zhao)\n`);
    expect(said(await books("reconcile", "suspend", id, "--by", "zhao", "--reason", "because"))).toEqual(one(2, "--reason is one of"));
    expect((await books("reconcile", "suspend", id, "--by", "zhao", "--reason", "underInquiry", "--note", "asked")).stdout).toContain(
      "已挂账",
    );
    const writeOff = ["reconcile", "write-off", id, "--by", "zhao", "--reason", "immaterial"];
    expect(said(await books(...writeOff))).toEqual(one(3, "this needs a second person (--approved-by) (needsSecondPerson)"));
    expect(said(await books(...writeOff, "--approved-by", "zhao"))).toEqual(one(3, "this needs two different people (samePerson)"));
    expect((await books(...writeOff, "--approved-by", "qian", "--lang", "en")).stdout).toContain("written off");
    expect(said(await books("reconcile", "assign", id, "--by", "li"))).toEqual(one(3, "the case is closed (caseClosed)"));
    expect(said(await books("reconcile", "assign", "20200101-bank-0000000000", "--by", "li"))).toEqual(
      one(3, "no such case (caseUnknown)"),
    );

    const story = json(await books("reconcile", "show", id, "--json")) as { steps: { action: string; entry?: object }[] };
    expect(story.steps.map(({ action }) => action)).toEqual(["open", "assign", "suspend", "writeOff"]);
    expect(story.steps.every(({ entry }) => entry !== undefined)).toBe(true);
    expect((await books("ledger", "verify")).code).toBe(0);
  });

  it("a refund that only the payer has is a shortage, is taken into the books by two, and comes out again by two", async () => {
    const refund = await csv(
      "six.csv",
      `B-78,B78,refund,${institution},5.00,,${before(5)}111500`,
      `B-77,B77,capture,${institution},12.34,,${before(5)}101500`,
    );
    expect(json(await compare(before(5), refund))).toMatchObject({ counts: { surplus: "1", shortage: "1" } });
    const list = json(await books("reconcile", "list", "--json")) as { cases: { id: string; class: string; kind: string }[] };
    expect(list.cases).toMatchObject([{ class: "shortage", kind: "refund" }]);
    const id = list.cases[0]?.id ?? "";
    expect((await books("reconcile", "show", id)).stdout).toContain("支付方应付 5.00 元");
    await books("reconcile", "assign", id, "--by", "li", "--to", "zhao");
    const book = ["reconcile", "book", id, "--by", "zhao"];
    expect(said(await books(...book, "--approved-by", "qian"))).toEqual(one(2, "say whose it is"));
    expect(said(await books(...book, "--institution", institution))).toEqual(one(3, "(needsSecondPerson)"));
    expect(said(await books(...book, "--approved-by", "qian", "--institution", "H51010400009"))).toEqual(one(3, "(otherTarget)"));
    expect(said(await books(...book, "--approved-by", "qian", "--settlement", `${institution}/none`))).toEqual(
      one(3, "(settlementUnknown)"),
    );
    expect((await books(...book, "--approved-by", "qian", "--settlement", `${institution}/bill-1`)).stdout).toBe(`${id}: 已补账 (zhao)\n`);
    expect((await books("ledger", "verify")).code).toBe(0);
    expect((await books("ledger", "fsck")).code).toBe(0);
    const back = ["reconcile", "take-back", id, "--by", "zhao", "--reason", "agreed"];
    expect(said(await books(...back, "--approved-by", "zhao"))).toEqual(one(3, "(samePerson)"));
    expect((await books(...back, "--approved-by", "qian", "--lang", "en")).stdout).toBe(`${id}: investigating (zhao)\n`);
    expect(said(await books(...back, "--approved-by", "qian"))).toEqual(one(3, "(notFromHere)"));
    expect((await books("ledger", "fsck")).code).toBe(0);
  });

  it("payers that do not run cannot be asked, and that is said in one line", async () => {
    expect(said(await books("reconcile", "run", "--rail", "bank", "--day", printDay(before(2)), "--by", "li"))).toEqual(
      one(3, "此处没有可询问的支付方"),
    );
  });

  it("a bank's own file is tried, its mapping set, and the file compared under it; a bad one is refused row by row in the reader's language", async () => {
    const mapping = join(folder.path, "bank.json");
    await writeFile(
      mapping,
      JSON.stringify({
        columns: { reference: "流水号", kind: "交易类型", amount: "金额", postedAt: "交易时间" },
        institution,
        totals: { words: ["合计"], net: 3 },
      }),
    );
    const at = printDay(before(4));
    const file = join(folder.path, "bank.txt");
    const bank = (...rows: string[]): Promise<void> =>
      writeFile(file, gb18030([`商户对账单|||`, `交易时间|交易类型|金额（元）|流水号`, ...rows, ""].join("\r\n")));
    await bank(`${at} 10:15:00.999|支付|1,012.34|'B78`, "合计||1,012.34|", "|||");
    const tried = await books("reconcile", "mapping", "test", file, "--rail", "bank", "--mapping", mapping);
    expect(tried.code, tried.stderr).toBe(0);
    expect(tried.stdout).toMatch(/支付 1 \/ 1012\.34[\s\S]*B78/);
    // Nothing is in force yet.
    expect(said(await books("reconcile", "mapping", "test", file, "--rail", "bank"))).toEqual(one(3, "(header)"));
    expect(said(await books("reconcile", "mapping", "set", file, "--rail", "bank", "--by", "li"))).toEqual(one(2, "is not UTF-8 text"));
    const set = await books("reconcile", "mapping", "set", mapping, "--rail", "bank", "--by", "li", "--json");
    expect(set.code, set.stderr).toBe(0);
    const { hash } = json(set) as { hash: string };
    expect(json(await books("reconcile", "mapping", "list", "--json"))).toMatchObject({
      mappings: [{ rail: "bank", version: 1, setBy: "li", hash }],
    });
    expect(JSON.parse((await books("reconcile", "mapping", "show", "--rail", "bank")).stdout)).toMatchObject({ institution, unit: "yuan" });
    expect(json(await compare(before(4), file))).toMatchObject({ mappingHash: hash, totals: "stated", counts: { waiting: "1" } });

    await bank(`${at} 10:15:00|支付|十二|B79`, `${at} 10:16:00|罚款|1.00|B80`);
    const bad = await books("reconcile", "run", "--rail", "bank", "--day", at, "--by", "li", "--file", file);
    expect(said(bad)).toEqual({
      status: 3,
      lines: [
        "ronghe: 对账单被拒，未取入任何内容：第 3 行“金额”：应为元，两位小数 (badStatement)",
        expect.stringMatching(/^ {2}第 4 行“交易类型”：/),
      ],
    });
    await bank(`${at} 10:15:00|支付|101234|B78`, "合计||101234|");
    const inFen = ["reconcile", "run", "--rail", "bank", "--day", at, "--by", "li", "--file", file, "--lang", "en"];
    expect(said(await books(...inFen))).toEqual(one(3, "no amount has decimals: the file seems to be in fen"));
  });

  it("the list shows open differences first with their kind of movement, closed ones behind them with --all, and one run of each payer and day", async () => {
    const nothing = await csv("nothing.csv");
    expect(json(await compare(before(2), nothing))).toMatchObject({ counts: { surplus: "0", opened: "1" } });
    const list = (await books("reconcile", "list")).stdout;
    expect(list).toMatch(/^差异: 2\n.*类型[\s\S]*短款 +退款[\s\S]*长款 +支付[\s\S]*待二次核对[\s\S]*方式/);
    const all = json(await books("reconcile", "list", "--all", "--json")) as { cases: { state: string; day: string }[]; runs: object[] };
    expect(all.cases.map(({ state, day }) => [state, day])).toEqual([
      ["investigating", before(5)],
      ["open", before(4)],
      ["writtenOff", before(5)],
    ]);
    const few = json(await books("reconcile", "list", "--json")) as { runs: { rail: string; day: string }[] };
    expect(new Set(few.runs.map(({ rail, day }) => `${rail} ${day}`)).size).toBe(few.runs.length);
    expect(few.runs.length).toBeLessThan(all.runs.length);
  });

  it.each([
    ["60", 60],
    ["80", 80],
    ["120", 120],
    // Nobody says how wide: there is no terminal.
    ["", 80],
  ])("no number in the list is broken, and no line too wide, where COLUMNS is %j", async (said, columns) => {
    const wide = { ...settings, COLUMNS: said };
    const found = json(await ronghe(["reconcile", "list", "--all", "--json"], wide)) as {
      cases: { id: string; institution: string }[];
      waiting: { key: string; reference: string; institution: string }[];
      runs: { id: string }[];
    };
    const numbers = [
      ...found.cases.flatMap(({ id, institution: of }) => [id, of]),
      ...found.waiting.flatMap(({ key, reference, institution: of }) => [key === "" ? reference : key, of]),
      ...found.runs.map(({ id }) => id.slice(0, 14)),
    ];
    expect(found.cases.length).toBeGreaterThan(1);
    for (const lang of ["zh", "en"]) {
      const lines = (await ronghe(["reconcile", "list", "--all", "--lang", lang], wide)).stdout.split("\n");
      const words = new Set(lines.flatMap((line) => line.split(/[ …]+/)));
      for (const number of numbers) expect(words).toContain(number);
      expect(lines.filter((line) => widthOf(line) > columns)).toEqual([]);
      // Side by side where there is room for the numbers, for which English words leave none at 80: a case and what is wrong.
      const named = lines.find((line) => line.includes(found.cases[0]?.id ?? "")) ?? "";
      expect(/短款|shortage/.test(named)).toBe(lang === "zh" ? columns >= 80 : columns >= 120);
    }
  });

  it.each([
    [["reconcile", "run", "--rail", "gold", "--day", "2026-01-05", "--by", "li"], "no payer gold"],
    [["reconcile", "run", "--rail", "bank", "--day", "2026-01-05", "--by", "li", "--file", "/nowhere.csv"], "/nowhere.csv is not there"],
    [["settlement", "show", "rs00000000000000000000000000000000"], "no settlement rs0000"],
    [["day", "show", "2020-01-01"], "2020-01-01 is not closed"],
    [["day", "statement", "--month", printDay(TODAY).slice(0, 7), "--institution", "H0"], "no institution H0"],
  ])("%j says what is wrong in one line, with status 2", async (args, words) => {
    expect(said(await books(...args))).toEqual(one(2, words));
  });

  it("the month adds up on paper, and says which day is not closed yet", async () => {
    await foundedEarlier(1);
    const story = json(await books("settlement", "show", `${institution}/bill-1`, "--json")) as { transfers: { day: AccountingDay }[] };
    const day = printDay(story.transfers[0]?.day ?? TODAY);
    const [table, page] = [join(folder.path, "month.csv"), join(folder.path, "month.html")];
    const month = day.slice(0, 7);
    const made = await books("day", "statement", "--month", month, "--institution", institution, "--csv", table, "--html", page);
    expect(made.code, made.stderr).toBe(0);
    const lines = (await readFile(table, "utf8")).trimEnd().split("\r\n");
    const totals = lines.filter((line) => line.startsWith("合计")).map((line) => BigInt(line.split(",")[8]?.replace(".", "") ?? ""));
    expect(totals.reduce((sum, fen) => sum + fen, 0n)).toBe(12_850n);
    expect(await readFile(page, "utf8")).toContain(`暂定数：以下日期尚未日切：${day}`);
  });
});
