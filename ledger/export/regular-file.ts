/**
 * Files that somebody handed over, read without trusting what they are: looked at before they are opened, never through a
 * link, never longer than what their kind may have. A pipe, a device, or a file without end cannot keep a reader.
 */
import { constants } from "node:fs";
import { type FileHandle, lstat, open } from "node:fs/promises";

export type Unread = "missing" | "link" | "folder" | "special" | "tooLong" | "unreadable";

export type FileRead = { readonly ok: true; readonly bytes: Uint8Array } | { readonly ok: false; readonly why: Unread };

/** What is wrong, behind the name of the file. */
export const UNREAD_WORDS: Readonly<Record<Unread, string>> = {
  missing: "is not there",
  link: "is a link: whoever may turn it decides what is read. Give the file itself",
  folder: "is a folder",
  special: "is no regular file",
  tooLong: "is too long",
  unreadable: "cannot be read",
};

const CHUNK_BYTES = 1024 * 1024;

/** Why a file is not to be opened, for those that are read piece by piece. */
export async function unfitFile(file: string): Promise<Unread | undefined> {
  try {
    const stats = await lstat(file);
    if (stats.isSymbolicLink()) return "link";
    if (stats.isDirectory()) return "folder";
    return stats.isFile() ? undefined : "special";
  } catch (error) {
    return reasonOf(error);
  }
}

/** The whole file, of at most `bytesMax` bytes. */
export async function readRegularFile(file: string, bytesMax: number): Promise<FileRead> {
  const why = await unfitFile(file);
  if (why !== undefined) return { ok: false, why };
  try {
    // Should it have become something else since: neither followed nor waited for.
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      return await readHandle(handle, bytesMax);
    } finally {
      await handle.close();
    }
  } catch (error) {
    return { ok: false, why: reasonOf(error) };
  }
}

function reasonOf(error: unknown): Unread {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR") ? "missing" : "unreadable";
}

async function readHandle(handle: FileHandle, bytesMax: number): Promise<FileRead> {
  const stats = await handle.stat();
  if (!stats.isFile()) return { ok: false, why: "special" };
  if (stats.size > bytesMax) return { ok: false, why: "tooLong" };
  // What a file system says of a size is not always so.
  const chunks: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const { bytesRead, buffer } = await handle.read(new Uint8Array(Math.min(CHUNK_BYTES, bytesMax + 1 - total)));
    if (bytesRead === 0) return { ok: true, bytes: joined(chunks, total) };
    chunks.push(buffer.subarray(0, bytesRead));
    total += bytesRead;
    if (total > bytesMax) return { ok: false, why: "tooLong" };
  }
}

function joined(chunks: readonly Uint8Array[], total: number): Uint8Array {
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
