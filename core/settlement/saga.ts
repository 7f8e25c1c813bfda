/**
 * Carrying one settlement through its payers: hold on each in turn, then take from all; or undo; or give back.
 *
 * Every step ends in one durable transition, and every call to a payer has a key that follows from the settlement. So
 * a crash between any two lines repeats questions, never payments. An answer that is missing, or that cannot be true,
 * leaves the step `unknown`, to be asked again later, up to a limit; from there on only a payer's statement can tell
 * (`awaiting`). What a statement proved is used in place of the call.
 */
import type { ErrorName } from "../protocol/errors.ts";
import { asFen, type Fen } from "../protocol/money.ts";
import type { Clock, EventMs } from "../protocol/time.ts";
import type { SealedCredential } from "../protocol/internal.ts";
import { ok, refused, type Result } from "../protocol/result.ts";
import type { AccountBindings, CredentialUse, Vault } from "../vault/port.ts";
import {
  type Contradiction,
  type FundPart,
  type Leg,
  legTotal,
  RAIL_ORDER,
  type RailName,
  remainderOf,
  sameParts,
  takeLeg,
} from "./plan.ts";
import { type Asking, type MoveAnswer, type RailAccount, type RailAction, railKey, type RailRefusal, type Rails } from "./rails/port.ts";
import type { LateAnswer, LeaveCause, MissingAnswer, Proven, References, Settlement, Transition } from "./settlement.ts";
import { isResting, stepOf } from "./states.ts";

/** Opens what the edge sealed, bound to the request: `createCredentialOpener` of the vault. */
export type OpenCredential = (
  sealed: SealedCredential,
  bound: { readonly institution: string; readonly outTradeNo: string },
) => Promise<Result<CredentialUse["credential"], ErrorName>>;

export interface SagaPorts {
  readonly rails: Rails;
  readonly vault: Pick<Vault, "deTokenise">;
  readonly openCredential: OpenCredential;
  readonly clock: Clock;
  readonly patience: Patience;
  /** True once no further step is to be begun. */
  readonly stopped: () => boolean;
  /** Makes a transition durable. */
  readonly advance: (before: Settlement, transition: Transition) => Promise<Settlement>;
}

export interface Patience {
  /** First pause before a missing answer is asked for again; doubles up to `askAgainMaxMs`. */
  readonly askAgainMinMs: number;
  readonly askAgainMaxMs: number;
  /** How often a payer is asked for what moves money (capture, release, refund) before the answer is left to reconciliation. */
  readonly asksMax: number;
  /** How long a hold may stay unknown before everything is released and the settlement refused; below the payers' hold time. */
  readonly holdMs: number;
}

/** The vault or a key is away for the moment: nothing is decided, the step is tried again. */
export class NotNowError extends Error {
  override readonly name = "NotNowError";
}

/** Carries a settlement on until it is terminal or an answer is missing. `asking` says whether earlier calls may have left. */
export async function carryOut(ports: SagaPorts, from: Settlement, asking: Asking): Promise<Settlement> {
  const accounts = onceFor(ports, from);
  let settlement = from;
  for (let asked = asking; ; asked = "first") {
    settlement = await ports.advance(settlement, await nextTransition(ports, settlement, asked, accounts));
    if (isResting(settlement.standing.state) || ports.stopped()) return settlement;
  }
}

type Accounts = () => Promise<AccountsAnswer>;
type AccountsAnswer = { readonly bindings: AccountBindings } | { readonly refusal: ErrorName };

async function nextTransition(ports: SagaPorts, settlement: Settlement, asking: Asking, accounts: Accounts): Promise<Transition> {
  const step = stepOf(settlement.standing);
  switch (step) {
    case "accepted":
      return await begin(accounts);
    case "holding":
      return await hold(ports, settlement, asking, accounts);
    case "posting":
      return await post(ports, settlement, asking);
    case "voiding":
      return await undo(ports, settlement, asking);
    case "refunding":
      return await giveBack(ports, settlement, asking);
    case "settled":
    case "refused":
    case "refunded":
      throw new RangeError(`nothing follows ${step}`);
  }
}

