/** Everything registered, in memory: small, read on every call, changed only by this process after a commit. */
import type { Database, Row } from "../../migrations/database.ts";
import { canonicalPublicKey } from "../crypto/sm2-key-text.ts";
import { isPartnerDialect, type PartnerDialect } from "../protocol/dialects.ts";
import type { InstitutionSettings } from "../protocol/internal.ts";
import { bytesOf, ColumnError, numberOf, textOf, textOrNull, wordOf } from "../rows.ts";

export interface Terminal {
  readonly termId: string;
  readonly latitude: number;
  readonly longitude: number;
  readonly status: Status;
}

type Opened = "appSecret" | "formerSecret" | "terminals" | "suspendedTerminals" | "publicKeys";
/** An institution without its secret: that stays sealed until someone needs to verify or sign with it. */
export interface Institution extends Omit<InstitutionSettings, Opened> {
  readonly publicKeys: readonly string[];
  readonly sealedSecret: Uint8Array;
  readonly keyHandle: string;
  /** The secret before, until its overlap ends. */
  readonly former: { readonly sealedSecret: Uint8Array; readonly untilMs: number } | undefined;
  readonly terminals: ReadonlyMap<string, Terminal>;
  /** Never accepted again: a key may have been retired because it leaked. */
  readonly retiredKeys: ReadonlySet<string>;
}

export interface App {
  readonly appId: string;
  readonly name: string;
  readonly status: Status;
}

export interface Edge {
  readonly edgeId: string;
  readonly status: Status;
  /** The present one first. */
  readonly keys: readonly EdgeKey[];
  /** `undefined`: every hospital and pharmacy. */
  readonly serves: ReadonlySet<string> | undefined;
}

/** A secret that an edge shares with the core. */
export interface EdgeKey {
  readonly keyId: string;
  readonly sealedKey: Uint8Array;
  readonly keyHandle: string;
  readonly addedAtMs: number;
  /** `undefined`: the present one. */
  readonly untilMs: number | undefined;
}

/** A version of a key of the platform's own that edges trust. */
export interface SigningKey {
  readonly handle: string;
  readonly purpose: SigningPurpose;
  readonly publicKey: string;
  readonly addedAtMs: number;
  readonly activeFromMs: number;
  readonly retiredAtMs: number | undefined;
}
export const SIGNING_PURPOSES = ["bundle", "code"] as const;
export type SigningPurpose = (typeof SIGNING_PURPOSES)[number];

/**
 * Whether an edge speaks for an institution, and so holds its envelope secret. For an app only when it is named: with
 * an app's secret, codes are asked for and read, which no edge needs.
 */
export function servesInstitution(edge: Edge, institution: Pick<Institution, "orgId" | "kind">): boolean {
  return edge.serves === undefined ? institution.kind !== "app" : edge.serves.has(institution.orgId);
}

const STATUSES = ["active", "suspended"] as const;
export type Status = (typeof STATUSES)[number];

export interface Directory {
  readonly institutions: Map<string, Institution>;
  readonly apps: Map<string, App>;
  readonly edges: Map<string, Edge>;
  /** By handle, oldest first. */
  readonly signingKeys: Map<string, SigningKey>;
  /** Rows that this version cannot read, by institution, app, edge or handle: each is left out alone, and its id stays taken. */
  readonly unreadable: ReadonlyMap<string, UnreadableRow>;
}

export interface UnreadableRow {
  readonly id: string;
  /** As `InstitutionSettings` spells it; never its value. */
  readonly field: string;
}

