/** Every refusal of a request as it comes: its own test, and its place in the documented order. */
import { describe, expect, test } from "vitest";
import { asFen } from "../protocol/money.ts";
import type { EventMs } from "../protocol/time.ts";
import { ERRORS } from "../protocol/errors.ts";
import { accept, type Known, REFUNDS_MAX, REFUSALS, type RefusalCause, type SubmittedEvent } from "./acceptance.ts";
import { momentAt } from "./moment.ts";
import type { Leg } from "./plan.ts";
import type { Settlement } from "./settlement.ts";

const NOW = Date.UTC(2026, 4, 12, 4) as EventMs;
const moment = momentAt(NOW, undefined);
const provenance = { topic: "t", partition: 0, offset: 7n, recordHash: new Uint8Array(32) };
const requestHash = new Uint8Array(32).fill(1);
const credential = { kind: "code" as const, keyHandle: "edge.seal/1", wrappedKey: "", sealed: "" };
const legs: readonly Leg[] = [
  { rail: "insurance", railReference: "I1", parts: [{ fundSource: "hifp_pay", amount: asFen(600n) }] },
  { rail: "bank", railReference: "B1", parts: [{ fundSource: "psn_cash_pay", amount: asFen(400n) }] },
];

type Data = Partial<SubmittedEvent["data"]>;
function eventOf(data: Data): SubmittedEvent {
  const common = {
    institution: "H1",
    terminal: "T1",
    businessType: "01301",
    outTradeNo: "new",
    requestHash: "01".repeat(32),
    operatorId: "op",
  };
  return {
    id: "e1",
    type: "settlement.request.submitted.v1",
    source: "/edge",
    timeMs: NOW,
    key: "H1",
    data: { ...common, action: "settle", acceptedAtMs: NOW, edge: "e1", ...data },
  };
}
function stored(id: string, change: Partial<Settlement> = {}): Settlement {
  const { after } = taken({ amount: "10.00", credential }, {}, id);
  return { ...after, standing: { state: "settled", phase: undefined }, decidedAtMs: NOW, person: "p", legs, ...change };
}
function refundOf(
  parent: Settlement,
  at: number,
  parts: readonly Leg[],
  state: "refunding" | "refunded" | "refused" = "refunded",
): Settlement {
  const standing = { state, phase: undefined };
  return { ...parent, id: `r${at}`, action: "refund", parent: { id: parent.id, settledAtMs: NOW }, standing, legs: parts };
}

/** Takes one request in; the parent is `old`, when the request names one. */
function taken(data: Data, known: Partial<Known> = {}, id = "new"): { readonly after: Settlement; readonly cause: string | undefined } {
  const event = eventOf(data);
  const parentId = data.originalOutTradeNo === undefined ? undefined : "old";
  const nothing: Known = { settlements: new Map(), refunds: new Map(), conflicts: new Set() };
  const [opened] = accept([{ kind: "request", event, provenance, id, parentId, requestHash }], { ...nothing, ...known }, moment).opened;
  if (opened === undefined) throw new Error("nothing was opened");
  return { after: opened.after, cause: opened.leaves.at(-1)?.facts?.["cause"] };
}
const old = stored("old");
function having(parent: Settlement, ...refunds: readonly Settlement[]): Partial<Known> {
  return { settlements: new Map([[parent.id, parent]]), refunds: new Map([[parent.id, refunds]]) };
}
const refund: Data = { action: "refund", originalOutTradeNo: "old-no" };
const many = Array.from({ length: REFUNDS_MAX }, (_, at) => refundOf(old, at, []));

type Case = readonly [RefusalCause, Data, Partial<Known>?];
/** One request per rule that breaks this rule and, where it can, every later one too. */
const CASES: readonly Case[] = [
  ["amountInvalid", { amount: "0.00", refundType: "ALL" }],
  ["amountInvalid", { refundType: "ALL" }],
  ["amountInvalid", { amount: "100000000000000.00", credential }],
  ["credentialMissing", { amount: "1.00", refundType: "ALL" }],
  ["refundFields", { amount: "1.00", credential, refundType: "CASH" }],
  ["refundFields", { amount: "1.00", credential, refundAmount: "1.00" }],
  ["refundFields", { amount: "1.00", credential, originalOutTradeNo: "old-no" }],
  ["originalMissing", { action: "refund", refundAmount: "0.00" }],
  ["refundAmountInvalid", { ...refund, refundAmount: "0.00" }],
  ["originalUnknown", { ...refund, refundAmount: "99.00" }],
  ["refundOfRefund", { ...refund, refundAmount: "99.00" }, having({ ...refundOf(old, 0, [], "refused"), id: "old" })],
  [
    "originalNotSettled",
    { ...refund, refundAmount: "99.00" },
    having({ ...old, standing: { state: "posting", phase: undefined } }, ...many),
  ],
  ["originalNotSettled", refund, having({ ...old, standing: { state: "awaiting", phase: "posting" } })],
  ["originalNotSettled", refund, having({ ...old, legs: [], standing: { state: "refused", phase: undefined } })],
  ["originalErased", { ...refund, refundAmount: "99.00" }, having({ ...old, person: undefined }, ...many)],
  ["refundsExhausted", { ...refund, refundAmount: "99.00" }, having(old, ...many)],
  ["nothingLeft", { ...refund, refundAmount: "99.00" }, having(old, refundOf(old, 0, legs))],
  ["nothingLeft", { ...refund, refundType: "CASH" }, having(old, refundOf(old, 0, legs.slice(1), "refunding"))],
  // Of a refused bill, what a payer kept of it is all that there is to give back.
  [
    "nothingLeft",
    { ...refund, refundType: "CASH" },
    having({ ...old, legs: legs.slice(0, 1), standing: { state: "refused", phase: undefined } }),
  ],
  ["refundExceeds", { ...refund, refundAmount: "10.01" }, having(old)],
  ["refundExceeds", { ...refund, refundType: "CASH", refundAmount: "4.01" }, having(old)],
];

