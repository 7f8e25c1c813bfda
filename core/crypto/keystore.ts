import { entryAad, isHandle, KeyStoreDamagedError, macInput, readKeyStoreFile, writeKeyStoreFile } from "./keystore-file.ts";
import type { KdfSettings, KeyStoreFile, WrappedKey } from "./keystore-file.ts";
import { withKeyStoreLock } from "./keystore-lock.ts";
import { keyFromPassphrase, PASSPHRASE_ITERATIONS, PASSPHRASE_SALT_BYTES } from "./passphrase.ts";
import { UnknownKeyError, type Crypto, type KeyInfo, type KeyKind, type KeyStore } from "./port.ts";
import { utf8 } from "./text.ts";

export { KeyStoreDamagedError } from "./keystore-file.ts";
export { KeyStoreBusyError } from "./keystore-lock.ts";

/** The passphrase or KEK does not open this key store, or it is opened with one where it was made with the other. */
export class KeyStoreLockedError extends Error {
  override readonly name = "KeyStoreLockedError";
}

/** A key exists under the handle, but of a kind that cannot do this. */
export class KeyKindError extends Error {
  override readonly name = "KeyKindError";
}

export type KeyStoreUnlock = { readonly passphrase: string } | { readonly kek: Uint8Array };

export interface OpenKeyStoreInput {
  /** Path of the JSON file; made when there is none. Its folder exists. */
  readonly file: string;
  /** A passphrase, or a key-encryption key of 16 or 32 bytes held elsewhere (a device, a secret mount). */
  readonly unlock: KeyStoreUnlock;
  readonly crypto: Crypto;
  readonly clock: { now(): number };
}

const KEY_BYTES: Readonly<Record<KeyKind, number>> = { sm2: 32, sm4: 16, secret: 32 };
const CHECK = utf8("ronghe keystore check");

/** Two keys from the KEK, one for wrapping and one for the file's MAC. HMAC with a label each is HKDF's expand step (RFC 5869 2.3). */
export interface Kek {
  readonly wrap: Uint8Array;
  readonly mac: Uint8Array;
}

async function rootKey(crypto: Crypto, unlock: KeyStoreUnlock, kdf: KdfSettings | undefined): Promise<Uint8Array> {
  if ("kek" in unlock) {
    if (unlock.kek.length !== 16 && unlock.kek.length !== 32) throw new RangeError(`a KEK has 16 or 32 bytes, got ${unlock.kek.length}`);
    if (kdf !== undefined) throw new KeyStoreLockedError("this key store opens with a passphrase, not with a KEK");
    return unlock.kek;
  }
  if (kdf === undefined) throw new KeyStoreLockedError("this key store opens with a KEK, not with a passphrase");
  return keyFromPassphrase(crypto, { passphrase: unlock.passphrase, ...kdf });
}

export async function kekOf(crypto: Crypto, unlock: KeyStoreUnlock, kdf: KdfSettings | undefined): Promise<Kek> {
  const root = await rootKey(crypto, unlock, kdf);
  const derive = (label: string): Uint8Array => crypto.hmacSm3(root, utf8(label), Uint8Array.of(1));
  return { wrap: derive("ronghe keystore v1 wrap"), mac: derive("ronghe keystore v1 mac") };
}

/** A constant under the wrapping key: opens under the right KEK, also when a store has no key yet. */
export function sealedCheck(crypto: Crypto, kek: Kek): Uint8Array {
  return crypto.seal(kek.wrap, CHECK, CHECK);
}

/** A key unwrapped, inside this module and `keystore-carried.ts` only. */
export interface OpenKey {
  readonly info: KeyInfo;
  readonly secret: Uint8Array;
  /** Empty unless the kind is `sm2`. */
  readonly publicKey: Uint8Array;
}

function makeSecret(crypto: Crypto, kind: KeyKind): Uint8Array {
  return kind === "sm2" ? crypto.sm2GenerateKeyPair().privateKey : crypto.random(KEY_BYTES[kind]);
}

function openKey(crypto: Crypto, info: KeyInfo, secret: Uint8Array): OpenKey {
  if (secret.length !== KEY_BYTES[info.kind]) throw new Error(`a key of kind ${info.kind} has ${KEY_BYTES[info.kind]} bytes`);
  return { info, secret, publicKey: info.kind === "sm2" ? crypto.sm2PublicKey(secret) : new Uint8Array(0) };
}

export function unwrapAll(crypto: Crypto, kek: Kek, file: KeyStoreFile): Map<string, OpenKey> {
  const check = crypto.open(kek.wrap, file.check, CHECK);
  if (check === undefined) throw new KeyStoreLockedError("wrong passphrase or KEK for this key store");
  if (!crypto.equal(crypto.hmacSm3(kek.mac, macInput(file)), file.mac)) throw new KeyStoreDamagedError("the key store was changed");
  const keys = new Map<string, OpenKey>();
  for (const entry of file.keys) {
    const secret = crypto.open(kek.wrap, entry.wrapped, entryAad(entry));
    if (secret === undefined) throw new KeyStoreDamagedError(`the key ${entry.handle} was changed`);
    const { handle, kind, createdAtMs } = entry;
    keys.set(handle, openKey(crypto, { handle, kind, createdAtMs }, secret));
  }
  return keys;
}

