/**
 * Fixed-width base 62 over `0-9A-Za-z`, the alphabet of a fused code's VALUE (S0 5.1; domain notes 8.2 row 33).
 * A value has one text: decoding accepts exactly the width asked for and no value beyond the bytes asked for.
 */
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const DIGITS: ReadonlyMap<string, number> = new Map([...ALPHABET].map((character, value) => [character, value]));

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
    const part = text.slice(at, at + CHUNK);
    let chunk = 0;
    for (const character of part) {
      const digit = DIGITS.get(character);
      if (digit === undefined) return undefined;
      chunk = chunk * 62 + digit;
    }
    value = value * 62n ** BigInt(part.length) + BigInt(chunk);
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
  let value = decodeBigint(text);
  if (value === undefined) return undefined;
  const bytes = new Uint8Array(length);
  for (let at = length - 1; at >= 0; at -= 1) {
    bytes[at] = Number(value & 0xffn);
    value >>= 8n;
  }
  return value === 0n ? bytes : undefined;
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
