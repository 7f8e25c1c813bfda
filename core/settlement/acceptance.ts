/**
 * Taking requests in, in the order of the bus: new, repeated, conflicting, or refused as they come. Pure over what the
 * shard already has. Validate, find, check; one code per refusal, in the order of {@link REFUSALS}.
 */
import type { ErrorName } from "../protocol/errors.ts";
import { asFen, type Fen, FEN_MAX, parseYuan } from "../protocol/money.ts";
import type { EventMs } from "../protocol/time.ts";
import type { LeafDraft, Provenance } from "../../ledger/leaf-draft.ts";
import type { RongheEvent } from "../../streams/contracts/event.ts";
import { type Effects, effectsOfAcceptance, effectsOfConflict, effectsOfRefusal } from "./effects.ts";
import type { EventDraft } from "./events.ts";
import type { Moment } from "./moment.ts";
import { type Leg, legsTotal } from "./plan.ts";
import type { Unbelieved } from "./quarantine.ts";
import { apportion, refundable, type RefundScope } from "./refunds.ts";
import type { Care, Settlement, SettlementFacts } from "./settlement.ts";

/**
 * Why a request is refused as it comes, in the order of checking, and what the hospital is told. The name enters the
 * ledger as the entry's `cause`.
 */
export const REFUSALS = {
  /** No yuan text, zero, or above what the wire can carry. */
  amountInvalid: "amountInvalid",
  credentialMissing: "badRequest",
  /** A settlement that names what only a refund may. */
  refundFields: "badRequest",
  originalMissing: "badRequest",
  refundAmountInvalid: "amountInvalid",
  /** Never heard of, or of another institution: ids are made from the institution. */
  originalUnknown: "settlementUnknown",
  refundOfRefund: "refundRefused",
  /** Refused, with nothing that a payer kept of it, or not decided yet. */
  originalNotSettled: "refundRefused",
  /** Whose it was is destroyed. */
  originalErased: "refundRefused",
  refundsExhausted: "refundRefused",
  /** No leg of this kind, or nothing left of it. */
  nothingLeft: "refundRefused",
  /** More than is left. */
  refundExceeds: "refundExceeds",
} as const satisfies Readonly<Record<string, ErrorName>>;
export type RefusalCause = keyof typeof REFUSALS;
export type RefundRefusal = Extract<
  RefusalCause,
  "refundOfRefund" | "originalNotSettled" | "originalErased" | "refundsExhausted" | "nothingLeft"
>;

/** Refunds of one settlement that were not refused; a bill is not given back fen by fen. */
export const REFUNDS_MAX = 64;

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
  | ({ readonly kind: "unbelieved" } & Unbelieved);

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
  /** Records that could not be read or were not believed. */
  readonly quarantined: readonly Unbelieved[];
}

