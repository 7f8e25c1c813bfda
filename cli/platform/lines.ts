import type { BusLog } from "../../streams/bus/log.ts";
import { printErrorJson, printJson } from "../output.ts";

/** The wide lines of requests: one JSON object each, on standard output. */
export function printLine(line: object): void {
  printJson(line);
}

/** What bus and streams say, as lines of the same kind. */
export const printBusLine: BusLog = (level, message, fields) => printLine({ level, message, ...fields });

/** What an operator ought to know and no request shows: on standard error, whatever `RONGHE_LOG` says. */
export function printNotice(notice: object): void {
  printErrorJson({ atMs: Date.now(), ...notice });
}
