/** Events for the fraud rules, the same in every run: every other one a scan, the one behind it its settlement. */
import type { WrittenEvent } from "../streams/contracts/event.ts";

export const PEOPLE = 4_000;
export const TERMINALS = 200;
const START_MS = Date.UTC(2026, 0, 5);
const BETWEEN_MS = 1_700;

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

export function scan(n: number): WrittenEvent<"code.scan.observed.v1"> {
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

export function settled(n: number): WrittenEvent<"settlement.claim.settled.v1"> {
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
