import { add, copy, invert, multiply, multiplyDifference, negate, reduceDifference, square, subtract } from "./field";
import { AFFINE_BYTES, FIELD_B, FIELD_BYTES, FIELD_ONE, FIELD_UNIT, FIELD_ZERO, JACOBIAN_BYTES, P_WORDS, SCALAR_BYTES } from "./layout";
import { double, y, z } from "./point";
import {
  BASE_TABLE,
  COLUMN_BYTES,
  COMPLETE_SCRATCH,
  DOUBLED,
  MULTIPLE_BYTES,
  MULTIPLES,
  PROJECTIVE,
  SELECTED,
  PLAIN,
} from "./private-layout";
import { reduceOnce } from "./private-scalar";

/*
 * Multiples of a point by a secret number. Which instructions run and which addresses are read never depends on the number:
 *
 * - digits: an odd k < 2^256 is Σ digit[i]·2^(5i), i < 52, each digit odd and within ±31 (see `windowAt`), so that none is 0;
 * - look-up: all 16 odd multiples are read, and a mask keeps one;
 * - addition: the complete formulas of Renes, Costello and Batina (2016, algorithms 4 and 5, a = -3) for projective points
 *   x = X/Z, y = Y/Z, infinity 0 : 1 : 0. They have no exceptions: equal, opposite and infinite points are added like others.
 *
 * Doublings are Jacobian (point.ts), which have no exceptions on a curve of odd order; infinity never occurs there, because what is
 * doubled is j·P with 0 < j < n. All stored coordinates have weight 1 and size ≤ 1.6.
 */

export const COLUMNS: i32 = 52;
const WIDTH: i32 = 5;
const ENTRIES: usize = 16;

function scratch(i: usize): usize {
  return COMPLETE_SCRATCH + i * FIELD_BYTES;
}

/**
 * What both additions end with. t0 = X1X2, t1 = Y1Y2, zz = Z1Z2, t3 = X1Y2 + X2Y1 have weight 1; t4 = Y1Z2 + Y2Z1 and u = X1Z2 + X2Z1
 * weight 2 and size ≤ 2.7. Weights of the last three products: 1·4 + 2·3, 4·1 + 3·3 and 2·1 + 1·3, all within 14.
 */
function finishComplete(point: usize, t0: usize, t1: usize, zz: usize, t3: usize, t4: usize, u: usize): void {
  const e = scratch(6);
  const plus = scratch(7);
  const minus = scratch(8);
  const g = scratch(9);
  const h = scratch(10);
  multiply(e, FIELD_B, zz);
  reduceDifference(e, u, e, FIELD_ZERO); // u - b·zz
  reduceDifference(minus, t1, e, e); // t1 - 3e: 1
  add(plus, e, e);
  add(plus, plus, e);
  add(plus, plus, t1); // t1 + 3e: 4
  multiply(g, FIELD_B, u);
  subtract(g, g, t0);
  reduceDifference(g, g, zz, zz); // b·u - t0 - 3zz
  add(e, g, g);
  add(g, e, g); // 3
  reduceDifference(h, t0, zz, FIELD_ZERO);
  add(e, h, h);
  add(h, e, h); // 3(t0 - zz): 3
  negate(h, h);
  multiplyDifference(point, t3, plus, t4, g);
  multiplyDifference(y(point), plus, minus, h, g);
  multiplyDifference(z(point), t4, minus, t3, h);
}

/** point += the affine point (x2, y2). */
export function addAffineComplete(point: usize, x2: usize, y2: usize): void {
  const t0 = scratch(0);
  const t1 = scratch(1);
  const zz = scratch(2);
  const t3 = scratch(3);
  const t4 = scratch(4);
  const u = scratch(5);
  multiply(t0, point, x2);
  multiply(t1, y(point), y2);
  copy(zz, z(point));
  negate(u, y(point));
  multiplyDifference(t3, point, y2, x2, u);
  multiply(t4, y2, zz);
  add(t4, t4, y(point));
  multiply(u, x2, zz);
  add(u, u, point);
  finishComplete(point, t0, t1, zz, t3, t4, u);
}

/** point += other, both projective; they may be the same. */
export function addComplete(point: usize, other: usize): void {
  const t0 = scratch(0);
  const t1 = scratch(1);
  const zz = scratch(2);
  const t3 = scratch(3);
  const t4 = scratch(4);
  const u = scratch(5);
  multiply(t0, point, other);
  multiply(t1, y(point), y(other));
  multiply(zz, z(point), z(other));
  negate(u, y(point));
  multiplyDifference(t3, point, y(other), other, u);
  negate(u, z(point));
  multiplyDifference(t4, y(point), z(other), y(other), u);
  multiplyDifference(u, point, z(other), other, u);
  finishComplete(point, t0, t1, zz, t3, t4, u);
}

export function setProjectiveInfinity(point: usize): void {
  copy(point, FIELD_ZERO);
  copy(y(point), FIELD_ONE);
  copy(z(point), FIELD_ZERO);
}

/** X : Y : Z becomes XZ, YZ², Z. */
function toJacobian(point: usize): void {
  const zz = scratch(0);
  square(zz, z(point));
  multiply(point, point, z(point));
  multiply(y(point), y(point), zz);
}

/** And back: X, Y, Z becomes XZ : Y : Z³. */
function toProjective(point: usize): void {
  const zz = scratch(0);
  square(zz, z(point));
  multiply(point, point, z(point));
  multiply(z(point), zz, z(point));
}

/**
 * The five bits at 5i of (k-1)/2 + 2^259, for the odd k at `scalar`: twice them, less 31, is the digit. Its sign is their highest bit; of a
 * negative digit the other four are inverted.
 */
