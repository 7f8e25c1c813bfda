/** Writes the exact bytes of a leaf (`FORMAT.md` section 2); the verifier's reader shares no code with it. */
import { TIME_MS_MAX } from "./verifier/bytes.ts";
import { HASH_BYTES } from "./verifier/tree.ts";
import { type Leaf, LEAF_BYTES_MAX, LEAF_MAGIC, TAG } from "./verifier/leaf.ts";

const utf8 = new TextEncoder();
const U63_END = 1n << 63n;

/**
 * Throws a `RangeError` for what no leaf can say: lone surrogates (they would all become U+FFFD and so share bytes),
 * numbers out of range, repeated names, a hash of another length, more than 65,535 bytes.
 */
export function encodeLeaf(leaf: Leaf): Uint8Array {
  const writer = new LeafWriter();
  writer.text(TAG.origin, leaf.origin);
  writer.number(TAG.index, leaf.index);
  writer.hash(TAG.previous, leaf.previous);
  if (leaf.postedMs > TIME_MS_MAX) throw new RangeError("the time of an entry lies behind the year 9999");
  writer.number(TAG.postedMs, leaf.postedMs);
  writer.text(TAG.kind, leaf.kind);
  writer.outcome(leaf.outcome);
  writer.text(TAG.code, leaf.code);
  writer.text(TAG.actor, leaf.actor);
  writer.text(TAG.institution, leaf.institution);
  writer.text(TAG.subject, leaf.subject);
  writer.text(TAG.parent, leaf.parent);
  writer.text(TAG.idempotencyKey, leaf.idempotencyKey);
  writer.hash(TAG.requestHash, leaf.requestHash);
  writer.provenance(leaf.provenance);
  writer.text(TAG.ruleSetVersion, leaf.ruleSetVersion);
  writer.facts(leaf.facts);
  writer.commitments(leaf.commitments);
  return writer.bytes();
}

/** Names in ascending order of their UTF-8 bytes, as facts and commitments stand in a leaf. */
export function byUtf8(a: string, b: string): number {
  // UTF-16 order differs from UTF-8 order only where surrogates meet U+E000 and above.
  const order =
    SURROGATE_OR_ABOVE.test(a) || SURROGATE_OR_ABOVE.test(b) ? Buffer.compare(utf8.encode(a), utf8.encode(b)) : a < b ? -1 : Number(a > b);
  return order;
}
const SURROGATE_OR_ABOVE = /[\ud800-\uffff]/;

/** One buffer for every leaf: encoding is synchronous, and a leaf leaves as a copy. */
const scratch = new Uint8Array(LEAF_BYTES_MAX + 8);
const view = new DataView(scratch.buffer);

class LeafWriter {
  #at: number;

  constructor() {
    scratch.set(LEAF_MAGIC);
    this.#at = LEAF_MAGIC.length;
  }

  bytes(): Uint8Array {
    return scratch.slice(0, this.#at);
  }

  text(tag: number, value: string | undefined): void {
    if (value === undefined) return;
    const field = this.#begin(tag);
    this.#utf8(value);
    this.#end(field);
  }

  number(tag: number, value: bigint): void {
    const field = this.#begin(tag);
    this.#u64(value);
    this.#end(field);
  }

  hash(tag: number, value: Uint8Array | undefined): void {
    if (value === undefined) return;
    const field = this.#begin(tag);
    this.#hash(value);
    this.#end(field);
  }

  outcome(value: Leaf["outcome"]): void {
    const field = this.#begin(TAG.outcome);
    scratch[this.#take(1)] = value === "accepted" ? 1 : 2;
    this.#end(field);
  }

  provenance(value: Leaf["provenance"]): void {
    if (value === undefined) return;
    const field = this.#begin(TAG.provenance);
    this.#piece(value.topic);
    this.#u32(value.partition);
    this.#u64(value.offset);
    this.#hash(value.recordHash);
    this.#end(field);
  }

  facts(facts: Leaf["facts"]): void {
    if (facts === undefined) return;
    const field = this.#begin(TAG.facts);
    let before: string | undefined;
    for (const { name, value } of facts) {
      checkOrder("fact", before, name);
      this.#piece(name);
      this.#piece(value);
      before = name;
    }
    this.#end(field);
  }

  commitments(commitments: Leaf["commitments"]): void {
    if (commitments === undefined) return;
    const field = this.#begin(TAG.commitments);
    let before: string | undefined;
    for (const { name, hash } of commitments) {
      checkOrder("commitment", before, name);
      this.#piece(name);
      this.#hash(hash);
      before = name;
    }
    this.#end(field);
  }

  /** Tag and room for the length; gives where the field begins. */
  #begin(tag: number): number {
    const at = this.#take(5);
    scratch[at] = tag;
    return at;
  }

  #end(field: number): void {
    view.setUint32(field + 1, this.#at - field - 5);
  }

  #piece(value: string): void {
    const at = this.#take(4);
    this.#utf8(value);
    view.setUint32(at, this.#at - at - 4);
  }

  #utf8(value: string): void {
    const from = this.#at;
    if (from + value.length > LEAF_BYTES_MAX) throw tooLong();
    for (let unit = 0; unit < value.length; unit += 1) {
      const code = value.charCodeAt(unit);
      if (code >= 0x80) return this.#beyondAscii(value);
      scratch[from + unit] = code;
    }
    this.#at = from + value.length;
  }

  #beyondAscii(value: string): void {
    if (!value.isWellFormed()) throw new RangeError("a leaf text holds a lone surrogate");
    const { read, written } = utf8.encodeInto(value, scratch.subarray(this.#at, LEAF_BYTES_MAX));
    if (read !== value.length) throw tooLong();
    this.#at += written;
  }

  #u32(value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff)
      throw new RangeError("a leaf partition is not an unsigned 32-bit number");
    view.setUint32(this.#take(4), value);
  }

  #u64(value: bigint): void {
    if (value < 0n || value >= U63_END) throw new RangeError("a leaf number is negative or 2^63 or more");
    view.setBigUint64(this.#take(8), value);
  }

  #hash(value: Uint8Array): void {
    if (value.length !== HASH_BYTES) throw new RangeError(`a leaf hash has ${value.length} bytes instead of ${HASH_BYTES}`);
    scratch.set(value, this.#take(HASH_BYTES));
  }

  /** Room for `length` bytes, and where it begins. */
  #take(length: number): number {
    const at = this.#at;
    if (at + length > LEAF_BYTES_MAX) throw tooLong();
    this.#at = at + length;
    return at;
  }
}

function checkOrder(what: string, before: string | undefined, name: string): void {
  if (name === "") throw new RangeError(`a leaf ${what} has an empty name`);
  if (before !== undefined && byUtf8(before, name) >= 0) throw new RangeError(`leaf ${what} names repeat or are out of order`);
}

function tooLong(): RangeError {
  return new RangeError(`a leaf is longer than ${LEAF_BYTES_MAX} bytes`);
}
