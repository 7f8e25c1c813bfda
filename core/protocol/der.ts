/**
 * The two forms of an SM2 signature: raw r‖s (64 bytes), and `SEQUENCE { r INTEGER, s INTEGER }` of GM/T 0009 in
 * DER. Both directions are strict, so that each signature has one encoding. Which form a partner uses is a setting:
 * a raw signature may well begin with 0x30 (domain notes 1.5).
 */
const RAW_LENGTH = 64;
const SEQUENCE = 0x30;
const INTEGER = 0x02;

function derInteger(value: Uint8Array): Uint8Array {
  let start = 0;
  while (start < value.length - 1 && value[start] === 0) start += 1;
  const digits = value.subarray(start);
  const sign = (digits[0] ?? 0) >= 0x80 ? [0] : [];
  return Uint8Array.of(INTEGER, sign.length + digits.length, ...sign, ...digits);
}

/** Raw r‖s as DER, 8 to 72 bytes. A length other than 64 is a bug. */
export function derOfRaw(raw: Uint8Array): Uint8Array {
  if (raw.length !== RAW_LENGTH) throw new RangeError(`a raw SM2 signature has 64 bytes, got ${raw.length}`);
  const r = derInteger(raw.subarray(0, 32));
  const s = derInteger(raw.subarray(32));
  return Uint8Array.of(SEQUENCE, r.length + s.length, ...r, ...s);
}

/** One INTEGER at `at`, as 32 bytes, and where it ends; negative, padded or over-long values give `undefined`. */
function readInteger(der: Uint8Array, at: number): { readonly value: Uint8Array; readonly end: number } | undefined {
  const length = der[at + 1];
  if (der[at] !== INTEGER || length === undefined || length < 1 || length > 33) return undefined;
  const body = der.subarray(at + 2, at + 2 + length);
  if (body.length !== length) return undefined;
  const first = body[0] ?? 0;
  if (first >= 0x80) return undefined;
  // DER: a leading zero stands only before a byte that would read as a minus sign.
  if (first === 0 && length > 1 && (body[1] ?? 0) < 0x80) return undefined;
  const digits = first === 0 ? body.subarray(1) : body;
  if (digits.length > 32) return undefined;
  const value = new Uint8Array(32);
  value.set(digits, 32 - digits.length);
  return { value, end: at + 2 + length };
}

/** DER as raw r‖s; `undefined` unless it is the one DER encoding of two numbers of at most 32 bytes. */
export function rawOfDer(der: Uint8Array): Uint8Array | undefined {
  if (der[0] !== SEQUENCE || der[1] !== der.length - 2) return undefined;
  const r = readInteger(der, 2);
  if (r === undefined) return undefined;
  const s = readInteger(der, r.end);
  if (s === undefined || s.end !== der.length) return undefined;
  const raw = new Uint8Array(RAW_LENGTH);
  raw.set(r.value, 0);
  raw.set(s.value, 32);
  return raw;
}
