import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openDatabase, type Statement } from "../migrations/database.ts";
import { encodeLeaf } from "./leaf-encoder.ts";
import { AT, crypto, draft, ORIGIN, TestPlatform, testSigner } from "./testing/platform.ts";
import { toHex } from "./verifier/bytes.ts";
import { decodeLeaf } from "./verifier/leaf.ts";
import { CompactRange, treeHasher } from "./verifier/tree.ts";
import type { Defect, DefectName } from "./verifier/verdict.ts";
import { type VerifyReport, verifyDatabase, type VerifyDatabaseOptions } from "./verify-files.ts";

const hasher = treeHasher(crypto.sm3);
const SIZE = 530;
let platform: TestPlatform;
let notes: string[];

beforeEach(async () => {
  platform = await TestPlatform.create();
  notes = [];
  for (const count of [3, 250, 7, 200, 70]) {
    await platform.append(count);
    notes.push((await platform.log.checkpoint(AT)).note);
  }
});
afterEach(async () => {
  await platform.close();
});

async function verify(more: Partial<VerifyDatabaseOptions> = {}): Promise<VerifyReport> {
  return await verifyDatabase({ db: platform.db, crypto, trustedKeys: [platform.signer.trusted], ...more });
}

/** The defect that a report names. A refusal shows exactly one failed check and none as passed; anything else throws. */
async function refusal(more: Partial<VerifyDatabaseOptions> = {}): Promise<Defect | undefined> {
  const { ok, checks, firstDefect } = await verify(more);
  if (ok || checks.some((check) => check.ok) || checks.filter((check) => check.detail !== "not checked").length !== 1)
    throw new Error(`this is no refusal: ${JSON.stringify(checks)}`);
  return firstDefect;
}

describe("a sound log", () => {
  test("passes every check, each with its evidence", async () => {
    const report = await verify({ origin: ORIGIN, knownCheckpoints: notes });
    expect(report.firstDefect).toBeUndefined();
    expect(report).toMatchObject({ ok: true, origin: ORIGIN, size: BigInt(SIZE) });
    expect(toHex(report.root)).toBe(toHex(platform.log.root));
    expect(Object.fromEntries(report.checks.map((check) => [check.name, check.detail]))).toEqual({
      head: "530 entries",
      leaves: "530 canonical entries without a gap",
      chain: "every entry names the one before it and is not older",
      columns: "every column says what the bytes say",
      tiles: "2 tiles derived again",
      disclosures: "1060 values open their commitments, 0 commitments have no value kept",
      checkpoints: "5 signed checkpoints, each over the root of its size",
      knownCheckpoints: "5 found in this history",
      coverage: "the newest checkpoint covers the last entry",
    });
  });

  test("is verified by another process while the owner goes on writing", async () => {
    const reader = await openDatabase({ kind: "core", file: join(platform.folder, "log.db"), readOnly: true });
    let writes = Promise.resolve();
    const report = await verify({
      db: reader,
      onProgress: () => {
        writes = writes.then(async () => {
          await platform.append(40);
          await platform.log.checkpoint(AT);
        });
      },
    });
    await writes;
    expect(report.firstDefect).toBeUndefined();
    expect(report.ok).toBe(true);
    await reader.close();
  });

  test("stays sound when a person is erased: values and salts go, commitments stay", async () => {
    await platform.db.write([{ sql: "DELETE FROM disclosure WHERE idx IN (4, 5)", args: [] }]);
    const report = await verify();
    expect(report.ok).toBe(true);
    expect(report.checks.find((check) => check.name === "disclosures")?.detail).toBe(
      "1056 values open their commitments, 4 commitments have no value kept",
    );
  });

  test("reports progress up to the end", async () => {
    const seen: bigint[] = [];
    await verify({ onProgress: (done, total) => seen.push(done, total) });
    expect(seen.slice(-2)).toEqual([530n, 530n]);
  });

  test("that is empty is sound only when its emptiness was signed", async () => {
    const empty = await TestPlatform.create();
    expect(await verify({ db: empty.db })).toMatchObject({
      ok: false,
      firstDefect: { name: "uncovered", detail: "no signed checkpoint was found" },
    });
    await empty.log.checkpoint(AT);
    expect(await verify({ db: empty.db })).toMatchObject({ ok: true, size: 0n });
    await empty.close();
  });
});

