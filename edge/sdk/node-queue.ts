import { open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "../../migrations/make-folder.ts";
import { inOrder, type QueueEntry, type QueueStore } from "./terminal-queue.ts";

/** For terminals on Node or Deno: a folder with one file for each entry, readable by its owner only. */
export async function folderQueue(folder: string): Promise<QueueStore> {
  await makeFolder(folder);
  const fileOf = (outTradeNo: string): string => join(folder, `${outTradeNo}.json`);
  return {
    async all() {
      const names = (await readdir(folder)).filter((name) => name.endsWith(".json"));
      const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
      return inOrder(texts.map((text) => JSON.parse(text) as QueueEntry));
    },
    async put(entry) {
      const file = fileOf(entry.queued.request.outTradeNo);
      const draft = await open(`${file}.draft`, "w", 0o600);
      try {
        await draft.writeFile(JSON.stringify(entry));
        await draft.sync();
      } finally {
        await draft.close();
      }
      await rename(`${file}.draft`, file);
      await syncFolder(folder);
    },
    async remove(outTradeNo) {
      await rm(fileOf(outTradeNo), { force: true });
    },
  };
}

/** A new name is durable only with its folder. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
