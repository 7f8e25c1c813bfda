/**
 * The vault's desk: uses and revocations of credentials, a batch at a time. Every one, granted or refused, is an entry
 * of the registry log in the transaction of its effect; of two uses racing for one code, the first in the batch wins.
 */
import type { LeafDraft, LedgerPosition } from "../../ledger/leaf-draft.ts";
import type { WrittenData } from "../../streams/contracts/topics.ts";
import type { Access } from "../access/access.ts";
import type { Terminal } from "../access/directory.ts";
import type { Crypto } from "../crypto/port.ts";
import type { Fingerprints } from "../fingerprints.ts";
import { toHex } from "../protocol/bytes.ts";
import { type ErrorName, OBSERVED_BY_CORE } from "../protocol/errors.ts";
import { ok, refused, type Result } from "../protocol/result.ts";
import type { Answer, Batch, DeskDecision, Registry } from "../registry.ts";
import { checkScene, type Scene } from "./domain-controls.ts";
import type { EcTokens } from "./ec-token.ts";
import { vaultEvent } from "./events.ts";
import { credentialOf, type Granted, judge, type Presented, type Use } from "./judgement.ts";
import type { BindingRow, PersonRow, Step, VisitRow } from "./rows.ts";
import { type KnownUse, UseView } from "./use-view.ts";
import { USE_FACT, useHash, visitFacts } from "./vault-facts.ts";

export interface UseItem {
  readonly kind: "use";
  readonly step: Step;
  readonly scene: Scene;
  readonly transactionId: string;
  readonly actor: string;
  /** When the credential counts as shown. */
  readonly instant: Result<number, ErrorName>;
  readonly atMs: number;
  readonly presented: Result<Presented, Unusable>;
}
/** A code that no vault could know, such as a static one. */
export interface Unusable {
  readonly error: ErrorName;
  readonly codeKind: CodeKind;
}
type CodeKind = WrittenData<"code.scan.observed.v1">["codeKind"];

export interface RevokeItem {
  readonly kind: "revoke";
  readonly fingerprint: string;
  readonly appId: string;
  readonly atMs: number;
}

export type UseOutcome = Result<OpenedUse | "revoked", ErrorName>;
export interface OpenedUse {
  readonly visit: VisitRow;
  readonly person: PersonRow;
  readonly bindings: readonly BindingRow[];
  readonly position: LedgerPosition;
}

export interface UseRules {
  readonly registry: Registry;
  readonly access: Access;
  readonly crypto: Crypto;
  readonly fingerprints: Fingerprints;
  readonly ecTokens: EcTokens;
  readonly ecTokenLifeMs: number;
  /** First six digits of an ecToken when the person has no insured area. */
  readonly area: string;
}

export function decideUses(rules: UseRules): DeskDecision<UseItem | RevokeItem, UseOutcome> {
  return async (items, batch) => {
    const view = await UseView.read(rules.registry.db, rules.registry.log.origin, {
      codeFingerprints: items.flatMap((item) => codeOf(item) ?? []),
      tokenFingerprints: items.flatMap((item) => tokenOf(item) ?? []),
      transactionIds: items.flatMap(transactionsOf),
    });
    const answers = items.map((item) => (item.kind === "use" ? decideUse(rules, item, view, batch) : decideRevocation(item, view, batch)));
    batch.write((positionOf) => view.statements(positionOf));
    return answers;
  };
}

function decideUse(rules: UseRules, item: UseItem, view: UseView, batch: Batch): Answer<UseOutcome> {
  if (!wellFormed(item)) return refuse(item, "badRequest", undefined, batch);
  if (!item.presented.ok) return refuse(item, item.presented.error.error, undefined, batch);
  const presented = item.presented.value;
  const prior = view.use(item.step, item.transactionId);
  if (prior !== undefined)
    return isRepetition(prior, item, presented) ? repeat(prior, item, view, batch) : refuse(item, "idempotencyConflict", view, batch);
  const terminal = checkScene(rules.access, item.scene, item.step);
  if (!terminal.ok) return refuse(item, terminal.error, view, batch);
  if (!item.instant.ok) return refuse(item, item.instant.error, view, batch);
  const use: Use = { ...item.scene, step: item.step, presented, transactionId: item.transactionId, instantMs: item.instant.value };
  const verdict = judge(use, view);
  if (verdict.ok && view.person(verdict.value.personId).closing) return refuse(item, "credentialUnknown", view, batch);
  return verdict.ok
    ? grant(rules, { item, use, terminal: terminal.value }, verdict.value, view, batch)
    : refuse(item, verdict.error, view, batch);
}

