/** Bytes and their texts on every runtime, without Buffer. Decoding is strict: one value or `undefined`. */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** `undefined` for bytes that are not well-formed UTF-8. A byte order mark is kept as a character. */
export function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The parts in one array, always a copy. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const LOWER_HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const UPPER_HEX: readonly string[] = LOWER_HEX.map((pair) => pair.toUpperCase());

function hexWith(pairs: readonly string[], bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += pairs[byte];
  return text;
}

/** Lower-case hex: what we keep and index by. */
export function toHex(bytes: Uint8Array): string {
  return hexWith(LOWER_HEX, bytes);
}

/** Upper-case hex: what the wire formats of S0, S1 and S3 show. */
export function toUpperHex(bytes: Uint8Array): string {
  return hexWith(UPPER_HEX, bytes);
}

const NOT_A_DIGIT = 255;

/** Value of a hex digit of either case, by character code. */
const HEX_DIGITS: Uint8Array = new Uint8Array(128).fill(NOT_A_DIGIT);
for (const [value, digit] of [..."0123456789abcdef"].entries()) {
  HEX_DIGITS[digit.charCodeAt(0)] = value;
  HEX_DIGITS[digit.toUpperCase().charCodeAt(0)] = value;
}

/** Hex of either case; odd length or any other character gives `undefined`. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at += 1) {
    const high = HEX_DIGITS[text.charCodeAt(2 * at)] ?? NOT_A_DIGIT;
    const low = HEX_DIGITS[text.charCodeAt(2 * at + 1)] ?? NOT_A_DIGIT;
    if (high === NOT_A_DIGIT || low === NOT_A_DIGIT) return undefined;
    bytes[at] = (high << 4) | low;
  }
  return bytes;
}

const CHARS_PER_CALL_MAX = 8192;

/** Base64 of RFC 4648 section 4, with padding. */
export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += CHARS_PER_CALL_MAX) {
    binary += String.fromCharCode(...bytes.subarray(at, at + CHARS_PER_CALL_MAX));
  }
  return btoa(binary);
}

const BASE64_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/** Value of a Base64 digit, by character code. */
const BASE64_DIGITS: Uint8Array = new Uint8Array(128).fill(NOT_A_DIGIT);
for (const [value, digit] of [...BASE64_ALPHABET].entries()) BASE64_DIGITS[digit.charCodeAt(0)] = value;

/**
 * Canonical Base64 only: padding required, no white space, and the unused bits of the last digit are zero
 * (RFC 4648 3.5), so that no second text stands for the same bytes.
 */
export function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const digits = text.length - padding;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let word = 0;
  let bits = 0;
  let at = 0;
  for (let index = 0; index < digits; index += 1) {
    const digit = BASE64_DIGITS[text.charCodeAt(index)] ?? NOT_A_DIGIT;
    if (digit === NOT_A_DIGIT) return undefined;
    word = ((word << 6) | digit) & 0xff_ffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at] = (word >>> bits) & 0xff;
      at += 1;
    }
  }
  return (word & ((1 << bits) - 1)) === 0 ? bytes : undefined;
}
