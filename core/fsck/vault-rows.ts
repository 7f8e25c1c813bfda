/**
 * Codes, visits, uses and who is registered, from the entries of the registry log alone: a code that was used is used, it
 * belongs to whom it was made for, and a refund goes back to the accounts that paid. Whose a row is, entries say by a
 * commitment; its opened value stands beside the log and is compared with it there.
 */
import type { FindingName, Findings } from "../../ledger/fsck/findings.ts";
import type { Leaf } from "../../ledger/verifier/leaf.ts";
import type { Database, InValue, Row } from "../../migrations/database.ts";
import type { Crypto } from "../crypto/port.ts";
import { ISSUED_FACT, USE_FACT, useHash, VISIT_FACT, VISIT_FACTS, visitHash } from "../vault/vault-facts.ts";
import { compareTable, describe, type TableDifference } from "./compare.ts";

type Columns = Record<string, InValue>;
type Facts = ReadonlyMap<string, string>;
/** Columns to compare, and the entry that its person's commitment stands in. */
interface Derived {
  readonly columns: Columns;
  readonly index: bigint;
}

const TABLES = {
  code_token: { name: "codeToken", key: ["fingerprint"] },
  visit: { name: "visit", key: ["code_fingerprint"] },
  credential_use: { name: "credentialUse", key: ["transaction_id", "step"] },
} as const satisfies Record<string, { readonly name: FindingName; readonly key: readonly string[] }>;
type Table = keyof typeof TABLES;
export const VAULT_TABLES = [...Object.keys(TABLES), "person"] as readonly (Table | "person")[];

