import { carryKeyStore } from "../../core/crypto/keystore-carried.ts";
import type { Crypto, KeyStore } from "../../core/crypto/port.ts";
import { toBase64, toHex } from "../../core/protocol/bytes.ts";
import { EDGE_CACHE_KEY, EDGE_DATA_KEY, EDGE_REPLY_KEY } from "../../edge/identity.ts";
import type { Config } from "../config.ts";
import { readEdgeIdentity } from "./edge-identity.ts";
import { unlockOf } from "./keys.ts";
import type { Layout, PlatformFile } from "./layout.ts";

/** What a Worker needs to be this edge, as secrets for `wrangler secret bulk`; neither is of use without the other. */
export interface EdgeSecrets {
  readonly RONGHE_EDGE_IDENTITY: string;
  readonly RONGHE_EDGE_KEK: string;
}

/** Copies an edge's keys out of its folder, wrapped under a key made for this copy. */
export async function readEdgeSecrets(options: {
  readonly config: Config;
  readonly layout: Layout;
  readonly platform: PlatformFile;
  readonly keys: KeyStore;
  readonly crypto: Crypto;
}): Promise<EdgeSecrets> {
  const { config, layout, platform, keys, crypto } = options;
  const { sealed, platformKey } = await readEdgeIdentity(layout, platform, keys);
  // A Worker makes no keys; the one for its cache is made here.
  await keys.ensure(EDGE_CACHE_KEY, "secret");
  const kek = crypto.random(32);
  const identity = {
    edgeId: platform.edgeId,
    keys: await carryKeyStore({
      file: layout.edge.keys,
      unlock: await unlockOf(config, layout),
      handles: [EDGE_REPLY_KEY, EDGE_DATA_KEY, EDGE_CACHE_KEY],
      kek,
      crypto,
    }),
    coreSecret: toBase64(sealed),
    platformKey: toHex(platformKey),
  };
  return { RONGHE_EDGE_IDENTITY: JSON.stringify(identity), RONGHE_EDGE_KEK: toHex(kek) };
}
