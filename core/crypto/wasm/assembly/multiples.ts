import { copy, invert, multiply, negate, square } from "./field";
import { AFFINE_BYTES, COLUMN, COLUMN_PRODUCTS, FIELD_BYTES, JACOBIAN_BYTES, ODD_MULTIPLES, SUM, TABLE_SCRATCH } from "./layout";
import { addAffine, addReady, copyPoint, double, makeReady, READY_BYTES, setAffine, setInfinity, y, z } from "./point";
import { digitAt, NAF_DIGITS, nonAdjacentForm, signedWindows } from "./scalar";

/*
 * Multiples of a point, in two ways: from a table of affine points, or without one. Both add to SUM.
 *
 * A table has `columns` columns of 2^(width-1) points. Column c holds 1·B, 2·B, … of B = 2^(width·rounds·c)·P, so a scalar of
 * columns·rounds signed windows takes one addition for each window and width·(rounds-1) doublings. One round (a column for each window)
 * is the fastest and largest; more rounds over fewer columns make the table smaller.
 */

/** Base point: 33 columns of 128, 297 KiB, no doublings. The windows cover 264 bits. */
export const WIDTH_OF_BASE: i32 = 8;
export const COLUMNS_OF_BASE: i32 = 33;
export const ROUNDS_OF_BASE: i32 = 1;
/** Small: 8 columns of 16, 9 KiB, 30 doublings and 56 windows, which cover 280 bits. */
export const WIDTH_OF_SMALL: i32 = 5;
export const COLUMNS_OF_SMALL: i32 = 8;
export const ROUNDS_OF_SMALL: i32 = 7;
/** Large: 43 columns of 32, 97 KiB, no doublings. The windows cover 258 bits. */
export const WIDTH_OF_LARGE: i32 = 6;
export const COLUMNS_OF_LARGE: i32 = 43;
export const ROUNDS_OF_LARGE: i32 = 1;

const NEGATED: usize = TABLE_SCRATCH;
const BASE: usize = TABLE_SCRATCH + FIELD_BYTES;
const INVERSE: usize = BASE + READY_BYTES;
const ONE_INVERSE: usize = INVERSE + FIELD_BYTES;
const INVERSE_SQUARE: usize = ONE_INVERSE + FIELD_BYTES;

/** Nothing added to SUM yet: the first point is copied, and doubling nothing is skipped. */
let sumIsEmpty: bool = true;

export function emptySum(): void {
  setInfinity(SUM);
  sumIsEmpty = true;
}

/** COLUMN[i], i < count, as affine points in `table`: one inversion for all (Montgomery's trick). None of them is infinity. */
function normaliseColumn(table: usize, count: usize): void {
  copy(COLUMN_PRODUCTS, z(COLUMN));
  for (let i: usize = 1; i < count; i += 1) {
    const product = COLUMN_PRODUCTS + i * FIELD_BYTES;
    multiply(product, product - FIELD_BYTES, z(COLUMN + i * JACOBIAN_BYTES)); // weight 2·2
  }
  invert(INVERSE, COLUMN_PRODUCTS + (count - 1) * FIELD_BYTES);
  for (let i = count; i > 0;) {
    i -= 1;
    const point = COLUMN + i * JACOBIAN_BYTES;
    const entry = table + i * AFFINE_BYTES;
    if (i > 0) {
      multiply(ONE_INVERSE, INVERSE, COLUMN_PRODUCTS + (i - 1) * FIELD_BYTES);
      multiply(INVERSE, INVERSE, z(point));
    } else {
      copy(ONE_INVERSE, INVERSE);
    }
    square(INVERSE_SQUARE, ONE_INVERSE);
    multiply(entry, point, INVERSE_SQUARE); // size 1.1
    multiply(INVERSE_SQUARE, INVERSE_SQUARE, ONE_INVERSE);
    multiply(y(entry), y(point), INVERSE_SQUARE); // size 1.1
  }
}

