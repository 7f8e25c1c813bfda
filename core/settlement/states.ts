/**
 * The life of one settlement or refund (domain notes 4.5), as a table.
 *
 * ```
 * settle  accepted ─ hold → holding ─ held → posting ─ settle → settled
 *            │                 │ void, expire  │ void
 *            │ refuse          ▼               │
 *            └──────────▶ refused ◀─ refuse ─ voiding ◀┘
 * refund  refunding ─ refund → refunded
 *            └ refuse → refused
 * ```
 * A payer that does not answer makes any open step `unknown`: the step is kept as `phase`, asked again, and left by
 * that step's own arrows only. What stays without an answer, or meets a refusal that cannot be, is `awaiting`: nobody
 * is asked any more until reconciliation brings the payer's own statement (`heal`). Nothing is ever guessed.
 */
export const SETTLEMENT_STATES = [
  "accepted",
  "holding",
  "posting",
  "voiding",
  "refunding",
  "unknown",
  "awaiting",
  "settled",
  "refused",
  "refunded",
] as const;
export type SettlementState = (typeof SETTLEMENT_STATES)[number];
/** A step whose answer can be missing. */
export type Phase = "holding" | "posting" | "voiding" | "refunding";
export type TransitionName = "hold" | "held" | "settle" | "void" | "expire" | "refuse" | "refund" | "lose" | "leave" | "heal";

/** The field's names for the same states (domain notes 4.5); what is durable at an edge only is its `pending`. */
export const FIELD_STATES: Readonly<Record<SettlementState, string>> = {
  accepted: "created",
  holding: "payment_pending",
  // All holds are confirmed; what follows is their completion.
  posting: "completing",
  // The payments are closed first; only then is anything undone for good.
  voiding: "cancelling",
  refunding: "refunding",
  unknown: "querying",
  awaiting: "awaiting_confirmation",
  settled: "completed",
  refused: "cancelled",
  refunded: "refunded",
};

/** Where a settlement stands; `phase` exactly while an answer is missing. */
export type Standing =
  | { readonly state: Known; readonly phase: undefined }
  | { readonly state: "unknown" | "awaiting"; readonly phase: Phase };

type Known = Exclude<SettlementState, "unknown" | "awaiting">;
type Move = Exclude<TransitionName, "lose" | "leave" | "heal">;
const ARROWS: Readonly<Record<Known, Partial<Readonly<Record<Move, Known>>>>> = {
  accepted: { hold: "holding", refuse: "refused" },
  holding: { held: "posting", void: "voiding", expire: "voiding", refuse: "refused" },
  posting: { settle: "settled", void: "voiding" },
  voiding: { refuse: "refused" },
  refunding: { refund: "refunded", refuse: "refused" },
  settled: {},
  refused: {},
  refunded: {},
};
const PHASES: ReadonlySet<SettlementState> = new Set<Phase>(["holding", "posting", "voiding", "refunding"]);

/** The next standing, or `undefined` where the table has no such arrow. */
export function advance(from: Standing, transition: TransitionName): Standing | undefined {
  const step = stepOf(from);
  switch (transition) {
    case "heal":
      // A hold is in no statement: it ends by itself.
      return isPhase(step) && step !== "holding" ? { state: step, phase: undefined } : undefined;
    case "lose":
      return isPhase(step) && from.state !== "awaiting" ? { state: "unknown", phase: step } : undefined;
    case "leave":
      return isPhase(step) && step !== "holding" && from.state !== "awaiting" ? { state: "awaiting", phase: step } : undefined;
    default: {
      const to = from.state === "awaiting" ? undefined : ARROWS[step][transition];
      return to === undefined ? undefined : { state: to, phase: undefined };
    }
  }
}

/** Nothing leaves these. */
export function isTerminal(state: SettlementState): boolean {
  return state === "settled" || state === "refused" || state === "refunded";
}

/** Whether there is nothing to do before somebody brings news. */
export function isResting(state: SettlementState): boolean {
  return isTerminal(state) || state === "unknown" || state === "awaiting";
}

/** The step that is to be done next, whether or not its answer went missing before. */
export function stepOf(standing: Standing): Known {
  return standing.phase ?? standing.state;
}

/** Reads a stored standing; `undefined` for anything the table does not know. */
export function readStanding(state: unknown, phase: unknown): Standing | undefined {
  const known = SETTLEMENT_STATES.find((name) => name === state);
  if (known === undefined) return undefined;
  if (known !== "unknown" && known !== "awaiting") return phase === null ? { state: known, phase: undefined } : undefined;
  const step = SETTLEMENT_STATES.find((name) => name === phase);
  return step !== undefined && isPhase(step) && (known === "unknown" || step !== "holding") ? { state: known, phase: step } : undefined;
}

function isPhase(state: SettlementState): state is Phase {
  return PHASES.has(state);
}
