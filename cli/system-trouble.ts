import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { getSystemErrorMap } from "node:util";

/** Troubles of the machine and the network, said in one line: no stack for what an operator mends. */
const SYSTEM_TROUBLE: Readonly<Record<string, string>> = {
  EADDRINUSE: "is taken by another process",
  EADDRNOTAVAIL: "is no address of this machine",
  ECONNREFUSED: "does not answer",
  ECONNRESET: "broke the connection off",
  EPIPE: "takes no more",
  ETIMEDOUT: "does not answer in time",
  EHOSTUNREACH: "cannot be reached",
  ENETUNREACH: "cannot be reached",
  ENOTFOUND: "is not known",
  EAI_AGAIN: "cannot be looked up now",
  UND_ERR_CONNECT_TIMEOUT: "does not answer in time",
  UND_ERR_HEADERS_TIMEOUT: "does not answer in time",
  UND_ERR_BODY_TIMEOUT: "does not answer in time",
  UND_ERR_SOCKET: "broke the connection off",
  EACCES: "is not allowed to this user",
  EPERM: "is not allowed here",
  ENOENT: "is not there",
  EEXIST: "is there already",
  EISDIR: "is a folder",
  ENOTDIR: "stands under a file that is no folder",
  ENOTEMPTY: "is not empty",
  ELOOP: "is a link that leads round to itself",
  ENAMETOOLONG: "has a name longer than the file system takes",
  EROFS: "is on a file system that takes no writes",
  ENOSPC: "has no room left on its disk",
  EDQUOT: "has no room left in this user's share of the disk",
  EFBIG: "is larger than the file system or this user's limit takes",
  EMFILE: "cannot be opened: this process has as many files open as it may (ulimit -n)",
  ENFILE: "cannot be opened: this machine has as many files open as it may",
  EXDEV: "is on another file system",
  EBUSY: "is in use",
  ETXTBSY: "is in use",
  EIO: "cannot be read or written: the disk reports a fault",
  ENXIO: "is a device that nothing serves",
  ENODEV: "is a device that nothing serves",
  ESTALE: "is on a server that no longer knows it",
  ENOMEM: "cannot be had: this machine is out of memory",
};

/** SQLite's primary result codes (sqlite3.h) that say the same of a database file; extended codes have them in their low byte. */
const SQLITE_TROUBLE: Readonly<Record<number, string>> = {
  8: "a database file or its folder may not be written to, and reading takes a file beside it",
  13: "the disk of a database file is full",
  14: "a database file cannot be opened",
};

/** Our own errors that say the same of rows and entries; by name, so that the command line loads no room for it. */
const DAMAGED_ROWS: ReadonlySet<string> = new Set(["LogDamagedError", "CorruptRowError"]);

/** What the machine or the network refused, and where; also when it stands under other errors (`fetch failed`, kafkajs). */
export function systemTrouble(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code, path, address, port, hostname, broker } = cause as NodeJS.ErrnoException & Readonly<Record<string, unknown>>;
    if (damageCode(cause) !== undefined) return `a database file is damaged (${code ?? ""}): \`ronghe ledger fsck\` says which of the core`;
    if (DAMAGED_ROWS.has(cause.name)) return `${cause.message}: \`ronghe ledger fsck\` says more`;
    if (cause.name === "NoTopicError") return cause.message;
    const database = databaseTrouble(cause);
    if (database !== undefined) return `${path === undefined ? "" : `${path}: `}${database}${code === undefined ? "" : ` (${code})`}`;
    // What `AbortSignal.timeout` ends a call with; its own cause, if any, says no more.
    if (cause.name === "TimeoutError") return "what was asked did not answer in time (TimeoutError)";
    const said = saidOf(cause);
    if (said === undefined) continue;
    const place = broker ?? path ?? (address === undefined ? hostname : `${String(address)}:${String(port)}`);
    return `${String(place ?? "something")} ${said} (${code ?? ""})`;
  }
  return undefined;
}

/** Words for what the system refused; its own where we have none, so that none of its errors is taken for a bug of ours. */
function saidOf(error: NodeJS.ErrnoException): string | undefined {
  const { code, errno, syscall, path } = error;
  const isNew = syscall === "mkdir" || ("creating" in error && error.creating === true);
  // A file system that takes no new names (/proc) refuses one as if its folder were missing.
  if (code === "ENOENT" && isNew && path !== undefined)
    return existsSync(dirname(path)) ? "cannot be made there" : "stands in a folder that is not there";
  const said = SYSTEM_TROUBLE[code ?? ""];
  if (said !== undefined || syscall === undefined || errno === undefined) return said;
  return `is refused by the system: ${getSystemErrorMap().get(errno)?.[1] ?? syscall}`;
}

function databaseTrouble(error: Error): string | undefined {
  const { rawCode } = error as { readonly rawCode?: unknown };
  return typeof rawCode === "number" ? SQLITE_TROUBLE[rawCode & 0xff] : undefined;
}

/** SQLite's word for a file whose bytes are no longer a database. */
export function damageCode(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  // Errors of the web's APIs have numbers.
  if (typeof code !== "string") return undefined;
  return code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB" ? code : undefined;
}
