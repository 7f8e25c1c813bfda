/**
 * What the HMAC-SM3 of pseudonyms and fingerprints is computed over. The keys stay with their owners (one per
 * purpose, so that two data sets cannot be joined, domain notes 6.3); the bytes must be the same everywhere.
 */
import { utf8 } from "./bytes.ts";
import type { IdType } from "./tables.ts";

/**
 * `idType|idNo` of a person: type of S3 C.2, number without white space, letters in upper case, compatibility forms
 * (full-width digits) folded. The same document thus has one pseudonym however a partner typed it.
 */
export function personPseudonymInput(idType: IdType, idNo: string): Uint8Array {
  const canonical = idNo.normalize("NFKC").replaceAll(/\s/gu, "").toUpperCase();
  return utf8(`${idType}|${canonical}`);
}

/** A code or ecToken for its fingerprint: `code` is {@link ScannedCode.text}, the canonical form. */
export function credentialFingerprintInput(kind: "code" | "ecToken", value: string): Uint8Array {
  return utf8(`ronghe.credential/v1\n${kind}\n${value}`);
}
