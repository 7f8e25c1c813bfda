/** Names under which an edge's own keys stand in its key store, and what binds its secret to its place. */
import { utf8 } from "../core/protocol/bytes.ts";

/** Signs replies. */
export const EDGE_REPLY_KEY = "edge.reply/1";
/** Seals what lies in the edge's folder beside its database. */
export const EDGE_DATA_KEY = "edge.data/1";
/** Seals the bundle in the edge's own storage. */
export const EDGE_CACHE_KEY = "edge.cache/1";

/** What binds the sealed edge secret to its place. */
export function edgeSecretAad(edgeId: string): Uint8Array {
  return utf8(`ronghe.edge.core-secret/v1\n${edgeId}`);
}