/**
 * The software key store: keys SM4-wrapped in one JSON file (mode 0600), each bound to its handle, kind and age, the whole under a MAC.
 * Raw keys stay inside the returned object. In production a device (GM/T 0018) stands behind the same port.
 *
 * Throws {@link KeyStoreLockedError} for a wrong passphrase or KEK and {@link KeyStoreDamagedError} for a file that was changed.
 * What no software file can notice is the whole file put back to an earlier state: keep it where only its owner writes.
 *
 * @example
 * const keys = await openKeyStore({ file: "keys.json", unlock: { passphrase }, crypto, clock: systemClock });
 * await keys.ensure("ledger.sign/1", "sm2");
 */
export async function openKeyStore({ file, unlock, crypto, clock }: OpenKeyStoreInput): Promise<KeyStore> {
  const write = async (kek: Kek, kdf: KdfSettings | undefined, keys: readonly WrappedKey[]): Promise<void> => {
    const unsigned = { kdf, check: sealedCheck(crypto, kek), keys };
    await writeKeyStoreFile(file, { ...unsigned, mac: crypto.hmacSm3(kek.mac, macInput(unsigned)) });
  };
  const create = async (): Promise<{ readonly kek: Kek; readonly keys: Map<string, OpenKey> }> => {
    const salted = { iterations: PASSPHRASE_ITERATIONS, salt: crypto.random(PASSPHRASE_SALT_BYTES) };
    const kdf = "kek" in unlock ? undefined : salted;
    const kek = await kekOf(crypto, unlock, kdf);
    await write(kek, kdf, []);
    return { kek, keys: new Map() };
  };
  const load = async (): Promise<{ readonly kek: Kek; readonly keys: Map<string, OpenKey> } | undefined> => {
    const found = await readKeyStoreFile(file);
    if (found === undefined) return undefined;
    const kek = await kekOf(crypto, unlock, found.kdf);
    return { kek, keys: unwrapAll(crypto, kek, found) };
  };

  const opened = (await load()) ?? (await withKeyStoreLock(file, async () => (await load()) ?? create()));
  const kek = opened.kek;
  let keys = opened.keys;

  const add = async (handle: string, kind: KeyKind): Promise<boolean> => {
    // Read again under the lock: another process may have added keys since.
    const found = await readKeyStoreFile(file);
    if (found === undefined) throw new KeyStoreDamagedError("the key store's file is gone");
    const current = unwrapAll(crypto, kek, found);
    const known = current.get(handle);
    if (known === undefined) {
      const info: KeyInfo = { handle, kind, createdAtMs: clock.now() };
      const secret = makeSecret(crypto, kind);
      current.set(handle, openKey(crypto, info, secret));
      await write(kek, found.kdf, [...found.keys, { ...info, wrapped: crypto.seal(kek.wrap, secret, entryAad(info)) }]);
    }
    keys = current;
    return known === undefined;
  };

  let writing: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = writing.then(work, work);
    writing = mine;
    return mine;
  };

  return {
    async ensure(handle, kind) {
      if (!isHandle(handle)) throw new RangeError("a key handle is <purpose>/<version>");
      if (!keys.has(handle) && (await inTurn(() => withKeyStoreLock(file, () => add(handle, kind))))) return true;
      keyUnder(keys, handle, kind);
      return false;
    },
    ...operationsOf(crypto, () => keys),
  };
}

/** The key under a handle; throws when there is none, or one of another kind. */
export function keyUnder(keys: ReadonlyMap<string, OpenKey>, handle: string, kind: KeyKind): OpenKey {
  const found = keys.get(handle);
  if (found === undefined) throw new UnknownKeyError(`no key under the handle ${handle}`);
  if (found.info.kind !== kind) throw new KeyKindError(`${handle} is a key of kind ${found.info.kind}, wanted ${kind}`);
  return found;
}

/** What a store does with its keys, wherever they came from. */
export function operationsOf(crypto: Crypto, keys: () => ReadonlyMap<string, OpenKey>): Omit<KeyStore, "ensure"> {
  const key = (handle: string, kind: KeyKind): OpenKey => keyUnder(keys(), handle, kind);
  return {
    list: async () => [...keys().values()].map(({ info }) => ({ ...info })),
    publicKey: async (handle) => key(handle, "sm2").publicKey.slice(),
    sm2Sign: async (handle, message, userId) => crypto.sm2Sign(key(handle, "sm2").secret, message, userId),
    sm2Decrypt: async (handle, ciphertext) => crypto.sm2Decrypt(key(handle, "sm2").secret, ciphertext),
    hmacSm3: async (handle, ...parts) => crypto.hmacSm3(key(handle, "secret").secret, ...parts),
    seal: async (handle, plaintext, aad) => crypto.seal(key(handle, "secret").secret, plaintext, aad),
    open: async (handle, sealed, aad) => crypto.open(key(handle, "secret").secret, sealed, aad),
    sm4EncryptBlocks: async (handle, blocks) => crypto.sm4EcbEncrypt(key(handle, "sm4").secret, blocks, "none"),
    async sm4DecryptBlocks(handle, blocks) {
      const plaintext = crypto.sm4EcbDecrypt(key(handle, "sm4").secret, blocks, "none");
      if (plaintext === undefined) throw new RangeError("SM4 without padding takes whole blocks");
      return plaintext;
    },
  };
}
