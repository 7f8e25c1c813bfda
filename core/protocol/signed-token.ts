/**
 * Signed code tokens: a fused code that any edge, and later any auditor, can check with a public key and no secret.
 *
 *     VALUE = expiry (6 base-62 digits, seconds since 1970) ‖ random (6) ‖ base-62 of r‖s (86)        LEN 98
 *
 * The platform signs `ronghe.code/v1`, the purpose, and the code's text up to and including the random part, each on
 * a line; so EHCID, VALID, EHCAPPID and the expiry cannot be exchanged between codes (VALID alone binds nothing,
 * domain notes 0.4). The purpose is not in the text: it is the one under which the signature verifies.
 * One-use is not shown by a signature; the issuer's record decides it.
 */
import type { Crypto } from "../crypto/port.ts";
import { base62OfBytes, base62OfNumber, base62Width, bytesOfBase62, numberOfBase62 } from "./base62.ts";
import { utf8 } from "./bytes.ts";
import { formatFusedCode, SIGNED_TOKEN_LENGTH, type FusedCode } from "./fused-code.ts";
import type { CodePurpose } from "./channel-operations.ts";
import type { MessageSigner } from "./partner.ts";
import { ok, refused, type Result } from "./result.ts";

const EXPIRY_WIDTH = 6;
const RANDOM_WIDTH = 6;
const SIGNATURE_LENGTH = 64;
const UNSIGNED_WIDTH = EXPIRY_WIDTH + RANDOM_WIDTH;
const UNSIGNED = /^[0-9A-F]{64}:0:[0-9A-F]{32}:[0-9A-Za-z]+RH98[0-9A-Za-z]{12}$/;
/** No code of ours lives longer than 300 s (domain notes 2.3); the rest allows for an edge whose clock is slow. */
export const EXPIRY_AHEAD_MAX_MS = 600_000;
/** How late a code may arrive because clocks differ. */
export const EXPIRY_SKEW_MS = 5_000;

export interface SignedCodeParts {
  readonly ehcId: string;
  readonly valid: string;
  readonly appId: string;
  readonly purpose: CodePurpose;
  /** Rounded down to the second. */
  readonly expiresAtMs: number;
  /** Six base-62 characters from a CSPRNG. */
  readonly random6: string;
}

/** The signed message for a code text that ends with its random part. */
function signedMessage(unsigned: string, purpose: CodePurpose): Uint8Array {
  return utf8(`ronghe.code/v1\n${purpose}\n${unsigned}`);
}

/** The code's text up to and including the random part: all that the signature covers beside the purpose. */
export function unsignedPart(parts: SignedCodeParts): string {
  if (!/^[0-9A-Za-z]{6}$/.test(parts.random6)) throw new RangeError("random6 has six characters of [0-9A-Za-z]");
  const expiry = base62OfNumber(Math.floor(parts.expiresAtMs / 1000), EXPIRY_WIDTH);
  const text = `${parts.ehcId.toUpperCase()}:0:${parts.valid.toUpperCase()}:${parts.appId}RH${SIGNED_TOKEN_LENGTH}${expiry}${parts.random6}`;
  // Checked before anything is signed: a signature over another text could serve as one over a line of it.
  if (!UNSIGNED.test(text)) throw new RangeError("EHCID, VALID or EHCAPPID is not of its form (S0 5.1)");
  return text;
}

/** Makes a signed code. `ambiguous`: its text would have a second reading; draw another random part. */
export async function mintSignedCode(parts: SignedCodeParts & { readonly sign: MessageSigner }): Promise<Result<string, "ambiguous">> {
  const unsigned = unsignedPart(parts);
  const signature = await parts.sign(signedMessage(unsigned, parts.purpose));
  if (signature.length !== SIGNATURE_LENGTH) throw new RangeError(`a signer answers raw r‖s of 64 bytes, got ${signature.length}`);
  const token = unsigned.slice(-UNSIGNED_WIDTH) + base62OfBytes(signature);
  return formatFusedCode({ ehcId: parts.ehcId, valid: parts.valid, appId: parts.appId, token });
}

export interface CheckSignedCode {
  /** 65 bytes each, newest first. */
  readonly publicKeys: readonly Uint8Array[];
  /** Tried in this order; a code for another purpose is reported as forged. */
  readonly purposes: readonly CodePurpose[];
  readonly nowMs: number;
  readonly skewMs?: number;
}
export type SignedCodeDefect = "codeMalformed" | "codeForged" | "codeExpired";

/**
 * Checks a signed code with public material only. In order, so that garbage costs little and every answer is true:
 * the token's form (`codeMalformed`); an expiry further ahead than we ever issue (`codeForged`, without a signature
 * check; of random tokens 31 in 32 end here); the signature (`codeForged`); only then `codeExpired`, which thus is
 * said of genuine codes alone.
 */
export function checkSignedCode(
  crypto: Crypto,
  code: FusedCode,
  options: CheckSignedCode,
): Result<{ readonly purpose: CodePurpose; readonly expiresAtMs: number }, SignedCodeDefect> {
  if (code.kind !== "fused.signed" || code.token.length !== SIGNED_TOKEN_LENGTH) return refused("codeMalformed");
  const expirySeconds = numberOfBase62(code.token.slice(0, EXPIRY_WIDTH));
  const signature = bytesOfBase62(code.token.slice(UNSIGNED_WIDTH), SIGNATURE_LENGTH);
  if (expirySeconds === undefined || signature === undefined) return refused("codeMalformed");
  const expiresAtMs = expirySeconds * 1000;
  if (expiresAtMs > options.nowMs + EXPIRY_AHEAD_MAX_MS) return refused("codeForged");
  const unsigned = code.text.slice(0, -base62Width(SIGNATURE_LENGTH));
  for (const purpose of options.purposes) {
    const message = signedMessage(unsigned, purpose);
    if (!options.publicKeys.some((key) => crypto.sm2Verify(key, message, signature))) continue;
    const late = options.nowMs > expiresAtMs + (options.skewMs ?? EXPIRY_SKEW_MS);
    return late ? refused("codeExpired") : ok({ purpose, expiresAtMs });
  }
  return refused("codeForged");
}
