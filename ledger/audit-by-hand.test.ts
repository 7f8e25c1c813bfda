/** The commands of `docs/audit.md`, run as they stand there: an auditor without any code of ours comes to the same answers. */
import { spawnSync } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exportFolder } from "./export/folder.ts";
import { readGolden } from "./testing/example.ts";
import { EXAMPLE_EXPORT, exampleExport } from "./testing/example-export.ts";
import { crypto } from "./testing/platform.ts";
import { verifyExport } from "./verifier/export.ts";
import { parsePolicy } from "./verifier/policy.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const openssl = spawnSync("openssl", ["version"], { encoding: "utf8" }).stdout ?? "";
const hasOpenssl = openssl.startsWith("OpenSSL 3");

let folder: string;
let commands: string;
let printed: string;

beforeAll(async () => {
  // The commands name paths of the repository: a copy of what they read, so that tests may spoil it.
  folder = await mkdtemp(join(tmpdir(), "ronghe-by-hand-"));
  await cp(join(ROOT, "ledger/golden"), join(folder, "ledger/golden"), { recursive: true });
  const [, section = ""] = (await readFile(join(ROOT, "docs/audit.md"), "utf8")).split("\n## By hand\n");
  commands = [...section.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block).join("");
  printed = /All of it prints:\n\n```\n(.*?)```/s.exec(section)?.[1] ?? "";
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

function run(): { readonly status: number | null; readonly stdout: string } {
  const environment = { ...process.env, TMPDIR: folder, LC_ALL: "C" };
  const { status, stdout } = spawnSync("sh", ["-eu", "-c", commands], { cwd: folder, env: environment, encoding: "utf8" });
  return { status, stdout };
}

describe.skipIf(!hasOpenssl && process.env["CI"] === undefined)("by hand, with openssl and a shell", () => {
  test("the commands print what the page says they print", () => {
    expect(commands.length).toBeGreaterThan(1_000);
    expect(run()).toEqual({ status: 0, stdout: printed });
  });

  test.each([
    ["an entry", "example/export/settlement-0/tile/entries/000.p/3", 120, "the checkpoint has this root"],
    ["a hash of the tile", "example/export/settlement-0/tile/0/000.p/3", 5, "the tile holds these hashes"],
    ["the size that was signed", "example/export/settlement-0/checkpoint", 25, "Signature Verified Successfully"],
    ["a hash of the receipt's proof", "example/receipt-1.txt", 620, "the proof leads to the signed root"],
    ["the disclosed name", "example/receipt-1.txt", 600, "is the name of entry 1"],
  ])("%s changed: that line is not printed", async (_, path, at, line) => {
    const file = join(folder, "ledger/golden", path);
    const bytes = await readFile(file);
    await writeFile(file, bytes.with(at, (bytes[at] ?? 0) ^ 1));
    const { stdout } = run();
    await writeFile(file, bytes);
    expect(printed).toContain(line);
    expect(stdout).not.toContain(line);
  });
});

describe("the export of the example", () => {
  test("verifies for ever", async () => {
    const policy = parsePolicy(crypto.sm3, await readGolden("example/policy.txt"));
    if (!policy.ok) throw new Error(policy.error.detail);
    const report = await verifyExport({
      files: exportFolder(fileURLToPath(EXAMPLE_EXPORT)),
      crypto,
      trust: policy.value,
      knownCheckpoints: [await readGolden("example/checkpoint-3.txt")],
    });
    expect(report.firstDefect).toBeUndefined();
    expect(report).toMatchObject({ verdict: "valid", logs: [{ size: 3n, ok: true }] });
  });

  test("is written today as it was then", async () => {
    for (const [path, bytes] of await exampleExport())
      expect(new Uint8Array(await readFile(new URL(path, EXAMPLE_EXPORT))), path).toEqual(bytes);
  });
});
