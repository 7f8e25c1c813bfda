/** Verifies all logs of a data folder, as an auditor who was handed the folder: reading only, from the bytes up. */
import { statSync } from "node:fs";
import type { Crypto } from "../../core/crypto/port.ts";
import { toHex } from "../../core/protocol/bytes.ts";
import { type EventMs, systemClock } from "../../core/protocol/time.ts";
import { verifyDatabase, type VerifyReport } from "../../ledger/verify-files.ts";
import { verifyLogSignature } from "../../ledger/verifier/note.ts";
import type { Verdict } from "../../ledger/verifier/report.ts";
import { type Database, openDatabase } from "../../migrations/database.ts";
import { openEmbeddedBus } from "../../streams/bus/embedded.ts";
import { UsageError } from "../config.ts";
import { shardOrigin } from "./core.ts";
import { type Layout, type PlatformFile, readPlatform } from "./layout.ts";
import { readTrustedKeys } from "./trust.ts";
import { isThere } from "./files.ts";

export { readTrustedKeys } from "./trust.ts";

export interface LogReport {
  readonly origin: string;
  readonly ok: boolean;
  readonly verdict: Verdict;
  readonly size: bigint;
  /** Hex. */
  readonly root: string;
  readonly checks: VerifyReport["checks"];
  readonly firstDefect?: { readonly name: string; readonly detail: string; readonly index?: bigint };
}

export interface LogFile {
  readonly origin: string;
  readonly file: string;
  /** Entries by kind, from the columns that the verifier compares with the bytes. */
  readonly kinds: ReadonlyMap<string, number>;
}

/** Every log that the platform must have, whether its file is there or not. */
export function logFiles(layout: Layout, platform: PlatformFile): readonly { readonly origin: string; readonly file: string }[] {
  const shards = Array.from({ length: platform.partitions }, (_, n) => ({ origin: shardOrigin(platform, n), file: layout.core.shard(n) }));
  return [{ origin: `${platform.platform}/registry`, file: layout.core.database }, ...shards];
}

/** The database of a log, for reading. */
export async function openLogFile(origin: string, file: string): Promise<Database> {
  // A folder that somebody handed over may hold a pipe or a device in its place.
  if (statSync(file, { throwIfNoEntry: false })?.isFile() === false) throw new UsageError(`${file} is no regular file`);
  return await openDatabase({ kind: origin.endsWith("/registry") ? "core" : "shard", file, readOnly: true });
}

export interface VerifyPlatformOptions {
  readonly layout: Layout;
  readonly crypto: Crypto;
  readonly policy?: string;
  /** Notes that the auditor brought. */
  readonly knownCheckpoints?: readonly string[];
  readonly onProgress?: (done: bigint, of: bigint) => void;
}

export async function verifyPlatform(options: VerifyPlatformOptions): Promise<readonly LogReport[]> {
  const { layout, crypto } = options;
  const platform = readPlatform(layout);
  const trustedKeys = await readTrustedKeys(crypto, options.policy ?? layout.policy);
  const published = await publishedCheckpoints(layout, platform, (note) => verifyLogSignature(crypto, note, trustedKeys).ok);
  const brought = new Map<string, string[]>();
  for (const note of options.knownCheckpoints ?? []) collect(brought, originOf(note), note);
  const origins = new Set(logFiles(layout, platform).map((log) => log.origin));
  for (const origin of brought.keys())
    if (!origins.has(origin)) throw new UsageError(`a checkpoint is of ${JSON.stringify(origin)}, which is not a log of this platform`);
  const reports: LogReport[] = [];
  for (const { origin, file } of logFiles(layout, platform)) {
    if (!isThere(file)) {
      reports.push({
        origin,
        ok: false,
        verdict: "invalid",
        size: 0n,
        root: "",
        checks: [],
        firstDefect: { name: "logMissing", detail: `${file} is not there` },
      });
      continue;
    }
    const db = await openLogFile(origin, file);
    try {
      const knownCheckpoints = [...(published.get(origin) ?? []), ...(brought.get(origin) ?? [])];
      const progress = options.onProgress === undefined ? {} : { onProgress: options.onProgress };
      const report = await verifyDatabase({ db, crypto, trustedKeys, origin, knownCheckpoints, ...progress });
      const { firstDefect } = report;
      reports.push({
        origin,
        ok: report.ok,
        verdict: report.verdict,
        size: report.size,
        root: toHex(report.root),
        checks: report.checks,
        ...(firstDefect === undefined ? {} : { firstDefect }),
      });
    } finally {
      await db.close();
    }
  }
  return reports;
}

export async function readLogFiles(layout: Layout, platform: PlatformFile): Promise<readonly LogFile[]> {
  return await Promise.all(
    logFiles(layout, platform).map(async ({ origin, file }) => {
      const db = await openLogFile(origin, file);
      const rows = await db.read("SELECT kind, count(*) AS n FROM leaf GROUP BY kind");
      await db.close();
      return { origin, file, kinds: new Map(rows.map((row) => [String(row["kind"]), Number(row["n"])])) };
    }),
  );
}

/** The newest checkpoint of each log that went over the embedded bus: a second copy that a cut log contradicts. */
async function publishedCheckpoints(
  layout: Layout,
  platform: PlatformFile,
  isSigned: (note: string) => boolean,
): Promise<ReadonlyMap<string, string[]>> {
  const newest = new Map<string, string[]>();
  if (!isThere(layout.bus)) return newest;
  const bus = await openEmbeddedBus({ file: layout.bus, clock: systemClock, readOnly: true });
  try {
    const topic = "ledger.checkpoint.published.v1";
    const ends = await bus.endOffsets(topic);
    for (const [partition, end] of ends.entries()) {
      // A partition carries at most two logs, its shard and the registry: the last hundred notes hold both.
      const from = end > 100n ? end - 100n : 0n;
      for (const record of await bus.read(topic, partition, from, 100)) {
        const note = new TextDecoder().decode(record.value);
        // What the log did not sign is a stranger's, and says nothing of it.
        if (isSigned(note)) newest.set(originOf(note), [note]);
      }
    }
  } finally {
    await bus.close();
  }
  const origins = new Set(logFiles(layout, platform).map((log) => log.origin));
  return new Map([...newest].filter(([origin]) => origins.has(origin)));
}

function originOf(note: string): string {
  return note.split("\n", 1)[0] ?? "";
}

function collect(into: Map<string, string[]>, key: string, value: string): void {
  const values = into.get(key);
  if (values === undefined) into.set(key, [value]);
  else values.push(value);
}

/** Instant of the newest entry of any log: a clock that goes on there never runs backwards in a log. */
export async function newestEntryMs(layout: Layout, atLeastMs: EventMs): Promise<EventMs> {
  let newest: number = atLeastMs;
  for (const { origin, file } of logFiles(layout, readPlatform(layout))) {
    if (!isThere(file)) continue;
    const db = await openLogFile(origin, file);
    newest = Math.max(newest, Number((await db.read("SELECT coalesce(max(at_ms), 0) AS at FROM leaf"))[0]?.["at"] ?? 0));
    await db.close();
  }
  return newest as EventMs;
}
