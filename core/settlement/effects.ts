/**
 * What a step means: the settlement after it, the transfers it writes, the ledger entry that records it and the event
 * that tells it. Pure. One function reads from top to bottom: find the arrow, check the money, then nothing fails.
 */
import { ERRORS, type ErrorName } from "../protocol/errors.ts";
import { formatYuan } from "../protocol/money.ts";
import type { EventMs } from "../protocol/time.ts";
import { toHex } from "../protocol/bytes.ts";
import type { LeafDraft } from "../../ledger/leaf-draft.ts";
import type { AnyEvent } from "../../streams/contracts/event.ts";
import { assertPays, type Leg } from "./plan.ts";
import type { Settlement, Transition } from "./settlement.ts";
import { advance, isTerminal, type Standing, type TransitionName } from "./states.ts";
import { type Transfer, transfersOf } from "./transfers.ts";

/** An event but for its envelope of source and ledger position, which only the shard knows. */
export type EventDraft = { [E in AnyEvent as E["type"]]: Pick<E, "id" | "type" | "subject" | "key" | "data"> }[AnyEvent["type"]];

export interface Effects {
  readonly after: Settlement;
  readonly transfers: readonly Transfer[];
  readonly leaf: LeafDraft | undefined;
  readonly event: EventDraft | undefined;
}

/** A step that the state table does not have: a bug, never an answer from outside. */
export class NoSuchTransitionError extends Error {
  override readonly name = "NoSuchTransitionError";
}

export function effectsOf(before: Settlement, transition: Transition, atMs: EventMs): Effects {
  switch (transition.name) {
    case "hold":
      return silent({
        ...moved(before, ["hold"], atMs),
        person: transition.person,
        bound: transition.bound,
      });
    case "held": {
      assertPays(before.amount, transition.legs);
      // The decision to hold is the decision to post: both arrows in one commit. No payer needs the accounts any more.
      const after = { ...moved(before, ["held", "post"], atMs), legs: transition.legs, credential: undefined };
      const leaf = leafOf(after, "settlement.held", moneyFacts(after.amount, transition.legs));
      return { after, transfers: transfersOf(after, transition.legs, "pending"), leaf, event: undefined };
    }
    case "settle": {
      assertPays(before.amount, before.legs);
      const after = moved(before, ["settle"], atMs);
      const transfers = transfersOf(after, after.legs, "posted", transition.references);
      return { after, transfers, leaf: outcomeLeaf(after, "settlement.settled"), event: settledEvent(after, atMs) };
    }
    case "void": {
      const after = { ...moved(before, ["void"], atMs), refusal: transition.refusal };
      const leaf = leafOf(after, "settlement.voiding", { reason: transition.refusal, "fen.total": after.amount.toString() });
      return { after, transfers: [], leaf, event: undefined };
    }
    case "refuse":
      return refuse({ ...moved(before, ["refuse"], atMs), refusal: transition.refusal }, transition, atMs);
    case "refund": {
      assertPays(before.amount, before.legs);
      const after = moved(before, ["refund"], atMs);
      const transfers = transfersOf(after, after.legs, "posted", transition.references);
      return { after, transfers, leaf: outcomeLeaf(after, "settlement.refunded"), event: refundedEvent(after, atMs) };
    }
    case "lose": {
      const lost = { unknownRail: transition.rail, attempt: before.attempt + 1, dueAtMs: transition.dueAtMs };
      const after = { ...moved(before, ["lose"], atMs), ...lost, unknownReported: true };
      if (before.unknownReported) return silent(after);
      const facts = { rail: transition.rail, "fen.total": after.amount.toString() };
      return { after, transfers: [], leaf: leafOf(after, "settlement.unknown", facts), event: unknownEvent(after, transition.rail, atMs) };
    }
  }
}

/** A settlement taken in: the money is not decided yet. */
export function effectsOfAcceptance(accepted: Settlement): Effects {
  const facts = { action: accepted.action, terminal: accepted.terminal, businessType: accepted.businessType };
  const leaf = leafOf(accepted, "settlement.accepted", { ...facts, "fen.total": accepted.amount.toString() });
  const transfers = accepted.action === "refund" ? transfersOf(accepted, accepted.legs, "pending") : [];
  return { after: accepted, transfers, leaf: { ...leaf, actor: `edge/${accepted.edge}` }, event: undefined };
}

/** A request refused as it came: the id is used up, nothing else happens. */
export function effectsOfRefusal(refusedOne: Settlement, refusal: ErrorName, atMs: EventMs): Effects {
  return refuse(refusedOne, { refusal, reversed: [] }, atMs);
}

function refuse(after: Settlement, how: Omit<Extract<Transition, { name: "refuse" }>, "name">, atMs: EventMs): Effects {
  const reversed = Object.fromEntries(how.reversed.map((rail) => [`reversed.${rail}`, "true"]));
  const facts = { action: after.action, reason: how.refusal, "fen.total": after.amount.toString(), ...reversed };
  const leaf: LeafDraft = { ...leafOf(after, "settlement.refused", facts), outcome: "refused", code: ERRORS[how.refusal].code };
  return { after, transfers: transfersOf(after, after.legs, "voided"), leaf, event: refusedEvent(after, how.refusal, atMs) };
}

