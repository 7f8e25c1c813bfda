/**
 * Where things stand in an export (`FORMAT.md` section 11): the index, the one text of the cache headers, the paths of
 * tiles, and exactly which files a log of a given size has.
 */
import { isName, toHex, utf8Text } from "./bytes.ts";
import { LEAF_BYTES_MAX } from "./leaf.ts";
import { NOTE_BYTES_MAX } from "./note.ts";
import { HASH_BYTES } from "./tree.ts";
import { type Checked, failed, passed } from "./verdict.ts";

export const INDEX_FILE = "ronghe-export.txt";
export const POLICY_FILE = "policy";
export const HEADERS_FILE = "_headers";
export const PAGE_FILE = "verify.html";
/** Stands in the folder while an export is being written. */
export const UNFINISHED_FILE = "unfinished";
export const CHECKPOINT_FILE = "checkpoint";

/** Hashes of a full tile, leaves of a full bundle. */
export const TILE_WIDTH = 256;
export const TILE_HEIGHT = 8;
/** Levels that a log of up to 2^48 entries has. */
export const TILE_LEVELS_MAX = 6;
const TITLE = "ronghe-export/1";
const INDEX_BYTES_MAX = 1024 * 1024;
const RESERVED: ReadonlySet<string> = new Set([INDEX_FILE, POLICY_FILE, HEADERS_FILE, PAGE_FILE, UNFINISHED_FILE]);

const PAGE_BYTES_MAX = 16 * 1024 * 1024;

/** What a file of an export may have at most, by its place: nobody reads further. */
export function bytesMaxOf(path: string): number {
  if (path.includes("/tile/entries/")) return TILE_WIDTH * (2 + LEAF_BYTES_MAX);
  if (path.includes("/tile/")) return TILE_WIDTH * HASH_BYTES;
  if (path === PAGE_FILE) return PAGE_BYTES_MAX;
  return path.endsWith(`/${CHECKPOINT_FILE}`) ? NOTE_BYTES_MAX : INDEX_BYTES_MAX;
}

export interface ExportedLog {
  readonly folder: string;
  readonly origin: string;
}

export interface ExportedFile {
  /** Path below the export. */
  readonly name: string;
  /** SM3 of its bytes, hex. */
  readonly hash: string;
}

export interface ExportIndex {
  /** Ascending by folder. */
  readonly logs: readonly ExportedLog[];
  /** The policy, the checkpoint of each log, and the page when there is one; ascending by name. */
  readonly files: readonly ExportedFile[];
}

export function isFolder(text: string): boolean {
  return /^[a-z0-9][a-z0-9.-]{0,63}$/.test(text) && !RESERVED.has(text);
}

export function printIndex({ logs, files }: ExportIndex): string {
  return [
    TITLE,
    ...logs.map((log) => `log ${log.folder} ${log.origin}`),
    ...files.map((file) => `file ${file.name} ${file.hash}`),
    "",
  ].join("\n");
}

/** Refuses every text that printing would not give back. */
export function parseIndex(bytes: Uint8Array): Checked<ExportIndex> {
  const text = bytes.length > INDEX_BYTES_MAX ? undefined : utf8Text(bytes);
  const [title, ...lines] = text?.split("\n") ?? [];
  if (title !== TITLE) return failed("exportMalformed", `the first line of ${INDEX_FILE} is not ${TITLE}`);
  const logs: ExportedLog[] = [];
  const files: ExportedFile[] = [];
  for (const line of lines.slice(0, -1)) {
    const [word, first = "", second = "", ...more] = line.split(" ");
    if (more.length > 0) return failed("exportMalformed", `a line of ${INDEX_FILE} has too many words`);
    if (word === "log" && files.length === 0 && isFolder(first) && isName(second)) logs.push({ folder: first, origin: second });
    else if (word === "file" && /^[0-9a-f]{64}$/.test(second)) files.push({ name: first, hash: second });
    else return failed("exportMalformed", `a line of ${INDEX_FILE} is neither \`log <folder> <origin>\` nor \`file <name> <SM3>\``);
  }
  const index: ExportIndex = { logs, files };
  if (logs.length === 0 || !isAscending(logs.map((log) => log.folder)) || new Set(logs.map((log) => log.origin)).size !== logs.length)
    return failed("exportMalformed", `${INDEX_FILE} names no log, or one twice, or not in order`);
  const named = files.map((file) => file.name);
  const wanted = hashedFiles(logs, named.includes(PAGE_FILE));
  if (named.length !== wanted.length || !wanted.every((name, at) => name === named[at]))
    return failed("exportMalformed", `${INDEX_FILE} does not name the policy and each checkpoint, once and in order`);
  return printIndex(index) === text ? passed(index) : failed("exportMalformed", `${INDEX_FILE} is not in its one printed form`);
}