export async function readDirectory(db: Database): Promise<Directory> {
  const unreadable = new Map<string, UnreadableRow>();
  const readable = <T>(rows: readonly Row[], key: string, read: (row: Row) => T): T[] =>
    rows.flatMap((row) => {
      try {
        return [read(row)];
      } catch (error) {
        if (!(error instanceof ColumnError)) throw error;
        const id = String(row[key]);
        unreadable.set(id, { id, field: error.column.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()) });
        return [];
      }
    });
  const keys = grouped(await db.read("SELECT org_id, public_key, retired_at_ms FROM partner_key ORDER BY added_at_ms DESC, rowid"));
  const terminals = grouped(await db.read("SELECT org_id, term_id, latitude, longitude, status FROM terminal"));
  const institutions = readable(await db.read("SELECT * FROM institution"), "org_id", (row): Institution => {
    const orgId = textOf(row, "org_id");
    return {
      orgId,
      name: textOf(row, "name"),
      kind: wordOf(row, "kind", ["hospital", "pharmacy", "app"]),
      status: wordOf(row, "status", STATUSES),
      ...keysOf(keys.get(orgId) ?? []),
      appId: textOf(row, "partner_app_id"),
      sealedSecret: bytesOf(row, "partner_secret"),
      keyHandle: textOf(row, "key_handle"),
      dialect: dialectIn(row),
      signType: wordOf(row, "sign_type", ["SM2", "SM3"]),
      encryption: wordOf(row, "encryption", ["required", "optional", "none"]),
      terminals: new Map((terminals.get(orgId) ?? []).map((terminal) => [textOf(terminal, "term_id"), readTerminal(terminal)])),
      ratePerSecond: numberOf(row, "rate_per_second"),
      rateBurst: numberOf(row, "rate_burst"),
      former:
        row["former_secret"] === null
          ? undefined
          : { sealedSecret: bytesOf(row, "former_secret"), untilMs: numberOf(row, "former_until_ms") },
      offline: {
        amountMaxFen: String(row["offline_amount_max_fen"]),
        totalMaxFen: String(row["offline_total_max_fen"]),
        forMs: numberOf(row, "offline_for_ms"),
        ageMaxMs: numberOf(row, "offline_age_max_ms"),
      },
    };
  });
  const apps = readable(await db.read("SELECT * FROM app"), "app_id", (row): App => ({
    appId: textOf(row, "app_id"),
    name: textOf(row, "name"),
    status: wordOf(row, "status", STATUSES),
  }));
  const secrets = grouped(await db.read("SELECT * FROM edge_key ORDER BY until_ms IS NOT NULL, added_at_ms DESC"), "edge_id");
  const edges = readable(await db.read("SELECT * FROM edge"), "edge_id", (row): Edge => ({
    edgeId: textOf(row, "edge_id"),
    status: wordOf(row, "status", STATUSES),
    keys: (secrets.get(textOf(row, "edge_id")) ?? []).map(readEdgeKey),
    serves: servedBy(textOrNull(row, "serves")),
  }));
  const signingKeys = readable(await db.read("SELECT * FROM signing_key ORDER BY added_at_ms, rowid"), "handle", readSigningKey);
  return {
    unreadable,
    signingKeys: new Map(signingKeys.map((key) => [key.handle, key])),
    institutions: new Map(institutions.map((institution) => [institution.orgId, institution])),
    apps: new Map(apps.map((app) => [app.appId, app])),
    edges: new Map(edges.map((edge) => [edge.edgeId, edge])),
  };
}

/** Rows of before this version hold keys as they were typed: a key that is retired in one spelling is retired in all. */
function keysOf(rows: readonly Row[]): Pick<Institution, "publicKeys" | "retiredKeys"> {
  const keys = rows.map((row) => {
    const text = textOf(row, "public_key");
    return { key: canonicalPublicKey(text) ?? text, isRetired: row["retired_at_ms"] !== null };
  });
  const retiredKeys = new Set(keys.flatMap(({ key, isRetired }) => (isRetired ? [key] : [])));
  return { retiredKeys, publicKeys: [...new Set(keys.map(({ key }) => key))].filter((key) => !retiredKeys.has(key)) };
}

function readTerminal(row: Row): Terminal {
  const status = wordOf(row, "status", STATUSES);
  return { termId: textOf(row, "term_id"), latitude: numberOf(row, "latitude"), longitude: numberOf(row, "longitude"), status };
}

function readEdgeKey(row: Row): EdgeKey {
  return {
    keyId: textOf(row, "key_id"),
    sealedKey: bytesOf(row, "auth_key"),
    keyHandle: textOf(row, "key_handle"),
    addedAtMs: numberOf(row, "added_at_ms"),
    untilMs: row["until_ms"] === null ? undefined : numberOf(row, "until_ms"),
  };
}

function readSigningKey(row: Row): SigningKey {
  return {
    handle: textOf(row, "handle"),
    purpose: wordOf(row, "purpose", SIGNING_PURPOSES),
    publicKey: textOf(row, "public_key"),
    addedAtMs: numberOf(row, "added_at_ms"),
    activeFromMs: numberOf(row, "active_from_ms"),
    retiredAtMs: row["retired_at_ms"] === null ? undefined : numberOf(row, "retired_at_ms"),
  };
}

function dialectIn(row: Row): PartnerDialect {
  const dialect = textOf(row, "dialect");
  if (!isPartnerDialect(dialect)) throw new ColumnError("dialect", "holds no dialect");
  return dialect;
}

function servedBy(json: string | undefined): ReadonlySet<string> | undefined {
  return json === undefined ? undefined : new Set(JSON.parse(json) as string[]);
}

function grouped(rows: readonly Row[], column = "org_id"): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const key = textOf(row, column);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return groups;
}
