/** Whether the tables of a settlement shard are what its leaves say, row by row and column by column. */
import type { Findings, FindingName } from "../../ledger/fsck/findings.ts";
import type { Leaf } from "../../ledger/verifier/leaf.ts";
import type { Database } from "../../migrations/database.ts";
import type { Crypto } from "../crypto/port.ts";
import { fromHex } from "../protocol/bytes.ts";
import { parseDecimal } from "../../ledger/verifier/bytes.ts";
import { compareTable, describe } from "./compare.ts";
import { printOffsets } from "../settlement/books-reader.ts";
import { type Derivation, type DerivedRow, type DerivedRows, openDerivation } from "../settlement/derive.ts";
import { openStore } from "../settlement/store.ts";

/** What tells the rows of a table apart, and under which name a difference is reported. */
const TABLES: Readonly<Record<keyof DerivedRows, { readonly name: FindingName; readonly key: readonly string[] }>> = {
  settlement: { name: "settlement", key: ["id"] },
  account: { name: "account", key: ["id"] },
  transfer: { name: "transfer", key: ["group_id", "rail", "fund_source", "stage"] },
  conflict: { name: "conflict", key: ["source", "event_id"] },
  evidence: { name: "evidence", key: ["key", "statement_hash"] },
  adjustment: { name: "adjustment", key: ["id"] },
  supplement: { name: "adjustment", key: ["id"] },
  supplement_return: { name: "adjustment", key: ["id"] },
  seal: { name: "seal", key: ["day"] },
  sealed_balance: { name: "sealedBalance", key: ["day", "account"] },
};
export const SHARD_TABLES = Object.keys(TABLES) as readonly (keyof DerivedRows)[];
/** Of a settlement: that a number, once used, stands for one request. */
const IDEMPOTENCY: ReadonlySet<string> = new Set(["institution", "out_trade_no", "request_hash"]);

export class ShardDerivation {
  readonly derivation: Derivation;
  readonly #findings: Findings;
  readonly #heads = new Map<bigint, DerivedRow>();
  /** Next offset that entries prove to have been read, by topic and partition. */
  readonly positions: Map<string, { readonly topic: string; readonly partition: number; nextOffset: bigint }> = new Map();

  constructor(crypto: Pick<Crypto, "sm3">, findings: Findings) {
    this.derivation = openDerivation(crypto);
    this.#findings = findings;
  }

  /** The next leaf of the log, with its hash. */
  take(leaf: Leaf, hash: Uint8Array): void {
    const defect = this.derivation.take(leaf);
    if (leaf.kind === "day.closed") this.#heads.set(leaf.index, headColumns(leaf, hash));
    if (defect !== undefined) this.#findings.add("booksImpossible", defect.what, defect.index);
    if (leaf.provenance === undefined) return;
    const { topic, partition, offset } = leaf.provenance;
    const place = `${topic}/${partition}`;
    const known = this.positions.get(place);
    if (known === undefined) this.positions.set(place, { topic, partition, nextOffset: offset + 1n });
    else if (offset >= known.nextOffset) known.nextOffset = offset + 1n;
  }

  /** Every row that the leaves give, whole. */
  rows(): DerivedRows {
    const derived = this.derivation.rows();
    const seal = derived.seal.map((row) => ({ ...row, ...this.#heads.get(row["ledger_index"] as bigint) }));
    return { ...derived, seal };
  }

  async compare(db: Database): Promise<void> {
    const derived = this.rows();
    for (const table of Object.keys(derived) as (keyof DerivedRows)[]) await this.#table(db, table, derived[table]);
    await this.#balances(db);
    await this.#consumed(db);
    await this.#persons(db);
  }

  async #table(db: Database, table: keyof DerivedRows, rows: readonly DerivedRow[]): Promise<void> {
    const { name, key } = TABLES[table];
    await compareTable(db, { table, key, rows }, (difference) => {
      const isIdempotency =
        table === "settlement" && difference.kind === "differs" && difference.columns.some((column) => IDEMPOTENCY.has(column));
      this.#findings.add(isIdempotency ? "idempotency" : name, describe(table, difference));
    });
  }

  async #balances(db: Database): Promise<void> {
    const stored = new Map((await openStore(db).balances()).map((one) => [one.account, `${one.posted} posted, ${one.pending} pending`]));
    for (const one of this.derivation.balances()) {
      const wanted = `${one.posted} posted, ${one.pending} pending`;
      const found = stored.get(one.account) ?? "0 posted, 0 pending";
      if (found !== wanted) this.#findings.add("balance", `${one.account} has ${found}, the entries say ${wanted}`);
      stored.delete(one.account);
    }
    for (const [account, found] of stored) this.#findings.add("balance", `${account} has ${found}, no entry moves it`);
  }

  /** Behind what entries prove to have been read, requests would be taken in twice. */
  async #consumed(db: Database): Promise<void> {
    const stored = new Map(
      (await db.read("SELECT topic, partition, next_offset FROM consumed_position")).map((row) => [
        `${String(row["topic"])}/${String(row["partition"])}`,
        row["next_offset"] as bigint,
      ]),
    );
    for (const [place, { nextOffset }] of this.positions) {
      const found = stored.get(place);
      if (found === undefined || found < nextOffset)
        this.#findings.add("consumedPosition", `${place} is said to be read to ${found ?? "nowhere"}, entries prove ${nextOffset}`);
    }
  }

  /** A settlement whose commitments were erased names nobody any more. */
  async #persons(db: Database): Promise<void> {
    const rows = await db.read(
      `SELECT DISTINCT s.id FROM erased e JOIN leaf l ON l.idx=e.idx JOIN settlement s ON s.id=l.subject
       WHERE e.name='person' AND s.person IS NOT NULL AND l.idx=s.ledger_index`,
    );
    for (const row of rows) this.#findings.add("personKept", `settlement ${String(row["id"])} still names whom it was erased of`);
  }
}

/** What a seal says of the log and the bus: no money hangs on it, so the books are derived without. */
function headColumns({ facts = [] }: Leaf, hash: Uint8Array): DerivedRow {
  const fact = (wanted: string): string | undefined => facts.find(({ name }) => name === wanted)?.value;
  const offsets = facts.flatMap(({ name, value }) => {
    const [, topic, partition] = /^offset\.(.+)\.(\d+)$/.exec(name) ?? [];
    return topic === undefined ? [] : [{ topic, partition: Number(partition), nextOffset: parseDecimal(value) ?? -1n }];
  });
  offsets.sort((a, b) => (a.topic < b.topic ? -1 : 1));
  return {
    head_size: parseDecimal(fact("head.size") ?? "") ?? null,
    head_root: fromHex(fact("head.root") ?? "") ?? null,
    offsets: printOffsets(offsets),
    leaf_hash: hash,
  };
}
