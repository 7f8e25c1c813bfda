/** Days that a platform has no books for, asked of its own command line. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ronghe } from "../../test/harness/process.ts";

let folder: string;
let data: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ronghe-days-"));
  data = join(folder, "data");
  expect((await ronghe(["sandbox", "init", "--data", data, "--people", "20"])).code).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const LONG_AGO = "2001-02-03";
const FAR_AHEAD = "2199-02-03";

test.each([
  [["reconcile", "run", "--rail", "bank", "--day", LONG_AGO], 3, `${LONG_AGO} 早于平台的首日 (beforeFounding)`],
  [["reconcile", "run", "--rail", "bank", "--day", FAR_AHEAD], 3, `${FAR_AHEAD} 尚未结束 (dayNotOver)`],
  [["reconcile", "run", "--rail", "bank", "--day", "2026-02-30"], 2, "a day is yyyy-mm-dd"],
  [["day", "close", LONG_AGO], 3, `${LONG_AGO} lies before the platform's first day (beforeFounding)`],
  [["day", "close", FAR_AHEAD], 3, `${FAR_AHEAD} is not over (dayNotOver)`],
])("%j is refused in its own words", async (command, code, said) => {
  const ended = await ronghe([...command, "--by", "li", "--data", data]);
  expect(ended).toEqual({ code, stdout: "", stderr: `ronghe: ${said}\n` });
});

test.each([
  ["2001-02", "lies before the platform's first month"],
  ["2199-02", "has not begun"],
  ["2026-13", "--month is yyyy-mm"],
])("a statement of %s is refused in its own words, not printed empty", async (month, said) => {
  const out = join(folder, "month.html");
  const ended = await ronghe(["day", "statement", "--month", month, "--rail", "bank", "--html", out, "--data", data]);
  expect([ended.code, ended.stdout]).toEqual([2, ""]);
  expect(ended.stderr).toContain(said);
});

test("nothing of it was written: no day is closed, no run is kept", async () => {
  const list = await ronghe(["reconcile", "list", "--json", "--all", "--data", data]);
  expect(JSON.parse(list.stdout)).toEqual({ runs: [], waiting: [], cases: [] });
});
