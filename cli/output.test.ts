import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { escaped, escapedJson } from "../ledger/verifier/escape.ts";
import { printJson, printTable, printText } from "./output.ts";
import { layTable } from "./text/table.ts";
import { widthOf } from "./text/width.ts";

const folder = fileURLToPath(new URL(".", import.meta.url));

describe("what another party wrote", () => {
  test.each([
    ["an escape sequence", "\u001b[2J\u001b]0;owned\u0007", "\\u{1b}[2J\\u{1b}]0;owned\\u{7}"],
    ["a C1 control", "\u009b31m", "\\u{9b}31m"],
    ["a carriage return", "good\rbad", "good\\u{d}bad"],
    ["a bidirectional override", "\u202eevil", "\\u{202e}evil"],
    ["a character without width", "H\u200b1\ufeff", "H\\u{200b}1\\u{feff}"],
    ["a line separator", "a\u2028b", "a\\u{2028}b"],
    ["a tag character", "a\u{e0041}", "a\\u{e0041}"],
    ["a line break, which would begin a line of its own", "H1\nclean  ronghe.example/33", "H1\\u{a}clean  ronghe.example/33"],
    ["half a pair", "a\ud800", "a\\u{d800}"],
  ])("is shown, not obeyed: %s", (_, text, shown) => {
    expect(escaped(text)).toBe(shown);
  });

  test("stays what it was when it is words, and JSON reads the same after it", () => {
    expect(escaped("统筹基金 1,234.50 元 👩")).toBe("统筹基金 1,234.50 元 👩");
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(JSON.parse(escapedJson(JSON.stringify({ text })))).toEqual({ text });
      }),
    );
  });

  test("adds no line to a table or a text; lines of our own stay lines", () => {
    const printed: string[] = [];
    const spy = vi.spyOn(process.stdout, "write").mockImplementation((text) => printed.push(String(text)) > 0);
    try {
      printTable(["a", "b"], [["x\ny", ["one", "two\n3"]]]);
      printText("first", "second\nthird");
      printJson({ a: "x\u2028\ny" });
    } finally {
      spy.mockRestore();
    }
    expect(printed.join("").split("\n")).toEqual([
      "a        b",
      "───────  ─────────",
      "x\\u{a}y  one",
      "         two\\u{a}3",
      "first",
      "second\\u{a}third",
      '{"a":"x\\u2028\\ny"}',
      "",
    ]);
  });

  test("reaches the terminal through one file: a command prints an argument with an escape harmlessly", () => {
    const run = spawnSync(process.execPath, [`${folder}main.ts`, "tail", "a\u001b[2Jb\u202ec"], { encoding: "utf8" });
    expect(run.status).not.toBe(0);
    expect(run.stderr).toContain("a\\u{1b}[2Jb\\u{202e}c");
    expect(run.stderr).not.toContain("\u001b");
  });

  test("cannot be printed around that file: nothing else in the command line writes to a stream of its own", () => {
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts") && file !== "output.ts");
    const writes = /process\s*\.\s*std(?:out|err)\s*\.\s*(?:write|pipe)\b/;
    expect(files.filter((file) => !file.endsWith(".test.ts") && writes.test(readFileSync(`${folder}${file}`, "utf8")))).toEqual([]);
  });
});

describe("a table", () => {
  const head = ["时间 (UTC+8)", "规则", "机构", "触发值", "依据"];
  const row = ["2026-01-05 10:00:00", "异地时空冲突", "H33010000001", "两地距离 512.4 公里\n间隔 3 分钟", "settlement-0 #12345"];

  test.each([80, 100, 202, 60])("is never wider than a terminal of %i cells, and loses nothing", (columns) => {
    const laid = layTable(head, [row, row], columns);
    expect(Math.max(...laid.split("\n").map(widthOf))).toBeLessThanOrEqual(columns);
    const bare = laid.replaceAll(/[\s─]/gu, "");
    for (const character of row.join("").replaceAll(/\s/gu, "")) expect(bare).toContain(character);
  });

  test("counts a Chinese character as two cells, so that columns stand under each other", () => {
    expect(
      layTable(
        ["a", "b"],
        [
          ["统筹", "1"],
          ["x", "2"],
        ],
        80,
      ),
    ).toBe("a     b\n────  ─\n统筹  1\nx     2");
  });

  const CASE = "insurance/20261130/rs0a214630fa49cc6d1b9b2caa28ad4552/capture";

  test.each([200, 120, 80, 60, 40])("breaks no number that somebody copies, in %i cells", (columns) => {
    const cases = [CASE, "短款", "统筹基金支付，账本有而支付方没有，待核对。", "H51010400001", "1,234,567.89"];
    const laid = layTable(["编号", "类别", "说明", "机构", "金额(元)"], [cases, cases], columns);
    for (const number of [CASE, "H51010400001", "1,234,567.89", "金额(元)"]) expect(laid).toContain(number);
    // No line begins with what closes a phrase, and only a number alone is wider than the terminal.
    expect(laid).not.toMatch(/(?:^|  )[，。)]/mu);
    for (const line of laid.split("\n")) if (widthOf(line) > columns) expect(line).toContain(CASE);
  });

  test("becomes a block for each record where its columns have no room", () => {
    const laid = layTable(head, [row, row], 30);
    expect(Math.max(...laid.split("\n").map(widthOf))).toBeLessThanOrEqual(30);
    expect(laid).toContain("规则          异地时空冲突");
    expect(laid.split("\n\n")).toHaveLength(2);
  });

  test("takes a field of any length", () => {
    expect(layTable(["a"], [["统".repeat(200_000)], ["x".repeat(200_000)]], 80)).toContain("统统");
  });

  test("that became blocks ends before the next one begins", () => {
    const [first, second] = [layTable(head, [row, row], 30), layTable(head, [row], 30)];
    expect(`${first}\n${second}`.split("\n\n")).toHaveLength(3);
  });
});

describe("whoever reads", () => {
  const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));
  const inShell = (script: string): { status: number | null; stderr: string } =>
    spawnSync("bash", ["-c", script, process.execPath, MAIN], { encoding: "utf8" });

  test("and has seen enough ends a command as a signal would, without a word", () => {
    const { status, stderr } = inShell('set -o pipefail; for n in 1 2 3 4 5 6 7 8; do "$0" "$1" ledger --help; done | head -0');
    expect([status, stderr]).toEqual([141, ""]);
  });

  test("from a disk that is full is told so in one line", () => {
    const { status, stderr } = inShell('"$0" "$1" --help > /dev/full');
    expect([status, stderr]).toEqual([1, "ronghe: what is to be said cannot be written (ENOSPC)\n"]);
  });
});
