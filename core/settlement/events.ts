/** What the bus is told of an outcome. */
import type { ErrorName } from "../protocol/errors.ts";
import { formatYuan } from "../protocol/money.ts";
import type { EventMs } from "../protocol/time.ts";
import { toHex } from "../protocol/bytes.ts";
import type { AnyWrittenEvent } from "../../streams/contracts/event.ts";
import { type Leg, legsTotal, type RailName } from "./plan.ts";
import type { Settlement } from "./settlement.ts";

/** An event but for its envelope of source and ledger position, which only the shard knows. */
export type EventDraft = {
  [E in AnyWrittenEvent as E["type"]]: Pick<E, "id" | "type" | "subject" | "key" | "data">;
}[AnyWrittenEvent["type"]];

export function settledEvent(one: Settlement, atMs: EventMs): EventDraft {
  return {
    id: `${one.id}.settled`,
    type: "settlement.claim.settled.v1",
    subject: one.id,
    key: one.institution,
    data: { ...outcomeData(one, atMs), person: personOf(one), amount: formatYuan(one.amount), legs: legsData(one.legs) },
  };
}

/** `kept`: what a payer took of the bill and, by its own statement, did not give back. */
export function refusedEvent(one: Settlement, refusal: ErrorName, atMs: EventMs): EventDraft {
  const person = one.person === undefined ? {} : { person: one.person };
  const kept = one.legs.length === 0 ? {} : { kept: legsData(one.legs) };
  return {
    id: `${one.id}.refused`,
    type: "settlement.claim.refused.v1",
    subject: one.id,
    key: one.institution,
    data: { ...outcomeData(one, atMs), ...person, amount: formatYuan(one.amount), action: one.action, refusal, ...kept },
  };
}

/** Its amount is what was given back, which may be less than was asked for. */
export function refundedEvent(one: Settlement, atMs: EventMs): EventDraft {
  if (one.parent === undefined) throw new TypeError("a refund without a parent");
  const original = { originalSettlementId: one.parent.id, originalSettledAtMs: one.parent.settledAtMs };
  return {
    id: `${one.id}.refunded`,
    type: "settlement.claim.refunded.v1",
    subject: one.id,
    key: one.institution,
    data: {
      ...outcomeData(one, atMs),
      ...original,
      person: personOf(one),
      amount: formatYuan(legsTotal(one.legs)),
      legs: legsData(one.legs),
    },
  };
}

export function unknownEvent(one: Settlement, rail: RailName, atMs: EventMs): EventDraft {
  return {
    id: `${one.id}.unknown`,
    type: "settlement.claim.unknown.v1",
    subject: one.id,
    key: one.institution,
    data: { ...outcomeData(one, atMs), person: personOf(one), amount: formatYuan(one.amount), rail },
  };
}

/** The same id with other content: told beside the first settlement's own outcome. */
export function conflictEvent(second: Settlement, atMs: EventMs): EventDraft {
  const { partition, offset } = second.provenance;
  return {
    id: `${second.id}.conflict.${partition}.${offset}`,
    type: "settlement.claim.refused.v1",
    subject: second.id,
    key: second.institution,
    data: { ...outcomeData(second, atMs), action: second.action, refusal: "idempotencyConflict" },
  };
}

interface OutcomeData {
  settlementId: string;
  institution: string;
  terminal: string;
  businessType: string;
  outTradeNo: string;
  requestHash: string;
  atMs: number;
}

function outcomeData(one: Settlement, atMs: EventMs): OutcomeData {
  const { id: settlementId, institution, terminal, businessType, outTradeNo } = one;
  return { settlementId, institution, terminal, businessType, outTradeNo, requestHash: toHex(one.requestHash), atMs };
}

function legsData(legs: readonly Leg[]): { rail: Leg["rail"]; fundSource: string; amount: string }[] {
  return legs.flatMap((leg) => leg.parts.map((part) => ({ rail: leg.rail, fundSource: part.fundSource, amount: formatYuan(part.amount) })));
}

function personOf(one: Settlement): string {
  if (one.person === undefined) throw new TypeError("money moves only for a person that the vault named");
  return one.person;
}
