/** `ledger export`, `prove` and `verify` as their users call them, on the data folder of a founded platform. */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { loadCrypto } from "../../core/crypto/index.ts";
import { type EventMs, systemClock } from "../../core/protocol/time.ts";
import { settlementId } from "../../core/protocol/settlement-id.ts";
import { openLog } from "../../ledger/log.ts";
import { openDatabase } from "../../migrations/database.ts";
import { type Config, readConfig } from "../config.ts";
import { shardKeyHandle, shardOrigin } from "../platform/core.ts";
import { foundSandbox } from "../platform/found.ts";
import { openKeys } from "../platform/keys.ts";
import { type Layout, layoutOf, type PlatformFile } from "../platform/layout.ts";
import { ledgerExport } from "./ledger-export.ts";
import { ledgerProve } from "./ledger-prove.ts";
import { ledgerVerify } from "./ledger-verify.ts";

const crypto = await loadCrypto();
const SETTLED = settlementId(crypto, "H1", "T1");
let folder: string;
let config: Config;
let layout: Layout;
let platform: PlatformFile;
let out: string;
let policy: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-ledger-cli-"));
  config = readConfig({ RONGHE_DATA: join(folder, "data") });
  layout = layoutOf(config.RONGHE_DATA);
  ({ platform } = await foundSandbox({ config, layout, crypto, seed: 1, people: 20, partitions: 2 }));
  await settle(["settlement.accepted", "settlement.held", "settlement.settled"], SETTLED);
  await settle(["settlement.accepted", "settlement.held"], "rs-open");
  out = join(folder, "out");
  policy = join(folder, "policy.txt");
  const { status, errors } = await run(() => ledgerExport(config, { out }));
  expect([status, errors]).toEqual([0, []]);
  await cp(join(out, "policy"), policy);
}, 120_000);
afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** Entries about a settlement in the first shard, signed. */
async function settle(kinds: readonly string[], subject: string): Promise<void> {
  const [origin, handle] = [shardOrigin(platform, 0), shardKeyHandle(0)];
  const keys = await openKeys(config, layout, crypto, "core");
  const db = await openDatabase({ kind: "shard", file: layout.core.shard(0) });
  const log = await openLog({
    db,
    origin,
    crypto,
    random: (length) => crypto.random(length),
    signer: { keyName: origin, publicKey: await keys.publicKey(handle), sign: (message) => keys.sm2Sign(handle, message) },
  });
  const drafts = kinds.map((kind) => ({
    kind,
    outcome: "accepted" as const,
    actor: "core",
    subject,
    personal: { person: "pseudonym-of-somebody" },
  }));
  const staged = log.stage(drafts, systemClock.now());
  await db.write(staged.statements);
  staged.committed();
  await log.checkpoint(systemClock.now() as EventMs);
  await db.close();
}

interface Outcome {
  readonly status: number;
  readonly lines: readonly string[];
  readonly errors: readonly string[];
}

/** What a command ends with and prints; a refusal to start is status 2 with one line, as `cli/main.ts` says it. */
async function run(command: () => Promise<number>): Promise<Outcome> {
  const [lines, errors]: [string[], string[]] = [[], []];
  const log = vi.spyOn(console, "log").mockImplementation((line: unknown) => void lines.push(String(line)));
  const error = vi.spyOn(console, "error").mockImplementation((line: unknown) => void errors.push(String(line)));
  try {
    return { status: await command(), lines, errors };
  } catch (problem) {
    if (!(problem instanceof Error) || problem.name !== "UsageError") throw problem;
    return { status: 2, lines, errors: [...errors, problem.message] };
  } finally {
    log.mockRestore();
    error.mockRestore();
  }
}

const verify = (path: string, more: object = { policy }): Promise<Outcome> => run(() => ledgerVerify(config, path, more));
const prove = (more: object): Promise<Outcome> =>
  run(() => ledgerProve(config, { settlement: SETTLED, out: join(folder, "receipt.txt"), ...more }));

