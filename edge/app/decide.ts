/**
 * Whether a change may be made, given what stands before it. Every implementation of `EdgeState` decides by these
 * functions inside its transaction.
 */
import type { Change, CodeMarks, CodeStep, CodeUse, CommitVerdict, TakenRequest } from "../ports.ts";

/** Of an institution, what its bills of that instant and later come to. */
type FenSince = (orgId: string, sinceMs: number) => bigint;

/**
 * Number first: a repeat of the same content is never a further use of its code, nor of the offline allowance, and is
 * answered although nothing new is taken. Then the code: each step once, and settling only where it was verified. Then the allowance.
 */
export function decide(
  change: Change,
  before: TakenRequest | undefined,
  marksOf: (fingerprint: string) => CodeMarks | undefined,
  fenSince: FenSince,
): CommitVerdict {
  if (before !== undefined) return before.requestHash === change.request?.requestHash ? "repeated" : "idempotencyConflict";
  if (change.halted === true) return "clockSkewed";
  if (change.mark !== undefined && !mayUse(marksOf(change.mark.fingerprint), change.mark.step, change.mark)) return "codeUsed";
  const { request, bill } = change;
  if (request === undefined || bill?.offline === undefined) return "accepted";
  const { sinceMs, totalMaxFen } = bill.offline;
  return fenSince(request.orgId, sinceMs) + bill.fen > totalMaxFen ? "offlineTotal" : "accepted";
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
