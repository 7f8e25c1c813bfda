/**
 * The exact bytes of an entry (`FORMAT.md` section 2). Reading is strict: every leaf has one encoding, and bytes that
 * are not that encoding are refused, so that no two texts share a hash and no reader sees another leaf than the next.
 */
import { equalBytes, isTimeMs, isUtf8, startsWith, u32At, u64At, utf8Text, writeUtf8 } from "./bytes.ts";
import { HASH_BYTES, type Hash, hashesOf, type HashMany } from "./tree.ts";
import { type Checked, type Defect, failed, passed } from "./verdict.ts";

/** ASCII `RHLEAF` and version 1. */
export const LEAF_MAGIC: Uint8Array = Uint8Array.of(0x52, 0x48, 0x4c, 0x45, 0x41, 0x46, 0x00, 0x01);
/** ASCII `RHCOMM` and version 1. */
export const COMMITMENT_MAGIC: Uint8Array = Uint8Array.of(0x52, 0x48, 0x43, 0x4f, 0x4d, 0x4d, 0x00, 0x01);
/** So that an entry fits the 16-bit lengths of tlog-tiles bundles. */
export const LEAF_BYTES_MAX = 65_535;
export const SALT_BYTES = 16;

/** Field tags in the order in which they stand. */
export const TAG = {
  origin: 1,
  index: 2,
  previous: 3,
  postedMs: 4,
  kind: 5,
  outcome: 6,
  code: 7,
  actor: 8,
  institution: 9,
  subject: 10,
  parent: 11,
  idempotencyKey: 12,
  requestHash: 13,
  provenance: 14,
  ruleSetVersion: 15,
  facts: 16,
  commitments: 17,
} as const;
const TAG_MAX = 17;

export interface Leaf {
  readonly origin: string;
  readonly index: bigint;
  /** Hash of the leaf before; absent at index 0 only. */
  readonly previous?: Uint8Array | undefined;
  readonly postedMs: bigint;
  readonly kind: string;
  readonly outcome: "accepted" | "refused";
  readonly code?: string | undefined;
  readonly actor: string;
  readonly institution?: string | undefined;
  readonly subject?: string | undefined;
  readonly parent?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly requestHash?: Uint8Array | undefined;
  readonly provenance?: LeafProvenance | undefined;
  readonly ruleSetVersion?: string | undefined;
  /** Names strictly ascending by their UTF-8 bytes. */
  readonly facts?: readonly LeafFact[] | undefined;
  readonly commitments?: readonly LeafCommitment[] | undefined;
}

export interface LeafProvenance {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly recordHash: Uint8Array;
}
export interface LeafFact {
  readonly name: string;
  readonly value: string;
}
export interface LeafCommitment {
  readonly name: string;
  readonly hash: Uint8Array;
}

const REQUIRED_TAGS = [TAG.origin, TAG.index, TAG.postedMs, TAG.kind, TAG.outcome, TAG.actor] as const;

/** By tag: the length that a field must have; 0 where any will do. */
const FIXED_LENGTH = new Uint8Array(TAG_MAX + 1);
FIXED_LENGTH[TAG.index] = FIXED_LENGTH[TAG.postedMs] = 8;
FIXED_LENGTH[TAG.previous] = FIXED_LENGTH[TAG.requestHash] = HASH_BYTES;
FIXED_LENGTH[TAG.outcome] = 1;
/** By tag: 1 where the field is one text. */
const IS_TEXT = new Uint8Array(TAG_MAX + 1);
for (const tag of [TAG.kind, TAG.code, TAG.actor, TAG.institution, TAG.subject, TAG.parent, TAG.idempotencyKey, TAG.ruleSetVersion])
  IS_TEXT[tag] = 1;

/** A leaf whose bytes were found canonical, with its fields still in place: what a scan over millions needs. */
export class LeafView {
  readonly bytes: Uint8Array;
  readonly #bounds: Uint32Array;

