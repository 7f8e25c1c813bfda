/**
 * What a step means: the settlement after it, the transfers it writes, the ledger entries that record it and the event
 * that tells it. Pure. One function reads from top to bottom: find the arrow, check the money, then nothing fails.
 */
import type { ErrorName } from "../protocol/errors.ts";
import type { LeafDraft } from "../../ledger/leaf-draft.ts";
import { type EventDraft, conflictEvent, refundedEvent, refusedEvent, settledEvent, unknownEvent } from "./events.ts";
import {
  dayFacts,
  heldReferences,
  lateAnswerLeaf,
  leafOf,
  moneyFacts,
  openingLeaf,
  outcomeLeaf,
  printMissing,
  referenceFacts,
  refusedLeaf,
  withPerson,
} from "./leaves.ts";
import type { Moment } from "./moment.ts";
import { assertPays, type Leg, legsTotal, type RailName } from "./plan.ts";
import type { MissingAnswer, Proven, References, Settlement, Transition } from "./settlement.ts";
import { advance, isTerminal, type Standing, stepOf, type TransitionName } from "./states.ts";
import { type Transfer, transfersOf } from "./transfers.ts";

export interface Effects {
  readonly after: Settlement;
  readonly transfers: readonly Transfer[];
  /** In their order; the last one is the step's own. */
  readonly leaves: readonly LeafDraft[];
  readonly event: EventDraft | undefined;
}

/** A step that the state table does not have: a bug, never an answer from outside. */
export class NoSuchTransitionError extends Error {
  override readonly name = "NoSuchTransitionError";
}

export function effectsOf(before: Settlement, transition: Transition, moment: Moment): Effects {
  switch (transition.name) {
    case "hold": {
      const { person, region, bound } = transition;
      const after = { ...moved(before, "hold", moment), person, region, bound };
      const facts = { bound: bound.join(" "), ...(region === undefined ? {} : { region }) };
      return effects(after, withPerson(after, leafOf(after, "settlement.holding", facts)));
    }
    case "held": {
      const { legs } = transition;
      assertPays(before.amount, legs);
      // The decision to hold is the decision to post. No payer needs the accounts any more.
      const after = { ...moved(before, "held", moment), legs, credential: undefined, care: undefined };
      const facts = { ...dayFacts(after, moment), ...referenceFacts("reference", heldReferences(legs)) };
      const leaf = leafOf(after, "settlement.held", { ...moneyFacts(after.amount, legs), ...facts });
      return effects(after, leaf, { transfers: transfersOf(after, legs, "pending") });
    }
    case "settle": {
      assertPays(before.amount, before.legs);
      const after = moved(before, "settle", moment);
      const facts = { ...dayFacts(after, moment), ...referenceFacts("reference", transition.references) };
      const leaf = outcomeLeaf(after, "settlement.settled", { ...moneyFacts(after.amount, after.legs), ...facts });
      const transfers = transfersOf(after, after.legs, "posted", transition.references);
      return effects(after, leaf, { transfers, event: settledEvent(after, moment.atMs) });
    }
    case "void": {
      const [gone, left] = divide(before.legs, (rail) => transition.expired.includes(rail));
      const after = { ...moved(before, "void", moment), refusal: transition.refusal, legs: left };
      const contradictions = Object.entries(transition.contradictions).map(([rail, what]) => [`contradiction.${rail}`, what] as const);
      const expired = gone.map(({ rail }) => [`expired.${rail}`, "true"] as const);
      const facts = { reason: transition.refusal, ...dayFacts(after, moment), ...Object.fromEntries([...contradictions, ...expired]) };
      return effects(after, leafOf(after, "settlement.voiding", facts), { transfers: transfersOf(after, gone, "expired") });
    }
    case "expire": {
      const { missing } = transition;
      const after = { ...moved(before, "expire", moment), refusal: "payerRefused" as const, missing };
      return effects(after, leafOf(after, "settlement.expired", { reason: after.refusal, missing: printMissing(missing) }));
    }
    case "refuse":
      return refuse(before, transition, moment);
    case "refund":
      return refund(before, transition.references, moment);
    case "lose": {
      const { missing, dueAtMs } = transition;
      const lost = moved(before, "lose", moment);
      const after = { ...lost, missing, attempt: before.attempt + 1, stepAtMs: before.stepAtMs, dueAtMs, unknownReported: true };
      // Asked again in vain: nothing changed but the time of the next asking.
      if (before.standing.state === "unknown" && printMissing(before.missing) === printMissing(missing)) return effects(after);
      const facts = { phase: phaseOf(after), missing: printMissing(missing), "fen.total": after.amount.toString() };
      return effects(after, leafOf(after, "settlement.unknown", facts), { event: unknownTold(before, missing, moment) });
    }
    case "leave": {
      const { missing, cause } = transition;
      const left = moved(before, "leave", moment);
      const after = { ...left, missing, attempt: before.attempt + 1, stepAtMs: before.stepAtMs, dueAtMs: undefined, unknownReported: true };
      const facts = { phase: phaseOf(after), missing: printMissing(missing), cause, "fen.total": after.amount.toString() };
      return effects(after, leafOf(after, "settlement.awaiting", facts), { event: unknownTold(before, missing, moment) });
    }
  }
}