/** Who pays is asked before any payer is, so that a refusal here has nothing to undo. */
async function begin(accounts: Accounts): Promise<Transition> {
  const answer = await accounts();
  if ("refusal" in answer) return refusedUntouched(answer.refusal);
  const { bindings } = answer;
  const bound = RAIL_ORDER.filter((rail) => bindings[rail] !== undefined);
  if (bound.length === 0) return refusedUntouched("bindingMissing");
  return { name: "hold", person: bindings.person, region: areaOf(bindings.insurance?.insuOrg), bound };
}

/** Insurance, then commercial at most the rest, then the bank all of what is left (domain notes 4.4). */
async function hold(ports: SagaPorts, settlement: Settlement, asking: Asking, accounts: Accounts): Promise<Transition> {
  const { id: settlementId, institution, businessType, amount: bill } = settlement;
  const legs: Leg[] = [];
  for (const rail of settlement.bound ?? []) {
    const asked = remainderOf(bill, legs);
    if (asked === 0n) break;
    const account = async (): Promise<RailAccount | undefined> => accountOn(rail, await accounts());
    const request = { settlementId, institution, businessType, bill, asked, account, ...settlement.care };
    const answer = await ports.rails[rail].authorise(request, asking);
    switch (answer.kind) {
      case "unasked":
        // The person unbound an account between two attempts: whatever was held is released.
        return voiding(await refusalToOpen(accounts));
      case "unknown":
        return lostHold(ports, settlement, rail);
      case "refused":
        if (!isNo("authorise", answer.reason)) return lostHold(ports, settlement, rail);
        return declined(settlement, legs, refusalOf(answer.reason));
      case "done": {
        const offered = legOf(rail, asked, answer);
        if (offered.ok) {
          legs.push(...offered.value);
          continue;
        }
        // An answer that cannot be true: what the payer has on record under the key decides, now and for good.
        const recorded = await ports.rails[rail].query(railKey(settlementId, rail, "authorise"));
        if (recorded.kind === "unknown" || recorded.kind === "absent") return lostHold(ports, settlement, rail);
        if (recorded.kind === "refused" && !isNo("authorise", recorded.reason)) return lostHold(ports, settlement, rail);
        if (recorded.kind === "refused") return declined(settlement, legs, refusalOf(recorded.reason));
        const again = legOf(rail, asked, recorded);
        if (!again.ok) return voiding("payerRefused", { contradictions: { [rail]: again.error } });
        legs.push(...again.value);
      }
    }
  }
  if (remainderOf(bill, legs) === 0n) return { name: "held", legs };
  return declined(settlement, legs, "bindingMissing");
}

/** What a payer offers, as a leg; none where it pays nothing. The bank has no such choice. */
function legOf(
  rail: RailName,
  asked: Fen,
  offer: { readonly amount: Fen; readonly parts: readonly FundPart[]; readonly railReference: string },
): Result<readonly Leg[], Contradiction | "partsNotAmount"> {
  if (offer.parts.reduce((sum, part) => sum + part.amount, 0n) !== offer.amount) return refused("partsNotAmount");
  if (offer.amount === 0n && offer.parts.length === 0 && rail !== "bank") return ok([]);
  const leg = takeLeg(rail, asked, offer.parts, offer.railReference);
  return leg.ok ? ok([leg.value]) : leg;
}

/** A definite no: with nothing held there is nothing to release. A repeated attempt may have held more than it can see. */
function declined(settlement: Settlement, legs: readonly Leg[], refusal: ErrorName): Transition {
  return legs.length === 0 && !settlement.unknownReported ? refusedUntouched(refusal) : voiding(refusal);
}

function lostHold(ports: SagaPorts, settlement: Settlement, rail: RailName): Transition {
  const missing = [{ rail, action: "authorise" as const }];
  const waitedMs = ports.clock.now() - settlement.recordedAtMs;
  return waitedMs > ports.patience.holdMs ? { name: "expire", missing } : lost(ports, settlement, missing);
}

