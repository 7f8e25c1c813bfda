/**
 * The memory map, in bytes. Everything has a fixed address: there is no heap, no collector and no data segment, so that the module
 * imports nothing and a reader can say where each value lies.
 */

/** A field element: nine signed limbs of 29 bits, each stored in 32 (see field.ts). */
export const FIELD_BYTES: usize = 36;
/** X, Y, Z of a Jacobian point: x = X/Z², y = Y/Z³, and Z ≡ 0 for infinity. */
export const JACOBIAN_BYTES: usize = 3 * FIELD_BYTES;
/** x, y of a point of a table. */
export const AFFINE_BYTES: usize = 2 * FIELD_BYTES;
/** A 256-bit number: eight 32-bit words, the least first (see scalar.ts). */
export const SCALAR_BYTES: usize = 32;

/** What the host writes before a call: key (04‖x‖y), signature (r‖s) and digest e, big-endian as in the standard. */
export const KEY: usize = 0x400;
export const SIGNATURE: usize = 0x480;
export const DIGEST: usize = 0x4c0;

/** Constants, made once by `initialise`. */
const CONSTANTS: usize = 0x500;
export const P_WORDS: usize = CONSTANTS;
export const N_WORDS: usize = CONSTANTS + 32;
export const WORK_WORDS: usize = CONSTANTS + 64;
export const FIELD_ZERO: usize = CONSTANTS + 0x80;
export const FIELD_UNIT: usize = FIELD_ZERO + FIELD_BYTES;
export const FIELD_R2: usize = FIELD_UNIT + FIELD_BYTES;
export const FIELD_ONE: usize = FIELD_R2 + FIELD_BYTES;
export const FIELD_THREE: usize = FIELD_ONE + FIELD_BYTES;
export const FIELD_B: usize = FIELD_THREE + FIELD_BYTES;
export const GENERATOR: usize = FIELD_B + FIELD_BYTES;

/** Scratch of one layer each, so that a caller's values survive its callees. */
export const FIELD_SCRATCH: usize = 0x800;
export const POINT_SCRATCH: usize = 0xa00;
export const TABLE_SCRATCH: usize = 0xd00;
export const VERIFY_SCRATCH: usize = 0xf00;
/** The sum s·G + t·P while it is built. */
export const SUM: usize = 0x1200;
/** The public key of the last `loadKey`: x and y in Montgomery form. */
export const POINT: usize = 0x1280;
/** Signed digits of a scalar, two bytes each; 257 at most. */
export const DIGITS: usize = 0x1300;
/** Chaining value, expanded message and partly filled block of SM3. */
export const SM3_STATE: usize = 0x1600;
export const SM3_WORDS: usize = 0x1640;
export const SM3_BLOCK: usize = 0x1780;
/** Odd multiples of a key that has no table. */
export const ODD_MULTIPLES: usize = 0x1800;

/** Where the host puts the pieces of a message for `sm3Update`. */
export const CHUNK: usize = 0x4000;
export const CHUNK_BYTES: usize = 0x4000;
/** Jacobian points and running products while a table is built: the widest column has 128 points. */
export const COLUMN: usize = 0x8000;
export const COLUMN_PRODUCTS: usize = COLUMN + 128 * JACOBIAN_BYTES;
/** The table of the base point; what lies behind it belongs to the host, which puts the tables of keys there. */
export const GENERATOR_TABLE: usize = 0x10000;
