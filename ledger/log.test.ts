import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { EventMs } from "../core/protocol/time.ts";
import { type Database, openDatabase } from "../migrations/database.ts";
import { openLog } from "./log.ts";
import type { Log } from "./port.ts";
import { AT, crypto, draft, ORIGIN, random, TestPlatform, testSigner } from "./testing/platform.ts";
import { toHex } from "./verifier/bytes.ts";
import { decodeLeaf, type Leaf } from "./verifier/leaf.ts";
import { CompactRange, treeHasher } from "./verifier/tree.ts";
import { verifyDatabase, verifyReceiptText } from "./verify-files.ts";

let platform: TestPlatform;
beforeEach(async () => {
  platform = await TestPlatform.create();
});
afterEach(async () => {
  await platform.close();
});

async function leavesOf(log: Log): Promise<readonly Leaf[]> {
  return (await log.leaves(0n, 10_000)).map(({ bytes }) => {
    const leaf = decodeLeaf(bytes);
    if (!leaf.ok) throw new Error(leaf.error.detail);
    return leaf.value;
  });
}

async function rootOfLeaves(log: Log): Promise<string> {
  const hasher = treeHasher(crypto.sm3);
  const range = new CompactRange(hasher);
  for (const { bytes } of await log.leaves(0n, 100_000)) range.append(hasher.leaf(bytes));
  return toHex(range.root());
}

const verified = async (): Promise<boolean> =>
  (await verifyDatabase({ db: platform.db, crypto, trustedKeys: [platform.signer.trusted] })).ok;
const provenAt = async (log: Log, index: bigint): Promise<boolean> =>
  verifyReceiptText(await log.receipt(index), { crypto, trustedKeys: [platform.signer.trusted] }).ok;

describe("an append", () => {
  test("says where each entry stands before it is durable, and is there once it is", async () => {
    const staged = platform.log.stage([draft(0), draft(1)], AT);
    expect(staged.positions.map(({ origin, index }) => [origin, index])).toEqual([
      [ORIGIN, 0n],
      [ORIGIN, 1n],
    ]);
    expect(platform.log.size).toBe(0n);
    await platform.db.write(staged.statements);
    staged.committed();
    expect(platform.log.size).toBe(2n);
    expect(toHex(platform.log.root)).toBe(await rootOfLeaves(platform.log));
  });

  test("writes what the draft said, in one chain", async () => {
    const positions = await platform.append(5);
    const leaves = await leavesOf(platform.log);
    expect(leaves[4]).toMatchObject({
      origin: ORIGIN,
      index: 4n,
      previous: positions[3]?.leafHash,
      kind: "settlement.settled",
      outcome: "accepted",
      actor: "edge/51010001",
      institution: "H51004",
      subject: "H51004/T4",
      parent: "H51000/T0",
      idempotencyKey: "T4",
      provenance: { topic: "settlement.request.submitted.v1", partition: 0, offset: 4n },
      ruleSetVersion: "2026-09",
      facts: [
        { name: "fen.bank.cash", value: "2854" },
        { name: "fen.insurance.hifp_pay", value: "10000" },
        { name: "fen.total", value: "12854" },
      ],
      commitments: [{ name: "name" }, { name: "person" }],
    });
    expect(leaves[4]).not.toHaveProperty("code");
  });

  test("keeps personal values out of the leaf: equal values give unequal commitments", async () => {
    await platform.append(2, { personal: { name: "张三" } });
    const [first, second] = await leavesOf(platform.log);
    expect(toHex(first?.commitments?.[0]?.hash ?? new Uint8Array())).not.toBe(toHex(second?.commitments?.[0]?.hash ?? new Uint8Array()));
    for (const { bytes } of await platform.log.leaves(0n, 2)) expect(new TextDecoder().decode(bytes)).not.toContain("张三");
  });

  test("never goes back in time, whatever the clock of the owner does", async () => {
    for (const at of [AT, (AT - 5_000) as EventMs, (AT + 1) as EventMs]) {
      const staged = platform.log.stage([draft(0)], at);
      await platform.db.write(staged.statements);
      staged.committed();
    }
    expect((await leavesOf(platform.log)).map((leaf) => leaf.postedMs)).toEqual([BigInt(AT), BigInt(AT), BigInt(AT + 1)]);
    await platform.log.checkpoint(AT);
    expect(await verified()).toBe(true);
  });

  test("of nothing changes nothing", async () => {
    const staged = platform.log.stage([], AT);
    expect(staged.statements).toEqual([]);
    staged.committed();
    expect(platform.log.size).toBe(0n);
  });

  test("is open once at a time and ends once", async () => {
    const staged = platform.log.stage([draft(0)], AT);
    expect(() => platform.log.stage([draft(1)], AT)).toThrow("still open");
    staged.aborted();
    expect(() => staged.aborted()).toThrow("ends once");
    expect(() => staged.committed()).toThrow("ends once");
    const next = platform.log.stage([draft(1)], AT);
    expect(() => staged.committed()).toThrow("ends once");
    await platform.db.write(next.statements);
    next.committed();
    expect(platform.log.size).toBe(1n);
  });

  test("that a leaf cannot hold leaves the log usable", async () => {
    expect(() => platform.log.stage([draft(0), draft(1, { subject: "\ud800" })], AT)).toThrow(RangeError);
    await platform.append(1);
    expect(platform.log.size).toBe(1n);
  });

  test("taken back leaves the same bytes to the next one, over the edge of a tile too", async () => {
    await platform.append(250);
    const staged = platform.log.stage(
      Array.from({ length: 20 }, (_, n) => draft(n)),
      AT,
    );
    staged.aborted();
    await platform.append(300);
    expect(toHex(platform.log.root)).toBe(await rootOfLeaves(platform.log));
    await platform.log.checkpoint(AT);
    expect(await verified()).toBe(true);
  });
});

