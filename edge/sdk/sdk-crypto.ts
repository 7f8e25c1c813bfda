import { loadCrypto } from "../../core/crypto/index.ts";
import type { Crypto } from "../../core/crypto/port.ts";

/** Base64 of `core/crypto/wasm/sm2verify.wasm` and `sm2private.wasm`, put in by `build.ts`; absent where the SDK runs from source. */
declare const RONGHE_SM2_VERIFY_WASM: string | undefined;
declare const RONGHE_SM2_PRIVATE_WASM: string | undefined;

/** The crypto of this runtime, after its known answers. From a bundle, SM2 runs in the WebAssembly inside it. */
export async function loadSdkCrypto(): Promise<Crypto> {
  if (typeof RONGHE_SM2_VERIFY_WASM === "undefined" || typeof RONGHE_SM2_PRIVATE_WASM === "undefined") return await loadCrypto();
  const [sm2VerifyModule, sm2PrivateModule] = await Promise.all([compile(RONGHE_SM2_VERIFY_WASM), compile(RONGHE_SM2_PRIVATE_WASM)]);
  return await loadCrypto({ sm2VerifyModule, sm2PrivateModule });
}

async function compile(base64: string): Promise<WebAssembly.Module> {
  return await WebAssembly.compile(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)));
}
