/**
 * What a hospital may ask of the edge beside S3's own operations, and what it gets back. These are the `data`
 * objects inside the S3 A.2/A.3 envelope; field names follow S3 A.4 where it has them. All leaves are strings,
 * so that every signing dialect gives the same text (domain notes 1.4).
 */
import * as v from "valibot";
import { BUSINESS_TYPES } from "./tables.ts";

const text = (max: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(max), v.regex(/^[^\p{Cc}]*$/u));
const identifier = (max: number) => v.pipe(v.string(), v.regex(/^[0-9A-Za-z][0-9A-Za-z._-]*$/), v.maxLength(max));

/** Fused code, EHC code or NHSA code as scanned; S0 5.1, S3 A.4 ecQrCode. */
const scannedCode = v.pipe(v.string(), v.minLength(1), v.maxLength(512), v.regex(/^[\x21-\x7e]+$/));
const ecToken = v.pipe(v.string(), v.regex(/^[0-9A-Za-z]{20,64}$/));
const businessType = v.picklist(BUSINESS_TYPES);
/** The caller's own transaction number: unique per institution, kept for ever, the idempotency key. */
const outTradeNo = identifier(64);
/** Yuan; checked exactly by `parseYuan`, so that a bad amount gets its own code. */
const amount = v.pipe(v.string(), v.minLength(1), v.maxLength(24));
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

export const verifyRequest = v.strictObject({ ...scene, outTradeNo, code: scannedCode });
export const settleRequest = v.strictObject({
  ...scene,
  outTradeNo,
  /** Exactly one of `code` and `ecToken`; checked by the edge after the shape. */
  code: v.optional(scannedCode),
  ecToken: v.optional(ecToken),
  amount,
  waitSeconds,
});
export const resultRequest = v.strictObject({ orgId: identifier(40), outTradeNo, waitSeconds });
export const refundRequest = v.strictObject({
  ...scene,
  outTradeNo,
  /** The settlement to give back, by the number it was made under. */
  originalOutTradeNo: outTradeNo,
  waitSeconds,
});
/** Asked by an app of the core's channel address: a fused code for one of its users. */
export const issueCodeRequest = v.strictObject({
  orgId: identifier(40),
  /** The app's own name for the person, fixed when the person bound the app. */
  appUserId: identifier(64),
  purpose: v.picklist(["settle", "verify"]),
  form: v.picklist(["signed", "opaque"]),
});

export type VerifyRequest = v.InferOutput<typeof verifyRequest>;
export type SettleRequest = v.InferOutput<typeof settleRequest>;
export type ResultRequest = v.InferOutput<typeof resultRequest>;
export type RefundRequest = v.InferOutput<typeof refundRequest>;
export type IssueCodeRequest = v.InferOutput<typeof issueCodeRequest>;

/** What a code is for; a code issued to identify never settles (domain notes 3.3, default deny). */
export type CodePurpose = IssueCodeRequest["purpose"];

/** Answer to `rh.verify`: as little as the desk needs (masking: domain notes 6.3). */
export interface VerifyReply {
  /** The caller's number: S3 binds no reply to its request, so the answer names what it answers. */
  readonly outTradeNo: string;
  readonly userName: string;
  readonly idType: string;
  readonly idNo: string;
  readonly ecToken: string;
  /** yyyyMMddHHmmss, UTC+8. */
  readonly ecTokenExpires: string;
  readonly insuOrg: string;
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
  readonly legs?: readonly { readonly rail: string; readonly fundSource: string; readonly amount: string }[];
  /** The ledger receipt (`ledger/FORMAT.md`), text, once the ledger covers the outcome. */
  readonly receipt?: string;
}

export const OPERATIONS = {
  "rh.verify": verifyRequest,
  "rh.settle": settleRequest,
  "rh.result": resultRequest,
  "rh.refund": refundRequest,
} as const;
export type OperationName = keyof typeof OPERATIONS;