/** The same id with other content: the first settlement stays as it is, the attempt is told and recorded. */
export function effectsOfConflict(
  known: Settlement,
  second: Pick<Settlement, "requestHash" | "action" | "terminal" | "businessType" | "edge" | "provenance">,
  atMs: EventMs,
): Pick<Effects, "leaf" | "event"> {
  const told = { ...known, ...second };
  const { partition, offset } = second.provenance;
  const refusal: ErrorName = "idempotencyConflict";
  const leaf: LeafDraft = {
    ...leafOf(told, "settlement.conflict", { action: second.action, reason: refusal }),
    actor: `edge/${second.edge}`,
    outcome: "refused",
    code: ERRORS[refusal].code,
    requestHash: second.requestHash,
    provenance: second.provenance,
  };
  const event: EventDraft = {
    id: `${known.id}.conflict.${partition}.${offset}`,
    type: "settlement.claim.refused.v1",
    subject: known.id,
    key: known.institution,
    data: { ...outcomeData(told, atMs), action: second.action, refusal },
  };
  return { leaf, event };
}

function moved(before: Settlement, names: readonly TransitionName[], atMs: EventMs): Settlement {
  let standing: Standing = before.standing;
  for (const name of names) {
    const next = advance(standing, name);
    if (next === undefined)
      throw new NoSuchTransitionError(`no ${name} from ${standing.state}${standing.phase === undefined ? "" : ` (${standing.phase})`}`);
    standing = next;
  }
  const revision = before.revision + 1;
  if (!isTerminal(standing.state)) return { ...before, revision, standing, unknownRail: undefined, attempt: 0, dueAtMs: atMs };
  return { ...before, revision, standing, unknownRail: undefined, dueAtMs: undefined, decidedAtMs: atMs, credential: undefined };
}

function silent(after: Settlement): Effects {
  return { after, transfers: [], leaf: undefined, event: undefined };
}

function leafOf(one: Settlement, kind: string, facts: Readonly<Record<string, string>>): LeafDraft {
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

/** The entry of money that moved: what each fund paid, and, as a commitment only, for whom. */
function outcomeLeaf(one: Settlement, kind: string): LeafDraft {
  const where = { terminal: one.terminal, businessType: one.businessType };
  const leaf = leafOf(one, kind, { ...where, ...moneyFacts(one.amount, one.legs) });
  return one.person === undefined ? leaf : { ...leaf, personal: { person: one.person } };
}

function moneyFacts(amount: bigint, legs: readonly Leg[]): Readonly<Record<string, string>> {
  const parts = legs.flatMap((leg) => leg.parts.map((part) => [`fen.${leg.rail}.${part.fundSource}`, part.amount.toString()] as const));
  return { "fen.total": amount.toString(), ...Object.fromEntries(parts) };
}

function outcomeData(
  one: Settlement,
  atMs: EventMs,
): {
  settlementId: string;
  institution: string;
  terminal: string;
  businessType: string;
  outTradeNo: string;
  requestHash: string;
  atMs: number;
} {
  const { id: settlementId, institution, terminal, businessType, outTradeNo } = one;
  return { settlementId, institution, terminal, businessType, outTradeNo, requestHash: toHex(one.requestHash), atMs };
}

function legsData(legs: readonly Leg[]): { rail: Leg["rail"]; fundSource: string; amount: string }[] {
  return legs.flatMap((leg) => leg.parts.map((part) => ({ rail: leg.rail, fundSource: part.fundSource, amount: formatYuan(part.amount) })));
}

function settledEvent(one: Settlement, atMs: EventMs): EventDraft {
  return {
    id: `${one.id}.settled`,
    type: "settlement.claim.settled.v1",
    subject: one.id,
    key: one.institution,
    data: { ...outcomeData(one, atMs), person: personOf(one), amount: formatYuan(one.amount), legs: legsData(one.legs) },
  };
}

function refusedEvent(one: Settlement, refusal: ErrorName, atMs: EventMs): EventDraft {
  const person = one.person === undefined ? {} : { person: one.person };
  return {
    id: `${one.id}.refused`,
    type: "settlement.claim.refused.v1",
    subject: one.id,
    key: one.institution,
    data: { ...outcomeData(one, atMs), ...person, amount: formatYuan(one.amount), action: one.action, refusal },
  };
}

function refundedEvent(one: Settlement, atMs: EventMs): EventDraft {
  if (one.parent === undefined) throw new NoSuchTransitionError("a refund without a parent");
  const original = { originalSettlementId: one.parent.id, originalSettledAtMs: one.parent.settledAtMs };
  return {
    id: `${one.id}.refunded`,
    type: "settlement.claim.refunded.v1",
    subject: one.id,
    key: one.institution,
    data: { ...outcomeData(one, atMs), ...original, person: personOf(one), amount: formatYuan(one.amount), legs: legsData(one.legs) },
  };
}

function unknownEvent(one: Settlement, rail: Leg["rail"], atMs: EventMs): EventDraft {
  return {
    id: `${one.id}.unknown`,
    type: "settlement.claim.unknown.v1",
    subject: one.id,
    key: one.institution,
    data: { ...outcomeData(one, atMs), person: personOf(one), amount: formatYuan(one.amount), rail },
  };
}

function personOf(one: Settlement): string {
  if (one.person === undefined) throw new NoSuchTransitionError("money moves only for a person that the vault named");
  return one.person;
}
