/**
 * Who is let in, from the entries of the registry log alone: institutions, keys, terminals, apps, edges, the
 * platform's own keys, and the standing of account bindings, as rows to compare with the core's tables. What edges believe is what these tables say.
 *
 * Entries of before this version say less: what they do not say of a row is counted and told, and is no finding.
 */
import type { FindingName, Findings } from "../../ledger/fsck/findings.ts";
import type { Leaf } from "../../ledger/verifier/leaf.ts";
import type { Database, InValue, Row } from "../../migrations/database.ts";
import { APP_ID_FACT, columnOf, OFFLINE_FACTS, SECRET_FACT, SETTING_FACT, terminalLines, TERMINALS_FACT } from "../access/partner-facts.ts";
import { PARTNER_SETTINGS } from "../access/registration.ts";
import type { Crypto } from "../crypto/port.ts";
import { toHex, utf8 } from "../protocol/bytes.ts";
import { compareTable, describe } from "./compare.ts";
import { VAULT_TABLES, VaultDerivation } from "./vault-rows.ts";

type Columns = Record<string, InValue>;
type Facts = ReadonlyMap<string, string>;

const TABLES = {
  institution: { name: "institution", key: ["org_id"] },
  partner_key: { name: "partnerKey", key: ["org_id", "public_key"] },
  terminal: { name: "terminal", key: ["org_id", "term_id"] },
  app: { name: "app", key: ["app_id"] },
  edge: { name: "edge", key: ["edge_id"] },
  edge_key: { name: "edgeKey", key: ["edge_id", "key_id"] },
  signing_key: { name: "signingKey", key: ["handle"] },
  binding: { name: "binding", key: ["binding_id"] },
} as const satisfies Record<string, { readonly name: FindingName; readonly key: readonly string[] }>;
type Table = keyof typeof TABLES;
const ACCESS_TABLES = Object.keys(TABLES) as readonly Table[];
export const REGISTRY_TABLES: readonly string[] = [...ACCESS_TABLES, ...VAULT_TABLES];

