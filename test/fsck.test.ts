/** Projections that differ from the leaves are named, and a lost shard comes back from the bus and goes on. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fsckFile } from "../cli/commands/ledger-fsck.ts";
import { makeProvince } from "../cli/sandbox/province.ts";
import { seededRandom } from "../cli/sandbox/random.ts";
import { loadCrypto } from "../core/crypto/index.ts";
import type { FindingName } from "../ledger/fsck/findings.ts";
import { systemClock } from "../core/protocol/time.ts";
import { chained } from "../ledger/testing/forged.ts";
import { openEmbeddedBus } from "../streams/bus/embedded.ts";
import { partitionOf } from "../streams/bus/partition.ts";
import { copyFolder, FREE_PORTS, temporaryFolder } from "./harness/folder.ts";
import { type Ended, serve } from "./harness/process.ts";
import { Shell } from "./harness/shell.ts";

const crypto = await loadCrypto();
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let data: string;
let settings: Record<string, string>;
let institution: string;
let shard: number;
let shell: Shell;

const run = (...args: string[]): Promise<Ended> => shell.run(...args);
const json = (ended: Ended): Record<string, unknown> => JSON.parse(ended.stdout.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;

async function pay(id: string, ...more: string[]): Promise<Ended> {
  const code = (await run("code", "issue")).stdout.trim();
  return await run("call", "rh.settle", "--code", code, "--amount", "128.50", "--id", id, "--org", institution, ...more);
}

beforeAll(async () => {
  folder = await temporaryFolder();
  data = join(folder.path, "province");
  settings = { RONGHE_DATA: data, ...FREE_PORTS };
  shell = new Shell(settings);
  const made = await run("sandbox", "init", "--people", "20");
  expect(made.code, made.stderr).toBe(0);
  institution = /institutions: (\w+)/.exec(made.stdout)?.[1] ?? "";
  shard = partitionOf(institution, 2);
  const platform = await serve(["all"], settings);
  expect((await pay("bill-1")).code).toBe(0);
  expect((await pay("bill-2")).code).toBe(0);
  const refund = await run("call", "rh.refund", "--original", "bill-2", "--id", "back-2", "--refund-type", "CASH", "--org", institution);
  expect(json(refund)).toMatchObject({ status: "refunded" });
  await platform.stop();
});
afterAll(async () => {
  await shell.end();
  await folder[Symbol.asyncDispose]();
});

describe("ledger fsck", () => {
  it("finds a sound platform clean", async () => {
    const clean = await run("ledger", "fsck", "--json");
    expect(clean.code, clean.stdout).toBe(0);
    expect(json(clean)).toMatchObject({ ok: true, logs: [{ counts: {} }, { counts: {} }, { counts: {} }] });
  });

  const first = "(SELECT min(idx) FROM leaf WHERE kind='settlement.settled')";
  /** One damage of each projection, and under which name it is found. */
  const damages: readonly (readonly [FindingName, string])[] = [
    ["leafMissing", `DELETE FROM leaf WHERE idx=${first}`],
    ["leafMalformed", `UPDATE leaf SET bytes=x'00' WHERE idx=${first}`],
    ["leafChain", `UPDATE leaf SET bytes=CAST(substr(bytes, 1, length(bytes) - 1) || x'00' AS BLOB) WHERE idx=${first}`],
    ["leafHash", `UPDATE leaf SET hash=randomblob(32) WHERE idx=${first}`],
    ["columnKind", `UPDATE leaf SET kind='settlement.refused' WHERE idx=${first}`],
    ["columnInstitution", `UPDATE leaf SET institution='H1' WHERE idx=${first}`],
    ["columnSubject", `UPDATE leaf SET subject=NULL WHERE idx=${first}`],
    ["columnTime", `UPDATE leaf SET at_ms=at_ms+1 WHERE idx=${first}`],
    ["head", "UPDATE head SET root=randomblob(32)"],
    ["headMove", "UPDATE head_move SET root=randomblob(32) WHERE size=(SELECT max(size) FROM head_move)"],
    ["tileExtra", "INSERT INTO tile (level, idx, hashes) VALUES (0, 0, x'00')"],
    ["searchKeyExtra", "INSERT INTO search_key (segment, key, idx) VALUES (0, 1, 1)"],
    ["searchPosition", "INSERT INTO search_position (id, idx) VALUES (1, 4096)"],
    ["searchKeyMissing", "INSERT INTO search_position (id, idx) VALUES (1, 2)"],
    ["disclosureDiffers", "UPDATE disclosure SET value='somebody else' WHERE idx=(SELECT min(idx) FROM disclosure)"],
    ["disclosureMissing", "DELETE FROM disclosure WHERE idx=(SELECT min(idx) FROM disclosure)"],
    ["disclosureExtra", "INSERT INTO disclosure (idx, name, salt, value) VALUES (0, 'person', randomblob(16), 'x')"],
    ["erasedExtra", "INSERT INTO erased (idx, name, erased_at) VALUES (1, 'person', 3)"],
    ["logKey", "INSERT INTO log_key (handle, verifier_key, first_size) VALUES ('ledger.settlement-0/2', 'k', 1)"],
    ["checkpoint", "UPDATE checkpoint SET size=size+1000 WHERE size=(SELECT max(size) FROM checkpoint)"],
    ["publication", "UPDATE ledger_publication SET leaves=1000"],
    [
      "booksImpossible",
      "UPDATE leaf SET bytes=(SELECT bytes FROM leaf WHERE kind='settlement.accepted' LIMIT 1) WHERE kind='settlement.settled'",
    ],
    ["idempotency", "UPDATE settlement SET request_hash=randomblob(32) WHERE out_trade_no='bill-1'"],
    ["settlement", "UPDATE settlement SET state='refused' WHERE out_trade_no='bill-1'"],
    ["settlement", "DELETE FROM settlement WHERE out_trade_no='bill-1'"],
    ["account", "UPDATE account SET region='999999' WHERE id=(SELECT min(id) FROM account)"],
    ["transfer", "UPDATE transfer SET amount=amount+1 WHERE rowid=1"],
    ["balance", "UPDATE transfer SET amount=amount+1 WHERE rowid=1"],
    ["conflict", "INSERT INTO conflict (source, event_id, settlement_id, request_hash, ledger_index) VALUES ('s', 'e', 'x', x'00', 1)"],
    [
      "evidence",
      "INSERT INTO evidence (key, statement_hash, settlement_id, rail, found, run_id, taken, ledger_index) VALUES ('k', 'h', 'x', 'bank', 'absent', 'r', 0, 1)",
    ],
    [
      "adjustment",
      "INSERT INTO adjustment (id, case_id, kind, rail, fund_source, institution, amount, reason, requested_by, day, at_ms, ledger_index) VALUES ('a', 'c', 'suspend', 'bank', 'psn_cash_pay', 'H', 1, 'r', 'li', 20261101, 1, 1)",
    ],
    [
      "seal",
      "INSERT INTO seal (day, sealed_at_ms, trial_hash, head_size, head_root, offsets, carried_over, ledger_index, leaf_hash) VALUES (20200101, 1, '', 1, x'00', '[]', '[]', 1, x'00')",
    ],
    [
      "sealedBalance",
      "INSERT INTO sealed_balance (day, account, fund_source, debit, credit, balance) VALUES (20200101, 'a', 'f', 1, 1, 0)",
    ],
    ["consumedPosition", "UPDATE consumed_position SET next_offset=0"],
  ];
  it.each(damages)("names %s: %s", async (name, sql) => {
    await using copy = await copyOfShard();
    const db = createClient({ url: `file:${copy.file}` });
    for (const trigger of (await db.execute("SELECT name FROM sqlite_master WHERE type='trigger'")).rows)
      await db.execute(`DROP TRIGGER ${String(trigger["name"])}`);
    const { rowsAffected } = await db.execute(sql);
    db.close();
    expect(rowsAffected).toBeGreaterThan(0);
    const report = await fsckOf(copy.file);
    expect(report.ok).toBe(false);
    expect(
      Object.keys(report.counts),
      JSON.stringify(report.findings, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value)),
    ).toContain(name);
  });

  it.each([
    ["the index settlement_idempotency is missing", "DROP INDEX settlement_idempotency"],
    ["the trigger transfer_no_update is missing", "DROP TRIGGER transfer_no_update"],
    ["the trigger sly belongs to no such database", "CREATE TRIGGER sly AFTER INSERT ON leaf BEGIN SELECT 1; END"],
    ["the table settlement is not the one that this version makes", "ALTER TABLE settlement ADD COLUMN more TEXT"],
  ])("names what a database is made of: %s", async (detail, sql) => {
    await using copy = await copyOfShard();
    const db = createClient({ url: `file:${copy.file}` });
    await db.execute(sql);
    db.close();
    const { counts, findings } = await fsckOf(copy.file);
    expect([counts, findings]).toEqual([{ schema: 1 }, [{ name: "schema", detail }]]);
  });

  it("names an index that holds something else than its table", async () => {
    await using copy = await copyOfShard();
    await intoOneFile(copy.file);
    const db = createClient({ url: `file:${copy.file}` });
    const [page] = (await db.execute("SELECT rootpage, page_size FROM sqlite_master, pragma_page_size WHERE name='settlement_idempotency'"))
      .rows;
    db.close();
    const bytes = await readFile(copy.file);
    const begin = (Number(page?.["rootpage"]) - 1) * Number(page?.["page_size"]);
    const at = bytes.indexOf("bill-1", begin);
    expect(at - begin).toBeLessThan(Number(page?.["page_size"]));
    bytes.write("bill-0", at);
    await writeFile(copy.file, bytes);
    expect((await fsckOf(copy.file)).counts).toEqual({ index: 1 });
  });

  it.each([
    ["is none any more", (bytes: Buffer) => Buffer.from(bytes).fill("no database ")],
    ["lost pages in its middle", (bytes: Buffer) => Buffer.from(bytes).fill(0x5a, 4096)],
  ])("names a database that %s, and goes on with the next", async (_, damage) => {
    await using copy = await temporaryFolder();
    await copyFolder(data, copy.path);
    const path = join(copy.path, "core", "settlement-0.db");
    await intoOneFile(path);
    await writeFile(path, damage(await readFile(path)));
    const ended = await run("ledger", "fsck", "--json", "--data", copy.path);
    expect(ended.code, ended.stderr).toBe(1);
    expect(json(ended)).toMatchObject({ ok: false, logs: [{ ok: true }, { ok: false, counts: { unreadable: 1 } }, { ok: true }] });
  });
});

