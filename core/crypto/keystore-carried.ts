/**
 * A key store for a runtime without files (Cloudflare Workers): the text of one, carried as a secret, under a
 * key-encryption key that is a secret of its own. Neither is of use without the other. It makes no keys: what a runtime
 * needs is made before the copy is.
 */
import type { Crypto, KeyStore } from "./port.ts";
import {
  entryAad,
  isHandle,
  KeyStoreDamagedError,
  macInput,
  parseKeyStoreFile,
  printKeyStoreFile,
  readKeyStoreFile,
} from "./keystore-file.ts";
import { KeyStoreLockedError, kekOf, type KeyStoreUnlock, keyUnder, operationsOf, sealedCheck, unwrapAll } from "./keystore.ts";

/**
 * A copy of the store in `file` under `kek` (16 or 32 bytes), as text, with the handles that are named and no others.
 * The store itself is not changed. Throws as `openKeyStore` does, and a {@link RangeError} for a handle it does not have.
 */
export async function carryKeyStore(input: {
  readonly file: string;
  readonly unlock: KeyStoreUnlock;
  readonly handles: readonly string[];
  readonly kek: Uint8Array;
  readonly crypto: Crypto;
}): Promise<string> {
  const { crypto } = input;
  const found = await readKeyStoreFile(input.file);
  if (found === undefined) throw new KeyStoreDamagedError("there is no key store to copy");
  const opened = unwrapAll(crypto, await kekOf(crypto, input.unlock, found.kdf), found);
  const kek = await kekOf(crypto, { kek: input.kek }, undefined);
  const keys = input.handles.map((handle) => {
    const key = opened.get(handle);
    if (key === undefined) throw new RangeError(`the key store has no ${handle}`);
    return { ...key.info, wrapped: crypto.seal(kek.wrap, key.secret, entryAad(key.info)) };
  });
  const unsigned = { kdf: undefined, check: sealedCheck(crypto, kek), keys };
  return printKeyStoreFile({ ...unsigned, mac: crypto.hmacSm3(kek.mac, macInput(unsigned)) });
}

/** Opens what {@link carryKeyStore} made. */
export async function openCarriedKeyStore(input: {
  readonly text: string;
  readonly kek: Uint8Array;
  readonly crypto: Crypto;
}): Promise<KeyStore> {
  const { crypto } = input;
  const file = parseKeyStoreFile(input.text);
  if (file.kdf !== undefined) throw new KeyStoreLockedError("a carried key store opens with a KEK");
  const keys = unwrapAll(crypto, await kekOf(crypto, { kek: input.kek }, undefined), file);
  return {
    ensure(handle, kind) {
      if (!isHandle(handle)) return Promise.reject(new RangeError("a key handle is <purpose>/<version>"));
      return Promise.resolve().then(() => keyUnder(keys, handle, kind) === undefined);
    },
    ...operationsOf(crypto, () => keys),
  };
}
