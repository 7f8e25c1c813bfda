/**
 * The one way to a person's terminal. Everything printed goes through here: what another party wrote (a field of the bus,
 * a name, a file) is shown and never obeyed, and a table fits the terminal.
 */
import { format } from "node:util";
import { toHex } from "../core/protocol/bytes.ts";
import { storageCauseOf } from "../core/protocol/server/storage-watch.ts";
import { escaped, escapedJson } from "../ledger/verifier/escape.ts";
import { layTable } from "./text/table.ts";

/** Where no terminal says how wide it is. */
const COLUMNS_DEFAULT = 80;

/** One line, or several of our own: a line break within one of them is another party's, and is shown. */
export type Cell = string | readonly string[];

/** A table for people, as wide as the terminal at most. */
export function printTable(head: readonly string[], rows: readonly (readonly Cell[])[]): void {
  const columns = process.stdout.isTTY ? process.stdout.columns : columnsSaid();
  process.stdout.write(
    `${layTable(
      head.map(escaped),
      rows.map((row) => row.map((cell) => [cell].flat().map(escaped).join("\n"))),
      columns,
    )}\n`,
  );
}

function columnsSaid(): number {
  const said = process.env["COLUMNS"];
  return said !== undefined && /^[1-9]\d{0,3}$/.test(said) ? Number(said) : COLUMNS_DEFAULT;
}

/** Lines for people: within one, every control is shown, a line break too. */
export function printText(...lines: readonly string[]): void {
  process.stdout.write(`${lines.map(escaped).join("\n")}\n`);
}

/** Lines for people on standard error. */
export function printErrorLine(...lines: readonly string[]): void {
  process.stderr.write(`${lines.map(escaped).join("\n")}\n`);
}

/** As shells tell of a process that SIGPIPE ended. */
const READER_GONE_STATUS = 141;
let isServing = false;

/** For processes that serve: a log loses lines where its disk is full or its reader has gone, and ends nobody. */
export function outliveLogs(): void {
  isServing = true;
}

function endOf(error: Error): number {
  return "code" in error && error.code === "EPIPE" ? READER_GONE_STATUS : 1;
}

function isOutlived(error: Error): boolean {
  return isServing && (endOf(error) === READER_GONE_STATUS || storageCauseOf(error) !== undefined);
}

/**
 * A reader that has seen enough (`| head`) ends a command as SIGPIPE would, and output that finds no room ends it with
 * status 1: no stack, and no verdict.
 */
export function endWithReader(): void {
  process.stderr.on("error", (error) => {
    if (!isOutlived(error)) process.exit(endOf(error));
  });
  process.stdout.on("error", (error) => {
    if (isOutlived(error)) return;
    if (endOf(error) === 1)
      printErrorLine(`ronghe: what is to be said cannot be written (${"code" in error ? String(error.code) : error.name})`);
    process.exit(endOf(error));
  });
}

/** A picture of our own making, as a QR code is: printed as it stands. Nothing of another party's may be in it. */
export function printPicture(picture: string): void {
  process.stdout.write(`${picture}\n`);
}

/**
 * From here on `console` prints through this file too, so that no command can print around it: a line for each call, and
 * of an error nobody foresaw its stack.
 */
export function guardConsole(): void {
  for (const name of ["log", "info", "debug"] as const) console[name] = (...values: unknown[]) => printText(...linesOf(values));
  for (const name of ["error", "warn"] as const) console[name] = (...values: unknown[]) => printErrorLine(...linesOf(values));
}

function linesOf(values: readonly unknown[]): readonly string[] {
  const text = format(...values);
  return values.some((value) => value instanceof Error) ? text.split("\n") : [text];
}

/** One line for machines; bigint as decimal text, bytes as hex. What a terminal would obey is `\u` of JSON, so it reads the same. */
export function printJson(value: unknown): void {
  printJsonLine(jsonOf(value));
}

/** The same on standard error. */
export function printErrorJson(value: unknown): void {
  process.stderr.write(`${escapedJson(jsonOf(value))}\n`);
}

/** A line that is JSON already. */
export function printJsonLine(line: string): void {
  process.stdout.write(`${escapedJson(line)}\n`);
}

function jsonOf(value: unknown): string {
  return JSON.stringify(value, (_, field: unknown) => plain(field)) ?? "null";
}

function plain(field: unknown): unknown {
  if (typeof field === "bigint") return field.toString();
  return field instanceof Uint8Array ? toHex(field) : field;
}