describe("ledger fsck of the registry", () => {
  const foreignKey = `INSERT INTO partner_key (org_id, public_key, added_at_ms) VALUES ('H51010400001', '04${"ab".repeat(64)}', 1)`;
  it.each<[FindingName, string]>([
    ["partnerKey", foreignKey],
    ["partnerKey", "UPDATE partner_key SET retired_at_ms=1 WHERE rowid=1"],
    ["institution", "UPDATE institution SET sign_type='SM3' WHERE kind='hospital'"],
    ["institution", "UPDATE institution SET dialect='csharp' WHERE kind='hospital'"],
    ["institution", "UPDATE institution SET encryption='none' WHERE encryption<>'none'"],
    ["institution", "UPDATE institution SET rate_per_second=99999, rate_burst=99999"],
    ["institution", "UPDATE institution SET offline_amount_max_fen=offline_amount_max_fen+1"],
    ["institution", "UPDATE institution SET offline_age_max_ms=1"],
    ["institution", "UPDATE institution SET status='suspended'"],
    ["institution", "UPDATE institution SET partner_secret=randomblob(80)"],
    ["institution", "UPDATE institution SET partner_app_id=partner_app_id || '0'"],
    ["institution", "UPDATE institution SET former_secret=partner_secret, former_until_ms=9999999999999"],
    ["terminal", "INSERT INTO terminal SELECT org_id, 'T-INVENTED', latitude, longitude, status FROM terminal LIMIT 1"],
    ["terminal", "UPDATE terminal SET latitude=latitude+1"],
    ["app", "UPDATE app SET status='suspended'"],
    ["edge", "INSERT INTO edge (edge_id, status) VALUES ('edge-x', 'active')"],
    ["edge", "UPDATE edge SET serves='[]'"],
    ["edgeKey", "UPDATE edge_key SET auth_key=randomblob(80)"],
    ["signingKey", `UPDATE signing_key SET public_key='04${"ab".repeat(64)}' WHERE purpose='code'`],
    ["binding", "UPDATE binding SET state='REVOKED' WHERE rowid=1"],
    ["binding", "UPDATE binding SET binding_id=lower(hex(randomblob(16))) WHERE rowid=1"],
    ["codeToken", "UPDATE code_token SET state='ISSUED' WHERE state='CONSUMED'"],
    ["codeToken", "UPDATE code_token SET expires_at_ms=expires_at_ms+86400000"],
    ["codeToken", "UPDATE code_token SET purpose='verify'"],
    ["codeToken", "UPDATE code_token SET person_id=(SELECT person_id FROM person p WHERE p.person_id<>code_token.person_id LIMIT 1)"],
    ["codeToken", "UPDATE code_token SET visit_id=NULL WHERE state='CONSUMED'"],
    [
      "codeToken",
      "INSERT INTO code_token SELECT 'f', app_id, person_id, purpose, form, 'ISSUED', issued_at_ms, expires_at_ms, NULL FROM code_token LIMIT 1",
    ],
    ["visit", "UPDATE visit SET settled_by=NULL"],
    ["visit", "UPDATE visit SET institution='H1'"],
    ["visit", "UPDATE visit SET expires_at_ms=expires_at_ms+86400000"],
    ["visit", "UPDATE visit SET token_fingerprint=token_fingerprint || '0'"],
    ["visit", "UPDATE visit SET person_id=(SELECT person_id FROM person p WHERE p.person_id<>visit.person_id LIMIT 1)"],
    ["credentialUse", "UPDATE credential_use SET bindings='[]' WHERE step='settlement'"],
    ["credentialUse", "UPDATE credential_use SET leaf_hash=randomblob(32)"],
    ["credentialUse", "UPDATE credential_use SET credential='x'"],
    ["credentialUse", "DELETE FROM credential_use WHERE step='settlement'"],
    [
      "person",
      "INSERT INTO person SELECT 'p', 'f', 'q', main_index, identity, ehc_id, 'e', key_version, registered_at_ms, 0 FROM person LIMIT 1",
    ],
    ["person", "DELETE FROM person WHERE rowid=(SELECT max(rowid) FROM person)"],
    ["binding", "UPDATE binding SET person_id=(SELECT person_id FROM person p WHERE p.person_id<>binding.person_id LIMIT 1) WHERE rowid=1"],
  ])("names as %s: %s", async (name, sql) => {
    await using copy = await copyOfShard();
    const core = join(copy.file, "..", "core.db");
    const db = createClient({ url: `file:${core}` });
    const { rowsAffected } = await db.execute(sql);
    db.close();
    expect(rowsAffected).toBeGreaterThan(0);
    const report = await fsckFile({ origin: "ronghe.example/51/registry", file: core, crypto, shard: undefined });
    expect(Object.keys(report.counts)).toEqual([name]);
  });

  it("proves every setting of every partner by entries of this version", async () => {
    const report = await fsckFile({ origin: "ronghe.example/51/registry", file: join(data, "core", "core.db"), crypto, shard: undefined });
    expect([report.counts, report.unproven]).toEqual([{}, { count: 0, first: [] }]);
  });
});

