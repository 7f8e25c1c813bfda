import Table from "cli-table3";
import { toHex } from "../core/protocol/bytes.ts";

/** A table for people. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const table = new Table({ head: [...head], style: { head: [], border: [] } });
  table.push(...rows.map((row) => [...row]));
  console.log(table.toString());
}

/** One line for machines; bigint as decimal text, bytes as hex. */
export function printJson(value: unknown): void {
  console.log(JSON.stringify(value, (_, field: unknown) => plain(field)));
}

function plain(field: unknown): unknown {
  if (typeof field === "bigint") return field.toString();
  return field instanceof Uint8Array ? toHex(field) : field;
}
