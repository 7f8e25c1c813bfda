/** A patient who is erased under an order, by the commands an operator types; and every place where an erasure can be cut short. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadCrypto } from "../core/crypto/index.ts";
import { type EraserOptions, openEraser } from "../core/erasure/eraser.ts";
import type { ErasureOrder } from "../core/erasure/order.ts";
import { openFingerprints } from "../core/fingerprints.ts";
import { openIdentity } from "../core/identity/identity.ts";
import { ledgerPersons } from "../core/ledger-persons.ts";
import { systemClock } from "../core/protocol/time.ts";
import { bytesOf, numberOf, textOf } from "../core/rows.ts";
import { readConfig } from "../cli/config.ts";
import { openAllShards } from "../cli/platform/books.ts";
import { parkedBus } from "../cli/platform/bus.ts";
import { openPlatformServices, openPlatformShard } from "../cli/platform/core.ts";
import { eraserOptions } from "../cli/platform/eraser.ts";
import { openKeys } from "../cli/platform/keys.ts";
import { layoutOf, readPlatform } from "../cli/platform/layout.ts";
import { makeProvince, type SandboxPerson } from "../cli/sandbox/province.ts";
import { seededRandom } from "../cli/sandbox/random.ts";
import type { Shard } from "../core/settlement/shard.ts";
import { openDatabase } from "../migrations/database.ts";
import { allFiles, FREE_PORTS, temporaryFolder } from "./harness/folder.ts";
import { type Ended, serve, type Serving } from "./harness/process.ts";
import { Shell } from "./harness/shell.ts";

const crypto = await loadCrypto();
const { people } = makeProvince(seededRandom(1), { people: 60 });
const [first, second, third, fourth] = people.filter((person) => person.insurance !== undefined && person.bank !== undefined);
if (first === undefined || second === undefined || third === undefined || fourth === undefined)
  throw new Error("a province without patients");

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let data: string;
let settings: Record<string, string>;
let platform: Serving | undefined;
let institution: string;
let shell: Shell;

beforeAll(async () => {
  folder = await temporaryFolder();
  data = join(folder.path, "province");
  settings = { RONGHE_DATA: data, ...FREE_PORTS };
  shell = new Shell(settings);
  const made = await run("sandbox", "init");
  expect(made.code, made.stderr).toBe(0);
  institution = /institutions: (\w+)/.exec(made.stdout)?.[1] ?? "";
  platform = await serve(["all"], settings);
  await Promise.all([pay(first, "bill-1"), pay(second, "bill-2"), pay(third, "bill-3"), pay(fourth, "bill-5")]);
});
afterAll(async () => {
  await platform?.stop();
  await shell.end();
  await folder[Symbol.asyncDispose]();
});

const run = (...args: string[]): Promise<Ended> => shell.run(...args);
const json = (ended: Ended): Record<string, unknown> => JSON.parse(ended.stdout.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;

async function pay(person: SandboxPerson, id: string): Promise<void> {
  const code = (await run("code", "issue", "--person", person.appUserId)).stdout.trim();
  const paid = await run("call", "rh.settle", "--code", code, "--amount", "128.50", "--id", id, "--org", institution);
  expect(paid.code, paid.stdout + paid.stderr).toBe(0);
}

async function erase(person: SandboxPerson, ...more: string[]): Promise<Ended> {
  const who = ["--app-user", `${person.appId}/${person.appUserId}`];
  return await run("erase", "--order", "order-1", "--by", "li", "--approved-by", "wang", "--ground", "withdrawn", ...who, ...more);
}

/** Everything that must be gone, as the bytes that would be found. */
async function secretsOf(person: SandboxPerson): Promise<readonly (readonly [what: string, bytes: Buffer])[]> {
  const config = readConfig({ RONGHE_DATA: data });
  const layout = layoutOf(data);
  const keys = await openKeys(config, layout, crypto, "core");
  const fingerprints = await openFingerprints(crypto, keys);
  const db = await openDatabase({ kind: "core", file: layout.core.database, readOnly: true });
  const secrets: [string, Buffer][] = [];
  const add = (what: string, value: string | Uint8Array | undefined): void => {
    if (value !== undefined) secrets.push([what, Buffer.from(value as Uint8Array)]);
  };
  const fingerprint = await fingerprints.guessable("document", person.idType, person.idNo);
  const [row] = await db.read("SELECT * FROM person WHERE fingerprint=?", fingerprint);
  if (row === undefined) throw new Error("not registered");
  const identity = openIdentity({ registry: { desk: () => undefined } as never, crypto, keys, fingerprints });
  const personId = textOf(row, "person_id");
  add("name", person.name);
  add("document number", person.idNo);
  for (const account of [person.insurance?.accountId, person.commercial?.authorisationId, person.bank?.contractId]) add("account", account);
  add("EHC-ID", await identity.openEhcId({ personId, ehcId: bytesOf(row, "ehc_id"), keyVersion: numberOf(row, "key_version") }));
  add("fingerprint", fingerprint);
  add("fingerprint of the EHC-ID", textOf(row, "ehc_fingerprint"));
  add("person id", personId);
  add("main index", bytesOf(row, "main_index"));
  add("sealed identity", bytesOf(row, "identity"));
  for (const binding of await db.read("SELECT fingerprint, account FROM binding WHERE person_id=?", personId)) {
    add("fingerprint of a binding", textOf(binding, "fingerprint"));
    if (binding["account"] !== null) add("sealed account", bytesOf(binding, "account"));
  }
  const committed = (await ledgerPersons(crypto, keys))(textOf(row, "pseudonym"));
  add("committed value", committed);
  const shards = [0, 1].map((shard) => openDatabase({ kind: "shard", file: layout.core.shard(shard), readOnly: true }));
  for (const log of [db, ...(await Promise.all(shards))]) {
    for (const kept of await log.read("SELECT salt FROM disclosure WHERE value=?", committed)) add("salt", bytesOf(kept, "salt"));
    await log.close();
  }
  return secrets;
}