/** Files that an index vouches for by their hash, in its order. */
export function hashedFiles(logs: readonly ExportedLog[], hasPage: boolean): readonly string[] {
  const names = [POLICY_FILE, ...(hasPage ? [PAGE_FILE] : []), ...logs.map((log) => `${log.folder}/${CHECKPOINT_FILE}`)];
  return names.sort((a, b) => (a < b ? -1 : 1));
}

function isAscending(names: readonly string[]): boolean {
  return names.every((name, at) => at === 0 || (names[at - 1] ?? "") < name);
}

/** The folders of logs: the last part of each origin where that tells them apart, else a number. */
export function foldersOf(origins: readonly string[]): readonly ExportedLog[] {
  const short = origins.map((origin) => origin.slice(origin.lastIndexOf("/") + 1));
  const isUsable = short.every(isFolder) && new Set(short).size === short.length;
  const width = String(origins.length).length;
  return origins
    .map((origin, at) => ({ origin, folder: isUsable ? (short[at] ?? "") : `log-${String(at).padStart(width, "0")}` }))
    .sort((a, b) => (a.folder < b.folder ? -1 : 1));
}

const CHANGING = "  Cache-Control: no-cache";
const FOR_EVER = "  Cache-Control: public, max-age=31536000, immutable";
const TEXT = "  Content-Type: text/plain; charset=utf-8";
const HTML = "  Content-Type: text/html; charset=utf-8";
const BYTES = "  Content-Type: application/octet-stream";
const OPEN = "  Access-Control-Allow-Origin: *";

/** The file `_headers`, in the form that static hosts read. */
export function printHeaders({ logs, files }: ExportIndex): string {
  const rules = [
    rule(INDEX_FILE, [CHANGING, TEXT, OPEN]),
    rule(POLICY_FILE, [CHANGING, TEXT, OPEN]),
    ...files.filter((file) => file.name === PAGE_FILE).map((file) => rule(file.name, [CHANGING, HTML])),
    ...logs.flatMap(({ folder }) => [
      rule(`${folder}/${CHECKPOINT_FILE}`, [CHANGING, TEXT, OPEN]),
      rule(`${folder}/tile/*`, [FOR_EVER, BYTES, OPEN]),
    ]),
  ];
  return rules.join("");
}

function rule(path: string, headers: readonly string[]): string {
  return `/${path}\n${headers.map((header) => `${header}\n`).join("")}`;
}

/** A tile, or a bundle of entries, of a log; `width` is 256 for a full one. */
export interface TileName {
  readonly level: number | "entries";
  readonly index: number;
  readonly width: number;
}

/** Below the folder of the log. */
export function tilePath({ level, index, width }: TileName): string {
  return `tile/${level}/${numberPath(index)}${width === TILE_WIDTH ? "" : `.p/${width}`}`;
}

/** 1234067 is `x001/x234/067`. */
function numberPath(index: number): string {
  const groups: string[] = [];
  let rest = index;
  do {
    groups.unshift(String(rest % 1000).padStart(3, "0"));
    rest = Math.floor(rest / 1000);
  } while (rest > 0);
  return groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join("/");
}

/** Every tile and bundle that a log of `size` entries has, and no other. */
export function* tilesOf(size: number): Generator<TileName> {
  for (const level of ["entries", 0, 1, 2, 3, 4, 5] as const) yield* tilesOfLevel(level, size);
}

export function* tilesOfLevel(level: TileName["level"], size: number): Generator<TileName> {
  const nodes = Math.floor(size / TILE_WIDTH ** (level === "entries" ? 0 : level));
  const full = Math.floor(nodes / TILE_WIDTH);
  for (let index = 0; index < full; index += 1) yield { level, index, width: TILE_WIDTH };
  if (nodes % TILE_WIDTH > 0) yield { level, index: full, width: nodes % TILE_WIDTH };
}

/** Leaves of a bundle as they stand in its file: each behind its length in two bytes. */
export function printBundle(leaves: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(leaves.reduce((sum, leaf) => sum + 2 + leaf.length, 0));
  let at = 0;
  for (const leaf of leaves) {
    bytes[at] = leaf.length >>> 8;
    bytes[at + 1] = leaf.length & 0xff;
    bytes.set(leaf, at + 2);
    at += 2 + leaf.length;
  }
  return bytes;
}

/** The leaves of a bundle: exactly `width` of them, and nothing behind. */
export function parseBundle(bytes: Uint8Array, width: number): Checked<readonly Uint8Array[]> {
  const leaves: Uint8Array[] = [];
  let at = 0;
  while (at + 2 <= bytes.length && leaves.length < width) {
    const end = at + 2 + (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
    if (end > bytes.length) break;
    leaves.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return leaves.length === width && at === bytes.length
    ? passed(leaves)
    : failed("exportMalformed", `a bundle of entries does not hold exactly ${width} entries`);
}

export function hashOf(sm3: (...parts: readonly Uint8Array[]) => Uint8Array, bytes: Uint8Array): string {
  return toHex(sm3(bytes));
}
