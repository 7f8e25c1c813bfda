/**
 * What went wrong inside, for those who mend it: the kind of error and where it arose. Never its message, which may
 * quote what a caller sent.
 */
import { storageCauseOf } from "../../core/protocol/server/storage-watch.ts";
import { printErrorJson } from "../output.ts";

export function reportBug(part: string): (error: unknown) => void {
  return (error) => {
    // Told when it began, and when it ends (`storage.ts`): not once for each that it strikes.
    if (storageCauseOf(error) !== undefined) return;
    const known = error instanceof Error ? error : undefined;
    const at = (known?.stack ?? "")
      .split("\n")
      .filter((line) => line.startsWith("    at "))
      .map((line) => line.trim());
    printErrorJson({ atMs: Date.now(), part, bug: known?.name ?? typeof error, at });
  };
}
