import { add, fromBytes, fromWords, isEqual, multiply, square, subtract, toMontgomery } from "./field";
import {
  AFFINE_BYTES,
  DIGEST,
  FIELD_B,
  FIELD_BYTES,
  FIELD_ONE,
  FIELD_R2,
  FIELD_THREE,
  FIELD_UNIT,
  GENERATOR,
  GENERATOR_TABLE,
  KEY,
  N_WORDS,
  P_WORDS,
  POINT,
  SCALAR_BYTES,
  SIGNATURE,
  SUM,
  VERIFY_SCRATCH,
  WORK_WORDS,
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

const UNCOMPRESSED: u8 = 4;

/** A constant of the curve, the most significant word first as the standard prints it. */
function words(out: usize, w7: u32, w6: u32, w5: u32, w4: u32, w3: u32, w2: u32, w1: u32, w0: u32): usize {
  store<u32>(out, w0);
  store<u32>(out, w1, 4);
  store<u32>(out, w2, 8);
  store<u32>(out, w3, 12);
  store<u32>(out, w4, 16);
  store<u32>(out, w5, 20);
  store<u32>(out, w6, 24);
  store<u32>(out, w7, 28);
  return out;
}

/** Makes the constants and the base point's table (a few milliseconds). Once, before anything else. */
export function initialise(): void {
  words(P_WORDS, 0xfffffffe, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x00000000, 0xffffffff, 0xffffffff);
  words(N_WORDS, 0xfffffffe, 0xffffffff, 0xffffffff, 0xffffffff, 0x7203df6b, 0x21c6052b, 0x53bbf409, 0x39d54123);
  const w = WORK_WORDS;
  fromWords(FIELD_UNIT, words(w, 0, 0, 0, 0, 0, 0, 0, 1));
  // R² = 2^522 mod p.
  fromWords(FIELD_R2, words(w, 0x00001000, 0x00000800, 0x00000400, 0x00000400, 0x00000bff, 0xfffffc00, 0x00000800, 0x00000c00));
  toMontgomery(FIELD_ONE, FIELD_UNIT);
  fromWords(FIELD_THREE, words(w, 0, 0, 0, 0, 0, 0, 0, 3));
  toMontgomery(FIELD_THREE, FIELD_THREE);
  fromWords(FIELD_B, words(w, 0x28e9fa9e, 0x9d9f5e34, 0x4d5a9e4b, 0xcf6509a7, 0xf39789f5, 0x15ab8f92, 0xddbcbd41, 0x4d940e93));
  toMontgomery(FIELD_B, FIELD_B);
  fromWords(GENERATOR, words(w, 0x32c4ae2c, 0x1f198119, 0x5f990446, 0x6a39c994, 0x8fe30bbf, 0xf2660be1, 0x715a4589, 0x334c74c7));
  toMontgomery(GENERATOR, GENERATOR);
  fromWords(y(GENERATOR), words(w, 0xbc3736a2, 0xf4f6779c, 0x59bdcee3, 0x6b692153, 0xd0a9877c, 0xc62a4740, 0x02df32e5, 0x2139f0a0));
  toMontgomery(y(GENERATOR), y(GENERATOR));
  buildTable(GENERATOR_TABLE, GENERATOR, y(GENERATOR), WIDTH_OF_BASE, COLUMNS_OF_BASE, ROUNDS_OF_BASE);
}

/**
 * Reads the key at KEY. True for 04‖x‖y with x, y < p on the curve (GB/T 32918.1 6.2.1); infinity has no such form, and the cofactor is
 * 1. Until the next call it is the key of `verify(NO_TABLE, …)` and `keepTable`; after a refusal there is none to use.
 */
export function loadKey(): bool {
  if (load<u8>(KEY) != UNCOMPRESSED) return false;
  for (let at: usize = 0; at < 2; at += 1) {
    const coordinate = KEY + 1 + at * SCALAR_BYTES;
    loadWords(WORK_WORDS, coordinate);
    if (!isBelow(WORK_WORDS, P_WORDS)) return false;
    fromBytes(POINT + at * FIELD_BYTES, coordinate);
  }
  const left = VERIFY_SCRATCH;
  const right = VERIFY_SCRATCH + FIELD_BYTES;
  square(left, y(POINT));
  square(right, POINT);
  subtract(right, right, FIELD_THREE); // x² - 3: weight 2
  multiply(right, right, POINT);
  add(right, right, FIELD_B); // weight 2
  return isEqual(left, right);
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
