/** Money that really moved, by settlement and by fund: the check that nothing was paid twice. */
import type { FundPart, RailName } from "../../plan.ts";
import type { Movement } from "./movements.ts";

export interface LegTotal {
  readonly settlementId: string;
  readonly rail: RailName;
  captures: number;
  captured: bigint;
  refunds: number;
  refunded: bigint;
}

export class Totals {
  readonly legs: Map<string, LegTotal> = new Map();
  readonly sources: Map<string, { captured: bigint; refunded: bigint }> = new Map();

  add(movement: Pick<Movement, "rail" | "kind" | "settlementId" | "parts">): void {
    const { settlementId, rail, parts } = movement;
    const way = movement.kind === "capture" ? "captured" : "refunded";
    const total = this.legs.get(settlementId) ?? { settlementId, rail, captures: 0, captured: 0n, refunds: 0, refunded: 0n };
    this.legs.set(settlementId, total);
    if (way === "captured") total.captures++;
    else total.refunds++;
    for (const part of parts) {
      total[way] += part.amount;
      this.#source(part)[way] += part.amount;
    }
  }

  #source(part: FundPart): { captured: bigint; refunded: bigint } {
    const source = this.sources.get(part.fundSource) ?? { captured: 0n, refunded: 0n };
    this.sources.set(part.fundSource, source);
    return source;
  }
}
