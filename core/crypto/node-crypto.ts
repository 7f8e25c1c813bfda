import type * as nodeCrypto from "node:crypto";

/** The module `node:crypto`, as the native candidates take it. */
export type NodeCrypto = typeof nodeCrypto;

/**
 * `node:crypto`, or `undefined` where there is none. Imported on first use, never at module level: workerd without Node compatibility
 * and browsers must be able to load this folder.
 */
export async function loadNodeCrypto(): Promise<NodeCrypto | undefined> {
  try {
    return await import("node:crypto");
  } catch {
    return undefined;
  }
}

/** A plain copy: a Buffer's `slice` shares memory, and callers must not see the difference between runtimes. */
export function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
