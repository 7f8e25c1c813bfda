import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ronghe } from "../../test/harness/process.ts";

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ronghe-keys-"));
  const made = [
    await ronghe(["sandbox", "init", "--data", join(folder, "platform"), "--people", "20"]),
    await ronghe(["witness", "init", "--data", join(folder, "witness"), "--name", "witness.example/a"]),
  ];
  expect(made).toMatchObject([{ code: 0 }, { code: 0 }]);
  copyFileSync(join(folder, "platform", "ledger-policy.txt"), join(folder, "witness", "logs-policy.txt"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const parts: readonly (readonly [whose: string, place: readonly string[], command: readonly string[]])[] = [
  ["the core's", ["platform", "core"], ["serve", "all"]],
  ["an edge's", ["platform", "edge"], ["serve", "edge", "--runtime", "workerd"]],
  ["a witness's", ["witness"], ["witness", "serve"]],
];

describe.each(parts)("%s keys (%s, %s)", (_, [root = "", ...inner], command) => {
  const data = (): string => join(folder, root);
  const keys = (): string => join(data(), ...inner, "keys.json");
  const kek = (): string => join(data(), "kek");

  /** The command with this in the place of that file, which then is as it was. */
  async function refusal(file: string, text: string | undefined): Promise<string> {
    const before = readFileSync(file);
    if (text === undefined) rmSync(file);
    else writeFileSync(file, text);
    try {
      const ended = await ronghe([...command, "--data", data()]);
      expect(ended.code).toBe(2);
      expect(existsSync(file), "nothing is made in its place").toBe(text !== undefined);
      expect(ended.stdout + ended.stderr).not.toMatch(/^ {4}at /mu);
      return ended.stderr.trim().split("\n").at(-1) ?? "";
    } finally {
      writeFileSync(file, before, { mode: 0o600 });
    }
  }

  test("that are gone are not made anew", async () => {
    expect(await refusal(keys(), undefined)).toBe(`ronghe: ${keys()} is not there: put it back from a copy; keys cannot be made again`);
  });

  test.each(["", "{}", "null", '{"format":'])("in a file that holds %j are refused in one line", async (text) => {
    expect(await refusal(keys(), text)).toMatch(/^ronghe: \S+keys\.json: [^\n]+$/u);
  });

  test.each([undefined, "", "ab\n", "{}"])("under a key-encryption key of %j are locked", async (text) => {
    expect(await refusal(kek(), text)).toBe(`ronghe: the keys in ${data()} are locked: set RONGHE_KEY_PASSPHRASE`);
  });
});
