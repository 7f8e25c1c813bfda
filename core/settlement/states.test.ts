import { describe, expect, test } from "vitest";
import {
  advance,
  FIELD_STATES,
  isResting,
  isTerminal,
  readStanding,
  SETTLEMENT_STATES,
  type Standing,
  stepOf,
  type TransitionName,
} from "./states.ts";

const NAMES: readonly TransitionName[] = ["hold", "held", "settle", "void", "expire", "refuse", "refund", "lose", "leave", "heal"];
const ARROWS: readonly (readonly [from: string, transition: TransitionName, to: string])[] = [
  ["accepted", "hold", "holding"],
  ["accepted", "refuse", "refused"],
  ["holding", "held", "posting"],
  ["holding", "void", "voiding"],
  ["holding", "expire", "voiding"],
  ["holding", "refuse", "refused"],
  ["holding", "lose", "unknown"],
  ["posting", "settle", "settled"],
  ["posting", "void", "voiding"],
  ["posting", "lose", "unknown"],
  ["posting", "leave", "awaiting"],
  ["posting", "heal", "posting"],
  ["voiding", "refuse", "refused"],
  ["voiding", "lose", "unknown"],
  ["voiding", "leave", "awaiting"],
  ["voiding", "heal", "voiding"],
  ["refunding", "refund", "refunded"],
  ["refunding", "refuse", "refused"],
  ["refunding", "lose", "unknown"],
  ["refunding", "leave", "awaiting"],
  ["refunding", "heal", "refunding"],
];
const PHASES = ["holding", "posting", "voiding", "refunding"] as const;
const known = SETTLEMENT_STATES.flatMap((state): readonly Standing[] =>
  state === "unknown" || state === "awaiting" ? [] : [{ state, phase: undefined }],
);

describe("the state table", () => {
  test.each(known.flatMap((from) => NAMES.map((name) => [from, name] as const)))("$state $0", (from, name) => {
    const arrow = ARROWS.find(([state, transition]) => state === from.state && transition === name);
    expect(advance(from, name)?.state).toBe(arrow?.[2]);
  });

  test.each(PHASES)("leaves unknown %s by that step's own arrows, and keeps the step while it is unknown", (phase) => {
    const lost = advance({ state: phase, phase: undefined }, "lose");
    expect(lost).toEqual({ state: "unknown", phase });
    if (lost === undefined) return;
    expect(stepOf(lost)).toBe(phase);
    for (const name of NAMES) expect(advance(lost, name)).toEqual(advance({ state: phase, phase: undefined }, name));
  });

  test.each(["posting", "voiding", "refunding"] as const)("leaves awaiting %s by a payer's statement only, back into the step", (phase) => {
    const left = advance({ state: "unknown", phase }, "leave");
    expect(left).toEqual({ state: "awaiting", phase });
    if (left === undefined) return;
    for (const name of NAMES) expect(advance(left, name)).toEqual(name === "heal" ? { state: phase, phase: undefined } : undefined);
  });

  test("never waits for a statement about a hold: it ends by itself", () => {
    expect(advance({ state: "holding", phase: undefined }, "leave")).toBeUndefined();
    expect(advance({ state: "unknown", phase: "holding" }, "leave")).toBeUndefined();
    expect(advance({ state: "unknown", phase: "holding" }, "heal")).toBeUndefined();
  });

  test("has no arrow out of a terminal state", () => {
    for (const from of known.filter(({ state }) => isTerminal(state)))
      for (const name of NAMES) expect(advance(from, name)).toBeUndefined();
  });

  test("rests in terminal states and where an answer is missing, and nowhere else", () => {
    expect(SETTLEMENT_STATES.filter(isResting)).toEqual(["unknown", "awaiting", "settled", "refused", "refunded"]);
  });

  test("has the field's name for every state", () => {
    expect(Object.keys(FIELD_STATES).sort()).toEqual([...SETTLEMENT_STATES].sort());
    expect(new Set(Object.values(FIELD_STATES).filter((name) => name !== "refunding" && name !== "refunded")).size).toBe(8);
  });

  test.each([
    ["unknown", null],
    ["unknown", "settled"],
    ["awaiting", null],
    ["awaiting", "holding"],
    ["holding", "holding"],
    ["gone", null],
    [null, null],
  ])("refuses to read the standing %s with phase %s", (state, phase) => {
    expect(readStanding(state, phase)).toBeUndefined();
  });

  test("reads what it writes", () => {
    for (const standing of [...known, ...PHASES.map((phase): Standing => ({ state: "unknown", phase }))])
      expect(readStanding(standing.state, standing.phase ?? null)).toEqual(standing);
  });
});
