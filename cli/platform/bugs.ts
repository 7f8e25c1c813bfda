/**
 * What went wrong inside, for those who mend it: the kind of error and where it arose. Never its message, which may
 * quote what a caller sent.
 */
import { printErrorJson } from "../output.ts";
export function reportBug(part: string): (error: unknown) => void {
  return (error) => {
    const known = error instanceof Error ? error : undefined;
    const at = (known?.stack ?? "")
      .split("\n")
      .filter((line) => line.startsWith("    at "))
      .map((line) => line.trim());
    printErrorJson({ atMs: Date.now(), part, bug: known?.name ?? typeof error, at });
  };
}
