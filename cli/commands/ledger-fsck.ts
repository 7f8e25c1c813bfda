import { loadCrypto } from "../../core/crypto/index.ts";
import { LogKeyDerivation } from "../../core/fsck/log-keys.ts";
import { RegistryDerivation } from "../../core/fsck/registry-rows.ts";
import { ShardDerivation } from "../../core/fsck/shard-books.ts";
import { compareIndexes, compareStructure } from "../../core/fsck/structure.ts";
import { KEY_HANDLES } from "../../core/key-handles.ts";
import { toHex } from "../../core/protocol/bytes.ts";
import type { Crypto } from "../../core/crypto/port.ts";
import { type Finding, type FindingName, Findings } from "../../ledger/fsck/findings.ts";
import { type FsckedLog, fsckLog } from "../../ledger/fsck/log.ts";
import type { Database } from "../../migrations/database.ts";
import { type Config, UsageError } from "../config.ts";
import { printJson } from "../output.ts";
import { shardKeyHandle } from "../platform/core.ts";
import { layoutOf, readPlatform } from "../platform/layout.ts";
import { logFiles, openLogFile } from "../platform/verify.ts";
import { progressBar } from "../progress.ts";
import { damageCode } from "../system-trouble.ts";
import { isThere } from "../platform/files.ts";

export interface FsckReport {
  readonly origin: string;
  readonly ok: boolean;
  readonly size: bigint;
  /** Of the leaves that are stored, hex. */
  readonly root: string;
  /** How many differences of each name. */
  readonly counts: Readonly<Partial<Record<FindingName, number>>>;
  /** The first ones of each name. */
  readonly findings: readonly Finding[];
  /** What entries of an older version do not say, so that nothing proves it: no finding. The first of them in words. */
  readonly unproven: { readonly count: number; readonly first: readonly string[] };
}

/** `ronghe ledger fsck`: status 0 when every projection is what the leaves say, 1 when one differs or a file is damaged, 2 when one is not there. */
export async function ledgerFsck(config: Config, options: { readonly json?: boolean }): Promise<number> {
  const layout = layoutOf(config.RONGHE_DATA);
  const platform = readPlatform(layout);
  const crypto = await loadCrypto();
  const reports: FsckReport[] = [];
  for (const [at, { origin, file }] of logFiles(layout, platform).entries()) {
    if (!isThere(file)) throw new UsageError(`${file} is not there: \`ronghe ledger rebuild\` makes a lost shard again`);
    const bar = progressBar(`entries of ${origin}`);
    const report = await fsckFile({
      origin,
      file,
      crypto,
      shard: at === 0 ? undefined : at - 1,
      onProgress: (done, of) => bar.update(Number(done), Number(of)),
    });
    bar.stop();
    reports.push(report);
  }
  const ok = reports.every((report) => report.ok);
  if (options.json === true) printJson({ ok, logs: reports });
  else for (const report of reports) print(report);
  return ok ? 0 : 1;
}

interface FsckFile {
  readonly origin: string;
  readonly file: string;
  readonly crypto: Crypto;
  /** Of the registry: none. */
  readonly shard: number | undefined;
  readonly onProgress?: (done: bigint, total: bigint) => void;
}

export async function fsckFile(options: FsckFile): Promise<FsckReport> {
  const { origin, file } = options;
  const findings = new Findings();
  const db = await openLogFile(origin, file);
  let log: FsckedLog | undefined;
  try {
    // One picture of the whole file, whatever a running platform writes meanwhile.
    await db.read("BEGIN");
    log = await compareAll(db, findings, options);
    await db.read("COMMIT");
  } catch (error) {
    const code = damageCode(error);
    if (code === undefined) throw error;
    findings.add("unreadable", `the database cannot be read to its end (${code})`);
  } finally {
    await db.close();
  }
  const { size, root } = log ?? { size: 0n, root: new Uint8Array() };
  const counts = Object.fromEntries(findings.counts);
  return {
    origin,
    ok: findings.counts.size === 0,
    size,
    root: toHex(root),
    counts,
    findings: findings.kept,
    unproven: { count: findings.unprovenCount, first: findings.unprovenKept },
  };
}

async function compareAll(
  db: Database,
  findings: Findings,
  { origin, crypto, shard, onProgress = () => undefined }: FsckFile,
): Promise<FsckedLog> {
  const keys = new LogKeyDerivation();
  const registry = shard === undefined ? new RegistryDerivation(crypto) : undefined;
  const books = shard === undefined ? undefined : new ShardDerivation(crypto, findings);
  const log = await fsckLog({
    db,
    sm3: crypto.sm3,
    findings,
    onProgress,
    onLeaf(leaf, hash) {
      keys.take(leaf);
      registry?.take(leaf);
      books?.take(leaf, hash);
    },
  });
  if (log.origin !== origin && log.origin !== "") findings.add("head", `the database holds the log ${log.origin}, not ${origin}`);
  await keys.compare(db, shard === undefined ? KEY_HANDLES.registrySign : shardKeyHandle(shard), findings);
  await registry?.compare(db, findings);
  await books?.compare(db);
  await compareStructure(db, shard === undefined ? "core" : "shard", findings);
  await compareIndexes(db, findings);
  return log;
}

function print({ origin, ok, size, root, counts, findings, unproven }: FsckReport): void {
  console.log(`${ok ? "clean  " : "DIFFERS"} ${origin}  size ${size}  root ${root === "" ? "-" : root}`);
  for (const [name, count] of Object.entries(counts)) {
    console.log(`  ${name}: ${count}`);
    for (const one of findings)
      if (one.name === name) console.log(`    ${one.index === undefined ? "" : `entry ${one.index}: `}${one.detail}`);
    const more = count - findings.filter((one) => one.name === name).length;
    if (more > 0) console.log(`    … and ${more} more`);
  }
  if (unproven.count > 0) console.log(`  not said by entries of an older version, so not compared: ${unproven.count}`);
  for (const what of unproven.first) console.log(`    ${what}`);
}
