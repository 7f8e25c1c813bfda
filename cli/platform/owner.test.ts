import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, existsSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { UsageError } from "../config.ts";
import { ownFolder } from "./owner.ts";

/** No process has it: Linux gives ids below 2^22. */
const NOBODY = "4194305";

let folder: string;
let mark: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ronghe-owner-"));
  mark = join(folder, "owner.pid");
});
afterEach(() => rmSync(folder, { recursive: true }));

function age(file: string): void {
  const earlier = new Date(Date.now() - 60_000);
  utimesSync(file, earlier, earlier);
}

test("a folder is owned until it is released", () => {
  const owned = ownFolder(folder);
  expect(readFileSync(mark, "utf8").split(" ")[0]).toBe(String(process.pid));
  owned.release();
  expect(existsSync(mark)).toBe(false);
});

test("the folder of a running process is refused, that of a dead one is taken over", () => {
  writeFileSync(mark, String(process.ppid));
  expect(() => ownFolder(folder)).toThrow(UsageError);
  writeFileSync(mark, NOBODY);
  ownFolder(folder).release();
});

test.runIf(process.platform === "linux")("a killed process that its parent has not fetched yet owns nothing", async () => {
  // The shell becomes a program that never waits for its child.
  const parent = spawn("sh", ["-c", "sleep 0 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "ignore"] });
  try {
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const zombie = line.toString().trim();
    await expect.poll(() => readFileSync(`/proc/${zombie}/stat`, "utf8")).toContain(") Z ");
    writeFileSync(mark, zombie);
    ownFolder(folder).release();
  } finally {
    parent.kill("SIGKILL");
  }
});

test.runIf(process.platform === "linux")("another process under the old id, after the machine was started again, is not the owner", () => {
  writeFileSync(mark, `${process.ppid} 1`);
  const owned = ownFolder(folder);
  expect(readFileSync(mark, "utf8").split(" ")[0]).toBe(String(process.pid));
  owned.release();
});

test("a mark that another process is about to write belongs to it", () => {
  writeFileSync(mark, "");
  expect(() => ownFolder(folder)).toThrow(UsageError);
  age(mark);
  ownFolder(folder).release();
});

test("while another process takes a dead one's folder over, it is not taken a second time", () => {
  writeFileSync(mark, NOBODY);
  writeFileSync(`${mark}.breaking`, String(process.ppid));
  expect(() => ownFolder(folder)).toThrow(UsageError);
  age(`${mark}.breaking`);
  ownFolder(folder).release();
});

test("releasing leaves the mark of a later owner alone", () => {
  const owned = ownFolder(folder);
  writeFileSync(mark, String(process.ppid));
  owned.release();
  expect(existsSync(mark)).toBe(true);
});
