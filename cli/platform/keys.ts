import type { Crypto, KeyStore } from "../../core/crypto/port.ts";
import { KeyStoreDamagedError } from "../../core/crypto/keystore-file.ts";
import { KeyStoreBusyError } from "../../core/crypto/keystore-lock.ts";
import { KeyStoreLockedError, openKeyStore, type KeyStoreUnlock } from "../../core/crypto/keystore.ts";
import { fromHex, toHex } from "../../core/protocol/bytes.ts";
import { systemClock } from "../../core/protocol/time.ts";
import { EDGE_DATA_KEY, EDGE_REPLY_KEY } from "../../edge/identity.ts";
import { type Config, UsageError } from "../config.ts";
import { type Layout, writePrivate } from "./layout.ts";
import { readIfThere } from "./files.ts";

/** What opens the key stores: a passphrase from the environment, else the file that `sandbox init` made. */
export async function unlockOf(config: Config, layout: Layout): Promise<KeyStoreUnlock> {
  if (config.RONGHE_KEY_PASSPHRASE !== undefined) return { passphrase: config.RONGHE_KEY_PASSPHRASE };
  const text = await readIfThere(layout.kek);
  const kek = text === undefined ? undefined : fromHex(text.trim());
  if (kek === undefined) throw new UsageError(`the keys in ${layout.root} are locked: set RONGHE_KEY_PASSPHRASE`);
  return { kek };
}

/** A key-encryption key in a file: good for a sandbox, not for a province (then: RONGHE_KEY_PASSPHRASE, or a device). */
export async function makeSandboxKek(crypto: Crypto, layout: Layout): Promise<void> {
  await writePrivate(layout.kek, `${toHex(crypto.random(32))}\n`);
}

/** The core's keys and an edge's lie in stores of their own, so that an edge can be carried away without the core's. */
export async function openKeys(config: Config, layout: Layout, crypto: Crypto, whose: "core" | "edge"): Promise<KeyStore> {
  const { keys: file } = layout[whose];
  try {
    return await openKeyStore({ file, unlock: await unlockOf(config, layout), crypto, clock: systemClock });
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
