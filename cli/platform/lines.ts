/** The wide lines of requests: one JSON object each, on standard output. */
export function printLine(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
