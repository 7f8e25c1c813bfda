/**
 * Access (S1 3.7-3.10, S3 D.2): who may speak to the platform, with which keys. Every registration and every change
 * of a key or a status is an entry of the registry log, so that nobody is let in, or shut out, unrecorded.
 */
import * as v from "valibot";
import type { LeafDraft, LedgerPosition } from "../../ledger/leaf-draft.ts";
import { insertRows } from "../../migrations/database.ts";
import type { Crypto, KeyStore } from "../crypto/port.ts";
import { ANNOUNCED_HANDLES, SEALING, SEALING_VERSION, sealedColumn } from "../key-handles.ts";
import { fromHex, toHex, utf8, utf8Text } from "../protocol/bytes.ts";
import { dataKeyOf, type PartnerProfile } from "../protocol/partner.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { ok, refused, type Result } from "../protocol/result.ts";
import type { Desk, Registry } from "../registry.ts";
import { type Change, decideChanges } from "./changes.ts";
import { type App, type Directory, type Edge, type Institution, readDirectory, type Status, type Terminal } from "./directory.ts";
import {
  appRegistration,
  type AppRegistration,
  edgeRegistration,
  type EdgeRegistration,
  institutionRegistration,
  type InstitutionRegistration,
  terminalRegistration,
  type TerminalRegistration,
} from "./registration.ts";

export interface Access {
  /** Characters of EHCAPPID in codes of this platform. */
  readonly appIdWidth: number;
  institution(orgId: string): Institution | undefined;
  institutions(): readonly Institution[];
  terminal(orgId: string, termId: string): Terminal | undefined;
  app(appId: string): App | undefined;
  apps(): readonly App[];
  edge(edgeId: string): Edge | undefined;
  /** Keys and envelope settings of an institution or app; `undefined` when it is unknown. */
  partner(orgId: string): Promise<PartnerProfile | undefined>;
  /** The HMAC-SM3 key of an active edge. */
  edgeKey(edgeId: string): Promise<Uint8Array | undefined>;

  registerInstitution(registration: InstitutionRegistration, by: string): Promise<Result<LedgerPosition, ErrorName>>;
  registerTerminal(orgId: string, terminal: TerminalRegistration, by: string): Promise<Result<LedgerPosition, ErrorName>>;
  registerApp(registration: AppRegistration, by: string): Promise<Result<LedgerPosition, ErrorName>>;
  /** The key is shown once, here, to be carried to the edge; the platform keeps it sealed. */
  registerEdge(registration: EdgeRegistration, by: string): Promise<Result<{ readonly authKey: Uint8Array }, ErrorName>>;
  addPartnerKey(orgId: string, publicKey: string, by: string): Promise<Result<LedgerPosition, ErrorName>>;
  /** A partner keeps at least one key. */
  retirePartnerKey(orgId: string, publicKey: string, by: string): Promise<Result<LedgerPosition, ErrorName>>;
  setStatus(orgId: string, status: Status, by: string): Promise<Result<LedgerPosition, ErrorName>>;
  /** Shuts out an edge that was stolen or taken away: its next call is refused. */
  setEdgeStatus(edgeId: string, status: Status, by: string): Promise<Result<LedgerPosition, ErrorName>>;
}

export interface AccessOptions {
  readonly registry: Registry;
  readonly crypto: Crypto;
  readonly keys: KeyStore;
  readonly appIdWidth: number;
}

export async function openAccess(options: AccessOptions): Promise<Access> {
  const directory = await readDirectory(options.registry.db);
  const access = new RegistryAccess(options, directory);
  await access.announceKeys();
  return access;
}

class RegistryAccess implements Access {
  readonly appIdWidth: number;
  readonly #registry: Registry;
  readonly #crypto: Crypto;
  readonly #keys: KeyStore;
  readonly #directory: Directory;
  readonly #changes: Desk<Change, Result<LedgerPosition, ErrorName>>;
  /** Opened once per partner or edge, dropped when its registration changes. */
  readonly #partners = new Map<string, Promise<PartnerProfile>>();
  readonly #edgeKeys = new Map<string, Promise<Uint8Array>>();

  constructor(options: AccessOptions, directory: Directory) {
    this.appIdWidth = options.appIdWidth;
    this.#registry = options.registry;
    this.#crypto = options.crypto;
    this.#keys = options.keys;
    this.#directory = directory;
    this.#changes = options.registry.desk(decideChanges(directory));
  }

  institution(orgId: string): Institution | undefined {
    return this.#directory.institutions.get(orgId);
  }

