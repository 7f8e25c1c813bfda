/**
 * THE table of refusals of the edge: each condition with its code. `docs/api.md` shows it, a test walks it. Rows
 * stand in the order in which the edge looks, so that of several conditions the first decides.
 */
import { ERRORS, type ErrorName } from "../core/protocol/errors.ts";

/**
 * What a refused call leaves behind. `nothing`: as if it had never come. `nonce`: its envelope is spent.
 * `scan`: besides, the scan event of the code that was shown.
 */
export type Leaves = "nothing" | "nonce" | "scan";

export interface RefusalRow {
  readonly condition: string;
  /** Operations it concerns, without the `rh.` prefix. */
  readonly of: "all" | "verify" | "settle" | "verify, settle" | "settle, refund" | "verify, settle, refund" | "result";
  readonly error: ErrorName;
  readonly leaves: Leaves;
}

const row = (condition: string, of: RefusalRow["of"], error: ErrorName, leaves: Leaves): RefusalRow => ({ condition, of, error, leaves });

export const REFUSALS = {
  unknownOperation: row("No such operation in the path", "all", "unknownAddress", "nothing"),
  oversizedBody: row("The body is larger than 16 KiB", "all", "bodyTooLarge", "nothing"),
  notJson: row("The body is not JSON", "all", "badRequest", "nothing"),
  trailingComma: row("JSON with a trailing comma, as in S3 B.1.4.1", "all", "badRequest", "nothing"),
  duplicateKey: row("A JSON key stands twice", "all", "badRequest", "nothing"),
  unknownEnvelopeField: row("The envelope has a field that S3 A.2 does not know", "all", "badRequest", "nothing"),
  missingEnvelopeField: row("A field of the envelope is missing", "all", "badRequest", "nothing"),
  wrongEnvelopeType: row("A field of the envelope has the wrong type", "all", "badRequest", "nothing"),
  dataAndEncData: row("Both data and encData, or neither", "all", "badRequest", "nothing"),
  transTypeDiffers: row("transType differs from the path", "all", "badRequest", "nothing"),
  noSettings: row("The edge has no current settings from the platform", "all", "coreUnavailable", "nothing"),
  institutionUnknown: row("orgId is not an institution of this edge", "all", "institutionUnknown", "nothing"),
  institutionSuspended: row("The institution is suspended", "all", "institutionInactive", "nothing"),
  timestampOld: row("The timestamp is more than 5 minutes old", "all", "timestampOutside", "nothing"),
  timestampAhead: row("The timestamp is more than 5 minutes ahead", "all", "timestampOutside", "nothing"),
  notEncrypted: row("Clear data where the partner's profile requires encryption", "all", "badRequest", "nothing"),
  otherSignType: row("Another signType than agreed with the partner", "all", "unauthorised", "nothing"),
  wrongSignature: row("The signature is by another key", "all", "unauthorised", "nothing"),
  changedAfterSigning: row("A field was changed after signing", "all", "unauthorised", "nothing"),
  encDataDamaged: row("encData does not open", "all", "unauthorised", "nothing"),
  foreignInstitution: row("orgId inside data differs from the signer's", "all", "badRequest", "nothing"),
  replayedNonce: row("The same envelope came before", "all", "requestReplayed", "nothing"),
  rateExceeded: row("More calls than the institution's rate; Retry-After says when", "all", "rateLimited", "nonce"),
  unknownField: row("data has a field that the operation does not know", "all", "badRequest", "nonce"),
  missingField: row("A field of data is missing", "all", "badRequest", "nonce"),
  wrongType: row("A field of data has the wrong type or form", "all", "badRequest", "nonce"),
  businessTypeUnlisted: row("businessType is not of S3 table C.1", "verify, settle, refund", "badRequest", "nonce"),
  outboxFull: row("Too much waits for the core; Retry-After says when", "verify, settle, refund", "rateLimited", "nonce"),
  neitherCodeNorToken: row("Both code and ecToken, or neither", "settle", "badRequest", "nonce"),
  amountNegative: row("A negative amount", "settle", "amountInvalid", "nonce"),
  amountThreeDecimals: row("An amount with three decimals", "settle", "amountInvalid", "nonce"),
  amountZero: row("An amount of zero", "settle", "amountInvalid", "nonce"),
  amountExponent: row("An amount with an exponent, a plus sign, leading zeros or beyond numeric(16,2)", "settle", "amountInvalid", "nonce"),
  businessTypeNotSettling: row("A businessType under which no money moves", "settle, refund", "businessTypeRefused", "nonce"),
  businessTypeElsewhere: row("A businessType of another kind of institution", "verify, settle, refund", "businessTypeRefused", "nonce"),
  terminalUnknown: row("The terminal is not registered with the institution", "verify, settle, refund", "terminalUnknown", "nonce"),
  codeUnreadable: row("The scanned text is no code", "verify, settle", "codeMalformed", "scan"),
  codeStatic: row("A static EHC code", "verify, settle", "codeKindRefused", "scan"),
  codeWithoutToken: row("A dynamic EHC code without a token", "verify, settle", "codeKindRefused", "scan"),
  codeNhsaSettles: row("An NHSA code for settling: verify it first, settle with the ecToken", "settle", "codeKindRefused", "scan"),
  codeForIdentityOnly: row("A code issued to identify, for settling", "settle", "codeKindRefused", "scan"),
  codeForged: row("One character of a signed code was changed", "verify, settle", "codeForged", "scan"),
  codeExpired: row("A genuine code after its end", "verify, settle", "codeExpired", "scan"),
  codeOfUnknownApp: row("A code of an app that is not accepted", "verify, settle", "channelUnknown", "scan"),
  codeUsedAgain: row("A code that another transaction used", "verify, settle", "codeUsed", "scan"),
  numberTaken: row("outTradeNo was used for other content, and a code is shown", "settle", "idempotencyConflict", "scan"),
  numberTakenElse: row("outTradeNo was used for other content, without a code", "settle, refund", "idempotencyConflict", "nonce"),
  coreAway: row("The core does not answer; repeat with the same outTradeNo", "verify", "coreUnavailable", "scan"),
  coreRefuses: row(
    "The core refuses the code, for example one that was never issued (it answers with its own code)",
    "verify",
    "codeUnknown",
    "nonce",
  ),
  resultUnknown: row("No settlement or refund under this outTradeNo", "result", "settlementUnknown", "nonce"),
  unexpected: row("The edge itself fails, for example because its disk is full; nothing was acknowledged", "all", "internal", "nonce"),
} as const satisfies Record<string, RefusalRow>;
export type RefusalId = keyof typeof REFUSALS;

/** The table as `docs/api.md` shows it. */
export function refusalTable(): string {
  const rows = Object.values(REFUSALS).map(({ condition, of, error, leaves }) => {
    const { code, message } = ERRORS[error];
    return `| ${condition} | ${of} | \`${code}\` | ${message} | ${leaves} |`;
  });
  return ["| condition | operations (`rh.`) | code | message | leaves |", "|---|---|---|---|---|", ...rows].join("\n");
}
