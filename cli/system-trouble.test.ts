import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
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
});

test("a bug is not explained away", () => {
  expect(systemTrouble(new TypeError("x is undefined"))).toBeUndefined();
  expect(systemTrouble("text")).toBeUndefined();
});
