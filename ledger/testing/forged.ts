/** Entries as anybody can make them who has read the log: nothing but a signed checkpoint tells them from the log's own. */
import { encodeLeaf } from "../leaf-encoder.ts";
import { decodeLeaf, type Leaf } from "../verifier/leaf.ts";
import { treeHasher } from "../verifier/tree.ts";
import { crypto } from "./platform.ts";

/** In the place of `like`: it names the same entry before it. */
export function forged(like: Uint8Array | undefined, more: Partial<Leaf> = {}): Uint8Array {
  const leaf = decodeLeaf(like ?? new Uint8Array());
  if (!leaf.ok) throw new Error(leaf.error.detail);
  return encodeLeaf({ ...leaf.value, actor: "edge/nobody", ...more });
}

/** Behind `before`, and for the rest like `like`. */
export function chained(before: Uint8Array | undefined, like: Uint8Array | undefined = before, more: Partial<Leaf> = {}): Uint8Array {
  const leaf = decodeLeaf(before ?? new Uint8Array());
  if (!leaf.ok) throw new Error(leaf.error.detail);
  const previous = treeHasher(crypto.sm3).leaf(before ?? new Uint8Array());
  return forged(like, { index: leaf.value.index + 1n, previous, ...more });
}
