import { mkdtemp, rm } from "node:fs/promises";
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

test("rows are split over statements so that none passes the parameter limit", () => {
  const rows = Array.from({ length: 25_000 }, (_, n) => [n, "x"]);
  const statements = insertRows("t", ["n", "v"], rows);
  expect(statements).toHaveLength(2);
  expect(statements.flatMap((statement) => statement.args)).toHaveLength(50_000);
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
