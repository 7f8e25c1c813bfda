/**
 * What travels between Ronghe and a payer: the schemas of docs/rails.md, used by our adapter and by the sandbox.
 * Amounts are yuan with exactly two decimals. Replies may carry more fields than these; requests may not.
 */
import * as v from "valibot";
import { RAIL_REFUSALS } from "./port.ts";

const yuan = v.pipe(v.string(), v.regex(/^(?:0|[1-9]\d{0,13})\.\d{2}$/));
const id = v.pipe(v.string(), v.regex(/^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$/));
const key = v.pipe(v.string(), v.regex(/^[0-9A-Za-z._/-]{1,160}$/));
const reference = v.pipe(v.string(), v.minLength(1), v.maxLength(64));
const accountId = v.pipe(v.string(), v.minLength(1), v.maxLength(64));

/** NHSA names: psn_no, mdtrt_cert_no with mdtrt_cert_type 01, insuplc_admdvs (domain notes 4.1, 4.2). */
const insuranceAccount = v.strictObject({
  ecToken: v.pipe(v.string(), v.regex(/^[0-9A-Za-z]{20,64}$/)),
  psnNo: accountId,
  insuplcAdmdvs: v.pipe(v.string(), v.minLength(1), v.maxLength(12)),
});
const commercialAccount = v.strictObject({ authorisationId: accountId });
const bankAccount = v.strictObject({ contractId: accountId });

const authorise = <A extends v.GenericSchema>(account: A) =>
  v.strictObject({ key, settlementId: id, institution: id, businessType: v.string(), bill: yuan, asked: yuan, account });

export const AUTHORISE = {
  insurance: authorise(insuranceAccount),
  commercial: authorise(commercialAccount),
  bank: authorise(bankAccount),
} as const;
/** Body of `capture`, `void` and `refund`: whose leg, and how much. */
export const MOVE = v.strictObject({ key, settlementId: id, institution: id, amount: yuan });

const part = v.object({ fundSource: v.pipe(v.string(), v.regex(/^[a-z][a-z0-9_]{0,31}$/)), amount: yuan });
/** What every operation answers, and what a query repeats. */
export const REPLY = v.variant("status", [
  v.object({ status: v.literal("done"), key, amount: yuan, reference, parts: v.optional(v.pipe(v.array(part), v.maxLength(16))) }),
  v.object({ status: v.literal("refused"), key, reason: v.picklist(RAIL_REFUSALS) }),
  v.object({ status: v.literal("absent"), key }),
]);
export type Reply = v.InferOutput<typeof REPLY>;
export type AuthoriseBody =
  | v.InferOutput<(typeof AUTHORISE)["insurance"]>
  | v.InferOutput<(typeof AUTHORISE)["commercial"]>
  | v.InferOutput<(typeof AUTHORISE)["bank"]>;
export type MoveBody = v.InferOutput<typeof MOVE>;

export const PATHS = {
  authorise: "/v1/authorise",
  capture: "/v1/capture",
  void: "/v1/void",
  refund: "/v1/refund",
  operations: "/v1/operations",
} as const;
/** A reply longer than this is garbage. */
export const REPLY_BYTES_MAX = 16_384;
