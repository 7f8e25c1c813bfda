import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import { afterEach, beforeEach, expect, test } from "vitest";
import { insertRows, openDatabase } from "./database.ts";
import { SchemaError } from "./migrate.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ronghe-database-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});
const file = (): string => join(folder, "bus.db");

test("a new file gets its schema, write-ahead log and full durability; opening again changes nothing", async () => {
  const first = await openDatabase({ kind: "bus", file: file() });
  const [mode] = await first.read("PRAGMA journal_mode");
  expect(mode?.["journal_mode"]).toBe("wal");
  await first.close();
  const again = await openDatabase({ kind: "bus", file: file() });
  const rows = await again.read("SELECT name FROM schema_migration");
  expect(rows.length).toBeGreaterThan(0);
  await again.close();
});

test("a database of a newer schema is refused with one clear line and left as it was", async () => {
  const database = await openDatabase({ kind: "bus", file: file() });
  await database.write([{ sql: "INSERT INTO schema_migration (position, name, hash) VALUES (99, '0099_future.sql', 'x')", args: [] }]);
  await database.close();
  await expect(openDatabase({ kind: "bus", file: file() })).rejects.toThrow(SchemaError);
  await expect(openDatabase({ kind: "bus", file: file() })).rejects.toThrow(/has schema \d+ of bus, this version knows \d+/);
});

test("whoever only reads is refused the same database", async () => {
  const database = await openDatabase({ kind: "bus", file: file() });
  await database.write([{ sql: "INSERT INTO schema_migration (position, name, hash) VALUES (99, '0099_future.sql', 'x')", args: [] }]);
  await database.close();
  await expect(openDatabase({ kind: "bus", file: file(), readOnly: true })).rejects.toThrow(SchemaError);
});

test("a database whose migrations differ from ours is refused", async () => {
  const database = await openDatabase({ kind: "bus", file: file() });
  await database.write([{ sql: "UPDATE schema_migration SET hash = 'other' WHERE position = 0", args: [] }]);
  await database.close();
  await expect(openDatabase({ kind: "bus", file: file() })).rejects.toThrow("written by another version");
});

test("a batch is all or nothing", async () => {
  const database = await openDatabase({ kind: "bus", file: file() });
  await database.write([{ sql: "CREATE TABLE t (n INTEGER PRIMARY KEY)", args: [] }]);
  await expect(
    database.write([
      { sql: "INSERT INTO t VALUES (1)", args: [] },
      { sql: "INSERT INTO t VALUES (1)", args: [] },
    ]),
  ).rejects.toThrow("UNIQUE constraint failed");
  expect(await database.read("SELECT * FROM t")).toHaveLength(0);
  await database.close();
});

test("a reader of another process can read and cannot write", async () => {
  const owner = await openDatabase({ kind: "bus", file: file() });
  await owner.write([
    { sql: "CREATE TABLE t (n INTEGER)", args: [] },
    { sql: "INSERT INTO t VALUES (7)", args: [] },
  ]);
  const reader = await openDatabase({ kind: "bus", file: file(), readOnly: true });
  expect((await reader.read("SELECT n FROM t"))[0]?.["n"]).toBe(7n);
  await expect(reader.write([{ sql: "INSERT INTO t VALUES (8)", args: [] }])).rejects.toThrow("readonly");
  await reader.close();
  await owner.close();
});

test("after SQLITE_BUSY the writer reconnects and the write succeeds once the other has let go", async () => {
  const database = await openDatabase({ kind: "bus", file: file() });
  await database.write([{ sql: "CREATE TABLE t (n INTEGER)", args: [] }]);
  const intruder = createClient({ url: `file:${file()}` });
  const lock = await intruder.transaction("write");
  const write = database.write([{ sql: "INSERT INTO t VALUES (1)", args: [] }]);
  setTimeout(() => void lock.rollback(), 40);
  await write;
  expect(database.busyCount).toBeGreaterThan(0);
  // The client is not poisoned (libsql-client-ts #352): batches go on.
  await database.write([{ sql: "INSERT INTO t VALUES (2)", args: [] }]);
  expect(await database.read("SELECT * FROM t")).toHaveLength(2);
  intruder.close();
  await database.close();
});

test("many concurrent writes all land", async () => {
  const database = await openDatabase({ kind: "bus", file: file() });
  await database.write([{ sql: "CREATE TABLE t (n INTEGER)", args: [] }]);
  await Promise.all(Array.from({ length: 50 }, (_, n) => database.write([{ sql: "INSERT INTO t VALUES (?)", args: [n] }])));
  expect(await database.read("SELECT * FROM t")).toHaveLength(50);
  await database.close();
});

