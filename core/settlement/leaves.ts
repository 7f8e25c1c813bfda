/**
 * What each step says in the ledger. The facts of these entries alone are enough to re-derive every settlement,
 * transfer, balance and seal (`derive.ts`); a fact that is added here is read there.
 *
 * Every entry of a settlement names institution, settlement (`subject`), `outTradeNo` (`idempotencyKey`), request hash
 * and provenance; a refund's also the settlement it gives back (`parent`). `fen.<rail>.<fund>` is money, in fen;
 * `day` the accounting day it counts on, with `late` when its own day was sealed before.
 *
 * | kind | when | facts |
 * |---|---|---|
 * | `settlement.accepted` | a bill is taken in; actor `edge/…` | `action`, `terminal`, `businessType`, `acceptedAtMs`, `fen.total` |
 * | `settlement.holding` | the vault named the person (commitment `person`) | `bound` rails, `region` |
 * | `settlement.held` | every payer holds its part: it will be taken | `fen.*`, `reference.<rail>`, `day` |
 * | `settlement.settled` | every payer has paid (commitment `person`) | `terminal`, `businessType`, `fen.*`, `reference.<rail>`, `day` |
 * | `settlement.voiding` | a payer said no: all is released | `reason`, `expired.<rail>`, `contradiction.<rail>`, `day` |
 * | `settlement.expired` | a hold stayed unknown for too long | `reason`, `missing` |
 * | `settlement.refused` | nothing is paid, or as it came (then with the facts of `accepted` and `cause`) | `action`, `reason`, `reversed.<rail>`, `kept.<rail>` with its `fen.*`, `day` |
 * | `settlement.refunding` | a refund is taken in; actor `edge/…`, or `operator/…` for kept money | as `accepted`, `refundType`, `region`, `fen.*`, `day`; an operator's also `caseId`, `approvedBy` |
 * | `settlement.refunded` | what is given back, is (commitment `person`) | `terminal`, `businessType`, `fen.*`, `reference.<rail>`, `day` |
 * | `settlement.unknown` | an answer is missing, and asked for again | `phase`, `missing` (`bank/capture …`), `fen.total` |
 * | `settlement.awaiting` | nobody is asked any more: reconciliation | `phase`, `missing`, `cause`, `fen.total` |
 * | `settlement.healed` | a statement proved a call | `phase`, `key`, `rail`, `found`, `found.total`, `found.parts`, `reference`, `statementHash`, `runId`, `missing` |
 * | `settlement.lateAnswer` | an answer or a statement after the end: refused | `rail`, `key`, `reference`, `offered.total`, `offered.parts`, `statementHash`, `runId` |
 * | `settlement.conflict` | a number was reused for other content: refused | `action`, `reason`, `event.source`, `event.id` |
 * | `settlement.quarantined` | a record could not be read or was not believed | `reason`, `source`; of all others of a span `rest.count`, `rest.from`, `rest.hash` (`quarantine.ts`) |
 * | `adjustment.suspended`, `.released`, `.writtenOff`, `.refused` | a correction, or its refusal; actor `operator/…` | `adjustment`, `caseId`, `rail`, `fundSource`, `amount`, `reason`, `approvedBy`, `day`, `cause` |
 * | `supplement.booked`, `.takenBack`, `.refused` | a movement that only the payer had is taken into the books (补账), and back out of them; actor `operator/…`, subject the settlement, where there is one | `caseId`, `rail`, `movement`, `key`, `reference`, `payerDay`, `statementHash`, `fen.*`, `region`, `reason`, `approvedBy`, `day`, `cause` |
 * | `day.closed` | a day is sealed | `day`, `trial.hash`, `trial.rows`, `head.size`, `head.root`, `carried.count`, `carried.hash`, `offset.<topic>.<partition>` |
 */
import { ERRORS, type ErrorName } from "../protocol/errors.ts";
import type { LeafDraft } from "../../ledger/leaf-draft.ts";
import { isLate, type Moment } from "./moment.ts";
import { type FundPart, type Leg, RAIL_ORDER } from "./plan.ts";
import type { RailAction } from "./rails/port.ts";
import type { LateAnswer, MissingAnswer, References, Settlement } from "./settlement.ts";

type Facts = Readonly<Record<string, string>>;

