/**
 * Delays and faults of the sandbox payers, set by the admin endpoint; they live in memory only. What a statement fault
 * spoiled stays spoiled until the statements are corrected.
 */
import * as v from "valibot";
import type { RailName } from "../../plan.ts";

export const RAIL_NAMES = ["insurance", "commercial", "bank"] as const;
/**
 * At the insurer: authorise is 2206, 2101, 2303; capture 2207, 2102, 2304; refund 2208, 2103, 2305; void is 2601;
 * query is 1101; statement is 3201, 3202.
 */
export const FAULTED_ACTIONS = ["authorise", "capture", "void", "refund", "query", "statement"] as const;
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
  /** Nothing done; the answer is a success that carries an error text (insurer: `infcode` 0 with `err_msg`). */
  "errorText",
  /** Done, but the answer is the one given to the call before. */
  "duplicateAnswer",
  /** Begun only after `lateMs`, when the caller has given up. */
  "lateAnswer",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];
/** What can be wrong with the row that the next movement leaves in the payer's statement. */
export const STATEMENT_FAULTS = ["missingRow", "extraRow", "wrongRowAmount", "nextDayRow"] as const;
export type StatementFault = (typeof STATEMENT_FAULTS)[number];

const scope = {
  rail: v.picklist(RAIL_NAMES),
  /** How many calls it hits; for ever when `null`. */
  count: v.optional(v.nullable(v.pipe(v.number(), v.integer(), v.minValue(1))), 1),
  /** Which share of the calls in its scope it hits. */
  probability: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 1),
};
export const faultRequest = v.variant("kind", [
  v.strictObject({
    ...scope,
    action: v.picklist(FAULTED_ACTIONS),
    kind: v.picklist(FAULT_KINDS.filter((kind) => kind !== "lateAnswer")),
  }),
  v.strictObject({
    ...scope,
    action: v.picklist(FAULTED_ACTIONS),
    kind: v.literal("lateAnswer"),
    lateMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(600_000)), 2_000),
  }),
  v.strictObject({ ...scope, action: v.literal("statement"), kind: v.picklist(STATEMENT_FAULTS) }),
]);
export type FaultRequest = v.InferInput<typeof faultRequest>;
export type ArmedFault = v.InferOutput<typeof faultRequest>;
/** A fault that hits one call. */
export interface Hit {
  readonly kind: FaultKind;
  readonly lateMs: number;
}

export class Faults {
  readonly delayMs: Record<RailName, number> = { insurance: 0, commercial: 0, bank: 0 };
  readonly #draw: () => number;
  #armed: ArmedFault[] = [];

  /** `draw` gives numbers in [0, 1) for faults with a probability. */
  constructor(draw: () => number) {
    this.#draw = draw;
  }

  arm(fault: ArmedFault): void {
    this.#armed.push(fault);
  }

  clear(): void {
    this.#armed = [];
  }

  /** The fault that hits this call, if any; counts it. */
  hit(rail: RailName, action: FaultedAction): Hit | undefined {
    const fault = this.#take((one) => one.rail === rail && one.action === action && !isStatementFault(one.kind));
    if (fault === undefined || isStatementFault(fault.kind)) return undefined;
    return { kind: fault.kind, lateMs: "lateMs" in fault ? fault.lateMs : 0 };
  }

  /** The fault that spoils the statement's row of a movement, if any; counts it. */
  spoil(rail: RailName): StatementFault | undefined {
    const kind = this.#take((one) => one.rail === rail && isStatementFault(one.kind))?.kind;
    return kind !== undefined && isStatementFault(kind) ? kind : undefined;
  }

  armed(): readonly ArmedFault[] {
    return this.#armed;
  }

  #take(concerns: (fault: ArmedFault) => boolean): ArmedFault | undefined {
    const at = this.#armed.findIndex((fault) => concerns(fault) && (fault.probability === 1 || this.#draw() < fault.probability));
    const fault = this.#armed[at];
    if (fault === undefined || fault.count === null) return fault;
    if (fault.count === 1) this.#armed.splice(at, 1);
    else this.#armed[at] = { ...fault, count: fault.count - 1 };
    return fault;
  }
}

function isStatementFault(kind: string): kind is StatementFault {
  return STATEMENT_FAULTS.some((one) => one === kind);
}
