/**
 * Access (S1 3.7-3.10, S3 D.2): who may speak to the platform, with which keys. Every registration and every change
 * of a key or a status is an entry of the registry log, so that nobody is let in, or shut out, unrecorded.
 */
import * as v from "valibot";
import type { LedgerPosition } from "../../ledger/leaf-draft.ts";
import { insertRows } from "../../migrations/database.ts";
import type { Crypto, KeyStore } from "../crypto/port.ts";
import { canonicalPublicKey } from "../crypto/sm2-key-text.ts";
import { ANNOUNCED_HANDLES } from "../key-handles.ts";
import { fromHex, toHex, utf8, utf8Text } from "../protocol/bytes.ts";
import { dataKeyOf, type PartnerProfile } from "../protocol/partner.ts";
import type { AccessRefusal } from "./refusals.ts";
import type { OfflineAllowance } from "../protocol/internal.ts";
import { refused, type Result } from "../protocol/result.ts";
import type { Desk, Registry } from "../registry.ts";
import { type Change, decideChanges } from "./changes.ts";
import {
  type App,
  type Directory,
  type Edge,
  type Institution,
  readDirectory,
  type Status,
  type Terminal,
  type UnreadableRow,
} from "./directory.ts";
import { acceptedDraft } from "./drafts.ts";
import { createEdges, type Edges } from "./edges.ts";
import {
  appRegistration,
  type AppRegistration,
  type EdgeRegistration,
  institutionRegistration,
  type InstitutionRegistration,
  offlineRegistration,
  PARTNER_SETTINGS,
  secretRotation,
  type SecretRotation,
  terminalRegistration,
  type TerminalRegistration,
} from "./registration.ts";
import {
  keyAdded,
  keyRetired,
  offlineChanged,
  PARTNER_KEY_COLUMNS,
  secretRotated,
  statusChanged,
  TERMINAL_COLUMNS,
  terminalAdded,
  terminalStatusChanged,
} from "./partner-changes.ts";
import { partnerFacts, secretFact, SETTING_COLUMNS, settingsOf } from "./partner-facts.ts";
import { openValue, sealValue } from "./sealed-values.ts";
import { openSigningKeys, type SigningKeys } from "./signing-keys.ts";

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
  /** The same, and while the overlap of a new secret lasts a second one with the secret before; none when it is unknown. */
  partners(orgId: string, nowMs: number): Promise<readonly PartnerProfile[]>;
  /** The present HMAC-SM3 key of an active edge. */
  edgeKey(edgeId: string): Promise<Uint8Array | undefined>;
  readonly edges: Edges;
  readonly signing: SigningKeys;
  /** Rows that were left out at start because this version cannot read them. */
  unreadable(): readonly UnreadableRow[];

  registerInstitution(registration: InstitutionRegistration, by: string): Promise<Result<LedgerPosition, AccessRefusal>>;
  registerTerminal(orgId: string, terminal: TerminalRegistration, by: string): Promise<Result<LedgerPosition, AccessRefusal>>;
  registerApp(registration: AppRegistration, by: string): Promise<Result<LedgerPosition, AccessRefusal>>;
  /** The key is shown once, here, to be carried to the edge; the platform keeps it sealed. */
  registerEdge(registration: EdgeRegistration, by: string): Promise<Result<{ readonly authKey: Uint8Array }, AccessRefusal>>;
  /** In any form of `core/crypto/sm2-key-text.ts`, as below. */
  addPartnerKey(orgId: string, publicKey: string, by: string): Promise<Result<LedgerPosition, AccessRefusal>>;
  /** A partner keeps at least one key. */
  retirePartnerKey(orgId: string, publicKey: string, by: string): Promise<Result<LedgerPosition, AccessRefusal>>;
  setStatus(orgId: string, status: Status, by: string): Promise<Result<LedgerPosition, AccessRefusal>>;
  /** Shuts out an edge that was stolen or taken away: its next call is refused. */
  setEdgeStatus(edgeId: string, status: Status, by: string): Promise<Result<LedgerPosition, AccessRefusal>>;
  setTerminalStatus(orgId: string, termId: string, status: Status, by: string): Promise<Result<LedgerPosition, AccessRefusal>>;
  setOfflineAllowance(orgId: string, allowance: OfflineAllowance, by: string): Promise<Result<LedgerPosition, AccessRefusal>>;
  /** A new envelope SECRET; the one before counts until the overlap ends. */
  rotatePartnerSecret(orgId: string, rotation: SecretRotation, by: string): Promise<Result<LedgerPosition, AccessRefusal>>;
}

export interface AccessOptions {
  readonly registry: Registry;
  readonly crypto: Crypto;
  readonly keys: KeyStore;
  readonly appIdWidth: number;
}

export async function openAccess(options: AccessOptions): Promise<Access> {
  const directory = await readDirectory(options.registry.db);
  const changes = options.registry.desk(decideChanges(directory));
  const shared = { ...options, directory, changes };
  const access = new RegistryAccess(options, directory, changes, { edges: createEdges(shared), signing: await openSigningKeys(shared) });
  await access.announceKeys();
  return access;
}

