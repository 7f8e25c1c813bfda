/**
 * Where a platform keeps its things below `--data`. Each part touches only its own folder, so that parts can be
 * moved to machines of their own by copying one folder.
 */
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { chmod, rename, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import * as v from "valibot";
import { makeFolder } from "../../migrations/make-folder.ts";
import { type Config, UsageError } from "../config.ts";
import { isThere, readIfThere } from "./files.ts";
import { closeToOthers } from "./private-files.ts";

export interface Layout {
  readonly root: string;
  readonly platform: string;
  /** There while a platform is being founded; left by a founding that was cut short. */
  readonly founding: string;
  readonly runtime: string;
  readonly kek: string;
  readonly core: {
    readonly folder: string;
    readonly database: string;
    readonly keys: string;
    readonly rails: string;
    readonly books: string;
    /** Proves to a running core that an operator may read this folder. */
    readonly operatorKey: string;
    shard(partition: number): string;
  };
  readonly edge: {
    readonly folder: string;
    readonly database: string;
    readonly keys: string;
    readonly secret: string;
    readonly bundle: string;
    readonly trust: string;
  };
  readonly bus: string;
  readonly streams: { readonly folder: string; readonly database: string };
  readonly sandbox: { readonly folder: string; readonly rails: string };
  /** Verifier keys of the logs, for auditors. */
  readonly policy: string;
  /** Public keys that sign codes, for checking one offline. */
  readonly codeKeys: string;
  readonly clients: string;
  /** Folders of further edges, each a `RONGHE_DATA` of its own. */
  readonly edges: string;
}

export function layoutOf(root: string): Layout {
  const at = (...parts: string[]): string => join(root, ...parts);
  return {
    root,
    platform: at("platform.json"),
    founding: at("founding"),
    runtime: at("runtime.json"),
    kek: at("kek"),
    core: {
      folder: at("core"),
      database: at("core", "core.db"),
      keys: at("core", "keys.json"),
      rails: at("core", "rails.db"),
      books: at("core", "books.db"),
      operatorKey: at("core", "operator.key"),
      shard: (partition) => at("core", `settlement-${partition}.db`),
    },
    edge: {
      folder: at("edge"),
      database: at("edge", "edge.db"),
      keys: at("edge", "keys.json"),
      secret: at("edge", "core-secret.sealed"),
      bundle: at("edge", "bundle.sealed"),
      trust: at("edge", "platform-key.hex"),
    },
    bus: at("bus.db"),
    streams: { folder: at("streams"), database: at("streams", "streams.db") },
    sandbox: { folder: at("sandbox"), rails: at("sandbox", "payers.db") },
    policy: at("ledger-policy.txt"),
    codeKeys: at("code-keys.txt"),
    clients: at("clients"),
    edges: at("edges"),
  };
}

/** The folder of an edge of this platform: the first one's is the platform's own. */
export function edgeLayout(layout: Layout, edgeId: string): Layout {
  return edgeId === FIRST_EDGE ? layout : layoutOf(join(layout.edges, edgeId));
}

export const FIRST_EDGE = "edge-1";

/** What must never change in the life of a platform, fixed when it is created. */
const platformFile = v.strictObject({
  /** Prefix of log origins and names, for example `ronghe.example/51`. */
  platform: v.pipe(v.string(), v.regex(/^[a-z0-9.-]+(?:\/[a-z0-9.-]+)*$/)),
  /** Partitions of every topic and shards of the settlement ledger. */
  partitions: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64)),
  /** GB/T 2260 area, six digits. */
  area: v.pipe(v.string(), v.regex(/^\d{6}$/)),
  appIdWidth: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(32)),
  edgeId: v.pipe(v.string(), v.regex(/^[a-z0-9-]{1,32}$/)),
  createdAtMs: v.number(),
});
export type PlatformFile = v.InferOutput<typeof platformFile>;

export function platformExists(layout: Layout): boolean {
  return isThere(layout.platform) && !isThere(layout.founding);
}

export function readPlatform(layout: Layout): PlatformFile {
  if (!platformExists(layout)) {
    throwIfShut(layout.root);
    throw new UsageError(`no platform in ${layout.root}: create one with \`ronghe sandbox init --data ${layout.root}\``);
  }
  closePlatform(layout);
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), platformFile), readFileSync(layout.platform, "utf8"));
  if (!parsed.success) throw new UsageError(`${layout.platform} is not a platform file of this version`);
  return parsed.output;
}

