/**
 * One libSQL connection, by the native package itself: `@libsql/client` prepares every statement anew and builds each row
 * property by property, which together took a sixth of a settlement. Calls are synchronous underneath.
 */
import Libsql from "libsql";

export type Value = null | string | number | bigint | ArrayBuffer;
export type InValue = Value | boolean | Uint8Array;
/** Columns by name: integers as `bigint`, blobs as `ArrayBuffer`. */
export type Row = Readonly<Record<string, Value>>;

export interface Statement {
  readonly sql: string;
  readonly args: readonly InValue[];
}

export interface ResultSet {
  readonly rows: readonly Row[];
  /** Rows written by a statement that gives none back; 0 for one that does. */
  readonly rowsAffected: number;
}

/** Texts longer than this are built for one use, such as lists of parameters. */
const CACHED_SQL_LENGTH_MAX = 4096;
const CACHED_STATEMENTS_MAX = 256;

interface Prepared {
  readonly statement: Libsql.Statement;
  /** Names of its columns; `undefined` for a statement that gives no rows back. */
  columns: readonly string[] | undefined;
}

/** SQLite's result code of an opening that failed, which the driver has in its words only. */
const OPENING_CODE = /: (\d{1,5})"?\)$/;

function opened(file: string): Libsql.Database {
  try {
    return new Libsql(file);
  } catch (error) {
    const [, code] = error instanceof Error ? (OPENING_CODE.exec(error.message) ?? []) : [];
    throw code === undefined ? error : Object.assign(error as Error, { path: file, rawCode: Number(code) });
  }
}

export class Connection {
  readonly #file: string;
  #db: Libsql.Database;
  /** By text, the least lately used first. */
  readonly #prepared = new Map<string, Prepared>();

  constructor(file: string) {
    this.#file = file;
    this.#db = opened(file);
  }

  run({ sql, args }: Statement): ResultSet {
    const prepared = this.#prepare(sql);
    const bound = args.map(toSql);
    if (prepared.columns === undefined) return { rows: [], rowsAffected: prepared.statement.run(bound).changes };
    return { rows: rowsOf(prepared, prepared.statement.all(bound) as readonly (readonly unknown[])[]), rowsAffected: 0 };
  }

  /** All statements in one transaction that holds the write lock from its beginning, or none. */
  batch(statements: readonly Statement[]): readonly ResultSet[] {
    this.run(BEGIN);
    try {
      const results = statements.map((statement) => this.run(statement));
      this.run(COMMIT);
      return results;
    } catch (error) {
      if (this.#db.inTransaction) this.run(ROLLBACK);
      throw error;
    }
  }

  /** A new connection in place of this one: a BUSY answer leaves statements behind that keep the old one from committing. */
  reopen(): void {
    this.close();
    this.#db = opened(this.#file);
  }

  close(): void {
    this.#prepared.clear();
    this.#db.close();
  }

  #prepare(sql: string): Prepared {
    const known = this.#prepared.get(sql);
    if (known !== undefined) {
      this.#prepared.delete(sql);
      this.#prepared.set(sql, known);
      return known;
    }
    const statement = this.#db.prepare(sql);
    const prepared: Prepared = { statement, columns: undefined };
    if (statement.reader) {
      statement.safeIntegers(true).raw(true);
      prepared.columns = columnsOf(statement);
    }
    // SQLite carries some pragmas out while it prepares them: kept, they would do nothing the next time.
    if (sql.length > CACHED_SQL_LENGTH_MAX || sql.startsWith("PRAGMA")) return prepared;
    this.#prepared.set(sql, prepared);
    const [oldest] = this.#prepared.keys();
    if (this.#prepared.size > CACHED_STATEMENTS_MAX && oldest !== undefined) this.#prepared.delete(oldest);
    return prepared;
  }
}

const BEGIN: Statement = { sql: "BEGIN IMMEDIATE", args: [] };
const COMMIT: Statement = { sql: "COMMIT", args: [] };
const ROLLBACK: Statement = { sql: "ROLLBACK", args: [] };

function columnsOf(statement: Libsql.Statement): readonly string[] {
  return statement.columns().map((column) => column.name);
}

function rowsOf(prepared: Prepared, raw: readonly (readonly unknown[])[]): readonly Row[] {
  // SQLite prepares a kept statement again by itself when the schema changed: `*` may then stand for other columns.
  if (raw[0] !== undefined && raw[0].length !== prepared.columns?.length) prepared.columns = columnsOf(prepared.statement);
  const columns = prepared.columns ?? [];
  return raw.map((values) => {
    const row: Record<string, Value> = {};
    for (let at = 0; at < columns.length; at += 1) row[columns[at] as string] = fromSql(values[at]);
    return row;
  });
}

/** The package hands out blobs as buffers of their own, integers as `bigint`. */
function fromSql(value: unknown): Value {
  return value instanceof Uint8Array ? (value.buffer as ArrayBuffer) : (value as Value);
}

function toSql(value: InValue): Value | Uint8Array {
  switch (typeof value) {
    case "string":
    case "bigint":
      return value;
    case "number":
      if (!Number.isFinite(value)) throw new RangeError("only finite numbers can be stored");
      return value;
    case "boolean":
      return value ? 1n : 0n;
    case "undefined":
      throw new TypeError("undefined cannot be stored");
    default:
      return value instanceof ArrayBuffer ? new Uint8Array(value) : value;
  }
}