/**
 * Writes the table of the affine point (px, py). No exceptions: the point has prime order n, so k·B for 2 ≤ k < 128 is neither ±B nor
 * infinity.
 */
export function buildTable(table: usize, px: usize, py: usize, width: i32, columns: i32, rounds: i32): void {
  const points: usize = (<usize>1) << (width - 1);
  setAffine(BASE, px, py);
  for (let column = 0; column < columns; column += 1) {
    makeReady(BASE);
    copyPoint(COLUMN, BASE);
    copyPoint(COLUMN + JACOBIAN_BYTES, BASE);
    double(COLUMN + JACOBIAN_BYTES);
    for (let i: usize = 2; i < points; i += 1) {
      const point = COLUMN + i * JACOBIAN_BYTES;
      copyPoint(point, point - JACOBIAN_BYTES);
      addReady(point, BASE, y(BASE), false);
    }
    normaliseColumn(table, points);
    table += points * AFFINE_BYTES;
    for (let i = 0; i < width * rounds; i += 1) double(BASE);
  }
}

/** SUM += digit·(the table's column at `column`), |digit| ≤ the column's points. */
function addEntry(column: usize, digit: i32, checked: bool): void {
  if (digit == 0) return;
  const entry = column + <usize>(abs(digit) - 1) * AFFINE_BYTES;
  let ordinate = y(entry);
  if (digit < 0) {
    negate(NEGATED, ordinate);
    ordinate = NEGATED;
  }
  if (sumIsEmpty) {
    setAffine(SUM, entry, ordinate);
    sumIsEmpty = false;
  } else {
    addAffine(SUM, entry, ordinate, checked);
  }
}

/** SUM += scalar·P by P's table. With more than one round SUM must be empty, because it is doubled. */
export function addByTable(table: usize, width: i32, columns: i32, rounds: i32, scalar: usize, checked: bool): void {
  signedWindows(scalar, width, columns * rounds);
  const columnBytes: usize = AFFINE_BYTES << (width - 1);
  for (let round = rounds - 1; round >= 0; round -= 1) {
    if (!sumIsEmpty && round < rounds - 1) for (let i = 0; i < width; i += 1) double(SUM);
    for (let column = 0; column < columns; column += 1) {
      addEntry(table + <usize>column * columnBytes, digitAt(column * rounds + round), checked);
    }
  }
}

/** Odd multiples P, 3P, … 15P: what a width-5 non-adjacent form needs. */
const ODD_COUNT: usize = 8;

/** SUM = scalar·(px, py) without a table, for a key that is seen once: 256 doublings and about 43 additions. SUM must be empty. */
export function addWithoutTable(px: usize, py: usize, scalar: usize, checked: bool): void {
  setAffine(ODD_MULTIPLES, px, py);
  makeReady(ODD_MULTIPLES);
  copyPoint(BASE, ODD_MULTIPLES);
  double(BASE);
  makeReady(BASE);
  for (let i: usize = 1; i < ODD_COUNT; i += 1) {
    const multiple = ODD_MULTIPLES + i * READY_BYTES;
    // (2i-1)P + 2P: never exceptional, as n is a large prime.
    copyPoint(multiple, multiple - READY_BYTES);
    addReady(multiple, BASE, y(BASE), false);
    makeReady(multiple);
  }
  nonAdjacentForm(scalar);
  for (let i = NAF_DIGITS - 1; i >= 0; i -= 1) {
    if (!sumIsEmpty) double(SUM);
    const digit = digitAt(i);
    if (digit == 0) continue;
    const multiple = ODD_MULTIPLES + <usize>(abs(digit) >> 1) * READY_BYTES;
    let ordinate = y(multiple);
    if (digit < 0) {
      negate(NEGATED, ordinate);
      ordinate = NEGATED;
    }
    if (sumIsEmpty) {
      copyPoint(SUM, multiple);
      copy(y(SUM), ordinate);
      sumIsEmpty = false;
    } else {
      addReady(SUM, multiple, ordinate, checked);
    }
  }
}
