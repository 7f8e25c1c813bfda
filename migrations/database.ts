/**
 * The only place that opens libSQL files. One process owns a file and has one writing connection for it; every write is
 * one transaction, put in a queue, with no await between BEGIN and COMMIT.
 */
import { statfs } from "node:fs/promises";
import { Connection, type InValue, type ResultSet, type Row, type Statement } from "./connection.ts";
import { checkSchema, migrate, type DatabaseKind } from "./migrate.ts";

export type { InValue, ResultSet, Row, Statement };

/**
 * What a resolved write survives. `power`: everything, a loss of power too; costs an fsync. `process`: the end of the
 * process at any moment; of power only once a later `power` write has resolved. What is lost is always the newest
 * writes, never one in between (WAL keeps their order), so it is right for what is repeated from elsewhere when it is
 * missing: positions in a bus, rows that have already left.
 */
export type Durability = "power" | "process";

export interface Database {
  readonly file: string;
  /** Runs all statements in one transaction, or none; `power` by default. */
  write(statements: readonly Statement[], durability?: Durability): Promise<readonly ResultSet[]>;
  read(sql: string, ...args: readonly InValue[]): Promise<readonly Row[]>;
  /** Times a BUSY database made us reconnect. */
  readonly busyCount: number;
  close(): Promise<void>;
}

/** Who watches whether writes can be kept (`core/protocol/server/storage-watch.ts`). */
export interface StorageObserver {
  watch(storage: {
    readonly database: DatabaseKind;
    try(size: "small" | "large"): Promise<void>;
    freeBytes(): Promise<number | undefined>;
  }): ObservedStorage;
}
export interface ObservedStorage {
  wrote(): void;
  failed(error: unknown): void;
  close(): void;
}

export interface OpenOptions {
  readonly kind: DatabaseKind;
  /** Path of the libSQL file, created when missing. */
  readonly file: string;
  /** Opens for reading only, as other processes must: no migration, no write. */
  readonly readOnly?: boolean;
  /** Sorts in temporary files: this build of libSQL sorts in memory unless told, which then grows with the rows. */
  readonly sortOnDisk?: boolean;
  /** Told of every write, and tries some of its own. */
  readonly storage?: StorageObserver | undefined;
}

/** More than the largest ordinary group of writes: where this fits, calls have room again. */
export const LARGE_TRIAL_BYTES = 256 * 1024;
/** Written and taken out in one transaction: its pages go through the log of the database, and nothing is left behind. */
const LARGE_TRIAL: readonly Statement[] = [
  { sql: "CREATE TABLE storage_trial (bytes BLOB)", args: [] },
  { sql: `INSERT INTO storage_trial VALUES (zeroblob(${LARGE_TRIAL_BYTES}))`, args: [] },
  { sql: "DROP TABLE storage_trial", args: [] },
];

const BUSY_TRIES_MAX = 8;

export async function openDatabase(options: OpenOptions): Promise<Database> {
  const writer = new Connection(options.file);
  if (options.readOnly === true) {
    writer.run({ sql: "PRAGMA query_only=ON", args: [] });
    try {
      await checkSchema(writer, options.kind, options.file);
    } catch (error) {
      writer.close();
      throw error;
    }
    return new LibsqlDatabase(options.file, writer, writer);
  }
  writer.run({ sql: "PRAGMA journal_mode=WAL", args: [] });
  writer.run({ sql: "PRAGMA synchronous=FULL", args: [] });
  await migrate(writer, options.kind, options.file);
  const reader = new Connection(options.file);
  reader.run({ sql: "PRAGMA query_only=ON", args: [] });
  if (options.sortOnDisk === true) for (const connection of [writer, reader]) connection.run({ sql: "PRAGMA temp_store=FILE", args: [] });
  const db = new LibsqlDatabase(options.file, writer, reader);
  if (options.storage !== undefined) db.observe(options.kind, options.storage);
  return db;
}

class LibsqlDatabase implements Database {
  readonly file: string;
  readonly #writer: Connection;
  readonly #reader: Connection;
  #tail: Promise<unknown> = Promise.resolve();
  #busyCount = 0;
  #closed = false;
  /** What the writing connection is set to; `undefined` for a new one. */
  #durability: Durability | undefined;
  #observed: ObservedStorage | undefined;
  #trials = 0;

