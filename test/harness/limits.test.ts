import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = new URL("../../", import.meta.url).pathname;
/** A limit for a test, a hook, a poll or a page. `vitest.config.ts` has the one for what hangs; rounds that were asked for may add theirs. */
const LIMIT =
  /\{ (?:.*, )?timeout: (?!0\b|.*\b\w+ \* )|\b(?:testTimeout|hookTimeout): |\n\s*\}, [\d_]{4,}\);|\bsetDefaultTimeout\((?!0\))|\bvi\.wait(?:For|Until)\(/;

test("no test says how fast it must be: a busy machine is not a fault", () => {
  const files = execFileSync("git", ["ls-files", "*.test.ts", "test/*.ts"], { cwd: root, encoding: "utf8" }).trim().split("\n");
  const limited = files.filter((file) => file !== "test/harness/limits.test.ts" && LIMIT.test(readFileSync(join(root, file), "utf8")));
  expect(limited).toEqual([]);
});

test("a limit would be noticed, however it is written", () => {
  for (const limit of [
    'it("ends", { timeout: 60_000 }, () => {})',
    "await expect.poll(look, { timeout: 5000 }).toBe(1)",
    'it("ends", () => {\n  }, 60_000);',
    "vi.setConfig({ testTimeout: 1 })",
    "page.setDefaultTimeout(1000)",
    "await vi.waitFor(() => {})",
  ])
    expect(LIMIT.test(limit), limit).toBe(true);
});
