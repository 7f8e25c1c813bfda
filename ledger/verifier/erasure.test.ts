/** Entries that say what was erased: believed only when whole, and when they name what is there. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exportFolder } from "../export/folder.ts";
import { exportPlatform } from "../export/platform.ts";
import { AT, crypto, TestPlatform } from "../testing/platform.ts";
import { proveEntries } from "../export/prove.ts";
import { toHex, utf8 } from "./bytes.ts";
import { ERASURE_KIND, erasureOf } from "./erasure.ts";
import { decodeLeaf, type Leaf } from "./leaf.ts";
import { printPolicy } from "./policy.ts";
import { type ReceiptReport, verifyReceipt } from "./receipt.ts";
import { verifyExport } from "./export.ts";

let platform: TestPlatform;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-erasure-"));
  platform = await TestPlatform.create();
  await platform.append(300);
});
afterAll(async () => {
  await platform.close();
  await rm(folder, { recursive: true });
});

async function leafAt(index: bigint): Promise<Leaf> {
  const [stored] = await platform.log.leaves(index, 1);
  const leaf = decodeLeaf(stored?.bytes ?? new Uint8Array());
  if (!leaf.ok) throw new Error(leaf.error.detail);
  return leaf.value;
}

async function namesOf(index: bigint, names: readonly string[] = ["name", "person"]): Promise<Record<string, string>> {
  const { commitments = [] } = await leafAt(index);
  return Object.fromEntries(
    commitments.filter(({ name }) => names.includes(name)).map(({ name, hash }) => [`erased/${index}/${name}`, toHex(hash)]),
  );
}

const ORDER = { approvedBy: "wang", ground: "withdrawn", scope: "person", part: "1/1" };

/** Appends an erasure entry and signs; gives its index. */
async function erase(facts: Record<string, string>, more: object = {}): Promise<bigint> {
  const at = platform.log.size;
  const staged = platform.log.stage(
    [{ kind: ERASURE_KIND, outcome: "accepted", actor: "operator/li", subject: "order-1", facts: { ...ORDER, ...facts }, ...more }],
    AT,
  );
  await platform.db.write(staged.statements);
  staged.committed();
  await platform.log.checkpoint(AT);
  return at;
}

async function receipt(indices: readonly bigint[], disclose = false): Promise<ReceiptReport> {
  const checkpoint = platform.log.latestCheckpoint();
  if (checkpoint === undefined) throw new Error("unsigned");
  const { db, log } = platform;
  const text = await proveEntries({ db, sm3: crypto.sm3, origin: log.origin, indices, checkpoint, disclose: () => disclose });
  return verifyReceipt(crypto, text, [platform.signer.trusted]);
}

const refused = (report: ReceiptReport): unknown => [report.verdict, report.firstDefect?.name];

describe("a receipt with the erasure of what it commits to", () => {
  test("is valid and says at which entry each field was erased", async () => {
    const at = await erase(await namesOf(5n));
    const report = await receipt([5n, at]);
    expect(report.ok).toBe(true);
    expect(report.checks.at(-1)).toMatchObject({
      name: "disclosures",
      detail: `0 of 2 personal fields disclosed, 2 erased lawfully at entry ${at}`,
      evidence: { erasedAt: [String(at)] },
    });
    expect(report.proven?.entries[0]?.erased.map(({ name, by }) => [name, by.at, by.order, by.approvedBy])).toEqual([
      ["name", at, "order-1", "wang"],
      ["person", at, "order-1", "wang"],
    ]);
  });

  test("is refused when a value is disclosed that it says was destroyed", async () => {
    const at = await erase(await namesOf(6n, ["name"]));
    expect(refused(await receipt([6n, at], true))).toEqual(["invalid", "erasedDisclosed"]);
    expect((await receipt([6n, at])).ok).toBe(true);
  });

  test("is refused when the erasure names a commitment that the entry does not have", async () => {
    const other = Object.values(await namesOf(8n, ["name"]))[0] ?? "";
    expect(refused(await receipt([7n, await erase({ "erased/7/name": other })]))).toEqual(["invalid", "erasureMismatch"]);
    expect(refused(await receipt([7n, await erase({ "erased/7/address": other })]))).toEqual(["invalid", "erasureMismatch"]);
  });

  const hash = "ab".repeat(32);
  const malformed: readonly (readonly [what: string, facts: Record<string, string>, more: object])[] = [
    ["one person ordered and approved", { "erased/1/name": hash, approvedBy: "li" }, {}],
    ["nobody approved", { "erased/1/name": hash, approvedBy: "" }, {}],
    ["no commitment is named", {}, {}],
    ["the hash is too short", { "erased/1/name": hash.slice(2) }, {}],
    ["the hash is in capitals", { "erased/1/name": hash.toUpperCase() }, {}],
    ["the index has a leading zero", { "erased/01/name": hash }, {}],
    ["the field has no name", { "erased/1/": hash }, {}],
    ["it names an entry behind itself", { "erased/99999/name": hash }, {}],
    ["it has no order", { "erased/1/name": hash }, { subject: undefined }],
    ["it was refused", { "erased/1/name": hash }, { outcome: "refused", code: "600041" }],
  ];
  test.each(malformed)("is refused when %s", async (_, facts, more) => {
    expect(refused(await receipt([1n, await erase(facts, more)]))).toEqual(["invalid", "erasureMalformed"]);
  });

  test("entries of other kinds are no erasure, whatever facts they have", async () => {
    expect(erasureOf({ ...(await leafAt(1n)), facts: [{ name: "erased/0/name", value: hash }] })).toBeUndefined();
  });
});

const verify = async (): Promise<Awaited<ReturnType<typeof verifyExport>>> => {
  const out = join(folder, String(platform.log.size));
  await exportPlatform({
    folder: exportFolder(out),
    logs: [{ origin: platform.log.origin, db: platform.db, note: platform.log.latestCheckpoint()?.note ?? "" }],
    policy: utf8(printPolicy([{ ...platform.signer.trusted, origins: [platform.log.origin] }])),
    sm3: crypto.sm3,
  });
  return await verifyExport({ files: exportFolder(out), crypto, trust: [platform.signer.trusted] });
};

describe("an export with erasures", () => {
  let clean: TestPlatform;
  beforeAll(async () => {
    clean = platform;
    platform = await TestPlatform.create();
    await platform.append(300);
  });
  afterAll(async () => {
    await platform.close();
    platform = clean;
  });
  test("is valid, and says what was erased where, over several bundles", async () => {
    const at = await erase({ ...(await namesOf(3n)), ...(await namesOf(290n)) });
    const report = await verify();
    expect(report.ok).toBe(true);
    expect(report.logs[0]?.checks.find(({ name }) => name === "leaves")).toMatchObject({
      detail: `301 canonical entries without a gap, 4 personal values erased lawfully at entry ${at}`,
      evidence: { erasedAt: String(at) },
    });
  });

  test("is refused when an erasure names a commitment that is not there", async () => {
    const at = await erase({ "erased/290/name": hashOfNothing });
    const report = await verify();
    expect([report.verdict, report.firstDefect?.name, report.firstDefect?.index]).toEqual(["invalid", "erasureMismatch", at]);
  });
});

const hashOfNothing = toHex(crypto.sm3());
