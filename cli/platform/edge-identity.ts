import { readFile } from "node:fs/promises";
import { type KeyStore, UnknownKeyError } from "../../core/crypto/port.ts";
import { fromHex } from "../../core/protocol/bytes.ts";
import { edgeSecretAad } from "../../edge/identity.ts";
import { UsageError } from "../config.ts";
import { EDGE_DATA_KEY, EDGE_REPLY_KEY } from "./keys.ts";
import type { Layout, PlatformFile } from "./layout.ts";
import { isThere, readIfThere } from "./files.ts";

/** Who an edge is, as its folder says. */
export interface EdgeIdentity {
  /** The secret shared with the core, as it lies in the folder and opened. */
  readonly sealed: Uint8Array;
  readonly secret: Uint8Array;
  /** SM2 key that signs settings, 65 bytes. */
  readonly platformKey: Uint8Array;
}

const POINT_BYTES = 65;

/** Reads it before anything starts, so that an edge that could serve nobody says so. */
export async function readEdgeIdentity(layout: Layout, platform: PlatformFile, keys: KeyStore): Promise<EdgeIdentity> {
  const [sealed, trust] = await Promise.all([
    isThere(layout.edge.secret) ? readFile(layout.edge.secret) : undefined,
    readIfThere(layout.edge.trust),
  ]);
  const platformKey = fromHex((trust ?? "").trim());
  const secret = sealed === undefined ? undefined : await openSecret(keys, sealed, platform.edgeId);
  if (sealed === undefined || secret === undefined || platformKey?.length !== POINT_BYTES)
    throw new UsageError(`${layout.edge.folder} is not the folder of an edge that \`sandbox init\` or an operator set up`);
  return { sealed, secret, platformKey };
}

async function openSecret(keys: KeyStore, sealed: Uint8Array, edgeId: string): Promise<Uint8Array | undefined> {
  try {
    await keys.publicKey(EDGE_REPLY_KEY);
    return await keys.open(EDGE_DATA_KEY, sealed, edgeSecretAad(edgeId));
  } catch (error) {
    if (error instanceof UnknownKeyError) return undefined;
    throw error;
  }
}
