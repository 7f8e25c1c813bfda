/** Names that follow from a request alone, so that an edge and the core agree on them without talking. */
import type { Crypto } from "../crypto/port.ts";
import { concatBytes, toHex, utf8 } from "./bytes.ts";
import { formatYuan, type Fen } from "./money.ts";

const ABSENT = 0xffff_ffff;

/** Each field as a four-byte big-endian length and its UTF-8 bytes; an absent field has length 2^32 - 1 and no bytes. */
function lengthPrefixed(fields: readonly (string | undefined)[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const field of fields) {
    const bytes = field === undefined ? new Uint8Array(0) : utf8(field);
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, field === undefined ? ABSENT : bytes.length);
    parts.push(length, bytes);
  }
  return concatBytes(...parts);
}

/**
 * Ronghe's name for what an institution calls `outTradeNo`: `rs` and 32 hex digits. The same pair gives the same name
 * for ever, so a repeated request cannot open a second settlement.
 */
export function settlementId(crypto: Pick<Crypto, "sm3">, institution: string, outTradeNo: string): string {
  const digest = crypto.sm3(lengthPrefixed(["ronghe.settlement/v1", institution, outTradeNo]));
  return `rs${toHex(digest).slice(0, 32)}`;
}

/**
 * What makes two requests under one number the same request. Which terminal of the institution sends it, who operates it and
 * when is not part of it: a bill that is asked again at the next window is the commonest repeat of all, and paying it twice or
 * refusing it would both be wrong. The amount, what it is for and whose credential pays are.
 */
export interface RequestIdentity {
  readonly action: "settle" | "refund";
  readonly institution: string;
  readonly businessType: string;
  readonly outTradeNo: string;
  readonly amount?: Fen | undefined;
  readonly originalOutTradeNo?: string | undefined;
  /** Hex; never the code or token itself. */
  readonly credentialFingerprint?: string | undefined;
  readonly medType?: string | undefined;
  /** `feeLinesHash`. */
  readonly feesHash?: string | undefined;
  readonly refundType?: string | undefined;
  readonly refundAmount?: Fen | undefined;
}

/** SM3 over the canonical request, 32 bytes: the same number with another hash is `idempotencyConflict`. */
export function requestHash(crypto: Pick<Crypto, "sm3">, request: RequestIdentity): Uint8Array {
  const { action, institution, businessType, outTradeNo, amount, originalOutTradeNo, credentialFingerprint } = request;
  const { medType, feesHash, refundType, refundAmount } = request;
  return crypto.sm3(
    lengthPrefixed([
      "ronghe.request/v2",
      action,
      institution,
      businessType,
      outTradeNo,
      amount === undefined ? undefined : formatYuan(amount),
      originalOutTradeNo,
      credentialFingerprint,
      medType,
      feesHash,
      refundType,
      refundAmount === undefined ? undefined : formatYuan(refundAmount),
    ]),
  );
}
