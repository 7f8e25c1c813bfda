/** Rows of the reconciliation books as the room's code handles them, and reading them back. */
import { bigintOf, numberOf, textOf, textOrNull, wordOf } from "../../rows.ts";
import { asFen, type Fen } from "../../protocol/money.ts";
import type { EventMs } from "../../protocol/time.ts";
import type { Row } from "../../../migrations/database.ts";
import type { AccountingDay } from "../books.ts";
import { type FundPart, RAIL_ORDER, type RailName } from "../plan.ts";
import { CASE_STATES, type CaseState } from "./cases.ts";
import { CASE_CLASSES, type CaseClass } from "./rules.ts";
import { MOVEMENT_KINDS, type MovementKind } from "./statement.ts";
import { readParts } from "./workbench.ts";

export const UNMATCHED_STATES = ["waiting", "healing", "healed", "met", "case", "withdrawn"] as const;

/** A row of one side without counterpart on its day. */
export interface Unmatched {
  readonly id: string;
  readonly rail: RailName;
  readonly day: AccountingDay;
  readonly side: "ours" | "theirs";
  readonly shard: number;
  readonly key: string;
  readonly reference: string;
  readonly kind: MovementKind;
  readonly institution: string;
  readonly settlementId: string | undefined;
  readonly amount: Fen;
  readonly parts: readonly FundPart[];
  readonly atMs: EventMs;
  readonly runId: string;
  readonly line: number | undefined;
  readonly state: (typeof UNMATCHED_STATES)[number];
}

/** A difference until it is cleared. */
export interface Case {
  readonly id: string;
  readonly rail: RailName;
  readonly day: AccountingDay;
  readonly class: CaseClass;
  readonly shard: number;
  readonly institution: string;
  readonly settlementId: string | undefined;
  readonly key: string;
  readonly reference: string;
  readonly kind: MovementKind;
  readonly ours: { readonly amount: Fen; readonly parts: readonly FundPart[] } | undefined;
  readonly theirs: { readonly amount: Fen; readonly parts: readonly FundPart[] } | undefined;
  readonly atMs: EventMs;
  readonly unmatchedId: string | undefined;
  readonly runId: string;
  readonly statementHash: string;
  readonly line: number | undefined;
  readonly state: CaseState;
  readonly owner: string | undefined;
  readonly steps: number;
  readonly changedAtMs: EventMs;
}

export function unmatchedFromRow(row: Row): Unmatched {
  return {
    id: textOf(row, "id"),
    rail: wordOf(row, "rail", RAIL_ORDER),
    day: textOf(row, "day") as AccountingDay,
    side: wordOf(row, "side", ["ours", "theirs"]),
    shard: numberOf(row, "shard"),
    key: textOf(row, "key"),
    reference: textOf(row, "reference"),
    kind: wordOf(row, "kind", MOVEMENT_KINDS),
    institution: textOf(row, "institution"),
    settlementId: textOrNull(row, "settlement_id"),
    amount: asFen(bigintOf(row, "amount")),
    parts: readParts(textOf(row, "parts")),
    atMs: numberOf(row, "at_ms") as EventMs,
    runId: textOf(row, "run_id"),
    line: row["line"] === null ? undefined : numberOf(row, "line"),
    state: wordOf(row, "state", UNMATCHED_STATES),
  };
}

export function caseFromRow(row: Row): Case {
  const side = (amount: string, parts: string): Case["ours"] =>
    row[amount] === null ? undefined : { amount: asFen(bigintOf(row, amount)), parts: readParts(textOf(row, parts)) };
  return {
    id: textOf(row, "id"),
    rail: wordOf(row, "rail", RAIL_ORDER),
    day: textOf(row, "day") as AccountingDay,
    class: wordOf(row, "class", CASE_CLASSES),
    shard: numberOf(row, "shard"),
    institution: textOf(row, "institution"),
    settlementId: textOrNull(row, "settlement_id"),
    key: textOf(row, "key"),
    reference: textOf(row, "reference"),
    kind: wordOf(row, "kind", MOVEMENT_KINDS),
    ours: side("our_amount", "our_parts"),
    theirs: side("their_amount", "their_parts"),
    atMs: numberOf(row, "at_ms") as EventMs,
    unmatchedId: textOrNull(row, "unmatched_id"),
    runId: textOf(row, "run_id"),
    statementHash: textOf(row, "statement_hash"),
    line: row["line"] === null ? undefined : numberOf(row, "line"),
    state: wordOf(row, "state", CASE_STATES),
    owner: textOrNull(row, "owner"),
    steps: numberOf(row, "steps"),
    changedAtMs: numberOf(row, "changed_at_ms") as EventMs,
  };
}

/**
 * What a case means in money, per fund source: above zero, the payer owes us. A payment that only we have is owed by the
 * payer; one that only the payer has, we owe; what was given back is the other way round. What a payer keeps of a refused bill both
 * have, and we owe.
 */
export function owedBySource(
  one: Pick<Case, "rail" | "class" | "kind" | "ours" | "theirs">,
): readonly { readonly fundSource: string; readonly amount: bigint }[] {
  if (one.class === "keptMoney") return (one.ours?.parts ?? []).map(({ fundSource, amount }) => ({ fundSource, amount: -amount }));
  const way = one.kind === "capture" ? 1n : -1n;
  const split = [one.ours, one.theirs].every((side) => side === undefined || side.parts.length > 0);
  const sums = new Map<string, bigint>();
  const add = (side: Case["ours"], sign: bigint): void => {
    if (side === undefined) return;
    const parts = split ? side.parts : [{ fundSource: WHOLE_SOURCE[one.rail], amount: side.amount }];
    for (const part of parts) sums.set(part.fundSource, (sums.get(part.fundSource) ?? 0n) + sign * part.amount);
  };
  add(one.ours, way);
  add(one.theirs, -way);
  return [...sums].filter(([, amount]) => amount !== 0n).map(([fundSource, amount]) => ({ fundSource, amount }));
}

/** Where a payer does not say which fund: 其他 of the insurer; the others have one each. */
const WHOLE_SOURCE: Readonly<Record<RailName, string>> = {
  insurance: "oth_pay",
  commercial: "commercial_claim",
  bank: "psn_cash_pay",
};
