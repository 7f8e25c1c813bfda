/**
 * Whether what is taken can be kept. A disk that is full, broken or read-only fails one write and lets the next, smaller
 * one pass; so what is known comes from three sides: the last write that failed is remembered until room for a large one
 * is proven, whoever asks has a small write tried, and a volume must have some space left. One watch for all databases
 * of a part; the part's readiness, status, metrics and log are read from it.
 */
import type { Clock } from "../time.ts";

/** Why a write fails, as operators look it up: SQLite's result codes and the system's. Nothing else is ever printed. */
export const STORAGE_CAUSES = [
  "SQLITE_FULL",
  "SQLITE_IOERR",
  "SQLITE_READONLY",
  "SQLITE_BUSY",
  "SQLITE_LOCKED",
  "SQLITE_CANTOPEN",
  "SQLITE_CORRUPT",
  "SQLITE_NOTADB",
  "SQLITE_NOMEM",
  "SQLITE_PERM",
  "ENOSPC",
  "EDQUOT",
  "EFBIG",
  "EIO",
  "EROFS",
  "lowSpace",
  "unknown",
] as const;
export type StorageCause = (typeof STORAGE_CAUSES)[number];

/** Errors wrap errors; nobody follows them for ever. */
const CAUSES_DEEP_MAX = 4;

/**
 * The cause by the error's code, extended codes (`SQLITE_IOERR_WRITE`) by their kind. Workers give their result code in
 * the message only. `undefined` for what is not the storage's doing, a broken constraint for example.
 */
export function storageCauseOf(error: unknown): StorageCause | undefined {
  for (let at = error, deep = 0; at instanceof Error && deep < CAUSES_DEEP_MAX; at = at.cause, deep++) {
    const code = "code" in at && typeof at.code === "string" ? at.code : (/\bSQLITE_[A-Z]+/.exec(at.message)?.[0] ?? "");
    const cause = STORAGE_CAUSES.find((name) => code === name || code.startsWith(`${name}_`));
    if (cause !== undefined) return cause;
  }
  return undefined;
}

/** One database, or one folder of files, as the watch tries it. */
export interface WatchedStorage {
  /** Its kind, for example `edge`; of a folder what lies there, for example `evidence`. */
  readonly database: string;
  /** Writes durably and leaves nothing behind: a page, or as much as the largest ordinary write. */
  try(size: "small" | "large"): Promise<void>;
  /** Space left where it lies; `undefined` where nobody can say. */
  freeBytes?(): Promise<number | undefined>;
}

export interface FailingStorage {
  readonly database: string;
  readonly cause: StorageCause;
  readonly sinceMs: number;
}

export type StorageNotice = { readonly atMs: number } & (
  | { readonly notice: "storage.failing"; readonly database: string; readonly cause: StorageCause }
  /** What began it stands here too: the line of the beginning may have been for the same disk. */
  | {
      readonly notice: "storage.recovered";
      readonly database: string;
      readonly cause: StorageCause;
      readonly forMs: number;
      readonly failedCalls: number;
    }
);

export interface StorageWatchOptions {
  readonly clock: Clock;
  /** Told when it begins and when it ends, not of every write between. */
  readonly notice?: (notice: StorageNotice) => void;
  /** Space below which a volume counts as full (default 0: as much as there is). */
  readonly freeBytesMin?: number;
}

/** However many ask, storage is tried once in this time. */
export const STORAGE_LOOK_MS = 1_000;

/** What doors, pages and metrics read. */
export interface StorageStanding {
  /** Tries what was not tried a moment ago, then gives what is known. */
  look(): Promise<readonly FailingStorage[]>;
  /** What is known, without trying anything. */
  failing(): readonly FailingStorage[];
  /** The names of all that is watched, each as often as there are such. */
  watched(): readonly string[];
  /** Counts a call that failed because of its storage, which is then no bug. */
  callFailed(cause: StorageCause): void;
  /** Calls that failed for want of storage since the start. */
  failedCalls(): number;
}

export class StorageWatch implements StorageStanding {
  readonly #options: StorageWatchOptions;
  readonly #members = new Set<StorageMember>();
  #looking: Promise<void> | undefined;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  readonly #episodes: StorageEpisodes;

  constructor(options: StorageWatchOptions) {
    this.#options = options;
    this.#episodes = new StorageEpisodes(options.notice);
  }

  /** Watches one more database, until it is closed. */
  watch(storage: WatchedStorage): StorageMember {
    const member: StorageMember = new StorageMember(storage, {
      now: () => this.now(),
      changed: () => this.#changed(),
      closed: () => {
        this.#members.delete(member);
        this.#changed();
      },
    });
    this.#members.add(member);
    return member;
  }

