import { loadCrypto } from "../../core/crypto/index.ts";
import type { Crypto } from "../../core/crypto/port.ts";

/** Base64 of `core/crypto/wasm/sm2verify.wasm`, put in by `build.ts`; absent where the SDK runs from source. */
declare const RONGHE_SM2_VERIFY_WASM: string | undefined;

/** The crypto of this runtime, after its known answers. From a bundle, SM2 verification runs in the WebAssembly inside it. */
export async function loadSdkCrypto(): Promise<Crypto> {
  if (typeof RONGHE_SM2_VERIFY_WASM === "undefined") return await loadCrypto();
  const bytes = Uint8Array.from(atob(RONGHE_SM2_VERIFY_WASM), (character) => character.charCodeAt(0));
  return await loadCrypto({ sm2VerifyModule: await WebAssembly.compile(bytes) });
}
