/**
 * What a data folder holds is its owner's alone: keys, accounts, who was where. A process makes its files so from the
 * first on, and what was made otherwise (by an earlier version, a copy, a `mkdir` of the operator's) is closed before it
 * is used.
 */
import { chmodSync, lstatSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../config.ts";
import { printErrorLine } from "../output.ts";

const OTHERS = 0o077;
/** Of whoever started this process, for files that are meant to be read by others. */
let givenMask: number | undefined;

/** From here on whatever this process and its children make is readable by its user only. */
export function keepFilesPrivate(): void {
  const before = process.umask(OTHERS);
  givenMask ??= before;
}

/** For commands whose whole work is to publish, such as an export: files as the user's own settings make them. */
export function makePublicFiles(): void {
  if (givenMask !== undefined) process.umask(givenMask);
}

/** Folders that this process has looked through: its own new files are private already. */
const closed = new Set<string>();

/**
 * Closes a data folder to all but its owner, and says so in one line when anything stood open; refuses where that is not
 * ours to do. `isOurs` tells what lies at the top; whatever else somebody put there is not touched. With `shared` the folder
 * itself is closed only when nothing else is in it: it may be a home.
 */
export function closeToOthers(root: string, isOurs: (name: string) => boolean, shared = false): void {
  if (process.platform === "win32" || closed.has(root)) return;
  const stats = statSync(root, { throwIfNoEntry: false });
  if (stats === undefined) return;
  const names = readdirSync(root);
  const ours = names.filter(isOurs);
  let count = shared && ours.length < names.length ? 0 : closePath(root, stats.mode);
  // A part's folder may lie on another disk: links at the top are followed, further down they are somebody else's.
  for (const name of ours) {
    const path = join(root, name);
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) continue;
    count += closePath(path, found.mode);
    if (found.isDirectory()) count += closeBelow(path);
  }
  closed.add(root);
  if (count > 0) printErrorLine(`ronghe: ${root} stood open to other users: ${count} of its files and folders are now their owner's alone`);
}

function closeBelow(folder: string): number {
  let count = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory() && !entry.isFile()) continue;
    const path = join(folder, entry.name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    // Drafts and marks of a running platform come and go.
    if (stats === undefined) continue;
    count += closePath(path, stats.mode);
    if (entry.isDirectory()) count += closeBelow(path);
  }
  return count;
}

/** 1 when it stood open. */
function closePath(path: string, mode: number): 0 | 1 {
  if ((mode & OTHERS) === 0) return 0;
  try {
    chmodSync(path, mode & 0o7700);
    return 1;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT") return 0;
    // A backup that is mounted for reading cannot be mended, and takes no harm from being read.
    if (code === "EROFS") return 0;
    if (code !== "EPERM" && code !== "EACCES") throw error;
    throw new UsageError(`${path} is open to other users and belongs to another one: its owner runs \`chmod -R go-rwx ${path}\` first`);
  }
}
