import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { asFen } from "../../protocol/money.ts";
import type { EventMs } from "../../protocol/time.ts";
import { addDays, dayEnd, dayStart } from "../day/accounting-day.ts";
import type { StatementRow } from "../rails/port.ts";
import { printCsvRow, readCsv } from "./csv.ts";
import { CSV_HEADER, type Encoding } from "./mapping.ts";
import { BadStatementError, type StatementDefect, type StatementLine } from "./statement.ts";
import { csvText } from "./testing/csv-text.ts";
import { DAY, type Desk, openDesk, row } from "./testing/desk.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-csv-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function read(content: string | Uint8Array, encoding?: Encoding): Promise<readonly StatementLine[] | StatementDefect> {
  const file = join(folder, "statement.csv");
  await writeFile(file, content);
  const rows: StatementLine[] = [];
  try {
    await readCsv({ file, ...(encoding === undefined ? {} : { encoding }) }, (line) => void rows.push(line));
    return rows;
  } catch (error) {
    if (error instanceof BadStatementError) return error.defects[0];
    throw error;
  }
}

const GOOD = "rs1/bank/capture,B1,capture,H1,12.50,,20260105093000";

describe("a statement file", () => {
  test("gives its rows with their numbers, the header being row 1", async () => {
    const rows = await read(csvText([GOOD, "rs2/insurance/capture,I2,capture,H1,65.00,hifp_pay=60.00;acct_pay=5.00,20260105093001"]));
    expect(rows).toEqual([
      expect.objectContaining({ line: 2, key: "rs1/bank/capture", railReference: "B1", amount: 1250n, parts: [] }),
      expect.objectContaining({
        line: 3,
        parts: [
          { fundSource: "hifp_pay", amount: 6000n },
          { fundSource: "acct_pay", amount: 500n },
        ],
      }),
    ]);
  });

  test.each([
    ["line feeds alone", csvText([GOOD]).replaceAll("\r", "")],
    ["no line end behind the last row", csvText([GOOD]).trimEnd()],
    ["a byte order mark", `\uFEFF${csvText([GOOD])}`],
    ["quoted fields", csvText([GOOD]).replace(GOOD, `"${GOOD.replaceAll(",", '","')}"`)],
  ])("may have %s", async (_, content) => {
    expect(await read(content)).toMatchObject([{ line: 2, amount: 1250n }]);
  });

  test("without rows says that nothing moved", async () => {
    expect(await read(csvText([]))).toEqual([]);
  });

  test("in GB 18030 is read as that, and refused when it is said to be another encoding", async () => {
    const content = Buffer.concat([
      Buffer.from(`${CSV_HEADER}\r\n${GOOD}\r\n,B2,capture,`),
      Buffer.from([0xb3, 0xc9]),
      Buffer.from(",1.00,,20260105093000\r\n"),
    ]);
    expect(await read(content, "utf-8")).toMatchObject({ code: "encoding" });
    // Read as what it is, the field is text, and only not an institution's code.
    for (const encoding of [undefined, "gb18030"] as const)
      expect(await read(content, encoding)).toMatchObject({ code: "malformedRow", line: 3, column: "institution" });
    expect(await read(csvText([GOOD]), "gb18030")).toMatchObject([{ line: 2 }]);
  });

  test.each<[string, string, StatementDefect["code"], number | undefined]>([
    ["empty", "", "header", 1],
    ["without a header", `${GOOD}\r\n`, "header", 1],
    ["without one of the columns", `${CSV_HEADER.replace(",kind", ",sort")}\r\n`, "header", 1],
    ["with a column twice", `${CSV_HEADER},key\r\n`, "header", 1],
    ["with a field too few", `${CSV_HEADER}\r\n${GOOD}\r\nrs2/bank/capture,B2,capture,H1,1.00,\r\n`, "malformedRow", 3],
    ["with a field too many", `${CSV_HEADER}\r\n${GOOD}\r\n${GOOD},x\r\n`, "malformedRow", 3],
    ["with an empty line between rows", `${CSV_HEADER}\r\n\r\n${GOOD}\r\n`, "malformedRow", 2],
    ["with a quote left open", `${CSV_HEADER}\r\n"${GOOD}\r\n`, "malformedRow", undefined],
    ["with a key that is none", `${CSV_HEADER}\r\n${GOOD.replace("rs1/bank/capture", "rs 1")}\r\n`, "malformedRow", 2],
    ["without a reference", `${CSV_HEADER}\r\n${GOOD.replace(",B1,", ",,")}\r\n`, "malformedRow", 2],
    ["with an unknown kind", `${CSV_HEADER}\r\n${GOOD.replace(",capture,", ",fee,")}\r\n`, "malformedRow", 2],
    ["without an institution", `${CSV_HEADER}\r\n${GOOD.replace(",H1,", ",,")}\r\n`, "malformedRow", 2],
    ["with one decimal", `${CSV_HEADER}\r\n${GOOD.replace("12.50", "12.5")}\r\n`, "malformedRow", 2],
    ["with three decimals", `${CSV_HEADER}\r\n${GOOD.replace("12.50", "12.500")}\r\n`, "malformedRow", 2],
    ["with an amount below zero", `${CSV_HEADER}\r\n${GOOD.replace("12.50", "-12.50")}\r\n`, "malformedRow", 2],
    ["with nothing as amount", `${CSV_HEADER}\r\n${GOOD.replace("12.50", "0.00")}\r\n`, "malformedRow", 2],
    ["with thousands separated elsewhere", `${CSV_HEADER}\r\n${GOOD.replace("12.50", '"10,12.50"')}\r\n`, "malformedRow", 2],
    ["with parts that do not add up", `${CSV_HEADER}\r\n${GOOD.replace("12.50,,", "12.50,hifp_pay=12.49,")}\r\n`, "malformedRow", 2],
    ["with the same fund twice", `${CSV_HEADER}\r\n${GOOD.replace("12.50,,", "12.50,a=6.25;a=6.25,")}\r\n`, "malformedRow", 2],
    ["with 30 February", `${CSV_HEADER}\r\n${GOOD.replace("20260105", "20260230")}\r\n`, "malformedRow", 2],
    ["without the row of totals", `${CSV_HEADER}\r\n${GOOD}\r\n`, "cutShort", undefined],
    ["with nothing but the header", `${CSV_HEADER}\r\n`, "cutShort", undefined],
    ["that lacks a row", csvText([GOOD, GOOD]).replace(`${GOOD}\r\n`, ""), "totalsDisagree", 3],
    ["with other totals", csvText([GOOD]).replace("total,1,12.50", "total,1,12.51"), "totalsDisagree", 3],
    ["with totals of another form", csvText([GOOD]).replace("total,1,", "total,01,"), "malformedRow", 3],
    ["with a row behind its totals", `${csvText([GOOD])}${GOOD}\r\n`, "malformedRow", 4],
    ["with a row without end", `${CSV_HEADER}\r\n${"x".repeat(20_000)}`, "rowTooLong", undefined],
  ])("%s is refused, naming the row", async (_, content, code, line) => {
    const defect = await read(content);
    expect(defect).toMatchObject({ code });
    if (line !== undefined) expect(defect).toMatchObject({ line });
  });

  test("says what was wanted and never what stood there", async () => {
    const defect = await read(`${CSV_HEADER}\r\n${GOOD.replace("H1", "张三 510101199001011234")}\r\n`);
    expect(JSON.stringify(defect)).not.toMatch(/张|5101/u);
  });

  test("that is not there is refused", async () => {
    const missing = readCsv({ file: join(folder, "none.csv") }, () => undefined);
    await expect(missing).rejects.toMatchObject({
      defects: [{ code: "unreadable", detail: { zh: "文件无法读取（ENOENT）", en: "the file cannot be read (ENOENT)" } }],
    });
  });

  test("reads back what is printed", async () => {
    const name = fc.stringMatching(/^[0-9A-Za-z][0-9A-Za-z._-]{0,20}$/);
    const fen = fc.bigInt({ min: 1n, max: 9_999_999_999_999n }).map(asFen);
    const rows = fc.record({
      key: fc.oneof(fc.constant(""), name),
      kind: fc.constantFrom("capture" as const, "refund" as const, "reversal" as const),
      institution: name,
      parts: fc.uniqueArray(fc.record({ fundSource: fc.stringMatching(/^[a-z][a-z_]{0,10}$/), amount: fen }), {
        minLength: 1,
        maxLength: 5,
        selector: (part) => part.fundSource,
      }),
      railReference: name,
      atMs: fc.integer({ min: 0, max: 2_000_000_000 }).map((seconds) => (seconds * 1000) as EventMs),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(rows, { maxLength: 20 }), async (drawn) => {
        const written: StatementRow[] = drawn.map((one) => ({
          ...one,
          amount: asFen(one.parts.reduce((sum, part) => sum + part.amount, 0n)),
        }));
        const found = await read(csvText(written.map(printCsvRow)));
        expect(found).toEqual(written.map((one, at) => ({ ...one, line: at + 2 })));
      }),
      { numRuns: 40, seed: 11 },
    );
  });
});

