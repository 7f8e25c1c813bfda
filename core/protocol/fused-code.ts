/**
 * The texts that a scanner delivers: fused codes (S0 5.1), EHC codes (S1 3.5, domain notes 2.1) and NHSA codes
 * (S3 A.4). Parsing accepts exactly one reading or refuses; readings of S0's gaps: domain notes 8.2 rows 31-37.
 *
 *     EHCID(64 hex) : 0 : VALID(32 hex) : EHCAPPID(fixed width) RH LEN(2 digits) VALUE(LEN)    fused
 *     EHCID         : 0 : VALID         : EHCAPPID                                             dynamic EHC code
 *     EHCID         : 1 :               : EHCAPPID                                             static EHC code
 *     12..32 letters and digits                                                                NHSA code, opaque
 *
 * S3 A.4 says of an NHSA code only that it has at most 32 characters. What the field shows are letters and digits; a
 * shorter text could be guessed, and a link or a word that a scanner caught is no code.
 */
import type { ErrorName } from "./errors.ts";
import { ok, refused, type Result } from "./result.ts";

/** S0 5.1 leaves EHCAPPID's length open; the known sample has nine characters (domain notes 0.5). */
export const APP_ID_WIDTH_DEFAULT = 9;
/** LEN of a signed token: expiry (6), random (6), signature (86). */
export const SIGNED_TOKEN_LENGTH = 98;
/** Twelve characters, S0's own example, are taken from foreign issuers under attempt limits; fewer can be guessed. */
export const OPAQUE_TOKEN_LENGTH_MIN = 12;
/** What we issue: 20 base-62 characters carry 119 bits. */
export const OPAQUE_TOKEN_ISSUED_LENGTH_MIN = 20;
const CODE_LENGTH_MAX = 512;
const NHSA_LENGTH_MAX = 32;
const NHSA = /^[0-9A-Za-z]{12,32}$/;

/** `text` is the canonical form, hex in upper case: what is signed, fingerprinted and compared. */
export type ScannedCode = FusedCode | EhcDynamicCode | EhcStaticCode | NhsaCode;
export interface FusedCode {
  /** `signed`: checkable with a public key; `opaque`: only the issuer can tell. Decided by LEN alone. */
  readonly kind: "fused.signed" | "fused.opaque";
  readonly text: string;
  readonly ehcId: string;
  readonly valid: string;
  readonly appId: string;
  /** VALUE of the TLV. */
  readonly token: string;
}
export interface EhcDynamicCode {
  readonly kind: "ehc.dynamic";
  readonly text: string;
  readonly ehcId: string;
  readonly valid: string;
  readonly appId: string;
}
export interface EhcStaticCode {
  readonly kind: "ehc.static";
  readonly text: string;
  readonly ehcId: string;
  /** Absent in the short form `EHCID:1` that some platforms print. */
  readonly appId?: string;
}
export interface NhsaCode {
  readonly kind: "nhsa";
  readonly text: string;
}

const EHC_ID = /^[0-9A-Fa-f]{64}$/;
const VALID = /^[0-9A-Fa-f]{32}$/;
const ALPHANUMERIC = /^[0-9A-Za-z]+$/;
/** Printable ASCII without the space: no line end, no full-width colon. */
const SCANNABLE = /^[\x21-\x7e]+$/;

/**
 * Says what a scanned text is, or `codeMalformed`. Whether the code was ever issued, is in time or unused is not
 * asked here.
 *
 * @example parseScannedCode("28000000000000000000", { appIdWidth: 9 }) // { ok: true, value: { kind: "nhsa", … } }
 */
export function parseScannedCode(text: string, options: { readonly appIdWidth: number }): Result<ScannedCode, ErrorName> {
  if (text.length > CODE_LENGTH_MAX || !SCANNABLE.test(text)) return refused("codeMalformed");
  if (text.length <= NHSA_LENGTH_MAX) return NHSA.test(text) ? ok({ kind: "nhsa", text }) : refused("codeMalformed");
  const [ehcId = "", kind, valid = "", issued = "", ...rest] = text.split(":");
  if (rest.length > 0 || !EHC_ID.test(ehcId)) return refused("codeMalformed");
  switch (kind) {
    case "0":
      return VALID.test(valid)
        ? dynamicCode(ehcId.toUpperCase(), valid.toUpperCase(), issued, options.appIdWidth)
        : refused("codeMalformed");
    case "1":
      return staticCode(text, ehcId.toUpperCase(), issued, options.appIdWidth);
    default:
      return refused("codeMalformed");
  }
}

