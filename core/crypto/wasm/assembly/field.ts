import { FIELD_BYTES, FIELD_R2, FIELD_SCRATCH, FIELD_ZERO, WORK_WORDS } from "./layout";
import { loadWords } from "./scalar";

/*
 * Arithmetic modulo p = 2^256 - 2^224 - 2^96 + 2^64 - 1 (GB/T 32918.5).
 *
 * A field element is nine signed limbs of radix 2^29, value = Σ limb[i]·2^(29i), known modulo p only. Products are Montgomery products
 * with R = 2^261. Because p ≡ -1 mod 2^29, the Montgomery factor of each step is the low limb itself, and adding m·p is a few shifts.
 *
 * Two bounds are kept for every element, and stated at every function:
 *   weight w: |limb[i]| ≤ w·2^28 for each i (a sum of w reduced elements has weight w);
 *   size   v: |value| ≤ v·p.
 * Reduced means weight 1: each limb but the last in [-2^28, 2^28), which makes the limbs of a value unique.
 */

const LIMB: i64 = 29;
const HALF: i64 = 1 << 28;
const MASK: i64 = (1 << 29) - 1;

/** The low 29 bits of `t` as a signed number in [-2^28, 2^28). */
function low(t: i64): i64 {
  return (t << 35) >> 35;
}

/** (t - low(t)) / 2^29, exactly. |t| < 2^63 - 2^28. */
function carry(t: i64): i64 {
  return (t + HALF) >> LIMB;
}

/**
 * a·b / R. Needs weight(a)·weight(b) ≤ 14. Gives weight 1 and size ≤ 1 + size(a)·size(b)/32.
 *
 * Each of the nine steps adds m·p·2^(29k) with m the low limb, which clears that limb, as p ≡ -1. The rest of p is
 * p + 1 = 2^64·(1 - 2^32)·(1 - 2^160): w[k] = m[k-2] - 2^3·m[k-3] collects the first two factors at limb k (2^64 is limb 2 and 6 bits, 2^32
 * a limb and 3 bits), and the last takes the same off 5 limbs and 15 bits above.
 *
 * No overflow: a column has at most nine products, 9·14·2^56 < 2^63 - 2^56; the multiples of p add at most 2^32·(2^6 + 2^21) < 2^54, the
 * carry at most 2^34.
 * Size: 0 ≤ Σ m[k]·2^(29k) < R, so the multiple of p that is added and divided by R is within 0 and p; and p/R < 1/32.
 * Last limb: it is what the carry leaves, below size·2^24 + 1, so weight 1 holds for every size up to 15.
 * `out` may be `a` or `b`: all limbs are read first.
 */
