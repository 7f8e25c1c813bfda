/**
 * The one way to a person's terminal. Everything printed goes through here: what another party wrote (a field of the bus,
 * a name, a file) is shown and never obeyed, and a table fits the terminal.
 */
import { format } from "node:util";
import { toHex } from "../core/protocol/bytes.ts";
import { storageCauseOf } from "../core/protocol/server/storage-watch.ts";
import { escaped } from "./text/escape.ts";
import { layTable } from "./text/table.ts";

/** Where no terminal says how wide it is. */
const COLUMNS_DEFAULT = 80;

/** A table for people, as wide as the terminal at most. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const columns = process.stdout.isTTY ? process.stdout.columns : COLUMNS_DEFAULT;
  process.stdout.write(
    `${layTable(
      head.map(escaped),
      rows.map((row) => row.map(escaped)),
      columns,
    )}\n`,
  );
}

/** Text for people: line breaks stay, every other control is shown. */
export function printText(text: string): void {
  process.stdout.write(`${escaped(text)}\n`);
}

/** A line for people on standard error. */
export function printErrorLine(text: string): void {
  process.stderr.write(`${escaped(text)}\n`);
}

/**
 * For processes that serve: a log that stands on the disk that is full loses lines, and ends nobody. Any other end of its
 * reader is still an end.
 */
export function outliveFullDisk(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error) => {
      if (storageCauseOf(error) === undefined) throw error;
    });
}

/** A picture of our own making, as a QR code is: printed as it stands. Nothing of another party's may be in it. */
export function printPicture(picture: string): void {
  process.stdout.write(`${picture}\n`);
}

/** From here on `console` prints through this file too, so that no command can print around it. */
export function guardConsole(): void {
  for (const name of ["log", "info", "debug"] as const) console[name] = (...values: unknown[]) => printText(format(...values));
  for (const name of ["error", "warn"] as const) console[name] = (...values: unknown[]) => printErrorLine(format(...values));
}

/** One line for machines; bigint as decimal text, bytes as hex. What a terminal would obey is `\u` of JSON, so it reads the same. */
export function printJson(value: unknown): void {
  const line = JSON.stringify(value, (_, field: unknown) => plain(field)) ?? "null";
  process.stdout.write(`${escaped(line)}\n`);
}

function plain(field: unknown): unknown {
  if (typeof field === "bigint") return field.toString();
  return field instanceof Uint8Array ? toHex(field) : field;
}
