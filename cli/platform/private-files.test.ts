import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ronghe } from "../../test/harness/process.ts";
import { closeToOthers } from "./private-files.ts";

let folder: string;
let data: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ronghe-private-"));
  data = join(folder, "data");
  // As an operator makes it, who then has a platform founded in it.
  mkdirSync(data, { mode: 0o755 });
  const made = await ronghe(["sandbox", "init", "--data", data, "--people", "20", "--edges", "2"]);
  expect(made).toMatchObject({ code: 0 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Below a folder, itself included: what others than the owner may read, write or enter. */
function openBelow(root: string): readonly string[] {
  const all = readdirSync(root, { recursive: true, encoding: "utf8" }).map((name) => join(root, name));
  return [root, ...all].filter((path) => (statSync(path).mode & 0o077) !== 0);
}

/** A folder as an earlier version, or a copy, left it. */
function leftOpen(name: string): string {
  const copy = join(folder, name);
  cpSync(data, copy, { recursive: true });
  chmodSync(copy, 0o755);
  for (const path of readdirSync(copy, { recursive: true, encoding: "utf8" }).map((one) => join(copy, one)))
    chmodSync(path, statSync(path).isDirectory() ? 0o755 : 0o644);
  return copy;
}

describe("a data folder", () => {
  test("holds nothing that others can read, even when it was made open to them before it was founded", () => {
    expect(openBelow(data)).toEqual([]);
  });

  test("that stands open is closed by the next command, which says so in one line, once", async () => {
    const copy = leftOpen("copy");
    writeFileSync(join(copy, "notes of the operator"), "", { mode: 0o644 });
    const first = await ronghe(["access", "edge", "list", "--data", copy]);
    expect(first.code).toBe(0);
    expect(first.stderr).toMatch(/^ronghe: \S+ stood open to other users: \d+ of its files and folders are now their owner's alone\n$/);
    // What is not ours lies in a folder that nobody else enters.
    expect(openBelow(copy)).toEqual([join(copy, "notes of the operator")]);
    expect((await ronghe(["access", "edge", "list", "--data", copy])).stderr).toBe("");
  });

  test("of an edge, carried elsewhere, is closed too", async () => {
    const carried = join(leftOpen("carried"), "edges", "edge-2");
    expect((await ronghe(["edge-secrets", "--data", carried])).stderr).toContain("stood open to other users");
    expect(openBelow(carried)).toEqual([]);
  });

  test.runIf(process.getuid?.() === 0)(
    "that stands open and belongs to somebody else is refused in one line, with what to do",
    async () => {
      const copy = leftOpen("foreign");
      // This user may write the rest; the key store is another's.
      const { uid, gid } = { uid: 65_534, gid: 65_534 };
      for (const path of [copy, ...readdirSync(copy, { recursive: true, encoding: "utf8" }).map((one) => join(copy, one))])
        chownSync(path, uid, gid);
      chownSync(join(copy, "core", "keys.json"), 0, 0);
      chmodSync(folder, 0o755);
      const refused = await ronghe(["access", "edge", "list", "--data", copy], {}, { uid, gid });
      expect(refused).toMatchObject({ code: 2, stdout: "" });
      expect(refused.stderr).toMatch(
        /^ronghe: \S+keys\.json is open to other users and belongs to another one: its owner runs `chmod \S+ go-rwx \S+` first\n$/,
      );
    },
  );
});

test("a folder that is no platform is not touched", async () => {
  const other = join(folder, "other");
  mkdirSync(other, { mode: 0o755 });
  writeFileSync(join(other, "bus.db"), "", { mode: 0o644 });
  for (const command of [["ledger", "fsck"], ["tail", "settlement.claim.settled.v1"], ["sandbox", "init"], ["alerts"]])
    expect((await ronghe([...command, "--data", other])).code).not.toBe(0);
  expect([statSync(other).mode & 0o777, statSync(join(other, "bus.db")).mode & 0o777]).toEqual([0o755, 0o644]);
});

test("a witness's folder is closed, unless other things lie in it", async () => {
  const alone = join(folder, "witness");
  expect((await ronghe(["witness", "init", "--data", alone, "--name", "witness.example"])).code).toBe(0);
  expect(openBelow(alone)).toEqual([]);
  chmodSync(alone, 0o755);
  chmodSync(join(alone, "witness.db"), 0o644);
  expect((await ronghe(["witness", "keys", "--data", alone])).stderr).toContain("2 of its files and folders");
  expect(openBelow(alone)).toEqual([]);
  writeFileSync(join(alone, "letters"), "", { mode: 0o600 });
  chmodSync(alone, 0o755);
  chmodSync(join(alone, "kek"), 0o640);
  expect((await ronghe(["witness", "keys", "--data", alone])).stderr).toContain("1 of its files and folders");
  expect(openBelow(alone)).toEqual([alone]);
});

test("an export is for others to read, as far as its maker's umask lets them", async () => {
  const out = join(folder, "export");
  const before = process.umask(0o022);
  try {
    expect((await ronghe(["ledger", "export", "--data", data, "--out", out])).code).toBe(0);
  } finally {
    process.umask(before);
  }
  expect([statSync(out).mode & 0o777, statSync(join(out, "policy")).mode & 0o777]).toEqual([0o755, 0o644]);
  expect(openBelow(data)).toEqual([]);
});

test("links inside a part's folder are not followed, a part on another disk is", () => {
  const root = join(folder, "linked");
  const elsewhere = join(folder, "elsewhere");
  for (const path of [root, elsewhere]) mkdirSync(path, { mode: 0o700 });
  writeFileSync(join(elsewhere, "core.db"), "", { mode: 0o644 });
  writeFileSync(join(folder, "somebody's"), "", { mode: 0o644 });
  symlinkSync(elsewhere, join(root, "core"));
  symlinkSync(join(folder, "somebody's"), join(elsewhere, "link"));
  closeToOthers(root, (name) => name === "core");
  expect(statSync(join(elsewhere, "core.db")).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, "somebody's")).mode & 0o777).toBe(0o644);
  expect(existsSync(join(elsewhere, "link"))).toBe(true);
});