describe("a second sequencer on the same log", () => {
  test("loses the race: its whole batch is aborted, effects included, and nothing forks", async () => {
    await platform.append(3);
    const second = await platform.openAgain();
    await platform.append(2);
    const staged = second.stage([draft(90)], AT);
    const effect = {
      sql: "INSERT INTO outbox (event_id, topic, key, headers, value, created_at_ms) VALUES ('e', 't', 'k', '{}', x'00', 0)",
      args: [],
    };
    await expect(platform.db.write([effect, ...staged.statements])).rejects.toThrow("UNIQUE constraint failed");
    staged.aborted();
    expect(await platform.db.read("SELECT * FROM outbox")).toHaveLength(0);
    await platform.append(1);
    await platform.log.checkpoint(AT);
    expect(await verified()).toBe(true);
  });

  test("cannot append under new indices either: the head it started from is gone", async () => {
    await platform.append(3);
    const second = await platform.openAgain();
    await platform.append(1);
    const staged = second.stage([draft(90)], AT);
    // Were the primary key of the leaf not in the way, the trigger still is.
    const renumbered = staged.statements.map(({ sql, args }) => ({
      sql: sql
        .replace("INSERT INTO leaf", "INSERT OR IGNORE INTO leaf")
        .replace("INSERT INTO disclosure", "INSERT OR IGNORE INTO disclosure"),
      args,
    }));
    await expect(platform.db.write(renumbered)).rejects.toThrow("head moved");
    staged.aborted();
  });

  test("in another process, on its own connection, is refused by the same trigger", async () => {
    await platform.append(3);
    const db = await openDatabase({ kind: "core", file: join(platform.folder, "log.db") });
    const second = await openLog({ db, origin: ORIGIN, crypto, random, signer: platform.signer });
    await platform.append(1);
    const staged = second.stage([draft(90)], AT);
    await expect(db.write(staged.statements)).rejects.toThrow("UNIQUE constraint failed");
    await db.close();
  });

  test("that signs the head it saw signs a prefix of the log, never a fork", async () => {
    await platform.append(3);
    const second = await platform.openAgain();
    await platform.append(2);
    const early = await second.checkpoint(AT);
    expect(early.size).toBe(3n);
    await platform.log.checkpoint(AT);
    expect(await verified()).toBe(true);
  });

  test("that signs the very same head gets the note that was stored first", async () => {
    await platform.append(3);
    const second = await platform.openAgain();
    const first = await platform.log.checkpoint(AT);
    expect((await second.checkpoint(AT)).note).toBe(first.note);
  });
});

test("sequencers that take turns in any order: whoever does not hold the newest head is refused, and there is one history", async () => {
  const drawn = seededDraw(20_261_121);
  const connections = await Promise.all(
    Array.from({ length: 3 }, () => openDatabase({ kind: "core", file: join(platform.folder, "log.db") })),
  );
  const open = async (db: Database): Promise<Log> => await openLog({ db, origin: ORIGIN, crypto, random, signer: platform.signer });
  const owners = await Promise.all(connections.map(async (db) => ({ db, log: await open(db) })));
  let [entries, refused] = [0, 0];
  const acknowledged = new Map<bigint, string>();
  for (let turn = 0; turn < 120; turn += 1) {
    const owner = owners[drawn(owners.length)];
    if (owner === undefined) throw new Error("no owner");
    const isNewest = Number(owner.log.size) === entries;
    const staged = owner.log.stage(
      Array.from({ length: 1 + drawn(5) }, (_, n) => draft(1_000 * turn + n)),
      AT,
    );
    const written = await owner.db.write(staged.statements).then(
      () => true,
      () => false,
    );
    expect(written).toBe(isNewest);
    if (written) {
      staged.committed();
      entries += staged.positions.length;
      for (const { index, leafHash } of staged.positions) {
        expect(acknowledged.has(index)).toBe(false);
        acknowledged.set(index, toHex(leafHash));
      }
    } else {
      staged.aborted();
      refused += 1;
      // A start on the same file reads the newest head again.
      if (drawn(2) === 0) owner.log = await open(owner.db);
    }
    if (drawn(3) === 0) await owner.log.checkpoint(AT);
  }
  expect(refused).toBeGreaterThan(20);
  expect(acknowledged.size).toBe(entries);
  const last = await open(platform.db);
  await last.checkpoint(AT);
  const hasher = treeHasher(crypto.sm3);
  for (const { index, bytes } of await last.leaves(0n, 10_000)) expect(toHex(hasher.leaf(bytes))).toBe(acknowledged.get(index));
  expect(await verified()).toBe(true);
  await Promise.all(connections.map((db) => db.close()));
});

