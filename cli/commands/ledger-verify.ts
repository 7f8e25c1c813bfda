import { existsSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { loadCrypto } from "../../core/crypto/index.ts";
import { toHex } from "../../core/protocol/bytes.ts";
import { exportFolder } from "../../ledger/export/folder.ts";
import { verifyReceiptText } from "../../ledger/verify-files.ts";
import { type ExportReport, verifyExport } from "../../ledger/verifier/export.ts";
import { POLICY_FILE } from "../../ledger/verifier/export-layout.ts";
import { type RangeReport, verifyRange } from "../../ledger/verifier/range.ts";
import { kindOfText } from "../../ledger/verifier/session.ts";
import type { ProvenEntry } from "../../ledger/verifier/receipt.ts";
import { type Config, UsageError } from "../config.ts";
import { printJson } from "../output.ts";
import { layoutOf } from "../platform/layout.ts";
import { readTrustedKeys } from "../platform/trust.ts";
import { type LogReport, verifyPlatform } from "../platform/verify.ts";
import { progressBar } from "../progress.ts";

export interface LedgerVerifyOptions {
  readonly policy?: string;
  readonly checkpoint?: readonly string[];
  readonly json?: boolean;
}

/** `ronghe ledger verify`: status 0 only when every check of every log was made and passed. */
export async function ledgerVerify(config: Config, path: string | undefined, options: LedgerVerifyOptions): Promise<number> {
  if (path === undefined) return await verifyFolder(config, options);
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw new UsageError(`${path} is not there`);
  if (!stats.isDirectory()) return await verifyReceiptFile(config, path, options);
  if (existsSync(layoutOf(path).platform)) throw new UsageError(`${path} is a data folder: give it as --data ${path}`);
  return await verifyExportFolder(path, options);
}

async function verifyFolder(config: Config, options: LedgerVerifyOptions): Promise<number> {
  const layout = layoutOf(config.RONGHE_DATA);
  const crypto = await loadCrypto();
  const knownCheckpoints = await notesOf(options);
  const bar = progressBar("entries");
  const reports = await verifyPlatform({
    layout,
    crypto,
    knownCheckpoints,
    onProgress: (done, of) => bar.update(Number(done), Number(of)),
    ...(options.policy === undefined ? {} : { policy: options.policy }),
  });
  bar.stop();
  const ok = reports.every((report) => report.ok);
  if (options.json === true) printJson({ ok, logs: reports });
  else for (const report of reports) printLog(report);
  return ok ? 0 : 1;
}

export function printLog(report: LogReport): void {
  console.log(
    `${report.ok ? "valid   " : "INVALID "} ${report.origin}  size ${report.size}  root ${report.root === "" ? "-" : report.root}`,
  );
  printChecks(report);
}

interface Checks {
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[];
  readonly firstDefect?: { readonly name: string; readonly detail: string; readonly index?: bigint };
}

function printChecks({ checks, firstDefect }: Checks): void {
  for (const check of checks) console.log(`  ${check.ok ? "ok  " : "FAIL"} ${check.name}: ${check.detail}`);
  if (firstDefect === undefined) return;
  const { name, detail, index } = firstDefect;
  console.log(`  first defect: ${name}${index === undefined ? "" : ` at entry ${index}`}: ${detail}`);
}

async function verifyExportFolder(path: string, options: LedgerVerifyOptions): Promise<number> {
  const crypto = await loadCrypto();
  const own = join(path, POLICY_FILE);
  const bar = progressBar("entries");
  const trust = existsSync(options.policy ?? own) ? await readTrustedKeys(crypto, options.policy ?? own) : undefined;
  if (trust === undefined && options.policy !== undefined) throw new UsageError(`${options.policy} is not there`);
  const report = await verifyExport({
    files: exportFolder(path),
    crypto,
    knownCheckpoints: await notesOf(options),
    onProgress: (done, total) => bar.update(Number(done), Number(total)),
    ...(trust === undefined ? {} : { trust }),
  });
  bar.stop();
  const keys = options.policy ?? "the export's own: it agrees with its keys. Keep its policy and give it as --policy the next time";
  if (options.json === true) printJson({ ...report, keys, logs: report.logs.map((log) => ({ ...log, root: toHex(log.root) })) });
  else printExport(path, report, keys);
  return report.ok ? 0 : 1;
}

function printExport(path: string, report: ExportReport, keys: string): void {
  console.log(`${wordOf(report)} export ${path}\n  keys: ${keys}`);
  const { firstDefect, ...others } = report;
  printChecks(others);
  for (const log of report.logs) {
    console.log(`${wordOf(log)} ${log.origin}  size ${log.size}  root ${toHex(log.root)}`);
    printChecks(log);
  }
  if (firstDefect !== undefined) console.log(`first defect: ${firstDefect.name}: ${firstDefect.detail}`);
}

function wordOf({ verdict }: { readonly verdict: string }): string {
  return verdict === "valid" ? "valid     " : verdict.toUpperCase().padEnd(10);
}

async function verifyReceiptFile(config: Config, file: string, options: LedgerVerifyOptions): Promise<number> {
  const crypto = await loadCrypto();
  const trustedKeys = await readTrustedKeys(crypto, options.policy ?? layoutOf(config.RONGHE_DATA).policy);
  const text = await textOf(file);
  if (kindOfText(text) === "range") return printRangeReport(file, verifyRange(crypto, text, trustedKeys), options);
  const report = verifyReceiptText(text, { crypto, trustedKeys });
  const entries = report.proven?.entries.map(shownEntry);
  if (options.json === true) printJson({ ok: report.ok, checks: report.checks, proven: entries, firstDefect: report.firstDefect });
  else {
    console.log(`${report.ok ? "valid" : "INVALID"} receipt ${file}`);
    printChecks({ checks: report.checks });
    for (const entry of entries ?? []) printJson(entry);
    if (report.firstDefect !== undefined) printChecks({ checks: [], firstDefect: report.firstDefect });
  }
  return report.ok ? 0 : 1;
}

function printRangeReport(file: string, report: RangeReport, options: LedgerVerifyOptions): number {
  const entries = report.proven?.entries.map((leaf) => shownEntry({ leaf, openings: [] }));
  if (options.json === true) printJson({ ok: report.ok, checks: report.checks, proven: entries, firstDefect: report.firstDefect });
  else {
    console.log(`${wordOf(report)} range ${file}`);
    printChecks(report);
    for (const entry of entries ?? []) printJson(entry);
  }
  return report.ok ? 0 : 1;
}

function shownEntry({ leaf, openings }: Pick<ProvenEntry, "leaf" | "openings">): object {
  return {
    origin: leaf.origin,
    index: leaf.index,
    kind: leaf.kind,
    subject: leaf.subject,
    institution: leaf.institution,
    at: new Date(Number(leaf.postedMs)).toISOString(),
    facts: Object.fromEntries((leaf.facts ?? []).map((fact) => [fact.name, fact.value])),
    ...(openings.length === 0 ? {} : { disclosed: Object.fromEntries(openings.map(({ name, value }) => [name, value])) }),
  };
}

async function notesOf({ checkpoint = [] }: LedgerVerifyOptions): Promise<readonly string[]> {
  return await Promise.all(checkpoint.map((file) => textOf(file)));
}

/** Text whose every byte counts: what is not UTF-8 must not be read as something else. */
async function textOf(file: string): Promise<string> {
  const bytes = await readFile(file).catch(() => {
    throw new UsageError(`${file} cannot be read`);
  });
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UsageError(`${file} is not UTF-8 text`);
  }
}
