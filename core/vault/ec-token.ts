/**
 * ecTokens (S3 A.5): six digits of the insured area, then 31 characters that only the vault can make. The value is
 * derived from the visit under a key and stored nowhere, so that the database opens no visit and the same visit
 * always answers the same token. 37 characters: real ones have 38 (domain notes 4.6), S3 allows 40.
 */
import type { Crypto, KeyStore } from "../crypto/port.ts";
import { KEY_HANDLES } from "../key-handles.ts";
import { base62OfBytes } from "../protocol/base62.ts";
import { utf8 } from "../protocol/bytes.ts";

export interface EcTokens {
  of(visit: { readonly visitId: string; readonly area: string }): string;
}

/** 184 bits. */
const TOKEN_BYTES = 23;

export async function openEcTokens(crypto: Crypto, keys: KeyStore): Promise<EcTokens> {
  const key = await keys.hmacSm3(KEY_HANDLES.ecToken, utf8("ronghe.ectoken/v1"));
  return {
    of: ({ visitId, area }) => area + base62OfBytes(crypto.hmacSm3(key, utf8(visitId)).subarray(0, TOKEN_BYTES)),
  };
}
