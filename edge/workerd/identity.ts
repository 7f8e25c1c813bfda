/**
 * Who this edge is, opened: cryptography that has passed its known answers, the keys, and the way to the core. Opened in
 * each isolate and object when it starts; whoever cannot open it serves nobody.
 */
import sm2PrivateModule from "../../core/crypto/wasm/sm2private.wasm";
import sm2VerifyModule from "../../core/crypto/wasm/sm2verify.wasm";
import { loadCrypto } from "../../core/crypto/index.ts";
import { openCarriedKeyStore } from "../../core/crypto/keystore-carried.ts";
import type { Crypto, KeyStore } from "../../core/crypto/port.ts";
import { fromBase64, fromHex } from "../../core/protocol/bytes.ts";
import { type Clock, systemClock } from "../../core/protocol/time.ts";
import type { CoreCallOptions } from "../app/core-calls.ts";
import { EDGE_DATA_KEY, edgeSecretAad } from "../identity.ts";
import { type WorkerConfig, WorkerConfigError } from "./environment.ts";

export interface OpenedIdentity {
  readonly edgeId: string;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly keys: KeyStore;
  /** Shared with the core. */
  readonly secret: Uint8Array;
  readonly platformKey: Uint8Array;
  readonly link: CoreCallOptions;
}

export async function openIdentity(config: WorkerConfig): Promise<OpenedIdentity> {
  const crypto = await loadCrypto({ sm2VerifyModule, sm2PrivateModule });
  const { edgeId, keys: text, coreSecret, platformKey } = config.RONGHE_EDGE_IDENTITY;
  const keys = await openCarriedKeyStore({ text, kek: bytes(config.RONGHE_EDGE_KEK), crypto });
  const sealed = fromBase64(coreSecret);
  const secret = sealed === undefined ? undefined : await keys.open(EDGE_DATA_KEY, sealed, edgeSecretAad(edgeId));
  if (secret === undefined) throw new WorkerConfigError("RONGHE_EDGE_IDENTITY holds a secret that its keys do not open");
  const clock = systemClock;
  const link = { url: config.RONGHE_CORE_URL, edgeId, key: secret, crypto, clock, fetch: (request: Request) => fetch(request) };
  return { edgeId, crypto, clock, keys, secret, platformKey: bytes(platformKey), link };
}

/** Hex whose form the environment's schema has checked. */
function bytes(hex: string): Uint8Array {
  const value = fromHex(hex);
  if (value === undefined) throw new WorkerConfigError("a key that is not hex");
  return value;
}
