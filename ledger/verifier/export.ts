/**
 * Verifies an export (`FORMAT.md` section 11) through a reader of files: a folder on disk, files dropped on a page. Every file of
 * it is accounted for. Entries pass through one bundle at a time, so memory does not grow with the log; whoever asks may
 * watch the progress and end it, and what was ended is incomplete.
 */
import { equalBytes, utf8, utf8Text } from "./bytes.ts";
import {
  type ExportedLog,
  type ExportIndex,
  hashOf,
  HEADERS_FILE,
  INDEX_FILE,
  parseIndex,
  POLICY_FILE,
  printHeaders,
  UNFINISHED_FILE,
} from "./export-layout.ts";
import { type ExportFiles, GuardedFiles } from "./export-files.ts";
import { policyDefect } from "./checkpoint.ts";
import { ExportedLogCheck, type ExportedLogReport } from "./export-log.ts";
import { asPolicy, type Trust, type VerifiedCheckpoint, type VerifierCrypto, verifyLogSignature } from "./note.ts";
import { parsePolicy } from "./policy.ts";
import { CheckList, type CheckResult, type Verdict, verdictOf, worstOf } from "./report.ts";
import type { VerifiedLeaf } from "./log.ts";
import { type Checked, type Defect, failed, passed, shownDefect } from "./verdict.ts";

export type { ExportFiles } from "./export-files.ts";
export type { ExportedLogCheckName, ExportedLogReport } from "./export-log.ts";

export interface VerifyExportOptions {
  readonly files: ExportFiles;
  readonly crypto: VerifierCrypto;
  /**
   * What the auditor brought. Without it the export's own policy is taken: then the export can only be found to agree with
   * itself, and the verdict is "incomplete" at best.
   */
  readonly trust?: Trust;
  /** Signed checkpoints that the auditor kept: only they show that a tail was cut or a history exchanged. */
  readonly knownCheckpoints?: readonly string[];
  /** Entries of all logs together. */
  readonly onProgress?: (done: bigint, total: bigint) => void;
  /** Told of every entry that was found good. */
  readonly onEntry?: (origin: string, leaf: VerifiedLeaf) => void;
  /** Time of the auditor, for policies that look at it. */
  readonly nowMs?: number;
  /** Looked at between bundles. */
  readonly signal?: { readonly aborted: boolean };
}

export const EXPORT_CHECKS = ["index", "policy", "files", "logs"] as const;
export type ExportCheckName = (typeof EXPORT_CHECKS)[number];

export interface ExportReport {
  /** Of the export and all its logs. */
  readonly verdict: Verdict;
  /** `verdict` is `valid`. */
  readonly ok: boolean;
  readonly checks: readonly CheckResult<ExportCheckName>[];
  /** In the order of the index; empty when the index could not be read. */
  readonly logs: readonly ExportedLogReport[];
  /** The first of the export, else of the logs in order. */
  readonly firstDefect?: Defect;
}

/** Checks the index, what it vouches for, and each log from its first byte to its checkpoint. */
export async function verifyExport(options: VerifyExportOptions): Promise<ExportReport> {
  const { crypto } = options;
  const list = new CheckList<ExportCheckName>(EXPORT_CHECKS);
  const files = new GuardedFiles(options.files);
  const stop = (name: ExportCheckName, defect: Defect): ExportReport => report(list.failedAt(name, defect), [], defect);

  const index = await readIndex(files);
  if (!index.ok) return stop("index", index.error);
  const { logs } = index.value;
  list.pass("index", `${logs.length} logs`, { files: files.paths.size, origin: logs.map((log) => log.origin) });

  const policy = await readPolicy(files, options);
  if (!policy.ok) return stop("policy", policy.error);
  const { trust, isOwn } = policy.value;
  const expired = policyDefect(trust, options.nowMs);
  if (expired !== undefined) return stop("policy", expired);
  let first: Defect | undefined;
  const note = (name: ExportCheckName, defect: Defect): void => {
    list.fail(name, defect);
    first ??= defect;
  };
  if (isOwn)
    note("policy", {
      name: "policyMissing",
      detail: "only the export's own policy was at hand: whose keys these are, it cannot say itself",
    });
  else list.pass("policy", "the keys are those that the auditor brought");

  const bad = await fileDefect(files, index.value, crypto);
  if (bad === undefined) list.pass("files", `${files.paths.size} files, each with its place`, { files: files.paths.size });
  else note("files", bad);

  const missing = missingLog(trust, logs);
  if (missing === undefined) list.pass("logs", "every log that the policy names is there");
  else note("logs", missing);

  const known = knownOf(crypto, trust, logs, options.knownCheckpoints ?? []);
  if (!known.ok) note("logs", known.error);
  const reports = await verifyLogs(files, logs, { ...options, trust, known: known.ok ? known.value : new Map() });
  return report(list.results(), reports, first);
}

