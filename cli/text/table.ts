/**
 * A table no wider than the terminal, which breaks no number that somebody copies: such are ASCII without a space, in every
 * column of every command (`width.ts`), so no column has to be marked. Where columns have no room side by side, each record
 * is a block of its own.
 */
import { padded, unbroken, widthOf, wrapped } from "./width.ts";

/** A column that is narrower than this cannot be read. */
const COLUMN_CELLS_MIN = 8;
const GAP = "  ";

export function layTable(head: readonly string[], rows: readonly (readonly string[])[], columns: number): string {
  const columnsOf = head.map((name, at): Column => {
    const lines = [name, ...rows.map((row) => row[at] ?? "")].flatMap((cell) => cell.split("\n"));
    return { natural: greatest(lines.map(widthOf)), least: greatest(lines.map(unbroken)) };
  });
  const widths = fitted(columnsOf, columns - GAP.length * (head.length - 1));
  return widths === undefined ? blocks(head, rows, columns) : sideBySide(head, rows, widths);
}

interface Column {
  /** Cells of its longest line, and of the longest piece that is not broken. */
  readonly natural: number;
  readonly least: number;
}

/** Takes from the widest columns until all fit; `undefined` when that would leave one unreadable, or break what is not broken. */
function fitted(columns: readonly Column[], room: number): readonly number[] | undefined {
  // The greatest width that no column passes which can be broken.
  for (let most = greatest(columns.map(({ natural }) => natural)); most >= COLUMN_CELLS_MIN; most -= 1) {
    const widths = columns.map(({ natural, least }) => Math.min(natural, Math.max(least, most)));
    if (widths.reduce((sum, width) => sum + width, 0) <= room) return widths;
  }
  return columns.reduce((sum, { natural }) => sum + natural, 0) <= room ? columns.map(({ natural }) => natural) : undefined;
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

/** With an empty line behind them: what is printed next is no part of the last record. */
function blocks(head: readonly string[], rows: readonly (readonly string[])[], columns: number): string {
  const names = Math.min(Math.max(...head.map(widthOf)), Math.max(1, Math.trunc(columns / 2) - GAP.length));
  const values = Math.max(2, columns - names - GAP.length);
  const records = rows.map((row) => head.map((name, at) => line([name, row[at] ?? ""], [names, values])).join("\n"));
  return `${records.join("\n\n")}\n`;
}

function greatest(widths: readonly number[]): number {
  return widths.reduce((most, width) => Math.max(most, width), 0);
}
