/**
 * The commitments of one log to a person, the entries that say they are erased, and the statements that destroy values
 * and salts. Entry and destruction are one transaction of their log: neither is ever there without the other.
 */
import type { LeafDraft } from "../../ledger/leaf-draft.ts";
import { readLeaves } from "../../ledger/store/load.ts";
import { searchEntries, searchPlace } from "../../ledger/store/search.ts";
import { ERASED_FACT, ERASURE_KIND, type ErasedField } from "../../ledger/verifier/erasure.ts";
import { decodeLeaf } from "../../ledger/verifier/leaf.ts";
import type { Database, Statement } from "../../migrations/database.ts";
import { toHex } from "../protocol/bytes.ts";
import { textOf } from "../rows.ts";
import type { ErasureOrder } from "./order.ts";

export interface KeptField extends ErasedField {
  readonly value: string;
}

/** Every personal field that is still kept of the entries which commit to this person, in the order of the log. */
export async function fieldsOf(db: Database, committedPerson: string): Promise<readonly KeptField[]> {
  const kept: KeptField[] = [];
  for (const index of await searchEntries(db, "value", committedPerson)) {
    const [stored] = await readLeaves(db, index, 1);
    const leaf = stored?.index === index ? decodeLeaf(stored.bytes) : undefined;
    if (leaf?.ok !== true) throw new Error(`entry ${index} cannot be read`);
    for (const row of await db.read("SELECT name, value FROM disclosure WHERE idx = ? ORDER BY name", index)) {
      const name = textOf(row, "name");
      const hash = leaf.value.commitments?.find((commitment) => commitment.name === name)?.hash;
      if (hash === undefined) throw new Error(`a value is kept that entry ${index} does not commit to`);
      kept.push({ index, name, hash, value: textOf(row, "value") });
    }
  }
  return kept;
}

/** Facts of one entry together: an entry has 64 KiB, and the rest of it needs little. */
const FACT_BYTES_MAX = 48 * 1024;
/** Two length prefixes and a hash in hex. */
const FACT_BYTES_MORE = 2 * 4 + 64;

/** An entry of the log, and what is destroyed with it. */
export interface ErasurePart {
  readonly draft: LeafDraft;
  readonly fields: readonly KeptField[];
}

/** One entry, or several where the commitments are many; none where there is nothing to erase. */
export function erasureParts(
  order: Pick<ErasureOrder, "order" | "by" | "approvedBy" | "ground" | "scope">,
  fields: readonly KeptField[],
): readonly ErasurePart[] {
  const parts: { readonly facts: Record<string, string>; readonly fields: KeptField[] }[] = [];
  let room = 0;
  for (const field of fields) {
    const { index, name, hash } = field;
    const fact = `${ERASED_FACT}${index}/${name}`;
    const bytes = Buffer.byteLength(fact) + FACT_BYTES_MORE;
    if (bytes > room) {
      parts.push({ facts: {}, fields: [] });
      room = FACT_BYTES_MAX;
    }
    room -= bytes;
    const part = parts.at(-1);
    if (part === undefined) continue;
    part.facts[fact] = toHex(hash);
    part.fields.push(field);
  }
  return parts.map((part, at) => ({
    fields: part.fields,
    draft: {
      kind: ERASURE_KIND,
      outcome: "accepted",
      actor: `operator/${order.by}`,
      subject: order.order,
      facts: { ...part.facts, approvedBy: order.approvedBy, ground: order.ground, scope: order.scope, part: `${at + 1}/${parts.length}` },
    },
  }));
}

/** Value, salt, and the key that would say where the value stood; what stays is the entry `at`, which says so. */
export function destruction({ fields }: ErasurePart, at: bigint): readonly Statement[] {
  return fields.flatMap(({ index, name, value }) => {
    const { segment, key } = searchPlace("value", value, index);
    return [
      { sql: "DELETE FROM disclosure WHERE idx = ? AND name = ?", args: [index, name] },
      { sql: "DELETE FROM search_key WHERE segment = ? AND key = ? AND idx = ?", args: [segment, key, index] },
      { sql: "INSERT INTO erased (idx, name, erased_at) VALUES (?, ?, ?)", args: [index, name, at] },
    ];
  });
}
