/**
 * An append-only file of JSON lines. A line is in the operating system's hands before its answer leaves, so a killed
 * process loses nothing that anyone was told; a last line cut short was never answered and is dropped.
 */
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";

export interface Journal {
  append(entry: unknown): void;
  close(): void;
}

/** Hands every entry of `file` to `replay`, then appends to it. Without a file nothing is kept. */
export function openJournal(file: string | undefined, replay: (entry: unknown) => void): Journal {
  if (file === undefined) return { append: () => undefined, close: () => undefined };
  const bytes = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
  const whole = bytes.lastIndexOf(0x0a) + 1;
  for (const line of bytes.subarray(0, whole).toString("utf8").split("\n")) if (line !== "") replay(JSON.parse(line));
  const descriptor = openSync(file, "a", 0o600);
  if (whole < bytes.length) ftruncateSync(descriptor, whole);
  let open = true;
  return {
    append(entry) {
      if (!open) throw new Error("the journal is closed");
      writeSync(descriptor, `${JSON.stringify(entry)}\n`);
    },
    close() {
      if (open) closeSync(descriptor);
      open = false;
    },
  };
}
