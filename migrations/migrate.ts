import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import type { Connection, Row } from "./connection.ts";

/** One folder of generated SQL per kind. */
export type DatabaseKind = "edge" | "core" | "shard" | "bus" | "streams" | "books" | "statement" | "rails" | "payers" | "witness";

export class SchemaError extends Error {
  override readonly name = "SchemaError";
}

/**
 * Brings a database up to this version's schema. A file that some other or newer version wrote is refused:
 * applied migrations must be a prefix of ours, hash by hash.
 */
export async function migrate(connection: Pick<Connection, "run" | "batch">, kind: DatabaseKind, file: string): Promise<void> {
  connection.run({
    sql: "CREATE TABLE IF NOT EXISTS schema_migration (position INTEGER PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL)",
    args: [],
  });
  const applied = appliedTo(connection);
  const ours = await migrationsOf(kind);
  refuseForeign(applied, ours, kind, file);
  for (const [at, migration] of ours.entries()) {
    if (at < applied.length) continue;
    connection.batch([
      ...migration.statements.map((sql) => ({ sql, args: [] })),
      { sql: "INSERT INTO schema_migration (position, name, hash) VALUES (?, ?, ?)", args: [at, migration.name, migration.hash] },
    ]);
  }
}

/** Refuses a database that another or newer version wrote, for those who only read it. An unreadable one is theirs to explain. */
export async function checkSchema(connection: Pick<Connection, "run">, kind: DatabaseKind, file: string): Promise<void> {
  let applied: readonly Row[];
  try {
    applied = appliedTo(connection);
  } catch {
    return;
  }
  refuseForeign(applied, await migrationsOf(kind), kind, file);
}

function appliedTo(connection: Pick<Connection, "run">): readonly Row[] {
  return connection.run({ sql: "SELECT position, name, hash FROM schema_migration ORDER BY position", args: [] }).rows;
}

function refuseForeign(applied: readonly Row[], ours: readonly Migration[], kind: DatabaseKind, file: string): void {
  if (applied.length > ours.length)
    throw new SchemaError(
      `${file} has schema ${applied.length} of ${kind}, this version knows ${ours.length}: run a newer Ronghe, or restore a backup`,
    );
  for (const [at, row] of applied.entries()) {
    const mine = ours[at];
    if (mine === undefined || mine.hash !== row["hash"])
      throw new SchemaError(`${file} was written by another version of Ronghe (${kind} migration ${String(row["name"])} differs)`);
  }
}

interface Migration {
  readonly name: string;
  readonly hash: string;
  readonly statements: readonly string[];
}

async function migrationsOf(kind: DatabaseKind): Promise<readonly Migration[]> {
  const folder = new URL(`./${kind}/`, import.meta.url);
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
  return await Promise.all(
    names.map(async (name) => {
      const sql = await readFile(new URL(name, folder), "utf8");
      return {
        name,
        hash: createHash("sha256").update(sql).digest("hex"),
        statements: statementsOf(sql),
      };
    }),
  );
}

/** The statements of a migration's or guards' file, in order. */
export function statementsOf(text: string): readonly string[] {
  return text
    .split("--> statement-breakpoint")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
