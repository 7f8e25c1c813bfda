/** Exports all logs of a platform into one folder (`FORMAT.md` section 11). Run again, it adds what is new. */
import type { Database } from "../../migrations/database.ts";
import { utf8, utf8Text } from "../verifier/bytes.ts";
import {
  CHECKPOINT_FILE,
  type ExportedFile,
  type ExportedLog,
  type ExportIndex,
  foldersOf,
  hashedFiles,
  hashOf,
  HEADERS_FILE,
  INDEX_FILE,
  PAGE_FILE,
  parseIndex,
  POLICY_FILE,
  printHeaders,
  printIndex,
  UNFINISHED_FILE,
} from "../verifier/export-layout.ts";
import { parsePolicy } from "../verifier/policy.ts";
import { type Hash, treeHasher } from "../verifier/tree.ts";
import { type ExportFolder, PART_SUFFIX } from "./folder.ts";
import { ExportError, exportLog, isPart } from "./log.ts";

export interface LogToExport {
  readonly origin: string;
  readonly db: Database;
  /** The newest checkpoint that may be published, a signed note. */
  readonly note: string;
}

export interface ExportOptions {
  readonly folder: ExportFolder;
  readonly logs: readonly LogToExport[];
  /** The policy handed to auditors, exact. */
  readonly policy: Uint8Array;
  /** The verifier page, when there is one to go along. */
  readonly page?: Uint8Array;
  readonly sm3: Hash;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface ExportSummary {
  readonly logs: readonly { readonly origin: string; readonly folder: string; readonly size: number; readonly written: number }[];
}

export async function exportPlatform(options: ExportOptions): Promise<ExportSummary> {
  const { folder, sm3 } = options;
  const names = foldersOf(options.logs.map((log) => log.origin));
  const index: ExportIndex = { logs: names, files: filesOf(options, names) };
  const existing = await earlierFiles(folder, index);
  checkPolicy(options);
  await folder.write(UNFINISHED_FILE, utf8("an export is being written here, or was cut short: run it again\n"));
  for (const path of existing) if (isPart(path)) await folder.remove(path);
  const sizes = new Map(options.logs.map((log) => [log.origin, sizeIn(log.note)]));
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  let done = 0;
  const logs: ExportSummary["logs"][number][] = [];
  for (const { origin, folder: name } of names) {
    const log = options.logs.find((one) => one.origin === origin);
    if (log === undefined) throw new Error("a log was lost");
    const below = [...existing].filter((path) => path.startsWith(`${name}/`) && !isPart(path)).map((path) => path.slice(name.length + 1));
    const { size, written } = await exportLog({
      ...log,
      hasher: treeHasher(sm3),
      folder,
      name,
      existing: new Set(below),
      onProgress: (entries) => options.onProgress?.(done + entries, total),
    });
    done += size;
    logs.push({ origin, folder: name, size, written });
  }
  await folder.write(POLICY_FILE, options.policy);
  if (options.page === undefined) await folder.remove(PAGE_FILE);
  else await folder.write(PAGE_FILE, options.page);
  await folder.write(HEADERS_FILE, utf8(printHeaders(index)));
  await folder.write(INDEX_FILE, utf8(printIndex(index)));
  await folder.remove(UNFINISHED_FILE);
  return { logs };
}

function filesOf({ sm3, policy, page, logs }: ExportOptions, names: readonly ExportedLog[]): readonly ExportedFile[] {
  return hashedFiles(names, page !== undefined).map((name) => {
    const log = names.find((one) => name === `${one.folder}/${CHECKPOINT_FILE}`);
    const note = logs.find((one) => one.origin === log?.origin)?.note;
    const bytes = note === undefined ? (name === POLICY_FILE ? policy : page) : utf8(note);
    if (bytes === undefined) throw new Error(`no bytes for ${name}`);
    return { name, hash: hashOf(sm3, bytes) };
  });
}

function sizeIn(note: string): number {
  return Number(note.split("\n", 2)[1] ?? 0);
}

/** A policy that nobody could read would make the whole export worthless. */
function checkPolicy({ sm3, policy }: ExportOptions): void {
  const parsed = parsePolicy(sm3, utf8Text(policy) ?? "\u0000");
  if (!parsed.ok) throw new ExportError(`the policy cannot be read: ${parsed.error.detail}`);
}

/** Files of an earlier run on the same logs; a folder with anything else in it is not written to. */
async function earlierFiles(folder: ExportFolder, index: ExportIndex): Promise<ReadonlySet<string>> {
  const files = new Set(await folder.list());
  if (files.size === 0) return files;
  if (files.has(INDEX_FILE)) {
    const earlier = parseIndex((await folder.read(INDEX_FILE)) ?? new Uint8Array());
    if (!earlier.ok) throw new ExportError(`the folder holds an export that cannot be read: ${earlier.error.detail}`);
    const others = earlier.value.logs.filter((log) => !index.logs.some((one) => one.folder === log.folder && one.origin === log.origin));
    if (others.length > 0) throw new ExportError(`the folder holds an export of other logs, ${others[0]?.origin ?? ""} among them`);
  } else if (!files.has(UNFINISHED_FILE) && [...files].some((path) => path !== `${UNFINISHED_FILE}${PART_SUFFIX}`))
    throw new ExportError("the folder holds files that are not of an export: choose an empty one");
  return files;
}
