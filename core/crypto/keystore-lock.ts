import { open, readFile, rm, stat } from "node:fs/promises";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { isSystemError } from "./keystore-file.ts";

const ATTEMPTS_MAX = 200;
const PAUSE_MS = 50;
const CLOCK_SLACK_MS = 2_000;
/** A lock without its owner's id for this long was left by a process killed between making and writing it. */
const NAMELESS_MS_MAX = 5_000;

/** Another process has held the key store's lock for ten seconds. */
export class KeyStoreBusyError extends Error {
  override readonly name = "KeyStoreBusyError";
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !isSystemError(error, "ESRCH");
  }
}

/** `true` when the process that wrote the lock is gone from this machine. */
async function isAbandoned(lock: string): Promise<boolean> {
  try {
    const pid = Number(await readFile(lock, "utf8"));
    const writtenAtMs = (await stat(lock)).mtimeMs;
    if (!Number.isInteger(pid) || pid <= 0) return writtenAtMs < Date.now() - NAMELESS_MS_MAX;
    if (pid !== process.pid) return !isRunning(pid);
    // A container's process has the same id after each start: our own id in a lock older than we are is an earlier life's.
    const startedAtMs = Date.now() - process.uptime() * 1000;
    return writtenAtMs < startedAtMs - CLOCK_SLACK_MS;
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return false;
    throw error;
  }
}

async function tryLock(lock: string): Promise<boolean> {
  try {
    const handle = await open(lock, "wx", 0o600);
    try {
      await handle.writeFile(String(process.pid));
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if (isSystemError(error, "EEXIST")) return false;
    throw error;
  }
}

/** Takes an abandoned lock away. Judged again under a lock of its own, or the second to judge would remove the first one's new lock. */
async function removeIfAbandoned(lock: string): Promise<void> {
  if (!(await isAbandoned(lock))) return;
  const breaking = `${lock}.breaking`;
  if (!(await tryLock(breaking))) return;
  try {
    if (await isAbandoned(lock)) await rm(lock, { force: true });
  } finally {
    await rm(breaking, { force: true });
  }
}

/**
 * Runs `work` while no other process changes the same key store, so that two processes that start together do not each make a key under
 * one handle and lose one of them. A lock left by a killed process is taken away; one that stays is named, for a person to judge.
 */
export async function withKeyStoreLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  for (let attempt = 0; !(await tryLock(lock)); attempt += 1) {
    if (attempt === ATTEMPTS_MAX) throw new KeyStoreBusyError(`key store locked by another process; if none runs, remove ${lock}*`);
    await removeIfAbandoned(lock);
    await pause(PAUSE_MS);
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}
