import { mkdir } from "node:fs/promises";
import { existsSync } from "node:fs";
import { dirname } from "node:path";

/**
 * A folder and those above it, readable by their owner only as far as the umask does not say less. Step by step, because
 * Node's own `recursive` never returns where a file system refuses new names with ENOENT although the parent is there
 * (`/proc`). What is there already stays as it is.
 *
 * @throws the system's error, with the path that could not be made.
 */
export async function makeFolder(path: string, mode = 0o700): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EEXIST") return;
    const parent = dirname(path);
    if (code !== "ENOENT" || parent === path || existsSync(parent)) throw error;
    await makeFolder(parent, mode);
    await mkdir(path, { mode });
  }
}
