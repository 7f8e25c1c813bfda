/**
 * SM2 as the standard prints it, in BigInt and affine coordinates: slow, short, and sharing nothing with the code under test.
 * `undefined` is the point at infinity.
 */
export const FIELD_PRIME = 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn;
export const ORDER = 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n;
const B = 0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93n;

export interface AffinePoint {
  readonly x: bigint;
  readonly y: bigint;
}

export const BASE_POINT: AffinePoint = {
  x: 0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7n,
  y: 0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0n,
};

/** The residue in [0, m). */
export function modulo(a: bigint, m: bigint): bigint {
  const rest = a % m;
  return rest < 0n ? rest + m : rest;
}

/** 1/a mod m for a prime m and a ≢ 0, by Euclid. */
export function inverse(a: bigint, m: bigint): bigint {
  let [low, high] = [modulo(a, m), m];
  let [x, y] = [1n, 0n];
  while (low !== 1n) {
    if (low === 0n) throw new RangeError("0 has no inverse");
    const quotient = high / low;
    [low, high] = [high - quotient * low, low];
    [x, y] = [y - quotient * x, x];
  }
  return modulo(x, m);
}

function power(base: bigint, exponent: bigint, m: bigint): bigint {
  let result = 1n;
  for (let square = base, left = exponent; left > 0n; left >>= 1n, square = (square * square) % m) {
    if ((left & 1n) === 1n) result = (result * square) % m;
  }
  return result;
}

/** GB/T 32918.1 3.2.3.1 for p, 0 included. */
export function addPoints(a: AffinePoint | undefined, b: AffinePoint | undefined): AffinePoint | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  if (a.x === b.x && a.y !== b.y) return undefined;
  const slope =
    a.x === b.x
      ? (3n * a.x * a.x - 3n) * inverse(2n * a.y, FIELD_PRIME)
      : (b.y - a.y) * inverse(modulo(b.x - a.x, FIELD_PRIME), FIELD_PRIME);
  const x = modulo(slope * slope - a.x - b.x, FIELD_PRIME);
  return { x, y: modulo(slope * (a.x - x) - a.y, FIELD_PRIME) };
}

export function multiplyPoint(k: bigint, point: AffinePoint): AffinePoint | undefined {
  let sum: AffinePoint | undefined;
  for (let doubled: AffinePoint | undefined = point, left = modulo(k, ORDER); left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) sum = addPoints(sum, doubled);
    doubled = addPoints(doubled, doubled);
  }
  return sum;
}

/** A point with this abscissa, if there is one (p ≡ 3 mod 4). */
export function liftX(x: bigint): AffinePoint | undefined {
  const right = modulo(x * x * x - 3n * x + B, FIELD_PRIME);
  const y = power(right, (FIELD_PRIME + 1n) / 4n, FIELD_PRIME);
  return (y * y) % FIELD_PRIME === right ? { x, y } : undefined;
}