async function copyOfShard(): Promise<AsyncDisposable & { readonly file: string }> {
  const copy = await temporaryFolder();
  await copyFolder(join(data, "core"), copy.path);
  const file = join(copy.path, `settlement-${shard}.db`);
  return { file, [Symbol.asyncDispose]: () => copy[Symbol.asyncDispose]() };
}
/** What the write-ahead log still holds would hide a damage of the file. */
async function intoOneFile(file: string): Promise<void> {
  const db = createClient({ url: `file:${file}` });
  await db.execute("PRAGMA wal_checkpoint(TRUNCATE)");
  db.close();
  for (const suffix of ["-wal", "-shm"]) await rm(`${file}${suffix}`, { force: true });
}

const fsckOf = (file: string): ReturnType<typeof fsckFile> =>
  fsckFile({ origin: `ronghe.example/51/settlement-${shard}`, file, crypto, shard });

const file = (): string => join(data, "core", `settlement-${shard}.db`);

/** The same request once more on the bus, as an edge whose answer was lost sends it. */
async function requestAgain(outTradeNo: string): Promise<void> {
  const topic = "settlement.request.submitted.v1";
  const bus = await openEmbeddedBus({ file: join(data, "bus.db"), clock: systemClock });
  const records = await bus.read(topic, shard, 0n, 100);
  const first = records.find((record) => Buffer.from(record.value).includes(`"${outTradeNo}"`));
  if (first === undefined) throw new Error("no such request");
  const { key, value, headers } = first;
  expect((await bus.publish([{ topic, key, value, headers }])).map(({ kind }) => kind)).toEqual(["ok"]);
  await bus.close();
}

