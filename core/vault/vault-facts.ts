/**
 * What an entry of the registry log says of the vault's rows, beyond who used what: enough for `ledger fsck` to make
 * visits and uses again. Ids that lead nowhere by themselves stand as they are, what leads to a person's accounts as a hash.
 */
import type { Crypto } from "../crypto/port.ts";
import { toHex, utf8 } from "../protocol/bytes.ts";
import type { UseRow, VisitRow } from "./rows.ts";

export const ISSUED_FACT = "issuedAtMs";
/** SM3 of the visit's id, hex: the ecToken is made from it, if under a key. */
export const VISIT_FACT = "hash.visit";
/** SM3 of {@link useLine}, hex. */
export const USE_FACT = "hash.use";
/** Facts of a visit by their column, in the entry of the use that opened it. */
export const VISIT_FACTS = {
  token_fingerprint: "visit.token",
  area: "visit.area",
  expires_at_ms: "visit.expiresAtMs",
} as const;

export function visitFacts(crypto: Pick<Crypto, "sm3">, visit: VisitRow): Record<string, string> {
  return {
    [VISIT_FACTS.token_fingerprint]: visit.tokenFingerprint,
    [VISIT_FACTS.area]: visit.area,
    [VISIT_FACTS.expires_at_ms]: String(visit.expiresAtMs),
    [VISIT_FACT]: visitHash(crypto, visit.visitId),
  };
}

export function visitHash(crypto: Pick<Crypto, "sm3">, visitId: string): string {
  return toHex(crypto.sm3(utf8(visitId)));
}

/** Which visit it was, when, and which accounts were opened: a refund goes back to those. */
export function useHash(crypto: Pick<Crypto, "sm3">, use: Pick<UseRow, "visitId" | "atMs" | "bindings">): string {
  return toHex(crypto.sm3(utf8([use.visitId, String(use.atMs), ...use.bindings].join(" "))));
}
