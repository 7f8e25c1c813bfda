import { initialiseCurve, loadKey } from "./curve";
import {
  CHUNK,
  DIGEST,
  FIELD_BYTES,
  FIELD_SCRATCH,
  FIELD_ZERO,
  GENERATOR,
  N_WORDS,
  POINT,
  POINT_SCRATCH,
  SCALAR_BYTES,
  SM3_BLOCK,
  SM3_STATE,
  WORK_WORDS,
} from "./layout";
import { buildBaseTable, multiplyBaseBy, multiplyPointBy, normalise, toWords } from "./complete";
import { subtract } from "./field";
import { nextNonce, startNonces } from "./nonce";
import { y } from "./point";
import { AFFINE, DIGEST_MOD_N, INVERSE, N_R2, NONCE_VALUE, PRIVATE_KEY, RESULT, SCALARS, SECRETS, SECRETS_END } from "./private-layout";
import {
  addSecret,
  initialiseScalars,
  invertModN,
  maskOfBelow,
  maskOfZero,
  multiplyModN,
  reduceOnce,
  select,
  subtractSecret,
} from "./private-scalar";
import { loadWords } from "./scalar";

/*
 * SM2 with a private key (GB/T 32918.2 clause 6, 32918.3 and 32918.4): in constant time, as far as WebAssembly promises it. No branch and
 * no address depends on a key, a nonce or what follows from them; what is declared (whether a candidate was refused) is said where. A
 * module of its own: it shares its field and curve with the verifier's, and no memory.
 *
 * The host calls `initialise` once, and `wipe` after each call that met a secret.
 */

export { CHUNK, CHUNK_BYTES, DIGEST, KEY } from "./layout";
export { ENTROPY, INVERSE, PRIVATE_KEY, RESULT } from "./private-layout";
export { sm3Finish, sm3Start, sm3Update } from "./sm3";
/** For the tests, which add equal, opposite and infinite points and look for what was left behind. */
export { addAffineComplete, addComplete, normalise, toWords } from "./complete";
export { PROJECTIVE, SECRETS, SECRETS_END } from "./private-layout";
export { fromBytes } from "./field";

const K: usize = SCALARS;
const ODD: usize = K + SCALAR_BYTES;
const X: usize = ODD + SCALAR_BYTES;
const R: usize = X + SCALAR_BYTES;
const T: usize = R + SCALAR_BYTES;
const S: usize = T + SCALAR_BYTES;
const SPARE: usize = S + SCALAR_BYTES;
const PRODUCT: usize = SPARE + SCALAR_BYTES;

/** Makes the constants and the base point's table (some milliseconds). Once, before anything else. */
export function initialise(): void {
  initialiseCurve();
  initialiseScalars();
  buildBaseTable(GENERATOR, y(GENERATOR));
}

/** 32 big-endian bytes of a number. */
function storeWords(out: usize, words: usize): void {
  for (let at: usize = 0; at < SCALAR_BYTES; at += 4) store<u32>(out + at, bswap<u32>(load<u32>(words + 28 - at)));
}

/** ODD = k or n - k, whichever is odd; gives 2^32-1 where it is n - k. */
function makeOdd(k: usize): u32 {
  const even: u32 = (load<u32>(k) & 1) - 1;
  memory.fill(ODD, 0, SCALAR_BYTES);
  subtractSecret(SPARE, ODD, k); // n - k, as -k mod n
  select(ODD, even, SPARE, k);
  return even;
}

/**
 * For the private key at PRIVATE_KEY writes 1/(1+d) mod n, in Montgomery form, to INVERSE. False unless 1 ≤ d ≤ n-2, which is all that is
 * told of it.
 */
export function prepare(): bool {
  loadWords(K, PRIVATE_KEY);
  memory.fill(X, 0, SCALAR_BYTES);
  store<u32>(X, 1);
  const usable = maskOfBelow(K, N_WORDS) & ~maskOfZero(K);
  addSecret(T, K, X, SPARE);
  if ((usable & ~maskOfZero(T)) == 0) return false;
  multiplyModN(T, T, N_R2, PRODUCT);
  invertModN(S, T, PRODUCT);
  memory.copy(INVERSE, S, SCALAR_BYTES);
  return true;
}

