/**
 * What an app does for its own users (S0 6.1): registers a person under its name for the person, binds and ends
 * bindings of the person's accounts. Everything is reached through the app's binding of the person, so that an app
 * learns nothing of people, or of bindings, that are not its users'.
 */
import type { Access } from "../access/access.ts";
import type { Crypto, KeyStore } from "../crypto/port.ts";
import type { Fingerprints } from "../fingerprints.ts";
import type { Identity, RealName, SealedRealName } from "../identity/identity.ts";
import type { BindAccountRequest, BoundAccount, RegisterPersonReply, RegisterPersonRequest } from "../protocol/channel-operations.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { maskIdNo, maskName } from "../protocol/masking.ts";
import { ok, refused, type Result } from "../protocol/result.ts";
import type { Registry } from "../registry.ts";
import { bytesOf, numberOf, textOf } from "../rows.ts";
import { isTerminal } from "./binding-state.ts";
import type { Bindings } from "./bindings.ts";
import { type AccountKind, type BindingRow, readBindings } from "./rows.ts";

/**
 * Asks the payer whether the account is this person's. `unknown`: it did not answer, or cannot tell; the binding then
 * waits as PENDING and is asked again when the app repeats the call.
 */
export type ConfirmAccount = (account: {
  readonly kind: AccountKind;
  readonly accountId: string;
  readonly insuOrg: string;
  readonly holder: RealName;
}) => Promise<"confirmed" | "refused" | "unknown">;

export interface AppAccountsOptions {
  readonly registry: Registry;
  readonly access: Access;
  readonly identity: Identity;
  readonly bindings: Bindings;
  readonly crypto: Crypto;
  readonly keys: KeyStore;
  readonly fingerprints: Fingerprints;
  readonly confirm: ConfirmAccount;
}

export interface AppAccounts {
  /** Again with the same person: the same answer. */
  register(request: RegisterPersonRequest): Promise<Result<RegisterPersonReply, ErrorName>>;
  /** Again with the same account: asks the payer again while it is pending, else the same answer. */
  bind(request: BindAccountRequest): Promise<Result<BoundAccount, ErrorName>>;
  list(appId: string, appUserId: string): Promise<Result<readonly BoundAccount[], ErrorName>>;
  unbind(appId: string, appUserId: string, bindingId: string): Promise<Result<void, ErrorName>>;
}

export function openAppAccounts(options: AppAccountsOptions): AppAccounts {
  return new RegistryAppAccounts(options);
}

class RegistryAppAccounts implements AppAccounts {
  readonly #options: AppAccountsOptions;

  constructor(options: AppAccountsOptions) {
    this.#options = options;
  }

