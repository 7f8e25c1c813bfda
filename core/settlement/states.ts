/**
 * The life of one settlement or refund (domain notes 4.5), as a table.
 *
 * ```
 * settle  accepted ─ hold → holding ─ held → held ─ post → posting ─ settle → settled
 *            │                 │ void                         │ void
 *            │ refuse          ▼                              ▼
 *            └──────────▶ refused ◀─ refuse ─ voiding ◀───────┘
 * refund  refunding ─ refund → refunded
 *            └ refuse → refused
 * ```
 * A payer that does not answer makes any open step `unknown`: the step is kept as `phase`, asked again, and left by
 * that step's own arrows only. Nothing is ever guessed.
 */
export const SETTLEMENT_STATES = [
  "accepted",
  "holding",
  "held",
  "posting",
  "voiding",
  "refunding",
  "unknown",
  "settled",
  "refused",
  "refunded",
] as const;
export type SettlementState = (typeof SETTLEMENT_STATES)[number];
/** A step whose answer can be missing. */
export type Phase = "holding" | "posting" | "voiding" | "refunding";
export type TransitionName = "hold" | "held" | "post" | "settle" | "void" | "refuse" | "refund" | "lose";

/** Where a settlement stands; `phase` exactly while `unknown`. */
export type Standing =
  | { readonly state: Exclude<SettlementState, "unknown">; readonly phase: undefined }
  | { readonly state: "unknown"; readonly phase: Phase };

type Known = Exclude<SettlementState, "unknown">;
const ARROWS: Readonly<Record<Known, Partial<Readonly<Record<Exclude<TransitionName, "lose">, Known>>>>> = {
  accepted: { hold: "holding", refuse: "refused" },
  holding: { held: "held", void: "voiding", refuse: "refused" },
  held: { post: "posting" },
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
  const step = from.state === "unknown" ? from.phase : from.state;
  if (transition === "lose") return isPhase(step) ? { state: "unknown", phase: step } : undefined;
  const to = ARROWS[step][transition];
  return to === undefined ? undefined : { state: to, phase: undefined };
}

/** Nothing leaves these. */
export function isTerminal(state: SettlementState): boolean {
  return state === "settled" || state === "refused" || state === "refunded";
}

/** The step that is to be done next, whether or not its answer went missing before. */
export function stepOf(standing: Standing): Known {
  return standing.state === "unknown" ? standing.phase : standing.state;
}

/** Reads a stored standing; `undefined` for anything the table does not know. */
export function readStanding(state: unknown, phase: unknown): Standing | undefined {
  const known = SETTLEMENT_STATES.find((name) => name === state);
  if (known === undefined) return undefined;
  if (known !== "unknown") return phase === null ? { state: known, phase: undefined } : undefined;
  const step = SETTLEMENT_STATES.find((name) => name === phase);
  return step !== undefined && isPhase(step) ? { state: "unknown", phase: step } : undefined;
}

function isPhase(state: SettlementState): state is Phase {
  return PHASES.has(state);
}
