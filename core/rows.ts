/** Typed reading of rows: a column of another type than the schema says is a bug, not an input. */
import type { InValue, Row } from "../migrations/database.ts";

export class ColumnError extends Error {
  override readonly name = "ColumnError";
  readonly column: string;

  constructor(column: string, what: string) {
    super(`column ${column} ${what}`);
    this.column = column;
  }
}

export function textOf(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw new ColumnError(column, "is not text");
  return value;
}

export function textOrNull(row: Row, column: string): string | undefined {
  return row[column] === null ? undefined : textOf(row, column);
}

/** For instants and counts, which fit a double exactly. */
export function numberOf(row: Row, column: string): number {
  const value = row[column];
  if (typeof value === "bigint" || typeof value === "number") return Number(value);
  throw new ColumnError(column, "is not a number");
}

export function bigintOf(row: Row, column: string): bigint {
  const value = row[column];
  if (typeof value !== "bigint") throw new ColumnError(column, "is not an integer");
  return value;
}

export function bytesOf(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof ArrayBuffer)) throw new ColumnError(column, "is not a blob");
  return new Uint8Array(value);
}

/** One of a closed set of words. */
export function wordOf<const Words extends readonly string[]>(row: Row, column: string, words: Words): Words[number] {
  const value = textOf(row, column);
  const word = words.find((candidate) => candidate === value);
  if (word === undefined) throw new ColumnError(column, "holds a word that this version does not know");
  return word;
}

/** `(?,?,?)` for an IN list. */
export function placeholders(values: { readonly length: number }): string {
  return `(${Array.from({ length: values.length }, () => "?").join(",")})`;
}

/** A blob argument; libSQL keeps the view's bytes only. */
export function blob(bytes: Uint8Array): InValue {
  return bytes;
}
