/**
 * The electronic health card's EHC-ID (S1 3.4, 5.3; the national guide's steps: domain notes 2.2). It is reversible by
 * design, so it is personal information, not an anonymous id. Root keys belong to each province: an EHC-ID names a
 * person only together with its issuer (8.2 row 36).
 */
import type { Crypto } from "../crypto/port.ts";
import { concatBytes, fromHex, toUpperHex, utf8 } from "./bytes.ts";
import { isEhcDocumentType, type EhcDocumentType } from "./documents.ts";
import type { BlockCipher } from "./valid.ts";

const MAIN_INDEX_LENGTH = 32;
const PLAINTEXT_LENGTH = 32;

/** A document as the health side codes it: never the NHSA code of S3 C.2, whose numbers collide (domain notes 2.5). */
export interface EhcDocument {
  readonly idType: EhcDocumentType;
  readonly idNo: string;
}

/** XOR of the four 8-byte groups of a main index ID: what diversifies the user key. */
export function diversifier(mainIndexId: Uint8Array): Uint8Array {
  if (mainIndexId.length !== MAIN_INDEX_LENGTH) throw new RangeError(`a main index ID has 32 bytes, got ${mainIndexId.length}`);
  const factor = new Uint8Array(8);
  for (const [at, byte] of mainIndexId.entries()) factor[at % 8] = (factor[at % 8] ?? 0) ^ byte;
  return factor;
}

/** SM4 under the security key (应用数据读取密钥) over f ‖ ~f: one person's user key. */
async function userKey(mainIndexId: string, encryptUnderSecurityKey: BlockCipher): Promise<Uint8Array> {
  const id = fromHex(mainIndexId);
  if (id === undefined) throw new RangeError("a main index ID is hex");
  const factor = diversifier(id);
  return encryptUnderSecurityKey(
    concatBytes(
      factor,
      factor.map((byte) => ~byte & 0xff),
    ),
  );
}

/**
 * EHC-ID of a document, 64 upper hex. `undefined` when type and number are not printable ASCII or exceed 32 bytes
 * together. Short numbers are padded to 32 bytes all the same: the length of an EHC-ID is fixed (S0 3.1).
 *
 * @param mainIndexId 64 hex; opaque, from the main index service.
 */
export async function deriveEhcId(
  crypto: Crypto,
  mainIndexId: string,
  document: EhcDocument,
  encryptUnderSecurityKey: BlockCipher,
): Promise<string | undefined> {
  const text = document.idType + document.idNo;
  if (document.idNo === "" || text.length > PLAINTEXT_LENGTH || !/^[\x21-\x7e]+$/.test(text)) return undefined;
  const plaintext = new Uint8Array(PLAINTEXT_LENGTH);
  plaintext.set(utf8(text));
  return toUpperHex(crypto.sm4EcbEncrypt(await userKey(mainIndexId, encryptUnderSecurityKey), plaintext, "none"));
}

/** The document inside an EHC-ID; `undefined` when it was not made for this main index ID under this key. */
export async function openEhcId(
  crypto: Crypto,
  ehcId: string,
  mainIndexId: string,
  encryptUnderSecurityKey: BlockCipher,
): Promise<EhcDocument | undefined> {
  const ciphertext = fromHex(ehcId);
  if (ciphertext === undefined || ciphertext.length !== PLAINTEXT_LENGTH) return undefined;
  const plaintext = crypto.sm4EcbDecrypt(await userKey(mainIndexId, encryptUnderSecurityKey), ciphertext, "none");
  if (plaintext === undefined) return undefined;
  const match = /^([\x21-\x7e]{2})([\x21-\x7e]+)\0*$/.exec(String.fromCharCode(...plaintext));
  const [, idType = "", idNo = ""] = match ?? [];
  return isEhcDocumentType(idType) ? { idType, idNo } : undefined;
}
