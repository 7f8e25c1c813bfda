/** A table no wider than the terminal; where its columns have no room side by side, each record is a block of its own. */
import { padded, widthOf, wrapped } from "./width.ts";

/** A column that is narrower than this cannot be read. */
const COLUMN_CELLS_MIN = 8;
const GAP = "  ";

export function layTable(head: readonly string[], rows: readonly (readonly string[])[], columns: number): string {
  const natural = head.map((name, at) => Math.max(...[name, ...rows.map((row) => row[at] ?? "")].flatMap(lineWidths)));
  const widths = fitted(natural, columns - GAP.length * (head.length - 1));
  return widths === undefined ? blocks(head, rows, columns) : sideBySide(head, rows, widths);
}

/** Takes from the widest columns until all fit; `undefined` when that would leave one unreadable. */
function fitted(natural: readonly number[], room: number): readonly number[] | undefined {
  if (natural.reduce((sum, width) => sum + width, 0) <= room) return natural;
  // The greatest width that no column may pass.
  for (let most = Math.max(...natural); most >= COLUMN_CELLS_MIN; most -= 1) {
    const widths = natural.map((width) => Math.min(width, most));
    if (widths.reduce((sum, width) => sum + width, 0) <= room) return widths;
  }
  return undefined;
}

function sideBySide(head: readonly string[], rows: readonly (readonly string[])[], widths: readonly number[]): string {
  const rule = widths.map((width) => "─".repeat(width)).join(GAP);
  return [line(head, widths), rule, ...rows.map((row) => line(row, widths))].join("\n");
}

function line(cells: readonly string[], widths: readonly number[]): string {
  const lines = widths.map((width, at) => wrapped(cells[at] ?? "", width));
  const height = Math.max(...lines.map(({ length }) => length));
  return Array.from({ length: height }, (_, nth) =>
    widths
      .map((width, at) => padded(lines[at]?.[nth] ?? "", width))
      .join(GAP)
      .trimEnd(),
  ).join("\n");
}

function blocks(head: readonly string[], rows: readonly (readonly string[])[], columns: number): string {
  const names = Math.min(Math.max(...head.map(widthOf)), Math.max(1, Math.trunc(columns / 2) - GAP.length));
  const values = Math.max(2, columns - names - GAP.length);
  return rows.map((row) => head.map((name, at) => line([name, row[at] ?? ""], [names, values])).join("\n")).join("\n\n");
}

function lineWidths(text: string): readonly number[] {
  return text.split("\n").map(widthOf);
}
