import { AFFINE_BYTES, FIELD_BYTES, SCALAR_BYTES } from "./layout";

/**
 * The memory map of `sm2private.wasm`: that of layout.ts, where the verifier's tables and digits are not used, and what follows. What
 * lies in SECRETS is wiped at the end of each call that the host makes.
 */

/** Order of the base point, made once: -1/n mod 2^32, and 2^512 mod n. */
export const N_FACTOR: usize = 0x1400;
export const N_R2: usize = N_FACTOR + SCALAR_BYTES;

/** What the host writes: a private key d (big-endian) with 1/(1+d) behind it as `prepare` gave it, and 32 bytes of fresh randomness. */
export const PRIVATE_KEY: usize = 0x1300;
export const INVERSE: usize = PRIVATE_KEY + SCALAR_BYTES;
export const ENTROPY: usize = INVERSE + SCALAR_BYTES;
/** What a call gives: r‖s, or x‖y of a point. */
export const RESULT: usize = ENTROPY + SCALAR_BYTES;

/** From here to SECRETS_END everything follows from a secret. */
export const SECRETS: usize = 0x1800;
export const SCALARS: usize = SECRETS;
export const NONCE_KEY: usize = SECRETS + 0x180;
export const NONCE_VALUE: usize = NONCE_KEY + SCALAR_BYTES;
export const DIGEST_MOD_N: usize = NONCE_VALUE + SCALAR_BYTES;
/** Scratch of the formulas: 14 field elements. */
export const COMPLETE_SCRATCH: usize = SECRETS + 0x200;
export const PROJECTIVE: usize = COMPLETE_SCRATCH + 0x200;
export const SELECTED: usize = PROJECTIVE + 0x80;
export const AFFINE: usize = SELECTED + 0x80;
/** Odd multiples of a point, 112 bytes each so that whole 64-bit words hold one. */
export const MULTIPLE_BYTES: usize = 112;
export const MULTIPLES: usize = SECRETS + 0x600;
export const DOUBLED: usize = MULTIPLES + 16 * MULTIPLE_BYTES;
export const SECRETS_END: usize = 0x2800;

/** The table of the base point: COLUMNS columns of 16 affine points. */
export const BASE_TABLE: usize = 0x8000;
export const COLUMN_BYTES: usize = 16 * AFFINE_BYTES;
/** A field element out of Montgomery form. */
export const PLAIN: usize = COMPLETE_SCRATCH + 13 * FIELD_BYTES;
