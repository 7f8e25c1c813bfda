/** The shared columns against a slow oracle that keeps plain lists: the same windows, in any order of arrival. */
import * as fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { loadCrypto } from "../../../core/crypto/index.ts";
import type { Crypto } from "../../../core/crypto/port.ts";
import type { AnyEvent } from "../../contracts/event.ts";
import { FraudState } from "./evaluate.ts";
import { LATENESS_MS, loadRuleset, type Ruleset } from "./program.ts";
import type { RuleDefinition } from "./rule.ts";
import { settleRefundCycle } from "../rules/settle-refund-cycle.ts";

const SPAN_MS = 1_000;
const GAP_MS = 150;
const SETTLED = "settlement.claim.settled.v1";
const REFUNDED = "settlement.claim.refunded.v1";

/** Fires for every event and reports all figures, so that an alert shows the windows as they were. */
const probe: RuleDefinition = {
  ...settleRefundCycle,
  id: "probe",
  parameters: {
    spanMs: { value: SPAN_MS, unit: "ms" },
    gapMs: { value: GAP_MS, unit: "ms" },
    cooldownMs: { value: 0, unit: "ms" },
    none: { value: 0, unit: "count" },
  },
  windows: {
    all: { topics: [SETTLED, REFUNDED], span: "spanMs" },
    refunds: { topics: [REFUNDED], span: "spanMs" },
    run: { topics: [SETTLED, REFUNDED], span: "spanMs", gapBelow: "gapMs" },
  },
  measures: {
    count: { op: "window.count", window: "all" },
    sum: { op: "window.sum", window: "all", field: "amount" },
    terminals: { op: "window.distinct", window: "all", field: "terminal" },
    refunds: { op: "window.count", window: "refunds" },
    refundedFen: { op: "window.sum", window: "refunds", field: "amount" },
    run: { op: "window.count", window: "run" },
    since: { op: "since", window: "all" },
    lastFen: { op: "window.last", window: "all", field: "amount" },
    cycles: {
      op: "sequence",
      window: "all",
      from: { topic: SETTLED, field: "settlement" },
      to: { topic: REFUNDED, field: "originalSettlement" },
    },
  },
  when: { op: "ge", left: { op: "measure", name: "count" }, right: { op: "parameter", name: "none" } },
  outcome: { measure: "count", bands: [{ severity: "suspicious", reason: "always" }] },
  cooldown: "cooldownMs",
};

interface Claim {
  readonly id: number;
  readonly atMs: number;
  readonly person: number;
  readonly terminal: number;
  readonly fen: number;
  readonly refundOf: number | undefined;
}
const claims = (times: fc.Arbitrary<number>): fc.Arbitrary<readonly Claim[]> =>
  fc
    .array(
      fc.record({
        atMs: times,
        person: fc.integer({ min: 0, max: 1 }),
        terminal: fc.integer({ min: 0, max: 3 }),
        fen: fc.integer({ min: 0, max: 500 }),
        refundOf: fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined }),
      }),
      { maxLength: 40 },
    )
    .map((list) => list.map((claim, id) => Object.assign(claim, { id })));

function eventOf({ id, atMs, person, terminal, fen, refundOf }: Claim): AnyEvent {
  const common = {
    settlementId: `s${id}`,
    institution: "H1",
    terminal: `T${terminal}`,
    businessType: "01301",
    outTradeNo: `o${id}`,
    requestHash: "00".repeat(32),
    person: String(person).padStart(64, "0"),
    amount: (fen / 100).toFixed(2),
    legs: [],
    atMs,
  };
  const head = { id: `e${String(id).padStart(3, "0")}`, source: "/ronghe/test", timeMs: atMs, key: "H1" };
  if (refundOf === undefined) return { ...head, type: SETTLED, data: common };
  return { ...head, type: REFUNDED, data: { ...common, originalSettlementId: `s${refundOf}`, originalSettledAtMs: 0 } };
}

/** The figures of the window that ends at `claim`, from the list of all events. */
function oracle(all: readonly Claim[], claim: Claim): Record<string, string> {
  const own = all.filter(({ person }) => person === claim.person).sort((a, b) => a.atMs - b.atMs || a.id - b.id);
  const window = own.filter(({ atMs }) => atMs <= claim.atMs && atMs >= claim.atMs - SPAN_MS);
  const refunds = window.filter(({ refundOf }) => refundOf !== undefined);
  let run = 0;
  let last = claim.atMs;
  for (const { atMs } of window.toReversed()) {
    if (last - atMs >= GAP_MS) break;
    last = atMs;
    run += 1;
  }
  const before = own[own.indexOf(claim) - 1];
  const previous = before !== undefined && before.atMs >= claim.atMs - SPAN_MS ? before : undefined;
  const open = new Set<number>();
  let cycles = 0;
  for (const { id, refundOf } of window) {
    if (refundOf === undefined) open.add(id);
    else if (open.delete(refundOf)) cycles += 1;
  }
  const sum = (list: readonly Claim[]): number => list.reduce((total, { fen }) => total + fen, 0);
  return {
    count: String(window.length),
    sum: String(sum(window)),
    terminals: String(new Set(window.map(({ terminal }) => terminal)).size),
    refunds: String(refunds.length),
    refundedFen: String(sum(refunds)),
    run: String(run),
    since: previous === undefined ? "unknown" : String(claim.atMs - previous.atMs),
    lastFen: previous === undefined ? "unknown" : String(previous.fen),
    cycles: String(cycles),
  };
}

