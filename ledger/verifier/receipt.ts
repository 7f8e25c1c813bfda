/**
 * One entry, or several of one log, with all that proves them, as one text that verifies offline (`FORMAT.md` section 8).
 * Size and root come from the signed checkpoint and from nowhere else.
 */
import { fromBase64, isLonger, parseDecimal, toBase64, toHex, utf8, utf8Text } from "./bytes.ts";
import { type Erasure, erasedFieldDefect, erasureOf } from "./erasure.ts";
import { decodeLeaf, type Leaf, type Opening, SALT_BYTES, verifyOpening } from "./leaf.ts";
import { asPolicy, type Trust, type VerifiedCheckpoint, type VerifierCrypto, verifyLogSignature } from "./note.ts";
import { checkpointEvidence, NO_POLICY, policyDefect, witnessDefect, witnessEvidence } from "./checkpoint.ts";
import { CheckList, type CheckResult, type Verdict, verdictOf } from "./report.ts";
import { type Hash, HASH_BYTES, type TreeHasher, treeHasher, verifyInclusion } from "./tree.ts";
import { type Checked, type Defect, failed, passed, shownDefect } from "./verdict.ts";

export const RECEIPT_TITLE = "ronghe-receipt/1";
const SEAL = "sm3 ";
export const RECEIPT_BYTES_MAX = 1024 * 1024;

export interface ReceiptEntry {
  readonly index: bigint;
  readonly leaf: Uint8Array;
  /** Disclosed personal fields, in the order of the leaf's commitments; mostly none. */
  readonly openings: readonly Opening[];
  readonly path: readonly Uint8Array[];
}

export interface Receipt {
  /** One or more, indices strictly ascending. */
  readonly entries: readonly ReceiptEntry[];
  /** Signed note, exact. */
  readonly checkpoint: string;
}

export function printReceipt(receipt: Receipt): string {
  return `${RECEIPT_TITLE}\n${bodyOf(receipt)}`;
}

/**
 * As {@link printReceipt}, with the receipt's own SM3 in front when several keys signed the checkpoint: a verifier ignores
 * the lines of keys it does not know, and would not notice a slip in one.
 */
export function printSealedReceipt(hash: Hash, receipt: Receipt): string {
  if (receipt.checkpoint.split("\n\u2014 ").length <= 2) return printReceipt(receipt);
  const body = bodyOf(receipt);
  return `${RECEIPT_TITLE}\n${SEAL}${toHex(hash(utf8(body)))}\n${body}`;
}

function bodyOf({ entries, checkpoint }: Receipt): string {
  return [...entries.flatMap(linesOf), "", checkpoint].join("\n");
}

function linesOf({ index, leaf, openings, path }: ReceiptEntry): readonly string[] {
  return [
    `index ${index}`,
    `leaf ${toBase64(leaf)}`,
    ...openings.map(({ name, salt, value }) => `open ${toBase64(utf8(name))} ${toBase64(salt)} ${toBase64(utf8(value))}`),
    ...path.map((hash) => `path ${toBase64(hash)}`),
  ];
}

/** Refuses every text that printing would not give back. */
export function parseReceipt(text: string): Checked<Receipt> {
  if (isLonger(text, RECEIPT_BYTES_MAX)) return failed("receiptMalformed", "the receipt is too long");
  const split = text.indexOf("\n\n");
  const [title, ...lines] = text.slice(0, Math.max(split, 0)).split("\n");
  if (title !== RECEIPT_TITLE) return failed("receiptMalformed", `the first line is not ${RECEIPT_TITLE}`);
  const seal = sealOf(text);
  if (seal !== undefined) lines.shift();
  const entries: ReceiptEntry[] = [];
  for (let at = 0; at < lines.length;) {
    const next = lines.findIndex((line, place) => place > at && line.startsWith("index "));
    const end = next === -1 ? lines.length : next;
    const entry = parseEntry(lines.slice(at, end));
    if (!entry.ok) return entry;
    const before = entries.at(-1);
    if (before !== undefined && entry.value.index <= before.index)
      return failed("receiptMalformed", "the entries are not in strictly ascending order");
    entries.push(entry.value);
    at = end;
  }
  if (entries.length === 0) return failed("receiptMalformed", "the receipt holds no entry");
  const receipt: Receipt = { entries, checkpoint: text.slice(split + 2) };
  return `${RECEIPT_TITLE}\n${seal?.line ?? ""}${bodyOf(receipt)}` === text
    ? passed(receipt)
    : failed("receiptMalformed", "the receipt is not in its one printed form");
}

/** The line with a receipt's own SM3, where there is one, and what it is the hash of. */
function sealOf(text: string): { readonly line: string; readonly hash: string; readonly body: string } | undefined {
  const [, line = "", hash = ""] = /^[^\n]*\n(sm3 ([0-9a-f]{64})\n)/.exec(text) ?? [];
  return line === "" ? undefined : { line, hash, body: text.slice(RECEIPT_TITLE.length + 1 + line.length) };
}

