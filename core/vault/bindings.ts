/**
 * Bindings (S0 4.2 (1), 6.1): a person's accounts at the payers, and a person's place in an app. Account values are
 * sealed on the way in, opened only by a granted de-tokenisation, and erased when the binding ends.
 */
import type { LedgerPosition } from "../../ledger/leaf-draft.ts";
import type { KeyStore, Crypto } from "../crypto/port.ts";
import type { Access } from "../access/access.ts";
import type { Fingerprints } from "../fingerprints.ts";
import { SEALING, SEALING_VERSION, sealedColumn } from "../key-handles.ts";
import { toHex, utf8 } from "../protocol/bytes.ts";
import type { ErrorName } from "../protocol/errors.ts";
import { ok, refused, type Result } from "../protocol/result.ts";
import type { Answer, Batch, Desk, DeskDecision, Registry } from "../registry.ts";
import { type BindingStep, isTerminal, stepBinding } from "./binding-state.ts";
import { vaultEvent } from "./events.ts";
import { type AccountKind, type BindingRow, type PersonRow, readBindings, readPersons, writeBindings } from "./rows.ts";

export interface BindAccount {
  readonly personId: string;
  readonly kind: AccountKind;
  /** 应用签发号 of the payer: account, authorisation or contract id. */
  readonly accountId: string;
  /** Insured area; mandatory for insurance, six digits or more. */
  readonly insuOrg?: string;
  /** Whether the payer has confirmed it already; otherwise the binding waits as PENDING. */
  readonly confirmed: boolean;
  readonly expiresAtMs?: number;
}
export interface BindApp {
  readonly personId: string;
  readonly appId: string;
  /** The app's own name for the person. */
  readonly appUserId: string;
}
export interface Bound {
  readonly bindingId: string;
  readonly position: LedgerPosition;
}

export interface Bindings {
  bindAccount(request: BindAccount, by: string): Promise<Result<Bound, ErrorName>>;
  bindApp(request: BindApp, by: string): Promise<Result<Bound, ErrorName>>;
  /** One step of the life of a binding; a step that is not allowed changes nothing and is not recorded. */
  step(bindingId: string, step: BindingStep, by: string): Promise<Result<Bound, ErrorName>>;
}

export interface BindingsOptions {
  readonly registry: Registry;
  readonly crypto: Crypto;
  readonly keys: KeyStore;
  readonly access: Access;
  readonly fingerprints: Fingerprints;
}

type Item =
  | { readonly kind: "bind"; readonly row: BindingRow; readonly by: string }
  | { readonly kind: "step"; readonly bindingId: string; readonly step: BindingStep; readonly by: string };

export function openBindings(options: BindingsOptions): Bindings {
  const desk = options.registry.desk(decideBindings(options.registry));
  return {
    bindAccount: (request, by) => bindAccount(options, desk, request, by),
    bindApp: (request, by) => bindApp(options, desk, request, by),
    step: (bindingId, step, by) => desk.submit({ kind: "step", bindingId, step, by }),
  };
}

type BindingDesk = Desk<Item, Result<Bound, ErrorName>>;

async function bindAccount(
  options: BindingsOptions,
  desk: BindingDesk,
  request: BindAccount,
  by: string,
): Promise<Result<Bound, ErrorName>> {
  const insuOrg = request.insuOrg ?? "";
  if (!/^[^\p{Cc}\p{Z}]{1,128}$/u.test(request.accountId)) return refused("badRequest");
  if (request.kind === "insurance" ? !/^\d{6,12}$/.test(insuOrg) : insuOrg !== "") return refused("badRequest");
  const bindingId = toHex(options.crypto.random(16));
  const aad = sealedColumn("binding", "account", bindingId, SEALING_VERSION);
  const row: BindingRow = {
    bindingId,
    personId: request.personId,
    kind: request.kind,
    insuOrg,
    keyVersion: SEALING_VERSION,
    state: request.confirmed ? "ACTIVE" : "PENDING",
    suspendedBy: [],
    expiresAtMs: request.expiresAtMs,
    changedAtMs: 0,
    fingerprint: await options.fingerprints.guessable("account", request.kind, request.personId, request.accountId),
    account: await options.keys.seal(`${SEALING.vault}/${SEALING_VERSION}`, utf8(request.accountId), aad),
  };
  return await desk.submit({ kind: "bind", row, by });
}

async function bindApp(options: BindingsOptions, desk: BindingDesk, request: BindApp, by: string): Promise<Result<Bound, ErrorName>> {
  if (options.access.app(request.appId) === undefined) return refused("channelUnknown");
  if (!/^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$/.test(request.appUserId)) return refused("badRequest");
  const row: BindingRow = {
    bindingId: toHex(options.crypto.random(16)),
    personId: request.personId,
    kind: "app",
    insuOrg: "",
    keyVersion: SEALING_VERSION,
    state: "ACTIVE",
    suspendedBy: [],
    account: undefined,
    expiresAtMs: undefined,
    changedAtMs: 0,
    fingerprint: await options.fingerprints.guessable("app-user", request.appId, request.appUserId),
  };
  return await desk.submit({ kind: "bind", row, by });
}

