import { isPublicKey, SM2_PUBLIC_KEY_BYTES } from "./curve.ts";
import type { Sm2CipherOrder } from "./port.ts";

const C3_BYTES = 32;

/** 04‖C1, the encrypted bytes C2 and the digest C3 of GB/T 32918.4 6.1. */
export interface CiphertextParts {
  readonly c1: Uint8Array;
  readonly c2: Uint8Array;
  readonly c3: Uint8Array;
}

/** `undefined` unless there is a C1 of 65 bytes, a C3 of 32, and a byte or more of C2. */
export function partsOf(ciphertext: Uint8Array, order: Sm2CipherOrder): CiphertextParts | undefined {
  const c2Length = ciphertext.length - SM2_PUBLIC_KEY_BYTES - C3_BYTES;
  const c1 = ciphertext.subarray(0, SM2_PUBLIC_KEY_BYTES);
  if (c2Length < 1 || !isPublicKey(c1)) return undefined;
  const c2At = order === "C1C3C2" ? SM2_PUBLIC_KEY_BYTES + C3_BYTES : SM2_PUBLIC_KEY_BYTES;
  const c3At = order === "C1C3C2" ? SM2_PUBLIC_KEY_BYTES : SM2_PUBLIC_KEY_BYTES + c2Length;
  return { c1, c2: ciphertext.subarray(c2At, c2At + c2Length), c3: ciphertext.subarray(c3At, c3At + C3_BYTES) };
}
