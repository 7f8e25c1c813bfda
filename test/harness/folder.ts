import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { promisify } from "node:util";

/** A folder that is gone after the test. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "ronghe-whole-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

const execute = promisify(execFile);

/**
 * Copies what a folder holds, by a process of its own: one that opens and closes a database file by hand loses every
 * lock that SQLite holds on it in the same process (sqlite.org/howtocorrupt.html, 2.2), and then reads nonsense.
 */
export async function copyFolder(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await execute("cp", ["-R", `${from}/.`, to]);
}

/** Every file below a folder, as it stands now. */
export async function allFiles(folder: string): Promise<readonly { readonly path: string; readonly bytes: Buffer }[]> {
  const copy = await temporaryFolder();
  try {
    await copyFolder(folder, copy.path);
    const entries = await readdir(copy.path, { recursive: true, withFileTypes: true });
    return await Promise.all(
      entries
        .filter((entry) => entry.isFile())
        .map(async (entry) => {
          const path = join(entry.parentPath, entry.name);
          return { path: join(folder, relative(copy.path, path)), bytes: await readFile(path) };
        }),
    );
  } finally {
    await copy[Symbol.asyncDispose]();
  }
}

/** Every part takes a free port and writes it to the runtime file. */
export const FREE_PORTS: Readonly<Record<string, string>> = {
  RONGHE_EDGE_PORT: "0",
  RONGHE_CORE_PORT: "0",
  RONGHE_STREAMS_PORT: "0",
  RONGHE_RAILS_PORT: "0",
};