describe("an export", () => {
  test("of every log of the platform verifies under the policy carried away from it", async () => {
    expect((await readdir(out)).filter((name) => !name.includes("."))).toEqual([
      "_headers",
      "policy",
      "registry",
      "settlement-0",
      "settlement-1",
    ]);
    const { status, lines } = await verify(out);
    expect(status).toBe(0);
    expect(lines[0]).toMatch(/^valid +export/);
    expect(lines.filter((line) => line.startsWith("valid "))).toHaveLength(4);
  });

  test("says that it only agrees with itself when no policy was brought", async () => {
    const { status, lines } = await verify(out, {});
    expect(status).toBe(0);
    expect(lines[0]).toContain("the export's own");
  });

  test("printed for machines holds every check", async () => {
    const { lines } = await verify(out, { policy, json: true });
    const report = JSON.parse(lines[0] ?? "") as { ok: boolean; logs: { origin: string; root: string }[] };
    expect(report).toMatchObject({ ok: true, keys: policy });
    expect(report.logs.map((log) => log.origin)).toEqual([
      "ronghe.example/51/registry",
      "ronghe.example/51/settlement-0",
      "ronghe.example/51/settlement-1",
    ]);
    for (const log of report.logs) expect(log.root).toMatch(/^[0-9a-f]{64}$/);
  });

  test("with one byte of any file changed ends non-zero and says why", async () => {
    const copy = join(folder, "changed");
    for (const entry of await readdir(out, { recursive: true, withFileTypes: true })) {
      if (entry.isDirectory()) continue;
      await cp(out, copy, { recursive: true });
      const file = join(entry.parentPath, entry.name).replace(out, copy);
      const bytes = await readFile(file);
      const at = Math.floor(bytes.length / 2);
      await writeFile(file, bytes.with(at, (bytes[at] ?? 0) ^ 4));
      for (const options of [{ policy }, {}]) {
        const { status, lines, errors } = await verify(copy, options);
        expect(status, file).toBeGreaterThan(0);
        expect([...lines.filter((line) => line.startsWith("first defect: ")), ...errors], file).toHaveLength(1);
      }
      await rm(copy, { recursive: true });
    }
  });

  test("is found wanting by a checkpoint from a later day, and by the policy of another platform", async () => {
    const later = join(folder, "later");
    await cp(out, later, { recursive: true });
    await settle(["settlement.accepted"], "rs-later");
    expect((await run(() => ledgerExport(config, { out: later }))).status).toBe(0);
    expect((await verify(later)).status).toBe(0);
    const { status, lines } = await verify(out, { policy, checkpoint: [join(later, "settlement-0/checkpoint")] });
    expect([status, lines.at(-1)]).toEqual([1, expect.stringContaining("truncated")]);
    const stranger = join(folder, "stranger.txt");
    await writeFile(stranger, (await readFile(policy, "utf8")).split("\n").slice(0, 2).join("\n"));
    expect((await verify(out, { policy: stranger })).status).toBe(1);
    await expect(verify(out, { policy: join(folder, "nowhere.txt") })).resolves.toMatchObject({ status: 2 });
  });

  test("is not written over something else, nor from a folder that is no platform", async () => {
    const { status, errors } = await run(() => ledgerExport(config, { out: folder }));
    expect([status, errors[0]]).toEqual([1, expect.stringContaining("choose an empty one")]);
    const nowhere = readConfig({ RONGHE_DATA: join(folder, "nothing") });
    expect((await run(() => ledgerExport(nowhere, { out }))).status).toBe(2);
    expect((await verify(config.RONGHE_DATA)).errors[0]).toContain("--data");
  });
});

describe("a receipt", () => {
  test("of the entry that decided a settlement verifies, by our name for it and by the institution's", async () => {
    for (const settlement of [SETTLED, "H1/T1"]) {
      const made = await prove({ settlement });
      expect([made.status, made.lines[0]]).toEqual([0, "entry 3 of ronghe.example/51/settlement-0: settlement.settled"]);
      const { status, lines } = await verify(join(folder, "receipt.txt"));
      expect(status).toBe(0);
      expect(lines.join("\n")).toContain("0 of 1 personal fields disclosed");
    }
  });

  test("of all its entries, with personal fields disclosed when asked for", async () => {
    expect((await prove({ all: true, disclose: ["person"] })).status).toBe(0);
    const { status, lines } = await verify(join(folder, "receipt.txt"));
    expect(status).toBe(0);
    expect(lines.filter((line) => line.includes('"disclosed":{"person":"pseudonym-of-somebody"}'))).toHaveLength(3);
  });

  test("of a settlement that is still open is of its newest entry", async () => {
    expect((await prove({ settlement: "rs-open" })).lines[0]).toContain("settlement.held");
  });

  test("of a settlement that nobody knows is refused", async () => {
    expect(await prove({ settlement: "rs-nobody" })).toMatchObject({ status: 2, errors: [expect.stringContaining("rs-nobody")] });
  });

  test("with a byte changed, or that is no text, ends non-zero and says why", async () => {
    await prove({ all: true });
    const file = join(folder, "receipt.txt");
    const bytes = await readFile(file);
    for (let at = 0; at < bytes.length; at += 97) {
      await writeFile(file, bytes.with(at, (bytes[at] ?? 0) ^ 1));
      const { status, lines, errors } = await verify(file);
      expect(status, `byte ${at}`).toBeGreaterThan(0);
      expect([...lines.filter((line) => line.includes("first defect: ")), ...errors]).toHaveLength(1);
    }
    await writeFile(file, bytes.with(5, 0xff));
    expect((await verify(file)).errors[0]).toContain("is not UTF-8 text");
    expect((await verify(join(folder, "none.txt"))).status).toBe(2);
  });
});
