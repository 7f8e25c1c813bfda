import type { Crypto } from "../crypto/port.ts";
import { toHex } from "./bytes.ts";

/** Header in which an edge names the keys it takes bundles from, ids joined by commas; a hint that nothing is decided by. */
export const BUNDLE_TRUST_HEADER = "x-ronghe-trusts";

/** Short public name of a key that signs bundles: 16 hex digits of the SM3 of its 65 bytes. */
export function bundleKeyId(crypto: Pick<Crypto, "sm3">, publicKey: Uint8Array): string {
  return toHex(crypto.sm3(publicKey)).slice(0, 16);
}