  institutions(): readonly Institution[] {
    return [...this.#directory.institutions.values()];
  }

  terminal(orgId: string, termId: string): Terminal | undefined {
    return this.#directory.institutions.get(orgId)?.terminals.get(termId);
  }

  app(appId: string): App | undefined {
    return this.#directory.apps.get(appId);
  }

  apps(): readonly App[] {
    return [...this.#directory.apps.values()];
  }

  edge(edgeId: string): Edge | undefined {
    return this.#directory.edges.get(edgeId);
  }

  async partner(orgId: string): Promise<PartnerProfile | undefined> {
    const institution = this.#directory.institutions.get(orgId);
    if (institution === undefined) return undefined;
    const opened = this.#partners.get(orgId) ?? this.#openPartner(institution);
    this.#partners.set(orgId, opened);
    return await opened;
  }

  async edgeKey(edgeId: string): Promise<Uint8Array | undefined> {
    const edge = this.#directory.edges.get(edgeId);
    if (edge === undefined || edge.status !== "active") return undefined;
    const opened = this.#edgeKeys.get(edgeId) ?? this.#open(edge.keyHandle, edge.sealedKey, sealedEdgeKey(edgeId));
    this.#edgeKeys.set(edgeId, opened);
    return await opened;
  }

  async registerInstitution(registration: InstitutionRegistration, by: string): Promise<Result<LedgerPosition, ErrorName>> {
    const parsed = v.safeParse(institutionRegistration, registration);
    if (!parsed.success || !this.#pointsOfTheCurve(parsed.output.publicKeys)) return refused("badRequest");
    const terminals = new Map(parsed.output.terminals.map((terminal) => [terminal.termId, terminal]));
    if (terminals.size !== parsed.output.terminals.length) return refused("badRequest");
    return await this.#register({ ...parsed.output, status: "active" }, terminals, by);
  }

  async registerApp(registration: AppRegistration, by: string): Promise<Result<LedgerPosition, ErrorName>> {
    const parsed = v.safeParse(appRegistration(this.appIdWidth), registration);
    if (!parsed.success || !this.#pointsOfTheCurve(parsed.output.publicKeys)) return refused("badRequest");
    return await this.#register({ ...parsed.output, orgId: parsed.output.appId, kind: "app", status: "active" }, new Map(), by);
  }

  async registerTerminal(orgId: string, terminal: TerminalRegistration, by: string): Promise<Result<LedgerPosition, ErrorName>> {
    const parsed = v.safeParse(terminalRegistration, terminal);
    if (!parsed.success) return refused("badRequest");
    const { termId, latitude, longitude } = parsed.output;
    return await this.#changes.submit({
      touches: `institution/${orgId}`,
      check: ({ institutions }) => {
        const institution = institutions.get(orgId);
        if (institution === undefined) return "institutionUnknown";
        return institution.terminals.has(termId) ? "idempotencyConflict" : undefined;
      },
      draft: {
        ...accepted("access.terminal.registered", by, orgId, termId),
        facts: { latitude: String(latitude), longitude: String(longitude) },
      },
      statements: () => insertRows("terminal", TERMINAL_COLUMNS, [[orgId, termId, latitude, longitude]]),
      apply: (directory) =>
        this.#replace(directory, orgId, (institution) => ({
          ...institution,
          terminals: new Map([...institution.terminals, [termId, { termId, latitude, longitude }]]),
        })),
    });
  }

  async registerEdge(registration: EdgeRegistration, by: string): Promise<Result<{ readonly authKey: Uint8Array }, ErrorName>> {
    const parsed = v.safeParse(edgeRegistration, registration);
    if (!parsed.success) return refused("badRequest");
    const { edgeId, serves } = parsed.output;
    const authKey = this.#crypto.random(32);
    const keyHandle = `${SEALING.access}/${SEALING_VERSION}`;
    const sealedKey = await this.#keys.seal(keyHandle, authKey, sealedEdgeKey(edgeId));
    const edge: Edge = { edgeId, status: "active", sealedKey, keyHandle, serves: serves === undefined ? undefined : new Set(serves) };
    const served = serves === undefined ? null : JSON.stringify(serves);
    const change = await this.#changes.submit({
      touches: `edge/${edgeId}`,
      check: ({ edges, institutions }) => {
        if (edges.has(edgeId)) return "idempotencyConflict";
        return serves?.some((orgId) => !institutions.has(orgId)) === true ? "institutionUnknown" : undefined;
      },
      draft: { ...accepted("access.edge.registered", by, undefined, edgeId), facts: { serves: serves?.toSorted().join(" ") ?? "*" } },
      statements: () =>
        insertRows("edge", ["edge_id", "auth_key", "key_handle", "status", "serves"], [[edgeId, sealedKey, keyHandle, "active", served]]),
      apply: (directory) => directory.edges.set(edgeId, edge),
    });
    return change.ok ? ok({ authKey }) : change;
  }

  async addPartnerKey(orgId: string, publicKey: string, by: string): Promise<Result<LedgerPosition, ErrorName>> {
    if (!this.#pointsOfTheCurve([publicKey])) return refused("badRequest");
    return await this.#changes.submit({
      touches: `institution/${orgId}`,
      check: ({ institutions }) => {
        const institution = institutions.get(orgId);
        if (institution === undefined) return "institutionUnknown";
        const known = institution.publicKeys.includes(publicKey) || institution.retiredKeys.has(publicKey);
        return known ? "idempotencyConflict" : undefined;
      },
      draft: { ...accepted("access.key.added", by, orgId, orgId), facts: { publicKey } },
      statements: (atMs) => insertRows("partner_key", KEY_COLUMNS, [[orgId, publicKey, atMs]]),
      apply: (directory) =>
        this.#replace(directory, orgId, (institution) => ({ ...institution, publicKeys: [publicKey, ...institution.publicKeys] })),
    });
  }

  async retirePartnerKey(orgId: string, publicKey: string, by: string): Promise<Result<LedgerPosition, ErrorName>> {
    return await this.#changes.submit({
      touches: `institution/${orgId}`,
      check: ({ institutions }) => {
        const institution = institutions.get(orgId);
        if (institution === undefined) return "institutionUnknown";
        return institution.publicKeys.includes(publicKey) && institution.publicKeys.length > 1 ? undefined : "badRequest";
      },
      draft: { ...accepted("access.key.retired", by, orgId, orgId), facts: { publicKey } },
      statements: (atMs) => [
        { sql: "UPDATE partner_key SET retired_at_ms = ? WHERE org_id = ? AND public_key = ?", args: [atMs, orgId, publicKey] },
      ],
      apply: (directory) =>
        this.#replace(directory, orgId, (institution) => ({
          ...institution,
          publicKeys: institution.publicKeys.filter((key) => key !== publicKey),
          retiredKeys: new Set([...institution.retiredKeys, publicKey]),
        })),
    });
  }

  async setStatus(orgId: string, status: Status, by: string): Promise<Result<LedgerPosition, ErrorName>> {
    return await this.#changes.submit({
      touches: `institution/${orgId}`,
      check: ({ institutions }) => (institutions.has(orgId) ? undefined : "institutionUnknown"),
      draft: { ...accepted("access.institution.changed", by, orgId, orgId), facts: { status } },
      statements: () => [
        { sql: "UPDATE institution SET status = ? WHERE org_id = ?", args: [status, orgId] },
        { sql: "UPDATE app SET status = ? WHERE app_id = ?", args: [status, orgId] },
      ],
      apply: (directory) => {
        this.#replace(directory, orgId, (institution) => ({ ...institution, status }));
        const app = directory.apps.get(orgId);
        if (app !== undefined) directory.apps.set(orgId, { ...app, status });
      },
    });
  }

  async setEdgeStatus(edgeId: string, status: Status, by: string): Promise<Result<LedgerPosition, ErrorName>> {
    return await this.#changes.submit({
      touches: `edge/${edgeId}`,
      check: ({ edges }) => (edges.has(edgeId) ? undefined : "institutionUnknown"),
      draft: { ...accepted("access.edge.changed", by, undefined, edgeId), facts: { status } },
      statements: () => [{ sql: "UPDATE edge SET status = ? WHERE edge_id = ?", args: [status, edgeId] }],
      apply: (directory) => {
        const edge = directory.edges.get(edgeId);
        if (edge !== undefined) directory.edges.set(edgeId, { ...edge, status });
      },
    });
  }

  /** The platform's own public keys, once per version: an auditor finds in the log which key signed when. */
  async announceKeys(): Promise<void> {
    const rows = await this.#registry.db.read("SELECT subject FROM leaf WHERE kind = 'access.platform-key.announced'");
    const known = new Set(rows.map((row) => row["subject"]));
    for (const handle of ANNOUNCED_HANDLES) {
      if (known.has(handle)) continue;
      await this.#changes.submit({
        touches: `platform-key/${handle}`,
        check: () => undefined,
        draft: {
          ...accepted("access.platform-key.announced", "core", undefined, handle),
          facts: { publicKey: toHex(await this.#keys.publicKey(handle)) },
        },
        statements: () => [],
        apply: () => undefined,
      });
    }
  }

  /** An institution or an app: the same access data, keys and entry; an app also gets its EHCAPPID. */
  async #register(
    registration: (InstitutionRegistration | (AppRegistration & { orgId: string; kind: "app" })) & { status: Status },
    terminals: ReadonlyMap<string, Terminal>,
    by: string,
  ): Promise<Result<LedgerPosition, ErrorName>> {
    const { orgId, name, kind, status, partnerAppId, dialect, signType, encryption, publicKeys, ratePerSecond, rateBurst } = registration;
    const keyHandle = `${SEALING.access}/${SEALING_VERSION}`;
    const sealedSecret = await this.#keys.seal(keyHandle, utf8(registration.partnerSecret), sealedSecretOf(orgId));
    const settings = { dialect, signType, encryption, ratePerSecond, rateBurst };
    const institution: Institution = {
      orgId,
      name,
      kind,
      status,
      appId: partnerAppId,
      publicKeys,
      sealedSecret,
      keyHandle,
      terminals,
      ...settings,
      retiredKeys: new Set(),
    };
    return await this.#changes.submit({
      touches: `institution/${orgId}`,
      check: ({ institutions }) => (institutions.has(orgId) ? "idempotencyConflict" : undefined),
      draft: {
        ...accepted(kind === "app" ? "access.app.registered" : "access.institution.registered", by, orgId, orgId),
        facts: { name, kind, publicKeys: publicKeys.join(" "), terminals: [...terminals.keys()].join(" ") },
      },
      statements: (atMs) => [
        ...insertRows("institution", INSTITUTION_COLUMNS, [
          [orgId, name, kind, status, partnerAppId, sealedSecret, keyHandle, dialect, signType, encryption, ratePerSecond, rateBurst],
        ]),
        ...insertRows(
          "partner_key",
          KEY_COLUMNS,
          publicKeys.map((key) => [orgId, key, atMs]),
        ),
        ...insertRows(
          "terminal",
          TERMINAL_COLUMNS,
          [...terminals.values()].map((terminal) => [orgId, terminal.termId, terminal.latitude, terminal.longitude]),
        ),
        ...(kind === "app" ? insertRows("app", ["app_id", "name", "status"], [[orgId, name, status]]) : []),
      ],
      apply: (directory) => {
        directory.institutions.set(orgId, institution);
        if (kind === "app") directory.apps.set(orgId, { appId: orgId, name, status });
      },
    });
  }

  #replace(directory: Directory, orgId: string, change: (institution: Institution) => Institution): void {
    const institution = directory.institutions.get(orgId);
    if (institution === undefined) return;
    directory.institutions.set(orgId, change(institution));
    this.#partners.delete(orgId);
  }

  async #openPartner(institution: Institution): Promise<PartnerProfile> {
    const secret = await this.#open(institution.keyHandle, institution.sealedSecret, sealedSecretOf(institution.orgId));
    const partner: PartnerProfile = {
      appId: institution.appId,
      appSecret: utf8Text(secret) ?? "",
      dialect: institution.dialect,
      signType: institution.signType,
      encryption: institution.encryption,
      publicKeys: institution.publicKeys.map((key) => fromHex(key) ?? new Uint8Array()),
    };
    return { ...partner, dataKey: dataKeyOf(this.#crypto, partner) };
  }

  async #open(handle: string, sealed: Uint8Array, aad: Uint8Array): Promise<Uint8Array> {
    const opened = await this.#keys.open(handle, sealed, aad);
    if (opened === undefined) throw new Error(`a value sealed under ${handle} does not open: wrong key store or altered database`);
    return opened;
  }

  #pointsOfTheCurve(publicKeys: readonly string[]): boolean {
    return publicKeys.every((key) => this.#crypto.sm2IsPublicKey(fromHex(key) ?? new Uint8Array()));
  }
}

const INSTITUTION_COLUMNS = [
  "org_id",
  "name",
  "kind",
  "status",
  "partner_app_id",
  "partner_secret",
  "key_handle",
  "dialect",
  "sign_type",
  "encryption",
  "rate_per_second",
  "rate_burst",
];
const KEY_COLUMNS = ["org_id", "public_key", "added_at_ms"];
const TERMINAL_COLUMNS = ["org_id", "term_id", "latitude", "longitude"];

function accepted(kind: string, actor: string, institution: string | undefined, subject: string): LeafDraft {
  return { kind, outcome: "accepted", actor, subject, ...(institution === undefined ? {} : { institution }) };
}

function sealedSecretOf(orgId: string): Uint8Array {
  return sealedColumn("institution", "partner_secret", orgId, SEALING_VERSION);
}

function sealedEdgeKey(edgeId: string): Uint8Array {
  return sealedColumn("edge", "auth_key", edgeId, SEALING_VERSION);
}
