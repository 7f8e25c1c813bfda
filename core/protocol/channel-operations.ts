/**
 * What a patient's app may ask of the core: the `data` objects inside the S3 A.2/A.3 envelope at the core's channel
 * address. An app registers a person whose identity it has proven (S0 6.1), binds the person's accounts, and gets
 * codes to show. All leaves are strings, so that every signing dialect gives the same text (domain notes 1.4).
 */
import * as v from "valibot";
import { codePoints, identifier } from "./texts.ts";

const orgId = identifier(40);
/** The app's own name for the person, fixed when the person was registered. */
const appUserId = identifier(64);
/** The payer's own number for the account: 应用签发号 (S0 4.2). */
const accountId = v.pipe(v.string(), v.regex(/^[^\p{Cc}\p{Z}]{1,128}$/u));
const code = v.pipe(v.string(), codePoints(1, 512), v.regex(/^[\x21-\x7e]+$/));

export const registerPersonRequest = v.strictObject({
  orgId,
  appUserId,
  /** S3 C.2. */
  idType: v.pipe(v.string(), v.regex(/^\d{2}$/)),
  idNo: v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,30}$/)),
  userName: v.pipe(v.string(), v.regex(/^[^\p{Cc}]{1,200}$/u)),
});
export const bindAccountRequest = v.strictObject({
  orgId,
  appUserId,
  kind: v.picklist(["insurance", "commercial", "bank"]),
  accountId,
  /** Insured area; with `insurance` only, and then mandatory. */
  insuOrg: v.optional(v.pipe(v.string(), v.regex(/^\d{6,12}$/))),
});
export const listAccountsRequest = v.strictObject({ orgId, appUserId });
export const unbindAccountRequest = v.strictObject({ orgId, appUserId, bindingId: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)) });
export const issueCodeRequest = v.strictObject({
  orgId,
  appUserId,
  purpose: v.picklist(["settle", "verify"]),
  form: v.picklist(["signed", "opaque"]),
});
export const revokeCodeRequest = v.strictObject({ orgId, code });

export const CHANNEL_OPERATIONS = {
  "rh.person.register": registerPersonRequest,
  "rh.account.bind": bindAccountRequest,
  "rh.account.list": listAccountsRequest,
  "rh.account.unbind": unbindAccountRequest,
  "rh.code.issue": issueCodeRequest,
  "rh.code.revoke": revokeCodeRequest,
} as const;
export type ChannelOperationName = keyof typeof CHANNEL_OPERATIONS;

export type RegisterPersonRequest = v.InferOutput<typeof registerPersonRequest>;
export type BindAccountRequest = v.InferOutput<typeof bindAccountRequest>;
export type ListAccountsRequest = v.InferOutput<typeof listAccountsRequest>;
export type UnbindAccountRequest = v.InferOutput<typeof unbindAccountRequest>;
export type IssueCodeRequest = v.InferOutput<typeof issueCodeRequest>;
export type RevokeCodeRequest = v.InferOutput<typeof revokeCodeRequest>;
/** What a code is for; a code issued to identify never settles (domain notes 3.3, default deny). */
export type CodePurpose = IssueCodeRequest["purpose"];

/** Answer to `rh.person.register`; masked for the app's own screen (domain notes 6.3). */
export interface RegisterPersonReply {
  readonly appUserId: string;
  readonly userName: string;
  readonly idNo: string;
}
/** One binding as its app may see it: never the account (S0 4.2 (3)). */
export interface BoundAccount {
  readonly bindingId: string;
  readonly kind: "insurance" | "commercial" | "bank";
  /** `pending` until the payer has confirmed that the account is this person's. */
  readonly state: "pending" | "active" | "suspended";
  /** Insured area of an insurance account; empty for others. */
  readonly insuOrg: string;
}
export interface ListAccountsReply {
  readonly appUserId: string;
  /** Absent when there is none: empty lists are not signed (domain notes 1.4). */
  readonly accounts?: readonly BoundAccount[];
}
export interface UnbindAccountReply {
  readonly bindingId: string;
  readonly state: "revoked";
}
export interface IssueCodeReply {
  /** The text of the QR symbol. */
  readonly code: string;
  /** yyyyMMddHHmmss, UTC+8. */
  readonly expiresAt: string;
}
export interface RevokeCodeReply {
  readonly state: "revoked";
}

export interface ChannelReplies {
  readonly "rh.person.register": RegisterPersonReply;
  readonly "rh.account.bind": BoundAccount;
  readonly "rh.account.list": ListAccountsReply;
  readonly "rh.account.unbind": UnbindAccountReply;
  readonly "rh.code.issue": IssueCodeReply;
  readonly "rh.code.revoke": RevokeCodeReply;
}