  async register(request: RegisterPersonRequest): Promise<Result<RegisterPersonReply, ErrorName>> {
    const { orgId: appId, appUserId, idType, idNo, userName } = request;
    const by = `app/${appId}`;
    const known = await this.#user(appId, appUserId);
    const registered = await this.#options.identity.register({ idType, idNo, name: userName }, by);
    if (!registered.ok) return registered;
    const { personId } = registered.value;
    // The app's name for a person is fixed: it never comes to mean somebody else.
    if (known !== undefined && known.personId !== personId) return refused("idempotencyConflict");
    if (known === undefined) {
      const bound = await this.#options.bindings.bindApp({ personId, appId, appUserId }, by);
      // A repetition that ran at the same time bound it first: then it must be the same person.
      if (!bound.ok && (await this.#user(appId, appUserId))?.personId !== personId) return bound;
    }
    return ok({ appUserId, userName: maskName(userName.normalize("NFC").trim()), idNo: maskIdNo(idNo) });
  }

  async bind(request: BindAccountRequest): Promise<Result<BoundAccount, ErrorName>> {
    const { orgId: appId, appUserId, kind, accountId, insuOrg = "" } = request;
    if ((kind === "insurance") !== (insuOrg !== "")) return refused("badRequest");
    const user = await this.#user(appId, appUserId);
    if (user === undefined) return refused("credentialUnknown");
    const living = await this.#living(user.personId, kind, accountId);
    if (living !== undefined && living.state !== "PENDING") return ok(shown(living));
    const holder = await this.#options.identity.openRealName(user);
    const answer = await this.#options.confirm({ kind, accountId, insuOrg, holder });
    if (answer === "refused") return refused("bindingMissing");
    const by = `app/${appId}`;
    if (living === undefined) {
      const account = { personId: user.personId, kind, accountId, confirmed: answer === "confirmed" };
      const bound = await this.#options.bindings.bindAccount(kind === "insurance" ? { ...account, insuOrg } : account, by);
      if (!bound.ok && bound.error !== "idempotencyConflict") return bound;
    } else if (answer === "confirmed") {
      await this.#options.bindings.step(living.bindingId, { step: "activate" }, by);
    }
    const row = await this.#living(user.personId, kind, accountId);
    return row === undefined ? refused("bindingMissing") : ok(shown(row));
  }

  async list(appId: string, appUserId: string): Promise<Result<readonly BoundAccount[], ErrorName>> {
    const user = await this.#user(appId, appUserId);
    return user === undefined ? refused("credentialUnknown") : ok((await this.#accounts(user.personId)).map(shown));
  }

  async unbind(appId: string, appUserId: string, bindingId: string): Promise<Result<void, ErrorName>> {
    const user = await this.#user(appId, appUserId);
    if (user === undefined) return refused("credentialUnknown");
    const [row] = await readBindings(this.#options.registry.db, "binding_id", [bindingId]);
    // One answer for unknown and foreign.
    if (row === undefined || row.personId !== user.personId || row.kind === "app") return refused("bindingMissing");
    if (row.state === "REVOKED") return ok(undefined);
    const ended = await this.#options.bindings.step(bindingId, { step: "revoke" }, `app/${appId}`);
    return ended.ok ? ok(undefined) : ended;
  }

  /** The person that the app knows by this name. */
  async #user(appId: string, appUserId: string): Promise<SealedRealName | undefined> {
    const fingerprint = await this.#options.fingerprints.guessable("app-user", appId, appUserId);
    const [row] = await this.#options.registry.db.read(
      `SELECT p.person_id, p.identity, p.key_version FROM binding b JOIN person p ON p.person_id = b.person_id
       WHERE b.kind = 'app' AND b.state = 'ACTIVE' AND b.fingerprint = ?`,
      fingerprint,
    );
    if (row === undefined) return undefined;
    return { personId: textOf(row, "person_id"), identity: bytesOf(row, "identity"), keyVersion: numberOf(row, "key_version") };
  }

  async #living(personId: string, kind: AccountKind, accountId: string): Promise<BindingRow | undefined> {
    const fingerprint = await this.#options.fingerprints.guessable("account", kind, personId, accountId);
    return (await readBindings(this.#options.registry.db, "fingerprint", [fingerprint])).find((row) => !isTerminal(row.state));
  }

  async #accounts(personId: string): Promise<readonly BindingRow[]> {
    const ids = await this.#options.registry.db.read(
      "SELECT binding_id FROM binding WHERE person_id = ? AND kind <> 'app' ORDER BY changed_at_ms, binding_id",
      personId,
    );
    const rows = await readBindings(
      this.#options.registry.db,
      "binding_id",
      ids.map((row) => textOf(row, "binding_id")),
    );
    return rows.filter((row) => !isTerminal(row.state));
  }
}

function shown(row: BindingRow): BoundAccount {
  const { bindingId, kind, state, insuOrg } = row;
  if (kind === "app" || (state !== "PENDING" && state !== "ACTIVE" && state !== "SUSPENDED")) throw new Error("not a living account");
  return { bindingId, kind, state: ({ PENDING: "pending", ACTIVE: "active", SUSPENDED: "suspended" } as const)[state], insuOrg };
}
