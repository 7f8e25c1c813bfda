/**
 * One entry with all that proves it, as one text that verifies offline (`FORMAT.md` section 8). Size and root come
 * from the signed checkpoint and from nowhere else.
 */
import { fromBase64, parseDecimal, toBase64, utf8, utf8Text } from "./bytes.ts";
import { decodeLeaf, type Leaf, type Opening, SALT_BYTES, verifyOpening } from "./leaf.ts";
import { type TrustedKey, type VerifiedCheckpoint, type VerifierCrypto, verifyCheckpoint } from "./note.ts";
import { CheckList, type CheckResult } from "./report.ts";
import { HASH_BYTES, treeHasher, verifyInclusion } from "./tree.ts";
import { type Checked, type Defect, failed, passed } from "./verdict.ts";

const TITLE = "ronghe-receipt/1";
const RECEIPT_CHARACTERS_MAX = 512 * 1024;

export interface Receipt {
  readonly index: bigint;
  readonly leaf: Uint8Array;
  /** Disclosed personal fields, in the order of the leaf's commitments; mostly none. */
  readonly openings: readonly Opening[];
  readonly path: readonly Uint8Array[];
  /** Signed note, exact. */
  readonly checkpoint: string;
}

export function printReceipt(receipt: Receipt): string {
  return [
    TITLE,
    `index ${receipt.index}`,
    `leaf ${toBase64(receipt.leaf)}`,
    ...receipt.openings.map(({ name, salt, value }) => `open ${toBase64(utf8(name))} ${toBase64(salt)} ${toBase64(utf8(value))}`),
    ...receipt.path.map((hash) => `path ${toBase64(hash)}`),
    "",
    receipt.checkpoint,
  ].join("\n");
}

/** Refuses every text that printing would not give back. */
export function parseReceipt(text: string): Checked<Receipt> {
  if (text.length > RECEIPT_CHARACTERS_MAX) return failed("receiptMalformed", "the receipt is too long");
  const split = text.indexOf("\n\n");
  const [title, indexLine = "", leafLine = "", ...rest] = text.slice(0, Math.max(split, 0)).split("\n");
  if (title !== TITLE) return failed("receiptMalformed", `the first line is not ${TITLE}`);
  const index = parseDecimal(after("index ", indexLine) ?? "");
  const leaf = fromBase64(after("leaf ", leafLine) ?? "?");
  if (index === undefined || leaf === undefined) return failed("receiptMalformed", "the index or the leaf line is wrong");
  const openings: Opening[] = [];
  const path: Uint8Array[] = [];
  for (const line of rest) {
    const opening = path.length === 0 ? openingOf(line) : undefined;
    const hash = fromBase64(after("path ", line) ?? "?");
    if (opening !== undefined) openings.push(opening);
    else if (hash?.length === HASH_BYTES) path.push(hash);
    else return failed("receiptMalformed", "a line is neither `open <name> <salt> <value>` nor `path <hash>`");
  }
  const receipt: Receipt = { index, leaf, openings, path, checkpoint: text.slice(split + 2) };
  return printReceipt(receipt) === text ? passed(receipt) : failed("receiptMalformed", "the receipt is not in its one printed form");
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

export type ReceiptCheck = "format" | "leaf" | "position" | "signature" | "inclusion" | "disclosures";

export interface ReceiptReport {
  /** True only when every check was made and none failed. */
  readonly ok: boolean;
  readonly checks: readonly CheckResult<ReceiptCheck>[];
  readonly firstDefect?: Defect;
  /** Present when everything is proven. */
  readonly proven?: { readonly leaf: Leaf; readonly openings: readonly Opening[]; readonly checkpoint: VerifiedCheckpoint };
}

/** Checks a receipt from first line to last; after the first defect the remaining checks are shown as not made. */
export function verifyReceipt(crypto: VerifierCrypto, text: string, trusted: readonly TrustedKey[]): ReceiptReport {
  const list = new CheckList<ReceiptCheck>(["format", "leaf", "position", "signature", "inclusion", "disclosures"]);
  const stop = (error: Defect, check: ReceiptCheck): ReceiptReport => ({
    ok: false,
    checks: list.failedAt(check, error),
    firstDefect: error,
  });

  const receipt = parseReceipt(text);
  if (!receipt.ok) return stop(receipt.error, "format");
  list.pass("format", "one printed form");
  const leaf = decodeLeaf(receipt.value.leaf);
  if (!leaf.ok) return stop(leaf.error, "leaf");
  list.pass("leaf", `${receipt.value.leaf.length} canonical bytes, kind ${JSON.stringify(leaf.value.kind)}`);
  const checkpoint = verifyCheckpoint(crypto, receipt.value.checkpoint, trusted);
  if (!checkpoint.ok) return stop(checkpoint.error, "signature");
  list.pass(
    "signature",
    `${checkpoint.value.origin} size ${checkpoint.value.size}, signed by ${checkpoint.value.signers.length} trusted key(s)`,
  );
  const position = positionDefect(receipt.value, leaf.value, checkpoint.value);
  if (position !== undefined) return stop(position, "position");
  list.pass("position", `entry ${leaf.value.index} of ${leaf.value.origin}`);
  const hasher = treeHasher(crypto.sm3);
  const claim = { leafHash: hasher.leaf(receipt.value.leaf), index: leaf.value.index, proof: receipt.value.path };
  const inclusion = verifyInclusion(hasher, checkpoint.value, claim);
  if (!inclusion.ok) return stop({ ...inclusion.error, index: leaf.value.index }, "inclusion");
  list.pass("inclusion", `${receipt.value.path.length} hashes lead to the signed root`);
  const disclosure = openingsDefect(crypto, leaf.value, receipt.value.openings);
  if (disclosure !== undefined) return stop(disclosure, "disclosures");
  list.pass("disclosures", `${receipt.value.openings.length} of ${leaf.value.commitments?.length ?? 0} personal fields disclosed`);
  return { ok: true, checks: list.results(), proven: { leaf: leaf.value, openings: receipt.value.openings, checkpoint: checkpoint.value } };
}

function positionDefect(receipt: Receipt, leaf: Leaf, checkpoint: VerifiedCheckpoint): Defect | undefined {
  if (leaf.index !== receipt.index)
    return { name: "leafIndex", detail: `the leaf is entry ${leaf.index}, not ${receipt.index}`, index: receipt.index };
  if (leaf.origin !== checkpoint.origin)
    return { name: "leafOrigin", detail: `the leaf belongs to ${leaf.origin}, the checkpoint to ${checkpoint.origin}`, index: leaf.index };
  return undefined;
}

/** Openings stand in the order of the leaf's commitments, each at most once. */
function openingsDefect(crypto: VerifierCrypto, leaf: Leaf, openings: readonly Opening[]): Defect | undefined {
  let before = -1;
  for (const opening of openings) {
    const result = verifyOpening(crypto.sm3, leaf, opening);
    if (!result.ok) return result.error;
    const at = leaf.commitments?.findIndex((commitment) => commitment.name === opening.name) ?? -1;
    if (at <= before) return { name: "receiptMalformed", detail: "disclosed fields repeat or are out of order", index: leaf.index };
    before = at;
  }
  return undefined;
}
