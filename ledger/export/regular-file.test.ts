/** What stands where a file should: a pipe, a device, a link, a file without end. Nobody waits for it, nobody reads it whole. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readRegularFile } from "./regular-file.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-files-"));
  await writeFile(join(folder, "file"), "12345");
  await symlink(join(folder, "file"), join(folder, "link"));
  await promisify(execFile)("mkfifo", [join(folder, "pipe")]);
  await mkdir(join(folder, "folder"));
  await writeFile(join(folder, "huge"), "");
  await truncate(join(folder, "huge"), 2 ** 40);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

test("a file is read up to the length that its kind may have, and no further", async () => {
  expect(await readRegularFile(join(folder, "file"), 5)).toEqual({ ok: true, bytes: new TextEncoder().encode("12345") });
  expect(await readRegularFile(join(folder, "file"), 4)).toEqual({ ok: false, why: "tooLong" });
});

test.each([
  ["pipe", "special"],
  ["link", "link"],
  ["folder", "folder"],
  ["huge", "tooLong"],
  ["none", "missing"],
  ["file/below", "missing"],
  ["/dev/zero", "special"],
  // Its size is said to be 0, and it is longer than that.
  ["/proc/self/smaps", "tooLong"],
])("%s is refused as %s and not waited for", async (name, why) => {
  expect(await readRegularFile(name.startsWith("/") ? name : join(folder, name), 64)).toEqual({ ok: false, why });
});
