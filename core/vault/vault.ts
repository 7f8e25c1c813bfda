/** The token vault put together; what it promises is said in `port.ts`. */
import type { Access } from "../access/access.ts";
import type { EdgeContacts } from "../access/edge-contacts.ts";
import { ACCEPTED_AGE_MS_MAX } from "../access/registration.ts";
import type { Crypto, KeyStore } from "../crypto/port.ts";
import type { Fingerprints } from "../fingerprints.ts";
import type { Identity } from "../identity/identity.ts";
import { SEALING, sealedColumn } from "../key-handles.ts";
import { utf8Text } from "../protocol/bytes.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { parseScannedCode } from "../protocol/fused-code.ts";
import { ok, refused, type Result } from "../protocol/result.ts";
import type { EventMs } from "../protocol/time.ts";
import type { Desk, Registry } from "../registry.ts";
import { textOf } from "../rows.ts";
import { type Bindings, openBindings } from "./bindings.ts";
import { CLOCK_SKEW_MS, countingInstant } from "./domain-controls.ts";
import { type EcTokens, openEcTokens } from "./ec-token.ts";
import type { Presented } from "./judgement.ts";
import { type Minting, openMinting } from "./minting.ts";
import type {
  AccountBindings,
  CredentialUse,
  DeTokenise,
  IssueCode,
  IssuedCode,
  OpenedVisit,
  ResolveCredential,
  ResolvedPerson,
  Vault,
} from "./port.ts";
import type { AccountKind, BindingRow } from "./rows.ts";
import { decideUses, type OpenedUse, type RevokeItem, type Unusable, type UseItem, type UseOutcome } from "./uses.ts";

/** Parameters that the standards leave open (domain notes 8.4), with what we chose. */
export interface VaultSettings {
  /** Life of a code: 60 s, at most 300 s. */
  readonly codeLifeMs: number;
  /** Life of an ecToken: 30 minutes. */
  readonly ecTokenLifeMs: number;
  /** GB/T 2260 area of the platform, six digits: begins the ecToken of a person without an insured area. */
  readonly area: string;
}
export const VAULT_SETTINGS: VaultSettings = { codeLifeMs: 60_000, ecTokenLifeMs: 30 * 60_000, area: "640100" };
const CODE_LIFE_MS_MAX = 300_000;

export interface VaultOptions {
  readonly registry: Registry;
  readonly access: Access;
  readonly identity: Identity;
  readonly crypto: Crypto;
  readonly keys: KeyStore;
  readonly fingerprints: Fingerprints;
  readonly settings?: Partial<VaultSettings>;
  /** What is known of edges' clocks and absences. */
  readonly contacts?: Pick<EdgeContacts, "instantOf">;
}

/** The vault with what only the core does: binding, and tidying up. */
export interface OpenedVault extends Vault {
  readonly bindings: Bindings;
  /** Marks codes EXPIRED that nobody can honour any more, late acceptance included; says how many. */
  expireCodes(atMs: EventMs): Promise<number>;
  /** Fingerprints of codes that their app took back and that would still count, for edges. */
  revokedCodes(nowMs: number): Promise<readonly string[]>;
}

/** The newest; with a life of minutes there are never so many, and the core refuses the rest. */
const REVOKED_LISTED_MAX = 10_000;

export async function openVault(options: VaultOptions): Promise<OpenedVault> {
  const settings = { ...VAULT_SETTINGS, ...options.settings };
  if (!(settings.codeLifeMs >= 1_000 && settings.codeLifeMs <= CODE_LIFE_MS_MAX)) throw new RangeError("a code lives 1 to 300 seconds");
  if (!/^\d{6}$/.test(settings.area)) throw new RangeError("an area has six digits");
  return new RegistryVault(options, settings, await openEcTokens(options.crypto, options.keys));
}

class RegistryVault implements OpenedVault {
  readonly bindings: Bindings;
  readonly #options: VaultOptions;
  readonly #ecTokens: EcTokens;
  readonly #minting: Minting;
  readonly #uses: Desk<UseItem | RevokeItem, UseOutcome>;

  constructor(options: VaultOptions, settings: VaultSettings, ecTokens: EcTokens) {
    this.#options = options;
    this.#ecTokens = ecTokens;
    this.bindings = openBindings(options);
    this.#minting = openMinting({ ...options, codeLifeMs: settings.codeLifeMs });
    this.#uses = options.registry.desk(decideUses({ ...options, ...settings, ecTokens }));
  }

  issueCode(request: IssueCode): Promise<Result<IssuedCode, ErrorName>> {
    return this.#minting.issue(request);
  }

  async resolve(request: ResolveCredential): Promise<Result<ResolvedPerson, ErrorName>> {
    const used = await this.#use(request, { step: "resolve", presented: this.#presented(request.credential), instant: ok(request.atMs) });
    if (!used.ok) return used;
    const { visit, person, bindings, position } = used.value;
    const { name, idType, idNo } = await this.#options.identity.openRealName(person);
    return ok({
      person: person.pseudonym,
      userName: name,
      idType,
      idNo,
      position,
      insuOrg: bindings.find((binding) => binding.kind === "insurance")?.insuOrg ?? "",
      ecToken: this.#ecTokens.of(visit),
      ecTokenExpiresMs: visit.expiresAtMs as EventMs,
    });
  }

