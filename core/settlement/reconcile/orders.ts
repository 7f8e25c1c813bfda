/** What a step of a case orders in money: suspense (挂账), write-off (核销), a supplement (补账) or its way back. Pure. */
import type { Crypto } from "../../crypto/port.ts";
import { settlementId } from "../../protocol/settlement-id.ts";
import { asFen } from "../../protocol/money.ts";
import type { Adjustment, Supplement } from "../books.ts";
import type { CaseRefusal, CaseStep } from "./cases.ts";
import type { OwedCorrection } from "./corrections.ts";
import { type Case, owedBySource } from "./records.ts";
import type { Step } from "./store.ts";

/** `steps`: of the case so far. */
export function correctionsOf(
  crypto: Pick<Crypto, "sm3">,
  one: Case,
  steps: readonly Pick<Step, "step" | "action">[],
  step: CaseStep,
): readonly OwedCorrection[] | CaseRefusal {
  switch (step.action) {
    case "suspend":
    case "writeOff":
    case "release":
      return adjustments(one, step.action, step);
    case "book": {
      const order = supplementOf(crypto, one, step);
      if (typeof order === "string") return order;
      const suspense = one.state === "suspended" ? adjustments(one, "release", step) : [];
      return [...suspense, { shard: one.shard, correction: { do: "supplement", order } }];
    }
    case "takeBack": {
      const booked = steps.findLast(({ action }) => action === "book");
      if (booked === undefined) return "notBooked";
      const supplementId = supplementIdOf(one, booked.step);
      const people = { requestedBy: step.by, approvedBy: step.approvedBy };
      const order = { supplementId, caseId: one.id, institution: one.institution, reason: step.reason ?? "agreed", ...people };
      return [{ shard: one.shard, correction: { do: "takeBack", order } }];
    }
    case "assign":
    case "resolve":
    // A refund of its own, which the shard carries to its end.
    case "giveBack":
    // Nobody's steps are ordered by the run that takes them.
    case "settle":
    case "restate":
      return [];
  }
}

/** One per fund source; a case may go into suspense more than once, so the step is part of the name. */
export function adjustments(
  one: Case,
  kind: Adjustment["kind"],
  step: Pick<CaseStep, "by" | "approvedBy" | "reason">,
): readonly OwedCorrection[] {
  return owedBySource(one).map(({ fundSource, amount }) => ({
    shard: one.shard,
    correction: {
      do: "adjust",
      order: {
        adjustmentId: `${one.id}/${one.steps + 1}/${kind}/${fundSource}`,
        caseId: one.id,
        kind,
        rail: one.rail,
        fundSource,
        institution: one.institution,
        settlementId: one.settlementId,
        amount,
        reason: step.reason ?? "agreed",
        requestedBy: step.by,
        approvedBy: step.approvedBy,
      },
    },
  }));
}

/** Only what the payer alone has; where the payer names the institution and the bill, they are those of the order. */
function supplementOf(crypto: Pick<Crypto, "sm3">, one: Case, step: CaseStep): Supplement | CaseRefusal {
  const { target } = step;
  if (target === undefined) return "targetMissing";
  if (one.ours !== undefined || one.theirs === undefined) return "notPayerOnly";
  const named = target.outTradeNo === undefined ? undefined : settlementId(crypto, target.institution, target.outTradeNo);
  const isOther = named !== undefined && one.settlementId !== undefined && named !== one.settlementId;
  if (target.institution !== one.institution || isOther) return "otherTarget";
  return {
    supplementId: supplementIdOf(one, one.steps + 1),
    caseId: one.id,
    rail: one.rail,
    movement: one.kind,
    key: one.key,
    railReference: one.reference,
    payerDay: one.day,
    statementHash: one.statementHash,
    institution: one.institution,
    settlementId: named,
    parts: owedBySource(one).map(({ fundSource, amount }) => ({ fundSource, amount: asFen(amount < 0n ? -amount : amount) })),
    reason: step.reason ?? "ourError",
    requestedBy: step.by,
    approvedBy: step.approvedBy,
  };
}

function supplementIdOf(one: Case, step: number): string {
  return `${one.id}/${step}`;
}
