import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import type { Client } from "@libsql/client";

/** One folder of generated SQL per kind. */
export type DatabaseKind = "edge" | "core" | "shard" | "bus" | "streams";

export class SchemaError extends Error {
  override readonly name = "SchemaError";
}

/**
 * Brings a database up to this version's schema. A file that some other or newer version wrote is refused:
 * applied migrations must be a prefix of ours, hash by hash.
 */
export async function migrate(client: Client, kind: DatabaseKind, file: string): Promise<void> {
  await client.execute(
    "CREATE TABLE IF NOT EXISTS schema_migration (position INTEGER PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL)",
  );
  const applied = (await client.execute("SELECT position, name, hash FROM schema_migration ORDER BY position")).rows;
  const ours = await migrationsOf(kind);
  if (applied.length > ours.length)
    throw new SchemaError(
      `${file} has schema ${applied.length} of ${kind}, this version knows ${ours.length}: run a newer Ronghe, or restore a backup`,
    );
  for (const [at, row] of applied.entries()) {
    const mine = ours[at];
    if (mine === undefined || mine.hash !== row["hash"])
      throw new SchemaError(`${file} was written by another version of Ronghe (${kind} migration ${String(row["name"])} differs)`);
  }
  for (const [at, migration] of ours.entries()) {
    if (at < applied.length) continue;
    await client.batch(
      [
        ...migration.statements,
        { sql: "INSERT INTO schema_migration (position, name, hash) VALUES (?, ?, ?)", args: [at, migration.name, migration.hash] },
      ],
      "write",
    );
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
        statements: sql
          .split("--> statement-breakpoint")
          .map((part) => part.trim())
          .filter((part) => part !== ""),
      };
    }),
  );
}