/** The words of x or y of PROJECTIVE, already at AFFINE. */
function coordinate(out: usize, at: usize): void {
  toWords(out, AFFINE + at * FIELD_BYTES, SPARE);
}

/**
 * GB/T 32918.2 clause 6 from step A3 on: r‖s at RESULT for d at PRIVATE_KEY with its INVERSE, e at DIGEST, and ENTROPY. Nonces that the
 * standard refuses (one in 2^32 is n or more) are drawn again, which tells nothing of the one that is taken. False after eight refusals.
 */
export function sign(): bool {
  loadWords(T, DIGEST);
  reduceOnce(T, 0, N_WORDS, SPARE);
  storeWords(DIGEST_MOD_N, T);
  startNonces();
  for (let attempt = 0; attempt < 8; attempt += 1) {
    nextNonce(attempt == 0);
    loadWords(K, NONCE_VALUE);
    if ((maskOfBelow(K, N_WORDS) & ~maskOfZero(K)) == 0) continue;
    makeOdd(K);
    multiplyBaseBy(ODD); // ±k·G: x is the same
    normalise(AFFINE);
    coordinate(X, 0);
    reduceOnce(X, 0, N_WORDS, SPARE);
    loadWords(T, DIGEST_MOD_N);
    addSecret(R, T, X, SPARE);
    addSecret(T, R, K, SPARE);
    // s = (k - r·d)/(1+d) = (r + k)/(1+d) - r
    multiplyModN(S, T, INVERSE, PRODUCT);
    subtractSecret(S, S, R);
    if ((maskOfZero(R) | maskOfZero(T) | maskOfZero(S)) != 0) continue;
    storeWords(RESULT, R);
    storeWords(RESULT + SCALAR_BYTES, S);
    return true;
  }
  return false;
}

/** Whether the number at PRIVATE_KEY lies within 1 and n-1; then K and ODD are made of it. */
function loadFactor(): bool {
  loadWords(K, PRIVATE_KEY);
  return (maskOfBelow(K, N_WORDS) & ~maskOfZero(K)) != 0;
}

/** A field element while its sign is chosen. */
const NEGATED: usize = FIELD_SCRATCH;

/** x‖y of ±PROJECTIVE to RESULT. */
function storePoint(negated: u32): void {
  normalise(AFFINE);
  const ordinate = y(AFFINE);
  // -y where ODD was n - k.
  subtract(NEGATED, FIELD_ZERO, ordinate);
  for (let at: usize = 0; at < FIELD_BYTES; at += 4) {
    const own = load<i32>(ordinate + at);
    store<i32>(ordinate + at, own ^ (<i32>negated & (load<i32>(NEGATED + at) ^ own)));
  }
  for (let at: usize = 0; at < 2; at += 1) {
    coordinate(X, at);
    storeWords(RESULT + at * SCALAR_BYTES, X);
  }
}

/** x‖y of k·G at RESULT, for k at PRIVATE_KEY. False unless 1 ≤ k ≤ n-1. */
export function multiplyBase(): bool {
  if (!loadFactor()) return false;
  const negated = makeOdd(K);
  multiplyBaseBy(ODD);
  storePoint(negated);
  return true;
}

/** x‖y of k·P at RESULT, for k at PRIVATE_KEY and the point at KEY. False unless 1 ≤ k ≤ n-1 and P is on the curve. */
export function multiplyPoint(): bool {
  if (!loadFactor() || !loadKey()) return false;
  const negated = makeOdd(K);
  multiplyPointBy(ODD, POINT, y(POINT));
  storePoint(negated);
  return true;
}

/** Forgets what the last call worked with: keys, nonces, what followed from them, and the result. The host has copied what it wants. */
export function wipe(): void {
  memory.fill(SECRETS, 0, SECRETS_END - SECRETS);
  memory.fill(PRIVATE_KEY, 0, RESULT + 2 * SCALAR_BYTES - PRIVATE_KEY);
  memory.fill(FIELD_SCRATCH, 0, POINT_SCRATCH + 0x200 - FIELD_SCRATCH);
  memory.fill(WORK_WORDS, 0, SCALAR_BYTES);
  memory.fill(SM3_STATE, 0, SM3_BLOCK + 64 - SM3_STATE);
  memory.fill(CHUNK, 0, 0x100);
  memory.fill(DIGEST, 0, SCALAR_BYTES);
}
