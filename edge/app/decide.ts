/**
 * Whether a change may be made, given what stands before it. Every implementation of `EdgeState` decides by these
 * functions inside its transaction.
 */
import type { Change, CodeMarks, CodeStep, CodeUse, CommitVerdict, OfflineTaken, TakenRequest } from "../ports.ts";

type GrantedTo = (orgId: string) => OfflineTaken | undefined;

/**
 * Number first: a repeat of the same content is never a further use of its code, nor of the offline allowance. Then the
 * code: each step once, and settling only where it was verified. Then the allowance.
 */
export function decide(
  change: Change,
  before: TakenRequest | undefined,
  marksOf: (fingerprint: string) => CodeMarks | undefined,
  grantedTo: GrantedTo,
): CommitVerdict {
  if (before !== undefined) return before.requestHash === change.request?.requestHash ? "repeated" : "idempotencyConflict";
  if (change.mark !== undefined && !mayUse(marksOf(change.mark.fingerprint), change.mark.step, change.mark)) return "codeUsed";
  const { allowance } = change;
  if (allowance?.kind === "take" && (grantedTo(allowance.orgId)?.fen ?? 0n) + allowance.fen > allowance.totalMaxFen) return "offlineTotal";
  return "accepted";
}

/** What an accepted change makes of an institution's count; `undefined` when it leaves it as it is. */
export function afterAllowance(
  { allowance }: Change,
  grantedTo: GrantedTo,
): { readonly orgId: string; readonly taken: OfflineTaken | undefined } | undefined {
  if (allowance === undefined) return undefined;
  const { orgId } = allowance;
  const before = grantedTo(orgId);
  if (allowance.kind === "restore") return before === undefined ? undefined : { orgId, taken: undefined };
  return { orgId, taken: { orgId, count: (before?.count ?? 0) + 1, fen: (before?.fen ?? 0n) + allowance.fen } };
}

/**
 * The rule for one-use codes: a code verified once stands for the ecToken it was given, so it may settle once at the
 * same terminal of the same institution; the same number again is a retry; everything else is a further use. Another
 * terminal settles by the ecToken: a code that shows up at a second desk is a copy (S0 5.2).
 */
export function mayUse(marks: CodeMarks | undefined, step: CodeStep, use: CodeUse): boolean {
  if (marks === undefined) return true;
  const same = (other: CodeUse): boolean => other.orgId === use.orgId && other.outTradeNo === use.outTradeNo;
  if (step === "verify") return marks.verify === undefined ? marks.settle === undefined : same(marks.verify);
  if (marks.settle !== undefined) return same(marks.settle);
  return marks.verify === undefined || (marks.verify.orgId === use.orgId && marks.verify.termId === use.termId);
}
