import { DIGITS, N_WORDS, SCALAR_BYTES } from "./layout";

/*
 * 256-bit numbers: eight 32-bit words, the least first. Arithmetic modulo n needs no product here, because verification only adds
 * (t = r + s) and subtracts (r - e).
 */

/** 32 big-endian bytes as words. */
export function loadWords(out: usize, bytes: usize): void {
  for (let at: usize = 0; at < SCALAR_BYTES; at += 4) store<u32>(out + at, bswap<u32>(load<u32>(bytes + 28 - at)));
}

/** Whether a < b. */
export function isBelow(a: usize, b: usize): bool {
  let borrow: i64 = 0;
  for (let at: usize = 0; at < SCALAR_BYTES; at += 4) borrow = (<i64>load<u32>(a + at) - <i64>load<u32>(b + at) + borrow) >> 32;
  return borrow != 0;
}

export function isZeroWords(a: usize): bool {
  let any: u32 = 0;
  for (let at: usize = 0; at < SCALAR_BYTES; at += 4) any |= load<u32>(a + at);
  return any == 0;
}

/** out = a + b mod 2^256; gives the carry, 0 or 1. `out` may be an operand. */
export function addWords(out: usize, a: usize, b: usize): u64 {
  let sum: u64 = 0;
  for (let at: usize = 0; at < SCALAR_BYTES; at += 4) {
    sum += <u64>load<u32>(a + at) + <u64>load<u32>(b + at);
    store<u32>(out + at, u32(sum));
    sum >>= 32;
  }
  return sum;
}

/** out = a - b mod 2^256; gives the borrow, 0 or -1. `out` may be an operand. */
export function subtractWords(out: usize, a: usize, b: usize): i64 {
  let difference: i64 = 0;
  for (let at: usize = 0; at < SCALAR_BYTES; at += 4) {
    difference += <i64>load<u32>(a + at) - <i64>load<u32>(b + at);
    store<u32>(out + at, u32(difference));
    difference >>= 32;
  }
  return difference;
}

/** a mod n for any a < 2^256: n > 2^255, so one subtraction is enough. */
export function reduceModN(a: usize): void {
  if (!isBelow(a, N_WORDS)) subtractWords(a, a, N_WORDS);
}

/** a + b mod n, for a, b < n. */
export function addModN(out: usize, a: usize, b: usize): void {
  // With a carry the sum stands at 2^256 + out, still below 2n, and the subtraction wraps to the right value.
  if (addWords(out, a, b) != 0 || !isBelow(out, N_WORDS)) subtractWords(out, out, N_WORDS);
}

/** a - b mod n, for a, b < n. */
export function subtractModN(out: usize, a: usize, b: usize): void {
  if (subtractWords(out, a, b) != 0) addWords(out, out, N_WORDS);
}

/** `count` ≤ 8 bits of `a` from bit `from` on; bits at and above 256 are 0. */
function bits(a: usize, from: i32, count: i32): i32 {
  if (from >= 256) return 0;
  const word = from >> 5;
  const at = a + ((<usize>word) << 2);
  const next: u64 = word < 7 ? load<u32>(at, 4) : 0;
  const pair: u64 = (next << 32) | <u64>load<u32>(at);
  return i32(pair >> (from & 31)) & ((1 << count) - 1);
}

/**
 * DIGITS[i], i < count, with a = Σ digit[i]·2^(width·i) and -2^(width-1) < digit ≤ 2^(width-1). width·count ≥ 257 leaves no carry over.
 */
export function signedWindows(a: usize, width: i32, count: i32): void {
  const half = 1 << (width - 1);
  let carry = 0;
  for (let at = 0; at < count; at += 1) {
    let digit = bits(a, at * width, width) + carry;
    carry = digit > half ? 1 : 0;
    digit -= carry << width;
    store<i16>(DIGITS + ((<usize>at) << 1), <i16>digit);
  }
}

/** The number of digits of {@link nonAdjacentForm}. */
export const NAF_DIGITS: i32 = 257;
const NAF_WIDTH: i32 = 5;

/** Width-5 non-adjacent form: a = Σ DIGITS[i]·2^i, each digit 0 or odd within ±15, and of five neighbours at most one not 0. */
export function nonAdjacentForm(a: usize): void {
  memory.fill(DIGITS, 0, 2 * NAF_DIGITS);
  let carry = 0;
  let at = 0;
  while (at < NAF_DIGITS) {
    if (bits(a, at, 1) == carry) {
      at += 1;
      continue;
    }
    let digit = bits(a, at, NAF_WIDTH) + carry;
    carry = digit >> (NAF_WIDTH - 1);
    digit -= carry << NAF_WIDTH;
    store<i16>(DIGITS + ((<usize>at) << 1), <i16>digit);
    at += NAF_WIDTH;
  }
}

/** The i-th signed digit. */
export function digitAt(i: i32): i32 {
  return load<i16>(DIGITS + ((<usize>i) << 1));
}
