/** Delays and faults of the sandbox payers, set by the admin endpoint; they live in memory only. */
import * as v from "valibot";
import type { RailName } from "../../plan.ts";

export const RAIL_NAMES = ["insurance", "commercial", "bank"] as const;
export const FAULTED_ACTIONS = ["authorise", "capture", "void", "refund", "query"] as const;
export type FaultedAction = (typeof FAULTED_ACTIONS)[number];
export const FAULT_KINDS = [
  /** No answer, nothing done. */
  "timeoutBefore",
  /** Done, but no answer. */
  "timeoutAfter",
  /** HTTP 503, nothing done. */
  "serverError",
  /** Done, but HTTP 503. */
  "serverErrorAfter",
  /** A definite no. */
  "refuse",
  /** Done, but the answer states one fen more. */
  "wrongAmount",
  /** Done, but the answer is no JSON. */
  "garbage",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export const faultRequest = v.strictObject({
  rail: v.picklist(RAIL_NAMES),
  action: v.picklist(FAULTED_ACTIONS),
  kind: v.picklist(FAULT_KINDS),
  /** How many calls it hits. */
  count: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 1),
});
export type FaultRequest = v.InferInput<typeof faultRequest>;

export class Faults {
  readonly delayMs: Record<RailName, number> = { insurance: 0, commercial: 0, bank: 0 };
  readonly #armed: { rail: RailName; action: FaultedAction; kind: FaultKind; count: number }[] = [];

  arm(fault: v.InferOutput<typeof faultRequest>): void {
    this.#armed.push({ ...fault });
  }

  clear(): void {
    this.#armed.length = 0;
  }

  /** The fault that hits this call, if any; counts it. */
  hit(rail: RailName, action: FaultedAction): FaultKind | undefined {
    const at = this.#armed.findIndex((fault) => fault.rail === rail && fault.action === action);
    const fault = this.#armed[at];
    if (fault === undefined) return undefined;
    fault.count--;
    if (fault.count === 0) this.#armed.splice(at, 1);
    return fault.kind;
  }

  armed(): readonly { readonly rail: RailName; readonly action: FaultedAction; readonly kind: FaultKind; readonly count: number }[] {
    return this.#armed.map((fault) => ({ ...fault }));
  }
}
