/** Whether a shard's tables are what its leaves say, column by column. */
import type { Crypto } from "../../crypto/port.ts";
import { toHex } from "../../protocol/bytes.ts";
import { decodeLeaf, type Leaf } from "../../../ledger/verifier/leaf.ts";
import type { Database } from "../../../migrations/database.ts";
import { deriveBooks, type DerivedRow, type DerivedRows } from "../derive.ts";
import { bytesOf } from "../rows.ts";
import { openStore } from "../store.ts";

/** Gives what differs, empty when the leaves suffice. */
export async function compareWithLeaves(db: Database, crypto: Pick<Crypto, "sm3">): Promise<readonly string[]> {
  const { derivation, defects } = deriveBooks(crypto, await readLeaves(db));
  const findings = defects.map(({ index, what }) => `leaf ${index}: ${what}`);
  const derived = derivation.rows();
  for (const table of Object.keys(derived) as (keyof DerivedRows)[]) {
    const wanted = derived[table].map((row) => printRow(row, Object.keys(row))).sort();
    const columns = Object.keys(derived[table][0] ?? {});
    const stored = (await db.read(`SELECT * FROM ${table}`)).map((row) => printRow(row, columns)).sort();
    if (wanted.length !== stored.length) findings.push(`${table} has ${stored.length} rows, the leaves say ${wanted.length}`);
    for (const [at, row] of wanted.entries())
      if (row !== stored[at]) findings.push(`${table} has\n  ${stored[at]}, the leaves say\n  ${row}`);
  }
  const text = (balances: ReturnType<typeof derivation.balances>): string =>
    balances.map(({ account, posted, pending }) => `${account} ${posted} ${pending}`).join("\n");
  const [ours, theirs] = [text(await openStore(db).balances()), text(derivation.balances())];
  if (ours !== theirs) findings.push(`balances are\n${ours}\nthe leaves say\n${theirs}`);
  return findings.slice(0, 20);
}

export async function readLeaves(db: Pick<Database, "read">): Promise<readonly Leaf[]> {
  return (await db.read("SELECT bytes FROM leaf ORDER BY idx")).map((row) => {
    const leaf = decodeLeaf(bytesOf(row, "bytes"));
    if (!leaf.ok) throw new Error(leaf.error.detail);
    return leaf.value;
  });
}

function printRow(row: DerivedRow | Readonly<Record<string, unknown>>, columns: readonly string[]): string {
  return columns.map((column) => `${column}=${printValue(row[column])}`).join(" ");
}

function printValue(value: unknown): string {
  if (value instanceof ArrayBuffer) return toHex(new Uint8Array(value));
  return value instanceof Uint8Array ? toHex(value) : String(value);
}