/** All legs at once: each is held, so each can be taken. */
async function post(ports: SagaPorts, settlement: Settlement, asking: Asking): Promise<Transition> {
  const { id: settlementId, institution } = settlement;
  const answers = await Promise.all(
    settlement.legs.map(async (leg) => {
      const { rail } = leg;
      const amount = legTotal(leg);
      const proven = provenOf(settlement, railKey(settlementId, rail, "capture"));
      const answer = proven ?? (await ports.rails[rail].capture({ settlementId, institution, amount }, asking));
      return { rail, answer: definite(answer, { action: "capture", amount }) };
    }),
  );
  const refusals = answers.flatMap(({ rail, answer }) => (answer.kind === "refused" ? [{ rail, reason: answer.reason }] : []));
  const [first] = refusals;
  if (first !== undefined) {
    const expired = refusals.flatMap(({ rail, reason }) => (reason === "holdExpired" ? [rail] : []));
    return voiding(refusalOf(first.reason), { expired });
  }
  const missing = answers.flatMap(({ rail, answer }) => (answer.kind === "unknown" ? [{ rail, action: "capture" as const }] : []));
  return missing.length > 0 ? lostMove(ports, settlement, missing) : { name: "settle", references: referencesOf(answers) };
}

/**
 * Releases every leg; one that was taken already is given back. A leg never asked for is closed at the payer, so that
 * an authorisation still on its way holds nothing.
 */
async function undo(ports: SagaPorts, settlement: Settlement, asking: Asking): Promise<Transition> {
  const rails = settlement.bound ?? [];
  const late = await lateAnswers(ports, settlement);
  const undone = await Promise.all(rails.map(async (rail) => ({ rail, ...(await undoLeg(ports, settlement, rail, asking)) })));
  const missing = undone.flatMap(({ rail, without }) => (without === undefined ? [] : [{ rail, action: without }]));
  const unanswered = settlement.missing.filter(({ action }) => action === "authorise");
  const stuck = undone.find((one) => one.cause !== undefined);
  if (stuck?.cause !== undefined) return { name: "leave", missing: [...unanswered, ...missing], cause: stuck.cause };
  if (missing.length > 0) return lostMove(ports, settlement, [...unanswered, ...missing]);
  const reversed = new Map(undone.flatMap(({ rail, reversal }) => (reversal === undefined ? [] : [[rail, reversal] as const])));
  const kept = undone.flatMap((one) => (one.kept === true ? [one.rail] : []));
  return { name: "refuse", refusal: settlement.refusal ?? "payerRefused", reversed, kept, late };
}

/** A hold that was given up may have been granted after all: its answer is too late, and the release that follows refuses it. */
async function lateAnswers(ports: SagaPorts, settlement: Settlement): Promise<readonly LateAnswer[]> {
  const late: LateAnswer[] = [];
  for (const { rail, action } of settlement.missing) {
    if (action !== "authorise") continue;
    const key = railKey(settlement.id, rail, action);
    const answer = await ports.rails[rail].query(key);
    if (answer.kind === "done") late.push({ rail, key, parts: answer.parts, railReference: answer.railReference });
  }
  return late;
}

interface Undone {
  /** The payer's number, where the leg had been taken and was given back. */
  readonly reversal?: string;
  /** Taken, and by the payer's statement not given back. */
  readonly kept?: true;
  /** The call that has no answer yet. */
  readonly without?: RailAction;
  /** The payer refuses what it may not refuse. */
  readonly cause?: LeaveCause;
}

