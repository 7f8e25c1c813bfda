import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ronghe } from "../../test/harness/process.ts";

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ronghe-lost-"));
  const made = [
    await ronghe(["sandbox", "init", "--data", join(folder, "platform"), "--people", "20"]),
    await ronghe(["witness", "init", "--data", join(folder, "witness"), "--name", "witness.example/a"]),
  ];
  expect(made).toMatchObject([{ code: 0 }, { code: 0 }]);
  copyFileSync(join(folder, "platform", "ledger-policy.txt"), join(folder, "witness", "logs-policy.txt"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const rebuilt = "make it again with `ronghe ledger rebuild`, or put it back from a copy";
const lost: readonly (readonly [file: string, command: string, then: string])[] = [
  ["platform/core/settlement-1.db", "serve all", rebuilt],
  ["platform/core/settlement-0.db", "ledger rotate-key", rebuilt],
  ["platform/core/settlement-0.db", "day close 2026-01-01 --by li", rebuilt],
  ["platform/core/core.db", "serve all", "put it back from a copy"],
  ["platform/core/core.db", "ledger rotate-key", "put it back from a copy"],
  ["platform/core/core.db", "access edge list", "put it back from a copy"],
  ["witness/witness.db", "witness serve", "put it back from a copy, or make a new witness"],
];

describe("a log that is gone", () => {
  test.each(lost)("is not begun again: without %s, `%s` is refused in one line", async (name, command, then) => {
    const file = join(folder, name);
    const away = join(folder, "away");
    const left = (): readonly string[] => readdirSync(dirname(file)).filter((one) => one.startsWith(basename(file)));
    mkdirSync(away);
    for (const one of left()) renameSync(join(dirname(file), one), join(away, one));
    try {
      const ended = await ronghe([...command.split(" "), "--data", join(folder, name.split("/")[0] ?? "")]);
      expect(ended.code).toBe(2);
      expect(ended.stderr.trim().split("\n").at(-1)).toBe(`ronghe: ${file} is not there: ${then}`);
      expect(left(), "nothing is made in its place").toEqual([]);
    } finally {
      for (const one of readdirSync(away)) renameSync(join(away, one), join(dirname(file), one));
      rmSync(away, { recursive: true });
    }
  });
});