function decideBindings(registry: Registry): DeskDecision<Item, Result<Bound, ErrorName>> {
  return async (items, batch) => {
    const view = await BindingView.read(registry, items);
    const answers = items.map((item) => (item.kind === "bind" ? decideBind(item, view, batch) : decideStep(item, view, batch)));
    batch.write(() => writeBindings(view.changed()));
    return answers;
  };
}

/** The rows a batch of binding changes needs, and those it changed. */
class BindingView {
  readonly #rows = new Map<string, BindingRow>();
  readonly #changed = new Set<string>();
  readonly persons = new Map<string, PersonRow>();

  static async read(registry: Registry, items: readonly Item[]): Promise<BindingView> {
    const view = new BindingView();
    const [byId, byFingerprint] = await Promise.all([
      readBindings(
        registry.db,
        "binding_id",
        items.flatMap((item) => (item.kind === "step" ? [item.bindingId] : [])),
      ),
      readBindings(
        registry.db,
        "fingerprint",
        items.flatMap((item) => (item.kind === "bind" ? [item.row.fingerprint] : [])),
      ),
    ]);
    for (const row of [...byId, ...byFingerprint]) view.#rows.set(row.bindingId, row);
    const personIds = [...view.#rows.values(), ...items.flatMap((item) => (item.kind === "bind" ? [item.row] : []))].map(
      (row) => row.personId,
    );
    for (const person of await readPersons(registry.db, personIds)) view.persons.set(person.personId, person);
    return view;
  }

  row(bindingId: string): BindingRow | undefined {
    return this.#rows.get(bindingId);
  }

  /** The living binding of the same account, or of the same user of an app. */
  living(fingerprint: string, atMs: number): BindingRow | undefined {
    const lives = (row: BindingRow): boolean => !isTerminal(row.state) && (row.expiresAtMs === undefined || atMs < row.expiresAtMs);
    return [...this.#rows.values()].find((row) => row.fingerprint === fingerprint && lives(row));
  }

  change(row: BindingRow): void {
    this.#rows.set(row.bindingId, row);
    this.#changed.add(row.bindingId);
  }

  changed(): readonly BindingRow[] {
    return [...this.#changed].flatMap((bindingId) => this.#rows.get(bindingId) ?? []);
  }
}

function decideBind(item: Extract<Item, { kind: "bind" }>, view: BindingView, batch: Batch): Answer<Result<Bound, ErrorName>> {
  const person = view.persons.get(item.row.personId);
  if (person === undefined || person.closing) return () => refused("credentialUnknown");
  if (view.living(item.row.fingerprint, batch.atMs) !== undefined) return () => refused("idempotencyConflict");
  return record({ ...item.row, changedAtMs: batch.atMs }, person, item.by, "bind", view, batch);
}

function decideStep(item: Extract<Item, { kind: "step" }>, view: BindingView, batch: Batch): Answer<Result<Bound, ErrorName>> {
  const row = view.row(item.bindingId);
  const person = row === undefined ? undefined : view.persons.get(row.personId);
  if (row === undefined || person === undefined) return () => refused("bindingMissing");
  const standing = stepBinding(row, item.step);
  if (standing === undefined) return () => refused(isTerminal(row.state) ? "bindingMissing" : "badRequest");
  const account = isTerminal(standing.state) ? undefined : row.account;
  return record({ ...row, ...standing, account, changedAtMs: batch.atMs }, person, item.by, item.step.step, view, batch);
}

const WIRE_STATES = { PENDING: "pending", ACTIVE: "active", SUSPENDED: "suspended", REVOKED: "revoked", EXPIRED: "expired" } as const;

/** Row, entry and event of one change. */
function record(
  row: BindingRow,
  person: PersonRow,
  by: string,
  step: string,
  view: BindingView,
  batch: Batch,
): Answer<Result<Bound, ErrorName>> {
  view.change(row);
  const entry = batch.append({
    kind: "vault.binding.changed",
    outcome: "accepted",
    actor: by,
    subject: row.bindingId,
    facts: { kind: row.kind, state: row.state, step, ...(row.suspendedBy.length === 0 ? {} : { suspendedBy: row.suspendedBy.join(" ") }) },
    personal: { person: person.pseudonym },
  });
  const data = { person: person.pseudonym, kind: row.kind, state: WIRE_STATES[row.state], atMs: batch.atMs };
  batch.publish((positionOf) => vaultEvent("identity.binding.changed.v1", person.pseudonym, data, positionOf(entry)));
  return (positionOf) => ok({ bindingId: row.bindingId, position: positionOf(entry) });
}
