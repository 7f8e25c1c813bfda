import { describe, expect, test } from "vitest";
import { advance, isTerminal, readStanding, SETTLEMENT_STATES, type Standing, stepOf, type TransitionName } from "./states.ts";

const NAMES: readonly TransitionName[] = ["hold", "held", "post", "settle", "void", "refuse", "refund", "lose"];
const ARROWS: readonly (readonly [from: string, transition: TransitionName, to: string])[] = [
  ["accepted", "hold", "holding"],
  ["accepted", "refuse", "refused"],
  ["holding", "held", "held"],
  ["holding", "void", "voiding"],
  ["holding", "refuse", "refused"],
  ["holding", "lose", "unknown"],
  ["held", "post", "posting"],
  ["posting", "settle", "settled"],
  ["posting", "void", "voiding"],
  ["posting", "lose", "unknown"],
  ["voiding", "refuse", "refused"],
  ["voiding", "lose", "unknown"],
  ["refunding", "refund", "refunded"],
  ["refunding", "refuse", "refused"],
  ["refunding", "lose", "unknown"],
];
const known = SETTLEMENT_STATES.filter((state) => state !== "unknown").map((state): Standing => ({ state, phase: undefined }));

describe("the state table", () => {
  test.each(known.flatMap((from) => NAMES.map((name) => [from, name] as const)))("$state $0", (from, name) => {
    const arrow = ARROWS.find(([state, transition]) => state === from.state && transition === name);
    expect(advance(from, name)?.state).toBe(arrow?.[2]);
  });

  test("leaves an unknown step by that step's own arrows, and keeps the step while it is unknown", () => {
    for (const phase of ["holding", "posting", "voiding", "refunding"] as const) {
      const lost = advance({ state: phase, phase: undefined }, "lose");
      expect(lost).toEqual({ state: "unknown", phase });
      if (lost === undefined) continue;
      expect(stepOf(lost)).toBe(phase);
      for (const name of NAMES) expect(advance(lost, name)).toEqual(advance({ state: phase, phase: undefined }, name));
    }
  });

  test("has no arrow out of a terminal state", () => {
    for (const from of known.filter(({ state }) => isTerminal(state)))
      for (const name of NAMES) expect(advance(from, name)).toBeUndefined();
  });

  test.each([
    ["unknown", null],
    ["unknown", "settled"],
    ["holding", "holding"],
    ["gone", null],
    [null, null],
  ])("refuses to read the standing %s with phase %s", (state, phase) => {
    expect(readStanding(state, phase)).toBeUndefined();
  });
});
