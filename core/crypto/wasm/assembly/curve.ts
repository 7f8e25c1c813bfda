import { add, fromBytes, fromWords, isEqual, multiply, square, subtract, toMontgomery } from "./field";
import {
  FIELD_B,
  FIELD_BYTES,
  FIELD_ONE,
  FIELD_R2,
  FIELD_THREE,
  FIELD_UNIT,
  GENERATOR,
  KEY,
  N_WORDS,
  P_WORDS,
  POINT,
  SCALAR_BYTES,
  VERIFY_SCRATCH,
  WORK_WORDS,
} from "./layout";
import { y } from "./point";
import { isBelow, loadWords } from "./scalar";

/* The curve of GB/T 32918.5, and points of it that come from outside. All of it is public. */

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

/** Makes the constants. */
export function initialiseCurve(): void {
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
