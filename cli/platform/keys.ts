import { readFile } from "node:fs/promises";
import type { Crypto, KeyStore } from "../../core/crypto/port.ts";
import { openKeyStore, type KeyStoreUnlock } from "../../core/crypto/keystore.ts";
import { fromHex, toHex } from "../../core/protocol/bytes.ts";
import { systemClock } from "../../core/protocol/time.ts";
import { type Config, UsageError } from "../config.ts";
import { type Layout, writePrivate } from "./layout.ts";

/** What opens the key stores: a passphrase from the environment, else the file that `sandbox init` made. */
export async function unlockOf(config: Config, layout: Layout): Promise<KeyStoreUnlock> {
  if (config.RONGHE_KEY_PASSPHRASE !== undefined) return { passphrase: config.RONGHE_KEY_PASSPHRASE };
  const text = await readFile(layout.kek, "utf8").catch(() => undefined);
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
  return await openKeyStore({ file: layout[whose].keys, unlock: await unlockOf(config, layout), crypto, clock: systemClock });
}

export const EDGE_REPLY_KEY = "edge.reply/1";
/** Seals what lies in the edge's folder beside its database. */
export const EDGE_DATA_KEY = "edge.data/1";

export async function ensureEdgeKeys(keys: KeyStore): Promise<void> {
  await keys.ensure(EDGE_REPLY_KEY, "sm2");
  await keys.ensure(EDGE_DATA_KEY, "secret");
}