/** The point after which nothing is refused: code, visit, use, entry and event, all in this batch. */
function grant(
  rules: UseRules,
  granting: { readonly item: UseItem; readonly use: Use; readonly terminal: Terminal },
  granted: Granted,
  view: UseView,
  batch: Batch,
): Answer<UseOutcome> {
  const { item, use, terminal } = granting;
  const opened = granted.visit ?? openVisit(rules, use, granted);
  const visit = use.step === "settlement" ? { ...opened, settledBy: use.transactionId } : opened;
  if (granted.code !== undefined) view.changeCode({ ...granted.code, state: "CONSUMED", visitId: visit.visitId });
  if (visit !== granted.visit) view.changeVisit(visit);
  const person = view.person(granted.personId);
  const bindings = use.step === "resolve" ? [] : granted.bindings;
  const record = { visitId: visit.visitId, bindings: granted.bindings.map((binding) => binding.bindingId), atMs: use.instantMs };
  const facts = { ...(granted.visit === undefined ? visitFacts(rules.crypto, visit) : {}), [USE_FACT]: useHash(rules.crypto, record) };
  const entry = batch.append(grantedDraft(item, visit, person, bindings, facts));
  view.addUse({
    ...record,
    transactionId: use.transactionId,
    step: use.step,
    credential: credentialOf(use.presented),
    terminal: item.scene.terminal,
    businessType: item.scene.businessType,
    entry,
  });
  const data = {
    transactionId: use.transactionId,
    ...item.scene,
    person: person.pseudonym,
    codeFingerprint: visit.codeFingerprint,
    latitude: terminal.latitude,
    longitude: terminal.longitude,
    atMs: use.instantMs,
  };
  // A question about a bill by the visit's own token is no further meeting of the person.
  const meets = use.step !== "refund" && (use.step !== "presettlement" || granted.code !== undefined);
  if (meets) batch.publish((at) => vaultEvent("identity.token.resolved.v1", item.scene.institution, data, at(entry)));
  return (positionOf) => ok({ visit, person, bindings: granted.bindings, position: positionOf(entry) });
}

function openVisit(rules: UseRules, use: Use, granted: Granted): VisitRow {
  const code = granted.code;
  if (code === undefined) throw new Error("a visit is opened by a code");
  const visitId = toHex(rules.crypto.random(16));
  const insured = granted.bindings.find((binding) => binding.kind === "insurance")?.insuOrg ?? "";
  const area = /^\d{6}/.exec(insured)?.[0] ?? rules.area;
  return {
    visitId,
    area,
    tokenFingerprint: rules.fingerprints.ecToken(
      rules.ecTokens.of({
        visitId,
        area,
      }),
    ),
    codeFingerprint: code.fingerprint,
    personId: code.personId,
    purpose: code.purpose,
    institution: use.institution,
    terminal: use.terminal,
    businessFamily: use.businessType.slice(0, 2),
    expiresAtMs: use.instantMs + rules.ecTokenLifeMs,
    settledBy: undefined,
  };
}

function isRepetition(prior: KnownUse, item: UseItem, presented: Presented): boolean {
  const { terminal, businessType } = item.scene;
  return prior.credential === credentialOf(presented) && prior.terminal === terminal && prior.businessType === businessType;
}

/** The same answer under the same position; that accounts were opened again is an entry of its own. */
function repeat(prior: KnownUse, item: UseItem, view: UseView, batch: Batch): Answer<UseOutcome> {
  const visit = view.visit(prior.visitId);
  if (visit === undefined) throw new Error("a use without its visit");
  const person = view.person(visit.personId);
  const opened = new Set(prior.bindings);
  const bindings = view.bindings(visit.personId).filter((binding) => opened.has(binding.bindingId));
  batch.append(grantedDraft(item, visit, person, item.step === "resolve" ? [] : bindings, { repeated: "yes" }));
  return (positionOf) => ok({ visit, person, bindings, position: prior.position(positionOf) });
}

