/**
 * Fixed-width base 62 over `0-9A-Za-z`, the alphabet of a fused code's VALUE (S0 5.1; domain notes 8.2 row 33).
 * A value has one text: decoding accepts exactly the width asked for and no value beyond the bytes asked for.
 */
import { fromHex } from "./bytes.ts";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const NOT_A_DIGIT = 255;

/** Value of a digit, by character code. */
const DIGITS: Uint8Array = new Uint8Array(128).fill(NOT_A_DIGIT);
for (let value = 0; value < ALPHABET.length; value += 1) DIGITS[ALPHABET.charCodeAt(value)] = value;

/** Digits handled as one double: 62^8 is below 2^53. */
const CHUNK = 8;
const CHUNK_BASE = 62n ** BigInt(CHUNK);

function encodeBigint(value: bigint, width: number): string {
  let text = "";
  let rest = value;
  while (text.length < width) {
    let chunk = Number(rest % CHUNK_BASE);
    rest /= CHUNK_BASE;
    for (let digit = 0; digit < CHUNK && text.length < width; digit += 1) {
      text = ALPHABET.charAt(chunk % 62) + text;
      chunk = Math.floor(chunk / 62);
    }
    if (chunk !== 0) throw new RangeError(`value does not fit ${width} base-62 digits`);
  }
  if (rest !== 0n) throw new RangeError(`value does not fit ${width} base-62 digits`);
  return text;
}

function decodeBigint(text: string): bigint | undefined {
  let value = 0n;
  for (let at = 0; at < text.length; at += CHUNK) {
    const end = Math.min(at + CHUNK, text.length);
    let chunk = 0;
    for (let place = at; place < end; place += 1) {
      const digit = DIGITS[text.charCodeAt(place)] ?? NOT_A_DIGIT;
      if (digit === NOT_A_DIGIT) return undefined;
      chunk = chunk * 62 + digit;
    }
    value = value * (end - at === CHUNK ? CHUNK_BASE : 62n ** BigInt(end - at)) + BigInt(chunk);
  }
  return value;
}

/** Digits that any value of `length` bytes fits into; 64 bytes need 86. */
export function base62Width(length: number): number {
  return Math.ceil((length * 8) / Math.log2(62));
}

/** Big-endian bytes as {@link base62Width} digits. */
export function base62OfBytes(bytes: Uint8Array): string {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return encodeBigint(value, base62Width(bytes.length));
}

/** The bytes of a text made by {@link base62OfBytes}; `undefined` for a wrong width, digit, or a value over 2^(8·length). */
export function bytesOfBase62(text: string, length: number): Uint8Array | undefined {
  if (text.length !== base62Width(length)) return undefined;
  const value = decodeBigint(text);
  if (value === undefined) return undefined;
  // Printing once is far quicker than taking a large integer apart byte by byte.
  const hex = value.toString(16);
  return hex.length > 2 * length ? undefined : fromHex(hex.padStart(2 * length, "0"));
}

/** A whole number as exactly `width` digits; a `RangeError` when it is negative, not whole, or too large. */
export function base62OfNumber(value: number, width: number): string {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError("base 62 takes whole numbers from zero");
  return encodeBigint(BigInt(value), width);
}

/** The number of a text of base-62 digits; `undefined` for any other character or a value that a double cannot hold. */
export function numberOfBase62(text: string): number | undefined {
  const value = decodeBigint(text);
  return value !== undefined && text.length > 0 && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
}
