/** What becomes of an insurance leg on record, and what it answers. Pure. */
import type { Fen } from "../../../protocol/money.ts";
import type { FundPart } from "../../plan.ts";
import type { AuthoriseAnswer, DoneAnswer, UnknownAnswer, VoidAnswer } from "../port.ts";
import { amountOf } from "./answers.ts";
import type { NhsaBill, NhsaLeg } from "./store.ts";

export const NO_LEG = {
  bill: undefined,
  parts: [],
  msgid: undefined,
  setlId: undefined,
  reversalMsgid: undefined,
  reversedAtMs: undefined,
  medium: undefined,
  refusal: undefined,
  settledAtMs: undefined,
} as const;

/** Nothing counts, and nobody needs to know any more who it was for. */
export function closed(leg: NhsaLeg): NhsaLeg {
  return { ...leg, state: "closed", medium: undefined, bill: leg.bill === undefined ? undefined : withoutFees(leg.bill) };
}

export function withoutFees(bill: NhsaBill): NhsaBill {
  const { fees: _, ...rest } = bill;
  return rest;
}

/** What a leg on record says to the question what the insurer would pay. */
export function authorised(leg: NhsaLeg): Exclude<AuthoriseAnswer, UnknownAnswer | { kind: "unasked" }> {
  if (leg.state === "closed") return { kind: "refused", reason: "legClosed" };
  if (leg.state === "refused") return { kind: "refused", reason: leg.refusal ?? "declined" };
  return { kind: "done", amount: amountOf(leg.parts), parts: leg.parts, railReference: leg.msgid ?? "" };
}

export function done(parts: readonly FundPart[], railReference: string): DoneAnswer;
export function done(
  parts: readonly FundPart[],
  railReference: string,
  told: readonly FundPart[],
): DoneAnswer & { readonly parts: readonly FundPart[] };
export function done(parts: readonly FundPart[], railReference: string, told?: readonly FundPart[]): DoneAnswer {
  const amount: Fen = amountOf(parts);
  return { kind: "done", amount, railReference, ...(told === undefined ? {} : { parts: told }) };
}

export function released(settlementId: string): VoidAnswer {
  return { kind: "done", railReference: settlementId };
}