describe("an import", () => {
  let desk: Desk;
  beforeEach(async () => {
    desk = await openDesk();
  });
  afterEach(async () => {
    await desk.close();
  });

  test.each<[string, readonly StatementRow[], StatementDefect["code"], number]>([
    ["the same key twice", [row("k1", 1n), row("k2", 2n), row("k1", 3n, { railReference: "other" })], "duplicateKey", 4],
    ["the same reference twice", [row("k1", 1n, { railReference: "B1" }), row("k2", 2n, { railReference: "B1" })], "duplicateReference", 3],
    ["a row of another day", [row("k1", 1n), row("k2", 1n, { atMs: (dayStart(DAY) - 3 * 86_400_000) as EventMs })], "otherDay", 3],
    ["a row of another payer", [row("k1", 1n), row("rs1/insurance/capture", 2n)], "otherPayer", 3],
  ])("of %s is refused with the row's number, and nothing of it is taken in", async (_, rows, code, line) => {
    const file = await desk.csv("bad.csv", rows);
    const answer = await desk.reconciler.run({ rail: "bank", day: DAY, by: "li", input: { kind: "file", file } });
    expect(answer).toMatchObject({ ok: false, error: { code: "badStatement", defects: [{ code, line }] } });
    for (const table of ["run", "unmatched", "reconciliation_case", "entry"])
      expect(await desk.db.read(`SELECT 1 FROM ${table}`)).toEqual([]);
  });

  test("of another day's very file is refused; two days without rows are not", async () => {
    const request = { rail: "bank" as const, by: "li" };
    const file = await desk.csv("day.csv", [row("k1", 1n)]);
    expect(await desk.reconciler.run({ ...request, day: DAY, input: { kind: "file", file } })).toMatchObject({ ok: true });
    const next = addDays(DAY, 1);
    desk.clock.at = dayEnd(addDays(DAY, 2));
    const wrong = await desk.reconciler.run({ ...request, day: next, input: { kind: "file", file } });
    expect(wrong).toMatchObject({
      ok: false,
      error: { defects: [{ code: "otherDay", detail: { en: `this very statement was compared as that of ${DAY}` } }] },
    });
    const empty = await desk.csv("empty.csv", []);
    for (const day of [next, addDays(DAY, 2)])
      expect(await desk.reconciler.run({ ...request, day, input: { kind: "file", file: empty } })).toMatchObject({ ok: true });
  });

  test("of a malformed last row takes nothing in either", async () => {
    const file = join(folder, "late.csv");
    const rows = Array.from({ length: 5_000 }, (_, n) => printCsvRow(row(`k${String(n).padStart(5, "0")}`, 1n)));
    await writeFile(file, [CSV_HEADER, ...rows, "broken"].join("\r\n"));
    const answer = await desk.reconciler.run({ rail: "bank", day: DAY, by: "li", input: { kind: "file", file } });
    expect(answer).toMatchObject({ ok: false, error: { defects: [{ code: "malformedRow", line: 5_002 }] } });
    expect(await desk.db.read("SELECT 1 FROM run")).toEqual([]);
  });

  test("of the same rows with other line ends, a byte order mark or in another order is the same statement", async () => {
    const rows = [row("k1", 1n), row("k2", 2n), row("", 3n, { railReference: "B3" })];
    const request = { rail: "bank" as const, day: DAY, by: "li" };
    const text = csvText(rows.map(printCsvRow));
    const ids = new Set<string>();
    for (const content of [text, text.replaceAll("\r", ""), `\uFEFF${text}`, csvText(rows.toReversed().map(printCsvRow))]) {
      const file = join(folder, "again.csv");
      await writeFile(file, content);
      const answer = await desk.reconciler.run({ ...request, input: { kind: "file", file } });
      if (!answer.ok) throw new Error(answer.error.code);
      expect(answer.value.repeated).toBe(ids.size > 0);
      ids.add(answer.value.id);
    }
    expect(ids.size).toBe(1);
  });

  test("of a file and of a service's answer with the same rows is the same statement", async () => {
    desk.both("rs1/bank/capture", 100n);
    desk.both("rs2/bank/capture", 200n);
    const request = { rail: "bank" as const, day: DAY, by: "li" };
    const fetched = await desk.reconciler.run({ ...request, input: { kind: "service", details: "always" } });
    const read = await desk.reconciler.run({
      ...request,
      input: { kind: "file", file: await desk.csv("same.csv", desk.payers.bank.rows) },
    });
    if (!fetched.ok || !read.ok) throw new Error("refused");
    expect(read.value).toEqual({ ...fetched.value, repeated: true });
  });
});
