/**
 * Which partition a key belongs to: Kafka's default partitioner (murmur2 over the UTF-8 key, sign bit cleared, modulo
 * the partition count), so that a key has the same partition number on every bus and for every Kafka client.
 */
export function partitionOf(key: string, partitions: number): number {
  return (murmur2(encoder.encode(key)) & 0x7fff_ffff) % partitions;
}

const encoder = new TextEncoder();
const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/** `org.apache.kafka.common.utils.Utils.murmur2`, in 32-bit arithmetic. */
export function murmur2(data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const whole = data.length & ~3;
  let h = SEED ^ data.length;
  for (let at = 0; at < whole; at += 4) {
    let k = Math.imul(view.getInt32(at, true), M);
    k = Math.imul(k ^ (k >>> 24), M);
    h = Math.imul(h, M) ^ k;
  }
  const rest = data.length - whole;
  if (rest > 0) {
    for (let at = rest - 1; at >= 0; at--) h ^= view.getUint8(whole + at) << (8 * at);
    h = Math.imul(h, M);
  }
  h = Math.imul(h ^ (h >>> 13), M);
  return h ^ (h >>> 15);
}