function report(
  checks: readonly CheckResult<ExportCheckName>[],
  logs: readonly ExportedLogReport[],
  first: Defect | undefined,
): ExportReport {
  const verdict = worstOf([verdictOf(checks), ...logs.map((log) => log.verdict)]);
  const firstDefect = first ?? logs.find((log) => log.firstDefect !== undefined)?.firstDefect;
  return {
    verdict,
    ok: verdict === "valid",
    checks,
    logs,
    ...(firstDefect === undefined ? {} : { firstDefect: shownDefect(firstDefect) }),
  };
}

async function readIndex(files: GuardedFiles): Promise<Checked<ExportIndex>> {
  const listed = await files.list();
  if (!listed.ok) return listed;
  if (listed.value.has(UNFINISHED_FILE))
    return failed("exportUnfinished", `the file ${UNFINISHED_FILE} is there: the export was cut short`);
  const bytes = await files.read(INDEX_FILE);
  return bytes.ok ? parseIndex(bytes.value) : bytes;
}

async function readPolicy(
  files: GuardedFiles,
  { crypto, trust }: VerifyExportOptions,
): Promise<Checked<{ readonly trust: Trust; readonly isOwn: boolean }>> {
  if (trust !== undefined) return passed({ trust, isOwn: false });
  const bytes = await files.read(POLICY_FILE);
  if (!bytes.ok) return bytes;
  const policy = parsePolicy(crypto.sm3, utf8Text(bytes.value) ?? "\u0000");
  return policy.ok ? passed({ trust: policy.value, isOwn: true }) : policy;
}

/** Files beside the logs: each named by the index with its hash, the headers in their one text, nothing else. */
async function fileDefect(files: GuardedFiles, index: ExportIndex, crypto: VerifierCrypto): Promise<Defect | undefined> {
  const folders = index.logs.map((log) => `${log.folder}/`);
  const expected = new Set<string>([INDEX_FILE, HEADERS_FILE, ...index.files.map((file) => file.name)]);
  const unknown = [...files.paths].find((path) => !expected.has(path) && !folders.some((folder) => path.startsWith(folder)));
  if (unknown !== undefined) return { name: "fileUnknown", detail: `nothing vouches for the file ${unknown}` };
  for (const { name, hash } of index.files) {
    const bytes = await files.read(name);
    if (!bytes.ok) return bytes.error;
    if (hashOf(crypto.sm3, bytes.value) !== hash)
      return { name: "fileHash", detail: `the file ${name} is not the one that the index names` };
    const policy = name === POLICY_FILE ? parsePolicy(crypto.sm3, utf8Text(bytes.value) ?? "\u0000") : undefined;
    if (policy?.ok === false) return policy.error;
  }
  const headers = await files.read(HEADERS_FILE);
  if (!headers.ok) return headers.error;
  return equalBytes(headers.value, utf8(printHeaders(index)))
    ? undefined
    : { name: "exportMalformed", detail: `the file ${HEADERS_FILE} is not the one that follows from the index` };
}

function missingLog(trust: Trust, logs: readonly ExportedLog[]): Defect | undefined {
  const there = new Set(logs.map((log) => log.origin));
  const missing = asPolicy(trust)
    .logs.flatMap((key) => key.origins ?? [])
    .find((origin) => !there.has(origin));
  return missing === undefined ? undefined : { name: "logMissing", detail: `the log ${missing} of the policy is not in the export` };
}

/** Known checkpoints by origin. Each must itself be sound: a note that proves nothing must not look like evidence. */
function knownOf(
  crypto: VerifierCrypto,
  trust: Trust,
  logs: readonly ExportedLog[],
  notes: readonly string[],
): Checked<ReadonlyMap<string, readonly VerifiedCheckpoint[]>> {
  const known = new Map<string, VerifiedCheckpoint[]>(logs.map((log) => [log.origin, []]));
  for (const note of notes) {
    const checkpoint = verifyLogSignature(crypto, note, trust);
    if (!checkpoint.ok) return checkpoint;
    const of = known.get(checkpoint.value.origin);
    if (of === undefined) return failed("logMissing", `a known checkpoint is of ${checkpoint.value.origin}, which is not in the export`);
    of.push(checkpoint.value);
  }
  return passed(known);
}

interface VerifyLogsOptions extends VerifyExportOptions {
  readonly trust: Trust;
  readonly known: ReadonlyMap<string, readonly VerifiedCheckpoint[]>;
}

async function verifyLogs(
  files: GuardedFiles,
  logs: readonly ExportedLog[],
  options: VerifyLogsOptions,
): Promise<readonly ExportedLogReport[]> {
  const checks = logs.map((log) => new ExportedLogCheck({ ...options, log, files, known: options.known.get(log.origin) ?? [] }));
  // All heads first: they are few, and tell how much there is to do.
  for (const check of checks) await check.readHead();
  const total = checks.reduce((sum, check) => sum + check.size, 0n);
  let before = 0n;
  for (const check of checks) {
    await check.walk((done) => options.onProgress?.(before + done, total));
    before += check.size;
  }
  return checks.map((check) => check.report());
}