async function undoLeg(ports: SagaPorts, settlement: Settlement, rail: RailName, asking: Asking): Promise<Undone> {
  const { id: settlementId, institution } = settlement;
  const leg = settlement.legs.find((one) => one.rail === rail);
  const amount = leg === undefined ? asFen(0n) : legTotal(leg);
  const taken = provenOf(settlement, railKey(settlementId, rail, "capture"));
  // Proved: never taken. The hold ends by itself at the payer.
  if (taken?.kind === "refused") return {};
  if (taken === undefined) {
    const released = await ports.rails[rail].void({ settlementId, institution, amount }, asking);
    if (released.kind === "done") return {};
    if (released.kind === "unknown" || !isNo("void", released.reason)) return { without: "void" };
    if (leg === undefined || (released.reason !== "captured" && released.reason !== "refunded"))
      return { without: "void", cause: "voidRefused" };
  }
  const proven = provenOf(settlement, railKey(settlementId, rail, "reverse"));
  if (proven?.kind === "refused") return { kept: true };
  const request = { refundId: settlementId, action: "reverse" as const, settlementId, institution, amount, parts: leg?.parts };
  const reversed = definite(proven ?? (await ports.rails[rail].refund(request, asking)), request);
  if (reversed.kind === "done") return { reversal: reversed.railReference };
  return reversed.kind === "unknown" ? { without: "reverse" } : { without: "reverse", cause: "reversalRefused" };
}

/**
 * One payer after the other, the insurer first: it is the one that may say no, and then nothing has moved. A later no
 * is left to reconciliation: what was given back cannot be taken again, and a statement says whether the rest was.
 */
async function giveBack(ports: SagaPorts, settlement: Settlement, asking: Asking): Promise<Transition> {
  const { id: refundId, institution, parent, legs } = settlement;
  if (parent === undefined) throw new RangeError("a refund has a parent");
  const references = new Map<RailName, string>();
  for (const leg of legs) {
    const { rail, parts } = leg;
    const amount = legTotal(leg);
    const proven = provenOf(settlement, railKey(refundId, rail, "refund"));
    const isFirst = rail === legs[0]?.rail;
    // Proved: this payer gave nothing back. Those after it are asked all the same.
    if (proven?.kind === "refused" && !isFirst) continue;
    const request = { refundId, action: "refund" as const, settlementId: parent.id, institution, amount, parts };
    const answer = definite(proven ?? (await ports.rails[rail].refund(request, asking)), request);
    const missing = [{ rail, action: "refund" as const }];
    if (answer.kind === "refused" && isFirst) return refusedUntouched("refundRefused");
    if (answer.kind === "refused") return { name: "leave", missing, cause: "refundRefused" };
    if (answer.kind === "unknown") return lostMove(ports, settlement, missing);
    references.set(rail, answer.railReference);
  }
  return { name: "refund", references };
}

/** What a payer's statement proved about a call: that it was done, or that it was not. */
function provenOf(settlement: Settlement, key: string): Exclude<MoveAnswer, { kind: "unknown" }> | undefined {
  const found: Proven["found"] | undefined = settlement.evidence.find((one) => one.key === key)?.found;
  if (found === undefined) return undefined;
  return found.kind === "absent"
    ? { kind: "refused", reason: "declined" }
    : { kind: "done", amount: found.amount, railReference: found.railReference };
}

interface Moved {
  readonly action: RailAction;
  readonly amount: Fen;
  readonly parts?: readonly FundPart[] | undefined;
}

/**
 * An answer about another amount, or other funds, than asked is no answer; nor is a no that says our own key was worked
 * on otherwise than we know. Money may have moved: it is asked again, and then left to the payer's statement.
 */
function definite(answer: MoveAnswer, { action, amount, parts }: Moved): MoveAnswer {
  if (answer.kind === "refused") return isNo(action, answer.reason) ? answer : GARBAGE;
  if (answer.kind !== "done") return answer;
  const told = answer.parts ?? [];
  return answer.amount === amount && (told.length === 0 || parts === undefined || sameParts(told, parts)) ? answer : GARBAGE;
}

const GARBAGE = { kind: "unknown", reason: "garbage" } as const;

/** What says that the money of our own key has moved, or that the key stands for something else: never a no. */
const MOVED: Readonly<Record<RailAction, ReadonlySet<RailRefusal>>> = {
  authorise: new Set(["captured", "refunded", "notCaptured", "refundExceeds", "keyConflict"]),
  capture: new Set(["captured", "refunded", "notCaptured", "refundExceeds", "keyConflict"]),
  void: new Set(["keyConflict"]),
  refund: new Set(["captured", "refunded", "keyConflict"]),
  reverse: new Set(["captured", "refunded", "keyConflict"]),
};