/** Nothing but the entry, and the scan that only the vault could see fail. */
function refuse(item: UseItem, error: ErrorName, view: UseView | undefined, batch: Batch): Answer<UseOutcome> {
  const entry = batch.append(refusedDraft(item, error, view));
  const scan = scanOf(item, error, view);
  if (scan !== undefined) batch.publish((positionOf) => vaultEvent("code.scan.observed.v1", scan.institution, scan, positionOf(entry)));
  return () => refused(error);
}

/** S0 5.2: an app may take back a code that was not used. */
function decideRevocation(item: RevokeItem, view: UseView, batch: Batch): Answer<UseOutcome> {
  const code = view.code(item.fingerprint);
  const error = revocationObstacle(item, view);
  const who = { actor: `app/${item.appId}`, subject: item.fingerprint, ...personOf(code?.personId, view) };
  if (error !== undefined || code === undefined) {
    const name = error ?? "codeUnknown";
    batch.append({ kind: "vault.code.revoked", outcome: "refused", code: name, ...who });
    return () => refused(name);
  }
  view.changeCode({ ...code, state: "REVOKED" });
  batch.append({ kind: "vault.code.revoked", outcome: "accepted", ...who });
  return () => ok("revoked");
}

function revocationObstacle(item: RevokeItem, view: UseView): ErrorName | undefined {
  const code = view.code(item.fingerprint);
  // One answer for unknown and foreign: an app learns nothing about another's codes.
  if (code === undefined || code.appId !== item.appId) return "codeUnknown";
  if (code.state === "CONSUMED") return "codeUsed";
  if (code.state === "ISSUED" && item.atMs >= code.expiresAtMs) return "codeExpired";
  return code.state === "EXPIRED" ? "codeExpired" : undefined;
}

const ORG = /^[0-9A-Za-z][0-9A-Za-z._-]{0,39}$/;
const TERMINAL = /^[0-9A-Za-z][0-9A-Za-z._-]{0,31}$/;
const OUT_TRADE_NO = /^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$/;

/** Purpose and transaction are mandatory (domain notes 3.4), and a transaction is its institution's own. */
function wellFormed(item: UseItem): boolean {
  const { institution, terminal, businessType } = item.scene;
  const [org, outTradeNo = "", ...rest] = item.transactionId.split("/");
  return (
    ORG.test(institution) &&
    TERMINAL.test(terminal) &&
    /^\d{5}$/.test(businessType) &&
    org === institution &&
    OUT_TRADE_NO.test(outTradeNo) &&
    rest.length === 0
  );
}

function grantedDraft(
  item: UseItem,
  visit: VisitRow,
  person: PersonRow,
  opened: readonly BindingRow[],
  more: Record<string, string>,
): LeafDraft {
  const accounts = opened.map((binding) => binding.kind).join(" ");
  return {
    kind: item.step === "resolve" ? "vault.token.resolved" : "vault.account.detokenised",
    outcome: "accepted",
    actor: item.actor,
    institution: item.scene.institution,
    subject: item.presented.ok && item.presented.value.kind === "code" ? visit.codeFingerprint : visit.tokenFingerprint,
    ...(item.presented.ok && item.presented.value.kind === "settlement" ? { parent: item.presented.value.transactionId } : {}),
    idempotencyKey: item.transactionId,
    facts: { ...factsOf(item), ...(accounts === "" ? {} : { accounts }), ...more },
    personal: { person: person.pseudonym },
  };
}

