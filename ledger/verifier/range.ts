/**
 * Every entry of a period, as one text that proves that none was left out (`FORMAT.md` section 8.1): a run of consecutive
 * leaves that reaches over both ends of the period, and the hashes that make it a part of the signed tree. What is asked
 * for is then looked for here, in all of them; whoever made the text has no say in it.
 *
 * The question is the auditor's own. The text repeats one, but nobody signs that: it is only compared.
 */
import { equalBytes, fromBase64, isIdentifier, isLonger, isName, parseDecimal, TIME_MS_MAX, toBase64, toHex, utf8 } from "./bytes.ts";
import { ageDefect, checkpointEvidence, NO_POLICY, policyDefect, witnessDefect, witnessEvidence } from "./checkpoint.ts";
import { decodeLeaf, type Leaf } from "./leaf.ts";
import { asPolicy, type Trust, type VerifiedCheckpoint, type VerifierCrypto, verifyLogSignature } from "./note.ts";
import { CheckList, type CheckResult, type Verdict, verdictOf } from "./report.ts";
import { CompactRange, type Hash, HASH_BYTES, treeHasher, verifyConsistency } from "./tree.ts";
import { type Checked, type Defect, failed, passed, shownDefect } from "./verdict.ts";

export const RANGE_TITLE = "ronghe-range/1";
/** Some 70,000 entries; a longer period is asked for in parts. */
export const RANGE_BYTES_MAX = 64 * 1024 * 1024;
/** In place of an institution. */
export const EVERYBODY = "*";
const SEAL = "sm3 ";
const OPEN_END = "-";

/** What was asked for. Texts carry it too; what counts is the auditor's. */
export interface RangeQuestion {
  readonly origin: string;
  /** Whose entries; `undefined` for everybody's. */
  readonly institution: string | undefined;
  /** Instants: `fromMs` ≤ posted time < `toMs`; without an end, up to the checkpoint. */
  readonly fromMs: bigint;
  readonly toMs: bigint | undefined;
}

export interface EntryRange extends RangeQuestion {
  /** Index of the first leaf given: the last entry before the period, where there is one. */
  readonly first: bigint;
  /** Roots of the complete subtrees that cover the entries before `first`, largest first. */
  readonly left: readonly Uint8Array[];
  /** Consecutive, up to the first entry behind the period. */
  readonly leaves: readonly Uint8Array[];
  /** Consistency proof from the end of the run to the checkpoint. */
  readonly path: readonly Uint8Array[];
  /** Signed note, exact. */
  readonly checkpoint: string;
}

/**
 * With the SM3 of all that stands behind it in front: what is asked for is signed by nobody, and a slip in it would give
 * a sound answer to another question.
 */
export function printRange(hash: Hash, range: EntryRange): string {
  if (!isAskable(range.institution)) throw new RangeError("an institution is 1 to 64 of [0-9A-Za-z._-]");
  const body = bodyOf(range);
  return `${RANGE_TITLE}\n${SEAL}${toHex(hash(utf8(body)))}\n${body}`;
}

function bodyOf(range: EntryRange): string {
  return [
    `log ${range.origin}`,
    `institution ${range.institution ?? EVERYBODY}`,
    `from ${range.fromMs}`,
    `to ${range.toMs ?? OPEN_END}`,
    `first ${range.first}`,
    ...range.left.map((hash) => `left ${toBase64(hash)}`),
    ...range.leaves.map((leaf) => `leaf ${toBase64(leaf)}`),
    ...range.path.map((hash) => `path ${toBase64(hash)}`),
    "",
    range.checkpoint,
  ].join("\n");
}

