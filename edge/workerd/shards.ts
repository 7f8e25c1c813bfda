/** Which Durable Object an institution's state lies in. The number of objects is part of the name: change it only with an empty outbox. */

/** FNV-1a, 32 bits: spreads names evenly, needs no key and is the same everywhere. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}

export function shardName(at: number, shards: number): string {
  return `shard-${at}-of-${shards}`;
}

export function shardOf(orgId: string, shards: number): string {
  return shardName(hash(orgId) % shards, shards);
}