  /** Use {@link scanLeaf}. `bounds` holds begin and end by tag; a begin of 0 is an absent field. */
  constructor(bytes: Uint8Array, bounds: Uint32Array) {
    this.bytes = bytes;
    this.#bounds = bounds;
  }

  has(tag: number): boolean {
    return this.begin(tag) !== 0;
  }
  begin(tag: number): number {
    return this.#bounds[2 * tag] ?? 0;
  }
  end(tag: number): number {
    return this.#bounds[2 * tag + 1] ?? 0;
  }
  length(tag: number): number {
    return this.end(tag) - this.begin(tag);
  }
  field(tag: number): Uint8Array | undefined {
    return this.has(tag) ? this.bytes.subarray(this.begin(tag), this.end(tag)) : undefined;
  }
  text(tag: number): string | undefined {
    const field = this.field(tag);
    return field === undefined ? undefined : utf8Text(field);
  }
  get index(): bigint {
    return u64At(this.bytes, this.begin(TAG.index));
  }
  get postedMs(): bigint {
    return u64At(this.bytes, this.begin(TAG.postedMs));
  }
  /** Whether the index is this one; for the scan over millions, where a bigint each would cost. */
  isAt(index: number): boolean {
    return this.#numberIs(TAG.index, index);
  }
  isPostedAt(ms: number): boolean {
    return this.#numberIs(TAG.postedMs, ms);
  }
  isOlderThan(other: LeafView): boolean {
    const [mine, theirs] = [this.begin(TAG.postedMs), other.begin(TAG.postedMs)];
    for (let at = 0; at < 8; at += 1) {
      const difference = (this.bytes[mine + at] ?? 0) - (other.bytes[theirs + at] ?? 0);
      if (difference !== 0) return difference < 0;
    }
    return false;
  }
  #numberIs(tag: number, value: number): boolean {
    const at = this.begin(tag);
    return Number.isSafeInteger(value) && u32At(this.bytes, at) * 0x1_0000_0000 + u32At(this.bytes, at + 4) === value;
  }
  /** Whether a field holds exactly these bytes. */
  equals(tag: number, expected: Uint8Array): boolean {
    return this.has(tag) && this.length(tag) === expected.length && startsWith(this.bytes, this.begin(tag), expected);
  }
}

/** Finds the fields and checks every rule of `FORMAT.md` section 2. */
export function scanLeaf(bytes: Uint8Array): Checked<LeafView> {
  if (bytes.length > LEAF_BYTES_MAX) return malformed(`a leaf of ${bytes.length} bytes is longer than ${LEAF_BYTES_MAX}`);
  if (!startsWith(bytes, 0, LEAF_MAGIC)) return malformed("the bytes do not begin with the leaf tag and version 1");
  const bounds = new Uint32Array(2 * (TAG_MAX + 1));
  let at = LEAF_MAGIC.length;
  let before = 0;
  while (at < bytes.length) {
    if (bytes.length - at < 5) return malformed(`a field header is cut off at byte ${at}`);
    const tag = bytes[at] ?? 0;
    if (tag <= before) return malformed(`field ${tag} stands after field ${before}`);
    if (tag > TAG_MAX) return malformed(`field ${tag} is unknown in version 1`);
    const length = u32At(bytes, at + 1);
    at += 5;
    if (length > bytes.length - at) return malformed(`field ${tag} is longer than the leaf`);
    const wanted = FIXED_LENGTH[tag] ?? 0;
    if (wanted !== 0 && length !== wanted) return malformed(`field ${tag} has ${length} bytes instead of ${wanted}`);
    if (IS_TEXT[tag] === 1 && !isUtf8(bytes, at, at + length)) return malformed(`field ${tag} is not well-formed UTF-8`);
    bounds[2 * tag] = at;
    at += length;
    bounds[2 * tag + 1] = at;
    before = tag;
  }
  const view = new LeafView(bytes, bounds);
  const detail = faultOf(view);
  return detail === undefined ? passed(view) : malformed(detail);
}