/** Refuses every text that printing would not give back. */
export function parseRange(hash: Hash, text: string): Checked<EntryRange> {
  if (isLonger(text, RANGE_BYTES_MAX)) return malformed("the text is too long");
  const split = text.indexOf("\n\n");
  const [title, seal, ...lines] = text.slice(0, Math.max(split, 0)).split("\n");
  if (title !== RANGE_TITLE) return malformed(`the first line is not ${RANGE_TITLE}`);
  if (seal?.startsWith(SEAL) !== true) return malformed("the line with the range's own SM3 is missing");
  const [origin, institution, from, to, firstText] = ["log ", "institution ", "from ", "to ", "first "].map((word, at) =>
    lines[at]?.startsWith(word) === true ? lines[at].slice(word.length) : undefined,
  );
  const fromMs = parseDecimal(from ?? "");
  const toMs = to === OPEN_END ? undefined : parseDecimal(to ?? "");
  const first = parseDecimal(firstText ?? "");
  if (origin === undefined || !isName(origin)) return malformed("the log is missing");
  if (institution === undefined || (institution !== EVERYBODY && !isIdentifier(institution)))
    return malformed("the institution is missing, or is not 1 to 64 of [0-9A-Za-z._-]");
  if (fromMs === undefined || first === undefined || (toMs === undefined && to !== OPEN_END))
    return malformed("period or place is missing");
  if (fromMs > TIME_MS_MAX || (toMs ?? 0n) > TIME_MS_MAX) return malformed("the period lies behind the year 9999");
  const parts = { left: [] as Uint8Array[], leaf: [] as Uint8Array[], path: [] as Uint8Array[] };
  for (const line of lines.slice(5)) {
    const space = line.indexOf(" ");
    const kind = (["left", "leaf", "path"] as const).find((word) => word === line.slice(0, space));
    const bytes = fromBase64(line.slice(space + 1));
    if (kind === undefined || bytes === undefined || (kind !== "leaf" && bytes.length !== HASH_BYTES))
      return malformed("a line is neither `left <hash>`, `leaf <leaf>` nor `path <hash>`");
    parts[kind].push(bytes);
  }
  const range: EntryRange = {
    origin,
    institution: institution === EVERYBODY ? undefined : institution,
    fromMs,
    toMs,
    first,
    left: parts.left,
    leaves: parts.leaf,
    path: parts.path,
    checkpoint: text.slice(split + 2),
  };
  const body = bodyOf(range);
  const front = `${RANGE_TITLE}\n${seal}\n`;
  if (text.length !== front.length + body.length || !text.endsWith(body)) return malformed("the text is not in its one printed form");
  return toHex(hash(utf8(body))) === seal.slice(SEAL.length)
    ? passed(range)
    : malformed("the text is not the one that the range's own SM3 is of");
}

/** An institution that can be asked for, or everybody. */
export function isAskable(institution: string | undefined): boolean {
  return institution === undefined || isIdentifier(institution);
}

/** The question in one line. */
export function describeQuestion({ origin, institution, fromMs, toMs }: RangeQuestion): string {
  return `${institution ?? EVERYBODY} from ${fromMs} to ${toMs ?? OPEN_END} in ${origin}`;
}

function malformed(detail: string): { readonly ok: false; readonly error: Defect } {
  return failed("rangeMalformed", detail);
}

export const RANGE_CHECKS = ["format", "question", "leaf", "signature", "witnesses", "run", "chain", "period"] as const;
export type RangeCheck = (typeof RANGE_CHECKS)[number];

export interface RangeReport {
  readonly verdict: Verdict;
  /** `verdict` is `valid`. */
  readonly ok: boolean;
  readonly checks: readonly CheckResult<RangeCheck>[];
  readonly firstDefect?: Defect;
  /** The auditor's own question, as it was brought; {@link RangeReport.claimed} is only what the text says of itself. */
  readonly asked?: RangeQuestion;
  /** Present when the text has its form. */
  readonly claimed?: RangeQuestion;
  /** Present when everything is proven: every entry of the period and institution, and none else. */
  readonly proven?: {
    readonly range: RangeQuestion;
    readonly entries: readonly Leaf[];
    readonly checkpoint: VerifiedCheckpoint;
  };
}

/** What the auditor brings. */
export interface RangeAuditor {
  readonly trust: Trust | undefined;
  readonly asked: RangeQuestion | undefined;
  /** The time, for policies that look at it. */
  readonly nowMs?: number;
}

/**
 * Checks a range from first line to last, against the question that the auditor asked. An end that the log has not reached,
 * and a text without the auditor's question, are "incomplete", never "valid".
 */