function windowAt(scalar: usize, i: i32): u32 {
  const from = WIDTH * i + 1;
  if (i == COLUMNS - 1) return 16;
  const word = from >> 5;
  const at = scalar + ((<usize>word) << 2);
  const next: u64 = word < 7 ? load<u32>(at, 4) : 0;
  return u32((((next << 32) | <u64>load<u32>(at)) >> (from & 31)) & 31);
}

/** SELECTED = table[index] of `bytes` each, a multiple of 8, having read all 16. */
function lookUp(table: usize, bytes: usize, index: u32): void {
  for (let at: usize = 0; at < bytes; at += 8) store<u64>(SELECTED + at, 0);
  for (let i: u32 = 0; i < <u32>ENTRIES; i += 1) {
    const mask: u64 = <u64>((<i64>(i ^ index) - 1) >> 63);
    for (let at: usize = 0; at < bytes; at += 8) store<u64>(SELECTED + at, load<u64>(SELECTED + at) | (load<u64>(table + at) & mask));
    table += bytes;
  }
}

/** a = -a where the mask is -1, and stays where it is 0. */
function negateWhere(a: usize, mask: i32): void {
  for (let at: usize = 0; at < FIELD_BYTES; at += 4) store<i32>(a + at, (load<i32>(a + at) ^ mask) - mask);
}

/** SELECTED = the entry of `table` for a window, with its sign. */
function lookUpSigned(table: usize, bytes: usize, window: u32): void {
  const negative: i32 = <i32>(window >> 4) - 1;
  lookUp(table, bytes, (window ^ <u32>negative) & 15);
  negateWhere(y(SELECTED), negative);
}

/** PROJECTIVE = k·G for the odd k at `scalar`, 0 < k < n. */
export function multiplyBaseBy(scalar: usize): void {
  setProjectiveInfinity(PROJECTIVE);
  for (let column = 0; column < COLUMNS; column += 1) {
    lookUpSigned(BASE_TABLE + <usize>column * COLUMN_BYTES, AFFINE_BYTES, windowAt(scalar, column));
    addAffineComplete(PROJECTIVE, SELECTED, y(SELECTED));
  }
}

/** PROJECTIVE = k·(px, py) for the odd k at `scalar`, 0 < k < n. */
export function multiplyPointBy(scalar: usize, px: usize, py: usize): void {
  oddMultiples(px, py);
  memory.copy(PROJECTIVE, MULTIPLES, JACOBIAN_BYTES);
  for (let i = COLUMNS - 2; i >= 0; i -= 1) {
    toJacobian(PROJECTIVE);
    for (let times = 0; times < WIDTH; times += 1) double(PROJECTIVE);
    toProjective(PROJECTIVE);
    lookUpSigned(MULTIPLES, MULTIPLE_BYTES, windowAt(scalar, i));
    addComplete(PROJECTIVE, SELECTED);
  }
}

/** MULTIPLES = 1, 3, … 31 times the affine point. */
function oddMultiples(px: usize, py: usize): void {
  copy(MULTIPLES, px);
  copy(y(MULTIPLES), py);
  copy(z(MULTIPLES), FIELD_ONE);
  memory.copy(DOUBLED, MULTIPLES, JACOBIAN_BYTES);
  addComplete(DOUBLED, DOUBLED);
  for (let i: usize = 1; i < ENTRIES; i += 1) {
    const multiple = MULTIPLES + i * MULTIPLE_BYTES;
    memory.copy(multiple, multiple - MULTIPLE_BYTES, JACOBIAN_BYTES);
    addComplete(multiple, DOUBLED);
  }
}

/** x and y of PROJECTIVE, which is not infinity, as reduced field elements at `out`. */
export function normalise(out: usize): void {
  const inverse = scratch(11);
  invert(inverse, z(PROJECTIVE));
  multiply(out, PROJECTIVE, inverse);
  multiply(y(out), y(PROJECTIVE), inverse);
}

/** Makes the table of the base point (px, py): column i holds 1, 3, … 31 times 2^(5i)·G. Public, once. */
export function buildBaseTable(px: usize, py: usize): void {
  const base = SELECTED;
  copy(base, px);
  copy(y(base), py);
  for (let column = 0; column < COLUMNS; column += 1) {
    oddMultiples(base, y(base));
    for (let i: usize = 0; i < ENTRIES; i += 1) {
      memory.copy(PROJECTIVE, MULTIPLES + i * MULTIPLE_BYTES, JACOBIAN_BYTES);
      normalise(BASE_TABLE + <usize>column * COLUMN_BYTES + i * AFFINE_BYTES);
    }
    memory.copy(PROJECTIVE, MULTIPLES, JACOBIAN_BYTES);
    for (let times = 0; times < WIDTH; times += 1) addComplete(PROJECTIVE, PROJECTIVE);
    normalise(base);
  }
}

/**
 * The number below p that a field element in Montgomery form stands for, as words. Out of Montgomery form it lies within 0 and p (see
 * `multiply`: |a| < 2^261 leaves nothing below 0), so one subtraction makes it canonical. `spare` is 32 bytes.
 */
export function toWords(out: usize, a: usize, spare: usize): void {
  const plain = PLAIN;
  multiply(plain, a, FIELD_UNIT);
  let bits: i64 = 0;
  let count: i32 = 0;
  let at: usize = 0;
  for (let limb: usize = 0; limb < 9; limb += 1) {
    bits += (<i64>load<i32>(plain + (limb << 2))) << count;
    count += 29;
    if (count >= 32 && at < SCALAR_BYTES) {
      store<u32>(out + at, u32(bits));
      bits >>= 32;
      count -= 32;
      at += 4;
    }
  }
  reduceOnce(out, 0, P_WORDS, spare);
}
