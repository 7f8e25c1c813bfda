/**
 * Carrying one settlement through its payers: hold on each in turn, then take from all; or undo; or give back.
 *
 * Every step ends in one durable transition, and every call to a payer has a key that follows from the settlement. So
 * a crash between any two lines repeats questions, never payments. An answer that is missing, or that cannot be true,
 * leaves the step `unknown`, to be asked again later.
 */
import type { ErrorName } from "../protocol/errors.ts";
import { asFen, type Fen } from "../protocol/money.ts";
import type { Clock, EventMs } from "../protocol/time.ts";
import type { SealedCredential } from "../protocol/internal.ts";
import type { Result } from "../protocol/result.ts";
import type { AccountBindings, CredentialUse, Vault } from "../vault/port.ts";
import { type Leg, legTotal, RAIL_ORDER, type RailName, remainderOf, takeLeg } from "./plan.ts";
import type { Asking, MoveAnswer, RailAccount, RailRefusal, Rails } from "./rails/port.ts";
import type { Settlement, Transition } from "./settlement.ts";
import { isTerminal, stepOf } from "./states.ts";

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
    if (isTerminal(settlement.standing.state) || settlement.standing.state === "unknown" || ports.stopped()) return settlement;
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
    case "held":
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
  if ("refusal" in answer) return { name: "refuse", refusal: answer.refusal, reversed: [] };
  const { bindings } = answer;
  const bound = RAIL_ORDER.filter((rail) => bindings[rail] !== undefined);
  if (bound.length === 0) return { name: "refuse", refusal: "bindingMissing", reversed: [] };
  return { name: "hold", person: bindings.person, bound };
}

/** Insurance, then commercial at most the rest, then the bank all of what is left (domain notes 4.4). */
async function hold(ports: SagaPorts, settlement: Settlement, asking: Asking, accounts: Accounts): Promise<Transition> {
  const { id: settlementId, institution, businessType, amount: bill } = settlement;
  const legs: Leg[] = [];
  for (const rail of settlement.bound ?? []) {
    const asked = remainderOf(bill, legs);
    if (asked === 0n) break;
    const account = async (): Promise<RailAccount | undefined> => accountOn(rail, await accounts());
    const request = { settlementId, institution, businessType, bill, asked, account };
    const answer = await ports.rails[rail].authorise(request, asking);
    switch (answer.kind) {
      case "unasked":
        // The person unbound an account between two attempts: whatever was held is released.
        return { name: "void", refusal: await refusalToOpen(accounts) };
      case "unknown":
        return lostHold(ports, settlement, rail);
      case "refused":
        return declined(settlement, legs, refusalOf(answer.reason));
      case "done": {
        if (answer.amount === 0n && answer.parts.length === 0 && rail !== "bank") continue;
        const leg = takeLeg(rail, asked, answer.parts, answer.railReference);
        if (!leg.ok) return lostHold(ports, settlement, rail);
        legs.push(leg.value);
      }
    }
  }
  if (remainderOf(bill, legs) === 0n) return { name: "held", legs };
  return declined(settlement, legs, "bindingMissing");
}

/** A definite no: with nothing held there is nothing to release. A repeated attempt may have held more than it can see. */
function declined(settlement: Settlement, legs: readonly Leg[], refusal: ErrorName): Transition {
  const untouched = legs.length === 0 && !settlement.unknownReported;
  return untouched ? { name: "refuse", refusal, reversed: [] } : { name: "void", refusal };
}

function lostHold(ports: SagaPorts, settlement: Settlement, rail: RailName): Transition {
  const waitedMs = ports.clock.now() - settlement.recordedAtMs;
  return waitedMs > ports.patience.holdMs ? { name: "void", refusal: "payerRefused" } : lost(ports, settlement, rail);
}

/** All legs at once: each is held, so each can be taken. */
async function post(ports: SagaPorts, settlement: Settlement, asking: Asking): Promise<Transition> {
  const answers = await Promise.all(
    settlement.legs.map(async (leg) => {
      const request = { settlementId: settlement.id, institution: settlement.institution, amount: legTotal(leg) };
      return { leg, answer: definite(await ports.rails[leg.rail].capture(request, asking), legTotal(leg)) };
    }),
  );
  const no = answers.find(({ answer }) => answer.kind === "refused");
  if (no !== undefined) return { name: "void", refusal: no.answer.kind === "refused" ? refusalOf(no.answer.reason) : "payerRefused" };
  const missing = answers.find(({ answer }) => answer.kind === "unknown");
  if (missing !== undefined) return lost(ports, settlement, missing.leg.rail);
  return { name: "settle", references: referencesOf(answers) };
}

