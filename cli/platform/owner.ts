import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../config.ts";

export const OWNER_MARK = "owner.pid";
/** A mark without a process id for this long was left by a process killed between making and writing it. */
const NAMELESS_MS_MAX = 5_000;

/**
 * Makes this process the owner of a part's folder: its databases take one writing process each. The mark of a
 * process that no longer runs is taken over, so that `kill -9` needs no cleaning up.
 */
export function ownFolder(folder: string): { release(): void } {
  const mark = join(folder, OWNER_MARK);
  if (!tryMark(mark)) {
    removeIfAbandoned(mark);
    if (!tryMark(mark)) throw new UsageError(`${folder} is in use by process ${read(mark)?.split(" ", 1)[0] ?? "?"}`);
  }
  return {
    release: () => {
      if (read(mark) === OURSELVES) rmSync(mark, { force: true });
    },
  };
}

function tryMark(mark: string): boolean {
  try {
    writeFileSync(mark, OURSELVES, { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if (isSystemError(error, "EEXIST")) return false;
    throw error;
  }
}

/** Judged again under a mark of its own: of two processes that find the same dead owner, the second would remove the first one's new mark. */
function removeIfAbandoned(mark: string): void {
  if (!isAbandoned(mark)) return;
  const breaking = `${mark}.breaking`;
  if (isOlderThan(breaking, NAMELESS_MS_MAX)) rmSync(breaking, { force: true });
  if (!tryMark(breaking)) return;
  try {
    if (isAbandoned(mark)) rmSync(mark, { force: true });
  } finally {
    rmSync(breaking, { force: true });
  }
}

function isAbandoned(mark: string): boolean {
  const text = read(mark);
  if (text === undefined) return false;
  const [id, started] = text.split(" ");
  const owner = Number(id);
  if (!Number.isInteger(owner) || owner <= 0) return isOlderThan(mark, NAMELESS_MS_MAX);
  // Our own id is an earlier life's: a container's process has the same one after each start.
  if (owner === process.pid || !isRunning(owner)) return true;
  const life = lifeOf(owner);
  if (life === undefined) return false;
  // Killed and not yet fetched by its parent, or, after a restart of the machine, another process under the old id.
  return life.ended || (started !== undefined && started !== life.started);
}

/** Whether a process has ended, and when it began in ticks since the machine started (proc(5)); `undefined` where no /proc tells. */
function lifeOf(pid: number): { readonly ended: boolean; readonly started: string } | undefined {
  const stat = read(`/proc/${pid}/stat`);
  // The second field, a name in brackets, may hold anything; state is the third and start time the twenty-second.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, started] = [fields?.[0], fields?.[19]];
  return state === undefined || started === undefined ? undefined : { ended: state === "Z" || state === "X", started };
}

/** What this process writes into its marks: its id, and when it began where that is known. */
const OURSELVES = [String(process.pid), lifeOf(process.pid)?.started].filter((part) => part !== undefined).join(" ");

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw error;
  }
}

function isOlderThan(file: string, ageMs: number): boolean {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats !== undefined && stats.mtimeMs < Date.now() - ageMs;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isSystemError(error, "EPERM");
  }
}

function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
