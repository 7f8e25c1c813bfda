/** What entries may say is written down where a stranger looks for it. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { KINDS } from "./page/facts.ts";

const format = readFileSync(new URL("../FORMAT.md", import.meta.url), "utf8");

test("every kind of entry that has words has a row in FORMAT.md, and no other", () => {
  const table = /<!-- kinds:[^]*?-->([^]*?)<!-- end of kinds -->/.exec(format)?.[1] ?? "";
  const rows = table.split("\n").flatMap((line) => /^\| ((?:`[a-zA-Z.-]+`(?:, )?)+) \|/.exec(line)?.[1]?.split(", ") ?? []);
  const named = rows.map((kind) => kind.slice(1, -1));
  expect(named.length).toBe(new Set(named).size);
  expect(named.toSorted()).toEqual(Object.keys(KINDS).toSorted());
});
