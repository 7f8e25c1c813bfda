/** The commands of access, as an operator types them: to a running platform and to its files. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadCrypto } from "../core/crypto/index.ts";
import type { Crypto, Sm2KeyPair } from "../core/crypto/port.ts";
import { toHex, toUpperHex } from "../core/protocol/bytes.ts";
import { FREE_PORTS, temporaryFolder } from "./harness/folder.ts";
import { ronghe, serve, type Serving } from "./harness/process.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let settings: Record<string, string>;
let platform: Serving;

beforeAll(async () => {
  folder = await temporaryFolder();
  settings = { RONGHE_DATA: join(folder.path, "province"), ...FREE_PORTS };
  const made = await ronghe(["sandbox", "init", "--people", "20"], settings);
  expect(made.code, made.stderr).toBe(0);
  platform = await serve(["all"], settings);
});
afterAll(async () => {
  await platform.stop();
  await folder[Symbol.asyncDispose]();
});

const access = async (...words: string[]) => await ronghe(["access", ...words], settings);
const edges = async () =>
  (JSON.parse((await access("edge", "list", "--json")).stdout) as { edges: { edgeId: string; status: string; secrets: unknown[] }[] })
    .edges;

/** One whose number has its first bit set: there Java's BigInteger writes a zero byte before it. */
function highKey(crypto: Crypto): Sm2KeyPair {
  for (;;) {
    const pair = crypto.sm2GenerateKeyPair();
    if ((pair.privateKey[0] ?? 0) >= 0x80) return pair;
  }
}

describe("access of a running platform", () => {
  it("shuts an edge out", async () => {
    expect(await access("edge", "suspend", "edge-1")).toMatchObject({ code: 0, stdout: "edge-1 is suspended\n" });
    expect(await edges()).toMatchObject([{ edgeId: "edge-1", status: "suspended" }]);
  });

  it("gives a partner a new secret, and a sandbox's caller gets it into its profile", async () => {
    const rotated = JSON.parse((await access("partner", "rotate", "H51010400001", "--json")).stdout) as Record<string, unknown>;
    expect(rotated).toMatchObject({ orgId: "H51010400001", saved: true, overlapMs: 48 * 3_600_000 });
    const profile = await readFile(join(settings["RONGHE_DATA"] ?? "", "clients", "institution-H51010400001.json"), "utf8");
    expect(JSON.parse(profile)).toMatchObject({ appSecret: rotated["partnerSecret"] });
  });

  it("replaces the key that signs codes, and writes the one in force for whoever checks codes offline", async () => {
    const file = join(settings["RONGHE_DATA"] ?? "", "code-keys.txt");
    const first = await readFile(file, "utf8");
    expect((await access("key", "add", "code", "--now")).code).toBe(0);
    expect((await access("key", "retire", "code.sign/1")).code).toBe(0);
    const second = await readFile(file, "utf8");
    expect(second).toMatch(/^04[0-9a-f]{128}\n$/);
    expect(second).not.toBe(first);
    const code = (await ronghe(["code", "issue"], settings)).stdout.trim();
    expect((await ronghe(["code", "decode", code], settings)).code).toBe(0);
  });

  it.each([
    ["a key that is none", ["partner", "add-key", "H51010400002", "04AB"], "an SM2 public key is 04‖x‖y or x‖y"],
    ["an edge that is not there", ["edge", "suspend", "edge-7"], "unknown edge"],
    ["an edge elsewhere, without a file to carry", ["edge", "rotate", "edge-7"], "say with --out"],
  ])("refuses %s with one clear line", async (_what, words, line) => {
    const ended = await access(...words);
    expect(ended).toMatchObject({ code: 2, stdout: "" });
    expect(ended.stderr).toContain(line);
    expect(ended.stderr.trim().split("\n")).toHaveLength(1);
  });
});

it("goes to the files while no core runs, and an edge let in again goes on with its new secret", async () => {
  expect((await access("edge", "rotate", "edge-1", "--overlap", "1")).code).toBe(0);
  expect(await platform.stop()).toBe(0);
  expect(await access("edge", "resume", "edge-1")).toMatchObject({ code: 0, stdout: "edge-1 is active\n" });
  platform = await serve(["all"], settings);
  expect(await edges()).toMatchObject([{ edgeId: "edge-1", status: "active", secrets: [{ untilMs: null }, {}] }]);
  const code = (await ronghe(["code", "issue"], settings)).stdout.trim();
  const settled = await ronghe(["call", "rh.settle", "--code", code, "--amount", "9.00"], settings);
  expect(settled.stdout).toContain('"status":"settled"');
});

it("takes a partner's keys as Java writes them, and the edge goes on with the new one", async () => {
  const callers = join(settings["RONGHE_DATA"] ?? "", "clients", "institution-H51010400001.json");
  const profile = JSON.parse(await readFile(callers, "utf8")) as Record<string, unknown>;
  const pair = highKey(await loadCrypto());
  expect(await access("partner", "add-key", "H51010400001", toUpperHex(pair.publicKey))).toMatchObject({ code: 0, stderr: "" });
  await platform.stop();
  platform = await serve(["all"], settings);
  const call = async (privateKey: string) => {
    await writeFile(callers, JSON.stringify({ ...profile, privateKey }));
    const code = (await ronghe(["code", "issue"], settings)).stdout.trim();
    return await ronghe(["call", "rh.verify", "--org", "H51010400001", "--code", code], settings);
  };
  expect(await call(`00${toHex(pair.privateKey)}`)).toMatchObject({ code: 0, stderr: "" });
  const { edgeUrl } = JSON.parse(await readFile(join(settings["RONGHE_DATA"] ?? "", "runtime.json"), "utf8")) as { edgeUrl: string };
  expect(await (await fetch(`${edgeUrl}/status`)).json()).toMatchObject({ standing: "normal", bundleRefused: null });
  const wrong = await call(`01${toHex(pair.privateKey)}`);
  expect(wrong.code).toBe(2);
  expect(wrong.stderr.trim().split("\n")).toEqual([expect.stringContaining("an SM2 private key is 32 bytes")]);
});