function dynamicCode(ehcId: string, valid: string, issued: string, width: number): Result<ScannedCode, ErrorName> {
  const split = splitIssued(issued, width);
  if (split === undefined) return refused("codeMalformed");
  const { appId, token } = split;
  const text = `${ehcId}:0:${valid}:${issued}`;
  if (token === undefined) return ok({ kind: "ehc.dynamic", text, ehcId, valid, appId });
  if (token.length < OPAQUE_TOKEN_LENGTH_MIN) return refused("codeMalformed");
  return ok({ kind: token.length === SIGNED_TOKEN_LENGTH ? "fused.signed" : "fused.opaque", text, ehcId, valid, appId, token });
}

/** A static code has no VALID and never a TOKEN (domain notes 8.2 row 34). */
function staticCode(text: string, ehcId: string, issued: string, width: number): Result<ScannedCode, ErrorName> {
  const short = `${ehcId}:1`;
  const canonical = text.toUpperCase();
  if (canonical === short) return ok({ kind: "ehc.static", text: short, ehcId });
  const split = splitIssued(issued, width);
  if (split === undefined || split.token !== undefined || canonical !== `${short}::${issued.toUpperCase()}`) {
    return refused("codeMalformed");
  }
  return ok({ kind: "ehc.static", text: `${short}::${issued}`, ehcId, appId: split.appId });
}

/**
 * Splits the fourth segment, in which nothing separates EHCAPPID from TOKEN. Every place where `RH`, two digits and
 * exactly that many characters end the segment is a reading; there must be none (and the width fit), or one at the
 * agreed width.
 */
function splitIssued(issued: string, width: number): { readonly appId: string; readonly token?: string } | undefined {
  if (!ALPHANUMERIC.test(issued)) return undefined;
  const readings = tokenReadings(issued);
  if (readings.length === 0) return issued.length === width ? { appId: issued } : undefined;
  return readings.length === 1 && readings[0] === width ? { appId: issued.slice(0, width), token: issued.slice(width + 4) } : undefined;
}

function tokenReadings(issued: string): readonly number[] {
  const readings: number[] = [];
  for (let at = issued.indexOf("RH"); at !== -1; at = issued.indexOf("RH", at + 1)) {
    const length = issued.slice(at + 2, at + 4);
    if (/^(?!00)[0-9]{2}$/.test(length) && issued.length === at + 4 + Number(length)) readings.push(at);
  }
  return readings;
}

export interface FusedCodeParts {
  readonly ehcId: string;
  readonly valid: string;
  /** Its length is the platform's agreed width. */
  readonly appId: string;
  readonly token: string;
}

/**
 * The text of a fused code. `ambiguous` when the random token happens to give a second reading: the issuer draws
 * another. A part of the wrong form, or an opaque token shorter than we issue, is a bug.
 */
export function formatFusedCode(parts: FusedCodeParts): Result<string, "ambiguous"> {
  const { ehcId, valid, appId, token } = parts;
  if (!EHC_ID.test(ehcId) || !VALID.test(valid)) throw new RangeError("EHCID has 64 and VALID 32 hex characters");
  if (!ALPHANUMERIC.test(appId) || !ALPHANUMERIC.test(token)) throw new RangeError("EHCAPPID and TOKEN are of [0-9A-Za-z]");
  if (token.length < OPAQUE_TOKEN_ISSUED_LENGTH_MIN || token.length > 99) {
    throw new RangeError(`an issued TOKEN has ${OPAQUE_TOKEN_ISSUED_LENGTH_MIN} to 99 characters, got ${token.length}`);
  }
  const issued = `${appId}RH${token.length}${token}`;
  if (splitIssued(issued, appId.length) === undefined) return refused("ambiguous");
  return ok(`${ehcId.toUpperCase()}:0:${valid.toUpperCase()}:${issued}`);
}