export class RegistryDerivation {
  readonly #crypto: Pick<Crypto, "sm3">;
  readonly #vault: VaultDerivation;
  readonly #rows: Readonly<Record<Table, Map<string, Columns>>> = {
    institution: new Map(),
    partner_key: new Map(),
    terminal: new Map(),
    app: new Map(),
    edge: new Map(),
    edge_key: new Map(),
    signing_key: new Map(),
    binding: new Map(),
  };
  /** By institution: the terminals that it registered with, and where they stood. */
  readonly #filed = new Map<string, { readonly termIds: ReadonlySet<string>; readonly hash: string | undefined }>();

  constructor(crypto: Pick<Crypto, "sm3">) {
    this.#crypto = crypto;
    this.#vault = new VaultDerivation(crypto);
  }

  take(leaf: Leaf): void {
    if (leaf.outcome !== "accepted") return;
    const facts: Facts = new Map((leaf.facts ?? []).map(({ name, value }) => [name, value]));
    const subject = leaf.subject ?? "";
    const orgId = leaf.institution ?? subject;
    const atMs = leaf.postedMs;
    this.#vault.take(leaf, facts);
    switch (leaf.kind) {
      case "access.institution.registered":
      case "access.app.registered":
        return this.#registered(orgId, facts, atMs);
      case "access.institution.changed":
        for (const table of ["institution", "app"] as const) this.#change(table, [orgId], { status: facts.get("status") });
        return;
      case "access.key.added":
        return this.#put("partner_key", partnerKey(orgId, facts.get("publicKey"), atMs));
      case "access.key.retired":
        return this.#keyRetired(orgId, facts.get("publicKey") ?? "", atMs);
      case "access.terminal.registered":
        return this.#put("terminal", {
          org_id: orgId,
          term_id: subject,
          status: "active",
          latitude: facts.get("latitude") ?? null,
          longitude: facts.get("longitude") ?? null,
        });
      case "access.terminal.changed":
        return this.#change("terminal", [orgId, subject], { status: facts.get("status") });
      case "access.offline.changed":
        return this.#change("institution", [orgId], allowance(facts, "changed"));
      case "access.secret.rotated":
        return this.#rotated(orgId, facts, atMs);
      case "access.edge.registered":
        this.#put("edge", { edge_id: subject, status: "active", serves: facts.get("serves") ?? null });
        return this.#put("edge_key", edgeKey(subject, facts, atMs));
      case "access.edge.changed":
        return this.#change("edge", [subject], { status: facts.get("status") });
      case "access.edge.rekeyed":
        return this.#rekeyed(subject, facts, atMs);
      case "access.signing-key.added":
        return this.#put("signing_key", {
          handle: subject,
          purpose: facts.get("purpose") ?? null,
          public_key: facts.get("publicKey") ?? null,
          added_at_ms: atMs,
          active_from_ms: atMs + BigInt(facts.get("leadMs") ?? "0"),
          retired_at_ms: null,
        });
      case "vault.binding.changed":
        return this.#put("binding", {
          binding_id: subject,
          kind: facts.get("kind") ?? null,
          state: facts.get("state") ?? null,
          suspended_by: words(facts.get("suspendedBy")).toSorted().join(" "),
        });
      case "access.signing-key.retired":
        return this.#change("signing_key", [subject], { retired_at_ms: atMs });
    }
  }

  async compare(db: Database, findings: Findings): Promise<void> {
    for (const table of ACCESS_TABLES) {
      const { name, key } = TABLES[table];
      const read = (row: Row): Row => this.#asEntriesSayIt(table, row);
      await compareTable(db, { table, key, rows: this.#rows[table].values(), read }, (difference) => {
        // Bindings of an erased person are gone by right, and entries do not say whose they were.
        if (table !== "binding" || difference.kind !== "missing") findings.add(name, describe(table, difference));
      });
    }
    await this.#places(db, findings);
    await this.#vault.compare(db, findings);
    for (const said of this.#unsaid()) findings.unproven(said);
  }

  /** Secrets are compared by their hash, lists by their content. */
  #asEntriesSayIt(table: Table, row: Row): Row {
    const hash = (column: string): string | null => {
      const value = row[column];
      return value instanceof ArrayBuffer ? toHex(this.#crypto.sm3(new Uint8Array(value))) : null;
    };
    switch (table) {
      case "institution": {
        const appId = toHex(this.#crypto.sm3(utf8(String(row["partner_app_id"]))));
        const secrets = { partner_secret: hash("partner_secret"), former_secret: hash("former_secret") };
        return { ...row, partner_app_id: appId, ...secrets };
      }
      case "edge":
        return { ...row, serves: row["serves"] === null ? "*" : sortedWords(String(row["serves"])) };
      case "binding":
        return { ...row, suspended_by: sortedWords(String(row["suspended_by"])) };
      case "edge_key":
        return { ...row, auth_key: hash("auth_key") };
      default:
        return row;
    }
  }

  #registered(orgId: string, facts: Facts, atMs: bigint): void {
    const kind = facts.get("kind") ?? null;
    const name = facts.get("name") ?? null;
    this.#put("institution", {
      org_id: orgId,
      name,
      kind,
      status: "active",
      former_until_ms: null,
      former_secret: null,
      ...given(facts, APP_ID_FACT, "partner_app_id"),
      ...given(facts, SECRET_FACT, "partner_secret"),
      ...Object.assign({}, ...PARTNER_SETTINGS.map((setting) => given(facts, `${SETTING_FACT}${setting}`, columnOf(setting)))),
      ...allowance(facts, "registered"),
    });
    if (kind === "app") this.#put("app", { app_id: orgId, name, status: "active" });
    for (const key of words(facts.get("publicKeys"))) this.#put("partner_key", partnerKey(orgId, key, atMs));
    const termIds = new Set(words(facts.get("terminals")));
    for (const termId of termIds) this.#put("terminal", { org_id: orgId, term_id: termId, status: "active" });
    this.#filed.set(orgId, { termIds, hash: facts.get(TERMINALS_FACT) });
  }

  #rotated(orgId: string, facts: Facts, atMs: bigint): void {
    const row = this.#rows.institution.get(orgId);
    if (row === undefined) return;
    const { partner_secret: before, former_secret: _, ...others } = row;
    this.#rows.institution.set(orgId, {
      ...others,
      former_until_ms: atMs + BigInt(facts.get("overlapMs") ?? "0"),
      ...(before === undefined ? {} : { former_secret: before }),
      ...given(facts, SECRET_FACT, "partner_secret"),
    });
  }

  #rekeyed(edgeId: string, facts: Facts, atMs: bigint): void {
    for (const [at, row] of this.#rows.edge_key) {
      if (row["edge_id"] !== edgeId) continue;
      if (row["until_ms"] === null) row["until_ms"] = atMs + BigInt(facts.get("overlapMs") ?? "0");
      else this.#rows.edge_key.delete(at);
    }
    this.#put("edge_key", edgeKey(edgeId, facts, atMs));
  }

  /** Keys of before this version stand as they were typed; retired is a key in every spelling. */
  #keyRetired(orgId: string, publicKey: string, atMs: bigint): void {
    for (const row of this.#rows.partner_key.values())
      if (row["org_id"] === orgId && String(row["public_key"]).toLowerCase() === publicKey.toLowerCase()) row["retired_at_ms"] = atMs;
  }

  #put(table: Table, row: Columns): void {
    this.#rows[table].set(TABLES[table].key.map((column) => String(row[column])).join("/"), row);
  }

  #change(table: Table, key: readonly string[], columns: Readonly<Record<string, InValue | undefined>>): void {
    const row = this.#rows[table].get(key.join("/"));
    if (row !== undefined) for (const [column, value] of Object.entries(columns)) if (value !== undefined) row[column] = value;
  }

  /** Where terminals were filed that came with their institution: one hash for all of them. */
  async #places(db: Database, findings: Findings): Promise<void> {
    for (const [orgId, { termIds, hash }] of this.#filed) {
      if (hash === undefined) continue;
      const rows = await db.read("SELECT term_id, latitude, longitude FROM terminal WHERE org_id = ?", orgId);
      const filed = rows
        .map((row) => ({ termId: String(row["term_id"]), latitude: Number(row["latitude"]), longitude: Number(row["longitude"]) }))
        .filter(({ termId }) => termIds.has(termId));
      if (toHex(this.#crypto.sm3(utf8(terminalLines(filed)))) !== hash)
        findings.add("terminal", `terminals of ${orgId} do not stand where they were filed`);
    }
  }

  *#unsaid(): Iterable<string> {
    const wanted = ["partner_app_id", "partner_secret", ...PARTNER_SETTINGS.map(columnOf), ...Object.keys(OFFLINE_FACTS)];
    for (const [orgId, row] of this.#rows.institution) {
      const unsaid = wanted.filter((column) => !Object.hasOwn(row, column));
      const { termIds, hash } = this.#filed.get(orgId) ?? { termIds: new Set(), hash: "" };
      if (hash === undefined && termIds.size > 0) unsaid.push("places of its terminals");
      if (unsaid.length > 0) yield `institution ${orgId}: ${unsaid.join(", ")}`;
    }
    for (const [at, row] of this.#rows.edge_key) if (!Object.hasOwn(row, "auth_key")) yield `edge_key ${at}: auth_key`;
  }
}

