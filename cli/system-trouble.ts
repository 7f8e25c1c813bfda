/** Troubles of the machine and the network, said in one line: no stack for what an operator mends. */
const SYSTEM_TROUBLE: Readonly<Record<string, string>> = {
  EADDRINUSE: "is taken by another process",
  EADDRNOTAVAIL: "is no address of this machine",
  ECONNREFUSED: "does not answer",
  ENOTFOUND: "is not known",
  EACCES: "is not allowed",
  ENOENT: "is not there",
  EISDIR: "is a folder",
  ENOSPC: "has no room left",
};

/** What the machine or the network refused, and where; also when it stands under other errors (`fetch failed`, kafkajs). */
export function systemTrouble(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code, path, address, port, hostname, broker } = cause as NodeJS.ErrnoException & Readonly<Record<string, unknown>>;
    const said = SYSTEM_TROUBLE[code ?? ""];
    if (said === undefined) continue;
    const place = broker ?? path ?? (address === undefined ? hostname : `${String(address)}:${String(port)}`);
    return `${String(place ?? "something")} ${said} (${code ?? ""})`;
  }
  return undefined;
}
