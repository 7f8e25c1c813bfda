/**
 * The life of a difference, as a table. Pure.
 *
 * ```
 * open ─ assign → investigating ─ resolve → resolved
 *                     │  ▲ assign (to somebody else)
 *                     │  └──────── takeBack (two people) ────────┐
 *                     ├ book (补账, two people) ──────────────→ booked
 *                     │ suspend (挂账)                            ▲
 *                     ▼                                           │
 *                 suspended ─ book (补账, two people) ────────────┘
 *                     ├ writeOff (核销, two people) → writtenOff
 *                     └ release → resolved
 * ```
 * `settle` closes a case without anybody: the counterpart came after all, or the payer corrected its statement, or what a
 * payer kept is given back. `restate` leaves a case where it is: the statement in force says something else of the movement
 * than the one before, or a part was given back. `giveBack` (two people) orders a refund of what a payer kept, and leaves
 * the case where it is until that is done.
 */
export const CASE_STATES = ["open", "investigating", "suspended", "resolved", "writtenOff", "booked"] as const;
export type CaseState = (typeof CASE_STATES)[number];
export const CASE_ACTIONS = [
  "assign",
  "resolve",
  "suspend",
  "release",
  "writeOff",
  "giveBack",
  "book",
  "takeBack",
  "settle",
  "restate",
] as const;
export type CaseAction = (typeof CASE_ACTIONS)[number];

/** Why, from a closed list: it enters the ledger in clear. What else there is to say is a note, of which the ledger holds a commitment. */
export const CASE_REASONS = [
  "payerError",
  "ourError",
  "hospitalError",
  "sameMovement",
  "payerCorrected",
  "counterpartArrived",
  "statementCorrected",
  "statementChanged",
  "givenBack",
  "underInquiry",
  "immaterial",
  "uncollectable",
  "agreed",
] as const;
export type CaseReason = (typeof CASE_REASONS)[number];

/** In the order in which they are looked for. */
export const CASE_REFUSALS = {
  caseUnknown: "no such case",
  personMalformed: "a person is named by 1 to 32 of a-z, 0-9, dot, underscore and hyphen",
  caseClosed: "the case is closed",
  notFromHere: "the case is not in a state for this",
  reasonMissing: `a reason is one of ${CASE_REASONS.join(", ")}`,
  needsSecondPerson: "this needs a second person (--approved-by)",
  samePerson: "this needs two different people",
  targetMissing: "what is taken into the books belongs to an institution (--institution) or to a bill of one (--settlement)",
  notPayerOnly: "only a movement that the payer alone has is taken into the books",
  otherTarget: "the payer's statement names another institution or another bill",
  settlementUnknown: "the institution has no such bill or refund",
  settlementOpen: "the bill has no end yet: what it moves is booked by itself",
  alreadyBooked: "the books have this movement already",
  notBooked: "nothing was taken into the books for this case",
  daySealed: "the day is sealed",
  nothingSuspended: "nothing is suspended for this case",
  notKept: "only money that a payer keeps of a refused bill is given back from here",
  nothingLeft: "nothing is left to give back",
  originalErased: "whose money it was is destroyed under an order: correct the books",
  refundsExhausted: "this bill was given back in too many parts",
} as const;
export type CaseRefusal = keyof typeof CASE_REFUSALS;

export interface CaseStep {
  readonly action: CaseAction;
  readonly by: string;
  readonly owner?: string | undefined;
  readonly approvedBy?: string | undefined;
  readonly reason?: CaseReason | undefined;
  readonly note?: string | undefined;
  /** Of `book`: the institution whose purse it is, and its bill or refund where there is one. */
  readonly target?: { readonly institution: string; readonly outTradeNo?: string | undefined } | undefined;
}

const ARROWS: Readonly<Record<CaseState, Partial<Readonly<Record<CaseAction, CaseState>>>>> = {
  open: { assign: "investigating", giveBack: "open", settle: "resolved", restate: "open" },
  investigating: {
    assign: "investigating",
    resolve: "resolved",
    suspend: "suspended",
    giveBack: "investigating",
    book: "booked",
    settle: "resolved",
    restate: "investigating",
  },
  suspended: {
    writeOff: "writtenOff",
    book: "booked",
    release: "resolved",
    giveBack: "suspended",
    settle: "resolved",
    restate: "suspended",
  },
  resolved: {},
  writtenOff: {},
  booked: { takeBack: "investigating" },
};
/** The people of the table above; `settle` and `restate` are nobody's. */
export const NOBODY = "ronghe";
const NOBODYS: ReadonlySet<CaseAction> = new Set(["settle", "restate"]);
/** What one person alone may not do. */
const TWO_PEOPLES: ReadonlySet<CaseAction> = new Set(["writeOff", "giveBack", "book", "takeBack"]);
const PERSON = /^[a-z0-9][a-z0-9._-]{0,31}$/;

export function isPerson(name: string): boolean {
  return PERSON.test(name) && name !== NOBODY;
}

/** Nobody has anything to do with these any more. */
const CLOSED: readonly CaseState[] = ["resolved", "writtenOff", "booked"];
/** Of `reconciliation_case`: those that somebody still has to clear. */
export const IS_OPEN = `state NOT IN (${CLOSED.map((state) => `'${state}'`).join(",")})`;

export function isClosed(state: CaseState): boolean {
  return CLOSED.includes(state);
}

/** The state after a step, or why there is none. */
export function afterStep(state: CaseState, step: CaseStep): { readonly state: CaseState } | CaseRefusal {
  const { action, by, owner, approvedBy, reason } = step;
  if (!NOBODYS.has(action) && [by, owner, approvedBy].some((name) => name !== undefined && !isPerson(name))) return "personMalformed";
  if (action === "assign" && owner === undefined) return "personMalformed";
  const to = ARROWS[state][action];
  if (to === undefined) return isClosed(state) ? "caseClosed" : "notFromHere";
  if (action !== "assign" && reason === undefined) return "reasonMissing";
  if (TWO_PEOPLES.has(action) && approvedBy === undefined) return "needsSecondPerson";
  if (TWO_PEOPLES.has(action) && approvedBy === by) return "samePerson";
  return { state: to };
}