  async deTokenise(request: DeTokenise): Promise<Result<AccountBindings, ErrorName>> {
    const presented: UseItem["presented"] =
      request.purpose === "settlement"
        ? this.#presented(request.credential)
        : ok({ kind: "settlement", transactionId: request.originalTransactionId });
    const ageMaxMs = this.#options.access.institution(request.institution)?.offline.ageMaxMs ?? 0;
    const instant = this.#datedByUs(request, countingInstant(request.acceptedAtMs, request.atMs, ageMaxMs));
    const used = await this.#use(request, { step: request.purpose, presented, instant });
    return used.ok ? ok(await this.#accountsOf(used.value)) : used;
  }

  /** What an edge dates by its own clock, by ours. */
  #datedByUs(request: DeTokenise, dated: UseItem["instant"]): UseItem["instant"] {
    const by = request.purpose === "settlement" ? request.acceptedBy : undefined;
    if (by === undefined || !dated.ok) return dated;
    return ok(Math.min(request.atMs, this.#options.contacts?.instantOf(by.edge, dated.value, by.arrivedAtMs) ?? dated.value));
  }

  async openForPresettlement(request: CredentialUse): Promise<Result<OpenedVisit, ErrorName>> {
    const presented = this.#presented(request.credential);
    const used = await this.#use(request, { step: "presettlement", presented, instant: ok(request.atMs) });
    if (!used.ok) return used;
    return ok({ ...(await this.#accountsOf(used.value)), ecTokenExpiresMs: used.value.visit.expiresAtMs as EventMs });
  }

  async #accountsOf({ visit, person, bindings, position }: OpenedUse): Promise<AccountBindings> {
    const insurance = await this.#openAccount(bindings, "insurance");
    const commercial = await this.#openAccount(bindings, "commercial");
    const bank = await this.#openAccount(bindings, "bank");
    return {
      person: person.pseudonym,
      ecToken: this.#ecTokens.of(visit),
      position,
      ...(insurance === undefined
        ? {}
        : {
            insurance: {
              accountId: insurance.value,
              insuOrg: insurance.insuOrg,
            },
          }),
      ...(commercial === undefined ? {} : { commercial: { authorisationId: commercial.value } }),
      ...(bank === undefined ? {} : { bank: { contractId: bank.value } }),
    };
  }

  async revokeCode(request: { readonly code: string; readonly appId: string; readonly atMs: EventMs }): Promise<Result<void, ErrorName>> {
    const presented = this.#presented({ kind: "code", value: request.code });
    if (!presented.ok) return refused(presented.error.error);
    if (presented.value.kind !== "code") return refused("codeKindRefused");
    if (this.#options.access.app(request.appId) === undefined) return refused("channelUnknown");
    const { fingerprint } = presented.value;
    const outcome = await this.#uses.submit({ kind: "revoke", fingerprint, appId: request.appId, atMs: request.atMs });
    return outcome.ok ? ok(undefined) : outcome;
  }

  async revokedCodes(nowMs: number): Promise<readonly string[]> {
    const rows = await this.#options.registry.db.read(
      "SELECT fingerprint FROM code_token WHERE state = 'REVOKED' AND expires_at_ms >= ? ORDER BY expires_at_ms DESC LIMIT ?",
      nowMs - CLOCK_SKEW_MS,
      REVOKED_LISTED_MAX,
    );
    return rows.map((row) => textOf(row, "fingerprint"));
  }

  async expireCodes(atMs: EventMs): Promise<number> {
    const [result] = await this.#options.registry.db.write([
      {
        sql: "UPDATE code_token SET state = 'EXPIRED' WHERE state = 'ISSUED' AND expires_at_ms < ?",
        args: [atMs - ACCEPTED_AGE_MS_MAX],
      },
    ]);
    return result?.rowsAffected ?? 0;
  }

  async #use(
    request: Omit<CredentialUse, "credential">,
    use: Pick<UseItem, "step" | "presented" | "instant">,
  ): Promise<Result<OpenedUse, ErrorName>> {
    const { institution, terminal, businessType, transactionId, atMs, actor = "core" } = request;
    const scene = { institution, terminal, businessType };
    const outcome = await this.#uses.submit({ kind: "use", scene, transactionId, atMs, actor, ...use });
    if (!outcome.ok) return outcome;
    if (outcome.value === "revoked") throw new Error("a use was answered as a revocation");
    return ok(outcome.value);
  }

  /** What was shown, as far as its text alone tells. Static codes never settle and open nothing (S1 3.5). */
  #presented(credential: CredentialUse["credential"]): Result<Presented, Unusable> {
    const { fingerprints, access } = this.#options;
    if (credential.kind === "ecToken") return ok({ kind: "ecToken", fingerprint: fingerprints.ecToken(credential.value) });
    const parsed = parseScannedCode(credential.value, { appIdWidth: access.appIdWidth });
    if (!parsed.ok) return refused({ error: "codeMalformed", codeKind: "unreadable" });
    const code = parsed.value;
    if (code.kind !== "fused.signed" && code.kind !== "fused.opaque") return refused({ error: "codeKindRefused", codeKind: code.kind });
    return ok({ kind: "code", form: code.kind, fingerprint: fingerprints.code(code.text) });
  }

  async #openAccount(
    bindings: readonly BindingRow[],
    kind: AccountKind,
  ): Promise<{ readonly value: string; readonly insuOrg: string } | undefined> {
    const binding = bindings.find((candidate) => candidate.kind === kind);
    if (binding?.account === undefined) return undefined;
    const aad = sealedColumn("binding", "account", binding.bindingId, binding.keyVersion);
    const opened = await this.#options.keys.open(`${SEALING.vault}/${binding.keyVersion}`, binding.account, aad);
    const value = opened === undefined ? undefined : utf8Text(opened);
    if (value === undefined) throw new Error("a sealed account does not open: wrong key store or altered database");
    return { value, insuOrg: binding.insuOrg };
  }
}
