/** The wide lines of requests: one JSON object each, on standard output. */
import { printText } from "../output.ts";
export function printLine(line: object): void {
  printText(JSON.stringify(line));
}

/** What an operator ought to know and no request shows: on standard error, whatever `RONGHE_LOG` says. */
export function printNotice(notice: object): void {
  process.stderr.write(`${JSON.stringify({ atMs: Date.now(), ...notice })}\n`);
}
