/** What a database of a kind is made of: each table, index and trigger with the text that made it. */
import { Connection, type Row } from "./connection.ts";
import { type DatabaseKind, migrate } from "./migrate.ts";

/** For every database alike; what SQLite itself adds has no text. */
export const STRUCTURE = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name";

/** Of a new, empty database of this version. */
export async function structureOf(kind: DatabaseKind): Promise<readonly Row[]> {
  const connection = new Connection(":memory:");
  try {
    await migrate(connection, kind, ":memory:");
    return connection.run({ sql: STRUCTURE, args: [] }).rows;
  } finally {
    connection.close();
  }
}