export function multiply(out: usize, a: usize, b: usize): void {
  const a0: i64 = load<i32>(a, 0);
  const a1: i64 = load<i32>(a, 4);
  const a2: i64 = load<i32>(a, 8);
  const a3: i64 = load<i32>(a, 12);
  const a4: i64 = load<i32>(a, 16);
  const a5: i64 = load<i32>(a, 20);
  const a6: i64 = load<i32>(a, 24);
  const a7: i64 = load<i32>(a, 28);
  const a8: i64 = load<i32>(a, 32);
  const b0: i64 = load<i32>(b, 0);
  const b1: i64 = load<i32>(b, 4);
  const b2: i64 = load<i32>(b, 8);
  const b3: i64 = load<i32>(b, 12);
  const b4: i64 = load<i32>(b, 16);
  const b5: i64 = load<i32>(b, 20);
  const b6: i64 = load<i32>(b, 24);
  const b7: i64 = load<i32>(b, 28);
  const b8: i64 = load<i32>(b, 32);
  let t: i64 = a0 * b0;
  const m0 = t & MASK;
  t = a0 * b1 + a1 * b0 + (t >> LIMB);
  const m1 = t & MASK;
  const w2 = m0;
  t = a0 * b2 + a1 * b1 + a2 * b0 + (w2 << 6) + (t >> LIMB);
  const m2 = t & MASK;
  const w3 = m1 - (m0 << 3);
  t = a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0 + (w3 << 6) + (t >> LIMB);
  const m3 = t & MASK;
  const w4 = m2 - (m1 << 3);
  t = a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0 + (w4 << 6) + (t >> LIMB);
  const m4 = t & MASK;
  const w5 = m3 - (m2 << 3);
  t = a0 * b5 + a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1 + a5 * b0 + (w5 << 6) + (t >> LIMB);
  const m5 = t & MASK;
  const w6 = m4 - (m3 << 3);
  t = a0 * b6 + a1 * b5 + a2 * b4 + a3 * b3 + a4 * b2 + a5 * b1 + a6 * b0 + (w6 << 6) + (t >> LIMB);
  const m6 = t & MASK;
  const w7 = m5 - (m4 << 3);
  t = a0 * b7 + a1 * b6 + a2 * b5 + a3 * b4 + a4 * b3 + a5 * b2 + a6 * b1 + a7 * b0 + (w7 << 6) - (w2 << 21) + (t >> LIMB);
  const m7 = t & MASK;
  const w8 = m6 - (m5 << 3);
  t = a0 * b8 + a1 * b7 + a2 * b6 + a3 * b5 + a4 * b4 + a5 * b3 + a6 * b2 + a7 * b1 + a8 * b0 + (w8 << 6) - (w3 << 21) + (t >> LIMB);
  const m8 = t & MASK;
  const w9 = m7 - (m6 << 3);
  t = a1 * b8 + a2 * b7 + a3 * b6 + a4 * b5 + a5 * b4 + a6 * b3 + a7 * b2 + a8 * b1 + (w9 << 6) - (w4 << 21) + (t >> LIMB);
  store<i32>(out, i32(low(t)), 0);
  const w10 = m8 - (m7 << 3);
  t = a2 * b8 + a3 * b7 + a4 * b6 + a5 * b5 + a6 * b4 + a7 * b3 + a8 * b2 + (w10 << 6) - (w5 << 21) + carry(t);
  store<i32>(out, i32(low(t)), 4);
  const w11 = -(m8 << 3);
  t = a3 * b8 + a4 * b7 + a5 * b6 + a6 * b5 + a7 * b4 + a8 * b3 + (w11 << 6) - (w6 << 21) + carry(t);
  store<i32>(out, i32(low(t)), 8);
  t = a4 * b8 + a5 * b7 + a6 * b6 + a7 * b5 + a8 * b4 - (w7 << 21) + carry(t);
  store<i32>(out, i32(low(t)), 12);
  t = a5 * b8 + a6 * b7 + a7 * b6 + a8 * b5 - (w8 << 21) + carry(t);
  store<i32>(out, i32(low(t)), 16);
  t = a6 * b8 + a7 * b7 + a8 * b6 - (w9 << 21) + carry(t);
  store<i32>(out, i32(low(t)), 20);
  t = a7 * b8 + a8 * b7 - (w10 << 21) + carry(t);
  store<i32>(out, i32(low(t)), 24);
  t = a8 * b8 - (w11 << 21) + carry(t);
  store<i32>(out, i32(low(t)), 28);
  store<i32>(out, i32(carry(t)), 32);
}