function parseEntry([indexLine = "", leafLine = "", ...rest]: readonly string[]): Checked<ReceiptEntry> {
  const index = parseDecimal(after("index ", indexLine) ?? "");
  const leaf = fromBase64(after("leaf ", leafLine) ?? "?");
  if (index === undefined || leaf === undefined) return failed("receiptMalformed", "an index or a leaf line is wrong");
  const openings: Opening[] = [];
  const path: Uint8Array[] = [];
  for (const line of rest) {
    const opening = path.length === 0 ? openingOf(line) : undefined;
    const hash = fromBase64(after("path ", line) ?? "?");
    if (opening !== undefined) openings.push(opening);
    else if (hash?.length === HASH_BYTES) path.push(hash);
    else return failed("receiptMalformed", "a line is neither `open <name> <salt> <value>` nor `path <hash>`");
  }
  return passed({ index, leaf, openings, path });
}

function after(keyword: string, line: string): string | undefined {
  return line.startsWith(keyword) ? line.slice(keyword.length) : undefined;
}

function openingOf(line: string): Opening | undefined {
  const [nameText = "?", saltText = "?", valueText = "?", ...more] = after("open ", line)?.split(" ") ?? [];
  const name = textOf(nameText);
  const salt = fromBase64(saltText);
  const value = textOf(valueText);
  return name === undefined || salt?.length !== SALT_BYTES || value === undefined || more.length > 0 ? undefined : { name, salt, value };
}

function textOf(base64: string): string | undefined {
  const bytes = fromBase64(base64);
  return bytes === undefined ? undefined : utf8Text(bytes);
}

export type ReceiptCheck = (typeof RECEIPT_CHECKS)[number];
/** In the order in which they are made. */
export const RECEIPT_CHECKS = ["format", "leaf", "signature", "witnesses", "position", "inclusion", "disclosures"] as const;

export interface ProvenEntry {
  readonly leaf: Leaf;
  /** SM3(00 ‖ leaf). */
  readonly hash: Uint8Array;
  readonly openings: readonly Opening[];
  /** Fields that an erasure entry of the same receipt names. */
  readonly erased: readonly { readonly name: string; readonly by: Erasure }[];
}

export interface ReceiptReport {
  readonly verdict: Verdict;
  /** `verdict` is `valid`: every check was made and none failed. */
  readonly ok: boolean;
  readonly checks: readonly CheckResult<ReceiptCheck>[];
  readonly firstDefect?: Defect;
  /** Present when everything is proven. */
  readonly proven?: { readonly entries: readonly ProvenEntry[]; readonly checkpoint: VerifiedCheckpoint };
}

interface OpenedEntry extends ReceiptEntry {
  readonly decoded: Leaf;
}

/**
 * Checks a receipt from first line to last; after the first defect the remaining checks are shown as not made. Without
 * keys to trust nothing can be believed: the answer is then "incomplete" at best.
 */
export function verifyReceipt(crypto: VerifierCrypto, text: string, trust: Trust | undefined, nowMs?: number): ReceiptReport {
  const list = new CheckList<ReceiptCheck>(RECEIPT_CHECKS);
  const stop = (error: Defect, check: ReceiptCheck): ReceiptReport => {
    const checks = list.failedAt(check, error);
    return { verdict: verdictOf(checks), ok: false, checks, firstDefect: shownDefect(error) };
  };

  const receipt = parseReceipt(text);
  if (!receipt.ok) return stop(receipt.error, "format");
  const seal = sealOf(text);
  if (seal !== undefined && toHex(crypto.sm3(utf8(seal.body))) !== seal.hash)
    return stop({ name: "receiptMalformed", detail: "the text is not the one that the receipt's own SM3 is of" }, "format");
  const { entries } = receipt.value;
  list.pass("format", "one printed form", { entries: entries.length });
  const opened: OpenedEntry[] = [];
  for (const entry of entries) {
    const leaf = decodeLeaf(entry.leaf);
    if (!leaf.ok) return stop({ ...leaf.error, index: entry.index }, "leaf");
    opened.push({ ...entry, decoded: leaf.value });
  }
  list.pass("leaf", leafDetail(opened), {
    leafBytes: entries.reduce((sum, entry) => sum + entry.leaf.length, 0),
    kind: opened.map((entry) => entry.decoded.kind),
  });
  const unfit = policyDefect(trust, nowMs);
  if (trust === undefined || unfit !== undefined) return stop(unfit ?? NO_POLICY, "signature");
  const checkpoint = verifyLogSignature(crypto, receipt.value.checkpoint, trust);
  if (!checkpoint.ok) return stop(checkpoint.error, "signature");
  const { origin, size, signers } = checkpoint.value;
  list.pass("signature", `${origin} size ${size}, signed by ${signers.length} trusted key(s)`, checkpointEvidence(checkpoint.value));
  const unwitnessed = witnessDefect(checkpoint.value, trust);
  if (unwitnessed !== undefined) return stop(unwitnessed, "witnesses");
  list.pass("witnesses", ...witnessEvidence(checkpoint.value, asPolicy(trust)));
  const position = first(opened, (entry) => positionDefect(entry, checkpoint.value));
  if (position !== undefined) return stop(position, "position");
  list.pass("position", `entry ${entries.map((entry) => entry.index).join(", ")} of ${origin}`, {
    origin,
    index: entries.map((entry) => String(entry.index)),
  });
  const hasher = treeHasher(crypto.sm3);
  const inclusion = first(opened, (entry) => inclusionDefect(hasher, entry, checkpoint.value));
  if (inclusion !== undefined) return stop(inclusion, "inclusion");
  const pathHashes = entries.reduce((sum, entry) => sum + entry.path.length, 0);
  list.pass("inclusion", `${pathHashes} hashes lead to the signed root`, { pathHashes, root: toHex(checkpoint.value.root) });
  const disclosure = first(opened, (entry) => openingsDefect(crypto, entry));
  if (disclosure !== undefined) return stop(disclosure, "disclosures");
  const erasures = erasuresOf(opened);
  if (!erasures.ok) return stop(erasures.error, "disclosures");
  const disclosed = entries.reduce((sum, entry) => sum + entry.openings.length, 0);
  const committed = opened.reduce((sum, entry) => sum + (entry.decoded.commitments?.length ?? 0), 0);
  const proven = opened.map((entry) => ({
    leaf: entry.decoded,
    hash: hasher.leaf(entry.leaf),
    openings: entry.openings,
    erased: erasures.value.flatMap((by) => by.fields.filter(({ index }) => index === entry.index).map(({ name }) => ({ name, by }))),
  }));
  const erased = proven.flatMap((entry) => entry.erased);
  const places = [...new Set(erased.map(({ by }) => String(by.at)))];
  list.pass(
    "disclosures",
    `${disclosed} of ${committed} personal fields disclosed` +
      (erased.length === 0 ? "" : `, ${erased.length} erased lawfully at entry ${places.join(", ")}`),
    { disclosed, committed, ...(erased.length === 0 ? {} : { erasedAt: places }) },
  );
  return {
    verdict: verdictOf(list.results()),
    ok: true,
    checks: list.results(),
    proven: { entries: proven, checkpoint: checkpoint.value },
  };
}