class RegistryAccess implements Access {
  readonly appIdWidth: number;
  readonly edges: Edges;
  readonly signing: SigningKeys;
  readonly #registry: Registry;
  readonly #crypto: Crypto;
  readonly #keys: KeyStore;
  readonly #directory: Directory;
  readonly #changes: Desk<Change, Result<LedgerPosition, AccessRefusal>>;
  /** Opened once per registration: a change makes a new one. */
  readonly #partners = new WeakMap<Institution, Promise<PartnerProfile>>();
  readonly #formers = new WeakMap<Institution, Promise<PartnerProfile>>();

  constructor(
    options: AccessOptions,
    directory: Directory,
    changes: Desk<Change, Result<LedgerPosition, AccessRefusal>>,
    rooms: { readonly edges: Edges; readonly signing: SigningKeys },
  ) {
    this.edges = rooms.edges;
    this.signing = rooms.signing;
    this.appIdWidth = options.appIdWidth;
    this.#registry = options.registry;
    this.#crypto = options.crypto;
    this.#keys = options.keys;
    this.#directory = directory;
    this.#changes = changes;
  }

  unreadable(): readonly UnreadableRow[] {
    return [...this.#directory.unreadable.values()];
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
    const opened = this.#partners.get(institution) ?? this.#openPartner(institution, institution.sealedSecret);
    this.#partners.set(institution, opened);
    return await opened;
  }

  async partners(orgId: string, nowMs: number): Promise<readonly PartnerProfile[]> {
    const institution = this.#directory.institutions.get(orgId);
    const present = await this.partner(orgId);
    if (institution === undefined || present === undefined) return [];
    const { former } = institution;
    if (former === undefined || former.untilMs <= nowMs) return [present];
    const opened = this.#formers.get(institution) ?? this.#openPartner(institution, former.sealedSecret);
    this.#formers.set(institution, opened);
    return [present, await opened];
  }

  async edgeKey(edgeId: string): Promise<Uint8Array | undefined> {
    if (this.edges.get(edgeId)?.status !== "active") return undefined;
    const [present] = await this.edges.secrets(edgeId, Number.MAX_SAFE_INTEGER);
    return present;
  }

  registerEdge(registration: EdgeRegistration, by: string): Promise<Result<{ readonly authKey: Uint8Array }, AccessRefusal>> {
    return this.edges.register(registration, by);
  }

  setEdgeStatus(edgeId: string, status: Status, by: string): Promise<Result<LedgerPosition, AccessRefusal>> {
    return this.edges.setStatus(edgeId, status, by);
  }

  async registerInstitution(registration: InstitutionRegistration, by: string): Promise<Result<LedgerPosition, AccessRefusal>> {
    const parsed = v.safeParse(institutionRegistration, registration);
    if (!parsed.success) return refused("badRequest");
    const terminals = new Map(parsed.output.terminals.map((terminal) => [terminal.termId, { ...terminal, status: "active" as const }]));
    if (terminals.size !== parsed.output.terminals.length) return refused("badRequest");
    return await this.#register({ ...parsed.output, status: "active" }, terminals, by);
  }

  async registerApp(registration: AppRegistration, by: string): Promise<Result<LedgerPosition, AccessRefusal>> {
    const parsed = v.safeParse(appRegistration(this.appIdWidth), registration);
    if (!parsed.success) return refused("badRequest");
    return await this.#register(
      { ...parsed.output, orgId: parsed.output.appId, kind: "app", status: "active", offline: OFFLINE_NONE },
      new Map(),
      by,
    );
  }

  async registerTerminal(orgId: string, terminal: TerminalRegistration, by: string): Promise<Result<LedgerPosition, AccessRefusal>> {
    const parsed = v.safeParse(terminalRegistration, terminal);
    return parsed.success ? await this.#changes.submit(terminalAdded(orgId, parsed.output, by)) : refused("badRequest");
  }

  async addPartnerKey(orgId: string, publicKey: string, by: string): Promise<Result<LedgerPosition, AccessRefusal>> {
    const key = canonicalPublicKey(publicKey);
    return key === undefined ? refused("badRequest") : await this.#changes.submit(keyAdded(orgId, key, by));
  }

  async retirePartnerKey(orgId: string, publicKey: string, by: string): Promise<Result<LedgerPosition, AccessRefusal>> {
    const key = canonicalPublicKey(publicKey);
    return key === undefined ? refused("badRequest") : await this.#changes.submit(keyRetired(orgId, key, by));
  }

  async setStatus(orgId: string, status: Status, by: string): Promise<Result<LedgerPosition, AccessRefusal>> {
    return await this.#changes.submit(statusChanged(orgId, status, by));
  }

