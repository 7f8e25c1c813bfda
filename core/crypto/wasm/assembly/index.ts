import { fromWords, isEqual, multiply, square, toMontgomery } from "./field";
import { initialiseCurve } from "./curve";
import {
  AFFINE_BYTES,
  DIGEST,
  FIELD_BYTES,
  GENERATOR,
  GENERATOR_TABLE,
  N_WORDS,
  P_WORDS,
  POINT,
  SCALAR_BYTES,
  SIGNATURE,
  SUM,
  VERIFY_SCRATCH,
} from "./layout";
import {
  addByTable,
  addWithoutTable,
  buildTable,
  COLUMNS_OF_BASE,
  COLUMNS_OF_LARGE,
  COLUMNS_OF_SMALL,
  emptySum,
  ROUNDS_OF_BASE,
  ROUNDS_OF_LARGE,
  ROUNDS_OF_SMALL,
  WIDTH_OF_BASE,
  WIDTH_OF_LARGE,
  WIDTH_OF_SMALL,
} from "./multiples";
import { isInfinity, y, z } from "./point";
import { addModN, addWords, isBelow, isZeroWords, loadWords, reduceModN, subtractModN } from "./scalar";

/*
 * SM2 verification (GB/T 32918.2 clause 7). Public data only: nothing here is secret, nothing here signs, and nothing runs in constant
 * time. The host calls `initialise` once, then for each signature: key to KEY and `loadKey` (or a table kept from before), r‖s to
 * SIGNATURE, e to DIGEST (or SM3, which leaves it there), `verify`.
 */

export { CHUNK, CHUNK_BYTES, DIGEST, KEY, SIGNATURE, FIELD_BYTES, FIELD_SCRATCH } from "./layout";
export { loadKey } from "./curve";
export { sm3Finish, sm3Start, sm3Update } from "./sm3";
/** For the tests, which walk the extreme limbs. */
export { multiply, multiplyDifference, reduceDifference, square } from "./field";

/** What `verify` and `keepTable` take as the kind of a table. */
export const NO_TABLE: i32 = 0;
export const SMALL_TABLE: i32 = 1;
export const LARGE_TABLE: i32 = 2;
export const SMALL_TABLE_BYTES: usize = AFFINE_BYTES * ((<usize>COLUMNS_OF_SMALL) << (WIDTH_OF_SMALL - 1));
export const LARGE_TABLE_BYTES: usize = AFFINE_BYTES * ((<usize>COLUMNS_OF_LARGE) << (WIDTH_OF_LARGE - 1));
/** Where the host's memory for tables begins. */
export const TABLES: usize = GENERATOR_TABLE + AFFINE_BYTES * ((<usize>COLUMNS_OF_BASE) << (WIDTH_OF_BASE - 1));

/** Makes the constants and the base point's table (a few milliseconds). Once, before anything else. */
export function initialise(): void {
  initialiseCurve();
  buildTable(GENERATOR_TABLE, GENERATOR, y(GENERATOR), WIDTH_OF_BASE, COLUMNS_OF_BASE, ROUNDS_OF_BASE);
}

/** Writes the table of the loaded key at `address`, where the host has left room for it. */
export function keepTable(kind: i32, address: usize): void {
  if (kind == SMALL_TABLE) buildTable(address, POINT, y(POINT), WIDTH_OF_SMALL, COLUMNS_OF_SMALL, ROUNDS_OF_SMALL);
  else buildTable(address, POINT, y(POINT), WIDTH_OF_LARGE, COLUMNS_OF_LARGE, ROUNDS_OF_LARGE);
}

const R: usize = VERIFY_SCRATCH + 4 * FIELD_BYTES;
const S: usize = R + SCALAR_BYTES;
const T: usize = S + SCALAR_BYTES;
const E: usize = T + SCALAR_BYTES;
const CANDIDATE: usize = E + SCALAR_BYTES;
const CANDIDATE_FIELD: usize = VERIFY_SCRATCH;
const ZZ: usize = VERIFY_SCRATCH + FIELD_BYTES;

/** SUM = t·P + s·G. The key comes first, because its doublings must not double the base point's part. */
function sum(kind: i32, table: usize, checked: bool): void {
  emptySum();
  if (kind == NO_TABLE) addWithoutTable(POINT, y(POINT), T, checked);
  else if (kind == SMALL_TABLE) addByTable(table, WIDTH_OF_SMALL, COLUMNS_OF_SMALL, ROUNDS_OF_SMALL, T, checked);
  else addByTable(table, WIDTH_OF_LARGE, COLUMNS_OF_LARGE, ROUNDS_OF_LARGE, T, checked);
  addByTable(GENERATOR_TABLE, WIDTH_OF_BASE, COLUMNS_OF_BASE, ROUNDS_OF_BASE, S, checked);
}

/** Whether x(SUM) is CANDIDATE: X ≡ candidate·Z², without an inversion. CANDIDATE < p. */
function isAbscissa(): bool {
  fromWords(CANDIDATE_FIELD, CANDIDATE);
  toMontgomery(CANDIDATE_FIELD, CANDIDATE_FIELD);
  square(ZZ, z(SUM));
  multiply(CANDIDATE_FIELD, CANDIDATE_FIELD, ZZ);
  return isEqual(SUM, CANDIDATE_FIELD);
}

/**
 * GB/T 32918.2 clause 7, steps B1, B2 and B5 to B7, for r‖s at SIGNATURE and e at DIGEST, with the loaded key (NO_TABLE) or with a table
 * at `table` that `keepTable` wrote.
 */
export function verify(kind: i32, table: usize): bool {
  loadWords(R, SIGNATURE);
  loadWords(S, SIGNATURE + SCALAR_BYTES);
  if (isZeroWords(R) || !isBelow(R, N_WORDS)) return false;
  if (isZeroWords(S) || !isBelow(S, N_WORDS)) return false;
  addModN(T, R, S);
  if (isZeroWords(T)) return false;
  sum(kind, table, false);
  if (isInfinity(SUM)) {
    // An exceptional addition on the way (or infinity indeed): only crafted input comes here, and it costs twice.
    sum(kind, table, true);
    if (isInfinity(SUM)) return false;
  }
  // R = e + x1 mod n, so x1 ≡ r - e, and x1 < p leaves r - e and, while it is below p, r - e + n.
  loadWords(E, DIGEST);
  reduceModN(E);
  subtractModN(CANDIDATE, R, E);
  if (isAbscissa()) return true;
  return addWords(CANDIDATE, CANDIDATE, N_WORDS) == 0 && isBelow(CANDIDATE, P_WORDS) && isAbscissa();
}