const sql = (text: string, ...args: Statement["args"]): Statement => ({ sql: text, args });

/** Everything before `size` is as it was, head and moves included: the tail has never been. */
const cut = (size: number): readonly string[] => [
  `DELETE FROM leaf WHERE idx >= ${size}`,
  `DELETE FROM disclosure WHERE idx >= ${size}`,
  `DELETE FROM tile WHERE (idx + 1) * 256 > ${size}`,
  `DELETE FROM checkpoint WHERE size > ${size}`,
  `DELETE FROM head_move WHERE size > ${size}`,
  `UPDATE head SET size = ${size}, root = (SELECT root FROM head_move WHERE size = ${size})`,
];

async function leafAt(index: number): Promise<Parameters<typeof encodeLeaf>[0]> {
  const [stored] = await platform.log.leaves(BigInt(index), 1);
  const leaf = stored === undefined ? undefined : decodeLeaf(stored.bytes);
  if (leaf?.ok !== true) throw new Error(`no leaf ${index}`);
  return leaf.value;
}

function replaced(index: number, bytes: Uint8Array): readonly Statement[] {
  return [sql("UPDATE leaf SET bytes = ?, hash = ? WHERE idx = ?", bytes, hasher.leaf(bytes), index)];
}

async function editedLeaf(index: number): Promise<readonly Statement[]> {
  return replaced(index, encodeLeaf({ ...(await leafAt(index)), ruleSetVersion: "2026-10" }));
}

