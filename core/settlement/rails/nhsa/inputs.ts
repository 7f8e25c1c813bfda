/** Inputs of the transactions we use, filled in. Pure. */
import { asFen, formatYuan } from "../../../protocol/money.ts";
import type { FundPart } from "../../plan.ts";
import { detailOf, TRANSACTIONS, type VisitKind, visitIdOf } from "./messages.ts";
import type { NhsaBill } from "./store.ts";

/** Who pays: the person's number at the insurer, and the ecToken that stands for the shown code. */
export interface Medium {
  readonly psnNo: string;
  /** Empty once settled: undoing names the person only. */
  readonly ecToken: string;
}

/** 2206, 2207 and their like. The lines travel with both, as the pharmacy's do everywhere. */
export function billMessage(visit: VisitKind, visitId: string, bill: NhsaBill, medium: Medium): Readonly<Record<string, unknown>> {
  const { node, details } = TRANSACTIONS[visit];
  return {
    [node]: {
      psn_no: medium.psnNo,
      mdtrt_cert_type: "01",
      mdtrt_cert_no: medium.ecToken,
      med_type: bill.medType,
      medfee_sumamt: bill.total,
      psn_setlway: "01",
      mdtrt_id: visitIdOf(visitId),
      chrg_bchno: visitIdOf(visitId),
      acct_used_flag: "1",
      insutype: bill.insutype,
      exp_content: visitId,
    },
    ...(bill.fees === undefined ? {} : { [details]: bill.fees.map(detailOf) }),
  };
}

/** 2208, 2103, 2305; `parts` only when it is not everything. */
export function undoMessage(undo: {
  readonly psnNo: string;
  readonly visitId: string;
  readonly setlId: string;
  readonly key: string;
  readonly parts: readonly FundPart[] | undefined;
}): Readonly<Record<string, unknown>> {
  return {
    data: {
      psn_no: undo.psnNo,
      mdtrt_id: visitIdOf(undo.visitId),
      setl_id: undo.setlId,
      exp_content: undo.key.slice(-64),
      ...(undo.parts === undefined
        ? {}
        : { refd_detail: undo.parts.map((part) => ({ fund: part.fundSource, refd_amt: formatYuan(asFen(-part.amount)) })) }),
    },
  };
}

/** 2601: the message whose effect is to be taken back, by its own name. */
export function reverseMessage(psnNo: string, omsgid: string, oinfno: string): Readonly<Record<string, unknown>> {
  return { data: { psn_no: psnNo, omsgid, oinfno } };
}

/** 1101 by the token; the number tells the insurer whom we believe it to stand for. */
export function personMessage(medium: Medium): Readonly<Record<string, unknown>> {
  return { data: { mdtrt_cert_type: "01", mdtrt_cert_no: medium.ecToken, psn_no: medium.psnNo } };
}
