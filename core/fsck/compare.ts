/** A table against the rows that entries give, by key and column by column. */
import type { Database, InValue, Row } from "../../migrations/database.ts";
import { toHex } from "../protocol/bytes.ts";

/** Only the columns that are there are compared. */
export type DerivedColumns = Readonly<Record<string, InValue>>;

export interface CompareTable {
  readonly table: string;
  /** Columns that tell its rows apart. */
  readonly key: readonly string[];
  readonly rows: Iterable<DerivedColumns>;
  /** What of a stored row is compared, where entries say it in another form. */
  readonly read?: (stored: Row) => Row;
}

export type TableDifference =
  | { readonly kind: "extra" | "missing"; readonly id: string }
  | { readonly kind: "differs"; readonly id: string; readonly columns: readonly string[] };

const ROWS_PER_READ = 4096;

export async function compareTable(db: Database, options: CompareTable, report: (difference: TableDifference) => void): Promise<void> {
  const { table, key, read = (row) => row } = options;
  const keyOf = (row: DerivedColumns | Row): string => key.map((column) => printValue(row[column])).join("/");
  const wanted = new Map([...options.rows].map((row) => [keyOf(row), row]));
  for (let from = 0n; ;) {
    const stored = await db.read(`SELECT rowid AS fsck_row, * FROM ${table} WHERE rowid > ? ORDER BY rowid LIMIT ${ROWS_PER_READ}`, from);
    for (const raw of stored) {
      from = raw["fsck_row"] as bigint;
      const row = read(raw);
      const id = keyOf(row);
      const mine = wanted.get(id);
      wanted.delete(id);
      if (mine === undefined) {
        report({ kind: "extra", id });
        continue;
      }
      const columns = Object.keys(mine).filter((column) => printValue(row[column]) !== printValue(mine[column]));
      if (columns.length > 0) report({ kind: "differs", id, columns });
    }
    if (stored.length < ROWS_PER_READ) break;
  }
  for (const id of wanted.keys()) report({ kind: "missing", id });
}

export function describe(table: string, difference: TableDifference): string {
  switch (difference.kind) {
    case "extra":
      return `${table} ${difference.id} is stored, no entry says so`;
    case "missing":
      return `${table} ${difference.id} is missing`;
    case "differs":
      return `${table} ${difference.id} differs from the entries in ${difference.columns.join(", ")}`;
  }
}

function printValue(value: unknown): string {
  if (value instanceof ArrayBuffer) return toHex(new Uint8Array(value));
  return value instanceof Uint8Array ? toHex(value) : String(value ?? null);
}
