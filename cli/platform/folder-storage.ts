/** A folder that files are kept in, as a watch tries it (`core/protocol/server/storage-watch.ts`). */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { WatchedStorage } from "../../core/protocol/server/storage-watch.ts";
import { freeBytesAt, LARGE_TRIAL_BYTES } from "../../migrations/database.ts";

/** There for a moment while a folder is tried; left by a process that ended in it, and written over. */
const TRIAL_FILE = "storage-trial";

/** Of a file that is written durably and taken out again: a page, and as much as a database is tried with. */
const TRIAL_BYTES = { small: 4_096, large: LARGE_TRIAL_BYTES } as const;

/** @param database its name beside those of databases: what lies there */
export function folderStorage(database: string, folder: string): WatchedStorage {
  const file = join(folder, TRIAL_FILE);
  return {
    database,
    async try(size) {
      try {
        await writeFile(file, Buffer.alloc(TRIAL_BYTES[size]), { mode: 0o600, flush: true });
      } finally {
        await rm(file, { force: true });
      }
    },
    freeBytes: () => freeBytesAt(folder),
  };
}
