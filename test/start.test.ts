/** A platform that cannot start says why in one line, and its process ends: nothing that was opened before keeps it alive. */
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import { afterAll, beforeAll, expect, it } from "vitest";
import { FREE_PORTS, temporaryFolder } from "./harness/folder.ts";
import { type Ended, ronghe } from "./harness/process.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let settings: Record<string, string>;

beforeAll(async () => {
  folder = await temporaryFolder();
  settings = { RONGHE_DATA: join(folder.path, "province"), RONGHE_LOG: "off", ...FREE_PORTS };
  const made = await ronghe(["sandbox", "init", "--people", "20"], settings);
  expect(made.code, made.stderr).toBe(0);
});
afterAll(() => folder[Symbol.asyncDispose]());

const start = (more: Record<string, string> = {}): Promise<Ended> => ronghe(["serve", "all"], { ...settings, ...more });
const lines = ({ stderr }: Ended): string[] => stderr.trim().split("\n");

it.each(["RONGHE_CORE_PORT", "RONGHE_EDGE_PORT"])("at an address that another process has: %s", async (setting) => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  const ended = await start({ [setting]: String(port) });
  other.close();
  expect(ended.code).toBe(1);
  expect(lines(ended)).toEqual([`ronghe: 127.0.0.1:${port} is taken by another process (EADDRINUSE)`]);
});

it.each(["core/settlement-1.db", "core/books.db", "edge/edge.db"])("on a folder that a newer version wrote: %s", async (file) => {
  const path = join(settings["RONGHE_DATA"] ?? "", file);
  const database = createClient({ url: `file:${path}` });
  await database.execute("INSERT INTO schema_migration (position, name, hash) VALUES (99, '0099_future', 'x')");
  const ended = await start();
  await database.execute("DELETE FROM schema_migration WHERE position = 99");
  database.close();
  expect(ended.code).toBe(2);
  expect(lines(ended)).toEqual([expect.stringMatching(/has schema \d+ of \w+, this version knows \d+/)]);
  expect(lines(ended)[0]).toContain(path);
});
