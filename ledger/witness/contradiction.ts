/**
 * A consistency proof that fails may only be broken. When it does lead to the newer root, which the log signed, and in doing so
 * shows another older root than the log signed before, it is evidence: whoever recomputes it sees that both signatures
 * cannot be true.
 */
import { equalBytes } from "../verifier/bytes.ts";
import type { TreeHasher, TreeHead } from "../verifier/tree.ts";
import { verifyConsistency } from "../verifier/tree.ts";

/** How two signed heads of one log contradict each other, or `undefined` when they are not shown to. */
export function contradiction(
  hasher: TreeHasher,
  one: TreeHead,
  other: TreeHead,
  proof: readonly Uint8Array[],
): "sameSize" | "notConsistent" | undefined {
  if (one.size === other.size) return equalBytes(one.root, other.root) ? undefined : "sameSize";
  const [from, to] = one.size < other.size ? [one, other] : [other, one];
  return contradicts(hasher, from, to, proof) ? "notConsistent" : undefined;
}

/** Whether `proof` proves that `to` does not begin with `from`, although it begins with something of that size. */
export function contradicts(hasher: TreeHasher, from: TreeHead, to: TreeHead, proof: readonly Uint8Array[]): boolean {
  const shown = olderRoot(hasher, from.size, to.size, proof);
  if (shown === undefined || equalBytes(shown, from.root)) return false;
  return verifyConsistency(hasher, { size: from.size, root: shown }, to, proof).ok;
}

/**
 * The root of the first `from` entries that a proof itself shows (the walk of RFC 9162 2.1.4.2, older side only). A proof from
 * a power of two leaves that root out, since its reader has it: such a proof shows none.
 */
function olderRoot(hasher: TreeHasher, from: bigint, to: bigint, [seed, ...rest]: readonly Uint8Array[]): Uint8Array | undefined {
  if (from <= 0n || from >= to || (from & (from - 1n)) === 0n || seed === undefined) return undefined;
  let node = from - 1n;
  let last = to - 1n;
  while (isOdd(node)) [node, last] = [node >> 1n, last >> 1n];
  let root = seed;
  for (const sibling of rest) {
    if (isOdd(node) || node === last) {
      root = hasher.node(sibling, root);
      while (!isOdd(node) && node !== 0n) [node, last] = [node >> 1n, last >> 1n];
    }
    [node, last] = [node >> 1n, last >> 1n];
  }
  return root;
}

function isOdd(value: bigint): boolean {
  return (value & 1n) === 1n;
}
