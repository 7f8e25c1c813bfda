/**
 * VALID, the third segment of a dynamic code (S0 5.1; domain notes 2.3): one SM4 block, under the protection key, over
 * the expiry as 14 BCD digits (`yyyyMMddHHmmss`, UTC+8) and nine zero bytes. It is bound to nothing and carries no MAC;
 * the padding and the calendar are its only integrity. Advisory: the token record decides.
 */
import { fromHex, toUpperHex } from "./bytes.ts";
import { ok, refused, type Result } from "./result.ts";
import { formatCst14, parseCst14, type EventMs } from "./time.ts";
import { EXPIRY_AHEAD_MAX_MS, EXPIRY_SKEW_MS } from "./signed-token.ts";

/** One SM4 block under a key that stays with its owner, such as `KeyStore.sm4EncryptBlocks` of the protection key. */
export type BlockCipher = (block: Uint8Array) => Uint8Array | Promise<Uint8Array>;

const BLOCK_LENGTH = 16;
const BCD_LENGTH = 7;

/** VALID of an expiry (rounded down to the second), 32 upper hex. @throws RangeError outside the years 1970 to 9999. */
export async function makeValid(expiresAtMs: EventMs, encryptBlock: BlockCipher): Promise<string> {
  const digits = formatCst14(expiresAtMs);
  const bcd = /^\d{14}$/.test(digits) ? fromHex(digits) : undefined;
  if (bcd === undefined) throw new RangeError("VALID holds four-digit years");
  const block = new Uint8Array(BLOCK_LENGTH);
  block.set(bcd);
  return toUpperHex(await encryptBlock(block));
}

/**
 * The expiry inside a VALID, or `undefined`: not 32 hex, not BCD, padding not zero, or an impossible date. A VALID made
 * under another key fails with a probability of 1 - 2^-72 by the padding alone.
 */
export async function readValid(valid: string, decryptBlock: BlockCipher): Promise<EventMs | undefined> {
  const block = fromHex(valid);
  if (block === undefined || block.length !== BLOCK_LENGTH) return undefined;
  const clear = await decryptBlock(block);
  if (clear.length !== BLOCK_LENGTH || clear.subarray(BCD_LENGTH).some((byte) => byte !== 0)) return undefined;
  return parseCst14(toUpperHex(clear.subarray(0, BCD_LENGTH)));
}

/** Whether an expiry may be acted on: not further ahead than any code lives (`codeMalformed`), not past (`codeExpired`). */
export function checkValidExpiry(expiresAtMs: EventMs, nowMs: number): Result<EventMs, "codeMalformed" | "codeExpired"> {
  if (expiresAtMs > nowMs + EXPIRY_AHEAD_MAX_MS) return refused("codeMalformed");
  if (expiresAtMs < nowMs - EXPIRY_SKEW_MS) return refused("codeExpired");
  return ok(expiresAtMs);
}
