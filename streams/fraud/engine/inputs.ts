/**
 * What the engine takes from each topic: a few typed columns, nothing else. A field that no rule declares is dropped
 * at the door, so the state grows with what is judged and not with what is sent.
 */
import { parseYuan } from "../../../core/protocol/money.ts";
import { ok, refused, type Result } from "../../../core/protocol/result.ts";
import type { AnyEvent } from "../../contracts/event.ts";
import { UNKNOWN } from "../../contracts/open-list.ts";
import type { DataTopic } from "../../contracts/topics.ts";

/** Text columns hold symbols; `terminal` is `<institution>/<termId>`, since a terminal number is unique only there. */
export const TEXT_FIELDS = [
  "institution",
  "terminal",
  "person",
  "code",
  "codeKind",
  "outcome",
  "step",
  "businessType",
  "action",
  "settlement",
  "originalSettlement",
] as const;
/** Number columns hold integers below 2^53 in 64-bit floats, checked on entry; latitude and longitude are microdegrees. */
export const NUMBER_FIELDS = ["amount", "latitude", "longitude"] as const;

export type TextField = (typeof TEXT_FIELDS)[number];
export type NumberField = (typeof NUMBER_FIELDS)[number];
export type Field = TextField | NumberField;

/** Units of everything that can be compared; a comparison across units is refused at load. */
export const UNITS = ["count", "fen", "ms", "m", "m/h", "microdegree"] as const;
export type Unit = (typeof UNITS)[number];

export const NUMBER_FIELD_UNIT: Readonly<Record<NumberField, Unit>> = { amount: "fen", latitude: "microdegree", longitude: "microdegree" };

/** Topics a rule may read, and the fields each one fills. */
export const INPUT_FIELDS = {
  "code.scan.observed.v1": ["institution", "terminal", "businessType", "step", "code", "codeKind", "outcome"],
  "identity.token.resolved.v1": ["institution", "terminal", "businessType", "person", "code", "latitude", "longitude"],
  "settlement.claim.settled.v1": ["institution", "terminal", "businessType", "person", "amount", "settlement"],
  "settlement.claim.refunded.v1": ["institution", "terminal", "businessType", "person", "amount", "settlement", "originalSettlement"],
  "settlement.claim.refused.v1": ["institution", "terminal", "businessType", "person", "amount", "settlement", "action", "outcome"],
  "settlement.request.rejected.v1": ["institution", "terminal", "businessType", "action", "outcome"],
} as const satisfies Partial<Record<DataTopic, readonly Field[]>>;

export type InputTopic = keyof typeof INPUT_FIELDS;
export const INPUT_TOPICS: readonly InputTopic[] = Object.keys(INPUT_FIELDS) as InputTopic[];

export type InputEvent = Extract<AnyEvent, { readonly type: InputTopic }>;

export function isInput(event: AnyEvent): event is InputEvent {
  return Object.hasOwn(INPUT_FIELDS, event.type);
}

/** By whom or what events are gathered: one chain of events per value of these fields. */
export const KEY_GROUPS = {
  code: ["code"],
  person: ["person"],
  terminal: ["terminal"],
  personAtInstitution: ["person", "institution"],
} as const satisfies Record<string, readonly TextField[]>;
export type KeyGroup = keyof typeof KEY_GROUPS;

export interface Facts {
  /** Event time, ms. */
  readonly atMs: number;
  readonly text: Readonly<Partial<Record<TextField, string>>>;
  readonly number: Readonly<Partial<Record<NumberField, number>>>;
}

/** Refused when a number does not fit the columns exactly: then the event is quarantined, never rounded. */
export function factsOf(event: InputEvent): Result<Facts, { readonly reason: string }> {
  const { data } = event;
  const place = {
    institution: data.institution,
    terminal: `${data.institution}/${data.terminal}`,
    businessType: data.businessType,
  };
  switch (event.type) {
    case "code.scan.observed.v1": {
      const { step, codeFingerprint: code, codeKind, outcome, atMs } = event.data;
      return ok({ atMs, text: { ...place, ...known({ step, codeKind }), outcome, ...(code === undefined ? {} : { code }) }, number: {} });
    }
    case "identity.token.resolved.v1": {
      const { person, codeFingerprint: code, latitude, longitude, atMs } = event.data;
      if (!(Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180)) return refused({ reason: "the position is not on the globe" });
      const number = { latitude: Math.round(latitude * 1e6), longitude: Math.round(longitude * 1e6) };
      return ok({ atMs, text: { ...place, person, ...(code === undefined ? {} : { code }) }, number });
    }
    case "settlement.claim.settled.v1": {
      const { person, amount, settlementId: settlement, atMs } = event.data;
      return withAmount(amount, { atMs, text: { ...place, person, settlement }, number: {} });
    }
    case "settlement.claim.refunded.v1": {
      const { person, amount, settlementId: settlement, originalSettlementId: originalSettlement, atMs } = event.data;
      return withAmount(amount, { atMs, text: { ...place, person, settlement, originalSettlement }, number: {} });
    }
    case "settlement.claim.refused.v1": {
      const { person, amount, settlementId: settlement, action, refusal: outcome, atMs } = event.data;
      const text = { ...place, settlement, ...known({ action }), outcome, ...(person === undefined ? {} : { person }) };
      return withAmount(amount, { atMs, text, number: {} });
    }
    case "settlement.request.rejected.v1": {
      const { action, reason: outcome, atMs } = event.data;
      return ok({ atMs, text: { ...place, ...known({ action }), outcome }, number: {} });
    }
  }
}

/** A value of a newer list fills no column: no rule can decide by it, and none fires (`judge.ts`). */
function known<F extends TextField>(fields: Readonly<Record<F, string>>): Partial<Record<TextField, string>> {
  return Object.fromEntries(Object.entries<string>(fields).filter(([, value]) => value !== UNKNOWN));
}

function withAmount(yuan: string | undefined, facts: Facts): Result<Facts, { readonly reason: string }> {
  if (yuan === undefined) return ok(facts);
  const fen = parseYuan(yuan);
  if (fen === undefined || fen > BigInt(Number.MAX_SAFE_INTEGER)) return refused({ reason: "the amount does not fit 2^53 fen" });
  return ok({ ...facts, number: { amount: Number(fen) } });
}
