import type { BusLog } from "../../streams/bus/log.ts";

/** What bus and streams say, as lines of the same kind. */
export const printBusLine: BusLog = (level, message, fields) => printLine({ level, message, ...fields });

/** The wide lines of requests: one JSON object each, on standard output. */
import { printErrorJson, printJson } from "../output.ts";
export function printLine(line: object): void {
  printJson(line);
}

/** What an operator ought to know and no request shows: on standard error, whatever `RONGHE_LOG` says. */
export function printNotice(notice: object): void {
  printErrorJson({ atMs: Date.now(), ...notice });
}
