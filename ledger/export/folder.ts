/** The files of an export in a folder of this machine. */
import { readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { makeFolder } from "../../migrations/make-folder.ts";
import { bytesMaxOf } from "../verifier/export-layout.ts";
import { type ExportFiles, UnfitFileError } from "../verifier/export-files.ts";
import { readRegularFile, UNREAD_WORDS } from "./regular-file.ts";

/** What writes an export. Every call may fail, or be the last of the process. */
export interface ExportFolder extends ExportFiles {
  /** A file appears whole or not at all. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Takes away a file, or a folder with all in it; nothing happens when it is not there. */
  remove(path: string): Promise<void>;
}

/** Behind the name of a file that is not whole yet. */
export const PART_SUFFIX = ".part";

/** An export is for others to read, as far as the umask lets them. */
const PUBLIC = 0o777;

export function exportFolder(root: string): ExportFolder {
  const made = new Set<string>();
  return {
    list: () => listFiles(root),
    async read(path) {
      const read = await readRegularFile(join(root, path), bytesMaxOf(path));
      if (read.ok) return read.bytes;
      if (read.why === "missing") return undefined;
      if (read.why === "unreadable") throw new Error("cannot be read");
      throw new UnfitFileError(UNREAD_WORDS[read.why]);
    },
    async write(path, bytes) {
      const file = join(root, path);
      const folder = dirname(file);
      if (!made.has(folder)) await makeFolder(folder, PUBLIC);
      made.add(folder);
      await writeFile(`${file}${PART_SUFFIX}`, bytes);
      await rename(`${file}${PART_SUFFIX}`, file);
    },
    async remove(path) {
      await rm(join(root, path), { recursive: true, force: true });
    },
  };
}

/** Everything below `root` that is not a folder; a link is a file like any other. */
async function listFiles(root: string): Promise<readonly string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join("/"));
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
