import { loadCrypto } from "../../core/crypto/index.ts";
import type { Config } from "../config.ts";
import { printJson } from "../output.ts";
import { readEdgeSecrets } from "../platform/edge-secrets.ts";
import { openKeys } from "../platform/keys.ts";
import { layoutOf, readPlatform } from "../platform/layout.ts";

/** `ronghe edge-secrets`: for `wrangler secret bulk`, and for no file that stays. */
export async function edgeSecrets(config: Config): Promise<void> {
  const layout = layoutOf(config.RONGHE_DATA);
  const platform = readPlatform(layout);
  const crypto = await loadCrypto();
  const keys = await openKeys(config, layout, crypto, "edge");
  printJson(await readEdgeSecrets({ config, layout, platform, keys, crypto }));
}