/** a² / R: {@link multiply} of `a` with itself, with the equal products taken once. Same bounds. */
export function square(out: usize, a: usize): void {
  const a0: i64 = load<i32>(a, 0);
  const a1: i64 = load<i32>(a, 4);
  const a2: i64 = load<i32>(a, 8);
  const a3: i64 = load<i32>(a, 12);
  const a4: i64 = load<i32>(a, 16);
  const a5: i64 = load<i32>(a, 20);
  const a6: i64 = load<i32>(a, 24);
  const a7: i64 = load<i32>(a, 28);
  const a8: i64 = load<i32>(a, 32);
  const d0 = a0 << 1;
  const d1 = a1 << 1;
  const d2 = a2 << 1;
  const d3 = a3 << 1;
  const d4 = a4 << 1;
  const d5 = a5 << 1;
  const d6 = a6 << 1;
  const d7 = a7 << 1;
  let t: i64 = a0 * a0;
  const m0 = t & MASK;
  t = d0 * a1 + (t >> LIMB);
  const m1 = t & MASK;
  const w2 = m0;
  t = d0 * a2 + a1 * a1 + (w2 << 6) + (t >> LIMB);
  const m2 = t & MASK;
  const w3 = m1 - (m0 << 3);
  t = d0 * a3 + d1 * a2 + (w3 << 6) + (t >> LIMB);
  const m3 = t & MASK;
  const w4 = m2 - (m1 << 3);
  t = d0 * a4 + d1 * a3 + a2 * a2 + (w4 << 6) + (t >> LIMB);
  const m4 = t & MASK;
  const w5 = m3 - (m2 << 3);
  t = d0 * a5 + d1 * a4 + d2 * a3 + (w5 << 6) + (t >> LIMB);
  const m5 = t & MASK;
  const w6 = m4 - (m3 << 3);
  t = d0 * a6 + d1 * a5 + d2 * a4 + a3 * a3 + (w6 << 6) + (t >> LIMB);
  const m6 = t & MASK;
  const w7 = m5 - (m4 << 3);
  t = d0 * a7 + d1 * a6 + d2 * a5 + d3 * a4 + (w7 << 6) - (w2 << 21) + (t >> LIMB);
  const m7 = t & MASK;
  const w8 = m6 - (m5 << 3);
  t = d0 * a8 + d1 * a7 + d2 * a6 + d3 * a5 + a4 * a4 + (w8 << 6) - (w3 << 21) + (t >> LIMB);
  const m8 = t & MASK;
  const w9 = m7 - (m6 << 3);
  t = d1 * a8 + d2 * a7 + d3 * a6 + d4 * a5 + (w9 << 6) - (w4 << 21) + (t >> LIMB);
  store<i32>(out, i32(low(t)), 0);
  const w10 = m8 - (m7 << 3);
  t = d2 * a8 + d3 * a7 + d4 * a6 + a5 * a5 + (w10 << 6) - (w5 << 21) + carry(t);
  store<i32>(out, i32(low(t)), 4);
  const w11 = -(m8 << 3);
  t = d3 * a8 + d4 * a7 + d5 * a6 + (w11 << 6) - (w6 << 21) + carry(t);
  store<i32>(out, i32(low(t)), 8);
  t = d4 * a8 + d5 * a7 + a6 * a6 - (w7 << 21) + carry(t);
  store<i32>(out, i32(low(t)), 12);
  t = d5 * a8 + d6 * a7 - (w8 << 21) + carry(t);
  store<i32>(out, i32(low(t)), 16);
  t = d6 * a8 + a7 * a7 - (w9 << 21) + carry(t);
  store<i32>(out, i32(low(t)), 20);
  t = d7 * a8 - (w10 << 21) + carry(t);
  store<i32>(out, i32(low(t)), 24);
  t = a8 * a8 - (w11 << 21) + carry(t);
  store<i32>(out, i32(low(t)), 28);
  store<i32>(out, i32(carry(t)), 32);
}

/**
 * (a·b - c·d) / R: two products for one reduction. Needs weight(a)·weight(b) + weight(c)·weight(d) ≤ 14. Gives weight 1 and
 * size ≤ 1 + (size(a)·size(b) + size(c)·size(d))/32. As {@link multiply} in all else.
 */