function partnerKey(orgId: string, publicKey: string | undefined, atMs: bigint): Columns {
  return { org_id: orgId, public_key: publicKey ?? null, added_at_ms: atMs, retired_at_ms: null };
}

function edgeKey(edgeId: string, facts: Facts, atMs: bigint): Columns {
  const row = { edge_id: edgeId, key_id: facts.get("keyId") ?? null, added_at_ms: atMs, until_ms: null };
  return { ...row, ...given(facts, SECRET_FACT, "auth_key") };
}

function allowance(facts: Facts, form: "registered" | "changed"): Columns {
  return Object.assign({}, ...Object.entries(OFFLINE_FACTS).map(([column, names]) => given(facts, names[form], column))) as Columns;
}

/** A column for a fact that is there: what an entry does not say, it does not prove. */
function given(facts: Facts, fact: string, column: string): Columns {
  const value = facts.get(fact);
  return value === undefined ? {} : { [column]: value };
}

function words(text: string | undefined): readonly string[] {
  return (text ?? "").split(" ").filter((word) => word !== "");
}

/** A list as entries have it; what is no list is shown as it is. */
function sortedWords(json: string): string {
  try {
    const list: unknown = JSON.parse(json);
    return Array.isArray(list) ? list.map(String).toSorted().join(" ") : json;
  } catch {
    return json;
  }
}
