import { add, copy, isZero, multiply, multiplyDifference, reduceDifference, square, subtract } from "./field";
import { FIELD_BYTES, FIELD_ONE, FIELD_ZERO, JACOBIAN_BYTES, POINT_SCRATCH } from "./layout";

/*
 * Points of y² = x³ - 3x + b in Jacobian coordinates. Bounds that every stored point keeps (weight, size):
 *
 *   X: 1, 1.1    Y: 1, 1.5    Z: 2, 2.3        coordinates of a table: x and y 1, 1.1
 *
 * The formulas below restore them whatever the inputs are, so no run of operations, however long, leaves them. The comments beside the
 * lines give the bounds of the product, by the rule of field.ts: size = 1 + size·size/32.
 *
 * Exceptional additions (equal or opposite points, infinity) are not branches of the fast path. Each of them makes Z ≡ 0, and with Z ≡ 0
 * every later doubling and addition keeps Z ≡ 0, because Z3 is a multiple of Z1. Who sees Z ≡ 0 at the end runs again with `checked`,
 * which looks before it adds.
 */

export function y(point: usize): usize {
  return point + FIELD_BYTES;
}

export function z(point: usize): usize {
  return point + 2 * FIELD_BYTES;
}

/** T(i): the scratch elements of this file. */
function scratch(i: usize): usize {
  return POINT_SCRATCH + i * FIELD_BYTES;
}

export function copyPoint(out: usize, point: usize): void {
  memory.copy(out, point, JACOBIAN_BYTES);
}

export function setInfinity(out: usize): void {
  copy(out, FIELD_ONE);
  copy(y(out), FIELD_ONE);
  copy(z(out), FIELD_ZERO);
}

/** The affine point (px, py). */
export function setAffine(out: usize, px: usize, py: usize): void {
  copy(out, px);
  copy(y(out), py);
  copy(z(out), FIELD_ONE);
}

export function isInfinity(point: usize): bool {
  return isZero(z(point));
}

/**
 * point = 2·point. No exceptions: n is odd, so y ≢ 0 for every point, and infinity stays infinity.
 * X3 = A² - 2S, Y3 = A(S - X3) - 8Y⁴, Z3 = 2YZ with A = 3(X - Z²)(X + Z²), S = 4XY².
 */
export function double(point: usize): void {
  const zz = scratch(0);
  const yy2 = scratch(1);
  const yy4 = scratch(2);
  const s = scratch(3);
  const a = scratch(4);
  const u = scratch(5);
  square(zz, z(point)); // weight 2·2; size 1.17
  square(yy2, y(point)); // 1·1; 1.08
  add(yy2, yy2, yy2); // 2Y²: weight 2, size 2.16
  add(yy4, yy2, yy2); // 4Y²: 4, 4.32
  multiply(s, point, yy4); // 1·4; 1.15
  multiply(z(point), y(point), z(point)); // 1·2; 1.11
  add(z(point), z(point), z(point)); // Z3: 2, 2.22
  subtract(u, point, zz); // 2, 2.3
  add(a, point, zz); // 2, 2.3
  multiply(u, u, a); // 2·2; 1.17
  add(a, u, u);
  add(a, a, u); // A: 3, 3.51
  square(u, a); // 3·3; 1.4
  reduceDifference(point, u, FIELD_ZERO, s); // X3: 1, 0.51
  subtract(s, s, point); // 2, 1.66
  multiplyDifference(y(point), a, s, yy2, yy4); // Y3: 3·2 + 2·4; 1.48
}

/**
 * What both additions end with, from H, R, U1, S1 and the product of the Zs: X3 = R² - H³ - 2V, Y3 = R(V - X3) - S1·H³, Z3 = H·Zs with
 * V = U1·H². Bounds: H 2, 2.2; R 2, 2.6; U1 1, 1.1; S1 1, 1.5; Zs 2, 2.3. `u1`, `s1` and `zs` may be the parts of `point`: each is read
 * before that part is written.
 */
function finishAddition(point: usize, h: usize, r: usize, u1: usize, s1: usize, zs: usize): void {
  const hh = scratch(4);
  const hhh = scratch(5);
  const v = scratch(6);
  const rr = scratch(7);
  multiply(z(point), zs, h); // Z3: 2·2; 1.16
  square(hh, h); // 2·2; 1.16
  multiply(hhh, h, hh); // 2·1; 1.08
  multiply(v, u1, hh); // 1·1; 1.04
  square(rr, r); // 2·2; 1.22
  reduceDifference(point, rr, hhh, v); // X3: 1, 0.51
  subtract(v, v, point); // 2, 1.55
  multiplyDifference(y(point), r, v, s1, hhh); // Y3: 2·2 + 1·1; 1.18
}

/** The exceptional cases, known from H ≡ 0: equal points (R ≡ 0) are doubled, opposite ones give infinity. */
function finishExceptional(point: usize, r: usize): void {
  if (isZero(r)) double(point);
  else setInfinity(point);
}

/** point += (x2, y2), a point of a table. With `checked` right for every input; without, for all but the exceptional ones (see above). */
export function addAffine(point: usize, x2: usize, y2: usize, checked: bool): void {
  if (checked && isInfinity(point)) {
    setAffine(point, x2, y2);
    return;
  }
  const zz = scratch(0);
  const h = scratch(1);
  const r = scratch(2);
  square(zz, z(point)); // 2·2; 1.17
  multiply(h, x2, zz); // 1·1; 1.05
  subtract(h, h, point); // H: 2, 1.6
  multiply(zz, zz, z(point)); // 1·2; 1.09
  multiply(r, y2, zz); // 1·1; 1.04
  subtract(r, r, y(point)); // R: 2, 2.54
  if (checked && isZero(h)) finishExceptional(point, r);
  else finishAddition(point, h, r, point, y(point), z(point));
}

/** A Jacobian point that is added often, with Z² and Z³ kept: X, Y, Z, Z², Z³. */
export const READY_BYTES: usize = 5 * FIELD_BYTES;

/** Keeps Z² and Z³ behind the point at `ready`. */
export function makeReady(ready: usize): void {
  square(ready + 3 * FIELD_BYTES, z(ready));
  multiply(ready + 4 * FIELD_BYTES, ready + 3 * FIELD_BYTES, z(ready));
}

/** point += the ready point, whose Y may be another (its negative) at `y2`. See {@link addAffine} for `checked`. */
export function addReady(point: usize, ready: usize, y2: usize, checked: bool): void {
  if (checked && isInfinity(point)) {
    copy(point, ready);
    copy(y(point), y2);
    copy(z(point), z(ready));
    return;
  }
  const zz = scratch(0);
  const h = scratch(1);
  const r = scratch(2);
  const u1 = scratch(3);
  const s1 = scratch(8);
  const zs = scratch(9);
  square(zz, z(point)); // 2·2; 1.17
  multiply(u1, point, ready + 3 * FIELD_BYTES); // 1·1; 1.05
  multiply(h, ready, zz); // 1·1; 1.05
  subtract(h, h, u1); // H: 2, 2.1
  multiply(zz, zz, z(point)); // 1·2; 1.09
  multiply(s1, y(point), ready + 4 * FIELD_BYTES); // 1·1; 1.06
  multiply(r, y2, zz); // 1·1; 1.06
  subtract(r, r, s1); // R: 2, 2.12
  multiply(zs, z(point), z(ready)); // 2·2; 1.17
  if (checked && isZero(h)) finishExceptional(point, r);
  else finishAddition(point, h, r, u1, s1, zs);
}