export function leafOf(one: Settlement, kind: string, facts: Facts): LeafDraft {
  return {
    kind,
    outcome: "accepted",
    actor: "core",
    institution: one.institution,
    subject: one.id,
    idempotencyKey: one.outTradeNo,
    requestHash: one.requestHash,
    provenance: one.provenance,
    facts,
    ...(one.parent === undefined ? {} : { parent: one.parent.id }),
  };
}

/** The first entry of a settlement: what was asked for, where, when and through which edge, or by which operator. */
export function openingLeaf(one: Settlement, kind: string, facts: Facts): LeafDraft {
  const scope = one.scope === undefined ? {} : { refundType: one.scope };
  const opening = {
    action: one.action,
    terminal: one.terminal,
    businessType: one.businessType,
    acceptedAtMs: String(one.acceptedAtMs),
    "fen.total": one.amount.toString(),
  };
  return { ...leafOf(one, kind, { ...opening, ...scope, ...facts }), actor: actorOf(one) };
}

/** What no edge sent is an operator's: `edge` is then `operator/<person>`, which no edge is called. */
function actorOf({ edge }: Settlement): string {
  return edge.startsWith("operator/") ? edge : `edge/${edge}`;
}

export function refusedLeaf(leaf: LeafDraft, refusal: ErrorName): LeafDraft {
  return { ...leaf, outcome: "refused", code: ERRORS[refusal].code };
}

/** The entry of money that moved: what each fund paid, and, as a commitment only, for whom. */
export function outcomeLeaf(one: Settlement, kind: string, facts: Facts): LeafDraft {
  return withPerson(one, leafOf(one, kind, { terminal: one.terminal, businessType: one.businessType, ...facts }));
}

export function withPerson(one: Settlement, leaf: LeafDraft): LeafDraft {
  return one.person === undefined ? leaf : { ...leaf, personal: { person: one.person } };
}

export function lateAnswerLeaf(one: Settlement, late: LateAnswer): LeafDraft {
  const total = late.parts.reduce((sum, part) => sum + part.amount, 0n);
  const facts = { rail: late.rail, key: late.key, reference: late.railReference, "offered.total": total.toString() };
  return refusedLeaf(leafOf(one, "settlement.lateAnswer", { ...facts, "offered.parts": printParts(late.parts) }), "payerRefused");
}

/** Fund sources and fen as one text, in their order. @example printParts([{ fundSource: "acct_pay", amount: asFen(500n) }]) // "acct_pay=500" */
export function printParts(parts: readonly FundPart[]): string {
  return parts.map(({ fundSource, amount }) => `${fundSource}=${amount}`).join(" ");
}

/** Money by payer and fund source, and the accounting day it counts on. */
export function moneyFacts(amount: bigint, legs: readonly Leg[]): Facts {
  const facts: Record<string, string> = { "fen.total": amount.toString() };
  for (const leg of legs) for (const part of leg.parts) facts[`fen.${leg.rail}.${part.fundSource}`] = part.amount.toString();
  return facts;
}

/** `late` marks what came after the seal of its own day. */
export function dayFacts(one: Settlement, moment: Moment): Facts {
  return isLate(one.acceptedAtMs, moment) ? { day: moment.day, late: "true" } : { day: moment.day };
}

/** The payers' own numbers. */
export function referenceFacts(name: string, references: References): Facts {
  return Object.fromEntries([...references].map(([rail, reference]) => [`${name}.${rail}`, reference]));
}

export function heldReferences(legs: readonly Leg[]): References {
  return new Map(legs.flatMap((leg) => (leg.railReference === "" ? [] : [[leg.rail, leg.railReference] as const])));
}

/** @example printMissing([{ rail: "bank", action: "capture" }]) // "bank/capture" */
export function printMissing(missing: readonly MissingAnswer[]): string {
  return missing.map(({ rail, action }) => `${rail}/${action}`).join(" ");
}

/** `undefined` for what {@link printMissing} does not write. */
export function readMissing(text: string): readonly MissingAnswer[] | undefined {
  const missing: MissingAnswer[] = [];
  for (const call of text.split(" ")) {
    const [railText, actionText, ...more] = call.split("/");
    const rail = RAIL_ORDER.find((name) => name === railText);
    const action = RAIL_ACTIONS.find((name) => name === actionText);
    if (rail === undefined || action === undefined || more.length > 0) return undefined;
    missing.push({ rail, action });
  }
  return missing;
}

const RAIL_ACTIONS = ["authorise", "capture", "void", "refund", "reverse"] as const satisfies readonly RailAction[];