/** A settlement taken in: the money is not decided yet. `said`: who else stands behind a refund that no hospital asked for. */
export function effectsOfAcceptance(accepted: Settlement, moment: Moment, said: Readonly<Record<string, string>> = {}): Effects {
  if (accepted.action === "settle") return effects(accepted, openingLeaf(accepted, "settlement.accepted", {}));
  const region = accepted.region === undefined ? {} : { region: accepted.region };
  const facts = { ...moneyFacts(accepted.amount, accepted.legs), ...dayFacts(accepted, moment), ...region, ...said };
  const leaf = openingLeaf(accepted, "settlement.refunding", facts);
  return effects(accepted, leaf, { transfers: transfersOf(accepted, accepted.legs, "pending") });
}

/** A request refused as it came: the id is used up, nothing else happens. */
export function effectsOfRefusal(refusedOne: Settlement, refusal: ErrorName, cause: string, moment: Moment): Effects {
  const leaf = refusedLeaf(openingLeaf(refusedOne, "settlement.refused", { reason: refusal, cause }), refusal);
  return effects(refusedOne, leaf, { event: refusedEvent(refusedOne, refusal, moment.atMs) });
}

/** The same id with other content: the first settlement stays as it is, the attempt is told and recorded. */
export function effectsOfConflict(
  known: Settlement,
  second: Pick<Settlement, "requestHash" | "action" | "terminal" | "businessType" | "edge" | "provenance">,
  told: { readonly source: string; readonly eventId: string },
  moment: Moment,
): { readonly leaf: LeafDraft; readonly event: EventDraft } {
  const attempt: Settlement = { ...known, ...second };
  const refusal: ErrorName = "idempotencyConflict";
  const facts = { action: second.action, reason: refusal, "event.source": told.source, "event.id": told.eventId };
  const leaf = { ...leafOf(attempt, "settlement.conflict", facts), actor: `edge/${second.edge}` };
  return { leaf: refusedLeaf(leaf, refusal), event: conflictEvent(attempt, moment.atMs) };
}

/** What a payer's statement proved goes back into the step that waited for it; other calls may still be without an answer. */
export function effectsOfHealing(
  before: Settlement,
  healing: { readonly proven: Proven; readonly missing: readonly MissingAnswer[]; readonly facts: Readonly<Record<string, string>> },
  moment: Moment,
): Effects {
  const { proven, missing, facts } = healing;
  const after = { ...moved(before, "heal", moment), missing, evidence: [...before.evidence, proven], stepAtMs: before.stepAtMs };
  const left = missing.length === 0 ? {} : { missing: printMissing(missing) };
  return effects(after, leafOf(after, "settlement.healed", { phase: stepOf(before.standing), ...facts, ...left }));
}

