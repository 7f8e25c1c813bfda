import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../config.ts";

/**
 * Makes this process the owner of a part's folder: its databases take one writing process each. The mark of a
 * process that no longer runs is taken over, so that `kill -9` needs no cleaning up.
 */
export function ownFolder(folder: string): { release(): void } {
  const mark = join(folder, "owner.pid");
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(mark, String(process.pid), { flag: "wx", mode: 0o600 });
      return { release: () => rmSync(mark, { force: true }) };
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      const owner = Number(readFileSync(mark, "utf8"));
      if (owner !== process.pid && isRunning(owner)) throw new UsageError(`${folder} is in use by process ${owner}`);
      rmSync(mark, { force: true });
    }
  }
  throw new UsageError(`${folder} is in use by another process`);
}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