/** Of a malformed request nothing is written down but that it came. */
function refusedDraft(item: UseItem, code: ErrorName, view: UseView | undefined): LeafDraft {
  const base = { kind: "vault.token.refused", outcome: "refused", code, actor: item.actor } as const;
  if (!wellFormed(item)) return { ...base, facts: { step: item.step } };
  return {
    ...base,
    institution: item.scene.institution,
    idempotencyKey: item.transactionId,
    facts: { ...factsOf(item), ...contestOf(item, code, view)?.facts },
    ...subjectOf(item),
    ...(view === undefined ? {} : personOf(personPresented(item, view), view)),
  };
}

function factsOf(item: UseItem): Record<string, string> {
  const credential = item.presented.ok ? item.presented.value.kind : "code";
  return { step: item.step, terminal: item.scene.terminal, businessType: item.scene.businessType, credential };
}

function subjectOf(item: UseItem): { readonly subject?: string } {
  return item.presented.ok ? { subject: credentialOf(item.presented.value) } : {};
}

function personPresented(item: UseItem, view: UseView): string | undefined {
  if (!item.presented.ok) return undefined;
  const presented = item.presented.value;
  if (presented.kind === "code") return view.code(presented.fingerprint)?.personId;
  return presented.kind === "ecToken" ? view.visitOfToken(presented.fingerprint)?.personId : undefined;
}

function personOf(personId: string | undefined, view: UseView): { readonly personal?: { readonly person: string } } {
  const person = personId === undefined ? undefined : view.findPerson(personId);
  return person === undefined ? {} : { personal: { person: person.pseudonym } };
}

/**
 * A code that an edge took for a settlement and that another transaction has already: two edges without a link can both
 * take one code. The first that arrived keeps it; that there was a second is told apart from a mere second showing.
 */
function contestOf(item: UseItem, error: ErrorName, view: UseView | undefined): Contest | undefined {
  if (item.step !== "settlement" || error !== "codeUsed" || !item.presented.ok || item.presented.value.kind !== "code") return undefined;
  const visitId = view?.code(item.presented.value.fingerprint)?.visitId;
  const visit = visitId === undefined ? undefined : view?.visit(visitId);
  if (visit === undefined) return undefined;
  const { institution, terminal, settledBy } = visit;
  return {
    scan: {
      outcome: CONTESTED,
      contestedWith: { institution, terminal, ...(settledBy === undefined ? {} : { transactionId: settledBy }) },
    },
    facts: { contestedWith: settledBy ?? institution },
  };
}
const CONTESTED = "codeContested";
interface Contest {
  readonly scan: Pick<WrittenData<"code.scan.observed.v1">, "outcome" | "contestedWith">;
  readonly facts: Readonly<Record<string, string>>;
}

function scanOf(item: UseItem, error: ErrorName, view: UseView | undefined): WrittenData<"code.scan.observed.v1"> | undefined {
  if (!OBSERVED_BY_CORE.has(error) || !wellFormed(item) || item.step === "refund") return undefined;
  const shown = item.presented.ok ? shownCode(item.presented.value) : { codeKind: item.presented.error.codeKind };
  if (shown === undefined) return undefined;
  return {
    ...item.scene,
    ...shown,
    step: item.step === "settlement" ? "settle" : "verify",
    outcome: error,
    observedBy: "core",
    atMs: item.instant.ok ? item.instant.value : item.atMs,
    ...contestOf(item, error, view)?.scan,
  };
}

function shownCode(presented: Presented): { readonly codeKind: CodeKind; readonly codeFingerprint: string } | undefined {
  return presented.kind === "code" ? { codeKind: presented.form, codeFingerprint: presented.fingerprint } : undefined;
}

function codeOf(item: UseItem | RevokeItem): string | undefined {
  if (item.kind === "revoke") return item.fingerprint;
  return item.presented.ok && item.presented.value.kind === "code" ? item.presented.value.fingerprint : undefined;
}

function tokenOf(item: UseItem | RevokeItem): string | undefined {
  return item.kind === "use" && item.presented.ok && item.presented.value.kind === "ecToken" ? item.presented.value.fingerprint : undefined;
}

function transactionsOf(item: UseItem | RevokeItem): readonly string[] {
  if (item.kind === "revoke") return [];
  const original = item.presented.ok && item.presented.value.kind === "settlement" ? [item.presented.value.transactionId] : [];
  return [item.transactionId, ...original];
}