export class VaultDerivation {
  readonly #crypto: Pick<Crypto, "sm3">;
  readonly #rows: Readonly<Record<Table, Map<string, Derived>>> = {
    code_token: new Map(),
    visit: new Map(),
    credential_use: new Map(),
  };
  /** Codes by the fingerprint of the ecToken that they were exchanged for. */
  readonly #codeOfToken = new Map<string, string>();
  /** The newest entry of each binding. */
  readonly #bindings = new Map<string, bigint>();
  /** Entries that registered somebody. */
  readonly #registered: bigint[] = [];

  constructor(crypto: Pick<Crypto, "sm3">) {
    this.#crypto = crypto;
  }

  /** Entries of what was accepted. */
  take(leaf: Leaf, facts: Facts): void {
    const subject = leaf.subject ?? "";
    switch (leaf.kind) {
      case "identity.person.registered":
        this.#registered.push(leaf.index);
        return;
      case "vault.binding.changed":
        this.#bindings.set(subject, leaf.index);
        return;
      case "vault.code.issued":
        this.#rows.code_token.set(subject, {
          index: leaf.index,
          columns: {
            fingerprint: subject,
            app_id: leaf.actor.replace(/^app\//, ""),
            purpose: facts.get("purpose") ?? null,
            form: facts.get("form") ?? null,
            state: "ISSUED",
            expires_at_ms: facts.get("expiresAtMs") ?? null,
            ...(facts.has(ISSUED_FACT) ? { issued_at_ms: facts.get(ISSUED_FACT) ?? null } : {}),
          },
        });
        return;
      case "vault.code.revoked":
        return this.#codeIs(subject, "REVOKED");
      case "vault.token.resolved":
      case "vault.account.detokenised":
        // A repetition was answered from the rows of the first.
        if (!facts.has("repeated")) this.#used(leaf, facts);
    }
  }

  async compare(db: Database, findings: Findings): Promise<void> {
    const people = await People.read(db);
    const read: Readonly<Record<Table, (row: Row) => Row>> = {
      code_token: (row) => ({ ...row, state: this.#stateAsEntriesSayIt(row, people) }),
      visit: (row) => ({ ...row, visit_hash: visitHash(this.#crypto, String(row["visit_id"])) }),
      credential_use: (row) => ({ ...row, use_hash: this.#hashOfUse(row) }),
    };
    for (const table of Object.keys(TABLES) as readonly Table[]) {
      const { name, key } = TABLES[table];
      const derived = this.#rows[table];
      const rows = [...derived.values()].map(({ columns }) => columns);
      await compareTable(db, { table, key, rows, read: read[table] }, (difference) => {
        if (!isForgotten(difference, derived, people)) findings.add(name, describe(table, difference));
      });
    }
    for (const { name, table, key, entryOf } of this.#owners())
      for (const row of await db.read(`SELECT ${key} AS id, person_id FROM ${table}`)) {
        const id = String(row["id"]);
        people.own(name, `${table} ${id}`, String(row["person_id"]), entryOf(id));
      }
    people.compare(this.#registered, findings);
    await compareLinks(db, findings);
    for (const said of this.#unsaid()) findings.unproven(said);
  }

  /** Tables whose rows are somebody's, and the entry that says whose. */
  #owners(): readonly {
    readonly name: FindingName;
    readonly table: string;
    readonly key: string;
    readonly entryOf: (id: string) => bigint | undefined;
  }[] {
    const { code_token: codes, visit: visits } = this.#rows;
    return [
      { name: "binding", table: "binding", key: "binding_id", entryOf: (id) => this.#bindings.get(id) },
      { name: "codeToken", table: "code_token", key: "fingerprint", entryOf: (id) => codes.get(id)?.index },
      { name: "visit", table: "visit", key: "code_fingerprint", entryOf: (id) => visits.get(id)?.index },
    ];
  }

  #codeIs(fingerprint: string, state: string): void {
    const code = this.#rows.code_token.get(fingerprint);
    if (code !== undefined) code.columns["state"] = state;
  }

  #used(leaf: Leaf, facts: Facts): void {
    const subject = leaf.subject ?? "";
    const byCode = facts.get("credential") === "code";
    const step = facts.get("step") ?? "";
    const transactionId = leaf.idempotencyKey ?? "";
    if (byCode) {
      this.#codeIs(subject, "CONSUMED");
      if (!this.#rows.visit.has(subject)) this.#opened(leaf, subject, facts);
    }
    const code = byCode ? subject : this.#codeOfToken.get(subject);
    if (step === "settlement") {
      const visit = this.#rows.visit.get(code ?? "");
      if (visit !== undefined) visit.columns["settled_by"] = transactionId;
    }
    this.#rows.credential_use.set(`${transactionId}/${step}`, {
      index: leaf.index,
      columns: {
        transaction_id: transactionId,
        step,
        credential: leaf.parent ?? subject,
        terminal: facts.get("terminal") ?? null,
        business_type: facts.get("businessType") ?? null,
        ledger_index: leaf.index,
        ...(facts.has(USE_FACT) ? { use_hash: facts.get(USE_FACT) ?? null } : {}),
      },
    });
  }

  #opened(leaf: Leaf, code: string, facts: Facts): void {
    const token = facts.get(VISIT_FACTS.token_fingerprint);
    if (token !== undefined) this.#codeOfToken.set(token, code);
    const said: Columns = Object.fromEntries(
      Object.entries(VISIT_FACTS).flatMap(([column, fact]) => (facts.has(fact) ? [[column, facts.get(fact) ?? null]] : [])),
    );
    this.#rows.visit.set(code, {
      index: leaf.index,
      columns: {
        code_fingerprint: code,
        purpose: this.#rows.code_token.get(code)?.columns["purpose"] ?? null,
        institution: leaf.institution ?? null,
        terminal: facts.get("terminal") ?? null,
        business_family: (facts.get("businessType") ?? "").slice(0, 2),
        ...said,
        // Without the token, whoever settled by it later cannot be told from the entries.
        ...(token === undefined ? {} : { settled_by: null, visit_hash: facts.get(VISIT_FACT) ?? null }),
      },
    });
  }

  /** By its age a code ends without an entry, and an erasure takes back what is out: neither makes it good again. */
  #stateAsEntriesSayIt(row: Row, people: People): string {
    const state = String(row["state"]);
    if (this.#rows.code_token.get(String(row["fingerprint"]))?.columns["state"] !== "ISSUED") return state;
    return state === "EXPIRED" || (state === "REVOKED" && people.isLeaving(String(row["person_id"]))) ? "ISSUED" : state;
  }

  #hashOfUse(row: Row): string {
    const bindings = words(String(row["bindings"]));
    return useHash(this.#crypto, { visitId: String(row["visit_id"]), atMs: Number(row["at_ms"]), bindings });
  }

  *#unsaid(): Iterable<string> {
    for (const [code, { columns }] of this.#rows.code_token)
      if (!Object.hasOwn(columns, "issued_at_ms")) yield `code_token ${code}: issued_at_ms`;
    for (const [code, { columns }] of this.#rows.visit)
      if (!Object.hasOwn(columns, "visit_hash")) yield `visit ${code}: visit_id, ${Object.keys(VISIT_FACTS).join(", ")}, settled_by`;
    for (const [use, { columns }] of this.#rows.credential_use)
      if (!Object.hasOwn(columns, "use_hash")) yield `credential_use ${use}: visit_id, bindings, at_ms`;
  }
}

/**
 * People as rows name them, and as entries commit to them: by a name made from theirs under a key that fsck does not have.
 * One person has one such name, so that a row given to somebody else stands out among all others of both.
 */
class People {
  readonly #leaving: ReadonlyMap<string, boolean>;
  readonly #committed: ReadonlyMap<bigint, string>;
  readonly #erasing: boolean;
  readonly #owned: { readonly name: FindingName; readonly what: string; readonly personId: string; readonly committed: string }[] = [];

  private constructor(persons: readonly Row[], disclosed: readonly Row[], erasing: boolean) {
    this.#leaving = new Map(persons.map((row) => [String(row["person_id"]), row["closing"] !== 0n]));
    this.#committed = new Map(disclosed.map((row) => [row["idx"] as bigint, String(row["value"])]));
    this.#erasing = erasing;
  }

  static async read(db: Database): Promise<People> {
    const [persons, disclosed, [erasing]] = await Promise.all([
      db.read("SELECT person_id, closing FROM person"),
      db.read("SELECT idx, value FROM disclosure WHERE name='person'"),
      db.read("SELECT 1 AS under_way FROM erasure WHERE state='erasing' LIMIT 1"),
    ]);
    return new People(persons, disclosed, erasing !== undefined);
  }

  /** A row of somebody's, with the entry that says whose it is. */
  own(name: FindingName, what: string, personId: string, index: bigint | undefined): void {
    const committed = index === undefined ? undefined : this.#committed.get(index);
    if (committed !== undefined) this.#owned.push({ name, what, personId, committed });
  }

  /** An erasure closes the person before anything is destroyed, and leaves of codes only that they were taken back. */
  isLeaving(personId: string): boolean {
    return personId === "" || this.#leaving.get(personId) === true;
  }

  /** Whether what the entry was about may be gone: its person was erased, or is being erased. */
  mayBeGone(index: bigint): boolean {
    return this.#erasing || !this.#committed.has(index);
  }

  compare(registered: readonly bigint[], findings: Findings): void {
    const named = mostFrequent(this.#owned.map(({ personId, committed }) => [personId, committed]));
    const known = mostFrequent(this.#owned.map(({ personId, committed }) => [committed, personId]));
    for (const { name, what, personId, committed } of this.#owned) {
      if (named.get(personId) !== committed || known.get(committed) !== personId) findings.add(name, `${what} is not of whom its entry is`);
      if (!this.#leaving.has(personId)) findings.add("person", `the person of ${what} is missing`);
    }
    // Of somebody who stays when records are erased, the entry does not say any more who it was.
    const certain = registered.filter((index) => this.#committed.has(index)).length;
    const stored = this.#leaving.size;
    if (stored > registered.length || (stored < certain && !this.#erasing))
      findings.add(
        "person",
        `${stored} people are stored, entries registered ${registered.length} and erased ${registered.length - certain}`,
      );
  }
}

function mostFrequent(pairs: readonly (readonly [string, string])[]): ReadonlyMap<string, string> {
  const counts = new Map<string, Map<string, number>>();
  for (const [one, other] of pairs) {
    const of = counts.get(one) ?? new Map<string, number>();
    counts.set(one, of.set(other, (of.get(other) ?? 0) + 1));
  }
  return new Map([...counts].map(([one, of]) => [one, [...of].reduce((best, next) => (next[1] > best[1] ? next : best))[0]]));
}

function isForgotten(difference: TableDifference, derived: ReadonlyMap<string, Derived>, people: People): boolean {
  const index = derived.get(difference.id)?.index;
  return difference.kind === "missing" && index !== undefined && people.mayBeGone(index);
}

/** What rows say of one another, where each by itself is as its entry says. */
async function compareLinks(db: Database, findings: Findings): Promise<void> {
  const visits = await db.read(
    `SELECT c.fingerprint FROM code_token c LEFT JOIN visit v ON v.visit_id = c.visit_id
     WHERE (c.state = 'CONSUMED' OR c.visit_id IS NOT NULL) AND v.code_fingerprint IS NOT c.fingerprint`,
  );
  for (const row of visits) findings.add("codeToken", `code_token ${String(row["fingerprint"])} names a visit that it did not open`);
  const hashes = await db.read(
    "SELECT u.transaction_id, u.step FROM credential_use u LEFT JOIN leaf l ON l.idx = u.ledger_index WHERE l.hash IS NOT u.leaf_hash",
  );
  for (const row of hashes)
    findings.add("credentialUse", `credential_use ${String(row["transaction_id"])}/${String(row["step"])} names an entry of another hash`);
}

function words(json: string): readonly string[] {
  try {
    const list: unknown = JSON.parse(json);
    return Array.isArray(list) ? list.map(String) : [json];
  } catch {
    return [json];
  }
}
