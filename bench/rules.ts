/** The fraud engine alone: events judged per second by the shipped rules, from memory, on one core. */
import { loadCrypto } from "../core/crypto/index.ts";
import { FraudState } from "../streams/fraud/engine/evaluate.ts";
import { shippedRuleset } from "../streams/fraud/publish.ts";
import type { AnyEvent } from "../streams/contracts/event.ts";
import { type Figure, median, rateOf, type Report } from "./figures.ts";

const EVENTS = 20_000;
const ROUNDS = 5;
const PEOPLE = 4_000;
const TERMINALS = 200;
const START_MS = Date.UTC(2026, 0, 5);
const BETWEEN_MS = 1_700;

export async function run(report: Report): Promise<readonly Figure[]> {
  const crypto = await loadCrypto();
  const ruleset = shippedRuleset(crypto);
  if (!ruleset.ok) throw new Error(`rule ${ruleset.error.rule} is refused: ${ruleset.error.reason}`);
  const events = Array.from({ length: EVENTS }, (_, n) => (n % 2 === 0 ? scan(n) : settled(n)));
  let alerts = 0;
  const rates: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const state = new FraudState(ruleset.value, crypto);
    alerts = 0;
    const rate = await rateOf(() => {
      for (const event of events) {
        const evaluation = state.evaluate(event);
        if (evaluation.kind !== "judged") throw new Error(`an event of the benchmark was ${evaluation.kind}`);
        alerts += evaluation.alerts.length;
      }
      return events.length;
    }, round);
    if (round > 0) rates.push(rate);
    report(round, ROUNDS);
  }
  return [
    {
      name: "rules.judge",
      what: `fraud events judged by ${ruleset.value.rules.length} rules`,
      unit: "events/s",
      perSecond: median(rates),
      note: `${EVENTS.toLocaleString("en")} events of ${PEOPLE.toLocaleString("en")} people at ${TERMINALS} terminals raised ${alerts} alerts`,
    },
  ];
}

/** Spreads small numbers over a range, the same in every run. */
function scattered(n: number, range: number): number {
  return (Math.imul(n + 1, 0x9e3779b1) % range) >>> 0;
}

function hex64(n: number): string {
  return n.toString(16).padStart(64, "0");
}

function place(n: number): { readonly institution: string; readonly terminal: string; readonly atMs: number } {
  const terminal = scattered(n, TERMINALS);
  return { institution: `H${terminal % 20}`, terminal: `T${terminal}`, atMs: START_MS + n * BETWEEN_MS };
}

function scan(n: number): AnyEvent {
  const at = place(n);
  const data = {
    ...at,
    businessType: "01301",
    step: "settle" as const,
    codeKind: "fused.signed" as const,
    codeFingerprint: hex64(n),
    outcome: "accepted",
    observedBy: "edge" as const,
  };
  return { id: `scan-${n}`, type: "code.scan.observed.v1", source: "/ronghe/edge/e1", timeMs: at.atMs, key: at.institution, data };
}

function settled(n: number): AnyEvent {
  const at = place(n - 1);
  const data = {
    ...at,
    settlementId: hex64(n),
    businessType: "01301",
    outTradeNo: `B${n}`,
    requestHash: hex64(n),
    person: hex64(scattered(n, PEOPLE)),
    amount: "128.50",
    legs: [{ rail: "bank" as const, fundSource: "cash", amount: "128.50" }],
  };
  return {
    id: `${hex64(n)}.settled`,
    type: "settlement.claim.settled.v1",
    source: "/ronghe/core/settlement-0",
    timeMs: at.atMs,
    key: at.institution,
    data,
  };
}