describe("a request is refused as it comes", () => {
  for (const [cause, data, known = {}] of CASES)
    test(`${cause}: ${JSON.stringify(data)}`, () => {
      const { after, cause: recorded } = taken(data, known);
      expect(recorded).toBe(cause);
      expect(after.standing).toEqual({ state: "refused", phase: undefined });
      expect(after.refusal).toBe(REFUSALS[cause]);
      expect(after.legs).toEqual([]);
    });

  test("by rules that each have a test, in the order in which they are checked", () => {
    expect([...new Set(CASES.map(([cause]) => cause))]).toEqual(Object.keys(REFUSALS));
  });

  test.each(Object.entries(REFUSALS))("%s is told as the code of %s", (_, error) => {
    expect(ERRORS[error].code).toMatch(/^-?\d+$/);
  });
});

describe("a refund that may be", () => {
  test.each<[string, Data, Partial<Known>, string]>([
    ["everything", refund, having(old), "ALL 1000: hifp_pay 600, psn_cash_pay 400"],
    ["what is left", refund, having(old, refundOf(old, 0, legs.slice(0, 1))), "ALL 400: psn_cash_pay 400"],
    [
      "again what a payer refused to give back",
      refund,
      having(old, refundOf(old, 0, legs, "refused")),
      "ALL 1000: hifp_pay 600, psn_cash_pay 400",
    ],
    ["the cash", { ...refund, refundType: "CASH" }, having(old), "CASH 400: psn_cash_pay 400"],
    ["some of the insurers'", { ...refund, refundType: "HI", refundAmount: "0.01" }, having(old), "HI 1: hifp_pay 1"],
    ["some of all", { ...refund, refundAmount: "5.01" }, having(old), "ALL 501: hifp_pay 301, psn_cash_pay 200"],
  ])("gives back %s", (_, data, known, expected) => {
    const { after } = taken(data, known);
    const parts = after.legs.flatMap((leg) => leg.parts.map(({ fundSource, amount }) => `${fundSource} ${amount}`));
    expect(`${after.scope} ${after.amount}: ${parts.join(", ")}`).toBe(expected);
    expect(after.standing).toEqual({ state: "refunding", phase: undefined });
    expect(after.person).toBe("p");
  });

  test("reserves what it gives back for those behind it in the same slice", () => {
    const event = eventOf({ ...refund, refundAmount: "6.00" });
    const intakes = ["r1", "r2"].map((id) => ({ kind: "request" as const, event, provenance, id, parentId: "old", requestHash }));
    const known: Known = { settlements: new Map([["old", old]]), refunds: new Map(), conflicts: new Set() };
    const { opened } = accept(intakes, known, moment);
    expect(opened.map(({ after }) => after.refusal)).toEqual([undefined, "refundExceeds"]);
  });
});

function again(hash: number, eventId = "e1"): Parameters<typeof accept>[0][number] {
  const event = { ...eventOf({ amount: "1.00", credential }), id: eventId };
  return { kind: "request", event, provenance, id: "new", parentId: undefined, requestHash: new Uint8Array(32).fill(hash) };
}

describe("a number that is known", () => {
  const known: Known = { settlements: new Map([["new", old]]), refunds: new Map(), conflicts: new Set() };
  test("with the same content changes nothing and records nothing", () => {
    expect(accept([again(1), again(1, "e2")], known, moment)).toEqual({ opened: [], conflicts: [], quarantined: [] });
  });

  test("with other content is a conflict, once per event, and opens nothing", () => {
    const { opened, conflicts } = accept([again(2), again(2), again(2, "e2"), again(1)], known, moment);
    expect(opened).toEqual([]);
    expect(conflicts.map(({ eventId, leaf }) => [eventId, leaf.kind, leaf.outcome])).toEqual([
      ["e1", "settlement.conflict", "refused"],
      ["e2", "settlement.conflict", "refused"],
    ]);
    expect(accept([again(2)], { ...known, conflicts: new Set(["/edge\ne1"]) }, moment).conflicts).toEqual([]);
  });
});
