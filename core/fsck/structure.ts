/**
 * Whether a database is still built as this version builds it, and its indexes hold what its tables do: without a unique
 * index a number could stand for two payments, without its guards a row could be changed unseen.
 */
import type { Findings } from "../../ledger/fsck/findings.ts";
import type { Database } from "../../migrations/database.ts";
import type { DatabaseKind } from "../../migrations/migrate.ts";
import { STRUCTURE, structureOf } from "../../migrations/structure.ts";
import { textOf } from "../rows.ts";

/** What SQLite is asked for at most; the first few say enough. */
const TROUBLES_MAX = 100;

export async function compareStructure(db: Database, kind: DatabaseKind, findings: Findings): Promise<void> {
  const wanted = new Map((await structureOf(kind)).map((row) => [textOf(row, "name"), row]));
  for (const row of await db.read(STRUCTURE)) {
    const name = textOf(row, "name");
    const mine = wanted.get(name);
    const what = `the ${String(row["type"])} ${name}`;
    if (mine === undefined) findings.add("schema", `${what} belongs to no such database`);
    else if (mine["sql"] !== row["sql"]) findings.add("schema", `${what} is not the one that this version makes`);
    wanted.delete(name);
  }
  for (const [name, row] of wanted) findings.add("schema", `the ${String(row["type"])} ${name} is missing`);
}

/** SQLite walks through every page, and looks for every row in every index. It names rows by number, never by content. */
export async function compareIndexes(db: Database, findings: Findings): Promise<void> {
  for (const row of await db.read(`PRAGMA integrity_check(${TROUBLES_MAX})`)) {
    const trouble = String(row["integrity_check"]);
    if (trouble !== "ok") findings.add("index", trouble);
  }
}
