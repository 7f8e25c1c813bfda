/**
 * What a hospital may ask of the edge beside S3's own operations, and what it gets back. These are the `data`
 * objects inside the S3 A.2/A.3 envelope; field names follow S3 A.4 where it has them. All leaves are strings,
 * so that every signing dialect gives the same text (domain notes 1.4).
 */
import * as v from "valibot";
import { feeLines } from "./fee-lines.ts";
import { BUSINESS_TYPES } from "./tables.ts";
import { codePoints, identifier, text } from "./texts.ts";

/**
 * Fused code, EHC code or NHSA code as scanned; S0 5.1, S3 A.4 ecQrCode. Patients show visiting cards and payment links
 * too: whatever was scanned has the shape of a call, and what is no code gets its own code.
 */
const scannedCode = v.pipe(v.string(), codePoints(1, 4_096));
const ecToken = v.pipe(v.string(), v.regex(/^[0-9A-Za-z]{20,64}$/));
const businessType = v.picklist(BUSINESS_TYPES);
/** The caller's own transaction number: unique per institution, kept for ever, the idempotency key. */
const outTradeNo = identifier(64);
/** Yuan; checked exactly by `parseYuan`, so that a bad amount gets its own code. */
const amount = v.pipe(v.string(), codePoints(1, 24));
const waitSeconds = v.optional(v.pipe(v.string(), v.regex(/^(?:[0-9]|[12][0-9]|30)$/)));

/** Who stands at which terminal; S3 A.4 rows 4-9. */
const scene = {
  orgId: identifier(40),
  businessType,
  termId: identifier(32),
  termIp: v.pipe(v.string(), v.ip()),
  operatorId: text(20),
  operatorName: text(30),
  officeId: text(20),
  officeName: text(30),
};

/** 医疗类别 (NHSA `med_type`): 11 普通门诊, 21 普通住院, 41 定点药店购药; what `businessType` implies when absent. */
const medType = v.optional(v.pipe(v.string(), v.regex(/^\d{2,4}$/)));

export const verifyRequest = v.strictObject({ ...scene, outTradeNo, code: scannedCode });
export const presettleRequest = v.strictObject({
  ...scene,
  outTradeNo,
  /** Exactly one of `code` and `ecToken`; checked by the edge after the shape. */
  code: v.optional(scannedCode),
  ecToken: v.optional(ecToken),
  amount,
  medType,
  /** Their sum is `amount`. */
  feeLines: v.optional(feeLines),
});
export const settleRequest = v.strictObject({
  ...scene,
  outTradeNo,
  /** Exactly one of `code` and `ecToken`; checked by the edge after the shape. */
  code: v.optional(scannedCode),
  ecToken: v.optional(ecToken),
  amount,
  medType,
  /** As pre-settled; their sum is `amount`. */
  feeLines: v.optional(feeLines),
  waitSeconds,
});
export const resultRequest = v.strictObject({ orgId: identifier(40), outTradeNo, waitSeconds });
export const refundRequest = v.strictObject({
  ...scene,
  outTradeNo,
  /** The settlement to give back, by the number it was made under. */
  originalOutTradeNo: outTradeNo,
  /** ALL every leg (also when absent), CASH the bank's only, HI the insurers' and no cash (domain notes 4.3 check 5). */
  refundType: v.optional(v.picklist(["ALL", "CASH", "HI"])),
  /** Yuan of those legs; all that is left of them when absent. */
  refundAmount: v.optional(amount),
  waitSeconds,
});
export const statementRequest = v.strictObject({
  orgId: identifier(40),
  outTradeNo,
  /** An accounting day `YYYYMMDD` or month `YYYYMM`, UTC+8. */
  period: v.pipe(v.string(), v.regex(/^\d{6}(?:\d{2})?$/)),
  /** Where the page before ended. */
  cursor: v.optional(v.pipe(v.string(), v.regex(/^[0-9A-Za-z._-]{1,128}$/))),
  /** Rows of a page, 1 to 100; 50 when absent. */
  pageSize: v.optional(v.pipe(v.string(), v.regex(/^(?:[1-9][0-9]?|100)$/))),
});

export type VerifyRequest = v.InferOutput<typeof verifyRequest>;
export type PresettleRequest = v.InferOutput<typeof presettleRequest>;
export type SettleRequest = v.InferOutput<typeof settleRequest>;
export type ResultRequest = v.InferOutput<typeof resultRequest>;
export type RefundRequest = v.InferOutput<typeof refundRequest>;
export type StatementRequest = v.InferOutput<typeof statementRequest>;

/**
 * Answer to `rh.verify`: as little as the desk needs (masking: domain notes 6.3). Who it is, only with grade `online`:
 * `offline` says that the code is genuine, has not ended and was not shown here before, and nothing else.
 */
