import { copyFile } from "node:fs/promises";
import type { Crypto } from "../../core/crypto/port.ts";
import { toHex } from "../../core/protocol/bytes.ts";
import { edgeSecretAad } from "../../edge/identity.ts";
import type { Config } from "../config.ts";
import { EDGE_DATA_KEY, EDGE_REPLY_KEY, ensureEdgeKeys, makeSandboxKek, foundKeys, keyPlace } from "./keys.ts";
import { edgeLayout, type Layout, makeFolders, type PlatformFile, writePrivate } from "./layout.ts";

/** Edges of a sandbox by name: `edge-1` lives in the platform's own folder, the others in folders to be carried away. */
export function edgeIds(count: number): readonly string[] {
  return Array.from({ length: count }, (_, at) => `edge-${at + 1}`);
}

/** Makes an edge's keys and keeps its secret sealed under them; gives the public key that its replies verify with. */
export async function makeEdgeFolder(options: {
  readonly config: Config;
  readonly crypto: Crypto;
  /** Of the platform. */
  readonly layout: Layout;
  readonly edgeId: string;
  /** Shared with the core, given at registration. */
  readonly authKey: Uint8Array;
}): Promise<string> {
  const { config, crypto, edgeId } = options;
  const layout = edgeLayout(options.layout, edgeId);
  if (layout !== options.layout) {
    await makeFolders(layout, ["edge"]);
    if (config.RONGHE_KEY_PASSPHRASE === undefined) await makeSandboxKek(crypto, layout);
  }
  const keys = await foundKeys(config, keyPlace(layout, "edge"), crypto);
  await ensureEdgeKeys(keys);
  await writePrivate(layout.edge.secret, await keys.seal(EDGE_DATA_KEY, options.authKey, edgeSecretAad(edgeId)));
  return toHex(await keys.publicKey(EDGE_REPLY_KEY));
}

/** What every edge of a platform has in common, into the folders that are to be carried away. */
export async function completeEdgeFolders(layout: Layout, platform: PlatformFile, ids: readonly string[]): Promise<void> {
  for (const edgeId of ids) {
    const carried = edgeLayout(layout, edgeId);
    if (carried === layout) continue;
    await copyFile(layout.edge.trust, carried.edge.trust);
    await writePrivate(carried.platform, `${JSON.stringify({ ...platform, edgeId }, undefined, 2)}\n`);
  }
}
