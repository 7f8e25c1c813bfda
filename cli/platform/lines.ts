/** The wide lines of requests: one JSON object each, on standard output. */
import { printText } from "../output.ts";
export function printLine(line: object): void {
  printText(JSON.stringify(line));
}
