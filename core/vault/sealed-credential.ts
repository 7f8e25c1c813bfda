/**
 * Opens what an edge sealed for the core alone (`core/protocol/internal.ts`): the data key under the core's SM2 key,
 * the credential under the data key. Edges renew data keys only now and then, so opened ones are kept, a bounded
 * number, and SM2 is paid once per key.
 */
import type { Crypto, KeyStore } from "../crypto/port.ts";
import { KEY_HANDLES } from "../key-handles.ts";
import { fromBase64, utf8, utf8Text } from "../protocol/bytes.ts";
import type { SealedCredential } from "../protocol/internal.ts";
import { ok, refused, type Result } from "../protocol/result.ts";

export interface Credential {
  readonly kind: "code" | "ecToken";
  readonly value: string;
}
/** `undefined` data keys are remembered too: garbage costs one SM2 decryption, not one each time. */
export type CredentialOpener = (
  sealed: SealedCredential,
  bound: { readonly institution: string; readonly outTradeNo: string },
) => Promise<Result<Credential, "badRequest">>;

export interface CredentialOpenerOptions {
  readonly crypto: Crypto;
  readonly keys: Pick<KeyStore, "sm2Decrypt">;
  /** Data keys kept, 1,024 by default. */
  readonly keysMax?: number;
}

const DATA_KEY_BYTES = 32;
/** A code has at most 512 characters; base64 and the seal's own bytes on top. */
const SEALED_CHARACTERS_MAX = 2_048;
const WRAPPED_CHARACTERS_MAX = 512;

export function createCredentialOpener(options: CredentialOpenerOptions): CredentialOpener {
  const { crypto, keys, keysMax = 1_024 } = options;
  const dataKeys = new Map<string, Promise<Uint8Array | undefined>>();

  const dataKeyOf = (wrapped: string): Promise<Uint8Array | undefined> => {
    const kept = dataKeys.get(wrapped) ?? unwrap(keys, wrapped);
    // A key store that fails for a moment says nothing about the key.
    kept.catch(() => dataKeys.delete(wrapped));
    // Moved to the end: the first entry is the one not used for longest.
    dataKeys.delete(wrapped);
    dataKeys.set(wrapped, kept);
    for (const oldest of dataKeys.keys()) {
      if (dataKeys.size <= keysMax) break;
      dataKeys.delete(oldest);
    }
    return kept;
  };

  return async (sealed, bound) => {
    if (sealed.keyHandle !== KEY_HANDLES.edgeSeal) return refused("badRequest");
    if (sealed.wrappedKey.length > WRAPPED_CHARACTERS_MAX || sealed.sealed.length > SEALED_CHARACTERS_MAX) return refused("badRequest");
    const dataKey = await dataKeyOf(sealed.wrappedKey);
    const box = fromBase64(sealed.sealed);
    if (dataKey === undefined || box === undefined) return refused("badRequest");
    // Bound to its transaction, so that a sealed credential cannot be moved to another one.
    const opened = crypto.open(dataKey, box, utf8(`${bound.institution}\n${bound.outTradeNo}`));
    const value = opened === undefined ? undefined : utf8Text(opened);
    return value === undefined ? refused("badRequest") : ok({ kind: sealed.kind, value });
  };
}

async function unwrap(keys: Pick<KeyStore, "sm2Decrypt">, wrapped: string): Promise<Uint8Array | undefined> {
  const ciphertext = fromBase64(wrapped);
  if (ciphertext === undefined) return undefined;
  const dataKey = await keys.sm2Decrypt(KEY_HANDLES.edgeSeal, ciphertext);
  return dataKey?.length === DATA_KEY_BYTES ? dataKey : undefined;
}
