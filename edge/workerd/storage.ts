/** A Durable Object's storage as far as the edge uses it: SQLite, one transaction at a time, and one alarm. */
export type SqlValue = string | number | null | ArrayBuffer;
export interface Sql {
  /** Runs at once; what is written is durable before anything leaves the object (output gate). At most 100 bindings. */
  exec(query: string, ...bindings: (SqlValue | Uint8Array)[]): SqlRows;
}
export interface SqlRows {
  toArray(): Record<string, SqlValue>[];
  readonly rowsWritten: number;
}
export interface ObjectStorage {
  readonly sql: Sql;
  transactionSync<T>(work: () => T): T;
  getAlarm(): Promise<number | null>;
  setAlarm(atMs: number): Promise<void>;
}
export interface ObjectId {
  equals(other: ObjectId): boolean;
}
export interface ObjectState {
  readonly id: ObjectId;
  readonly storage: ObjectStorage;
  /** Nothing else runs in the object until `work` is done; a throw ends the object. */
  blockConcurrencyWhile<T>(work: () => Promise<T>): Promise<T>;
}

/** An object as others see it: every method answers later. */
export type Remote<Target> = {
  readonly [Method in keyof Target as Target[Method] extends (...args: never[]) => unknown ? Method : never]: Target[Method] extends (
    ...args: infer Args
  ) => infer Answer
    ? (...args: Args) => Promise<Awaited<Answer>>
    : never;
};
export interface Namespace<Target> {
  idFromName(name: string): ObjectId;
  get(id: ObjectId): Remote<Target>;
}

/** One generated migration. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
}

export class ObjectSchemaError extends Error {
  override readonly name = "ObjectSchemaError";
}

/**
 * Brings an object to this version's tables, as `migrations/migrate.ts` does for files: what was applied must be a prefix
 * of ours, hash by hash.
 */
export async function migrateObject(storage: ObjectStorage, migrations: readonly Migration[]): Promise<void> {
  const { sql } = storage;
  sql.exec("CREATE TABLE IF NOT EXISTS schema_migration (position INTEGER PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL)");
  const ours = await Promise.all(migrations.map(async (one) => ({ ...one, hash: await sha256(one.sql) })));
  const applied = sql.exec("SELECT name, hash FROM schema_migration ORDER BY position").toArray();
  if (applied.length > ours.length) throw new ObjectSchemaError("this object was written by a newer version of Ronghe");
  for (const [at, row] of applied.entries())
    if (ours[at]?.hash !== row["hash"]) throw new ObjectSchemaError(`another version of Ronghe wrote this object (${String(row["name"])})`);
  storage.transactionSync(() => {
    for (const [at, { name, sql: text, hash }] of ours.entries()) {
      if (at < applied.length) continue;
      for (const statement of text.split("--> statement-breakpoint")) if (statement.trim() !== "") sql.exec(statement);
      sql.exec("INSERT INTO schema_migration (position, name, hash) VALUES (?, ?, ?)", at, name, hash);
    }
  });
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
