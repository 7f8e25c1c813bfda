/**
 * Keyed fingerprints: how the core finds a stored thing again without storing it (domain notes 3.5). HMAC-SM3, one
 * purpose per key: what is guessable (documents, app users) under the key store's own handle, never outside it;
 * what is random (codes, ecTokens) under sub-keys derived from it once at start, because they are on the hot path
 * and the one for codes is shared with every edge.
 */
import type { Crypto, KeyStore } from "./crypto/port.ts";
import { KEY_HANDLES } from "./key-handles.ts";
import { toHex, utf8 } from "./protocol/bytes.ts";
import { credentialFingerprintInput } from "./protocol/pseudonym.ts";

export interface Fingerprints {
  /** The key for codes, the same at every edge, so that both ends speak of one code by one name. */
  readonly codeKey: Uint8Array;
  /** Of a code in canonical form (`ScannedCode.text`), hex. */
  code(text: string): string;
  /** Of an ecToken, hex. */
  ecToken(text: string): string;
  /** Of something that could be guessed; `purpose` keeps equal texts of different kinds apart. */
  guessable(purpose: "document" | "ehc-id" | "app-user" | "account", ...parts: readonly string[]): Promise<string>;
}

export async function openFingerprints(crypto: Crypto, keys: KeyStore): Promise<Fingerprints> {
  const codeKey = await keys.hmacSm3(KEY_HANDLES.fingerprint, utf8("ronghe.fingerprint.code/v1"));
  const ecTokenKey = await keys.hmacSm3(KEY_HANDLES.fingerprint, utf8("ronghe.fingerprint.ectoken/v1"));
  return {
    codeKey,
    code: (text) => toHex(crypto.hmacSm3(codeKey, credentialFingerprintInput("code", text))),
    ecToken: (text) => toHex(crypto.hmacSm3(ecTokenKey, credentialFingerprintInput("ecToken", text))),
    async guessable(purpose, ...parts) {
      // Lengths before contents, so that no two lists of parts share a text.
      const text = [purpose, ...parts].map((part) => `${utf8(part).length}:${part}`).join("");
      return toHex(await keys.hmacSm3(KEY_HANDLES.fingerprint, utf8(`ronghe.fingerprint/v1\n${text}`)));
    },
  };
}