/** Payers and callers keep their own books: an order to the platform does not reach them. */
async function found(secrets: Awaited<ReturnType<typeof secretsOf>>, folders: string): Promise<readonly string[]> {
  const files = (await allFiles(folders)).filter((file) => !file.path.includes("/clients/") && !file.path.includes("/sandbox/"));
  return files.flatMap(({ path, bytes }) => secrets.filter(([, secret]) => bytes.includes(secret)).map(([what]) => `${path}: ${what}`));
}

describe("beside a running core", () => {
  it("an order that one person gave and approved is refused, and recorded", async () => {
    const refused = await run(
      "erase",
      "--order",
      "order-0",
      "--by",
      "li",
      "--approved-by",
      "li",
      "--ground",
      "withdrawn",
      "--app-user",
      "a/b",
    );
    expect(refused.code).toBe(3);
    expect(refused.stderr.trim()).toContain("(samePerson)");
  });

  it("destroys every byte of the person in every file, says so in each log, and leaves all proofs standing", async () => {
    const receipt = join(folder.path, "before.txt");
    const proved = await run("ledger", "prove", "--settlement", `${institution}/bill-1`, "--disclose", "all", "--out", receipt);
    expect(proved.code, proved.stderr).toBe(0);
    expect(await readFile(receipt, "utf8")).toContain("open ");
    const secrets = await secretsOf(first);
    expect(secrets.filter(([what]) => what === "salt").length).toBeGreaterThanOrEqual(6);
    expect(new Set((await found(secrets, data)).map((line) => line.split(": ")[1]))).toEqual(
      new Set([
        "fingerprint",
        "fingerprint of the EHC-ID",
        "person id",
        "main index",
        "sealed identity",
        "fingerprint of a binding",
        "sealed account",
        "committed value",
        "salt",
      ]),
    );

    const erased = await erase(first, "--json");
    expect(erased.code, erased.stderr).toBe(0);
    const { logs, repeated } = json(erased) as { logs: { origin: string; entries: string[]; commitments: number }[]; repeated: boolean };
    expect(repeated).toBe(false);
    expect(logs).toHaveLength(2);
    expect(logs.reduce((sum, log) => sum + log.commitments, 0)).toBe(secrets.filter(([what]) => what === "salt").length);
    expect(await found(secrets, data)).toEqual([]);
    expect((await run("ledger", "verify")).code).toBe(0);

    // The receipt that went out before still proves what it proved.
    const policy = join(data, "ledger-policy.txt");
    expect((await run("ledger", "verify", receipt, "--policy", policy)).code).toBe(0);
    const after = join(folder.path, "after.txt");
    const again = await run("ledger", "prove", "--settlement", `${institution}/bill-1`, "--disclose", "all", "--out", after);
    expect(again.code, again.stderr).toBe(0);
    const told = await run("ledger", "verify", after, "--policy", policy);
    expect(told.code, told.stdout).toBe(0);
    expect(told.stdout).toMatch(/erased lawfully at entry \d+/);
    expect(await readFile(after, "utf8")).not.toContain("open ");
  });

  it("an export says what was erased, and its files hold nothing of it", async () => {
    const out = join(folder.path, "out");
    expect((await run("ledger", "export", "--out", out)).code).toBe(0);
    const verified = await run("ledger", "verify", out, "--policy", join(data, "ledger-policy.txt"), "--json");
    expect(verified.code, verified.stdout).toBe(0);
    expect(verified.stdout).toMatch(/personal values erased lawfully at entry \d+/);
  });

  it("the same order again says the same; another about somebody else under its number is refused", async () => {
    const again = await erase(first, "--json");
    expect(again.code, again.stderr).toBe(0);
    expect(json(again)).toMatchObject({ repeated: true, logs: [{}, {}] });
    const other = await erase(first, "--order", "order-2");
    expect([other.code, other.stderr.trim()]).toEqual([3, expect.stringContaining("(personUnknown)")]);
    // Whoever is still registered was not erased by it.
    const another = await erase(second);
    expect([another.code, another.stderr.trim()]).toEqual([3, expect.stringContaining("(orderConflict)")]);
    const changed = await erase(second, "--ground", "unlawful");
    expect([changed.code, changed.stderr.trim()]).toEqual([3, expect.stringContaining("(orderConflict)")]);
  });

  it.each([
    [["--order", "1 2"], "--order is"],
    [["--by", "李"], "--by is"],
    [["--approved-by", ""], "--approved-by is"],
  ])("refuses %j in one line", async (args, why) => {
    const refused = await erase(second, ...args);
    expect([refused.code, refused.stderr.trim().split("\n")]).toEqual([2, [expect.stringContaining(why)]]);
  });

  it("an order for records alone leaves the person registered and is told from others; one for the person after it is an entry too", async () => {
    const records = ["--order", "order-5", "--scope", "records"];
    expect(json(await erase(fourth, ...records, "--json"))).toMatchObject({ repeated: false, logs: [{}, {}] });
    expect(json(await erase(fourth, ...records, "--json"))).toMatchObject({ repeated: true, logs: [{}, {}] });
    const other = await erase(second, ...records);
    expect([other.code, other.stderr.trim()]).toEqual([3, expect.stringContaining("(orderConflict)")]);
    const secrets = await secretsOf(fourth);
    const gone = await erase(fourth, "--order", "order-6");
    expect(gone.code, gone.stderr).toBe(0);
    expect(await found(secrets, data)).toEqual([]);
    const said = json(await run("ledger", "search", "--settlement", "order-6", "--json"))["entries"] as { kind: string }[];
    expect(said.map(({ kind }) => kind)).toEqual(["erasure.person.forgotten"]);
    expect((await run("ledger", "verify")).code).toBe(0);
  });

  it("no code is issued for the person, a refund of an old bill is refused, and its money stands", async () => {
    expect((await run("code", "issue", "--person", first.appUserId)).code).not.toBe(0);
    const refund = await run("call", "rh.refund", "--original", "bill-1", "--id", "back-1", "--refund-type", "ALL", "--org", institution);
    expect(json(refund)).toMatchObject({ verified: true, status: "refused" });
    const shown = await run("settlement", "show", `${institution}/bill-1`, "--json");
    expect(json(shown)).toMatchObject({ state: "settled", amount: "128.50" });
    await pay(second, "bill-4");
  });
});