  constructor(file: string, writer: Connection, reader: Connection) {
    this.file = file;
    this.#writer = writer;
    this.#reader = reader;
  }

  get busyCount(): number {
    return this.#busyCount;
  }

  observe(database: DatabaseKind, observer: StorageObserver): void {
    this.#observed = observer.watch({
      database,
      try: async (size) => void (await this.#queue(size === "small" ? this.#smallTrial() : LARGE_TRIAL, "power")),
      freeBytes: () => freeBytesAt(this.file),
    });
  }

  async write(statements: readonly Statement[], durability: Durability = "power"): Promise<readonly ResultSet[]> {
    try {
      const results = await this.#queue(statements, durability);
      if (statements.length > 0) this.#observed?.wrote();
      return results;
    } catch (error) {
      this.#observed?.failed(error);
      throw error;
    }
  }

  read(sql: string, ...args: readonly InValue[]): Promise<readonly Row[]> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(this.#closedError());
      try {
        resolve(this.#reader.run({ sql, args }).rows);
      } catch (error) {
        this.#observed?.failed(error);
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#observed?.close();
    await this.#tail;
    this.#reader.close();
    if (this.#writer !== this.#reader) this.#writer.close();
  }

  #queue(statements: readonly Statement[], durability: Durability): Promise<readonly ResultSet[]> {
    if (this.#closed) return Promise.reject(this.#closedError());
    const run = this.#tail.then(() => this.#batch(statements, durability));
    this.#tail = run.catch(() => undefined);
    return run;
  }

  /** A number of the file's that nothing reads; SQLite writes no page whose bytes stay as they are. */
  #smallTrial(): readonly Statement[] {
    return [{ sql: `PRAGMA user_version=${(this.#trials = (this.#trials % 1_000_000) + 1)}`, args: [] }];
  }

  /** A BUSY answer poisons a libSQL connection (libsql-client-ts #352): take a new one, wait a little, try again. */
  async #batch(statements: readonly Statement[], durability: Durability): Promise<readonly ResultSet[]> {
    if (statements.length === 0) return [];
    for (let attempt = 1; ; attempt++) {
      try {
        this.#set(durability);
        return this.#writer.batch(statements);
      } catch (error) {
        if (!isBusy(error) || attempt === BUSY_TRIES_MAX) throw error;
        this.#busyCount++;
        this.#writer.reopen();
        this.#durability = undefined;
        await new Promise((resolve) => setTimeout(resolve, 5 * 2 ** attempt));
      }
    }
  }

  /** Between transactions, as SQLite demands; the queue leaves nobody else on this connection. */
  #set(durability: Durability): void {
    if (this.#durability === durability) return;
    this.#writer.run({ sql: `PRAGMA synchronous=${durability === "power" ? "FULL" : "NORMAL"}`, args: [] });
    this.#durability = durability;
  }

  #closedError(): Error {
    return new Error(`the database ${this.file} is closed`);
  }
}

/** Space left where a file or folder lies, behind a link too; `undefined` where the system does not say. */
export async function freeBytesAt(path: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "code" in error && typeof error.code === "string" && error.code.startsWith("SQLITE_BUSY");
}

/** Rows of one statement. Statements are kept prepared by their text: with few sizes the texts repeat, and more rows gain nothing. */
const ROWS_PER_STATEMENT = 8;

/** INSERT statements for `rows`, all but the last few of them with the same text. */
export function insertRows(table: string, columns: readonly string[], rows: readonly (readonly InValue[])[], suffix = ""): Statement[] {
  const statements: Statement[] = [];
  const textOf = (count: number): string =>
    `INSERT INTO ${table} (${columns.join(",")}) VALUES ${Array.from({ length: count }, () => one).join(",")}${suffix === "" ? "" : ` ${suffix}`}`;
  const one = `(${columns.map(() => "?").join(",")})`;
  const whole = rows.length - (rows.length % ROWS_PER_STATEMENT);
  const sql = whole === 0 ? "" : textOf(ROWS_PER_STATEMENT);
  for (let from = 0; from < whole; from += ROWS_PER_STATEMENT)
    statements.push({ sql, args: rows.slice(from, from + ROWS_PER_STATEMENT).flat() });
  const single = whole === rows.length ? "" : textOf(1);
  for (const row of rows.slice(whole)) statements.push({ sql: single, args: row });
  return statements;
}
