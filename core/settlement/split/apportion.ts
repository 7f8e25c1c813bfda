/**
 * Dividing an amount so that the fen always add up: the largest remainder method (Hamilton). Each share is its exact
 * value rounded down, and the fen that are left go one each to the largest remainders, earlier shares first.
 */
import { asFen, type Fen } from "../../protocol/money.ts";

/**
 * `weights` are at or above zero and not all zero; a weight of zero gets nothing. The shares sum to `total`, each is
 * less than one fen away from its exact value.
 *
 * @example apportion(asFen(100n), [1n, 1n, 1n]) // 34n, 33n, 33n
 */
export function apportion(total: Fen, weights: readonly bigint[]): readonly Fen[] {
  const whole = weights.reduce((sum, weight) => sum + weight, 0n);
  if (total < 0n || whole <= 0n || weights.some((weight) => weight < 0n)) throw new RangeError("nothing to divide by");
  const shares = weights.map((weight, at) => ({ at, floor: (total * weight) / whole, remainder: (total * weight) % whole }));
  let left = total - shares.reduce((sum, share) => sum + share.floor, 0n);
  const order = [...shares].sort((a, b) => (a.remainder === b.remainder ? a.at - b.at : a.remainder > b.remainder ? -1 : 1));
  const result = shares.map((share) => share.floor);
  // At most one fen each: the remainders sum to less than the number of shares that have one.
  for (const { at, floor } of order) {
    if (left === 0n) break;
    result[at] = floor + 1n;
    left--;
  }
  return result.map(asFen);
}