const orderFor = (fingerprint: string): ErasureOrder => ({
  order: "order-4",
  by: "li",
  approvedBy: "wang",
  ground: "required",
  scope: "person",
  person: { by: "appUser", fingerprint },
});

async function withEraser<T>(
  fault: (options: EraserOptions) => Partial<EraserOptions>,
  use: (eraser: ReturnType<typeof openEraser>) => Promise<T>,
): Promise<T> {
  const config = readConfig({ RONGHE_DATA: data });
  const layout = layoutOf(data);
  const keys = await openKeys(config, layout, crypto, "core");
  const core = { config, layout, platform: readPlatform(layout), crypto, keys, clock: systemClock, bus: parkedBus };
  const shards = await openAllShards(2, (partition) => openPlatformShard(core, partition));
  const services = await openPlatformServices(core);
  const options = await eraserOptions(core, services, shards.all);
  try {
    return await use(openEraser({ ...options, ...fault(options) }));
  } finally {
    await shards.closeOthers();
    await services.stop();
  }
}

/** The shard, but for its erasure. */
const failing = (shard: Shard, error: Error): Shard =>
  new Proxy(shard, {
    get(of, name) {
      if (name === "erase") return () => Promise.reject(error);
      const value: unknown = Reflect.get(of, name, of);
      return typeof value === "function" ? value.bind(of) : value;
    },
  });

