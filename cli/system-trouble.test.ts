import { mkdir, mkdtemp, readFile, rename, rm, symlink } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getSystemErrorMap } from "node:util";
import { expect, test } from "vitest";
import { CorruptRowError } from "../core/settlement/rows.ts";
import { LogDamagedError } from "../ledger/store/load.ts";
import { systemTrouble } from "./system-trouble.ts";

const failureOf = async (act: () => Promise<unknown>): Promise<unknown> =>
  await act().then(
    () => undefined,
    (error: unknown) => error,
  );

test("a taken address, a silent one and a missing file are told with their place", async () => {
  const first = createServer().listen(0, "127.0.0.1");
  await once(first, "listening");
  const { port } = first.address() as AddressInfo;
  const [taken] = (await once(createServer().listen(port, "127.0.0.1"), "error")) as [Error];
  expect(systemTrouble(taken)).toBe(`127.0.0.1:${port} is taken by another process (EADDRINUSE)`);
  first.close();
  await once(first, "close");
  // `fetch failed` has its reason one step further down.
  expect(systemTrouble(await failureOf(() => fetch(`http://127.0.0.1:${port}/`)))).toBe(`127.0.0.1:${port} does not answer (ECONNREFUSED)`);
  expect(systemTrouble(await failureOf(() => readFile("/nowhere/x")))).toBe("/nowhere/x is not there (ENOENT)");
  const underFile = join(import.meta.filename, "x");
  expect(systemTrouble(await failureOf(() => readFile(underFile)))).toBe(`${underFile} stands under a file that is no folder (ENOTDIR)`);
});

/** As the system makes them, but for what would need a full disk or a broken one. */
test.each([
  ["EPERM", "mkdir", "/sys/x", "/sys/x is not allowed here (EPERM)"],
  ["EACCES", "open", "/root/x", "/root/x is not allowed to this user (EACCES)"],
  ["EROFS", "open", "/mnt/x", "/mnt/x is on a file system that takes no writes (EROFS)"],
  ["ENOSPC", "write", "/mnt/x", "/mnt/x has no room left on its disk (ENOSPC)"],
  ["EDQUOT", "write", "/mnt/x", "/mnt/x has no room left in this user's share of the disk (EDQUOT)"],
  ["EMFILE", "open", "/mnt/x", "/mnt/x cannot be opened: this process has as many files open as it may (ulimit -n) (EMFILE)"],
  ["EXDEV", "rename", "/mnt/x", "/mnt/x is on another file system (EXDEV)"],
  ["ENOENT", "mkdir", "/proc/x", "/proc/x cannot be made there (ENOENT)"],
  ["ENOENT", "mkdir", "/nowhere/x", "/nowhere/x stands in a folder that is not there (ENOENT)"],
])("%s of %s is told with its path", (code, syscall, path, said) => {
  const [errno] = [...getSystemErrorMap()].find(([, [name]]) => name === code) ?? [];
  expect(systemTrouble(Object.assign(new Error(`${code}: ${syscall} '${path}'`), { code, errno, syscall, path }))).toBe(said);
});

test("what the system refuses under a name that we have no words for is told in the system's own", async () => {
  const folder = await mkdtemp(join(tmpdir(), "ronghe-trouble-"));
  try {
    await mkdir(join(folder, "a"));
    const refused = await failureOf(() => rename(join(folder, "a"), join(folder, "a", "b")));
    expect(systemTrouble(refused)).toBe(`${join(folder, "a")} is refused by the system: invalid argument (EINVAL)`);
    await symlink("loop", join(folder, "loop"));
    expect(systemTrouble(await failureOf(() => readFile(join(folder, "loop"))))).toContain("is a link that leads round to itself (ELOOP)");
    const long = join(folder, "x".repeat(300));
    expect(systemTrouble(await failureOf(() => readFile(long)))).toContain("has a name longer than the file system takes (ENAMETOOLONG)");
    expect(systemTrouble(await failureOf(() => readFile(folder)))).toContain("is a folder (EISDIR)");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a call that nobody answers in time is told as such", async () => {
  const silent = createServer(() => undefined).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`;
  expect(systemTrouble(await failureOf(() => fetch(url, { signal: AbortSignal.timeout(1) })))).toContain("did not answer in time");
  silent.closeAllConnections();
  silent.close();
});

test("a database whose bytes are damaged is told as such", () => {
  const error = Object.assign(new Error("database disk image is malformed"), { code: "SQLITE_CORRUPT_INDEX" });
  expect(systemTrouble(error)).toContain("a database file is damaged (SQLITE_CORRUPT_INDEX)");
  expect(systemTrouble(Object.assign(new Error("busy"), { code: "SQLITE_BUSY" }))).toBeUndefined();
});

test("rows and entries that were changed by hand are told as such", () => {
  for (const error of [new LogDamagedError("entry 3 is missing"), new CorruptRowError("the state of a settlement is none")])
    expect(systemTrouble(error)).toBe(`${error.message}: \`ronghe ledger fsck\` says more`);
});

test.each([
  ["UNKNOWN_SQLITE_ERROR_1544", 1544, "may not be written to"],
  ["SQLITE_FULL", 13, "is full"],
  ["SQLITE_CANTOPEN", 14, "cannot be opened"],
])("a database file that the system refuses is told as such: %s", (code, rawCode, said) => {
  expect(systemTrouble(Object.assign(new Error("no"), { code, rawCode }))).toContain(`${said}`);
});

test("a bug is not explained away", () => {
  expect(systemTrouble(new TypeError("x is undefined"))).toBeUndefined();
  expect(systemTrouble("text")).toBeUndefined();
});