describe("ledger search", () => {
  it("finds a settlement, an institution's day, and a person by pseudonym", async () => {
    const bill = await run("ledger", "search", "--settlement", `${institution}/bill-1`, "--json");
    expect((json(bill)["entries"] as { kind: string }[]).map(({ kind }) => kind)).toContain("settlement.settled");
    const all = json(await run("ledger", "search", "--institution", institution, "--from", "2020-01-01", "--json"))["entries"] as {
      institution: string;
    }[];
    expect(new Set(all.map((entry) => entry.institution))).toEqual(new Set([institution]));
    expect(json(await run("ledger", "search", "--institution", institution, "--to", "2020-01-01", "--json"))["entries"]).toEqual([]);
    const told = (await run("tail", "settlement.claim.settled.v1")).stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { data: { person: string } });
    const person = told[0]?.data.person ?? "";
    const theirs = json(await run("ledger", "search", "--person", person, "--json"))["entries"] as { kind: string; origin: string }[];
    expect(theirs.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(["identity.person.registered", "vault.account.detokenised", "settlement.settled"]),
    );
  });

  it.each([
    [["--from", "2026-02-31"], "no day yyyy-mm-dd"],
    [["--from", "2026-02-28T12:00:00"], "no instant with its zone"],
    [["--from", "2026-02-02", "--to", "2026-02-02"], "ends before it begins"],
    [["--settlement", ""], "--settlement is empty"],
    [["--person", "li"], "64 hex digits"],
    [["--document", "/nowhere/document"], "/nowhere/document is not there"],
    [["--institution", "*", "--prove", "/nowhere/range"], "one institution"],
    [["--institution", "H99", "--prove", "/nowhere/range"], "no institution of this number"],
    [["--settlement", "x", "--prove", "/nowhere/range"], "--prove takes --institution"],
    [["--institution", "H99", "--registry"], "--registry goes with --prove"],
    [[], "give --institution"],
  ])("refuses %j in one line", async (args, why) => {
    const refused = await run("ledger", "search", ...args);
    expect([refused.code, refused.stderr.trim().split("\n")]).toEqual([2, [expect.stringContaining(why)]]);
  });

  it("finds what is of a settlement and of an institution, and of no other", async () => {
    const counts: number[] = [];
    for (const one of [institution, "H99"]) {
      const ended = await run("ledger", "search", "--settlement", `${institution}/bill-1`, "--institution", one, "--json");
      counts.push((json(ended)["entries"] as object[]).length);
    }
    expect(counts).toEqual([expect.any(Number), 0]);
    expect(counts[0]).toBeGreaterThan(0);
  });

  it("proves that none was left out, and verifies what it wrote", async () => {
    const file = join(folder.path, "range.txt");
    const made = await run("ledger", "search", "--institution", institution, "--from", "2020-01-01", "--prove", file);
    expect(made.code, made.stderr).toBe(0);
    expect((await run("ledger", "verify", file)).code).toBe(1);
    const verified = await run("ledger", "verify", file, "--institution", institution, "--from", "2020-01-01");
    expect(verified.code, verified.stdout).toBe(0);
    expect(verified.stdout).toMatch(/ok {3}period: \d+ entries of/);
    const codes = join(folder.path, "codes.txt");
    expect((await run("ledger", "search", "--institution", institution, "--prove", codes, "--registry")).code).toBe(0);
    const shown = await run("ledger", "verify", codes, "--institution", institution, "--registry");
    expect([shown.code, shown.stdout]).toEqual([0, expect.stringContaining("vault.account.detokenised")]);
    await writeFile(file, (await readFile(file, "utf8")).replace(/\nleaf [^\n]+/, ""));
    expect((await run("ledger", "verify", file)).code).toBe(1);
    const open = await run("ledger", "search", "--institution", institution, "--to", "2100-01-01", "--prove", file);
    expect([open.code, open.stderr]).toEqual([1, expect.stringContaining("may follow")]);
  });
});