export function verifyRange(crypto: VerifierCrypto, text: string, { trust, asked, nowMs }: RangeAuditor): RangeReport {
  const list = new CheckList<RangeCheck>(RANGE_CHECKS);
  const range = parseRange(crypto.sm3, text);
  const questions = { ...(asked === undefined ? {} : { asked }), ...(range.ok ? { claimed: questionOf(range.value) } : {}) };
  const stop = (error: Defect, check: RangeCheck): RangeReport => {
    const checks = list.failedAt(check, error);
    return { verdict: verdictOf(checks), ok: false, checks, firstDefect: shownDefect(error), ...questions };
  };

  if (!range.ok) return stop(range.error, "format");
  const { origin, first, leaves, left, path, institution, fromMs, toMs } = range.value;
  list.pass("format", "one printed form", { entries: leaves.length });
  const unasked = questionDefect(asked, range.value);
  if (unasked !== undefined && asked !== undefined) return stop(unasked, "question");
  // Without the question the rest is checked all the same: what contradicts, contradicts.
  if (unasked !== undefined) list.fail("question", unasked);
  else list.pass("question", `asked for: ${describeQuestion(range.value)}`);
  const run: Leaf[] = [];
  for (const bytes of leaves) {
    const leaf = decodeLeaf(bytes);
    if (!leaf.ok) return stop({ ...leaf.error, index: first + BigInt(run.length) }, "leaf");
    run.push(leaf.value);
  }
  list.pass("leaf", `${run.length} canonical entries`, { entries: run.length });
  const unfit = policyDefect(trust, nowMs);
  if (trust === undefined || unfit !== undefined) return stop(unfit ?? NO_POLICY, "signature");
  const checkpoint = verifyLogSignature(crypto, range.value.checkpoint, trust);
  if (!checkpoint.ok) return stop(checkpoint.error, "signature");
  if (checkpoint.value.origin !== origin)
    return stop(
      { name: "checkpointOrigin", detail: `the range is of ${origin}, the checkpoint of ${checkpoint.value.origin}` },
      "signature",
    );
  list.pass("signature", `${origin} size ${checkpoint.value.size}, signed by a trusted key`, checkpointEvidence(checkpoint.value));
  // An end that was asked for stays where it was; "up to the checkpoint" says something of today.
  const unwitnessed =
    witnessDefect(checkpoint.value, trust) ?? (toMs === undefined ? ageDefect(checkpoint.value, trust, nowMs) : undefined);
  if (unwitnessed !== undefined) return stop(unwitnessed, "witnesses");
  list.pass("witnesses", ...witnessEvidence(checkpoint.value, asPolicy(trust)));
  const outside = runDefect(crypto, { first, left, leaves, path }, checkpoint.value);
  if (outside !== undefined) return stop(outside, "run");
  const end = first + BigInt(leaves.length);
  list.pass("run", `entries ${first} to ${end - 1n} of ${checkpoint.value.size}, without a gap, under the signed root`, {
    index: [String(first), String(end - 1n)],
    root: toHex(checkpoint.value.root),
  });
  const broken = chainDefect(crypto, range.value, run);
  if (broken !== undefined) return stop(broken, "chain");
  list.pass("chain", "every entry names the one before it and is not older");
  const open = periodDefect(range.value, run, checkpoint.value.size);
  if (open !== undefined) return stop(open, "period");
  const entries = run.filter(
    (leaf) =>
      leaf.postedMs >= fromMs &&
      (toMs === undefined || leaf.postedMs < toMs) &&
      (institution === undefined || leaf.institution === institution),
  );
  list.pass("period", `${entries.length} entries of ${institution ?? "all institutions"} in the period, and no other`, {
    entries: entries.length,
  });
  if (unasked !== undefined) return stop(unasked, "question");
  const proven = { range: questionOf(range.value), entries, checkpoint: checkpoint.value };
  return { verdict: verdictOf(list.results()), ok: true, checks: list.results(), ...questions, proven };
}

function questionOf({ origin, institution, fromMs, toMs }: RangeQuestion): RangeQuestion {
  return { origin, institution, fromMs, toMs };
}

