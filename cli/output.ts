import Table from "cli-table3";

/** A table for people. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const table = new Table({ head: [...head], style: { head: [], border: [] } });
  table.push(...rows.map((row) => [...row]));
  console.log(table.toString());
}

/** One line for machines; bigint as decimal text. */
export function printJson(value: unknown): void {
  console.log(JSON.stringify(value, (_, field: unknown) => (typeof field === "bigint" ? field.toString() : field)));
}
