/** `ronghe ledger verify`: everything that somebody may be handed, by one verifier, with one report and one status. */
import { lstatSync } from "node:fs";
import { loadCrypto } from "../../core/crypto/index.ts";
import type { Crypto } from "../../core/crypto/port.ts";
import { systemClock } from "../../core/protocol/time.ts";
import { exportFolder } from "../../ledger/export/folder.ts";
import { verifyCheckpointText } from "../../ledger/verifier/checkpoint.ts";
import { verifyExport } from "../../ledger/verifier/export.ts";
import { parseCheckpointBody, parseNote, type Policy } from "../../ledger/verifier/note.ts";
import { logsOf, readQuestion, type WrittenQuestion } from "../../ledger/verifier/question.ts";
import { EVERYBODY, RANGE_BYTES_MAX, type RangeQuestion, verifyRange } from "../../ledger/verifier/range.ts";
import { verifyReceipt } from "../../ledger/verifier/receipt.ts";
import { worstOf } from "../../ledger/verifier/report.ts";
import { kindOfText } from "../../ledger/verifier/session.ts";
import { partitionOf } from "../../streams/bus/partition.ts";
import { type Config, UsageError } from "../config.ts";
import { readHandedText, readNotes } from "../platform/handed-file.ts";
import { layoutOf } from "../platform/layout.ts";
import { readTrustedKeys } from "../platform/trust.ts";
import { verifyPlatform } from "../platform/verify.ts";
import { progressBar } from "../progress.ts";
import { reportVerification, shownEntry, shownRoot, type Verification } from "./ledger-verification.ts";
import { isThere } from "../platform/files.ts";

export interface LedgerVerifyOptions {
  readonly policy?: string;
  readonly checkpoint?: readonly string[];
  /** A consistency proof, beside a checkpoint and an older one. */
  readonly consistency?: string;
  /** What the auditor asked for, of a range. */
  readonly institution?: string;
  readonly from?: string;
  readonly to?: string;
  readonly log?: string;
  readonly registry?: boolean;
  readonly json?: boolean;
}

/** Status 0 only when every check was made and passed; 1 when something is invalid or incomplete. */
export async function ledgerVerify(config: Config, path: string | undefined, options: LedgerVerifyOptions): Promise<number> {
  return reportVerification(await verification(config, path, options), options.json === true);
}

async function verification(config: Config, path: string | undefined, options: LedgerVerifyOptions): Promise<Verification> {
  const crypto = await loadCrypto();
  if (path === undefined) return await verifyData(config, crypto, options);
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw new UsageError(`${path} is not there`);
  if (!stats.isDirectory()) return await verifyText({ config, crypto, options, file: path });
  if (isThere(layoutOf(path).platform)) throw new UsageError(`${path} is a data folder: give it as --data ${path}`);
  return await verifyExportFolder(crypto, path, options);
}

/** The files of a platform as they lie; their own policy counts unless another is given. */
async function verifyData(config: Config, crypto: Crypto, options: LedgerVerifyOptions): Promise<Verification> {
  checkUnused(options, "the data folder", ["consistency", ...QUESTION]);
  const layout = layoutOf(config.RONGHE_DATA);
  const knownCheckpoints = await readNotes(options.checkpoint);
  const bar = progressBar("entries");
  const logs = await verifyPlatform({
    layout,
    crypto,
    knownCheckpoints,
    onProgress: (done, of) => bar.update(Number(done), Number(of)),
    ...(options.policy === undefined ? {} : { policy: options.policy }),
  });
  bar.stop();
  const firstDefect = logs.find((log) => log.firstDefect !== undefined)?.firstDefect;
  return {
    kind: "data",
    file: layout.root,
    ...keysOf(options, layout.policy),
    verdict: worstOf(logs.map((log) => log.verdict)),
    checks: [],
    logs,
    ...(firstDefect === undefined ? {} : { firstDefect }),
  };
}

/** Without a policy of the auditor's own the export can only be found to agree with itself. */
async function verifyExportFolder(crypto: Crypto, path: string, options: LedgerVerifyOptions): Promise<Verification> {
  checkUnused(options, "an export", ["consistency", ...QUESTION]);
  const trust = options.policy === undefined ? undefined : await readTrustedKeys(crypto, options.policy);
  const bar = progressBar("entries");
  const report = await verifyExport({
    files: exportFolder(path),
    crypto,
    knownCheckpoints: await readNotes(options.checkpoint),
    nowMs: systemClock.now(),
    onProgress: (done, total) => bar.update(Number(done), Number(total)),
    ...(trust === undefined ? {} : { trust }),
  });
  bar.stop();
  const logs = report.logs.map((log) => ({ ...log, root: shownRoot(log.root) }));
  return { ...report, kind: "export", file: path, logs, ...keysOf(options, undefined) };
}

/** Which keys are trusted and who named them; `own` is what this machine's platform says of itself. */
function keysOf({ policy }: LedgerVerifyOptions, own: string | undefined): Pick<Verification, "keys" | "keysFrom"> {
  if (policy !== undefined) return { keys: policy, keysFrom: "caller" };
  return own === undefined ? {} : { keys: own, keysFrom: "operator" };
}

interface TextToVerify {
  readonly config: Config;
  readonly crypto: Crypto;
  readonly options: LedgerVerifyOptions;
  readonly file: string;
}