  async setTerminalStatus(orgId: string, termId: string, status: Status, by: string): Promise<Result<LedgerPosition, AccessRefusal>> {
    return await this.#changes.submit(terminalStatusChanged(orgId, { termId, status }, by));
  }

  async setOfflineAllowance(orgId: string, allowance: OfflineAllowance, by: string): Promise<Result<LedgerPosition, AccessRefusal>> {
    const parsed = v.safeParse(offlineRegistration, allowance);
    return parsed.success ? await this.#changes.submit(offlineChanged(orgId, parsed.output, by)) : refused("badRequest");
  }

  async rotatePartnerSecret(orgId: string, rotation: SecretRotation, by: string): Promise<Result<LedgerPosition, AccessRefusal>> {
    const parsed = v.safeParse(secretRotation, rotation);
    if (!parsed.success) return refused("badRequest");
    const { partnerSecret, overlapMs } = parsed.output;
    const secret = await sealValue(this.#keys, secretPlace(orgId), utf8(partnerSecret));
    return await this.#changes.submit(secretRotated(orgId, { secret, overlapMs, fact: secretFact(this.#crypto, secret.sealed) }, by));
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
          ...acceptedDraft("access.platform-key.announced", "core", undefined, handle),
          facts: { publicKey: toHex(await this.#keys.publicKey(handle)) },
        },
        statements: () => [],
        apply: () => undefined,
      });
    }
  }

  /** An institution or an app: the same access data, keys and entry; an app also gets its EHCAPPID. */
  async #register(
    registration: Omit<Registered, "terminals">,
    terminals: ReadonlyMap<string, Terminal>,
    by: string,
  ): Promise<Result<LedgerPosition, AccessRefusal>> {
    const { orgId, name, kind, status, partnerAppId, publicKeys } = registration;
    const { keyHandle, sealed: sealedSecret } = await sealValue(this.#keys, secretPlace(orgId), utf8(registration.partnerSecret));
    const { offline } = registration;
    const settings = settingsOf(registration);
    const told = { settings, offline, terminals: terminals.values(), appId: partnerAppId, sealedSecret };
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
      offline,
      former: undefined,
      retiredKeys: new Set(),
    };
    return await this.#changes.submit({
      touches: `institution/${orgId}`,
      check: ({ institutions, unreadable }) => (institutions.has(orgId) || unreadable.has(orgId) ? "alreadyThere" : undefined),
      draft: {
        ...acceptedDraft(kind === "app" ? "access.app.registered" : "access.institution.registered", by, orgId, orgId),
        facts: {
          name,
          kind,
          publicKeys: publicKeys.join(" "),
          terminals: [...terminals.keys()].join(" "),
          ...partnerFacts(this.#crypto, told),
        },
      },
      statements: (atMs) => [
        ...insertRows("institution", INSTITUTION_COLUMNS, [
          [
            orgId,
            name,
            kind,
            status,
            partnerAppId,
            sealedSecret,
            keyHandle,
            ...PARTNER_SETTINGS.map((setting) => settings[setting]),
            BigInt(offline.amountMaxFen),
            BigInt(offline.totalMaxFen),
            offline.forMs,
            offline.ageMaxMs,
          ],
        ]),
        ...insertRows(
          "partner_key",
          PARTNER_KEY_COLUMNS,
          publicKeys.map((key) => [orgId, key, atMs]),
        ),
        ...insertRows(
          "terminal",
          TERMINAL_COLUMNS,
          [...terminals.values()].map((terminal) => [orgId, terminal.termId, terminal.latitude, terminal.longitude, terminal.status]),
        ),
        ...(kind === "app" ? insertRows("app", ["app_id", "name", "status"], [[orgId, name, status]]) : []),
      ],
      apply: (directory) => {
        directory.institutions.set(orgId, institution);
        if (kind === "app") directory.apps.set(orgId, { appId: orgId, name, status });
      },
    });
  }

  async #openPartner(institution: Institution, sealed: Uint8Array): Promise<PartnerProfile> {
    const secret = await openValue(this.#keys, secretPlace(institution.orgId), { keyHandle: institution.keyHandle, sealed });
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
}

const INSTITUTION_COLUMNS = [
  "org_id",
  "name",
  "kind",
  "status",
  "partner_app_id",
  "partner_secret",
  "key_handle",
  ...SETTING_COLUMNS,
  "offline_amount_max_fen",
  "offline_total_max_fen",
  "offline_for_ms",
  "offline_age_max_ms",
];
/** An app settles nothing. */
const OFFLINE_NONE: OfflineAllowance = { amountMaxFen: "0", totalMaxFen: "0", forMs: 0, ageMaxMs: 0 };

/** An institution or an app with what both have. */
interface Registered extends Omit<v.InferOutput<typeof institutionRegistration>, "kind"> {
  readonly kind: Institution["kind"];
  readonly status: Status;
}

function secretPlace(orgId: string): { table: string; column: string; row: string } {
  return { table: "institution", column: "partner_secret", row: orgId };
}
