/**
 * What an auditor runs over what the operator hands out: a database file, or the text of a receipt. Reading only, and
 * trusting nothing but the keys and checkpoints that the auditor brings.
 */
import type { Database } from "../migrations/database.ts";
import { DatabaseAudit, readHeads, type StoredHead } from "./store/audit.ts";
import type { Trust, VerifiedCheckpoint, VerifierCrypto } from "./verifier/note.ts";
import { verifyLogSignature } from "./verifier/note.ts";
import { type ReceiptReport, verifyReceipt } from "./verifier/receipt.ts";
import { CheckList, type CheckResult, type Verdict, verdictOf } from "./verifier/report.ts";
import { type Checked, type Defect, type DefectName, failed, passed, shownDefect } from "./verifier/verdict.ts";

export interface VerifyDatabaseOptions {
  readonly db: Database;
  readonly crypto: VerifierCrypto;
  /** Keys that the auditor trusts; `parsePolicy` reads them from a policy file. */
  readonly trustedKeys: Trust;
  /** The log that the auditor means; without it, whichever log the file holds. */
  readonly origin?: string;
  /** Notes that the auditor kept or got elsewhere: only they make a cut tail visible. */
  readonly knownCheckpoints?: readonly string[];
  /** Told after each page of entries. */
  readonly onProgress?: (done: bigint, total: bigint) => void;
}

export type LogCheck = "head" | "leaves" | "chain" | "columns" | "tiles" | "disclosures" | "checkpoints" | "knownCheckpoints" | "coverage";

export interface VerifyReport {
  readonly verdict: Verdict;
  /** True only when every check was made and passed. */
  readonly ok: boolean;
  readonly origin: string;
  /** Entries read. */
  readonly size: bigint;
  /** Root of the entries read. */
  readonly root: Uint8Array;
  readonly checks: readonly CheckResult<LogCheck>[];
  readonly firstDefect?: Defect;
}

const CHECKS: readonly LogCheck[] = [
  "head",
  "leaves",
  "chain",
  "columns",
  "tiles",
  "disclosures",
  "checkpoints",
  "knownCheckpoints",
  "coverage",
];

/** Under which check a defect is shown. */
const CHECK_OF: Partial<Record<DefectName, LogCheck>> = {
  headMissing: "head",
  headMismatch: "head",
  leafChain: "chain",
  leafTime: "chain",
  projectionMismatch: "columns",
  tileMismatch: "tiles",
  commitmentMismatch: "disclosures",
  noteMalformed: "checkpoints",
  checkpointMalformed: "checkpoints",
  checkpointOrigin: "checkpoints",
  checkpointSize: "checkpoints",
  checkpointRoot: "checkpoints",
  signatureMissing: "checkpoints",
  signatureInvalid: "checkpoints",
  knownCheckpoint: "knownCheckpoints",
  uncovered: "coverage",
};

/**
 * Verifies the log of a database from its first byte to its last signed head. Memory does not grow with the log. A
 * running platform may go on writing; what it signs during the run may or may not be included.
 */
export async function verifyDatabase(options: VerifyDatabaseOptions): Promise<VerifyReport> {
  try {
    return await verify(options);
  } catch (error) {
    if (!isDatabaseError(error)) throw error;
    return refusal({ name: "unreadable", detail: `the database file cannot be read (${error.code})` }, "head");
  }
}

async function verify(options: VerifyDatabaseOptions): Promise<VerifyReport> {
  const { db, crypto, trustedKeys: trusted, onProgress = () => undefined } = options;
  const head = checkedHead(await readHeads(db), options.origin);
  if (!head.ok) return refusal(head.error, "head");
  const known = verifiedNotes(options, head.value.origin);
  if (!known.ok) return refusal(known.error, "knownCheckpoints", head.value.origin);
  const audit = new DatabaseAudit({ db, crypto, trusted, head: head.value, known: known.value, onProgress });
  const defect = await audit.run();
  const { verifier, counts } = audit;
  const facts = { origin: head.value.origin, size: BigInt(verifier.size), root: verifier.root() };
  if (defect !== undefined) return { ...refusal(defect, CHECK_OF[defect.name] ?? "leaves"), ...facts };
  const list = new CheckList(CHECKS);
  list.pass("head", `${verifier.size} entries`);
  list.pass("leaves", `${verifier.size} canonical entries without a gap`);
  list.pass("chain", "every entry names the one before it and is not older");
  list.pass("columns", "every column says what the bytes say");
  list.pass("tiles", `${counts.tiles} tiles derived again`);
  list.pass(
    "disclosures",
    `${counts.disclosures} values open their commitments, ${counts.commitments - counts.disclosures} commitments have no value kept`,
  );
  list.pass("checkpoints", `${verifier.checkpoints} signed checkpoints, each over the root of its size`);
  list.pass(
    "knownCheckpoints",
    counts.known === 0
      ? "none given: a tail cut before the newest checkpoint known to you would not show"
      : `${counts.known} found in this history`,
  );
  list.pass("coverage", "the newest checkpoint covers the last entry");
  return { verdict: verdictOf(list.results()), ok: true, ...facts, checks: list.results() };
}

function checkedHead([head, another]: readonly StoredHead[], origin: string | undefined): Checked<StoredHead> {
  if (head === undefined) return failed("headMissing", "the database holds no log");
  if (another !== undefined) return failed("headMismatch", "the database holds the heads of several logs");
  if (origin !== undefined && origin !== head.origin)
    return failed("headMismatch", `the database holds the log ${JSON.stringify(head.origin)}, not ${origin}`);
  return passed(head);
}

/** Known checkpoints must themselves be sound: a note that proves nothing must not look like evidence. */
function verifiedNotes(
  { crypto, trustedKeys, knownCheckpoints = [] }: VerifyDatabaseOptions,
  origin: string,
): Checked<readonly VerifiedCheckpoint[]> {
  const known: VerifiedCheckpoint[] = [];
  for (const note of knownCheckpoints) {
    // Witnessed or not, the log itself stands by it: that is what it is evidence of.
    const checkpoint = verifyLogSignature(crypto, note, trustedKeys);
    if (!checkpoint.ok) return checkpoint;
    if (checkpoint.value.origin !== origin)
      return failed("checkpointOrigin", `a known checkpoint is of ${checkpoint.value.origin}, the log is ${JSON.stringify(origin)}`);
    known.push(checkpoint.value);
  }
  return passed(known.sort((a, b) => Number(a.size - b.size)));
}

function refusal(defect: Defect, check: LogCheck, origin = ""): VerifyReport {
  const checks = new CheckList(CHECKS).failedAt(check, defect);
  return {
    verdict: verdictOf(checks),
    ok: false,
    origin,
    size: 0n,
    root: new Uint8Array(),
    checks,
    firstDefect: shownDefect(defect),
  };
}

function isDatabaseError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && "code" in error && typeof error.code === "string" && error.code.startsWith("SQLITE_");
}

export interface VerifyReceiptOptions {
  readonly crypto: VerifierCrypto;
  readonly trustedKeys: Trust;
}

/** Verifies the text of a receipt offline. */
export function verifyReceiptText(text: string, { crypto, trustedKeys }: VerifyReceiptOptions): ReceiptReport {
  return verifyReceipt(crypto, text, trustedKeys);
}