/** The text answers exactly what the auditor asked: log, institution, begin and end, each in its one form. */
function questionDefect(asked: RangeQuestion | undefined, claimed: RangeQuestion): Defect | undefined {
  const answered = describeQuestion(claimed);
  if (asked === undefined)
    return {
      name: "questionMissing",
      detail: `the auditor's own question is needed: log, institution, from, to. The text says that it answers ${answered}`,
    };
  if (!isAskable(asked.institution)) return { name: "questionMismatch", detail: "the question names no institution of [0-9A-Za-z._-]" };
  return describeQuestion(asked) === answered
    ? undefined
    : { name: "questionMismatch", detail: `asked for was ${describeQuestion(asked)}; the text answers ${answered}` };
}

/** The run behind what lies left of it makes a tree that the signed one begins with. */
function runDefect(
  crypto: VerifierCrypto,
  { first, left, leaves, path }: Pick<EntryRange, "first" | "left" | "leaves" | "path">,
  checkpoint: VerifiedCheckpoint,
): Defect | undefined {
  const end = first + BigInt(leaves.length);
  if (leaves.length === 0 || end > checkpoint.size)
    return { name: "rangeMalformed", detail: `entries ${first} to ${end} do not lie in a log of ${checkpoint.size}` };
  if (left.length !== bitCount(first))
    return { name: "proofMalformed", detail: `${first} entries have ${bitCount(first)} subtree roots, not ${left.length}` };
  const hasher = treeHasher(crypto.sm3, crypto.sm3Many);
  const tree = new CompactRange(hasher, Number(first), left);
  for (const leaf of leaves) tree.append(hasher.leaf(leaf));
  const verified = verifyConsistency(hasher, { size: end, root: tree.root() }, checkpoint, path);
  return verified.ok ? undefined : verified.error;
}

function bitCount(size: bigint): number {
  return size.toString(2).replaceAll("0", "").length;
}

function chainDefect(crypto: VerifierCrypto, { origin, first, leaves }: EntryRange, run: readonly Leaf[]): Defect | undefined {
  const hasher = treeHasher(crypto.sm3);
  for (const [at, leaf] of run.entries()) {
    const index = first + BigInt(at);
    if (leaf.index !== index)
      return { name: "leafIndex", detail: `the entry in place ${index} says that it is entry ${leaf.index}`, index };
    if (leaf.origin !== origin) return { name: "leafOrigin", detail: `the entry belongs to ${leaf.origin}`, index };
    const before = run[at - 1];
    const bytes = leaves[at - 1];
    if (before === undefined || bytes === undefined) continue;
    if (leaf.previous === undefined || !equalBytes(leaf.previous, hasher.leaf(bytes)))
      return { name: "leafChain", detail: "the entry does not name the hash of the entry before it", index };
    if (leaf.postedMs < before.postedMs) return { name: "leafTime", detail: "the entry is older than the entry before it", index };
  }
  return undefined;
}

/** Time never goes back in a log: the run holds the period when it begins before it, or with the log, and ends behind it. */
function periodDefect({ first, fromMs, toMs }: EntryRange, run: readonly Leaf[], size: bigint): Defect | undefined {
  const [earliest, latest] = [run[0], run.at(-1)];
  if (earliest === undefined || latest === undefined) return { name: "rangeMalformed", detail: "no entry is given" };
  if (toMs !== undefined && toMs <= fromMs) return { name: "rangeMalformed", detail: "the period ends before it begins" };
  if (first > 0n && earliest.postedMs >= fromMs)
    return { name: "rangeBoundary", detail: "the first entry given lies in the period: entries before it may too", index: earliest.index };
  const isLast = latest.index === size - 1n;
  if (toMs === undefined)
    return isLast ? undefined : { name: "rangeBoundary", detail: "the entries do not reach to the end of the log", index: latest.index };
  if (latest.postedMs >= toMs) return undefined;
  return isLast
    ? {
        name: "rangeOpen",
        detail: "the log had not gone beyond the period when the checkpoint was signed: more may follow",
        index: latest.index,
      }
    : { name: "rangeBoundary", detail: "the last entry given lies in the period: entries behind it may too", index: latest.index };
}
