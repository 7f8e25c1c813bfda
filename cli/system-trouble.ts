/** Troubles of the machine and the network, said in one line: no stack for what an operator mends. */
const SYSTEM_TROUBLE: Readonly<Record<string, string>> = {
  EADDRINUSE: "is taken by another process",
  EADDRNOTAVAIL: "is no address of this machine",
  ECONNREFUSED: "does not answer",
  ENOTFOUND: "is not known",
  EACCES: "is not allowed",
  ENOENT: "is not there",
  EISDIR: "is a folder",
  ENOTDIR: "stands under a file that is no folder",
  EROFS: "is on a file system that takes no writes",
  ENOSPC: "has no room left",
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
    const database = databaseTrouble(cause);
    if (database !== undefined) return `${database} (${code ?? ""})`;
    const said = SYSTEM_TROUBLE[code ?? ""];
    if (said === undefined) continue;
    const place = broker ?? path ?? (address === undefined ? hostname : `${String(address)}:${String(port)}`);
    return `${String(place ?? "something")} ${said} (${code ?? ""})`;
  }
  return undefined;
}

function databaseTrouble(error: Error): string | undefined {
  const { rawCode } = error as { readonly rawCode?: unknown };
  return typeof rawCode === "number" ? SQLITE_TROUBLE[rawCode & 0xff] : undefined;
}

/** SQLite's word for a file whose bytes are no longer a database. */
export function damageCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code?.startsWith("SQLITE_CORRUPT") === true || code === "SQLITE_NOTADB" ? code : undefined;
}