export function multiplyDifference(out: usize, a: usize, b: usize, c: usize, d: usize): void {
  const a0: i64 = load<i32>(a, 0);
  const a1: i64 = load<i32>(a, 4);
  const a2: i64 = load<i32>(a, 8);
  const a3: i64 = load<i32>(a, 12);
  const a4: i64 = load<i32>(a, 16);
  const a5: i64 = load<i32>(a, 20);
  const a6: i64 = load<i32>(a, 24);
  const a7: i64 = load<i32>(a, 28);
  const a8: i64 = load<i32>(a, 32);
  const b0: i64 = load<i32>(b, 0);
  const b1: i64 = load<i32>(b, 4);
  const b2: i64 = load<i32>(b, 8);
  const b3: i64 = load<i32>(b, 12);
  const b4: i64 = load<i32>(b, 16);
  const b5: i64 = load<i32>(b, 20);
  const b6: i64 = load<i32>(b, 24);
  const b7: i64 = load<i32>(b, 28);
  const b8: i64 = load<i32>(b, 32);
  const c0: i64 = load<i32>(c, 0);
  const c1: i64 = load<i32>(c, 4);
  const c2: i64 = load<i32>(c, 8);
  const c3: i64 = load<i32>(c, 12);
  const c4: i64 = load<i32>(c, 16);
  const c5: i64 = load<i32>(c, 20);
  const c6: i64 = load<i32>(c, 24);
  const c7: i64 = load<i32>(c, 28);
  const c8: i64 = load<i32>(c, 32);
  const d0: i64 = load<i32>(d, 0);
  const d1: i64 = load<i32>(d, 4);
  const d2: i64 = load<i32>(d, 8);
  const d3: i64 = load<i32>(d, 12);
  const d4: i64 = load<i32>(d, 16);
  const d5: i64 = load<i32>(d, 20);
  const d6: i64 = load<i32>(d, 24);
  const d7: i64 = load<i32>(d, 28);
  const d8: i64 = load<i32>(d, 32);
  let t: i64 = a0 * b0 - c0 * d0;
  const m0 = t & MASK;
  t = a0 * b1 + a1 * b0 - (c0 * d1 + c1 * d0) + (t >> LIMB);
  const m1 = t & MASK;
  const w2 = m0;
  t = a0 * b2 + a1 * b1 + a2 * b0 - (c0 * d2 + c1 * d1 + c2 * d0) + (w2 << 6) + (t >> LIMB);
  const m2 = t & MASK;
  const w3 = m1 - (m0 << 3);
  t = a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0 - (c0 * d3 + c1 * d2 + c2 * d1 + c3 * d0) + (w3 << 6) + (t >> LIMB);
  const m3 = t & MASK;
  const w4 = m2 - (m1 << 3);
  t = a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0 - (c0 * d4 + c1 * d3 + c2 * d2 + c3 * d1 + c4 * d0) + (w4 << 6) + (t >> LIMB);
  const m4 = t & MASK;
  const w5 = m3 - (m2 << 3);
  t =
    a0 * b5 +
    a1 * b4 +
    a2 * b3 +
    a3 * b2 +
    a4 * b1 +
    a5 * b0 -
    (c0 * d5 + c1 * d4 + c2 * d3 + c3 * d2 + c4 * d1 + c5 * d0) +
    (w5 << 6) +
    (t >> LIMB);
  const m5 = t & MASK;
  const w6 = m4 - (m3 << 3);
  t =
    a0 * b6 +
    a1 * b5 +
    a2 * b4 +
    a3 * b3 +
    a4 * b2 +
    a5 * b1 +
    a6 * b0 -
    (c0 * d6 + c1 * d5 + c2 * d4 + c3 * d3 + c4 * d2 + c5 * d1 + c6 * d0) +
    (w6 << 6) +
    (t >> LIMB);
  const m6 = t & MASK;
  const w7 = m5 - (m4 << 3);
  t =
    a0 * b7 +
    a1 * b6 +
    a2 * b5 +
    a3 * b4 +
    a4 * b3 +
    a5 * b2 +
    a6 * b1 +
    a7 * b0 -
    (c0 * d7 + c1 * d6 + c2 * d5 + c3 * d4 + c4 * d3 + c5 * d2 + c6 * d1 + c7 * d0) +
    (w7 << 6) -
    (w2 << 21) +
    (t >> LIMB);
  const m7 = t & MASK;
  const w8 = m6 - (m5 << 3);
  t =
    a0 * b8 +
    a1 * b7 +
    a2 * b6 +
    a3 * b5 +
    a4 * b4 +
    a5 * b3 +
    a6 * b2 +
    a7 * b1 +
    a8 * b0 -
    (c0 * d8 + c1 * d7 + c2 * d6 + c3 * d5 + c4 * d4 + c5 * d3 + c6 * d2 + c7 * d1 + c8 * d0) +
    (w8 << 6) -
    (w3 << 21) +
    (t >> LIMB);
  const m8 = t & MASK;
  const w9 = m7 - (m6 << 3);
  t =
    a1 * b8 +
    a2 * b7 +
    a3 * b6 +
    a4 * b5 +
    a5 * b4 +
    a6 * b3 +
    a7 * b2 +
    a8 * b1 -
    (c1 * d8 + c2 * d7 + c3 * d6 + c4 * d5 + c5 * d4 + c6 * d3 + c7 * d2 + c8 * d1) +
    (w9 << 6) -
    (w4 << 21) +
    (t >> LIMB);
  store<i32>(out, i32(low(t)), 0);
  const w10 = m8 - (m7 << 3);
  t =
    a2 * b8 +
    a3 * b7 +
    a4 * b6 +
    a5 * b5 +
    a6 * b4 +
    a7 * b3 +
    a8 * b2 -
    (c2 * d8 + c3 * d7 + c4 * d6 + c5 * d5 + c6 * d4 + c7 * d3 + c8 * d2) +
    (w10 << 6) -
    (w5 << 21) +
    carry(t);
  store<i32>(out, i32(low(t)), 4);
  const w11 = -(m8 << 3);
  t =
    a3 * b8 +
    a4 * b7 +
    a5 * b6 +
    a6 * b5 +
    a7 * b4 +
    a8 * b3 -
    (c3 * d8 + c4 * d7 + c5 * d6 + c6 * d5 + c7 * d4 + c8 * d3) +
    (w11 << 6) -
    (w6 << 21) +
    carry(t);
  store<i32>(out, i32(low(t)), 8);
  t = a4 * b8 + a5 * b7 + a6 * b6 + a7 * b5 + a8 * b4 - (c4 * d8 + c5 * d7 + c6 * d6 + c7 * d5 + c8 * d4) - (w7 << 21) + carry(t);
  store<i32>(out, i32(low(t)), 12);
  t = a5 * b8 + a6 * b7 + a7 * b6 + a8 * b5 - (c5 * d8 + c6 * d7 + c7 * d6 + c8 * d5) - (w8 << 21) + carry(t);
  store<i32>(out, i32(low(t)), 16);
  t = a6 * b8 + a7 * b7 + a8 * b6 - (c6 * d8 + c7 * d7 + c8 * d6) - (w9 << 21) + carry(t);
  store<i32>(out, i32(low(t)), 20);
  t = a7 * b8 + a8 * b7 - (c7 * d8 + c8 * d7) - (w10 << 21) + carry(t);
  store<i32>(out, i32(low(t)), 24);
  t = a8 * b8 - c8 * d8 - (w11 << 21) + carry(t);
  store<i32>(out, i32(low(t)), 28);
  store<i32>(out, i32(carry(t)), 32);
}

