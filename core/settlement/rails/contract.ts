/**
 * What travels between Ronghe and a commercial insurer or a bank: the schemas of docs/rails.md, used by our adapter and
 * by the sandbox.
 * Amounts are yuan with exactly two decimals. Replies may carry more fields than these; requests may not.
 */
import * as v from "valibot";
import { codePoints } from "../../protocol/texts.ts";
import { RAIL_REFUSALS } from "./port.ts";

const yuan = v.pipe(v.string(), v.regex(/^(?:0|[1-9]\d{0,13})\.\d{2}$/));
const id = v.pipe(v.string(), v.regex(/^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$/));
const key = v.pipe(v.string(), v.regex(/^[0-9A-Za-z._/-]{1,160}$/));
const reference = v.pipe(v.string(), v.regex(/^[0-9A-Za-z._:/-]{1,64}$/));
const accountId = v.pipe(v.string(), codePoints(1, 64));

const commercialAccount = v.strictObject({ authorisationId: accountId });
const bankAccount = v.strictObject({ contractId: accountId });

const authorise = <A extends v.GenericSchema>(account: A) =>
  v.strictObject({ key, settlementId: id, institution: id, businessType: v.string(), bill: yuan, asked: yuan, account });

export const AUTHORISE = {
  commercial: authorise(commercialAccount),
  bank: authorise(bankAccount),
} as const;
/** As `authorise`, without a settlement: nothing is held, and the key is only repeated in the answer. */
const quote = <A extends v.GenericSchema>(account: A) =>
  v.strictObject({ key, institution: id, businessType: v.string(), bill: yuan, asked: yuan, account });
export const QUOTE = { commercial: quote(commercialAccount), bank: quote(bankAccount) } as const;

const fundSource = v.pipe(v.string(), v.regex(/^[a-z][a-z0-9_]{0,31}$/));
const namedPart = v.strictObject({ fundSource, amount: yuan });
/** Body of `capture`, `void` and `refund`: whose leg, how much, and of a refund which funds. */
export const MOVE = v.strictObject({
  key,
  settlementId: id,
  institution: id,
  amount: yuan,
  parts: v.optional(v.pipe(v.array(namedPart), v.minLength(1), v.maxLength(16))),
});

const part = v.object({ fundSource, amount: yuan });
/** What every operation answers, and what a query repeats. */
export const REPLY = v.variant("status", [
  v.object({
    status: v.literal("done"),
    key,
    amount: yuan,
    reference,
    parts: v.optional(v.pipe(v.array(part), v.maxLength(16))),
    /** A success that states an error contradicts itself: no answer. */
    error: v.optional(v.literal("")),
  }),
  v.object({ status: v.literal("refused"), key, reason: v.picklist(RAIL_REFUSALS) }),
  v.object({ status: v.literal("absent"), key }),
]);
export type Reply = v.InferOutput<typeof REPLY>;
export type AuthoriseBody = v.InferOutput<(typeof AUTHORISE)["commercial"]> | v.InferOutput<(typeof AUTHORISE)["bank"]>;
export type QuoteBody = v.InferOutput<(typeof QUOTE)["commercial"]> | v.InferOutput<(typeof QUOTE)["bank"]>;
export type MoveBody = v.InferOutput<typeof MOVE>;

/** `YYYYMMDD` of UTC+8. */
export const STATEMENT_DAY = v.pipe(v.string(), v.regex(/^\d{8}$/));
/** Of a day, or of all institutions: more than one amount may be. */
const sum = v.pipe(v.string(), v.regex(/^(?:0|[1-9]\d{0,15})\.\d{2}$/));
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
export const STATEMENT_TOTALS = v.object({
  day: STATEMENT_DAY,
  closed: v.boolean(),
  captures: count,
  captured: sum,
  refunds: count,
  refunded: sum,
  /** A payer that answers without them is asked for its rows. */
  institutions: v.optional(
    v.array(
      v.object({
        institution: id,
        captures: count,
        captured: sum,
        refunds: count,
        refunded: sum,
        funds: v.array(v.object({ fundSource, captured: sum, refunded: sum })),
      }),
    ),
  ),
});
export type StatementTotalsBody = v.InferOutput<typeof STATEMENT_TOTALS>;

export const PATHS = {
  authorise: "/v1/authorise",
  capture: "/v1/capture",
  void: "/v1/void",
  refund: "/v1/refund",
  quote: "/v1/quote",
  operations: "/v1/operations",
  statement: "/v1/statement",
  statementTotals: "/v1/statement/totals",
} as const;
/** A reply longer than this is garbage. */
export const REPLY_BYTES_MAX = 16_384;
/** Totals of every institution; some 40,000 of them. */
export const TOTALS_BYTES_MAX: number = 16 * 1024 * 1024;
