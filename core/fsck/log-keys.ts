/** The keys of a log from its entries `ledger.key.*`, and whether the table of keys says the same. */
import type { Findings } from "../../ledger/fsck/findings.ts";
import type { Leaf } from "../../ledger/verifier/leaf.ts";
import type { Database } from "../../migrations/database.ts";

interface KeyRow {
  readonly verifierKey: string;
  readonly firstSize: bigint;
  lastSize: bigint | null;
}

export class LogKeyDerivation {
  readonly #rows: KeyRow[] = [];

  take({ kind, index, facts = [] }: Leaf): void {
    const fact = (wanted: string): string => facts.find(({ name }) => name === wanted)?.value ?? "";
    if (kind === "ledger.key.announced") {
      if (this.#rows.length === 0) this.#rows.push({ verifierKey: fact("previous"), firstSize: 0n, lastSize: null });
      this.#rows.push({ verifierKey: fact("key"), firstSize: index + 1n, lastSize: null });
    } else if (kind === "ledger.key.retired") {
      const retired = this.#rows.find(({ verifierKey, lastSize }) => verifierKey === fact("key") && lastSize === null);
      if (retired !== undefined) retired.lastSize = index + 1n;
    }
  }

  /** For an empty table: handles are numbered from the first key's on. */
  rows(firstHandle: string): readonly (readonly [handle: string, verifierKey: string, firstSize: bigint, lastSize: bigint | null])[] {
    const [purpose = "", version = ""] = firstHandle.split("/");
    return this.#rows.map((row, at) => [`${purpose}/${Number(version) + at}`, row.verifierKey, row.firstSize, row.lastSize]);
  }

  async compare(db: Database, firstHandle: string, findings: Findings): Promise<void> {
    const stored = new Set(
      (await db.read("SELECT handle, verifier_key, first_size, last_size FROM log_key")).map((row) =>
        text([row["handle"], row["verifier_key"], row["first_size"], row["last_size"]]),
      ),
    );
    for (const row of this.rows(firstHandle))
      if (!stored.delete(text(row))) findings.add("logKey", `the key ${row[0]} is not stored as the entries announce and retire it`);
    for (const left of stored) findings.add("logKey", `the key ${left.split(" ", 1)[0]} is stored, no entry announces it so`);
  }
}

function text(values: readonly unknown[]): string {
  return values.map(String).join(" ");
}