export function accept(intakes: readonly Intake[], known: Known, moment: Moment): Accepted {
  const settlements = new Map(known.settlements);
  const refunds = new Map(known.refunds);
  const told = new Set(known.conflicts);
  const opened: Effects[] = [];
  const conflicts: Accepted["conflicts"][number][] = [];
  const quarantined: Unbelieved[] = [];
  for (const intake of intakes) {
    if (intake.kind === "unbelieved") {
      const { provenance, source, reason } = intake;
      quarantined.push({ provenance, source, reason });
      continue;
    }
    const first = settlements.get(intake.id);
    if (first === undefined) {
      const effects = open(intake, settlements, refunds, moment);
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
    const second = { requestHash, provenance, action, terminal, businessType, edge };
    const { leaf, event } = effectsOfConflict(first, second, { source, eventId }, moment);
    conflicts.push({ source, eventId, settlementId: intake.id, requestHash, leaf, event });
  }
  return { opened, conflicts, quarantined };
}

type Request = Extract<Intake, { kind: "request" }>;

/** Validate, find, check: the first rule that fails refuses. Below the marked line nothing fails any more. */
function open(
  intake: Request,
  settlements: ReadonlyMap<string, Settlement>,
  refunds: ReadonlyMap<string, readonly Settlement[]>,
  moment: Moment,
): Effects {
  const { data } = intake.event;
  const facts = factsOf(intake, moment);
  const refuse = (cause: RefusalCause, known: Partial<SettlementFacts> = {}): Effects =>
    refuseAtOnce({ ...facts, ...known }, cause, moment);

  if (data.action === "settle") {
    const amount = amountOf(data.amount);
    if (amount === undefined) return refuse("amountInvalid");
    if (data.credential === undefined) return refuse("credentialMissing", { amount });
    if (data.originalOutTradeNo !== undefined || data.refundType !== undefined || data.refundAmount !== undefined)
      return refuse("refundFields", { amount });
    // From here nothing fails.
    const told = { credential: data.credential, care: careOf(data) };
    return effectsOfAcceptance({ ...facts, amount, ...beginning(moment), ...told, dueAtMs: moment.atMs }, moment);
  }

  const scope = data.refundType ?? "ALL";
  const asked = amountOf(data.refundAmount);
  if (intake.parentId === undefined) return refuse("originalMissing", { scope });
  if (data.refundAmount !== undefined && asked === undefined) return refuse("refundAmountInvalid", { scope });
  const original = settlements.get(intake.parentId);
  if (original === undefined) return refuse("originalUnknown", { scope });
  const wanted = { scope, amount: asked ?? original.amount };
  const left = leftOf(original, refunds.get(original.id) ?? [], scope);
  if (typeof left === "string") return refuse(left, wanted);
  const most = legsTotal(left);
  if (asked !== undefined && asked > most) return refuse("refundExceeds", wanted);
  // From here nothing fails.
  const amount = asked ?? most;
  return effectsOfAcceptance(refundOf(original, { facts, scope, amount, legs: apportion(amount, left) }, moment), moment);
}

/** What is left to give back of a bill that was paid, or of what a payer kept of a refused one; or why nothing is. */
export function leftOf(original: Settlement, refunds: readonly Settlement[], scope: RefundScope): readonly Leg[] | RefundRefusal {
  if (original.action === "refund") return "refundOfRefund";
  const isKept = original.standing.state === "refused" && original.legs.length > 0;
  if (original.standing.state !== "settled" && !isKept) return "originalNotSettled";
  // Whose accounts it came from was destroyed under an order: what is still owed is a correction of the books.
  if (original.person === undefined) return "originalErased";
  const counted = refunds.filter((refund) => refund.standing.state !== "refused");
  if (counted.length >= REFUNDS_MAX) return "refundsExhausted";
  const left = refundable(
    original.legs,
    counted.map(({ legs }) => legs),
    scope,
  );
  return left.length === 0 ? "nothingLeft" : left;
}

/** A refund as it begins, of what {@link leftOf} allows. */
export function refundOf(
  original: Settlement,
  what: { readonly facts: SettlementFacts; readonly scope: RefundScope; readonly amount: Fen; readonly legs: readonly Leg[] },
  moment: Moment,
): Settlement {
  if (original.decidedAtMs === undefined) throw new TypeError("only what is decided is given back");
  return {
    ...what.facts,
    ...beginning(moment),
    scope: what.scope,
    amount: what.amount,
    parent: { id: original.id, settledAtMs: original.decidedAtMs },
    standing: { state: "refunding", phase: undefined },
    person: original.person,
    region: original.region,
    legs: what.legs,
    dueAtMs: moment.atMs,
  };
}

function careOf({ medType, feeLines }: Request["event"]["data"]): Care | undefined {
  return medType === undefined && feeLines === undefined ? undefined : { medType, fees: feeLines };
}

/** An amount above zero that the wire can carry. */
function amountOf(text: string | undefined): Fen | undefined {
  const amount = text === undefined ? undefined : parseYuan(text);
  return amount !== undefined && amount > 0n && amount <= FEN_MAX ? amount : undefined;
}

function beginning(moment: Moment): Omit<Settlement, keyof SettlementFacts> {
  return { ...BEGINNING, stepAtMs: moment.atMs };
}

const BEGINNING: Omit<Settlement, keyof SettlementFacts | "stepAtMs"> = {
  standing: { state: "accepted", phase: undefined },
  person: undefined,
  region: undefined,
  bound: undefined,
  credential: undefined,
  care: undefined,
  refusal: undefined,
  missing: [],
  unknownReported: false,
  decidedAtMs: undefined,
  attempt: 0,
  revision: 0,
  dueAtMs: undefined,
  legs: [],
  evidence: [],
  ledgerIndex: undefined,
};

function factsOf(intake: Request, moment: Moment): SettlementFacts {
  const { data } = intake.event;
  return {
    id: intake.id,
    institution: data.institution,
    outTradeNo: data.outTradeNo,
    requestHash: intake.requestHash,
    action: data.action,
    parent: undefined,
    scope: undefined,
    terminal: data.terminal,
    businessType: data.businessType,
    edge: data.edge,
    amount: asFen(0n),
    acceptedAtMs: data.acceptedAtMs as EventMs,
    recordedAtMs: moment.atMs,
    provenance: intake.provenance,
  };
}

function refuseAtOnce(facts: SettlementFacts, cause: RefusalCause, moment: Moment): Effects {
  const refusal = REFUSALS[cause];
  const standing = { state: "refused" as const, phase: undefined };
  const one = { ...facts, ...beginning(moment), standing, refusal, decidedAtMs: moment.atMs };
  return effectsOfRefusal(one, refusal, cause, moment);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