function leafDetail(entries: readonly OpenedEntry[]): string {
  const bytes = entries.reduce((sum, entry) => sum + entry.leaf.length, 0);
  return `${bytes} canonical bytes, kind ${entries.map((entry) => JSON.stringify(entry.decoded.kind)).join(", ")}`;
}

function first(entries: readonly OpenedEntry[], check: (entry: OpenedEntry) => Defect | undefined): Defect | undefined {
  for (const entry of entries) {
    const defect = check(entry);
    if (defect !== undefined) return defect;
  }
  return undefined;
}

function positionDefect({ index, decoded }: OpenedEntry, checkpoint: VerifiedCheckpoint): Defect | undefined {
  if (decoded.index !== index) return { name: "leafIndex", detail: `the leaf is entry ${decoded.index}, not ${index}`, index };
  if (decoded.origin !== checkpoint.origin)
    return { name: "leafOrigin", detail: `the leaf belongs to ${decoded.origin}, the checkpoint to ${checkpoint.origin}`, index };
  return undefined;
}

function inclusionDefect(hasher: TreeHasher, { leaf, index, path }: OpenedEntry, checkpoint: VerifiedCheckpoint): Defect | undefined {
  const inclusion = verifyInclusion(hasher, checkpoint, { leafHash: hasher.leaf(leaf), index, proof: path });
  return inclusion.ok ? undefined : { ...inclusion.error, index };
}

/** The erasures that a receipt holds. What they name must be as they say, and no longer be shown, in the same receipt. */
function erasuresOf(entries: readonly OpenedEntry[]): Checked<readonly Erasure[]> {
  const erasures: Erasure[] = [];
  for (const { decoded } of entries) {
    const erasure = erasureOf(decoded);
    if (erasure === undefined) continue;
    if (!erasure.ok) return erasure;
    erasures.push(erasure.value);
    for (const field of erasure.value.fields) {
      const entry = entries.find(({ index }) => index === field.index);
      const defect = entry === undefined ? undefined : erasedFieldDefect(erasure.value.at, field, entry.decoded);
      if (defect !== undefined) return { ok: false, error: defect };
      if (entry?.openings.some(({ name }) => name === field.name) === true)
        return failed("erasedDisclosed", `a value is disclosed that entry ${decoded.index} says was destroyed`, field.index);
    }
  }
  return passed(erasures);
}

/** Openings stand in the order of the leaf's commitments, each at most once. */
function openingsDefect(crypto: VerifierCrypto, { decoded, openings }: OpenedEntry): Defect | undefined {
  let before = -1;
  for (const opening of openings) {
    const result = verifyOpening(crypto.sm3, decoded, opening);
    if (!result.ok) return result.error;
    const at = decoded.commitments?.findIndex((commitment) => commitment.name === opening.name) ?? -1;
    if (at <= before) return { name: "receiptMalformed", detail: "disclosed fields repeat or are out of order", index: decoded.index };
    before = at;
  }
  return undefined;
}
