/** Files by the names that somebody gave, or that a layout says: what the system refuses is told as such, never as absence. */
import { statSync } from "node:fs";
import { lstat, readFile, rename, rm, writeFile } from "node:fs/promises";

/**
 * Whether something is there. A folder that this user may not look into is another thing than an empty one: that throws.
 */
export function isThere(path: string | URL): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** The text of a file; `undefined` when it is not there, and only then. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

function isAbsence(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

/**
 * What a command was asked to write somewhere: whole, or as if it had not been asked. A device or a pipe takes it as it
 * comes. An error names the path, which the system itself forgets once a file is open, and that it was to be made.
 */
export async function writeOut(file: string, content: string | Uint8Array): Promise<void> {
  const known = await lstat(file).catch(() => undefined);
  const isPlain = known === undefined || known.isFile();
  const draft = isPlain ? `${file}.part` : file;
  try {
    await writeFile(draft, content);
    if (isPlain) await rename(draft, file);
  } catch (error) {
    if (isPlain) await rm(draft, { force: true }).catch(() => undefined);
    throw error instanceof Error && "syscall" in error ? Object.assign(error, { path: file, creating: true }) : error;
  }
}