  failing(): readonly FailingStorage[] {
    return [...this.#members].flatMap((member) => member.failing() ?? []);
  }

  watched(): readonly string[] {
    return [...this.#members].map(({ database }) => database);
  }

  async look(): Promise<readonly FailingStorage[]> {
    this.#begin();
    await this.#looking;
    return this.failing();
  }

  callFailed(): void {
    this.#episodes.callFailed();
  }

  failedCalls(): number {
    return this.#episodes.failedCalls();
  }

  now(): number {
    return this.#options.clock.now();
  }

  #begin(): void {
    const nowMs = this.now();
    // A clock that was set back must not stop looking.
    const since = nowMs - this.#lookedAtMs;
    if (this.#looking !== undefined || (since >= 0 && since < STORAGE_LOOK_MS)) return;
    this.#lookedAtMs = nowMs;
    this.#looking = this.#tryAll().finally(() => (this.#looking = undefined));
  }

  async #tryAll(): Promise<void> {
    await Promise.all([...this.#members].map((member) => member.look(this.#options.freeBytesMin ?? 0)));
    this.#changed();
  }

  #changed(): void {
    const failing = this.failing();
    this.#episodes.now(failing, this.now());
    // Work goes on again before anybody asks: whoever only reads the log learns of it too.
    if (failing.length > 0 && [...this.#members].some((member) => member.hopeful)) this.#begin();
  }
}

/** One database that several parts of a process stand on: each has it in its own readiness, and says so in its own log. */
export function watchTogether(watches: readonly StorageWatch[]): { watch(storage: WatchedStorage): ToldStorage } {
  return {
    watch(storage) {
      const members = watches.map((watch) => watch.watch(storage));
      return {
        wrote: () => members.forEach((member) => member.wrote()),
        failed: (error) => members.forEach((member) => member.failed(error)),
        close: () => members.forEach((member) => member.close()),
      };
    },
  };
}

/** What whoever writes to it tells. */
export type ToldStorage = Pick<StorageMember, "wrote" | "failed" | "close">;

/** Says when storage begins to fail and when it has ended, however much fails between. */
export class StorageEpisodes {
  readonly #notice: StorageWatchOptions["notice"];
  #began: FailingStorage | undefined;
  #failedCalls = 0;
  #failedCallsEver = 0;

  constructor(notice: StorageWatchOptions["notice"]) {
    this.#notice = notice;
  }

  now([first]: readonly FailingStorage[], atMs: number): void {
    if (first !== undefined && this.#began === undefined) {
      this.#begin(first, atMs);
    } else if (first !== undefined && this.#began?.cause === "unknown" && first.cause !== "unknown") {
      // Somebody can do something about a cause only once it has a name.
      this.#begin({ ...first, sinceMs: this.#began.sinceMs }, atMs);
    } else if (first === undefined && this.#began !== undefined) {
      const { database, cause, sinceMs } = this.#began;
      const forMs = Math.max(0, atMs - sinceMs);
      this.#notice?.({ atMs, notice: "storage.recovered", database, cause, forMs, failedCalls: this.#failedCalls });
      this.#began = undefined;
      this.#failedCalls = 0;
    }
  }

  #begin(failing: FailingStorage, atMs: number): void {
    this.#began = failing;
    this.#notice?.({ atMs, notice: "storage.failing", database: failing.database, cause: failing.cause });
  }

  callFailed(): void {
    this.#failedCalls++;
    this.#failedCallsEver++;
  }

  failedCalls(): number {
    return this.#failedCallsEver;
  }
}

interface Watching {
  readonly now: () => number;
  readonly changed: () => void;
  readonly closed: () => void;
}

/** One database's standing, told by whoever writes to it. */
export class StorageMember {
  readonly #storage: WatchedStorage;
  readonly #watching: Watching;
  #failing: FailingStorage | undefined;
  #hopeful = false;
  #suspected = false;

  constructor(storage: WatchedStorage, watching: Watching) {
    this.#storage = storage;
    this.#watching = watching;
  }

  get database(): string {
    return this.#storage.database;
  }

  failing(): FailingStorage | undefined {
    return this.#failing;
  }

  /** A write passed while it counts as failing: reason to try whether a large one does. */
  get hopeful(): boolean {
    return this.#hopeful;
  }

  wrote(): void {
    if (this.#failing === undefined) return;
    this.#hopeful = true;
    this.#watching.changed();
  }

  /** Somebody else has seen it fail, before this began: a small write proves nothing then. */
  suspect(): void {
    this.#suspected = true;
  }

  /** Whatever else fails a statement is nothing that storage could mend. */
  failed(error: unknown): void {
    const cause = storageCauseOf(error);
    if (cause === undefined) return;
    this.#hopeful = false;
    this.#fail(cause);
    this.#watching.changed();
  }

  /** Its database is closed, and nobody's concern any more. */
  close(): void {
    this.#failing = undefined;
    this.#watching.closed();
  }

  async look(freeBytesMin: number): Promise<void> {
    const size = this.#failing === undefined && !this.#suspected ? "small" : "large";
    this.#hopeful = false;
    this.#suspected = false;
    try {
      await this.#storage.try(size);
      const free = freeBytesMin === 0 ? undefined : await this.#storage.freeBytes?.();
      if (free !== undefined && free < freeBytesMin) this.#fail("lowSpace");
      else this.#failing = undefined;
    } catch (error) {
      this.#fail(storageCauseOf(error) ?? "unknown");
    }
  }

  /** The newest cause, since the first. */
  #fail(cause: StorageCause): void {
    this.#failing = { database: this.#storage.database, cause, sinceMs: this.#failing?.sinceMs ?? this.#watching.now() };
  }
}
