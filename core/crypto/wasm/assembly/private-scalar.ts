import { N_WORDS, SCALAR_BYTES } from "./layout";
import { N_FACTOR, N_R2 } from "./private-layout";
import { addModN } from "./scalar";

/*
 * Arithmetic modulo n on secrets: no branch and no address depends on a value, only on the position in a loop. Numbers are eight 32-bit
 * words, the least first, below n; Montgomery products have R = 2^256.
 */

/** Makes 2^512 mod n and -1/n mod 2^32. Of public numbers. */
export function initialiseScalars(): void {
  const n0 = load<u32>(N_WORDS);
  // Each step doubles the bits that are right, three to begin with.
  let inverse: u32 = n0;
  for (let step = 0; step < 4; step += 1) inverse *= 2 - n0 * inverse;
  store<u32>(N_FACTOR, 0 - inverse);
  memory.fill(N_R2, 0, SCALAR_BYTES);
  store<u32>(N_R2, 1);
  for (let bit = 0; bit < 512; bit += 1) addModN(N_R2, N_R2, N_R2);
}

/** out = mask ? a : b, for a mask of 0 or 2^32-1. */
export function select(out: usize, mask: u32, a: usize, b: usize): void {
  for (let at: usize = 0; at < SCALAR_BYTES; at += 4) {
    const other = load<u32>(b + at);
    store<u32>(out + at, other ^ (mask & (load<u32>(a + at) ^ other)));
  }
}

/** out = a - b mod 2^256; gives 2^32-1 where b > a, else 0. */
function subtractMasked(out: usize, a: usize, b: usize): u32 {
  let difference: i64 = 0;
  for (let at: usize = 0; at < SCALAR_BYTES; at += 4) {
    difference += <i64>load<u32>(a + at) - <i64>load<u32>(b + at);
    store<u32>(out + at, u32(difference));
    difference >>= 32;
  }
  return u32(difference);
}

/** a mod m for a < 2m, where `carry` (0 or 1) stands at 2^256. `scratch` is 32 bytes that nothing else uses. */
export function reduceOnce(a: usize, carry: u32, m: usize, scratch: usize): void {
  const below = subtractMasked(scratch, a, m);
  // The difference is right where the carry pays for the borrow, or nothing was borrowed.
  select(a, ~below | (0 - carry), scratch, a);
}

/** out = a + b mod n. */
export function addSecret(out: usize, a: usize, b: usize, scratch: usize): void {
  let sum: u64 = 0;
  for (let at: usize = 0; at < SCALAR_BYTES; at += 4) {
    sum += <u64>load<u32>(a + at) + <u64>load<u32>(b + at);
    store<u32>(out + at, u32(sum));
    sum >>= 32;
  }
  reduceOnce(out, u32(sum), N_WORDS, scratch);
}

/** out = a - b mod n. */
export function subtractSecret(out: usize, a: usize, b: usize): void {
  const borrowed = subtractMasked(out, a, b);
  let sum: u64 = 0;
  for (let at: usize = 0; at < SCALAR_BYTES; at += 4) {
    sum += <u64>load<u32>(out + at) + <u64>(load<u32>(N_WORDS + at) & borrowed);
    store<u32>(out + at, u32(sum));
    sum >>= 32;
  }
}

/** 2^32-1 where a = 0, else 0. */
export function maskOfZero(a: usize): u32 {
  let any: u32 = 0;
  for (let at: usize = 0; at < SCALAR_BYTES; at += 4) any |= load<u32>(a + at);
  return u32((<i64>any - 1) >> 63);
}

/** 2^32-1 where a < b, else 0. */
export function maskOfBelow(a: usize, b: usize): u32 {
  let borrow: i64 = 0;
  for (let at: usize = 0; at < SCALAR_BYTES; at += 4) borrow = (<i64>load<u32>(a + at) - <i64>load<u32>(b + at) + borrow) >> 32;
  return u32(borrow);
}

/** a·b / R mod n (coarsely integrated operand scanning). `out` may be a or b; `scratch` is 80 bytes that nothing else uses. */
export function multiplyModN(out: usize, a: usize, b: usize, scratch: usize): void {
  memory.fill(scratch, 0, 40);
  const factor = load<u32>(N_FACTOR);
  for (let i: usize = 0; i < SCALAR_BYTES; i += 4) {
    const digit = <u64>load<u32>(b + i);
    let carry: u64 = 0;
    for (let j: usize = 0; j < SCALAR_BYTES; j += 4) {
      const t = <u64>load<u32>(scratch + j) + <u64>load<u32>(a + j) * digit + carry;
      store<u32>(scratch + j, u32(t));
      carry = t >> 32;
    }
    const top = <u64>load<u32>(scratch, 32) + carry;
    store<u32>(scratch, u32(top), 32);
    store<u32>(scratch, u32(top >> 32), 36);
    // In 32 bits: a load takes the width of what surrounds it.
    const low: u32 = load<u32>(scratch) * factor;
    const m: u64 = low;
    carry = (<u64>load<u32>(scratch) + m * <u64>load<u32>(N_WORDS)) >> 32;
    for (let j: usize = 4; j < SCALAR_BYTES; j += 4) {
      const t = <u64>load<u32>(scratch + j) + m * <u64>load<u32>(N_WORDS + j) + carry;
      store<u32>(scratch + j - 4, u32(t));
      carry = t >> 32;
    }
    const end = <u64>load<u32>(scratch, 32) + carry;
    store<u32>(scratch, u32(end), 28);
    store<u32>(scratch, load<u32>(scratch, 36) + u32(end >> 32), 32);
  }
  memory.copy(out, scratch, SCALAR_BYTES);
  reduceOnce(out, load<u32>(scratch, 32), N_WORDS, scratch + 40);
}

/** out = a^(n-2), so 1/a: Montgomery form in, Montgomery form out. The exponent is public. `out` is not a. */
export function invertModN(out: usize, a: usize, scratch: usize): void {
  memory.copy(out, a, SCALAR_BYTES);
  // The highest bit of n-2 is bit 255; n ends in …123, so n-2 differs from n in its last word only.
  for (let bit: i32 = 254; bit >= 0; bit -= 1) {
    multiplyModN(out, out, out, scratch);
    let word = load<u32>(N_WORDS + ((<usize>(bit >> 5)) << 2));
    if (bit < 32) word -= 2;
    if (((word >> (bit & 31)) & 1) != 0) multiplyModN(out, out, a, scratch);
  }
}
