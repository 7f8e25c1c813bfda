import { format } from "node:util";
import { vi } from "vitest";

export interface Printed {
  /** Standard output so far, line by line. */
  readonly lines: string[];
  /** Standard error so far. */
  readonly errors: string[];
  /** From here on what is printed is printed again. */
  restore(): void;
}

const into =
  (caught: string[]) =>
  (text: unknown): true => {
    caught.push(...String(text).replace(/\n$/, "").split("\n"));
    return true;
  };

/** Catches what commands print, by `cli/output.ts` or by `console`, until it is restored. */
export function catchPrinted(): Printed {
  const [lines, errors]: [string[], string[]] = [[], []];
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation(into(lines)),
    vi.spyOn(process.stderr, "write").mockImplementation(into(errors)),
    vi.spyOn(console, "log").mockImplementation((...values: unknown[]) => void into(lines)(format(...values))),
    vi.spyOn(console, "error").mockImplementation((...values: unknown[]) => void into(errors)(format(...values))),
  ];
  return { lines, errors, restore: () => spies.forEach((spy) => spy.mockRestore()) };
}
