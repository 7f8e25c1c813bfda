import type { BusLog } from "../../streams/bus/log.ts";

/** What bus and streams say, as lines of the same kind. */
export const printBusLine: BusLog = (level, message, fields) => printLine({ level, message, ...fields });

/** The wide lines of requests: one JSON object each, on standard output. */
export function printLine(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
