/** An edge that cannot start says why in one line; one that is stopped while it starts leaves nothing behind. */
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../test/harness/folder.ts";
import { launch, ronghe } from "../test/harness/process.ts";
import { layoutOf, type Layout } from "./platform/layout.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let serial = 0;

beforeAll(async () => {
  folder = await temporaryFolder();
  const made = await ronghe(["sandbox", "init", "--edges", "2", "--people", "20", "--data", join(folder.path, "province")]);
  expect(made.code, made.stderr).toBe(0);
});
afterAll(() => folder[Symbol.asyncDispose]());

/** A copy of an edge's folder, to be spoiled. */
async function edgeFolder(): Promise<Layout> {
  const root = join(folder.path, `edge-${++serial}`);
  await cp(join(folder.path, "province", "edges", "edge-2"), root, { recursive: true });
  return layoutOf(root);
}

const serveIn = (layout: Layout, more: readonly string[] = [], port = "0") =>
  ronghe(["serve", "edge", ...more], { RONGHE_DATA: layout.root, RONGHE_EDGE_PORT: port });

const spoiled: [string, (layout: Layout) => Promise<void>, string][] = [
  ["a key store that is none", ({ edge }) => writeFile(edge.keys, "{"), "keys.json: not JSON"],
  ["no key store", ({ edge }) => rm(edge.keys), "keys.json is not there: put it back from a copy"],
  ["another key to its keys", ({ kek }) => writeFile(kek, "5f".repeat(32)), "keys.json: wrong passphrase or KEK for this key store"],
  ["a name that is none", ({ platform }) => writeFile(platform, "{"), "is not a platform file of this version"],
  ["no secret shared with the core", ({ edge }) => rm(edge.secret), "is not the folder of an edge"],
  ["a cut key of the platform", ({ edge }) => writeFile(edge.trust, "04ff"), "is not the folder of an edge"],
];
test.each(spoiled)("an edge says in one line that its folder has %s", async (_what, spoil, said) => {
  const layout = await edgeFolder();
  await spoil(layout);
  const { code, stdout, stderr } = await serveIn(layout);
  expect([code, stdout, stderr.trimEnd().split("\n")]).toEqual([2, "", [expect.stringContaining(said)]]);
});

test.each([
  ["Node", []],
  ["workerd", ["--runtime", "workerd"]],
])("an edge on %s says in one line that its address is taken, whoever answers there", async (_runtime, more) => {
  const other = createServer((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")).listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  const { code, stderr } = await serveIn(await edgeFolder(), more, String(port));
  other.close();
  expect([code, stderr]).toEqual([1, `ronghe: 127.0.0.1:${port} is taken by another process (EADDRINUSE)\n`]);
});

test("a call wants an edge's address, and says so in one line", async () => {
  const { code, stderr } = await ronghe(["call", "rh.result", "--id", "A1", "--edge", "edge-2", "--data", join(folder.path, "province")]);
  expect([code, stderr]).toEqual([2, "ronghe: --edge wants an address such as http://127.0.0.1:8787\n"]);
});

test("an edge on workerd that is stopped while it starts takes workerd with it", async () => {
  const layout = await edgeFolder();
  const starting = launch(["serve", "edge", "--runtime", "workerd"], { RONGHE_DATA: layout.root, RONGHE_EDGE_PORT: "0" });
  const mark = join(layout.edge.folder, "workerd.pid");
  const noted = async (): Promise<number> => Number(await readFile(mark, "utf8").catch(() => "0"));
  await expect.poll(noted).toBeGreaterThan(0);
  const leader = await noted();
  expect(await starting.stop(), starting.output()).toBe(0);
  await expect.poll(() => isRunning(-leader)).toBe(false);
});

function isRunning(group: number): boolean {
  try {
    return process.kill(group, 0);
  } catch {
    return false;
  }
}