describe("attacks by someone who can write the file", () => {
  test("one byte of one leaf edited, anywhere in the leaf: its place is named", async () => {
    const [stored] = await platform.log.leaves(4n, 1);
    const original = stored?.bytes ?? new Uint8Array();
    await platform.tamper();
    for (let at = 0; at < original.length; at += 5) {
      await platform.tamper(sql("UPDATE leaf SET bytes = ? WHERE idx = 4", original.with(at, (original[at] ?? 0) ^ 1)));
      const report = await verify();
      expect(report.ok, `byte ${at}`).toBe(false);
      expect(report.firstDefect?.index, `byte ${at}`).toBe(4n);
    }
    await platform.tamper(sql("UPDATE leaf SET bytes = ? WHERE idx = 4", original));
    expect((await verify()).ok).toBe(true);
  });

  test("a leaf edited together with its hash column breaks the chain after it", async () => {
    await platform.tamper(...(await editedLeaf(300)));
    expect(await refusal()).toMatchObject({ name: "leafChain", index: 301n });
  });

  test("the last leaf edited together with its hash column has another root than was signed", async () => {
    await platform.tamper(...(await editedLeaf(SIZE - 1)));
    expect(await refusal()).toMatchObject({ name: "headMismatch" });
  });

  const table: readonly (readonly [string, readonly (Statement | string)[], DefectName, number?])[] = [
    ["the last row deleted", [`DELETE FROM leaf WHERE idx = ${SIZE - 1}`], "truncated", SIZE - 1],
    ["the last 100 rows deleted", ["DELETE FROM leaf WHERE idx >= 430"], "truncated", 430],
    ["all rows deleted", ["DELETE FROM leaf"], "truncated", 0],
    ["a row in the middle deleted", ["DELETE FROM leaf WHERE idx = 77"], "leafIndex", 77],
    ["the first row deleted", ["DELETE FROM leaf WHERE idx = 0"], "leafIndex", 0],
    ["the rows of one institution deleted", ["DELETE FROM leaf WHERE institution = 'H51003'"], "leafIndex", 3],
    [
      "two rows swapped",
      ["UPDATE leaf SET idx = -1 WHERE idx = 10", "UPDATE leaf SET idx = 10 WHERE idx = 11", "UPDATE leaf SET idx = 11 WHERE idx = -1"],
      "leafIndex",
      10,
    ],
    [
      "a row deleted and those behind it numbered anew",
      ["DELETE FROM leaf WHERE idx = 40", "UPDATE leaf SET idx = -idx WHERE idx > 40", "UPDATE leaf SET idx = -idx - 1 WHERE idx < 0"],
      "leafIndex",
      40,
    ],
    [
      "a row doubled behind the end",
      [`INSERT INTO leaf SELECT ${SIZE}, bytes, hash, kind, institution, subject, at_ms FROM leaf WHERE idx = 529`],
      "headMismatch",
    ],
    [
      "a row in front of the first",
      ["INSERT INTO leaf SELECT -1, bytes, hash, kind, institution, subject, at_ms FROM leaf WHERE idx = 0"],
      "leafIndex",
      0,
    ],
    ["the head deleted", ["DELETE FROM head"], "headMissing"],
    ["a second head", ["INSERT INTO head VALUES ('other', 0, x'00')"], "headMismatch"],
    ["the root of the head replaced", ["UPDATE head SET root = zeroblob(32)"], "headMismatch"],
    ["the root of the head of another kind", ["UPDATE head SET root = 'text'"], "headMismatch"],
    [
      "the head set back, the rows kept",
      ["UPDATE head SET size = 460, root = (SELECT root FROM head_move WHERE size = 460)"],
      "headMismatch",
    ],
    ["the head set forward", ["UPDATE head SET size = 531"], "truncated", SIZE],
    ["the name of the log changed in the head", ["UPDATE head SET origin = 'ronghe.example/51/settlement-1'"], "leafOrigin", 0],
    ["a head move changed", ["UPDATE head_move SET from_size = 1 WHERE size = 253"], "headMismatch", 253],
    ["a head move deleted", ["DELETE FROM head_move WHERE size = 530"], "headMismatch"],
    ["a head move behind the end", ["INSERT INTO head_move VALUES (600, x'00', 530, x'00')"], "headMismatch"],
    ["the right root signed, the wrong size", ["UPDATE checkpoint SET size = 529 WHERE size = 530"], "checkpointSize", 529],
    [
      "an old checkpoint in place of the newest",
      ["UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE size = 460) WHERE size = 530"],
      "checkpointSize",
      530,
    ],
    ["a checkpoint of negative size", ["INSERT INTO checkpoint SELECT -5, note, 0 FROM checkpoint WHERE size = 3"], "checkpointSize", 0],
    [
      "a checkpoint's text changed",
      ["UPDATE checkpoint SET note = replace(note, 'settlement-0', 'settlement-9') WHERE size = 253"],
      "signatureInvalid",
      253,
    ],
    [
      "a checkpoint without its signature",
      ["UPDATE checkpoint SET note = substr(note, 1, instr(note, char(8212)) - 1) WHERE size = 253"],
      "noteMalformed",
      253,
    ],
    ["the newest checkpoint deleted", ["DELETE FROM checkpoint WHERE size = 530"], "uncovered", 460],
    ["all checkpoints deleted", ["DELETE FROM checkpoint"], "uncovered", 0],
    ["a tile changed", ["UPDATE tile SET hashes = zeroblob(8192) WHERE idx = 1"], "tileMismatch", 512],
    ["a tile deleted", ["DELETE FROM tile WHERE idx = 0"], "tileMismatch", 256],
    ["a tile behind the end", ["INSERT INTO tile SELECT 0, 2, hashes FROM tile WHERE idx = 1"], "tileMismatch"],
    ["a tile of a level that does not exist", ["INSERT INTO tile SELECT 1, 0, hashes FROM tile WHERE idx = 1"], "tileMismatch"],
    ["the kind column changed", ["UPDATE leaf SET kind = 'settlement.refunded' WHERE idx = 20"], "projectionMismatch", 20],
    ["the institution column changed", ["UPDATE leaf SET institution = 'H1' WHERE idx = 20"], "projectionMismatch", 20],
    ["the institution column emptied", ["UPDATE leaf SET institution = NULL WHERE idx = 20"], "projectionMismatch", 20],
    ["the subject column of another kind", ["UPDATE leaf SET subject = CAST(subject AS BLOB) WHERE idx = 20"], "projectionMismatch", 20],
    ["the time column changed", ["UPDATE leaf SET at_ms = at_ms + 1 WHERE idx = 20"], "projectionMismatch", 20],
    ["the hash column changed", ["UPDATE leaf SET hash = zeroblob(32) WHERE idx = 20"], "projectionMismatch", 20],
    ["the hash column cut", ["UPDATE leaf SET hash = x'00' WHERE idx = 20"], "projectionMismatch", 20],
    ["the leaf bytes of another kind", ["UPDATE leaf SET bytes = CAST(bytes AS TEXT) WHERE idx = 20"], "projectionMismatch"],
    ["a personal value changed", ["UPDATE disclosure SET value = '李四' WHERE idx = 20 AND name = 'name'"], "commitmentMismatch", 20],
    ["a salt changed", ["UPDATE disclosure SET salt = zeroblob(16) WHERE idx = 20"], "commitmentMismatch", 20],
    [
      "a personal value under another entry",
      ["UPDATE disclosure SET idx = 21, name = 'x' WHERE idx = 20 AND name = 'name'"],
      "commitmentMismatch",
      21,
    ],
    ["a personal value behind the end", ["UPDATE disclosure SET idx = 9999 WHERE idx = 529"], "commitmentMismatch"],
    ["a personal value before the first entry", ["UPDATE disclosure SET idx = -1 WHERE idx = 529"], "commitmentMismatch", 0],
  ];
  for (const [what, statements, name, index] of table)
    test(`${what}: ${name}`, async () => {
      await platform.tamper(...statements);
      expect(await refusal()).toMatchObject({ name, ...(index === undefined ? {} : { index: BigInt(index) }) });
    });

  test("the tail cut with all that belongs to it: only a checkpoint that somebody kept shows it", async () => {
    await platform.tamper(...cut(460));
    expect((await verify()).ok).toBe(true);
    expect(await refusal({ knownCheckpoints: notes })).toMatchObject({ name: "truncated", index: 460n });
    expect(await refusal({ knownCheckpoints: notes.slice(-1) })).toMatchObject({ name: "truncated", index: 460n });
  });

  test("the tail cut, the newest checkpoint left", async () => {
    const [, ...rest] = cut(460);
    await platform.tamper(...cut(460).slice(0, 1), ...rest.filter((statement) => !statement.includes("FROM checkpoint")));
    expect(await refusal()).toMatchObject({ name: "truncated", index: 460n });
  });

  test("the whole log emptied back to a signed beginning", async () => {
    await platform.tamper(...cut(3));
    expect(await refusal({ knownCheckpoints: notes })).toMatchObject({ name: "truncated", index: 3n });
  });

  test("the whole chain rewritten, consistent in itself: the signed roots refuse it", async () => {
    await platform.tamper(...(await rewritten({ keepCheckpoints: true })));
    expect(await refusal()).toMatchObject({ name: "checkpointRoot", index: 3n });
  });

  test("the same without its checkpoints, or signed by another key of the same name", async () => {
    await platform.tamper(...(await rewritten({ keepCheckpoints: false })));
    expect(await refusal()).toMatchObject({ name: "uncovered", index: 0n });
    const forger = testSigner(0x77);
    await (await platform.openAgain(ORIGIN, forger)).checkpoint(AT);
    expect(await refusal()).toMatchObject({ name: "signatureMissing", index: BigInt(SIZE) });
  });

  test("the same signed by the stolen key of the log: a checkpoint that somebody kept refuses it", async () => {
    await platform.tamper(...(await rewritten({ keepCheckpoints: false })));
    await (await platform.openAgain()).checkpoint(AT);
    expect((await verify()).ok).toBe(true);
    expect(await refusal({ knownCheckpoints: notes })).toMatchObject({ name: "knownCheckpoint", index: 3n });
  });

  test("the log of another origin in place of this one", async () => {
    const other = await TestPlatform.create("ronghe.example/51/settlement-1");
    await other.append(5);
    const { note } = await other.log.checkpoint(AT);
    expect(await refusal({ db: other.db, origin: ORIGIN })).toMatchObject({ name: "headMismatch" });
    expect(await refusal({ knownCheckpoints: [note] })).toMatchObject({ name: "checkpointOrigin" });
    await platform.tamper(sql("INSERT INTO checkpoint VALUES (5, ?, 0)", note));
    expect(await refusal()).toMatchObject({ name: "checkpointOrigin", index: 5n });
    await other.close();
  });

  test("a key that is trusted for another log only", async () => {
    expect(await refusal({ trustedKeys: [{ ...platform.signer.trusted, origins: ["ronghe.example/51/registry"] }] })).toMatchObject({
      name: "signatureMissing",
      index: 3n,
    });
  });

  test("known checkpoints that are no evidence themselves", async () => {
    expect(await refusal({ knownCheckpoints: ["x"] })).toMatchObject({ name: "noteMalformed" });
    expect(await refusal({ knownCheckpoints: [(notes[0] ?? "").replace("\n3\n", "\n4\n")] })).toMatchObject({ name: "signatureInvalid" });
  });

  test("time that runs backwards", async () => {
    const leaf = await leafAt(SIZE - 1);
    await platform.tamper(
      ...replaced(SIZE - 1, encodeLeaf({ ...leaf, postedMs: BigInt(AT) - 1n })),
      sql("UPDATE leaf SET at_ms = ? WHERE idx = 529", AT - 1),
    );
    expect(await refusal()).toMatchObject({ name: "leafTime", index: BigInt(SIZE - 1) });
  });

  /** Entry 1 says another amount; every hash, tile, move and head behind it is computed anew. */
  async function rewritten({ keepCheckpoints }: { keepCheckpoints: boolean }): Promise<readonly (Statement | string)[]> {
    const statements: (Statement | string)[] = [];
    const range = new CompactRange(hasher);
    const roots = new Map<number, Uint8Array>();
    const hashes: Uint8Array[] = [];
    for (let index = 0; index < SIZE; index += 1) {
      const leaf = await leafAt(index);
      const bytes = encodeLeaf({
        ...leaf,
        previous: hashes.at(-1),
        ...(index === 1 ? { facts: [{ name: "fen.total", value: "1" }] } : {}),
      });
      const hash = hasher.leaf(bytes);
      hashes.push(hash);
      range.append(hash);
      roots.set(range.size, range.root());
      statements.push(...replaced(index, bytes));
    }
    for (const tile of [0, 1]) {
      const content = new Uint8Array(8192);
      for (let at = 0; at < 256; at += 1) content.set(hashes[tile * 256 + at] ?? new Uint8Array(), at * 32);
      statements.push(sql("UPDATE tile SET hashes = ? WHERE idx = ?", content, tile));
    }
    for (const row of await platform.db.read("SELECT size, from_size FROM head_move")) {
      const [size, from] = [Number(row["size"]), Number(row["from_size"])];
      statements.push(
        sql(
          "UPDATE head_move SET root = ?, from_root = ? WHERE size = ?",
          roots.get(size) ?? hasher.empty(),
          roots.get(from) ?? hasher.empty(),
          size,
        ),
      );
    }
    statements.push(sql("UPDATE head SET root = ?", range.root()));
    if (!keepCheckpoints) statements.push("DELETE FROM checkpoint");
    return statements;
  }
});

test("a file that is no database is refused by name, without an exception", async () => {
  const file = join(platform.folder, "damaged.db");
  await writeFile(file, "this is no database, it only has its name".repeat(200));
  const db = await openDatabase({ kind: "core", file, readOnly: true });
  expect(await verify({ db })).toMatchObject({ ok: false, firstDefect: { name: "unreadable" } });
  await db.close();
});

test("a draft with every field left out that may be left out verifies too", async () => {
  const bare = await TestPlatform.create();
  const staged = bare.log.stage(
    [
      { kind: "k", outcome: "accepted", actor: "core" },
      draft(1, { personal: {}, facts: {} }),
      draft(2, { subject: "", institution: "é e\u0301" }),
    ],
    AT,
  );
  await bare.db.write(staged.statements);
  staged.committed();
  await bare.log.checkpoint(AT);
  expect(await verify({ db: bare.db })).toMatchObject({ ok: true, size: 3n });
  await bare.close();
});
