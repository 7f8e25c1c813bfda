import { readdir, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { UsageError } from "../config.ts";
import { makeFolder } from "../../migrations/make-folder.ts";
import { closePlatform, type Layout } from "./layout.ts";
import { OWNER_MARK, ownFolder } from "./owner.ts";
import { isThere } from "./files.ts";

/**
 * Runs `found` in an empty folder, or in one where an earlier founding was cut short, whose remains are removed:
 * keys without their key-encryption key, or payers without accounts, are of no use to anybody.
 */
export async function foundIn<T>(layout: Layout, found: () => Promise<T>): Promise<T> {
  await makeFolder(layout.root);
  const owned = ownFolder(layout.root);
  try {
    const there = (await readdir(layout.root)).filter((name) => name !== OWNER_MARK && name !== basename(layout.founding));
    if (there.length > 0 && !isThere(layout.founding))
      throw new UsageError(`${layout.root} is not empty; a platform is founded in an empty folder`);
    for (const name of there) await rm(join(layout.root, name), { recursive: true, force: true });
    await writeFile(layout.founding, "", { mode: 0o600 });
    closePlatform(layout);
    const founded = await found();
    await rm(layout.founding);
    return founded;
  } finally {
    owned.release();
  }
}