function malformed(detail: string): { readonly ok: false; readonly error: Defect } {
  return failed("leafMalformed", detail);
}

/** The rules that need the whole leaf, or look into a field. */
function faultOf(view: LeafView): string | undefined {
  const { bytes } = view;
  for (const tag of REQUIRED_TAGS) if (!view.has(tag)) return `field ${tag} is missing`;
  if (!isU63(bytes, view.begin(TAG.index))) return "the index is 2^63 or more";
  if (!isTimeMs(bytes, view.begin(TAG.postedMs))) return "the time lies behind the year 9999";
  const outcome = bytes[view.begin(TAG.outcome)];
  if (outcome !== 1 && outcome !== 2) return "the outcome is neither 1 nor 2";
  if (view.has(TAG.previous) === view.isAt(0)) return "the previous hash must stand exactly in the leaves after the first";
  return originFault(view) ?? provenanceFault(view) ?? factsFault(view) ?? commitmentsFault(view);
}

/** SQL integers are signed: the top bit of a number is zero. */
function isU63(bytes: Uint8Array, at: number): boolean {
  return (bytes[at] ?? 0x80) < 0x80;
}

/** The rule of `isName`, on bytes. */
function originFault(view: LeafView): string | undefined {
  const from = view.begin(TAG.origin);
  const to = view.end(TAG.origin);
  if (to === from || to - from > 255) return "the origin is empty or longer than 255 bytes";
  for (let at = from; at < to; at += 1) {
    const byte = view.bytes[at] ?? 0;
    if (byte < 0x21 || byte > 0x7e || byte === 0x2b) return "the origin is not visible ASCII without a plus sign";
  }
  return undefined;
}

function provenanceFault(view: LeafView): string | undefined {
  if (!view.has(TAG.provenance)) return undefined;
  const from = view.begin(TAG.provenance);
  const to = view.end(TAG.provenance);
  const topic = piece(view.bytes, from, to);
  if (topic === undefined || to - topic.end !== 4 + 8 + HASH_BYTES) return "the provenance is not topic, partition, offset and record hash";
  if (!isUtf8(view.bytes, topic.begin, topic.end)) return "the provenance topic is not well-formed UTF-8";
  return isU63(view.bytes, topic.end + 4) ? undefined : "the provenance offset is 2^63 or more";
}

function factsFault(view: LeafView): string | undefined {
  const to = view.end(TAG.facts);
  let before: Piece | undefined;
  for (let at = view.begin(TAG.facts); at < to;) {
    const name = piece(view.bytes, at, to);
    const value = name === undefined ? undefined : piece(view.bytes, name.end, to);
    if (name === undefined || value === undefined) return "the facts are cut off";
    const fault = nameFault(view.bytes, before, name);
    if (fault !== undefined) return `the facts ${fault}`;
    if (!isUtf8(view.bytes, value.begin, value.end)) return "the facts are not well-formed UTF-8";
    before = name;
    at = value.end;
  }
  return undefined;
}

function commitmentsFault(view: LeafView): string | undefined {
  const to = view.end(TAG.commitments);
  let before: Piece | undefined;
  for (let at = view.begin(TAG.commitments); at < to;) {
    const name = piece(view.bytes, at, to);
    if (name === undefined || to - name.end < HASH_BYTES) return "the commitments are cut off";
    const fault = nameFault(view.bytes, before, name);
    if (fault !== undefined) return `the commitments ${fault}`;
    before = name;
    at = name.end + HASH_BYTES;
  }
  return undefined;
}

interface Piece {
  readonly begin: number;
  readonly end: number;
}

/** A length-prefixed piece of `bytes` that begins at `at` and ends before `to`. */
function piece(bytes: Uint8Array, at: number, to: number): Piece | undefined {
  if (to - at < 4) return undefined;
  const begin = at + 4;
  const length = u32At(bytes, at);
  return length > to - begin ? undefined : { begin, end: begin + length };
}

