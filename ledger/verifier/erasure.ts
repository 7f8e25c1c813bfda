/**
 * Entries that say which personal values were destroyed, and under which order (`FORMAT.md` section 3.1). They are ordinary
 * entries: what proves them is what proves every other.
 */
import { equalBytes, fromHex, parseDecimal } from "./bytes.ts";
import type { Leaf } from "./leaf.ts";
import { type Checked, type Defect, failed, passed } from "./verdict.ts";

export const ERASURE_KIND = "ledger.values.erased";
/** Name of the fact that names one commitment: `erased/<index>/<field>`, its value the commitment's hash, 64 hex digits. */
export const ERASED_FACT = "erased/";

/** A commitment whose value and salt are destroyed. */
export interface ErasedField {
  readonly index: bigint;
  readonly name: string;
  readonly hash: Uint8Array;
}

export interface Erasure {
  /** Entry that says so. */
  readonly at: bigint;
  readonly order: string;
  /** Who ordered it, as the ledger names actors; and the second person who approved. */
  readonly orderedBy: string;
  readonly approvedBy: string;
  readonly ground: string;
  readonly scope: string;
  readonly fields: readonly ErasedField[];
}

/** `undefined` for an entry of another kind. An erasure without two people, ground, scope and fields is none, and is refused. */
export function erasureOf(leaf: Leaf): Checked<Erasure> | undefined {
  if (leaf.kind !== ERASURE_KIND) return undefined;
  const wrong = (detail: string): Checked<Erasure> =>
    failed("erasureMalformed", `entry ${leaf.index} says that values were erased, but ${detail}`, leaf.index);
  const facts = new Map((leaf.facts ?? []).map(({ name, value }) => [name, value]));
  const [order, approvedBy, ground, scope] = [leaf.subject, facts.get("approvedBy"), facts.get("ground"), facts.get("scope")];
  if (leaf.outcome !== "accepted" || order === undefined || ground === undefined || scope === undefined) return wrong("names no order");
  if (approvedBy === undefined || approvedBy === "" || leaf.actor === `operator/${approvedBy}`)
    return wrong("no second person approved it");
  const fields: ErasedField[] = [];
  for (const [name, value] of facts) {
    if (!name.startsWith(ERASED_FACT)) continue;
    const split = name.indexOf("/", ERASED_FACT.length);
    const index = parseDecimal(name.slice(ERASED_FACT.length, Math.max(split, 0)));
    const hash = /^[0-9a-f]{64}$/.test(value) ? fromHex(value) : undefined;
    if (index === undefined || hash === undefined || split + 1 === name.length) return wrong("a fact names no commitment");
    if (index >= leaf.index) return wrong("a commitment that it names comes after it");
    fields.push({ index, name: name.slice(split + 1), hash });
  }
  if (fields.length === 0) return wrong("it names no commitment");
  return passed({ at: leaf.index, order, orderedBy: leaf.actor, approvedBy, ground, scope, fields });
}

/** A named commitment must be one that its entry has. */
export function erasedFieldDefect(at: bigint, field: ErasedField, leaf: Pick<Leaf, "index" | "commitments">): Defect | undefined {
  const commitment = leaf.commitments?.find(({ name }) => name === field.name);
  return commitment !== undefined && equalBytes(commitment.hash, field.hash)
    ? undefined
    : { name: "erasureMismatch", detail: `entry ${at} erases a commitment that entry ${leaf.index} does not have`, index: at };
}
