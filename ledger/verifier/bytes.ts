/** Bytes and their texts. Decoding is strict: one text per value. Kept here so that the verifier stands alone. */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Whether a text has more bytes of UTF-8 than it may: limits count these, and no reader's idea of a character. */
export function isLonger(text: string, bytesMax: number): boolean {
  return text.length > bytesMax || (3 * text.length > bytesMax && encoder.encode(text).length > bytesMax);
}

/** Writes `text` at `at`, where three bytes per UTF-16 unit must be free; returns how many bytes it took. */
export function writeUtf8(bytes: Uint8Array, at: number, text: string): number {
  for (let unit = 0; unit < text.length; unit += 1) {
    const code = text.charCodeAt(unit);
    if (code >= 0x80) return encoder.encodeInto(text, bytes.subarray(at)).written;
    bytes[at + unit] = code;
  }
  return text.length;
}

/** `undefined` for bytes that are not well-formed UTF-8. A byte order mark is a character like any other. */
export function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Whether the u64 at `at` is a time that a calendar has; for the scan over millions, where a bigint each would cost. */
export function isTimeMs(bytes: Uint8Array, at: number): boolean {
  return u32At(bytes, at) * 0x1_0000_0000 + u32At(bytes, at + 4) <= Number(TIME_MS_MAX);
}

/** Whether `bytes[from, to)` is well-formed UTF-8; ASCII, which is nearly everything, costs one pass. */
export function isUtf8(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) if ((bytes[at] ?? 0) >= 0x80) return utf8Text(bytes.subarray(at, to)) !== undefined;
  return true;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && startsWith(a, 0, b);
}

/** Whether `bytes` holds `expected` at position `from`. */
export function startsWith(bytes: Uint8Array, from: number, expected: Uint8Array): boolean {
  if (bytes.length - from < expected.length) return false;
  for (let at = 0; at < expected.length; at += 1) if (bytes[from + at] !== expected[at]) return false;
  return true;
}

export function u32At(bytes: Uint8Array, at: number): number {
  return (byteAt(bytes, at) * 0x1_00_00_00 + ((byteAt(bytes, at + 1) << 16) | (byteAt(bytes, at + 2) << 8) | byteAt(bytes, at + 3))) >>> 0;
}

export function u64At(bytes: Uint8Array, at: number): bigint {
  const high = u32At(bytes, at);
  const low = u32At(bytes, at + 4);
  // Up to 2^53 a double is exact and much cheaper than two bigint operations.
  return high < 0x20_00_00 ? BigInt(high * 0x1_0000_0000 + low) : (BigInt(high) << 32n) | BigInt(low);
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Lower-case hex. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}

/** Lower-case hex of whole bytes, else `undefined`. */
export function fromHex(text: string): Uint8Array | undefined {
  if (!/^(?:[0-9a-f]{2})*$/.test(text)) return undefined;
  return Uint8Array.from({ length: text.length / 2 }, (_, at) => Number.parseInt(text.slice(2 * at, 2 * at + 2), 16));
}

/** Base64 of RFC 4648 section 4, padded. */
export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** Strict Base64: padded, no white space, unused bits zero (RFC 4648 3.5); anything else is `undefined`. */
export function fromBase64(text: string): Uint8Array | undefined {
  if (!/^(?:[0-9A-Za-z+/]{4})*(?:[0-9A-Za-z+/]{2}==|[0-9A-Za-z+/]{3}=)?$/.test(text)) return undefined;
  const binary = atob(text);
  // `atob` forgives unused bits that are set; printing again does not.
  return btoa(binary) === text ? Uint8Array.from(binary, (character) => character.charCodeAt(0)) : undefined;
}

/** Decimal without sign or leading zeros, below 2^63. */
export function parseDecimal(text: string): bigint | undefined {
  if (!/^(?:0|[1-9]\d{0,18})$/.test(text)) return undefined;
  const value = BigInt(text);
  return value < 1n << 63n ? value : undefined;
}

/** The last millisecond of the year 9999: no time of a log, a question or a witness lies behind it. */
export const TIME_MS_MAX = 253_402_300_799_999n;

/** Names of logs and keys: visible ASCII without `+`, so that they stand in a note and in a verifier key unquoted. */
export function isName(text: string): boolean {
  return /^[\x21-\x2a\x2c-\x7e]{1,255}$/.test(text);
}

/** Numbers of institutions: the one alphabet in which two that look alike are alike. */
export function isIdentifier(text: string): boolean {
  return /^[0-9A-Za-z._-]{1,64}$/.test(text);
}
