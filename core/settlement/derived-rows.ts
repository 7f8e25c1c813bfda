/** What is re-derived, and how it stands in the tables. */
import type { Leaf } from "../../ledger/verifier/leaf.ts";
import type { Leg } from "./plan.ts";
import type { Standing } from "./states.ts";
import type { transfersOf } from "./transfers.ts";

/** A row by the names of its columns. */
export type DerivedRow = Readonly<Record<string, string | bigint | Uint8Array | null>>;
export interface DerivedRows {
  readonly settlement: readonly DerivedRow[];
  readonly account: readonly DerivedRow[];
  readonly transfer: readonly DerivedRow[];
  readonly conflict: readonly DerivedRow[];
  readonly evidence: readonly DerivedRow[];
  readonly adjustment: readonly DerivedRow[];
  readonly supplement: readonly DerivedRow[];
  readonly supplement_return: readonly DerivedRow[];
  readonly seal: readonly DerivedRow[];
  readonly sealed_balance: readonly DerivedRow[];
}

export interface Derived {
  readonly id: string;
  readonly opening: Leaf;
  readonly action: "settle" | "refund";
  readonly parent: Derived | undefined;
  readonly amount: bigint;
  readonly acceptedAtMs: number;
  readonly refunds: Derived[];
  standing: Standing;
  region: string | undefined;
  bound: string | null;
  refusal: string | null;
  missing: string | null;
  unknownReported: boolean;
  decidedAtMs: bigint | null;
  /** Open or posted. */
  legs: readonly Leg[];
  ledgerIndex: bigint;
}

export function settlementRow(one: Derived): DerivedRow {
  const { opening } = one;
  const facts = new Map((opening.facts ?? []).map(({ name, value }) => [name, value]));
  const { topic, partition, offset, recordHash } = opening.provenance ?? { topic: null, partition: null, offset: null, recordHash: null };
  return {
    id: one.id,
    institution: opening.institution ?? null,
    out_trade_no: opening.idempotencyKey ?? null,
    request_hash: opening.requestHash ?? null,
    action: one.action,
    parent_id: one.parent?.id ?? null,
    parent_settled_at_ms: one.parent?.decidedAtMs ?? null,
    scope: facts.get("refundType") ?? null,
    terminal: facts.get("terminal") ?? null,
    business_type: facts.get("businessType") ?? null,
    edge: opening.actor.replace(/^edge\//, ""),
    amount: one.amount,
    state: one.standing.state,
    phase: one.standing.phase ?? null,
    region: one.region ?? null,
    bound: one.bound,
    refusal: one.refusal,
    missing: one.missing,
    unknown_reported: one.unknownReported ? 1n : 0n,
    accepted_at_ms: BigInt(one.acceptedAtMs),
    recorded_at_ms: opening.postedMs,
    decided_at_ms: one.decidedAtMs,
    topic,
    partition: partition === null ? null : BigInt(partition),
    offset,
    record_hash: recordHash,
    ledger_index: one.ledgerIndex,
  };
}

export function ownerOf(one: Derived): Parameters<typeof transfersOf>[0] {
  return { id: one.id, institution: one.opening.institution ?? "", action: one.action, region: one.region };
}