const PARAMETERS = { spanMs: String(SPAN_MS), gapMs: String(GAP_MS), cooldownMs: "0", none: "0" };

let crypto: Crypto;
let ruleset: Ruleset;
beforeAll(async () => {
  crypto = await loadCrypto();
  const loaded = loadRuleset([probe], crypto);
  if (!loaded.ok) throw new Error(loaded.error.reason);
  ruleset = loaded.value;
});

function claimAt(id: number, atMs: number, person: number): AnyEvent {
  return eventOf({ id, atMs, person, terminal: id % 4, fen: 100, refundOf: undefined });
}

/** The state after taking events in; alerts silence keys by the order in which they were raised, so none is judged. */
function digestOf(order: readonly Claim[]): string {
  const state = new FraudState(ruleset, crypto);
  for (const claim of order) state.remember(eventOf(claim));
  return state.digest();
}

/** The last verdict on each event, by its id: a late event makes later ones be judged again. */
function verdicts(events: readonly AnyEvent[]): ReadonlyMap<string, Readonly<Record<string, string>>> {
  const state = new FraudState(ruleset, crypto);
  const last = new Map<string, Readonly<Record<string, string>>>();
  for (const event of events) {
    const evaluation = state.evaluate(event);
    if (evaluation.kind === "judged") for (const { data } of evaluation.alerts) last.set(data.trigger, data.values);
  }
  return last;
}

describe("windows", () => {
  test("are exact for each event when events come in order of time", () => {
    fc.assert(
      fc.property(claims(fc.integer({ min: 0, max: 4_000 })), (list) => {
        const ordered = list.toSorted((a, b) => a.atMs - b.atMs || a.id - b.id);
        const seen = verdicts(ordered.map(eventOf));
        for (const [at, claim] of ordered.entries()) {
          // As judged on arrival; events of the same instant that come after are judged with their own arrival.
          const later = ordered.slice(at + 1).filter(({ atMs }) => atMs === claim.atMs);
          if (later.length > 0) continue;
          expect(seen.get(`e${String(claim.id).padStart(3, "0")}`)).toEqual({ ...PARAMETERS, ...oracle(ordered, claim) });
        }
      }),
      { numRuns: 150 },
    );
  });

  test("are exact in the end when events come in any order", () => {
    fc.assert(
      fc.property(claims(fc.integer({ min: 0, max: 400 }).map((step) => step * 10)), (list) => {
        const seen = verdicts(list.map(eventOf));
        for (const claim of list) {
          // The verdict of an event that shares its instant stands from its own arrival on.
          if (list.some(({ id, atMs }) => id !== claim.id && atMs === claim.atMs)) continue;
          expect(seen.get(`e${String(claim.id).padStart(3, "0")}`)).toEqual({ ...PARAMETERS, ...oracle(list, claim) });
        }
      }),
      { numRuns: 150 },
    );
  });

  test("leave the same state behind whatever the order, the repetitions and the batches", () => {
    fc.assert(
      fc.property(
        claims(fc.integer({ min: 0, max: 4_000 })).chain((list) =>
          fc.tuple(fc.constant(list), fc.shuffledSubarray([...list], { minLength: list.length }), fc.shuffledSubarray([...list])),
        ),
        ([list, shuffled, repeated]) => {
          expect(digestOf([...shuffled, ...repeated])).toBe(digestOf(list));
        },
      ),
      { numRuns: 80 },
    );
  });

  test("hold no more than their span, the lateness and an hour need, however long the stream runs", () => {
    const state = new FraudState(ruleset, crypto);
    const day = 86_400_000;
    let most = 0;
    for (let id = 0; id < 2_000; id += 1) {
      state.evaluate(eventOf({ id, atMs: id * (day / 20), person: id % 50, terminal: 0, fen: 1, refundOf: undefined }));
      most = Math.max(most, state.size);
    }
    expect(most).toBeLessThanOrEqual(7 * 20 + 2);
    expect(state.keys).toBeLessThanOrEqual(7 * 20 + 2);
  });

  test("give an expired event's rows and texts back, and stay exact after thousands of them", () => {
    const state = new FraudState(ruleset, crypto);
    const list: Claim[] = [];
    for (let id = 0; id < 3_000; id += 1)
      list.push({ id, atMs: id * 700_000 + (id % 3), person: id % 2, terminal: id % 4, fen: id, refundOf: undefined });
    for (const claim of list) {
      const evaluation = state.evaluate(eventOf(claim));
      expect(evaluation.kind === "judged" && evaluation.alerts[0]?.data.values["count"]).toBe("1");
    }
  });

  test("lose an expired event also where its key fell silent with the window open", () => {
    const hour = 3_600_000;
    const state = new FraudState(ruleset, crypto);
    state.evaluate(claimAt(0, hour - 200, 0));
    state.evaluate(claimAt(1, hour + 200, 0));
    // Another person moves time on, until the first event's hour is gone and the second's is not; its row is used again.
    const afterMs = Math.floor((LATENESS_MS + SPAN_MS) / hour + 2) * hour;
    state.evaluate(claimAt(2, afterMs, 1));
    state.evaluate(claimAt(3, afterMs + 1, 1));
    expect(state.size).toBe(3);
    const evaluation = state.evaluate(claimAt(4, afterMs + 2, 0));
    expect(evaluation).toMatchObject({ alerts: [{ data: { values: { count: "1", sum: "100", terminals: "1", run: "1" } } }] });
    expect(state.evaluate(claimAt(5, afterMs + 3, 1))).toMatchObject({ alerts: [{ data: { values: { count: "3", sum: "300" } } }] });
  });
});
