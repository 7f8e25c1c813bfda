import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FUND_SOURCES, fundSourceOf } from "./fund-sources.ts";

const root = new URL("../../", import.meta.url).pathname;
const CODES = Object.keys(FUND_SOURCES);
const THE_LIST = "core/protocol/fund-sources.ts";
/** A code as a key or a value, and a Chinese text behind it on the same line or in the next. */
const NAMED = new RegExp(`["'\`]?\\b(?:${CODES.join("|")})\\b["'\`]?\\s*[:,=][^;\\n]*\\n?[^;\\n]*["'\`>][^"'\`\\n]*\\p{Script=Han}`, "u");
/** Figures of a real settlement or of a shown page, beside which a name may stand. */
const SHOWN = /\.test\.ts$|\/testing\/|\/generated\//;

function sources(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((file) => join(folder, file))
    .filter((file) => /\.(?:ts|mjs|js)$/.test(file) && !file.includes("node_modules") && !SHOWN.test(file) && file !== THE_LIST);
}

describe("the vocabulary of funds", () => {
  test("is the only list of their Chinese names in any room", () => {
    const lists = ["bench", "cli", "core", "edge", "ledger", "migrations", "streams"]
      .flatMap(sources)
      .filter((file) => NAMED.test(readFileSync(join(root, file), "utf8")));
    expect(lists).toEqual([]);
  });

  test("a second list of them would be noticed, however it is written", () => {
    for (const second of [
      'const A = { hifp_pay: "统筹" };',
      '  acct_pay: {\n    zh: "个人账户",',
      'psn_cash_pay: words("现金", "Cash")',
      '["maf_pay", "救助"]',
    ])
      expect(NAMED.test(second), second).toBe(true);
  });

  test("names what docs/rails.md lists, by the same names", () => {
    const page = readFileSync(join(root, "docs/rails.md"), "utf8").replaceAll("\n", " ");
    const listed = [...page.matchAll(/(\p{Script=Han}[\p{Script=Han}/]*) `(\w+)`/gu)].filter(([, , code = ""]) => CODES.includes(code));
    expect(new Set(listed.map(([, , code]) => code)).size).toBe(CODES.length - 1);
    for (const [, name, code = ""] of listed) expect([code, name]).toEqual([code, fundSourceOf(code)?.zh]);
  });

  test("gives every fund one name in each language", () => {
    for (const language of ["zh", "en"] as const)
      expect(new Set(Object.values(FUND_SOURCES).map((one) => one[language])).size).toBe(CODES.length);
  });
});