describe("on a folder whose core does not run", () => {
  it("a document from a file finds the person, and nothing of it is printed", async () => {
    await platform?.stop();
    platform = undefined;
    const secrets = await secretsOf(second);
    const document = join(folder.path, "document");
    await writeFile(document, `${second.idType} ${second.idNo}\n`);
    const args = ["--order", "order-3", "--by", "li", "--approved-by", "wang", "--ground", "serviceEnded", "--document", document];
    const erased = await run("erase", ...args);
    expect(erased.code, erased.stderr).toBe(0);
    expect(erased.stdout + erased.stderr).not.toContain(second.idNo);
    expect(await found(secrets, data)).toEqual([]);
    expect((await run("ledger", "verify")).code).toBe(0);
  });

  it("cut short at any step, the same order ends it, and every value is named once", async () => {
    const secrets = await secretsOf(third);
    const keys = await openKeys(readConfig({ RONGHE_DATA: data }), layoutOf(data), crypto, "core");
    const fingerprint = await (await openFingerprints(crypto, keys)).guessable("app-user", third.appId, third.appUserId);
    const asked = orderFor(fingerprint);
    const cut = new Error("cut");
    const shardFails = ({ shards }: EraserOptions): Partial<EraserOptions> => ({
      shards: new Map([...shards].map(([number, shard]) => [number, number === 1 ? failing(shard, cut) : shard])),
    });
    await expect(
      withEraser(
        () => ({ forgetMedia: () => Promise.reject(cut) }),
        (eraser) => eraser.erase(asked),
      ),
    ).rejects.toThrow("cut");
    await expect(withEraser(shardFails, (eraser) => eraser.erase(asked))).rejects.toThrow("cut");
    const busy = await withEraser(
      () => ({ scrub: () => Promise.resolve(false) }),
      (eraser) => eraser.erase(asked),
    );
    expect(busy).toEqual({ ok: false, error: "filesInUse" });
    expect(
      await withEraser(
        () => ({}),
        (eraser) => eraser.resume(),
      ),
    ).toBe(0);
    const ended = await withEraser(
      () => ({}),
      (eraser) => eraser.erase(asked),
    );
    expect(ended).toMatchObject({ ok: true, value: { repeated: true } });
    if (!ended.ok) throw new Error("refused");
    expect(ended.value.logs.reduce((sum, log) => sum + log.commitments, 0)).toBe(secrets.filter(([what]) => what === "salt").length);
    expect(await found(secrets, data)).toEqual([]);
    expect((await run("ledger", "verify")).code).toBe(0);
  });
});