describe("ledger provenance", () => {
  it("leads from a settlement to its record and back, and compares the hashes", async () => {
    const there = json(await run("ledger", "provenance", "--settlement", `${institution}/bill-1`, "--json"));
    const [entry] = there["entries"] as {
      from: { topic: string; partition: number; offset: string; standing: string };
      published: object;
    }[];
    expect(there["ok"]).toBe(true);
    expect(entry).toMatchObject({ from: { standing: "same" }, published: { topic: "ledger.entry.appended.v1", partition: shard } });
    const { topic = "", partition = 0, offset = "" } = entry?.from ?? {};
    const back = await run("ledger", "provenance", "--record", `${topic}/${partition}/${offset}`, "--json");
    expect(back.code, back.stderr).toBe(0);
    expect((json(back)["entries"] as { kind: string }[]).map(({ kind }) => kind)).toEqual(
      (there["entries"] as { kind: string }[]).map(({ kind }) => kind),
    );
    const none = await run("ledger", "provenance", "--record", `${topic}/${partition}/999`);
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("no entry names this record")]);
    const nowhere = await run("ledger", "provenance", "--record", "nothing.v1/0/0");
    expect([nowhere.code, nowhere.stderr.trim()]).toEqual([2, "ronghe: the bus has no topic nothing.v1"]);
  });

  it("says when the bus holds another record than the entry came from", async () => {
    await using copy = await temporaryFolder();
    await copyFolder(data, copy.path);
    const bus = createClient({ url: `file:${join(copy.path, "bus.db")}` });
    await bus.execute(
      "UPDATE record SET value=CAST(value || ' ' AS BLOB) WHERE topic_id=(SELECT id FROM topic WHERE name='settlement.request.submitted.v1')",
    );
    bus.close();
    const differs = await run("ledger", "provenance", "--settlement", `${institution}/bill-1`, "--data", copy.path);
    expect([differs.code, differs.stdout]).toEqual([1, expect.stringContaining("DIFFERS")]);
  });
});

