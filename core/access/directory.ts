/** Everything registered, in memory: small, read on every call, changed only by this process after a commit. */
import type { Database, Row } from "../../migrations/database.ts";
import { PARTNER_DIALECTS } from "../protocol/dialects.ts";
import type { InstitutionSettings } from "../protocol/internal.ts";
import { bytesOf, numberOf, textOf, textOrNull, wordOf } from "../rows.ts";

export interface Terminal {
  readonly termId: string;
  readonly latitude: number;
  readonly longitude: number;
}

/** An institution without its secret: that stays sealed until someone needs to verify or sign with it. */
export interface Institution extends Omit<InstitutionSettings, "appSecret" | "terminals" | "publicKeys"> {
  readonly publicKeys: readonly string[];
  readonly sealedSecret: Uint8Array;
  readonly keyHandle: string;
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
  readonly sealedKey: Uint8Array;
  readonly keyHandle: string;
  /** `undefined`: every hospital and pharmacy. */
  readonly serves: ReadonlySet<string> | undefined;
}

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
}

export async function readDirectory(db: Database): Promise<Directory> {
  const keys = grouped(await db.read("SELECT org_id, public_key, retired_at_ms FROM partner_key ORDER BY added_at_ms DESC, rowid"));
  const terminals = grouped(await db.read("SELECT org_id, term_id, latitude, longitude FROM terminal"));
  const institutions = (await db.read("SELECT * FROM institution")).map((row): Institution => {
    const orgId = textOf(row, "org_id");
    return {
      orgId,
      name: textOf(row, "name"),
      kind: wordOf(row, "kind", ["hospital", "pharmacy", "app"]),
      status: wordOf(row, "status", STATUSES),
      publicKeys: keysOf(keys.get(orgId), (retiredAt) => retiredAt === null),
      retiredKeys: new Set(keysOf(keys.get(orgId), (retiredAt) => retiredAt !== null)),
      appId: textOf(row, "partner_app_id"),
      sealedSecret: bytesOf(row, "partner_secret"),
      keyHandle: textOf(row, "key_handle"),
      dialect: wordOf(row, "dialect", PARTNER_DIALECTS),
      signType: wordOf(row, "sign_type", ["SM2", "SM3"]),
      encryption: wordOf(row, "encryption", ["required", "optional", "none"]),
      terminals: new Map((terminals.get(orgId) ?? []).map((terminal) => [textOf(terminal, "term_id"), readTerminal(terminal)])),
      ratePerSecond: numberOf(row, "rate_per_second"),
      rateBurst: numberOf(row, "rate_burst"),
    };
  });
  const apps = (await db.read("SELECT * FROM app")).map((row): App => ({
    appId: textOf(row, "app_id"),
    name: textOf(row, "name"),
    status: wordOf(row, "status", STATUSES),
  }));
  const edges = (await db.read("SELECT * FROM edge")).map((row): Edge => ({
    edgeId: textOf(row, "edge_id"),
    status: wordOf(row, "status", STATUSES),
    sealedKey: bytesOf(row, "auth_key"),
    keyHandle: textOf(row, "key_handle"),
    serves: servedBy(textOrNull(row, "serves")),
  }));
  return {
    institutions: new Map(institutions.map((institution) => [institution.orgId, institution])),
    apps: new Map(apps.map((app) => [app.appId, app])),
    edges: new Map(edges.map((edge) => [edge.edgeId, edge])),
  };
}

function keysOf(rows: readonly Row[] | undefined, wanted: (retiredAt: unknown) => boolean): readonly string[] {
  return (rows ?? []).filter((row) => wanted(row["retired_at_ms"])).map((row) => textOf(row, "public_key"));
}

function readTerminal(row: Row): Terminal {
  return { termId: textOf(row, "term_id"), latitude: numberOf(row, "latitude"), longitude: numberOf(row, "longitude") };
}

function servedBy(json: string | undefined): ReadonlySet<string> | undefined {
  return json === undefined ? undefined : new Set(JSON.parse(json) as string[]);
}

function grouped(rows: readonly Row[]): Map<string, Row[]> {
  const byOrg = new Map<string, Row[]>();
  for (const row of rows) {
    const orgId = textOf(row, "org_id");
    const group = byOrg.get(orgId);
    if (group === undefined) byOrg.set(orgId, [row]);
    else group.push(row);
  }
  return byOrg;
}
