/**
 * What every shipped rule must and must not say: labelled sequences of events. A rule is published only when its own
 * scenarios hold (analytics notes 9), and a newcomer reads here what each rule is for.
 */
import type { AnyWrittenEvent } from "../contracts/event.ts";
import type { WrittenData } from "../contracts/topics.ts";

export interface Scenario {
  /** Id of the rule it tests. */
  readonly rule: string;
  /** `boundary`: exactly at a limit, on whichever side. */
  readonly label: "positive" | "negative" | "boundary";
  readonly name: string;
  readonly events: readonly AnyWrittenEvent[];
  /** Ids of the events that raise an alert, in order. */
  readonly raises: readonly string[];
}

const START_MS = Date.UTC(2026, 0, 5, 1, 0, 0);
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** 64 hex digits that stand for a person or a code. */
function pseudonym(number: number): string {
  return number.toString(16).padStart(64, "0");
}

function event<T extends AnyWrittenEvent["type"]>(
  id: string,
  type: T,
  data: Extract<AnyWrittenEvent, { type: T }>["data"] & { readonly atMs: number },
) {
  return { id, type, source: "/ronghe/scenario", timeMs: data.atMs, key: "H1", data };
}

interface Scan {
  readonly id: string;
  readonly at: number;
  readonly terminal: string;
  readonly code?: number;
  readonly kind?: WrittenData<"code.scan.observed.v1">["codeKind"];
  readonly outcome?: string;
}
function scan({ id, at, terminal, code = 1, kind = "fused.signed", outcome = "accepted" }: Scan): AnyWrittenEvent {
  return event(id, "code.scan.observed.v1", {
    institution: "H1",
    terminal,
    businessType: "01101",
    step: "verify",
    codeKind: kind,
    ...(kind === "unreadable" ? {} : { codeFingerprint: pseudonym(code) }),
    outcome,
    observedBy: "edge",
    atMs: START_MS + at,
  });
}

interface Visit {
  readonly id: string;
  readonly at: number;
  readonly person: number;
  readonly terminal?: string;
  /** Degrees north of the first desk; one degree is 111,195 m. */
  readonly north?: number;
}
function visit({ id, at, person, terminal = "T1", north = 0 }: Visit): AnyWrittenEvent {
  return event(id, "identity.token.resolved.v1", {
    transactionId: `H1/${id}`,
    institution: "H1",
    terminal,
    businessType: "01101",
    person: pseudonym(person),
    latitude: 30 + north,
    longitude: 120,
    atMs: START_MS + at,
  });
}

interface Claim {
  readonly id: string;
  readonly at: number;
  readonly institution?: string;
  /** The settlement a refund gives back. */
  readonly of?: string;
}
function claim({ id, at, institution = "H1", of }: Claim): AnyWrittenEvent {
  const common = {
    settlementId: id,
    institution,
    terminal: "T1",
    businessType: "01301",
    outTradeNo: id,
    requestHash: pseudonym(0),
    person: pseudonym(1),
    amount: "200.00",
    legs: [{ rail: "insurance" as const, fundSource: "hifp_pay", amount: "200.00" }],
    atMs: START_MS + at,
  };
  if (of === undefined) return event(id, "settlement.claim.settled.v1", common);
  return event(id, "settlement.claim.refunded.v1", { ...common, originalSettlementId: of, originalSettledAtMs: START_MS });
}
/** `count` settlements a day apart, each refunded ten minutes later: s1 r1 s2 r2 … */
function cycles(count: number): readonly AnyWrittenEvent[] {
  return Array.from({ length: count }, (_, n) => [
    claim({ id: `s${n + 1}`, at: n * DAY }),
    claim({ id: `r${n + 1}`, at: n * DAY + 10 * MINUTE, of: `s${n + 1}` }),
  ]).flat();
}
/** Persons 1, 2, 3, … at one terminal, `step` apart. */
function queue(persons: number, step: number): readonly AnyWrittenEvent[] {
  return Array.from({ length: persons }, (_, n) => visit({ id: `v${n + 1}`, at: n * step, person: n + 1 }));
}

interface Rejected {
  readonly id: string;
  readonly at: number;
  readonly terminal?: string;
}
function rejected({ id, at, terminal = "T1" }: Rejected): AnyWrittenEvent {
  return event(id, "settlement.request.rejected.v1", {
    institution: "H1",
    terminal,
    businessType: "01301",
    edge: "e1",
    action: "refund",
    reason: "originForged",
    partition: 0,
    offset: "1",
    atMs: START_MS + at,
  });
}

const at =
  (rule: string) =>
  (label: Scenario["label"], name: string, events: readonly AnyWrittenEvent[], raises: readonly string[]): Scenario => ({
    rule,
    label,
    name,
    events,
    raises,
  });
const code = at("code-two-terminals");
const travel = at("impossible-travel");
const cycle = at("settle-refund-cycle");
const cluster = at("clustered-cards");
const contested = at("code-contested");
const forged = at("request-forged");

