/**
 * The only place that touches `@libsql/client`. One process owns a file and has one writing client for it;
 * every write is one batch in "write" mode, put in a queue, with no await between BEGIN and COMMIT.
 */
import { type Client, createClient, type InStatement, type InValue, type ResultSet, type Row } from "@libsql/client";
import { migrate, type DatabaseKind } from "./migrate.ts";

export type Statement = { readonly sql: string; readonly args: readonly InValue[] };
export type { InValue, ResultSet, Row };

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

export interface OpenOptions {
  readonly kind: DatabaseKind;
  /** Path of the libSQL file, created when missing. */
  readonly file: string;
  /** Opens for reading only, as other processes must: no migration, no write. */
  readonly readOnly?: boolean;
}

const BUSY_TRIES_MAX = 8;

export async function openDatabase(options: OpenOptions): Promise<Database> {
  const url = `file:${options.file}`;
  const writer = createClient({ url, intMode: "bigint" });
  if (options.readOnly === true) {
    await writer.execute("PRAGMA query_only=ON");
    return new LibsqlDatabase(options.file, writer, writer);
  }
  await writer.execute("PRAGMA journal_mode=WAL");
  await writer.execute("PRAGMA synchronous=FULL");
  await migrate(writer, options.kind, options.file);
  const reader = createClient({ url, intMode: "bigint" });
  await reader.execute("PRAGMA query_only=ON");
  return new LibsqlDatabase(options.file, writer, reader);
}

class LibsqlDatabase implements Database {
  readonly file: string;
  readonly #writer: Client;
  readonly #reader: Client;
  #tail: Promise<unknown> = Promise.resolve();
  #busyCount = 0;
  #closed = false;
  /** What the writing connection is set to; `undefined` for a new one. */
  #durability: Durability | undefined;

  constructor(file: string, writer: Client, reader: Client) {
    this.file = file;
    this.#writer = writer;
    this.#reader = reader;
  }

  get busyCount(): number {
    return this.#busyCount;
  }

  write(statements: readonly Statement[], durability: Durability = "power"): Promise<readonly ResultSet[]> {
    const run = this.#tail.then(() => this.#batch(statements, durability));
    this.#tail = run.catch(() => undefined);
    return run;
  }

  async read(sql: string, ...args: readonly InValue[]): Promise<readonly Row[]> {
    return (await this.#reader.execute({ sql, args: [...args] })).rows;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#tail;
    this.#reader.close();
    this.#writer.close();
  }

  /** A BUSY answer poisons a libSQL client (libsql-client-ts #352): reconnect, wait a little, try again. */
  async #batch(statements: readonly Statement[], durability: Durability): Promise<readonly ResultSet[]> {
    if (statements.length === 0) return [];
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#set(durability);
        return await this.#writer.batch(statements as InStatement[], "write");
      } catch (error) {
        if (!isBusy(error) || attempt === BUSY_TRIES_MAX) throw error;
        this.#busyCount++;
        this.#writer.reconnect();
        this.#durability = undefined;
        await new Promise((resolve) => setTimeout(resolve, 5 * 2 ** attempt));
      }
    }
  }

  /** Between transactions, as SQLite demands; the queue leaves nobody else on this connection. */
  async #set(durability: Durability): Promise<void> {
    if (this.#durability === durability) return;
    await this.#writer.execute(`PRAGMA synchronous=${durability === "power" ? "FULL" : "NORMAL"}`);
    this.#durability = durability;
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "code" in error && typeof error.code === "string" && error.code.startsWith("SQLITE_BUSY");
}

/** One multi-row INSERT, the fastest way in (edge notes 3.4); split so that no statement passes 30,000 parameters. */
export function insertRows(table: string, columns: readonly string[], rows: readonly (readonly InValue[])[], suffix = ""): Statement[] {
  const perStatement = Math.max(1, Math.floor(30_000 / columns.length));
  const statements: Statement[] = [];
  for (let from = 0; from < rows.length; from += perStatement) {
    const part = rows.slice(from, from + perStatement);
    const one = `(${columns.map(() => "?").join(",")})`;
    statements.push({
      sql: `INSERT INTO ${table} (${columns.join(",")}) VALUES ${part.map(() => one).join(",")}${suffix === "" ? "" : ` ${suffix}`}`,
      args: part.flat(),
    });
  }
  return statements;
}