test("rows are split over statements of two texts, so that each is prepared once, and none passes the parameter limit", async () => {
  const rows = Array.from({ length: 1_003 }, (_, n) => [n, `v${n}`]);
  const statements = insertRows("t", ["n", "v"], rows, "ON CONFLICT DO NOTHING");
  expect(new Set(statements.map((statement) => statement.sql)).size).toBe(2);
  expect(statements.flatMap((statement) => statement.args)).toEqual(rows.flat());
  const database = await openDatabase({ kind: "bus", file: file() });
  await database.write([{ sql: "CREATE TABLE t (n INTEGER PRIMARY KEY, v TEXT)", args: [] }, ...statements]);
  const stored = await database.read("SELECT n, v FROM t ORDER BY n");
  expect(stored.map((row) => [Number(row["n"]), row["v"]])).toEqual(rows);
  expect(insertRows("t", ["n"], [])).toEqual([]);
  await database.close();
});

const blob = (value: unknown): unknown => (value instanceof ArrayBuffer ? [...new Uint8Array(value)] : value);
const insert = (n: number): { sql: string; args: readonly number[] } => ({ sql: "INSERT INTO t VALUES (?)", args: [n] });

test("values come back as they went in: integers beyond 2^53, blobs that share a buffer, empty and absent ones, booleans", async () => {
  const database = await openDatabase({ kind: "bus", file: file() });
  const part = new Uint8Array([9, 1, 2, 9]).subarray(1, 3);
  await database.write([
    { sql: "CREATE TABLE t (n INTEGER PRIMARY KEY, big INTEGER, piece BLOB, none BLOB, gone TEXT, flag INTEGER, text TEXT)", args: [] },
    { sql: "INSERT INTO t VALUES (1, ?, ?, ?, ?, ?, ?)", args: [(1n << 62n) + 1n, part, new Uint8Array(), null, true, "\ud83d\ude00"] },
  ]);
  const [row] = await database.read("SELECT * FROM t");
  expect({ ...row, piece: blob(row?.["piece"]), none: blob(row?.["none"]) }).toEqual({
    n: 1n,
    big: (1n << 62n) + 1n,
    piece: [1, 2],
    none: [],
    gone: null,
    flag: 1n,
    text: "\ud83d\ude00",
  });
  await expect(database.read("SELECT ?", Number.NaN)).rejects.toThrow(RangeError);
  await expect(database.read("SELECT ?", undefined as unknown as string)).rejects.toThrow(TypeError);
  await database.close();
});

test("a statement kept prepared sees a changed schema", async () => {
  const database = await openDatabase({ kind: "bus", file: file() });
  await database.write([
    { sql: "CREATE TABLE t (n INTEGER)", args: [] },
    { sql: "INSERT INTO t VALUES (7)", args: [] },
  ]);
  const ask = async (): Promise<unknown> => await database.read("SELECT * FROM t");
  expect(await ask()).toEqual([{ n: 7n }]);
  await database.write([{ sql: "ALTER TABLE t ADD COLUMN m TEXT DEFAULT 'x'", args: [] }]);
  expect(await ask()).toEqual([{ n: 7n, m: "x" }]);
  await database.close();
});

test("a statement that failed can be used again, and what was written before it in its batch is gone", async () => {
  const database = await openDatabase({ kind: "bus", file: file() });
  await database.write([{ sql: "CREATE TABLE t (n INTEGER PRIMARY KEY)", args: [] }]);
  for (let n = 0; n < 20; n += 1) {
    await expect(database.write([insert(2 * n), insert(2 * n)])).rejects.toThrow("UNIQUE constraint failed");
    const [, second] = await database.write([insert(2 * n), { sql: "UPDATE t SET n = n + 1 WHERE n = ?", args: [2 * n] }]);
    expect(second?.rowsAffected).toBe(1);
  }
  expect(await database.read("SELECT * FROM t")).toHaveLength(20);
  await database.close();
});

test("a closed database refuses politely, and what was queued before the close is written", async () => {
  const database = await openDatabase({ kind: "bus", file: file() });
  const queued = database.write([{ sql: "CREATE TABLE t (n INTEGER)", args: [] }]);
  await Promise.all([database.close(), database.close()]);
  await queued;
  await expect(database.read("SELECT 1")).rejects.toThrow("is closed");
  await expect(database.write([{ sql: "SELECT 1", args: [] }])).rejects.toThrow("is closed");
});

test("every write waits for the disk, but for those that need only survive the process", async () => {
  const database = await openDatabase({ kind: "bus", file: file() });
  const ask = [{ sql: "PRAGMA synchronous", args: [] }];
  const levels: unknown[] = [];
  for (const durability of [undefined, "process", undefined, "power", "process", "process", "power"] as const)
    levels.push((await database.write(ask, durability))[0]?.rows[0]?.["synchronous"]);
  const [full, normal] = [2n, 1n];
  expect(levels).toEqual([full, normal, full, full, normal, normal, full]);
  await database.close();
});

test("a file that is a folder is a trouble with its place and SQLite's code, as other files that cannot be opened are", async () => {
  await mkdir(file());
  await expect(openDatabase({ kind: "bus", file: file() })).rejects.toMatchObject({ path: file(), rawCode: 14 });
});
