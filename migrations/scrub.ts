/**
 * Takes the bytes of deleted rows out of a database file and its write-ahead log: a deleted row stays readable in free
 * pages, in gaps of used ones and in the log until something else is written there.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Connection } from "./connection.ts";

const TRIES_MAX = 20;
const PAUSE_MS = 250;

/**
 * Writes the file anew from its living rows and empties its log. Blocks this process while it copies, and goes beside
 * its open connections. False when a reader of another process kept the log from being emptied.
 */
export async function scrubDatabase(file: string): Promise<boolean> {
  for (let attempt = 1; attempt <= TRIES_MAX; attempt++) {
    if (tryScrub(file)) return true;
    await pause(PAUSE_MS);
  }
  return false;
}

function tryScrub(file: string): boolean {
  const connection = new Connection(file);
  try {
    connection.run({ sql: "PRAGMA secure_delete=ON", args: [] });
    connection.run({ sql: "VACUUM", args: [] });
    const [row] = connection.run({ sql: "PRAGMA wal_checkpoint(TRUNCATE)", args: [] }).rows;
    return row?.["busy"] === 0n;
  } catch (error) {
    if (error instanceof Error && "code" in error && String(error.code).startsWith("SQLITE_BUSY")) return false;
    throw error;
  } finally {
    connection.close();
  }
}