function nameFault(bytes: Uint8Array, before: Piece | undefined, name: Piece): string | undefined {
  if (name.begin === name.end) return "hold an empty name";
  if (!isUtf8(bytes, name.begin, name.end)) return "hold a name that is not well-formed UTF-8";
  if (before !== undefined && !isAscending(bytes, before, name)) return "are not in strictly ascending order of names";
  return undefined;
}

function isAscending(bytes: Uint8Array, a: Piece, b: Piece): boolean {
  const lengthA = a.end - a.begin;
  const lengthB = b.end - b.begin;
  for (let at = 0; at < Math.min(lengthA, lengthB); at += 1) {
    const difference = (bytes[a.begin + at] ?? 0) - (bytes[b.begin + at] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return lengthA < lengthB;
}

/** The leaf as values. Refuses every byte string that is not the one encoding of a leaf. */
export function decodeLeaf(bytes: Uint8Array): Checked<Leaf> {
  const scanned = scanLeaf(bytes);
  return scanned.ok ? passed(leafOf(scanned.value)) : scanned;
}

/** The fields of a scanned leaf. */
export function leafOf(view: LeafView): Leaf {
  const provenance = view.has(TAG.provenance) ? provenanceOf(view) : undefined;
  return {
    origin: view.text(TAG.origin) ?? "",
    index: view.index,
    ...optional("previous", view.field(TAG.previous)),
    postedMs: view.postedMs,
    kind: view.text(TAG.kind) ?? "",
    outcome: view.bytes[view.begin(TAG.outcome)] === 1 ? "accepted" : "refused",
    ...optional("code", view.text(TAG.code)),
    actor: view.text(TAG.actor) ?? "",
    ...optional("institution", view.text(TAG.institution)),
    ...optional("subject", view.text(TAG.subject)),
    ...optional("parent", view.text(TAG.parent)),
    ...optional("idempotencyKey", view.text(TAG.idempotencyKey)),
    ...optional("requestHash", view.field(TAG.requestHash)),
    ...optional("provenance", provenance),
    ...optional("ruleSetVersion", view.text(TAG.ruleSetVersion)),
    ...optional("facts", view.has(TAG.facts) ? factsOf(view) : undefined),
    ...optional("commitments", view.has(TAG.commitments) ? commitmentsOf(view) : undefined),
  };
}

/** `{ [name]: value }`, or nothing at all when the field is absent. */
function optional<Name extends string, Value>(name: Name, value: Value | undefined): { readonly [Key in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [Key in Name]?: Value });
}

function provenanceOf(view: LeafView): LeafProvenance {
  const topic = scannedPiece(view.bytes, view.begin(TAG.provenance), view.end(TAG.provenance));
  const at = topic.end;
  return {
    topic: textOf(view.bytes, topic),
    partition: u32At(view.bytes, at),
    offset: u64At(view.bytes, at + 4),
    recordHash: view.bytes.subarray(at + 12, at + 12 + HASH_BYTES),
  };
}

function factsOf(view: LeafView): readonly LeafFact[] {
  const facts: LeafFact[] = [];
  const to = view.end(TAG.facts);
  for (let at = view.begin(TAG.facts); at < to;) {
    const name = scannedPiece(view.bytes, at, to);
    const value = scannedPiece(view.bytes, name.end, to);
    facts.push({ name: textOf(view.bytes, name), value: textOf(view.bytes, value) });
    at = value.end;
  }
  return facts;
}

/** The commitments of a scanned leaf, in their order. */
export function commitmentsOf(view: LeafView): readonly LeafCommitment[] {
  const commitments: LeafCommitment[] = [];
  const to = view.end(TAG.commitments);
  for (let at = view.begin(TAG.commitments); at < to;) {
    const name = scannedPiece(view.bytes, at, to);
    commitments.push({ name: textOf(view.bytes, name), hash: view.bytes.subarray(name.end, name.end + HASH_BYTES) });
    at = name.end + HASH_BYTES;
  }
  return commitments;
}

function scannedPiece(bytes: Uint8Array, at: number, to: number): Piece {
  const found = piece(bytes, at, to);
  if (found === undefined) throw new Error("the leaf was not scanned");
  return found;
}

function textOf(bytes: Uint8Array, { begin, end }: Piece): string {
  return utf8Text(bytes.subarray(begin, end)) ?? "";
}

/** A personal value with the salt that hides it in the leaf. */
export interface Opening {
  readonly name: string;
  readonly salt: Uint8Array;
  readonly value: string;
}

/** The entry that a commitment is bound to. */
export interface CommitmentPlace {
  readonly origin: string;
  readonly index: bigint;
}

/**
 * SM3(tag ‖ lp(origin) ‖ u64 index ‖ lp(name) ‖ lp(salt) ‖ lp(value)), `FORMAT.md` section 3. Bound to its place, so
 * that one person's commitments in two entries do not show that they are the same person's.
 */
export function commitmentHash(hash: Hash, place: CommitmentPlace, opening: Opening): Uint8Array {
  const bytes = new Uint8Array(commitmentBytesMax(place, opening));
  return hash(bytes.subarray(0, writeCommitment(bytes, 0, place, opening)));
}

/** {@link commitmentHash} of each, made together. */
export function commitmentHashes(
  many: HashMany,
  items: readonly { readonly place: CommitmentPlace; readonly opening: Opening }[],
): readonly Uint8Array[] {
  const bytes = new Uint8Array(items.reduce((sum, { place, opening }) => sum + commitmentBytesMax(place, opening), 0));
  const bounds = new Uint32Array(2 * items.length);
  let end = 0;
  for (const [at, { place, opening }] of items.entries()) {
    // The first byte of the tag is handed over as the prefix.
    bounds[2 * at] = end + 1;
    end = writeCommitment(bytes, end, place, opening);
    bounds[2 * at + 1] = end;
  }
  return hashesOf(many(COMMITMENT_MAGIC[0] ?? 0, bytes.subarray(0, end), bounds));
}

/** Three bytes of UTF-8 per UTF-16 unit are always enough. */
function commitmentBytesMax({ origin }: CommitmentPlace, { name, salt, value }: Opening): number {
  return COMMITMENT_MAGIC.length + 4 * 4 + 8 + salt.length + 3 * (origin.length + name.length + value.length);
}

/** Writes what is hashed at `from`; gives where it ends. */
function writeCommitment(bytes: Uint8Array, from: number, place: CommitmentPlace, { name, salt, value }: Opening): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  bytes.set(COMMITMENT_MAGIC, from);
  let at = from + COMMITMENT_MAGIC.length;
  const putText = (text: string): void => {
    const length = writeUtf8(bytes, at + 4, text);
    view.setUint32(at, length);
    at += 4 + length;
  };
  putText(place.origin);
  view.setBigUint64(at, place.index);
  at += 8;
  putText(name);
  view.setUint32(at, salt.length);
  bytes.set(salt, at + 4);
  at += 4 + salt.length;
  putText(value);
  return at;
}

/** Whether an opening is what the leaf committed to under its name; `known` is its hash when that was made before. */
export function verifyOpening(
  hash: Hash,
  leaf: Pick<Leaf, "origin" | "index" | "commitments">,
  opening: Opening,
  known?: Uint8Array,
): Checked<true> {
  const commitment = leaf.commitments?.find((entry) => entry.name === opening.name);
  if (commitment === undefined) return failed("commitmentMismatch", `entry ${leaf.index} commits to no such field`, leaf.index);
  if (opening.salt.length !== SALT_BYTES)
    return failed("commitmentMismatch", `a salt has ${opening.salt.length} bytes instead of ${SALT_BYTES}`, leaf.index);
  return equalBytes(known ?? commitmentHash(hash, leaf, opening), commitment.hash)
    ? passed(true)
    : failed("commitmentMismatch", `a disclosed value is not the one that entry ${leaf.index} committed to`, leaf.index);
}