/** By the policy that was given, or that of this machine's own platform; without either the answer is "incomplete". */
async function verifyText(given: TextToVerify): Promise<Verification> {
  const { config, crypto, options, file } = given;
  const text = await readHandedText(file, RANGE_BYTES_MAX);
  const own = layoutOf(config.RONGHE_DATA).policy;
  const keys = options.policy ?? (isThere(own) ? own : undefined);
  const trust = keys === undefined ? undefined : await readTrustedKeys(crypto, keys);
  const brought = { file, ...keysOf(options, keys) };
  const kind = kindOfText(text);
  if (kind === "policy") throw new UsageError(`${file} is a policy: \`ronghe witness policy ${file}\` says what it asks for`);
  if (kind === "checkpoint" || kind === "consistency") return { ...brought, ...(await verifyHead(given, text, kind, trust)) };
  if (kind === "range") {
    checkUnused(options, "a range", HEADS);
    const { proven, ...report } = verifyRange(crypto, text, { trust, asked: questionOf(options, trust), nowMs: systemClock.now() });
    const entries = proven?.entries.map((leaf) => shownEntry({ leaf, openings: [] }));
    return { ...brought, ...report, kind, ...(entries === undefined ? {} : { entries }) };
  }
  checkUnused(options, "a receipt", [...HEADS, ...QUESTION]);
  const { proven, ...report } = verifyReceipt(crypto, text, trust, systemClock.now());
  return { ...brought, ...report, kind: kind ?? "unknown", ...(proven === undefined ? {} : { entries: proven.entries.map(shownEntry) }) };
}

/** A checkpoint by itself or against older ones, or a proof between the two that stand beside it. */
async function verifyHead(
  { crypto, options, file }: TextToVerify,
  text: string,
  kind: "checkpoint" | "consistency",
  trust: Policy | undefined,
): Promise<Pick<Verification, "kind" | "verdict" | "checks" | "firstDefect">> {
  checkUnused(options, `a ${kind}`, QUESTION);
  const notes = await readNotes(options.checkpoint);
  const nowMs = systemClock.now();
  if (kind === "consistency") {
    const [older, newer] = notes.toSorted((a, b) => (sizeIn(a) < sizeIn(b) ? -1 : 1));
    if (older === undefined || newer === undefined || notes.length > 2)
      throw new UsageError(`${file} is a proof between two checkpoints: give both as --checkpoint OLDER NEWER`);
    return { kind, ...verifyCheckpointText({ crypto, trust, nowMs, note: newer, older, consistency: text }) };
  }
  const consistency = options.consistency === undefined ? {} : { consistency: await readHandedText(options.consistency, RANGE_BYTES_MAX) };
  if (notes.length > 1) throw new UsageError("a checkpoint is compared with one older checkpoint");
  return {
    kind,
    ...verifyCheckpointText({ crypto, trust, nowMs, note: text, ...(notes[0] === undefined ? {} : { older: notes[0] }), ...consistency }),
  };
}

/** What a checkpoint claims: only which of two is called the older hangs on it. */
function sizeIn(note: string): bigint {
  const parsed = parseNote(note);
  const body = parsed.ok ? parseCheckpointBody(parsed.value.text) : parsed;
  return body.ok ? body.value.size : -1n;
}

const HEADS = ["checkpoint", "consistency"] as const;
const QUESTION = ["institution", "from", "to", "log", "registry"] as const;

/** An option that nothing would look at is refused: it would seem to have been checked. */
function checkUnused(options: LedgerVerifyOptions, what: string, unused: readonly (keyof LedgerVerifyOptions)[]): void {
  const given = unused.find((name) => options[name] !== undefined);
  if (given !== undefined) throw new UsageError(`--${given} says nothing of ${what}`);
}

/** The auditor's own words; `undefined` when he gave none. */
function questionOf(options: LedgerVerifyOptions, trust: Policy | undefined): RangeQuestion | undefined {
  const { institution, from = "", to = "", log } = options;
  if (institution === undefined) {
    const half = QUESTION.find((name) => options[name] !== undefined);
    if (half !== undefined) throw new UsageError(`--${half} goes with --institution (* for every one)`);
    return undefined;
  }
  // Without keys nothing will be believed, and nothing tells which log was meant: the answer is "incomplete" all the same.
  if (trust === undefined && log === undefined) return undefined;
  const logs = trust === undefined ? [] : logsOf(trust);
  const written: WrittenQuestion = { institution, from, to, log: log ?? logOf(institution, logs, options.registry === true) ?? "" };
  const read = readQuestion(written, logs);
  if (read.ok) return read.question;
  const [wrong = "log"] = read.wrong;
  throw new UsageError(QUESTION_WORDS[wrong]);
}

const QUESTION_WORDS: Readonly<Record<keyof WrittenQuestion, string>> = {
  institution: "--institution is 1 to 64 of [0-9A-Za-z._-], or *",
  from: "--from is a day yyyy-mm-dd (UTC+8), or an instant with its zone",
  to: "--to is a day yyyy-mm-dd (UTC+8) or an instant with its zone, behind --from",
  log: "which log was asked for? The policy does not tell: give its name as --log",
};

/** Where the entries of an institution stand (`FORMAT.md` section 8.1), when the policy names the logs of one platform. */
function logOf(institution: string, logs: readonly string[], isRegistry: boolean): string | undefined {
  const platforms = [...new Set(logs.map((log) => log.slice(0, log.lastIndexOf("/") + 1)))];
  const [platform] = platforms;
  if (platform === undefined || platforms.length > 1) return undefined;
  if (institution === EVERYBODY && !isRegistry) return undefined;
  const shards = logs.filter((log) => /\/settlement-\d+$/.test(log)).length;
  const log = isRegistry ? `${platform}registry` : `${platform}settlement-${shards === 0 ? "" : partitionOf(institution, shards)}`;
  return logs.includes(log) ? log : undefined;
}
