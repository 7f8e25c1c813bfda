import { concat, fromHex, toHex, utf8 } from "./text.ts";

/** The recommended curve of GB/T 32918.5: y² = x³ + ax + b over F_p, base point G of prime order n, cofactor 1. */
const P_HEX = "fffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffff";
const A_HEX = "fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc";
const B_HEX = "28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93";
const GX_HEX = "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7";
const GY_HEX = "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0";
const N_HEX = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123";

const P = BigInt(`0x${P_HEX}`);
const A = BigInt(`0x${A_HEX}`);
const B = BigInt(`0x${B_HEX}`);
/** The order n of the base point. */
export const SM2_ORDER = BigInt(`0x${N_HEX}`);

export const SM2_SCALAR_BYTES = 32;
export const SM2_PUBLIC_KEY_BYTES = 65;
export const SM2_SIGNATURE_BYTES = 64;
const UNCOMPRESSED = 0x04;

/** Big-endian unsigned integer. */
export function toInteger(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${toHex(bytes)}`);
}

/**
 * 65 bytes beginning 04 whose coordinates are below p and fulfil the curve's equation (GB/T 32918.1 6.2.1). The cofactor is 1 and
 * infinity has no such encoding, so every such point has order n. Compressed and hybrid forms are not keys here.
 */
export function isPublicKey(key: Uint8Array): boolean {
  if (key.length !== SM2_PUBLIC_KEY_BYTES || key[0] !== UNCOMPRESSED) return false;
  const x = toInteger(key.subarray(1, 33));
  const y = toInteger(key.subarray(33));
  return x < P && y < P && (y * y - (x * x + A) * x - B) % P === 0n;
}

/** The 65 bytes of a point given as 02‖x or 03‖x (GB/T 32918.1 4.2.9); `undefined` when no point of the curve has this x. */
export function decompressed(key: Uint8Array): Uint8Array | undefined {
  const [form] = key;
  if (key.length !== 1 + SM2_SCALAR_BYTES || (form !== 2 && form !== 3)) return undefined;
  const x = toInteger(key.subarray(1));
  if (x >= P) return undefined;
  const square = ((x * x + A) * x + B) % P;
  // p ≡ 3 mod 4: a root, where there is one, is the power (p + 1) / 4.
  const root = power(square, (P + 1n) / 4n);
  if ((root * root) % P !== square) return undefined;
  const y = (root & 1n) === BigInt(form - 2) ? root : P - root;
  const point = concat(Uint8Array.of(UNCOMPRESSED), key.subarray(1), constant(y.toString(16).padStart(2 * SM2_SCALAR_BYTES, "0")));
  return isPublicKey(point) ? point : undefined;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let [square, left] = [base % P, exponent]; left > 0n; [square, left] = [(square * square) % P, left >> 1n])
    if ((left & 1n) === 1n) result = (result * square) % P;
  return result;
}

/**
 * 32 bytes with 1 ≤ d ≤ n-2 (GB/T 32918.1 6.1: d = n-1 has no inverse of 1+d). Looks at every byte whatever they are: nothing of the key
 * shows in the time it takes but whether it is one.
 */
export function isPrivateKey(key: Uint8Array): boolean {
  if (key.length !== SM2_SCALAR_BYTES) return false;
  let any = 0;
  let borrow = 0;
  for (let at = SM2_SCALAR_BYTES - 1; at >= 0; at -= 1) {
    const byte = key[at] ?? 0;
    any |= byte;
    borrow = (byte - (ORDER_LESS_ONE[at] ?? 0) - borrow) >>> 31;
  }
  return any !== 0 && borrow === 1;
}

/** The checks of GB/T 32918.2 7.1 B1, B2 and B5 that need no curve arithmetic: length, 1 ≤ r,s ≤ n-1, r+s ≢ 0 mod n. */
export function isCanonicalSignature(signature: Uint8Array): boolean {
  if (signature.length !== SM2_SIGNATURE_BYTES) return false;
  const r = toInteger(signature.subarray(0, 32));
  const s = toInteger(signature.subarray(32));
  return r >= 1n && r < SM2_ORDER && s >= 1n && s < SM2_ORDER && r + s !== SM2_ORDER;
}

/** ENTLA counts bits in two bytes (GB/T 32918.2 5.5). */
const USER_ID_BYTES_MAX = 8191;

/** A user id that has one UTF-8 form (no lone surrogates) and a length that ENTLA can state. */
export function isUserId(userId: string): boolean {
  return userId.isWellFormed() && utf8(userId).length <= USER_ID_BYTES_MAX;
}

function constant(hex: string): Uint8Array {
  const bytes = fromHex(hex);
  if (bytes === undefined) throw new Error("a curve constant is not hex");
  return bytes;
}

/** n-1, big-endian: private keys are below it. */
const ORDER_LESS_ONE = constant((SM2_ORDER - 1n).toString(16));
const CURVE_AND_BASE = constant(A_HEX + B_HEX + GX_HEX + GY_HEX);

/** What SM3 turns into ZA: ENTLA ‖ IDA ‖ a ‖ b ‖ xG ‖ yG ‖ xA ‖ yA (GB/T 32918.2 5.5). */
export function zaInput(publicKey: Uint8Array, userId: string): Uint8Array {
  const id = utf8(userId);
  const bits = id.length * 8;
  return concat(Uint8Array.of(bits >>> 8, bits & 0xff), id, CURVE_AND_BASE, publicKey.subarray(1));
}
