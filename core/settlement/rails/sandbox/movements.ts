/** Money that a sandbox payer moved, as its statements tell it, faults included. */
import { asFen, type Fen } from "../../../protocol/money.ts";
import type { FundPart, RailName } from "../../plan.ts";
import { STATEMENT_FAULTS, type StatementFault } from "./faults.ts";

export interface Movement {
  readonly rail: RailName;
  readonly kind: "capture" | "refund" | "reversal";
  readonly key: string;
  readonly institution: string;
  readonly settlementId: string;
  readonly amount: Fen;
  readonly parts: readonly FundPart[];
  /** The whole bill, where the payer is told one. */
  readonly bill: Fen;
  readonly reference: string;
  readonly atMs: number;
}
export type Told = "true" | StatementFault;
export const TOLD: readonly Told[] = ["true", ...STATEMENT_FAULTS];

/** A movement as a statement has it. */
export interface ToldMovement extends Movement {
  readonly told: Told;
}

/** What the statement says of a movement: one fen more on a spoiled row, on the first part too. */
export function asTold(movement: ToldMovement): Movement {
  if (movement.told !== "wrongRowAmount") return movement;
  const parts = movement.parts.map((part, at) => (at === 0 ? { ...part, amount: asFen(part.amount + 1n) } : part));
  return { ...movement, amount: asFen(movement.amount + 1n), parts, bill: asFen(movement.bill === 0n ? 0n : movement.bill + 1n) };
}
