/** Whether an object's own storage takes what is written to it. The Worker in front tells of it (`shard-ports.ts`). */
import { type FailingStorage, type StorageMember, StorageWatch } from "../../core/protocol/server/storage-watch.ts";
import type { Clock } from "../../core/protocol/time.ts";
import type { ObjectStorage } from "./storage.ts";

/** Of the row that is written and taken out again, in bytes: a page, and more than any call writes. */
const TRIAL_BYTES = { small: 1, large: 256 * 1024 } as const;

export class ShardStorage {
  readonly #watch: StorageWatch;
  readonly #member: StorageMember;

  constructor(storage: ObjectStorage, clock: Clock) {
    this.#watch = new StorageWatch({ clock });
    this.#member = this.#watch.watch({ database: "edge", try: (size) => tryWriting(storage, TRIAL_BYTES[size]) });
  }

  async look(suspect: boolean): Promise<readonly FailingStorage[]> {
    if (suspect) this.#member.suspect();
    return await this.#watch.look();
  }

  /** Carries `work` out, which writes, and remembers how that went. */
  written<T>(work: () => T): T {
    try {
      const done = work();
      this.#member.wrote();
      return done;
    } catch (error) {
      this.#member.failed(error);
      throw error;
    }
  }
}

async function tryWriting(storage: ObjectStorage, bytes: number): Promise<void> {
  await Promise.resolve();
  storage.transactionSync(() => {
    storage.sql.exec("CREATE TABLE storage_trial (bytes BLOB)");
    storage.sql.exec("INSERT INTO storage_trial VALUES (zeroblob(?))", bytes);
    storage.sql.exec("DROP TABLE storage_trial");
  });
}