/**
 * For a database with a log in it, before it is opened to write: a founding makes them all, and one that is gone since is not
 * made anew. Its log would begin again beside what was signed, and its bills would be paid a second time.
 */
export function expectLogFile(layout: Layout, file: string): void {
  if (!platformExists(layout) || isThere(file)) return;
  const again =
    file === layout.core.database ? "put it back from a copy" : "make it again with `ronghe ledger rebuild`, or put it back from a copy";
  throw new UsageError(`${file} is not there: ${again}`);
}

/** Keys, accounts and what people did are for nobody else on this machine to read. What is no platform stays as it is. */
export function closePlatform(layout: Layout): void {
  if (!isThere(layout.platform) && !isThere(layout.founding)) return;
  const ours = new Set(topNames(layout));
  const bus = basename(layout.bus);
  closeToOthers(layout.root, (name) => ours.has(name) || name.startsWith(`${bus}-`));
}

/** What of a layout lies at the top of its folder. */
function topNames(layout: Layout): readonly string[] {
  const { platform, founding, runtime, kek, bus, policy, codeKeys, clients, edges, core, edge, streams, sandbox } = layout;
  const folders = [core, edge, streams, sandbox].map(({ folder }) => folder);
  return [platform, founding, runtime, kek, bus, policy, codeKeys, clients, edges, ...folders].map((path) => basename(path));
}

/** A folder that this user may not look into is another thing than an empty one. */
function throwIfShut(folder: string): void {
  const stats = statSync(folder, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isDirectory()) throw new UsageError(`${folder} is no folder: --data or RONGHE_DATA names one`);
  accessSync(folder, constants.R_OK | constants.X_OK);
}

/** Where a running platform listens; removed when it stops in order. */
const runtimeFile = v.object({
  pid: v.number(),
  bus: v.string(),
  edgeUrl: v.optional(v.string()),
  coreUrl: v.optional(v.string()),
  railsAdminUrl: v.optional(v.string()),
  rails: v.optional(v.object({ insurance: v.string(), commercial: v.string(), bank: v.string() })),
});
export type RuntimeFile = v.InferOutput<typeof runtimeFile>;

/** `undefined` while nothing runs on this folder. */
export async function knownRuntime(layout: Layout): Promise<RuntimeFile | undefined> {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), runtimeFile), await readIfThere(layout.runtime));
  return parsed.success ? parsed.output : undefined;
}

export async function readRuntime(layout: Layout): Promise<RuntimeFile> {
  const known = await knownRuntime(layout);
  if (known === undefined)
    throw new UsageError(`no platform is running on ${layout.root}: start it with \`ronghe serve all --data ${layout.root}\``);
  return known;
}

/** Where an edge by itself finds the core: as it is told, as the core noted in this folder, else on this machine. */
export async function coreUrlOf(config: Config, layout: Layout): Promise<string> {
  const known = config.RONGHE_CORE_URL ?? (await knownRuntime(layout))?.coreUrl;
  if (known !== undefined) return known;
  if (config.RONGHE_CORE_PORT === 0) throw new UsageError("RONGHE_CORE_URL is needed for this part");
  return `http://127.0.0.1:${config.RONGHE_CORE_PORT}`;
}

/** An edge that ran by itself takes only its own address back: the next one finds core and payers by what they noted. */
export async function forgetEdge(layout: Layout): Promise<void> {
  const known = await knownRuntime(layout);
  if (known === undefined) return;
  const { edgeUrl: _, ...others } = known;
  await writePrivate(layout.runtime, `${JSON.stringify(others, undefined, 2)}\n`);
}

/** Nobody is to pay with money of a sandbox that has ended. */
export async function forgetSandbox(layout: Layout): Promise<void> {
  const known = await knownRuntime(layout);
  if (known === undefined) return;
  const { rails: _, railsAdminUrl: __, ...others } = known;
  await writePrivate(layout.runtime, `${JSON.stringify(others, undefined, 2)}\n`);
}

/** Writes a file whole or not at all, readable by its owner only. */
export async function writePrivate(file: string, content: string | Uint8Array): Promise<void> {
  const draft = `${file}.${process.pid}.new`;
  await writeFile(draft, content, { mode: 0o600 });
  await chmod(draft, 0o600);
  await rename(draft, file);
}

type Folder = "core" | "edge" | "streams" | "sandbox";

/** The folders of some parts; of all, with that of the callers, when none is named. */
export async function makeFolders(layout: Layout, parts: Iterable<Folder> = ["core", "edge", "streams", "sandbox"]): Promise<void> {
  for (const part of parts) await makeFolder(layout[part].folder);
}
