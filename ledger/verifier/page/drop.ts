/** Files and folders that somebody dropped or chose, as things to verify. */
import { fromClipboard, kindOfText, type TextKind } from "../session.ts";
import { utf8, utf8Text } from "../bytes.ts";
import type { PlacedFile } from "./messages.ts";

/** Receipts, checkpoints and policies are far smaller. */
const TEXT_BYTES_MAX = 4 * 1024 * 1024;
const INDEX_FILE = "ronghe-export.txt";
/** What file managers leave in folders that people look at. It is no part of an export. */
const SYSTEM_FILES: ReadonlySet<string> = new Set([".DS_Store", "Thumbs.db", "desktop.ini"]);

export type Dropped =
  | { readonly kind: TextKind; readonly name: string; readonly bytes: Uint8Array }
  | { readonly kind: "export"; readonly name: string; readonly files: readonly PlacedFile[]; readonly systemFiles: number }
  | { readonly kind: "refused"; readonly name: string; readonly why: "unknownText" | "tooLarge" };

/** From a drop. Entries must be taken before the event ends; walking them comes after. */
export function takeEntries(items: DataTransferItemList): readonly FileSystemEntry[] {
  return [...items].flatMap((item) => item.webkitGetAsEntry() ?? []);
}

export async function readEntries(entries: readonly FileSystemEntry[]): Promise<readonly Dropped[]> {
  const placed: PlacedFile[] = [];
  for (const entry of entries) await walk(entry, "", placed);
  return await readFiles(placed);
}

/** From a file or folder picker: a chosen folder's files carry their path. */
export async function readList(files: FileList): Promise<readonly Dropped[]> {
  return await readFiles([...files].map((file) => ({ path: file.webkitRelativePath === "" ? file.name : file.webkitRelativePath, file })));
}

export function readPasted(text: string, name: string): Dropped {
  return textOf(name, utf8(fromClipboard(text)));
}

async function walk(entry: FileSystemEntry, below: string, into: PlacedFile[]): Promise<void> {
  const path = below + entry.name;
  if (isFile(entry)) into.push({ path, file: await new Promise<File>((resolve, reject) => entry.file(resolve, reject)) });
  if (!isFolder(entry)) return;
  const reader = entry.createReader();
  // A reader gives its entries in portions, and an empty one at the end.
  for (;;) {
    const portion = await new Promise<readonly FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (portion.length === 0) return;
    for (const child of portion) await walk(child, `${path}/`, into);
  }
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}

async function readFiles(placed: readonly PlacedFile[]): Promise<readonly Dropped[]> {
  const roots = exportRoots(placed.map(({ path }) => path));
  const dropped: Dropped[] = [];
  const rest = new Set(placed);
  for (const root of roots) {
    const within = placed.filter(({ path }) => path.startsWith(root));
    for (const file of within) rest.delete(file);
    const files = within
      .filter(({ file }) => !SYSTEM_FILES.has(file.name))
      .map(({ path, file }) => ({ path: path.slice(root.length), file }));
    dropped.push({ kind: "export", name: root.slice(0, -1), files, systemFiles: within.length - files.length });
  }
  for (const { file } of rest) {
    if (SYSTEM_FILES.has(file.name)) continue;
    if (file.size > TEXT_BYTES_MAX) dropped.push({ kind: "refused", name: file.name, why: "tooLarge" });
    else dropped.push(textOf(file.name, new Uint8Array(await file.arrayBuffer())));
  }
  return dropped;
}

/** Folders that are exports: by their index, or, where that is missing, by what only an export has. */
function exportRoots(paths: readonly string[]): readonly string[] {
  const indexed = paths.filter((path) => path.endsWith(`/${INDEX_FILE}`)).map((path) => path.slice(0, -INDEX_FILE.length));
  if (indexed.length > 0) return indexed;
  const tops = paths.filter((path) => /\/tile\/|\/checkpoint$/.test(path)).map((path) => `${path.split("/", 1)[0] ?? ""}/`);
  return [...new Set(tops)];
}

function textOf(name: string, bytes: Uint8Array): Dropped {
  const kind = kindOfText(utf8Text(bytes) ?? "");
  return kind === undefined ? { kind: "refused", name, why: "unknownText" } : { kind, name, bytes };
}
