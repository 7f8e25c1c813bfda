/** `ledger export`, `prove` and `verify` as their users call them, on the data folder of a founded platform. */
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
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
import { ledgerConsistency } from "./ledger-consistency.ts";
import { ledgerProve } from "./ledger-prove.ts";
import { ledgerSearch } from "./ledger-search.ts";
import { ledgerVerify } from "./ledger-verify.ts";
import { catchPrinted } from "../testing/printed.ts";

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
  const { status } = await run(() => ledgerExport(config, { out }));
  expect(status).toBe(0);
  await cp(join(out, "policy"), policy);
});
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
  const { lines, errors, restore } = catchPrinted();
  try {
    return { status: await command(), lines, errors };
  } catch (problem) {
    if (!(problem instanceof Error) || problem.name !== "UsageError") throw problem;
    return { status: 2, lines, errors: [...errors, problem.message] };
  } finally {
    restore();
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

  test("that no policy was brought for is incomplete and ends non-zero: whose keys these are it cannot say itself", async () => {
    const { status, lines } = await verify(out, {});
    expect([status, lines[0], lines[1]]).toEqual([1, `INCOMPLETE export ${out}`, expect.stringContaining("none of your own")]);
    expect(lines.at(-1)).toMatch(/^first defect: policyMissing/);
    expect(lines.join("\n")).not.toContain("the keys are those that the auditor brought");
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
    await writeFile(stranger, (await readFile(policy, "utf8")).split("\n").slice(0, 2).join("\n") + "\n");
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

const range = (): string => join(folder, "range.txt");
describe("whatever somebody was handed", () => {
  const REGISTRY = "ronghe.example/51/registry";
  const anyone = { institution: "*", log: REGISTRY };
  let handed: Readonly<Record<string, readonly [path: string, options: object]>>;

  beforeAll(async () => {
    await prove({});
    const older = join(folder, "older.txt");
    await cp(join(out, "settlement-0/checkpoint"), older);
    await settle(["settlement.accepted"], "rs-newer");
    const newer = join(folder, "newer");
    expect((await run(() => ledgerExport(config, { out: newer }))).status).toBe(0);
    const proof = join(folder, "proof.txt");
    expect((await run(() => ledgerConsistency({ export: newer, older, out: proof }))).status).toBe(0);
    const core = await openDatabase({ kind: "core", file: layout.core.database, readOnly: true });
    const [row] = await core.read("SELECT org_id FROM institution ORDER BY org_id LIMIT 1");
    await core.close();
    const asked = { institution: String(row?.["org_id"]), prove: range(), registry: true };
    expect(await run(() => ledgerSearch(config, asked))).toMatchObject({ status: 0 });
    const head = join(newer, "settlement-0/checkpoint");
    handed = {
      export: [newer, {}],
      receipt: [join(folder, "receipt.txt"), {}],
      range: [range(), { institution: asked.institution, registry: true }],
      checkpoint: [head, { checkpoint: [older], consistency: proof }],
      consistency: [proof, { checkpoint: [head, older] }],
    };
  });

  test("is verified by the one command, with one shape and one status", async () => {
    const keys = ["kind", "file", "ok", "verdict", "keys", "keysFrom", "checks", "logs", "proven", "asked", "claimed", "firstDefect"];
    for (const [kind, [path, options]] of Object.entries(handed)) {
      const { status, lines } = await verify(path, { policy, json: true, ...options });
      const report = JSON.parse(lines[0] ?? "") as object;
      expect([status, Object.keys(report), report], kind).toMatchObject([0, keys, { kind, ok: true, verdict: "valid", keys: policy }]);
      const unknown = await run(() => ledgerVerify(readConfig({ RONGHE_DATA: join(folder, "nothing") }), path, { json: true, ...options }));
      expect([unknown.status, JSON.parse(unknown.lines[0] ?? "")], kind).toMatchObject([
        1,
        { kind, ok: false, verdict: "incomplete", keys: null, firstDefect: { name: "policyMissing" } },
      ]);
    }
    const data = await run(() => ledgerVerify(config, undefined, { json: true }));
    expect([data.status, Object.keys(JSON.parse(data.lines[0] ?? "") as object)]).toEqual([0, keys]);
  });

  test("by the operator's own keys says so in both languages, for people and machines; by named keys it does not", async () => {
    for (const path of [undefined, handed["receipt"]?.[0]]) {
      const own = (await run(() => ledgerVerify(config, path, {}))).lines.join("\n");
      expect(own).toContain("运营方自己的策略");
      expect(own).toContain("the operator's own keys, not an auditor's");
      const named = (await run(() => ledgerVerify(config, path, { policy }))).lines.join("\n");
      expect(named).not.toContain("operator's own");
      const said = async (options: object): Promise<unknown> =>
        (JSON.parse((await run(() => ledgerVerify(config, path, { json: true, ...options }))).lines[0] ?? "") as { keysFrom: unknown })
          .keysFrom;
      expect([await said({}), await said({ policy })]).toEqual(["operator", "caller"]);
    }
  });

  test("a range is incomplete without the auditor's question, refused for another, and never guessed", async () => {
    const question = handed["range"]?.[1] ?? {};
    for (const [options, status, name] of [
      [{}, 1, "questionMissing"],
      [{ ...question, from: "2026-01-01" }, 1, "questionMismatch"],
      [{ ...question, registry: undefined }, 1, "questionMismatch"],
      [anyone, 1, "questionMismatch"],
    ] as const) {
      const ended = await verify(range(), { policy, ...options });
      expect([ended.status, ended.lines.at(-1)], name).toEqual([status, expect.stringContaining(name)]);
    }
    for (const [options, why] of [
      [{ institution: "H1\u200b" }, "[0-9A-Za-z._-]"],
      [{ institution: "H1", from: "yesterday" }, "--from"],
      [{ institution: "H1", from: "2026-02-01", to: "2026-01-01" }, "--to"],
      [{ from: "2026-02-01" }, "goes with --institution"],
      [{ institution: "*" }, "--log"],
    ] as const)
      expect(await verify(range(), { policy, ...options }), why).toMatchObject({ status: 2, errors: [expect.stringContaining(why)] });
  });

  test("an option that nothing would look at is refused, and so is a text that proves nothing by itself", async () => {
    const receipt = join(folder, "receipt.txt");
    expect((await verify(receipt, { policy, checkpoint: [receipt] })).errors[0]).toContain("--checkpoint says nothing of a receipt");
    expect((await verify(out, { policy, institution: "H1" })).errors[0]).toContain("--institution says nothing of an export");
    expect((await verify(policy)).errors[0]).toContain("ronghe witness policy");
    expect((await verify(handed["consistency"]?.[0] ?? "", { policy })).errors[0]).toContain("give both as --checkpoint");
  });

  test("a pipe, a link, a device, or a file without end is refused in one line, as material and as policy", async () => {
    const strange = { pipe: join(folder, "pipe"), link: join(folder, "link"), huge: join(folder, "huge"), device: "/dev/zero" };
    await promisify(execFile)("mkfifo", [strange.pipe]);
    await symlink(policy, strange.link);
    await writeFile(strange.huge, "");
    await truncate(strange.huge, 2 ** 33);
    for (const [kind, file] of Object.entries(strange)) {
      for (const ended of [
        await verify(file),
        await verify(out, { policy: file }),
        await verify(out, { policy, checkpoint: [file] }),
        await run(() => ledgerConsistency({ export: out, older: file, out: join(folder, "x") })),
      ])
        expect([ended.status, ended.errors.length], kind).toEqual([2, 1]);
    }
    expect((await verify(out, { policy: strange.link })).errors[0]).toContain("is a link: whoever may turn it decides");
  });

  test("a data folder with a pipe where a log should be is refused, not waited for", async () => {
    const copy = join(folder, "copied");
    await cp(config.RONGHE_DATA, copy, { recursive: true });
    const shard = layoutOf(copy).core.shard(0);
    await rm(shard);
    await promisify(execFile)("mkfifo", [shard]);
    const ended = await run(() => ledgerVerify(readConfig({ RONGHE_DATA: copy }), undefined, {}));
    expect(ended).toMatchObject({ status: 2, errors: [`${shard} is no regular file`] });
    await rm(copy, { recursive: true });
  });

  test("an export with a pipe, a link or a file without end in it is refused, not waited for", async () => {
    for (const [make, why] of [
      [(file: string) => promisify(execFile)("mkfifo", [file]), "is no regular file"],
      [(file: string) => symlink(join(out, "settlement-0/checkpoint"), file), "is a link"],
      [(file: string) => writeFile(file, "").then(() => truncate(file, 2 ** 33)), "is too long"],
    ] as const) {
      const copy = join(folder, "strange");
      await cp(out, copy, { recursive: true });
      await rm(join(copy, "settlement-0/checkpoint"));
      await make(join(copy, "settlement-0/checkpoint"));
      const { status, lines } = await verify(copy);
      expect([status, lines.at(-1)], why).toEqual([1, expect.stringMatching(`exportMalformed.*${why}`)]);
      await rm(copy, { recursive: true });
    }
  });

  test("what is printed steers no terminal: a file's name in an export stands by its numbers", async () => {
    const copy = join(folder, "named");
    await cp(out, copy, { recursive: true });
    await writeFile(join(copy, "\u001b[2Kall valid\u202e"), "");
    for (const { lines } of [await verify(copy), await verify(copy, { policy, json: true })]) {
      expect(lines.join("\n")).toContain("u{1b}[2Kall valid");
      // eslint-disable-next-line no-control-regex -- what must not be there
      expect(lines.join("")).not.toMatch(/[\x00-\x1f\u202e]/);
    }
    await rm(copy, { recursive: true });
  });
});
