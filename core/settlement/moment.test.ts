import { describe, expect, test } from "vitest";
import type { EventMs } from "../protocol/time.ts";
import type { AccountingDay } from "./books.ts";
import { isLate, momentAt } from "./moment.ts";

const MIDNIGHT = Date.UTC(2026, 0, 30, 16) as EventMs;
function at(ms: number): EventMs {
  return (MIDNIGHT + ms) as EventMs;
}

describe("the accounting day of an instant", () => {
  test.each([
    ["its own, in UTC+8", at(0), undefined, "20260131"],
    ["its own until midnight", at(-1), undefined, "20260130"],
    ["its own after an earlier seal", at(0), "20260130", "20260131"],
    ["the next one when its own is sealed", at(-1), "20260130", "20260131"],
    ["the first open one when the clock stepped back", at(-1), "20260131", "20260201"],
  ])("is %s", (_, atMs, sealed, day) => {
    expect(momentAt(atMs, sealed as AccountingDay | undefined).day).toBe(day);
  });
});

describe("what was accepted", () => {
  test.each([
    ["on a sealed day is late", at(-1), "20260130", true],
    ["after the last seal is not", at(0), "20260130", false],
    ["before anything was sealed is not", at(-1), undefined, false],
  ])("%s", (_, acceptedAtMs, sealed, late) => {
    expect(isLate(acceptedAtMs, momentAt(at(1), sealed as AccountingDay | undefined))).toBe(late);
  });
});