/** a + b, limb by limb: weights and sizes add. Weight of the sum ≤ 7, so that 32 bits hold a limb. */
export function add(out: usize, a: usize, b: usize): void {
  store<i32>(out, load<i32>(a) + load<i32>(b));
  store<i32>(out, load<i32>(a, 4) + load<i32>(b, 4), 4);
  store<i32>(out, load<i32>(a, 8) + load<i32>(b, 8), 8);
  store<i32>(out, load<i32>(a, 12) + load<i32>(b, 12), 12);
  store<i32>(out, load<i32>(a, 16) + load<i32>(b, 16), 16);
  store<i32>(out, load<i32>(a, 20) + load<i32>(b, 20), 20);
  store<i32>(out, load<i32>(a, 24) + load<i32>(b, 24), 24);
  store<i32>(out, load<i32>(a, 28) + load<i32>(b, 28), 28);
  store<i32>(out, load<i32>(a, 32) + load<i32>(b, 32), 32);
}

/** a - b, limb by limb: weights and sizes add. Weight of the difference ≤ 7. */
export function subtract(out: usize, a: usize, b: usize): void {
  store<i32>(out, load<i32>(a) - load<i32>(b));
  store<i32>(out, load<i32>(a, 4) - load<i32>(b, 4), 4);
  store<i32>(out, load<i32>(a, 8) - load<i32>(b, 8), 8);
  store<i32>(out, load<i32>(a, 12) - load<i32>(b, 12), 12);
  store<i32>(out, load<i32>(a, 16) - load<i32>(b, 16), 16);
  store<i32>(out, load<i32>(a, 20) - load<i32>(b, 20), 20);
  store<i32>(out, load<i32>(a, 24) - load<i32>(b, 24), 24);
  store<i32>(out, load<i32>(a, 28) - load<i32>(b, 28), 28);
  store<i32>(out, load<i32>(a, 32) - load<i32>(b, 32), 32);
}

