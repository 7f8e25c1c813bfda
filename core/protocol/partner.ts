/** The other end of an S3 envelope: what is agreed with it, and how messages to and from it are signed. */
import type { Crypto } from "../crypto/port.ts";
import { fromBase64, toBase64, toUpperHex, utf8 } from "./bytes.ts";
import { derOfRaw, rawOfDer } from "./der.ts";
import { type PartnerDialect, settingsOf } from "./dialects.ts";
import { deriveDataKey } from "./key-derivation.ts";

export type SignType = "SM2" | "SM3";

/** For a server the partner is a hospital or an app; for a client it is the platform, and the public keys are its. */
export interface PartnerProfile {
  readonly appId: string;
  readonly appSecret: string;
  readonly dialect: PartnerDialect;
  readonly signType: SignType;
  readonly encryption: "required" | "optional" | "none";
  /** 65 bytes each; any of them verifies, so that a key can be rotated. Unused when signType is SM3. */
  readonly publicKeys: readonly Uint8Array[];
  /** {@link deriveDataKey} of this partner, kept so that it is derived once; derived on each use when absent. */
  readonly dataKey?: Uint8Array;
}

/** Signs with a key that only the caller holds, under the SM2 user id if one is given; the answer is raw r‖s, 64 bytes. */
export type MessageSigner = (message: Uint8Array, userId?: string) => Uint8Array | Promise<Uint8Array>;

export function dataKeyOf(crypto: Crypto, partner: PartnerProfile): Uint8Array {
  return partner.dataKey ?? deriveDataKey(crypto, partner);
}

/** S3 signType SM3: a digest keyed by the secret at the end of the sign text, upper hex (domain notes 8.1 row 6). */
export function keyedDigest(crypto: Crypto, text: string): string {
  return toUpperHex(crypto.sm3(utf8(text)));
}

/** Base64 of an SM2 signature in the dialect's form: 88 characters raw, at most 96 in DER (S3 A.2 allows 100). */
export async function sm2SignData(text: string, dialect: PartnerDialect, sign: MessageSigner): Promise<string> {
  const { signatureForm, userId } = settingsOf(dialect);
  const raw = await sign(utf8(text), userId);
  if (raw.length !== 64) throw new RangeError(`a signer answers raw r‖s of 64 bytes, got ${raw.length}`);
  return toBase64(signatureForm === "der" ? derOfRaw(raw) : raw);
}

/** Whether `signData` is the partner's over `text`, under the agreed method only: a message cannot choose a weaker one. */
export function verifySignData(crypto: Crypto, partner: PartnerProfile, text: string, signData: string): boolean {
  switch (partner.signType) {
    case "SM3":
      // Without a secret the digest is no proof of anything.
      return partner.appSecret !== "" && crypto.equal(utf8(keyedDigest(crypto, text)), utf8(signData));
    case "SM2":
      return verifySm2SignData(crypto, partner, text, signData);
  }
}

/** One text per signature is accepted (strict Base64, strict DER), so that a replay filter may key on `signData`. */
export function verifySm2SignData(crypto: Crypto, partner: PartnerProfile, text: string, signData: string): boolean {
  const bytes = fromBase64(signData);
  if (bytes === undefined) return false;
  const { signatureForm, userId } = settingsOf(partner.dialect);
  const raw = signatureForm === "der" ? rawOfDer(bytes) : bytes;
  if (raw === undefined || raw.length !== 64) return false;
  const message = utf8(text);
  return partner.publicKeys.some((key) => crypto.sm2Verify(key, message, raw, userId));
}
