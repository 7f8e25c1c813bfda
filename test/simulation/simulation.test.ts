/**
 * Thousands of storms over one small province, each drawn from its seed and each the same every time; what a failing
 * seed did is shown by `npm run test:simulation -- --seed N`.
 */
import { describe, expect, test } from "vitest";
import { FAULTS } from "./chance.ts";
import { simulate } from "./runner.ts";
import { SM2_EVERY } from "./seed.ts";

/** Not a count of its own: a machine with less time takes fewer and says so. */
const SEEDS = Number(process.env["TEST_SIMULATION_SEEDS"] ?? 2_000);
const FIRST = 1;

function seedsFrom(first: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, at) => first + at);
}

describe("edges, bus, core and ledger in one process, with faults drawn from a seed", () => {
  test(`keep every promise over ${SEEDS} seeds, and each kind of fault occurs`, async () => {
    const ends = await simulate({ seeds: seedsFrom(FIRST, SEEDS) });
    expect(ends.filter(({ findings }) => findings.length > 0).map(({ seed, findings }) => ({ seed, findings }))).toEqual([]);
    expect(ends).toHaveLength(SEEDS);
    const missed = FAULTS.filter((fault) => !ends.some(({ hit }) => hit.has(fault)));
    expect(missed).toEqual([]);
    const total = (of: "acknowledged" | "settled" | "refunded"): number => ends.reduce((sum, { counts }) => sum + counts[of], 0);
    expect(total("settled")).toBeGreaterThan(SEEDS);
    expect(total("refunded")).toBeGreaterThan(SEEDS / 4);
  });

  test("repeat a seed to the last byte of the ledger, on any thread", async () => {
    const seeds = seedsFrom(FIRST, 8);
    const [once, again] = [await simulate({ seeds }), await simulate({ seeds: seeds.toReversed() })];
    expect(again.map(({ digest }) => digest)).toEqual(once.map(({ digest }) => digest));
    expect(new Set(once.map(({ digest }) => digest)).size).toBe(seeds.length);
  });

  test("repeat a seed in all but its signatures where SM2 itself signs", async () => {
    const seeds = [SM2_EVERY];
    const [once, again] = [await simulate({ seeds }), await simulate({ seeds })];
    expect(again.map(({ digest }) => digest)).toEqual(once.map(({ digest }) => digest));
  });
});

describe("the check at the end", () => {
  test("fails when repeats are no longer recognised, and names the double payment", async () => {
    const ends = await simulate({ seeds: seedsFrom(FIRST, 30), control: "noDeduplication", failuresMax: 30 });
    const findings = ends.flatMap((end) => end.findings);
    expect(findings.some((finding) => finding.startsWith("one code paid twice"))).toBe(true);
    expect(findings.some((finding) => finding.endsWith("is in the ledger, and no edge has taken it"))).toBe(true);
  });

  test("fails when a bus loses what it has taken", async () => {
    const ends = await simulate({ seeds: seedsFrom(FIRST, 4), control: "busForgets" });
    expect(ends.flatMap((end) => end.findings).some((finding) => finding.includes("is 0 times in the ledger"))).toBe(true);
  });

  test("fails when payers forget what they were asked", async () => {
    const ends = await simulate({ seeds: seedsFrom(FIRST, 30), control: "payersForget", failuresMax: 30 });
    expect(ends.flatMap((end) => end.findings).some((finding) => finding.endsWith("was paid twice"))).toBe(true);
  });

  test("fails when one byte of a ledger was changed", async () => {
    const ends = await simulate({ seeds: seedsFrom(FIRST, 2), control: "doctoredLedger" });
    for (const { findings } of ends) expect(findings.join("\n")).toMatch(/does not verify/);
    expect(ends).toHaveLength(2);
  });
});