/**
 * a - b - 2c, carried, and folded: the multiple of 2^256 in the last limb is taken off as the same multiple of p. Inputs have weight ≤ 4.
 * Gives weight 1 and size ≤ 0.51.
 *
 * After the fold the last limb is within ±2^23, and the carry into it is below 16·2^28 / 2^29 + 2 = 10, so
 * |value| ≤ (2^23 + 10)·2^232 + 2^231 < 0.51·p. Without the fold the coordinates of a long run of doublings would grow past every bound.
 */
export function reduceDifference(out: usize, a: usize, b: usize, c: usize): void {
  let last: i64 = <i64>load<i32>(a, 32) - <i64>load<i32>(b, 32) - ((<i64>load<i32>(c, 32)) << 1);
  const top: i64 = (last + (1 << 23)) >> 24;
  last -= top << 24;
  let t: i64 = <i64>load<i32>(a) - <i64>load<i32>(b) - ((<i64>load<i32>(c)) << 1) + top;
  store<i32>(out, i32(low(t)));
  t = carry(t) + <i64>load<i32>(a, 4) - <i64>load<i32>(b, 4) - ((<i64>load<i32>(c, 4)) << 1);
  store<i32>(out, i32(low(t)), 4);
  t = carry(t) + <i64>load<i32>(a, 8) - <i64>load<i32>(b, 8) - ((<i64>load<i32>(c, 8)) << 1) - (top << 6);
  store<i32>(out, i32(low(t)), 8);
  t = carry(t) + <i64>load<i32>(a, 12) - <i64>load<i32>(b, 12) - ((<i64>load<i32>(c, 12)) << 1) + (top << 9);
  store<i32>(out, i32(low(t)), 12);
  t = carry(t) + <i64>load<i32>(a, 16) - <i64>load<i32>(b, 16) - ((<i64>load<i32>(c, 16)) << 1);
  store<i32>(out, i32(low(t)), 16);
  t = carry(t) + <i64>load<i32>(a, 20) - <i64>load<i32>(b, 20) - ((<i64>load<i32>(c, 20)) << 1);
  store<i32>(out, i32(low(t)), 20);
  t = carry(t) + <i64>load<i32>(a, 24) - <i64>load<i32>(b, 24) - ((<i64>load<i32>(c, 24)) << 1);
  store<i32>(out, i32(low(t)), 24);
  t = carry(t) + <i64>load<i32>(a, 28) - <i64>load<i32>(b, 28) - ((<i64>load<i32>(c, 28)) << 1) + (top << 21);
  store<i32>(out, i32(low(t)), 28);
  store<i32>(out, i32(last + carry(t)), 32);
}

export function copy(out: usize, a: usize): void {
  memory.copy(out, a, FIELD_BYTES);
}

/**
 * Whether a ≡ b mod p. Weights ≤ 4, any size up to 15. The folded difference is within 0.51·p, so it is a multiple of p only as the number
 * 0, whose reduced limbs are all 0.
 */
