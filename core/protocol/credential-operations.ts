/**
 * The `data` of S3's own two operations, `ec.query` (A.4, A.5) and `ec.verify` (A.6, A.7; the standard gives it no
 * name, domain notes 8.1 row 15). The tables win over the samples: A.1.5.1 lacks mandatory fields (row 11).
 */
import * as v from "valibot";
import { ID_TYPES, widenBusinessType, type CheckResult, type IdType } from "./tables.ts";
import { codePoints, identifier, text } from "./texts.ts";

const idType = v.picklist(Object.keys(ID_TYPES).filter((key): key is IdType => Object.hasOwn(ID_TYPES, key)));

/** Five digits, or the bare second level of A.4's "C 3", widened (row 2). */
const businessType = v.pipe(
  v.string(),
  v.transform(widenBusinessType),
  v.custom<NonNullable<ReturnType<typeof widenBusinessType>>>((code) => code !== undefined, "not of table C.1"),
);

/** S3 A.4. `ecQrCode` is C 32 for NHSA codes; health-card and fused codes are longer (row 3). */
export const ecQueryRequest = v.strictObject({
  orgId: identifier(40),
  ecQrCode: v.pipe(v.string(), codePoints(1, 512), v.regex(/^[\x21-\x7e]+$/)),
  businessType,
  termId: identifier(32),
  termIp: v.pipe(v.string(), v.ip()),
  operatorId: text(20),
  operatorName: text(30),
  officeId: text(20),
  officeName: text(30),
});
export type EcQueryRequest = v.InferOutput<typeof ecQueryRequest>;

/** S3 A.5, with the insured area that real replies add (row 18). */
export interface EcQueryReply {
  readonly userName: string;
  readonly idNo: string;
  readonly idType: IdType;
  readonly ecToken: string;
  readonly insuOrg?: string;
}

/** S3 A.6; lengths are the larger of the tables' (row 13). */
export const ecVerifyRequest = v.strictObject({
  ecToken: v.pipe(v.string(), v.regex(/^[0-9A-Za-z]{1,64}$/)),
  idType,
  idNo: v.pipe(v.string(), v.regex(/^[^\p{Cc}\p{Z}]{1,22}$/u)),
  userName: text(200),
});
export type EcVerifyRequest = v.InferOutput<typeof ecVerifyRequest>;

/** S3 A.7: an identity that does not match is flag 0, not an error (row 16). */
export interface EcVerifyReply {
  readonly flag: CheckResult;
  readonly idNo: string;
  readonly idType: IdType;
  readonly userName: string;
  readonly insuOrg?: string;
}