function isNo(action: RailAction, reason: RailRefusal): boolean {
  return !MOVED[action].has(reason);
}

/** A call that moves money is asked for a limited number of times. */
function lostMove(ports: SagaPorts, settlement: Settlement, missing: readonly MissingAnswer[]): Transition {
  return settlement.attempt + 1 >= ports.patience.asksMax
    ? { name: "leave", missing, cause: "asksExhausted" }
    : lost(ports, settlement, missing);
}

function lost(ports: SagaPorts, settlement: Settlement, missing: readonly MissingAnswer[]): Transition {
  const { askAgainMinMs, askAgainMaxMs } = ports.patience;
  const pauseMs = Math.min(askAgainMaxMs, askAgainMinMs * 2 ** Math.min(settlement.attempt, 30));
  return { name: "lose", missing, dueAtMs: (ports.clock.now() + pauseMs) as EventMs };
}

function voiding(
  refusal: ErrorName,
  how: { readonly expired?: readonly RailName[]; readonly contradictions?: Readonly<Partial<Record<RailName, string>>> } = {},
): Transition {
  return { name: "void", refusal, expired: how.expired ?? [], contradictions: how.contradictions ?? {} };
}

function refusedUntouched(refusal: ErrorName): Transition {
  return { name: "refuse", refusal, reversed: new Map(), kept: [], late: [] };
}

function referencesOf(answers: readonly { readonly rail: RailName; readonly answer: MoveAnswer }[]): References {
  return new Map(answers.flatMap(({ rail, answer }) => (answer.kind === "done" ? [[rail, answer.railReference]] : [])));
}

/** The insured area as the purses name it: six digits of GB/T 2260, or none. */
function areaOf(insuOrg: string | undefined): string | undefined {
  return insuOrg !== undefined && /^\d{6}/.test(insuOrg) ? insuOrg.slice(0, 6) : undefined;
}

function refusalOf(reason: RailRefusal): ErrorName {
  return reason === "insufficient" ? "noFunds" : "payerRefused";
}

function accountOn(rail: RailName, answer: AccountsAnswer): RailAccount | undefined {
  if ("refusal" in answer) return undefined;
  const { insurance, commercial, bank, ecToken } = answer.bindings;
  switch (rail) {
    case "insurance":
      return insurance === undefined ? undefined : { rail, ecToken, psnNo: insurance.accountId, insuOrg: insurance.insuOrg };
    case "commercial":
      return commercial === undefined ? undefined : { rail, authorisationId: commercial.authorisationId };
    case "bank":
      return bank === undefined ? undefined : { rail, contractId: bank.contractId };
  }
}

async function refusalToOpen(accounts: Accounts): Promise<ErrorName> {
  const answer = await accounts();
  return "refusal" in answer ? answer.refusal : "bindingMissing";
}

/** Opens the accounts at most once per attempt, and only when a payer must really be told who pays (S0 4.2 (4)). */
function onceFor(ports: SagaPorts, settlement: Settlement): Accounts {
  let answer: Promise<AccountsAnswer> | undefined;
  return () => (answer ??= openAccounts(ports, settlement));
}

async function openAccounts(ports: SagaPorts, settlement: Settlement): Promise<AccountsAnswer> {
  const { credential, institution, outTradeNo, terminal, businessType, acceptedAtMs, edge, recordedAtMs } = settlement;
  if (credential === undefined) return { refusal: "badRequest" };
  const opened = await ports.openCredential(credential, { institution, outTradeNo });
  if (!opened.ok) return { refusal: opened.error };
  const answer = await ports.vault.deTokenise({
    credential: opened.value,
    institution,
    terminal,
    businessType,
    transactionId: `${institution}/${outTradeNo}`,
    purpose: "settlement",
    acceptedAtMs,
    acceptedBy: { edge, arrivedAtMs: recordedAtMs },
    atMs: ports.clock.now(),
  });
  if (answer.ok) return { bindings: answer.value };
  if (answer.error === "internal" || answer.error === "coreUnavailable" || answer.error === "inProgress")
    throw new NotNowError(`the vault answers ${answer.error}`);
  return { refusal: answer.error };
}
