/** Names that somebody gives to be written to, or read as a data folder: each ends in one line that says what and which path. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Ended, ronghe } from "../test/harness/process.ts";

let folder: string;
let data: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ronghe-paths-"));
  data = join(folder, "data");
  expect((await ronghe(["sandbox", "init", "--data", data, "--people", "20"])).code).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** One line on standard error, nothing else, and no success. */
function line({ code, stdout, stderr }: Ended): string {
  expect([code === 0, stdout, stderr.split("\n").length]).toEqual([false, "", 2]);
  return stderr.trimEnd();
}

describe.runIf(process.platform === "linux")("an export, or a folder to be made,", () => {
  test.each([
    ["/proc/x", "ronghe: /proc/x cannot be made there (ENOENT)"],
    ["/proc/x/y", "ronghe: /proc/x cannot be made there (ENOENT)"],
    ["/sys/x", "ronghe: /sys/x is not allowed here (EPERM)"],
    ["/dev/null", "ronghe: /dev/null stands under a file that is no folder (ENOTDIR)"],
    ["", "ronghe: --out names nothing"],
  ])("in %j is refused", async (out, said) => {
    expect(line(await ronghe(["ledger", "export", "--data", data, "--out", out]))).toBe(said);
  });

  test("under a file is refused, and the file left as it is", async () => {
    const file = join(folder, "file");
    writeFileSync(file, "mine");
    expect(line(await ronghe(["sandbox", "init", "--data", join(file, "x")]))).toContain("stands under a file that is no folder (ENOTDIR)");
    expect(line(await ronghe(["ledger", "fsck", "--data", file]))).toBe(`ronghe: ${file} is no folder: --data or RONGHE_DATA names one`);
    expect(line(await ronghe(["witness", "init", "--name", "w.example", "--data", file]))).toContain("(ENOTDIR)");
    expect(readFileSync(file, "utf8")).toBe("mine");
  });
});

describe.runIf(process.platform === "linux")("a file to be written", () => {
  test("on a full disk is refused", async () => {
    expect(line(await ronghe(["ledger", "page", "--out", "/dev/full"]))).toBe("ronghe: /dev/full has no room left on its disk (ENOSPC)");
  });

  test("where its folder is not, or takes no names, or is itself a folder, is refused and leaves nothing", async () => {
    const missing = join(folder, "missing", "page.html");
    expect(line(await ronghe(["ledger", "page", "--out", missing]))).toBe(
      `ronghe: ${missing} stands in a folder that is not there (ENOENT)`,
    );
    expect(line(await ronghe(["ledger", "page", "--out", "/proc/x"]))).toBe("ronghe: /proc/x cannot be made there (ENOENT)");
    expect(line(await ronghe(["ledger", "page", "--out", folder]))).toBe(`ronghe: ${folder} is a folder (EISDIR)`);
    expect(readdirSync(folder).filter((name) => name.endsWith(".part"))).toEqual([]);
  });

  test("is written whole in place of what stood there", async () => {
    const out = join(folder, "page.html");
    writeFileSync(out, "earlier");
    expect((await ronghe(["ledger", "page", "--out", out])).code).toBe(0);
    expect(readFileSync(out, "utf8")).toMatch(/^<!doctype html>/i);
  });
});

describe.runIf(process.getuid?.() === 0)("for another user", () => {
  const nobody = { uid: 65_534, gid: 65_534 };

  test("a data folder that is shut is not called missing or idle", async () => {
    chmodSync(folder, 0o711);
    for (const command of [["ledger", "fsck"], ["alerts"], ["tail", "settlement.claim.settled.v1"], ["code", "issue"], ["supervise"]])
      expect(line(await ronghe([...command, "--data", data], {}, nobody)), command.join(" ")).toMatch(
        /^ronghe: \S+ is not allowed to this user \(EACCES\)$/,
      );
  });

  test("a folder that he may not write to takes no file", async () => {
    const shut = join(folder, "shut");
    mkdirSync(shut, { mode: 0o755 });
    const out = join(shut, "page.html");
    expect(line(await ronghe(["ledger", "page", "--out", out], {}, nobody))).toBe(`ronghe: ${out} is not allowed to this user (EACCES)`);
    expect(existsSync(out)).toBe(false);
  });
});

test("a log's key is not rotated where the policy that would name it cannot be read", async () => {
  const policy = join(data, "ledger-policy.txt");
  const good = readFileSync(policy, "utf8");
  const size = async (): Promise<unknown> =>
    (JSON.parse((await ronghe(["ledger", "fsck", "--data", data, "--json"])).stdout) as { logs: { size: string }[] }).logs.map(
      (log) => log.size,
    );
  const before = await size();
  for (const bad of ["", good.slice(0, -5), "\u0000".repeat(100)]) {
    writeFileSync(policy, bad);
    expect(line(await ronghe(["ledger", "rotate-key", "--by", "li", "--data", data]))).toContain(policy);
  }
  expect(await size()).toEqual(before);
  writeFileSync(policy, good);
  expect((await ronghe(["ledger", "rotate-key", "--by", "li", "--data", data])).code).toBe(0);
  expect(readFileSync(policy, "utf8").length).toBeGreaterThan(good.length);
});
