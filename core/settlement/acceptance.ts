/**
 * Taking requests in, in the order of the bus: new, repeated, conflicting, or refused as they come. Pure over what the
 * shard already has. Validate, find, check; one refusal per rule, in this order.
 */
import type { ErrorName } from "../protocol/errors.ts";
import { asFen, parseYuan } from "../protocol/money.ts";
import type { EventMs } from "../protocol/time.ts";
import type { LeafDraft, Provenance } from "../../ledger/leaf-draft.ts";
import type { RongheEvent } from "../../streams/contracts/event.ts";
import { type Effects, effectsOfAcceptance, effectsOfConflict, effectsOfRefusal, type EventDraft } from "./effects.ts";
import type { Settlement, SettlementFacts } from "./settlement.ts";

export type SubmittedEvent = RongheEvent<"settlement.request.submitted.v1">;

/** One record of the requests topic: readable, or to be set aside. */
export type Intake =
  | {
      readonly kind: "request";
      readonly event: SubmittedEvent;
      readonly provenance: Provenance;
      readonly id: string;
      readonly parentId: string | undefined;
      readonly requestHash: Uint8Array;
    }
  | { readonly kind: "unreadable"; readonly provenance: Provenance };

/** What the shard had before this batch. */
export interface Known {
  readonly settlements: ReadonlyMap<string, Settlement>;
  /** Refunds by the settlement they give back. */
  readonly refunds: ReadonlyMap<string, readonly Settlement[]>;
  /** `source` and `id` of conflicts already told, joined by a line feed. */
  readonly conflicts: ReadonlySet<string>;
}

export interface Accepted {
  /** New settlements, with their effects; refused ones included. */
  readonly opened: readonly Effects[];
  readonly conflicts: readonly {
    readonly source: string;
    readonly eventId: string;
    readonly settlementId: string;
    readonly requestHash: Uint8Array;
    readonly leaf: LeafDraft;
    readonly event: EventDraft;
  }[];
  /** Entries for records that could not be read. */
  readonly quarantined: readonly LeafDraft[];
}

export function accept(intakes: readonly Intake[], known: Known, atMs: EventMs): Accepted {
  const settlements = new Map(known.settlements);
  const refunds = new Map(known.refunds);
  const told = new Set(known.conflicts);
  const opened: Effects[] = [];
  const conflicts: Accepted["conflicts"][number][] = [];
  const quarantined: LeafDraft[] = [];
  for (const intake of intakes) {
    if (intake.kind === "unreadable") {
      quarantined.push({ kind: "settlement.quarantined", outcome: "refused", actor: "core", provenance: intake.provenance });
      continue;
    }
    const first = settlements.get(intake.id);
    if (first === undefined) {
      const effects = open(intake, settlements, refunds, atMs);
      settlements.set(intake.id, effects.after);
      const { parent } = effects.after;
      if (parent !== undefined) refunds.set(parent.id, [...(refunds.get(parent.id) ?? []), effects.after]);
      opened.push(effects);
      continue;
    }
    const { source, id: eventId } = intake.event;
    if (sameBytes(first.requestHash, intake.requestHash) || told.has(`${source}\n${eventId}`)) continue;
    told.add(`${source}\n${eventId}`);
    const { action, terminal, businessType, edge } = intake.event.data;
    const { requestHash, provenance } = intake;
    const { leaf, event } = effectsOfConflict(first, { requestHash, provenance, action, terminal, businessType, edge }, atMs);
    if (leaf !== undefined && event !== undefined) conflicts.push({ source, eventId, settlementId: intake.id, requestHash, leaf, event });
  }
  return { opened, conflicts, quarantined };
}

type Request = Extract<Intake, { kind: "request" }>;

function open(
  intake: Request,
  settlements: ReadonlyMap<string, Settlement>,
  refunds: ReadonlyMap<string, readonly Settlement[]>,
  atMs: EventMs,
): Effects {
  return intake.event.data.action === "settle" ? openSettle(intake, atMs) : openRefund(intake, settlements, refunds, atMs);
}

function openSettle(intake: Request, atMs: EventMs): Effects {
  const { amount: text, credential } = intake.event.data;
  const amount = text === undefined ? undefined : parseYuan(text);
  const facts = factsOf(intake, atMs);
  if (amount === undefined || amount <= 0n) return refuseAtOnce(facts, "amountInvalid", atMs);
  if (credential === undefined) return refuseAtOnce({ ...facts, amount }, "badRequest", atMs);
  return effectsOfAcceptance({ ...facts, amount, ...BEGINNING, credential, dueAtMs: atMs });
}

function openRefund(
  intake: Request,
  settlements: ReadonlyMap<string, Settlement>,
  refunds: ReadonlyMap<string, readonly Settlement[]>,
  atMs: EventMs,
): Effects {
  const facts = factsOf(intake, atMs);
  if (intake.parentId === undefined) return refuseAtOnce(facts, "badRequest", atMs);
  // Ids are made from the institution, so another institution's settlement is simply not found.
  const parent = settlements.get(intake.parentId);
  if (parent === undefined) return refuseAtOnce(facts, "settlementUnknown", atMs);
  const whole = { ...facts, amount: parent.amount };
  if (parent.action !== "settle" || parent.standing.state !== "settled" || parent.decidedAtMs === undefined)
    return refuseAtOnce(whole, "refundRefused", atMs);
  if (refunds.get(parent.id)?.some((refund) => refund.standing.state !== "refused") === true)
    return refuseAtOnce(whole, "refundRefused", atMs);
  return effectsOfAcceptance({
    ...whole,
    ...BEGINNING,
    parent: { id: parent.id, settledAtMs: parent.decidedAtMs },
    standing: { state: "refunding", phase: undefined },
    person: parent.person,
    legs: parent.legs,
    dueAtMs: atMs,
  });
}

const BEGINNING: Omit<Settlement, keyof SettlementFacts> = {
  standing: { state: "accepted", phase: undefined },
  person: undefined,
  bound: undefined,
  credential: undefined,
  refusal: undefined,
  unknownRail: undefined,
  unknownReported: false,
  decidedAtMs: undefined,
  attempt: 0,
  revision: 0,
  dueAtMs: undefined,
  legs: [],
  ledgerIndex: undefined,
};

function factsOf(intake: Request, atMs: EventMs): SettlementFacts {
  const { data } = intake.event;
  return {
    id: intake.id,
    institution: data.institution,
    outTradeNo: data.outTradeNo,
    requestHash: intake.requestHash,
    action: data.action,
    parent: undefined,
    terminal: data.terminal,
    businessType: data.businessType,
    edge: data.edge,
    amount: asFen(0n),
    acceptedAtMs: data.acceptedAtMs as EventMs,
    recordedAtMs: atMs,
    provenance: intake.provenance,
  };
}

function refuseAtOnce(facts: SettlementFacts, refusal: ErrorName, atMs: EventMs): Effects {
  const standing = { state: "refused" as const, phase: undefined };
  return effectsOfRefusal({ ...facts, ...BEGINNING, standing, refusal, decidedAtMs: atMs }, refusal, atMs);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