/** What anybody who may write to a log's topics could leave there. */
async function leaveForeignRecords(): Promise<void> {
  const bus = await openEmbeddedBus({ file: join(data, "bus.db"), clock: { now: () => Date.now() } });
  const [entry] = await bus.read("ledger.entry.appended.v1", shard, 0n, 1);
  const [head] = await bus.read("ledger.checkpoint.published.v1", shard, 0n, 1);
  const last = (await bus.read("ledger.entry.appended.v1", shard, 0n, 10_000)).findLast(({ key }) => key === entry?.key);
  if (entry === undefined || last === undefined || head === undefined) throw new Error("the shard has entries and checkpoints");
  const note = Buffer.from(head.value).toString();
  const verdicts = await bus.publish([
    { ...entry, value: Buffer.from("no entry") },
    { ...entry, headers: { ...entry.headers, ce_ledgerseq: "9" } },
    { ...head, value: Buffer.from(`${note.slice(0, note.indexOf("\n\n") + 2)}— somebody AAAAAAAAAAAAAAAAAAAA\n`) },
    { ...head, value: Buffer.from(`${head.key}\n999999\nno root\n`) },
    {
      ...last,
      headers: { ...last.headers, ce_ledgerseq: (BigInt(last.headers["ce_ledgerseq"] ?? "0") + 1n).toString() },
      value: chained(last.value),
    },
  ]);
  expect(verdicts.map(({ kind }) => kind)).toEqual(["ok", "ok", "ok", "ok", "ok"]);
  await bus.close();
}