/**
 * Releases every leg; one that was taken already is given back. A leg never asked for is closed at the payer, so that
 * an authorisation still on its way holds nothing.
 */
async function undo(ports: SagaPorts, settlement: Settlement, asking: Asking): Promise<Transition> {
  const rails = settlement.bound ?? [];
  const answers = await Promise.all(rails.map(async (rail) => ({ rail, done: await undoLeg(ports, settlement, rail, asking) })));
  const missing = answers.find(({ done }) => done === "unknown");
  if (missing !== undefined) return lost(ports, settlement, missing.rail);
  const reversed = answers.filter(({ done }) => done === "reversed").map(({ rail }) => rail);
  return { name: "refuse", refusal: settlement.refusal ?? "payerRefused", reversed };
}

async function undoLeg(
  ports: SagaPorts,
  settlement: Settlement,
  rail: RailName,
  asking: Asking,
): Promise<"released" | "reversed" | "unknown"> {
  const { id: settlementId, institution } = settlement;
  const leg = settlement.legs.find((one) => one.rail === rail);
  const amount = leg === undefined ? asFen(0n) : legTotal(leg);
  const released = await ports.rails[rail].void({ settlementId, institution, amount }, asking);
  if (released.kind === "done") return "released";
  if (released.kind === "unknown" || leg === undefined) return "unknown";
  if (released.reason !== "captured" && released.reason !== "refunded") return "unknown";
  const request = { refundId: settlementId, action: "reverse" as const, settlementId, institution, amount };
  const reversed = definite(await ports.rails[rail].refund(request, asking), amount);
  return reversed.kind === "done" ? "reversed" : "unknown";
}

/**
 * One payer after the other, the insurer first: it is the one that may say no, and then nothing has moved. A later no
 * leaves the refund unknown, for people and reconciliation: what was given back cannot be taken again.
 */
async function giveBack(ports: SagaPorts, settlement: Settlement, asking: Asking): Promise<Transition> {
  const { id: refundId, institution, parent, legs } = settlement;
  if (parent === undefined) throw new RangeError("a refund has a parent");
  const answers: { readonly leg: Leg; readonly answer: MoveAnswer }[] = [];
  for (const leg of legs) {
    const amount = legTotal(leg);
    const request = { refundId, action: "refund" as const, settlementId: parent.id, institution, amount };
    const answer = definite(await ports.rails[leg.rail].refund(request, asking), amount);
    if (answer.kind === "refused" && answers.length === 0) return { name: "refuse", refusal: "refundRefused", reversed: [] };
    if (answer.kind !== "done") return lost(ports, settlement, leg.rail);
    answers.push({ leg, answer });
  }
  return { name: "refund", references: referencesOf(answers) };
}

/** An answer about another amount than asked is no answer. */
function definite(answer: MoveAnswer, amount: Fen): MoveAnswer {
  return answer.kind === "done" && answer.amount !== amount ? { kind: "unknown", reason: "garbage" } : answer;
}

function lost(ports: SagaPorts, settlement: Settlement, rail: RailName): Transition {
  const { askAgainMinMs, askAgainMaxMs } = ports.patience;
  const pauseMs = Math.min(askAgainMaxMs, askAgainMinMs * 2 ** Math.min(settlement.attempt, 30));
  return { name: "lose", rail, dueAtMs: (ports.clock.now() + pauseMs) as EventMs };
}

function referencesOf(answers: readonly { readonly leg: Leg; readonly answer: MoveAnswer }[]): ReadonlyMap<RailName, string> {
  return new Map(answers.flatMap(({ leg, answer }) => (answer.kind === "done" ? [[leg.rail, answer.railReference]] : [])));
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
  const { credential, institution, outTradeNo, terminal, businessType, acceptedAtMs } = settlement;
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
    atMs: ports.clock.now(),
  });
  if (answer.ok) return { bindings: answer.value };
  if (answer.error === "internal" || answer.error === "coreUnavailable" || answer.error === "inProgress")
    throw new NotNowError(`the vault answers ${answer.error}`);
  return { refusal: answer.error };
}
