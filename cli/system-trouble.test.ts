import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
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
