/**
 * Exceptions that reach a door. Whose doing they are is decided here for all doors: storage that fails is told when it
 * begins and when it ends, and only what is left is a bug. What a client does, going away in the middle of its body for
 * example, is no exception: whoever reads the body answers it (`body.ts`).
 */
import { type StorageStanding, storageCauseOf } from "./storage-watch.ts";

export interface TroublePorts {
  /** Absent: whatever storage does is told as a bug. */
  readonly storage?: StorageStanding | undefined;
  /** Told of exceptions that are bugs. Their text may hold input: never into the request log. */
  readonly onBug?: ((error: Error) => void) | undefined;
}

export function tellTrouble({ storage, onBug }: TroublePorts, error: unknown): void {
  const cause = storageCauseOf(error);
  if (storage !== undefined && cause !== undefined) storage.callFailed(cause);
  else onBug?.(error instanceof Error ? error : new Error("something was thrown that is no error"));
}
