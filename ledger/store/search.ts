/**
 * Finding entries by what they are about. The keys are built in batches behind the log, so that an append does not pay for
 * them; what has none yet is scanned. A key only says where to look: the row decides, and a proof proves.
 */
import { type Database, insertRows, type InValue, type Statement } from "../../migrations/database.ts";

/** What can be looked for: a subject, an institution, a disclosed value. */
export type SearchField = "subject" | "institution" | "value";

export const SEGMENT_BITS = 20n;
/** Entries per batch: enough that a page of keys takes several, few enough that nobody waits for it. */
export const SEARCH_BATCH = 4096;

/** Adds the keys of the next batch of entries below `size`, once there are enough of them; says whether it did. */
export async function addSearchKeys(db: Database, size: bigint): Promise<boolean> {
  const from = await searchPosition(db);
  const to = from + BigInt(SEARCH_BATCH);
  if (to > size) return false;
  const rows: [segment: bigint, key: number, idx: bigint][] = [];
  const add = (field: SearchField, text: unknown, idx: bigint): void => {
    if (typeof text === "string") rows.push([idx >> SEGMENT_BITS, keyOf(field, text), idx]);
  };
  for (const row of await db.read("SELECT idx, institution, subject FROM leaf WHERE idx >= ? AND idx < ?", from, to)) {
    const idx = row["idx"] as bigint;
    add("subject", row["subject"], idx);
    add("institution", row["institution"], idx);
  }
  for (const row of await db.read("SELECT idx, value FROM disclosure WHERE idx >= ? AND idx < ?", from, to))
    add("value", row["value"], row["idx"] as bigint);
  // In the order of the keys: neighbours share a page.
  rows.sort((a, b) => (a[0] === b[0] ? a[1] - b[1] : a[0] < b[0] ? -1 : 1));
  const moved: Statement = {
    sql: "INSERT INTO search_position (id, idx) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET idx = excluded.idx",
    args: [to],
  };
  // Lost with the power, they are made again.
  const inserts = insertRows("search_key", ["segment", "key", "idx"], rows satisfies readonly InValue[][], "ON CONFLICT DO NOTHING");
  await db.write([...inserts, moved], "process");
  return true;
}

/** Indices of the entries whose `field` is exactly `text`, ascending. */
export async function searchEntries(db: Database, field: SearchField, text: string): Promise<readonly bigint[]> {
  const position = await searchPosition(db);
  const column = field === "value" ? "disclosure" : "leaf";
  const found = new Set<bigint>();
  const key = keyOf(field, text);
  for (let segment = 0n; segment << SEGMENT_BITS < position; segment += 1n) {
    const rows = await db.read(
      `SELECT idx FROM search_key AS k WHERE segment = ? AND key = ?
        AND EXISTS (SELECT 1 FROM ${column} AS t WHERE t.idx = k.idx AND t.${field} = ?) ORDER BY idx`,
      segment,
      key,
      text,
    );
    for (const row of rows) found.add(row["idx"] as bigint);
  }
  for (const row of await db.read(`SELECT idx FROM ${column} WHERE idx >= ? AND ${field} = ? ORDER BY idx`, position, text))
    found.add(row["idx"] as bigint);
  return [...found];
}

/** Where the key of an entry's text stands. */
export function searchPlace(field: SearchField, text: string, idx: bigint): { readonly segment: bigint; readonly key: number } {
  return { segment: idx >> SEGMENT_BITS, key: keyOf(field, text) };
}

/** The first entry that has no keys yet. */
export async function searchPosition(db: Database): Promise<bigint> {
  const [row] = await db.read("SELECT idx FROM search_position WHERE id = 1");
  return (row?.["idx"] as bigint | undefined) ?? 0n;
}

/** 53 bits of two FNV-1a walks: no secret and no proof, only a place in a table. */
function keyOf(field: SearchField, text: string): number {
  let [high, low] = [0x811c9dc5, 0x01000193];
  for (const part of [field, text])
    for (let at = 0; at <= part.length; at += 1) {
      const unit = at === part.length ? 0x1_0000 : part.charCodeAt(at);
      high = Math.imul(high ^ unit, 0x01000193);
      low = Math.imul(low ^ (unit + at), 0x85ebca6b);
      low ^= low >>> 13;
    }
  return ((high >>> 0) & 0x1f_ffff) * 0x1_0000_0000 + (low >>> 0);
}