export function isEqual(a: usize, b: usize): bool {
  reduceDifference(FIELD_SCRATCH, a, b, FIELD_ZERO);
  let any: i32 = 0;
  for (let at: usize = 0; at < FIELD_BYTES; at += 4) any |= load<i32>(FIELD_SCRATCH + at);
  return any == 0;
}

/** Whether a ≡ 0 mod p; bounds as {@link isEqual}. */
export function isZero(a: usize): bool {
  return isEqual(a, FIELD_ZERO);
}

/** The limbs of a 256-bit number as it stands: each in [0, 2^29), weight 2, size < 1.0001. Not yet in Montgomery form. */
export function fromWords(out: usize, words: usize): void {
  for (let limb: usize = 0; limb < 9; limb += 1) {
    const bit: i32 = 29 * <i32>limb;
    const at = words + ((<usize>(bit >> 5)) << 2);
    // The last limb begins at bit 232, in the last word: nothing lies behind it.
    const next: u64 = limb < 8 ? load<u32>(at, 4) : 0;
    const pair: u64 = (next << 32) | <u64>load<u32>(at);
    store<i32>(out + (limb << 2), i32((pair >> (bit & 31)) & 0x1fffffff));
  }
}

/** a·R, for a of weight ≤ 2 and size ≤ 1.0001: weight 1, size ≤ 1.04. */
export function toMontgomery(out: usize, a: usize): void {
  multiply(out, a, FIELD_R2);
}

/** A coordinate of 32 big-endian bytes, below p (the caller checks), in Montgomery form: weight 1, size ≤ 1.04. */
export function fromBytes(out: usize, bytes: usize): void {
  loadWords(WORK_WORDS, bytes);
  fromWords(out, WORK_WORDS);
  toMontgomery(out, out);
}

function squareTimes(a: usize, times: i32): void {
  for (let at = 0; at < times; at += 1) square(a, a);
}

/**
 * 1/a = a^(p-2), in Montgomery form; 0 for 0. Weight(a) ≤ 3, size ≤ 4; gives weight 1, size ≤ 1.04. `out` is not `a`.
 * p-2 in words: fffffffe ffffffff ffffffff ffffffff ffffffff 00000000 ffffffff fffffffd.
 */
export function invert(out: usize, a: usize): void {
  const run = FIELD_SCRATCH + 2 * FIELD_BYTES;
  const run30 = FIELD_SCRATCH + 3 * FIELD_BYTES;
  const run32 = FIELD_SCRATCH + 4 * FIELD_BYTES;
  // run = a^(2^k - 1) for k = 1, 2, 3, 6, 7, 14, 15, 30: double k, or lengthen it by one.
  square(run, a);
  multiply(run, run, a);
  square(run, run);
  multiply(run, run, a);
  extend(run, 3);
  square(run, run);
  multiply(run, run, a);
  extend(run, 7);
  square(run, run);
  multiply(run, run, a);
  extend(run, 15);
  copy(run30, run);
  square(run, run);
  multiply(out, run, a);
  square(run32, out);
  multiply(run32, run32, a);
  // out = a^(2^31 - 1): the first word but its last bit.
  square(out, out);
  for (let word = 0; word < 4; word += 1) {
    squareTimes(out, 32);
    multiply(out, out, run32);
  }
  squareTimes(out, 64);
  multiply(out, out, run32);
  squareTimes(out, 30);
  multiply(out, out, run30);
  squareTimes(out, 2);
  multiply(out, out, a);
}

/** run = a^(2^k - 1) becomes a^(2^2k - 1). */
function extend(run: usize, k: i32): void {
  const before = FIELD_SCRATCH + 5 * FIELD_BYTES;
  copy(before, run);
  squareTimes(run, k);
  multiply(run, run, before);
}

/** -a: same weight and size. */
export function negate(out: usize, a: usize): void {
  subtract(out, FIELD_ZERO, a);
}
