import type { Crypto, KeyStore } from "../../core/crypto/port.ts";
import { KeyStoreDamagedError } from "../../core/crypto/keystore-file.ts";
import { KeyStoreBusyError } from "../../core/crypto/keystore-lock.ts";
import { KeyStoreLockedError, openKeyStore, type KeyStoreUnlock } from "../../core/crypto/keystore.ts";
import { fromHex, toHex } from "../../core/protocol/bytes.ts";
import { systemClock } from "../../core/protocol/time.ts";
import { EDGE_DATA_KEY, EDGE_REPLY_KEY } from "../../edge/identity.ts";
import { type Config, UsageError } from "../config.ts";
import { type Layout, writePrivate } from "./layout.ts";
import { isThere, readIfThere } from "./files.ts";

const KEK_BYTES = 32;

/** A folder with a key store in it, and the file that opens it where no passphrase does. */
export interface KeyPlace {
  readonly root: string;
  readonly keys: string;
  readonly kek: string;
}

/** What opens the key stores: a passphrase from the environment, else the file that was made with them. */
export async function unlockOf(config: Config, { root, kek: file }: Pick<KeyPlace, "root" | "kek">): Promise<KeyStoreUnlock> {
  if (config.RONGHE_KEY_PASSPHRASE !== undefined) return { passphrase: config.RONGHE_KEY_PASSPHRASE };
  const kek = fromHex((await readIfThere(file))?.trim() ?? "");
  if (kek?.length !== KEK_BYTES) throw new UsageError(`the keys in ${root} are locked: set RONGHE_KEY_PASSPHRASE`);
  return { kek };
}

/** A key-encryption key in a file: good for a sandbox, not for a province (then: RONGHE_KEY_PASSPHRASE, or a device). */
export async function makeSandboxKek(crypto: Crypto, layout: Layout): Promise<void> {
  await writePrivate(layout.kek, `${toHex(crypto.random(KEK_BYTES))}\n`);
}

/** The core's keys and an edge's lie in stores of their own, so that an edge can be carried away without the core's. */
export async function openKeys(config: Config, layout: Layout, crypto: Crypto, whose: "core" | "edge"): Promise<KeyStore> {
  return await openKeysAt(config, keyPlace(layout, whose), crypto);
}

export function keyPlace({ root, kek, ...parts }: Layout, whose: "core" | "edge"): KeyPlace {
  return { root, kek, keys: parts[whose].keys };
}

/** A store that is gone is not made anew: its keys would be others than those that signed and sealed what is there. */
export async function openKeysAt(config: Config, place: KeyPlace, crypto: Crypto): Promise<KeyStore> {
  if (!isThere(place.keys)) throw new UsageError(`${place.keys} is not there: put it back from a copy; keys cannot be made again`);
  return await foundKeys(config, place, crypto);
}

/** Makes the store where there is none. One that is locked, damaged or busy is told in one line. */
export async function foundKeys(config: Config, place: KeyPlace, crypto: Crypto): Promise<KeyStore> {
  const { keys: file } = place;
  try {
    return await openKeyStore({ file, unlock: await unlockOf(config, place), crypto, clock: systemClock });
  } catch (error) {
    const mendable = [KeyStoreLockedError, KeyStoreDamagedError, KeyStoreBusyError].some((kind) => error instanceof kind);
    throw mendable && error instanceof Error ? new UsageError(`${file}: ${error.message}`) : error;
  }
}

export { EDGE_DATA_KEY, EDGE_REPLY_KEY };

export async function ensureEdgeKeys(keys: KeyStore): Promise<void> {
  await keys.ensure(EDGE_REPLY_KEY, "sm2");
  await keys.ensure(EDGE_DATA_KEY, "secret");
}