describe("ledger rebuild", () => {
  it("never replaces a database that is there", async () => {
    const refused = await run("ledger", "rebuild", "--shard", String(shard), "--from-topic", "--by", "li");
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("is there")]);
  });

  it("refuses a bus that lost entries which were signed", async () => {
    await using copy = await temporaryFolder();
    await copyFolder(data, copy.path);
    await rm(join(copy.path, "core", `settlement-${shard}.db`));
    const bus = createClient({ url: `file:${join(copy.path, "bus.db")}` });
    await bus.execute({
      sql: `DELETE FROM record WHERE topic_id=(SELECT id FROM topic WHERE name='ledger.entry.appended.v1') AND partition=?
        AND "offset">=(SELECT max("offset") FROM record WHERE topic_id=(SELECT id FROM topic WHERE name='ledger.entry.appended.v1') AND partition=?)`,
      args: [shard, shard],
    });
    bus.close();
    const refused = await run("ledger", "rebuild", "--shard", String(shard), "--from-topic", "--by", "li", "--data", copy.path);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("(truncated)")]);
  });

  it("refuses to stop short of a checkpoint that somebody kept, and a file that holds none of this log", async () => {
    await using copy = await temporaryFolder();
    await copyFolder(data, copy.path);
    const settings = ["--data", copy.path];
    // Recorded while no core runs, so that it is on no bus yet, and handed out.
    const order = ["--by", "li", "--approved-by", "wang", "--ground", "withdrawn", ...settings];
    const logs: string[] = [];
    for (const { appId, appUserId } of makeProvince(seededRandom(1), { people: 20 }).people) {
      const erased = await run("erase", "--order", appUserId, "--app-user", `${appId}/${appUserId}`, "--json", ...order);
      expect(erased.code, erased.stderr).toBe(0);
      logs.push(...(json(erased)["logs"] as { origin: string }[]).map(({ origin }) => origin));
      if (logs.includes(`ronghe.example/51/settlement-${shard}`)) break;
    }
    expect(logs).toContain(`ronghe.example/51/settlement-${shard}`);
    const kept = join(copy.path, "kept.txt");
    const handed = await run("ledger", "search", "--institution", institution, "--prove", kept, ...settings);
    expect(handed.code, handed.stderr).toBe(0);
    for (const suffix of ["", "-wal", "-shm"]) await rm(join(copy.path, "core", `settlement-${shard}.db${suffix}`), { force: true });
    const again = ["ledger", "rebuild", "--shard", String(shard), "--from-topic", "--by", "li", ...settings];
    const refused = await run(...again, "--checkpoint", kept);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("(truncated)")]);
    const other = await run(...again, "--checkpoint", join(data, "ledger-policy.txt"));
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining("holds no checkpoint of")]);
  });

  it("makes a lost shard again to the same root, and the platform goes on", async () => {
    const before = (json(await run("ledger", "fsck", "--json"))["logs"] as { size: string; root: string }[])[shard + 1];
    for (const suffix of ["", "-wal", "-shm"]) await rm(`${file()}${suffix}`, { force: true });
    expect((await run("ledger", "fsck")).code).toBe(2);
    await leaveForeignRecords();
    const command = ["ledger", "rebuild", "--shard", String(shard), "--from-topic", "--by", "li", "--json"];
    const undecided = await run(...command);
    expect([undecided.code, undecided.stderr]).toEqual([1, expect.stringMatching(/\(uncovered\).*--leave-unsigned/)]);
    const rebuilt = await run(...command, "--leave-unsigned");
    expect(rebuilt.code, rebuilt.stderr).toBe(0);
    expect(json(rebuilt)).toMatchObject({
      size: before?.size,
      root: before?.root,
      unsigned: 1,
      books: { settlements: 3, open: 0, withoutPerson: 0, withoutRequest: 0 },
    });
    expect(json(rebuilt)["lost"]).toBeGreaterThan(0);
    const clean = await run("ledger", "fsck");
    expect(clean.code, clean.stdout).toBe(0);
    expect((await run("ledger", "verify")).code).toBe(0);

    await requestAgain("bill-1");
    const platform = await serve(["all"], settings);
    try {
      const known = await run("call", "rh.result", "--id", "bill-1", "--org", institution);
      expect(json(known)).toMatchObject({ status: "settled", amount: "128.50" });
      const refund = await run("call", "rh.refund", "--original", "bill-1", "--id", "back-1", "--refund-type", "ALL", "--org", institution);
      expect(json(refund)).toMatchObject({ status: "refunded" });
      expect(json(await pay("bill-3"))).toMatchObject({ status: "settled" });
    } finally {
      await platform.stop();
    }
    const after = await run("ledger", "fsck");
    expect(after.code, after.stdout).toBe(0);
    // The old number came again: no entry, no second payment, the first answer.
    const followed = await run("ledger", "follow", "--once", "--requests");
    expect(followed.code, followed.stderr).toBe(0);
    expect(followed.stderr).toContain("left out streamConflict");
    expect(followed.stdout).toContain("requests: 5 with entries, 1 without (repeats), 0 out of order");
    const story = await run("settlement", "show", `${institution}/bill-1`, "--json");
    expect(json(story)).toMatchObject({ state: "settled", amount: "128.50" });
  });
});
