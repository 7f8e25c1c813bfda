/** Disks that take no more bytes, made by the kernel, and what parts say of them. */
import { execFile } from "node:child_process";
import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const VOLUME_BYTES = 32 * 1024 * 1024;

/** What a part writes to, as far as this test decides over it. */
export interface Disk {
  fill(): Promise<unknown>;
  empty(): Promise<unknown>;
}

/** No file of the process may grow. The hard limit stays, so that the soft one can be raised again. */
export function limitOf(pid: number): Disk {
  const limit = (to: "0" | "unlimited"): Promise<unknown> => run("prlimit", ["--pid", String(pid), `--fsize=${to}:`]);
  return { fill: () => limit("0"), empty: () => limit("unlimited") };
}

/** A small volume over a folder; `undefined` where this process may not mount one. */
export async function mountVolume(path: string): Promise<(Disk & { unmount(): Promise<void> }) | undefined> {
  await mkdir(path, { recursive: true });
  try {
    await run("mount", ["-t", "tmpfs", "-o", `size=${VOLUME_BYTES}`, "none", path]);
  } catch (error) {
    const skipped = "no volume can be mounted here (root is needed): a volume that is full is not tried";
    if (process.env["CI"] !== undefined) throw new Error(skipped, { cause: error });
    process.stderr.write(`${skipped}\n`);
    return undefined;
  }
  const ballast = join(path, "ballast");
  return {
    async fill() {
      const file = await open(ballast, "a");
      for (let bytes = 1024 * 1024; bytes >= 1;) {
        const { bytesWritten } = await file.write(Buffer.alloc(bytes)).catch(() => ({ bytesWritten: 0 }));
        if (bytesWritten < bytes) bytes = Math.floor(bytes / 2);
      }
      await file.close();
    },
    empty: () => rm(ballast, { force: true }),
    unmount: async () => void (await run("umount", ["-l", path])),
  };
}

export async function json(url: string): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  const answer = await fetch(url);
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

/** Asks until the answer has this status; the test's own time is the limit. */
export async function until(url: string, status: number): Promise<Record<string, unknown>> {
  for (;;) {
    const answer = await json(url);
    if (answer.status === status) return answer.body;
    await sleep(100);
  }
}

/** Lines about storage, in order; wrangler puts words of its own around those of a Worker. */
export function storageLines(output: string, part: string): readonly Record<string, unknown>[] {
  return [...output.matchAll(/\{"atMs"[^{}]*"notice":"storage\.[^{}]*\}/g)]
    .map(([line]) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line["part"] === part);
}
