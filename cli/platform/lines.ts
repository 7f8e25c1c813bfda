import type { BusLog } from "../../streams/bus/log.ts";

/** What bus and streams say, as lines of the same kind. */
export const printBusLine: BusLog = (level, message, fields) => printLine({ level, message, ...fields });

/** The wide lines of requests: one JSON object each, on standard output. */
import { printText } from "../output.ts";
export function printLine(line: object): void {
  printText(JSON.stringify(line));
}

/** What an operator ought to know and no request shows: on standard error, whatever `RONGHE_LOG` says. */
export function printNotice(notice: object): void {
  process.stderr.write(`${JSON.stringify({ atMs: Date.now(), ...notice })}\n`);
}