/** Whole numbers below a bound, the same ones each time (a linear congruential generator is random enough here). */
function seededDraw(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe("the guards of the database", () => {
  test("leaves and checkpoints are neither changed nor deleted", async () => {
    await platform.append(2);
    await platform.log.checkpoint(AT);
    for (const sql of [
      "UPDATE leaf SET kind = 'x'",
      "DELETE FROM leaf WHERE idx = 1",
      "UPDATE checkpoint SET note = 'x'",
      "DELETE FROM checkpoint",
    ])
      await expect(platform.db.write([{ sql, args: [] }])).rejects.toThrow("append-only");
  });

  test("a head cannot move ahead of its leaves", async () => {
    const staged = platform.log.stage([draft(0), draft(1)], AT);
    const move = staged.statements.at(-1);
    if (move === undefined) throw new Error("no head move");
    await expect(platform.db.write([move])).rejects.toThrow("leaves missing");
    staged.aborted();
  });
});

describe("a crash", () => {
  test("between stage and commit loses only what was never acknowledged", async () => {
    await platform.append(5);
    platform.log.stage([draft(5)], AT);
    await platform.restart();
    expect(platform.log.size).toBe(5n);
    await platform.append(3);
    await platform.log.checkpoint(AT);
    expect(await verified()).toBe(true);
  });

  test("between commit and checkpoint leaves a log that says it is incomplete until it is signed", async () => {
    await platform.append(5);
    await platform.log.checkpoint(AT);
    await platform.append(2);
    const report = await verifyDatabase({ db: platform.db, crypto, trustedKeys: [platform.signer.trusted] });
    expect(report).toMatchObject({ ok: false, size: 7n, firstDefect: { name: "uncovered", index: 5n } });
    await platform.restart();
    expect(platform.log.latestCheckpoint()?.size).toBe(5n);
    await platform.log.checkpoint(AT);
    expect(await verified()).toBe(true);
  });

  test("at any size: the log opened again has the same root and goes on", async () => {
    for (const count of [1, 254, 1, 1, 255, 130]) {
      await platform.append(count);
      const { size, root } = platform.log;
      await platform.restart();
      expect(platform.log.size).toBe(size);
      expect(toHex(platform.log.root)).toBe(toHex(root));
    }
    await platform.append(7);
    expect(toHex(platform.log.root)).toBe(await rootOfLeaves(platform.log));
    await platform.log.checkpoint(AT);
    expect(await verified()).toBe(true);
  });
});

test("a log beyond 65,536 entries, with tiles of two levels, starts again and proves its oldest and newest entries", async () => {
  for (let n = 0; n < 33; n += 1) await platform.append(2_000, PLAIN);
  await platform.restart();
  await platform.append(3);
  await platform.log.checkpoint(AT);
  for (const index of [0n, 255n, 256n, 65_535n, 65_536n, 66_002n]) expect(await provenAt(platform.log, index), `entry ${index}`).toBe(true);
  expect((await platform.db.read("SELECT count(*) AS n FROM tile WHERE level = 1"))[0]?.["n"]).toBe(1n);
  expect(await verified()).toBe(true);
});
const PLAIN = { personal: {}, facts: {}, subject: "s" };

describe("a checkpoint", () => {
  test("covers the durable head only, is signed once per size, and survives a restart", async () => {
    const empty = await platform.log.checkpoint(AT);
    expect(empty.size).toBe(0n);
    await platform.append(2);
    const staged = platform.log.stage([draft(2)], AT);
    const first = await platform.log.checkpoint(AT);
    expect(first.size).toBe(2n);
    expect(await platform.log.checkpoint(AT)).toBe(first);
    staged.aborted();
    await platform.restart();
    expect(platform.log.latestCheckpoint()).toEqual(first);
    expect((await platform.log.checkpoint(AT)).note).toBe(first.note);
    expect(await verified()).toBe(true);
  });

  test("asked for twice at once is signed once", async () => {
    await platform.append(2);
    const [a, b] = await Promise.all([platform.log.checkpoint(AT), platform.log.checkpoint(AT)]);
    expect(a).toBe(b);
  });

  test("is not stored when the signer holds another key than it says", async () => {
    const liar = { ...testSigner(0x55), publicKey: platform.signer.publicKey };
    const log = await platform.openAgain(ORIGIN, liar);
    await expect(log.checkpoint(AT)).rejects.toThrow("does not sign with the key");
    expect(await platform.db.read("SELECT * FROM checkpoint")).toHaveLength(0);
  });

  test("by a new key goes on from those of the old one: an auditor trusts both", async () => {
    await platform.append(2);
    await platform.log.checkpoint(AT);
    const next = testSigner(0x66, "ronghe.example/51-2027");
    const log = await platform.openAgain(ORIGIN, next);
    await platform.append(2, {}, log);
    await log.checkpoint(AT);
    const trustedKeys = [platform.signer.trusted, next.trusted];
    expect((await verifyDatabase({ db: platform.db, crypto, trustedKeys })).ok).toBe(true);
    expect(await verifyDatabase({ db: platform.db, crypto, trustedKeys: trustedKeys.slice(0, 1) })).toMatchObject({
      firstDefect: { name: "signatureMissing", index: 4n },
    });
  });
});

describe("a receipt", () => {
  test("is for entries under a checkpoint only", async () => {
    await platform.append(3);
    await expect(platform.log.receipt(0n)).rejects.toThrow("no checkpoint");
    await platform.log.checkpoint(AT);
    await platform.append(1);
    await expect(platform.log.receipt(3n)).rejects.toThrow(RangeError);
    await expect(platform.log.receipt(-1n)).rejects.toThrow(RangeError);
    expect(await provenAt(platform.log, 2n)).toBe(true);
  });

  test("of every entry proves it, while the log grows past the checkpoint", async () => {
    await platform.append(600);
    await platform.log.checkpoint(AT);
    await platform.append(200);
    for (let index = 0n; index < 600n; index += 17n) expect(await provenAt(platform.log, index), `entry ${index}`).toBe(true);
  });
});

describe("a stored log that contradicts itself is not opened", () => {
  const cases: readonly (readonly [string, readonly string[], string])[] = [
    ["the head is missing", ["DELETE FROM head"], "head of"],
    ["a second head", ["INSERT INTO head VALUES ('other', 0, x'00')"], "several logs"],
    ["the last leaf is missing", ["DELETE FROM leaf WHERE idx = 299"], "last leaf stored is number 298"],
    [
      "a leaf of the unfinished tile was changed",
      ["UPDATE leaf SET bytes = (SELECT bytes FROM leaf WHERE idx = 280) WHERE idx = 281"],
      "root of its head",
    ],
    ["a tile was changed", ["UPDATE tile SET hashes = zeroblob(8192)"], "root of its head"],
    ["a tile is missing", ["DELETE FROM tile"], "gap"],
    ["the root of the head was changed", ["UPDATE head SET root = zeroblob(32)"], "root of its head"],
    ["the size of the head was changed", ["UPDATE head SET size = 299"], "last leaf stored is number 299"],
    ["the last checkpoint is of another size", ["UPDATE checkpoint SET size = 299"], "speaks of"],
    ["the last checkpoint cannot be read", ["UPDATE checkpoint SET note = 'x'"], "cannot be read"],
  ];
  for (const [what, statements, message] of cases)
    test(`refused: ${what}`, async () => {
      await platform.append(300);
      await platform.log.checkpoint(AT);
      await platform.tamper(...statements);
      await expect(platform.restart()).rejects.toMatchObject({ name: "LogDamagedError", message: expect.stringContaining(message) });
    });

  test("a copy older than the last signed checkpoint would sign a second history", async () => {
    await platform.append(300);
    await platform.log.checkpoint(AT);
    const note = platform.log.latestCheckpoint()?.note ?? "";
    const restored = await TestPlatform.create();
    await restored.append(280);
    await restored.db.write([{ sql: "INSERT INTO checkpoint VALUES (300, ?, 0)", args: [note] }]);
    await expect(restored.restart()).rejects.toThrow("restore the newest copy");
    await restored.append(30);
    await expect(restored.restart()).rejects.toThrow("no longer has the root that was signed for 300 entries");
    await restored.close();
  });

  test("another log than the one asked for", async () => {
    await expect(platform.openAgain("ronghe.example/51/settlement-1")).rejects.toThrow("not ronghe.example/51/settlement-1");
    await expect(platform.openAgain("with space")).rejects.toThrow(RangeError);
  });
});