/**
 * What was only held is released. What was taken already and given back is posted and reversed; what was taken and stays
 * taken is posted: the books say what the payer's statement says, and people clear it.
 */
function refuse(before: Settlement, how: Extract<Transition, { name: "refuse" }>, moment: Moment): Effects {
  const [returned, others] = divide(before.legs, (rail) => how.reversed.has(rail));
  const [stayed, released] = divide(others, (rail) => how.kept.includes(rail));
  const after = { ...moved(before, "refuse", moment), refusal: how.refusal, legs: stayed };
  const leaf = leafOf(after, "settlement.refused", {
    action: after.action,
    reason: how.refusal,
    ...moneyFacts(after.amount, stayed),
    ...dayFacts(after, moment),
    ...referenceFacts("reversed", how.reversed),
    ...Object.fromEntries(stayed.map(({ rail }) => [`kept.${rail}`, "true"])),
  });
  return {
    after,
    transfers: [
      ...transfersOf(after, [...returned, ...stayed], "posted"),
      ...transfersOf(after, returned, "reversed", how.reversed),
      ...transfersOf(after, released, "voided"),
    ],
    leaves: [...how.late.map((late) => lateAnswerLeaf(after, late)), refusedLeaf(leaf, how.refusal)],
    event: refusedEvent(after, how.refusal, moment.atMs),
  };
}

/** Legs that were proved not to be given back are released: they can be asked for again. */
function refund(before: Settlement, references: References, moment: Moment): Effects {
  assertPays(before.amount, before.legs);
  const [given, left] = divide(before.legs, (rail) => references.has(rail));
  if (given.length === 0) throw new NoSuchTransitionError("a refund gives something back");
  const after = { ...moved(before, "refund", moment), legs: given };
  const facts = { ...moneyFacts(legsTotal(given), given), ...dayFacts(after, moment), ...referenceFacts("reference", references) };
  const transfers = [...transfersOf(after, given, "posted", references), ...transfersOf(after, left, "voided")];
  return effects(after, outcomeLeaf(after, "settlement.refunded", facts), { transfers, event: refundedEvent(after, moment.atMs) });
}

function effects(after: Settlement, leaf?: LeafDraft, more: Partial<Pick<Effects, "transfers" | "event">> = {}): Effects {
  return { after, leaves: leaf === undefined ? [] : [leaf], transfers: more.transfers ?? [], event: more.event };
}

function moved(before: Settlement, name: TransitionName, moment: Moment): Settlement {
  const standing: Standing | undefined = advance(before.standing, name);
  if (standing === undefined) {
    const { state, phase } = before.standing;
    throw new NoSuchTransitionError(`no ${name} from ${state}${phase === undefined ? "" : ` (${phase})`}`);
  }
  const { atMs } = moment;
  const after = { ...before, revision: before.revision + 1, standing, missing: [], attempt: 0, stepAtMs: atMs };
  return isTerminal(standing.state)
    ? { ...after, dueAtMs: undefined, decidedAtMs: atMs, credential: undefined, care: undefined }
    : { ...after, dueAtMs: atMs };
}

/** Told once per settlement. */
function unknownTold(before: Settlement, missing: readonly MissingAnswer[], moment: Moment): EventDraft | undefined {
  const rail = missing[0]?.rail;
  return before.unknownReported || rail === undefined ? undefined : unknownEvent(before, rail, moment.atMs);
}

function phaseOf(one: Settlement): string {
  return one.standing.phase ?? "";
}

function divide(legs: readonly Leg[], isFirst: (rail: RailName) => boolean): readonly [readonly Leg[], readonly Leg[]] {
  return [legs.filter(({ rail }) => isFirst(rail)), legs.filter(({ rail }) => !isFirst(rail))];
}
