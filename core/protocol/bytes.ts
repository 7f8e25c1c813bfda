/** Bytes and their texts on every runtime, without Buffer. Decoding is strict: one text per value, or `undefined`. */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

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

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
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

function digitTable(alphabet: string, alsoLowerCase: boolean): Uint8Array {
  const table = new Uint8Array(128).fill(NOT_A_DIGIT);
  for (let value = 0; value < alphabet.length; value += 1) {
    table[alphabet.charCodeAt(value)] = value;
    if (alsoLowerCase) table[alphabet.charAt(value).toLowerCase().charCodeAt(0)] = value;
  }
  return table;
}

const HEX_DIGITS = digitTable("0123456789ABCDEF", true);

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

const BASE64_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_DIGITS = digitTable(BASE64_ALPHABET, false);

/** Base64 of RFC 4648 section 4, with padding. */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at;
    const word = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    text += BASE64_ALPHABET.charAt(word >>> 18) + BASE64_ALPHABET.charAt((word >>> 12) & 63);
    text += left > 1 ? BASE64_ALPHABET.charAt((word >>> 6) & 63) : "=";
    text += left > 2 ? BASE64_ALPHABET.charAt(word & 63) : "=";
  }
  return text;
}

/**
 * Strict Base64: padding required, no white space, and the unused bits of the last digit are zero (RFC 4648 3.5), so
 * that no second text stands for the same bytes. A replay filter keyed by the text depends on this.
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
