/**
 * What a bill would cost whom, for the cashier (`rh.presettle`): the insurer's own split, then what the commercial
 * insurer would pay of the cash that is left. Nothing is held and nothing is settled; the visit stays open.
 */
import type { FeeLineText } from "../../protocol/fee-lines.ts";
import type { ErrorName } from "../../protocol/errors.ts";
import { asFen, type Fen } from "../../protocol/money.ts";
import { ok, refused, type Result } from "../../protocol/result.ts";
import type { EventMs } from "../../protocol/time.ts";
import type { CredentialUse, Vault } from "../../vault/port.ts";
import type { FundPart, RailName } from "../plan.ts";
import { AMOUNT_FIELDS, type Amounts } from "../split/amounts.ts";
import type { PresettleAnswer, QuotingRail } from "./port.ts";

export interface PresettlementPorts {
  readonly vault: Pick<Vault, "openForPresettlement">;
  readonly insurance: QuotingRail;
  readonly commercial: QuotingRail;
}
export interface PresettlementRequest extends CredentialUse {
  readonly bill: Fen;
  readonly medType?: string | undefined;
  readonly fees?: readonly FeeLineText[] | undefined;
}
export interface Presettlement {
  readonly ecToken: string;
  readonly ecTokenExpiresMs: EventMs;
  readonly insuOrg: string | undefined;
  /** NHSA's amounts; `psn_cash_pay` still holds what a commercial insurer would pay. */
  readonly amounts: Amounts;
  readonly commercialClaim: Fen;
  /** What each payer would pay, in their order; without a bank account nobody pays the rest. */
  readonly legs: readonly (FundPart & { readonly rail: RailName })[];
  readonly personalAccount: Fen | undefined;
}

export function createPresettlement(
  ports: PresettlementPorts,
): (request: PresettlementRequest) => Promise<Result<Presettlement, ErrorName>> {
  return async (request) => {
    const opened = await ports.vault.openForPresettlement(request);
    if (!opened.ok) return opened;
    const { insurance, commercial, bank, ecToken, ecTokenExpiresMs } = opened.value;
    const question = {
      institution: request.institution,
      visitId: request.transactionId.slice(request.transactionId.indexOf("/") + 1),
      businessType: request.businessType,
      medType: request.medType,
      fees: request.fees,
      bill: request.bill,
    };
    const covered =
      insurance === undefined
        ? ok(uninsured(request.bill))
        : insuredSplit(
            await ports.insurance.presettle({
              ...question,
              asked: request.bill,
              account: { rail: "insurance", ecToken, psnNo: insurance.accountId, insuOrg: insurance.insuOrg },
            }),
          );
    if (!covered.ok) return covered;
    const { amounts, parts, personalAccount } = covered.value;
    const cash = amounts.psn_cash_pay;
    const claim =
      commercial === undefined || cash === 0n
        ? ok([])
        : claimed(
            await ports.commercial.presettle({
              ...question,
              asked: cash,
              account: { rail: "commercial", authorisationId: commercial.authorisationId },
            }),
          );
    if (!claim.ok) return claim;
    const commercialClaim = asFen(claim.value.reduce((sum, part) => sum + part.amount, 0n));
    const rest = asFen(cash - commercialClaim);
    const legs = [
      ...parts.map((part) => ({ rail: "insurance" as const, ...part })),
      ...claim.value.map((part) => ({ rail: "commercial" as const, ...part })),
      ...(rest > 0n && bank !== undefined ? [{ rail: "bank" as const, fundSource: "psn_cash_pay", amount: rest }] : []),
    ];
    return ok({ ecToken, ecTokenExpiresMs, insuOrg: insurance?.insuOrg, amounts, commercialClaim, legs, personalAccount });
  };
}

interface Covered {
  readonly amounts: Amounts;
  readonly parts: readonly FundPart[];
  readonly personalAccount: Fen | undefined;
}

/** Without medical insurance everything is the person's own. */
function uninsured(bill: Fen): Covered {
  const zero = Object.fromEntries(AMOUNT_FIELDS.map((field) => [field, asFen(0n)])) as unknown as Amounts;
  const amounts = { ...zero, medfee_sumamt: bill, fulamt_ownpay_amt: bill, psn_part_amt: bill, psn_cash_pay: bill };
  return { amounts, parts: [], personalAccount: undefined };
}

function insuredSplit(answer: PresettleAnswer): Result<Covered, ErrorName> {
  if (answer.kind !== "done") return refusedBy(answer);
  const { amounts, parts, personalAccount } = answer;
  return amounts === undefined ? refused("payerUnavailable") : ok({ amounts, parts, personalAccount });
}

function claimed(answer: PresettleAnswer): Result<readonly FundPart[], ErrorName> {
  return answer.kind === "done" ? ok(answer.parts) : refusedBy(answer);
}

function refusedBy(answer: Exclude<PresettleAnswer, { kind: "done" }>): Result<never, ErrorName> {
  return refused(answer.kind === "unknown" ? "payerUnavailable" : answer.reason === "insufficient" ? "noFunds" : "payerRefused");
}