export interface VerifyReply {
  /** The caller's number: S3 binds no reply to its request, so the answer names what it answers. */
  readonly outTradeNo: string;
  readonly grade: "online" | "offline";
  readonly userName?: string;
  readonly idType?: string;
  readonly idNo?: string;
  readonly ecToken?: string;
  /** yyyyMMddHHmmss, UTC+8. */
  readonly ecTokenExpires?: string;
  readonly insuOrg?: string;
}

/** What one fund pays. Amounts are yuan with two decimals. */
export interface LegReply {
  readonly rail: string;
  readonly fundSource: string;
  readonly amount: string;
}

/** NHSA's amounts of a bill (domain notes 4.3), and 商保直赔 beside them; yuan with two decimals. */
export const SPLIT_FIELDS = [
  "medfee_sumamt",
  "fulamt_ownpay_amt",
  "overlmt_selfpay",
  "preselfpay_amt",
  "inscp_scp_amt",
  "act_pay_dedc",
  "hifp_pay",
  "cvlserv_pay",
  "hifes_pay",
  "hifmi_pay",
  "hifob_pay",
  "maf_pay",
  "oth_pay",
  "fund_pay_sumamt",
  "psn_part_amt",
  "acct_pay",
  "acct_mulaid_pay",
  "commercial_claim",
  "psn_cash_pay",
  "hosp_part_amt",
] as const;
export type SplitReply = Readonly<Record<(typeof SPLIT_FIELDS)[number], string>>;

/** Answer to `rh.presettle`: what a settlement would be just now. Nothing is held. */
export interface PresettleReply {
  readonly outTradeNo: string;
  /** The visit's: settles once, and may ask again until then. */
  readonly ecToken: string;
  /** yyyyMMddHHmmss, UTC+8. */
  readonly ecTokenExpires: string;
  readonly insuOrg: string;
  readonly amount: string;
  readonly split: SplitReply;
  /** Absent when nobody would pay: an empty list is not part of what is signed (domain notes 1.2). */
  readonly legs?: readonly LegReply[];
  /** What the personal account holds before this bill, where the insurer says. */
  readonly balc?: string;
}

/** Answer to `rh.statement`: one page of an institution's own money. */
export interface StatementReply {
  readonly outTradeNo: string;
  readonly period: string;
  /** `1`: every day of the period is sealed; `0`: rows may still come. */
  readonly closed: "0" | "1";
  /** Of the whole period. */
  readonly totals: {
    readonly settlements: string;
    readonly settled: string;
    readonly refunds: string;
    readonly refunded: string;
    /** Absent when there is none. */
    readonly sources?: readonly {
      readonly rail: string;
      readonly fundSource: string;
      readonly settled: string;
      readonly refunded: string;
    }[];
  };
  /** Absent when there is none. */
  readonly rows?: readonly StatementRowReply[];
  /** Of the next page; absent on the last one. */
  readonly cursor?: string;
}
export interface StatementRowReply {
  /** `kept`: what a payer keeps of a refused bill. `supplement` (补账): taken into the books by hand, or out of them again. */
  readonly kind: "settlement" | "refund" | "kept" | "supplement";
  /** Of a supplement: it adds to `settled`, to `refunded`, or takes away from `settled`. */
  readonly movement?: "payment" | "refund" | "reversal";
  /** Both absent of a supplement that belongs to no bill. */
  readonly outTradeNo?: string;
  readonly settlementId?: string;
  readonly originalSettlementId?: string;
  /** `YYYYMMDD`. */
  readonly day: string;
  /** yyyyMMddHHmmss, UTC+8. */
  readonly at: string;
  /** `1`: it counts on a later day than its own, which was closed already. */
  readonly late: "0" | "1";
  readonly amount: string;
  readonly legs: readonly LegReply[];
}

/** Answer to `rh.settle`, `rh.refund` and `rh.result`. Amounts are yuan with two decimals. */
export interface SettlementReply {
  readonly outTradeNo: string;
  readonly settlementId: string;
  readonly status: "accepted" | "settled" | "refused" | "refunded" | "unknown";
  /** Set when refused: a code of the error table, with its text. */
  readonly refusalCode?: string;
  readonly refusalMessage?: string;
  readonly amount?: string;
  readonly legs?: readonly LegReply[];
  /** Of a refused bill: what a payer took and keeps by its own statement. `rh.refund` of the bill gives it back. */
  readonly kept?: readonly LegReply[];
  /** The ledger receipt (`ledger/FORMAT.md`), text, once the ledger covers the outcome. */
  readonly receipt?: string;
}

export const OPERATIONS = {
  "rh.verify": verifyRequest,
  "rh.presettle": presettleRequest,
  "rh.settle": settleRequest,
  "rh.result": resultRequest,
  "rh.refund": refundRequest,
  "rh.statement": statementRequest,
} as const;
export type OperationName = keyof typeof OPERATIONS;
