/** SM3 and SM2 verification from the WebAssembly module that the page carries, after it has given the known answers. */
import { WasmSm2Verifier, type WasmSm2Key, wasmSm2Verify } from "../../../core/crypto/sm2-wasm.ts";
import { testSm2Verify } from "../../../core/crypto/self-test.ts";
import { SM2_DEFAULT_USER_ID } from "../../../core/crypto/port.ts";
import { fromBase64, fromHex, toHex, equalBytes, utf8 } from "../bytes.ts";
import type { VerifierCrypto } from "../note.ts";

/** SM3 of `abc` (GB/T 32905 A.1). */
const SM3_OF_ABC = fromHex("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0") ?? new Uint8Array();

/** Throws when the module is missing, refused by this browser, or does not give the known answers. */
export async function wasmCrypto(base64: string): Promise<VerifierCrypto> {
  const bytes = fromBase64(base64);
  if (bytes === undefined) throw new Error("the page does not carry its WebAssembly module");
  const verifier = await WasmSm2Verifier.from(await WebAssembly.compile(bytes.slice()));
  const missing = testSm2Verify(wasmSm2Verify(verifier));
  if (missing !== undefined) throw new Error(missing);
  if (!equalBytes(verifier.sm3(utf8("abc")), SM3_OF_ABC)) throw new Error("SM3 of abc: another answer");
  const keys = new Map<string, WasmSm2Key | undefined>();
  return {
    sm3: (...parts) => verifier.sm3(...parts),
    sm2Verify(publicKey, message, signature, userId = SM2_DEFAULT_USER_ID) {
      const label = toHex(publicKey);
      if (!keys.has(label)) keys.set(label, verifier.key(publicKey));
      return keys.get(label)?.verify(message, signature, userId) ?? false;
    },
  };
}