/** 50,000 m and 50,001 m north, in degrees of our sphere, to the microdegree that still rounds to them. */
const DEGREES_50_KM = 0.449656;
const DEGREES_OVER_50_KM = 0.449665;

export const SCENARIOS: readonly Scenario[] = [
  code(
    "positive",
    "a copied code at a second desk",
    [scan({ id: "a", at: 0, terminal: "T1" }), scan({ id: "b", at: 20 * SECOND, terminal: "T2", outcome: "codeUsed" })],
    ["b"],
  ),
  code(
    "positive",
    "three desks are one scheme, and one alert",
    [scan({ id: "a", at: 0, terminal: "T1" }), scan({ id: "b", at: 1, terminal: "T2" }), scan({ id: "c", at: 2, terminal: "T3" })],
    ["b"],
  ),
  code(
    "positive",
    "the first scan arrives after the second",
    [scan({ id: "b", at: 20 * SECOND, terminal: "T2" }), scan({ id: "a", at: 0, terminal: "T1" })],
    ["b"],
  ),
  code(
    "negative",
    "the same desk twice",
    [scan({ id: "a", at: 0, terminal: "T1" }), scan({ id: "b", at: SECOND, terminal: "T1", outcome: "codeUsed" })],
    [],
  ),
  code(
    "negative",
    "two codes at two desks",
    [scan({ id: "a", at: 0, terminal: "T1", code: 1 }), scan({ id: "b", at: SECOND, terminal: "T2", code: 2 })],
    [],
  ),
  code(
    "negative",
    "a static health card code is shown anywhere",
    [scan({ id: "a", at: 0, terminal: "T1", kind: "ehc.static" }), scan({ id: "b", at: SECOND, terminal: "T2", kind: "ehc.static" })],
    [],
  ),
  code(
    "negative",
    "what cannot be read has no fingerprint",
    [scan({ id: "a", at: 0, terminal: "T1", kind: "unreadable" }), scan({ id: "b", at: SECOND, terminal: "T2", kind: "unreadable" })],
    [],
  ),
  code(
    "boundary",
    "the second desk exactly 24 hours later",
    [scan({ id: "a", at: 0, terminal: "T1" }), scan({ id: "b", at: DAY, terminal: "T2" })],
    ["b"],
  ),
  code(
    "boundary",
    "the second desk a millisecond after 24 hours",
    [scan({ id: "a", at: 0, terminal: "T1" }), scan({ id: "b", at: DAY + 1, terminal: "T2" })],
    [],
  ),

  travel(
    "positive",
    "111 km in half an hour",
    [visit({ id: "a", at: 0, person: 1 }), visit({ id: "b", at: HOUR / 2, person: 1, north: 1 })],
    ["b"],
  ),
  travel(
    "positive",
    "two places at the same instant",
    [visit({ id: "a", at: 0, person: 1 }), visit({ id: "b", at: 0, person: 1, north: 1 })],
    ["b"],
  ),
  travel("negative", "111 km in an hour", [visit({ id: "a", at: 0, person: 1 }), visit({ id: "b", at: HOUR, person: 1, north: 1 })], []),
  travel("negative", "two people", [visit({ id: "a", at: 0, person: 1 }), visit({ id: "b", at: 0, person: 2, north: 1 })], []),
  travel("negative", "the only visit", [visit({ id: "a", at: 0, person: 1 })], []),
  travel(
    "boundary",
    "exactly 50 km",
    [visit({ id: "a", at: 0, person: 1 }), visit({ id: "b", at: MINUTE, person: 1, north: DEGREES_50_KM })],
    [],
  ),
  travel(
    "boundary",
    "a metre more than 50 km",
    [visit({ id: "a", at: 0, person: 1 }), visit({ id: "b", at: MINUTE, person: 1, north: DEGREES_OVER_50_KM })],
    ["b"],
  ),
  travel(
    "boundary",
    "exactly 150 km/h is within reason",
    [visit({ id: "a", at: 0, person: 1 }), visit({ id: "b", at: 2_668_680, person: 1, north: 1 })],
    [],
  ),
  travel(
    "boundary",
    "a little more than 150 km/h",
    [visit({ id: "a", at: 0, person: 1 }), visit({ id: "b", at: 2_668_650, person: 1, north: 1 })],
    ["b"],
  ),

  cycle("positive", "three times settled and given back", cycles(3), ["r3"]),
  cycle("positive", "a fourth time is the same scheme", cycles(4), ["r3"]),
  cycle(
    "positive",
    "the refund is read before its settlement",
    [...cycles(2), claim({ id: "r3", at: 2 * DAY + MINUTE, of: "s3" }), claim({ id: "s3", at: 2 * DAY })],
    ["r3"],
  ),
  cycle(
    "negative",
    "settled three times, never given back",
    [claim({ id: "s1", at: 0 }), claim({ id: "s2", at: DAY }), claim({ id: "s3", at: 2 * DAY })],
    [],
  ),
  cycle(
    "negative",
    "one settlement given back in three parts",
    [
      claim({ id: "s1", at: 0 }),
      claim({ id: "r1", at: 1, of: "s1" }),
      claim({ id: "r2", at: 2, of: "s1" }),
      claim({ id: "r3", at: 3, of: "s1" }),
    ],
    [],
  ),
  cycle(
    "negative",
    "three institutions",
    ["H1", "H2", "H3"].flatMap((institution, n) => [
      claim({ id: `s${n}`, at: n, institution }),
      claim({ id: `r${n}`, at: n + 10, institution, of: `s${n}` }),
    ]),
    [],
  ),
  cycle("boundary", "two cycles", cycles(2), []),
  cycle(
    "boundary",
    "the first settlement exactly 30 days before the last refund",
    [...cycles(2), claim({ id: "s3", at: 29 * DAY }), claim({ id: "r3", at: 30 * DAY, of: "s3" })],
    ["r3"],
  ),
  cycle(
    "boundary",
    "the first settlement a millisecond more than 30 days before",
    [...cycles(2), claim({ id: "s3", at: 29 * DAY }), claim({ id: "r3", at: 30 * DAY + 1, of: "s3" })],
    [],
  ),

  cluster("positive", "five people, twenty seconds apart", queue(5, 20 * SECOND), ["v5"]),
  cluster("positive", "nine people are one scheme, and one alert", queue(9, 15 * SECOND), ["v5"]),
  cluster(
    "positive",
    "a quiet pause before the run does not hide it",
    [visit({ id: "early", at: -50 * SECOND, person: 99 }), ...queue(5, 20 * SECOND)],
    ["v5"],
  ),
  cluster("negative", "four people", queue(4, 10 * SECOND), []),
  cluster(
    "negative",
    "one person five times",
    [0, 1, 2, 3, 4].map((n) => visit({ id: `v${n}`, at: n * SECOND, person: 1 })),
    [],
  ),
  cluster(
    "negative",
    "five people at five terminals",
    [0, 1, 2, 3, 4].map((n) => visit({ id: `v${n}`, at: n * SECOND, person: n, terminal: `T${n}` })),
    [],
  ),
  cluster("boundary", "steps of exactly 40 seconds are a queue", queue(5, 40 * SECOND), []),
  cluster("boundary", "steps a millisecond shorter than 40 seconds are a run", queue(5, 40 * SECOND - 1), ["v5"]),
  cluster(
    "boundary",
    "the fifth exactly three minutes after the first",
    [0, 39, 78, 117, 156, 180].map((second, n) => visit({ id: `v${n}`, at: second * SECOND, person: n === 5 ? 5 : Math.min(n, 3) })),
    ["v5"],
  ),
  cluster(
    "boundary",
    "the fifth a millisecond after three minutes",
    [0, 39, 78, 117, 156, 180].map((second, n) =>
      visit({ id: `v${n}`, at: second * SECOND + (n === 5 ? 1 : 0), person: n === 5 ? 5 : Math.min(n, 3) }),
    ),
    [],
  ),

  contested(
    "positive",
    "two edges of one house took one code, and the core found out at the second",
    [
      scan({ id: "a", at: 0, terminal: "T1" }),
      scan({ id: "b", at: 5 * SECOND, terminal: "T1" }),
      scan({ id: "c", at: 5 * SECOND, terminal: "T1", outcome: "codeContested" }),
    ],
    ["c"],
  ),
  contested(
    "positive",
    "a third bill on one code is the same scheme, and one alert",
    [
      scan({ id: "a", at: 0, terminal: "T1", outcome: "codeContested" }),
      scan({ id: "b", at: HOUR, terminal: "T1", outcome: "codeContested" }),
    ],
    ["a"],
  ),
  contested(
    "negative",
    "a code shown again and refused at the desk paid nothing twice",
    [scan({ id: "a", at: 0, terminal: "T1" }), scan({ id: "b", at: SECOND, terminal: "T1", outcome: "codeUsed" })],
    [],
  ),
  contested(
    "boundary",
    "again exactly two days later",
    [
      scan({ id: "a", at: 0, terminal: "T1", outcome: "codeContested" }),
      scan({ id: "b", at: 2 * DAY, terminal: "T2", outcome: "codeContested" }),
    ],
    ["a", "b"],
  ),

  forged("positive", "one request that nobody proved", [rejected({ id: "a", at: 0 })], ["a"]),
  forged(
    "positive",
    "a flood within the hour is one alert",
    [0, 1, 2].map((n) => rejected({ id: `r${n}`, at: n * MINUTE })),
    ["r0"],
  ),
  forged(
    "negative",
    "settlements and refunds of honest edges",
    [claim({ id: "s1", at: 0 }), claim({ id: "r1", at: MINUTE, of: "s1" })],
    [],
  ),
  forged(
    "boundary",
    "again exactly an hour later",
    [rejected({ id: "a", at: 0 }), rejected({ id: "b", at: HOUR }), rejected({ id: "c", at: HOUR, terminal: "T2" })],
    ["a", "b", "c"],
  ),
];
