/**
 * Which edge a record on the bus comes from. A topic is writable by whoever the broker lets write; so an edge puts an
 * HMAC-SM3 on each record, under a key of its own that only the core shares, and the core believes no request without.
 *
 * ```
 * event key:  HMAC-SM3(the edge's secret, "ronghe.edge.event-origin/v1")
 * key id:     first 16 hex digits of SM3("ronghe.edge.key-id/v1\n" ‖ event key)
 * MAC:        HMAC-SM3(event key, text);  text: "ronghe.event-origin/v1" and then topic, record key, ce_source, ce_id,
 *             hex SM3(value), each as "\n<length in UTF-8 bytes>:<text>"
 * ```
 * The MAC covers the value's exact bytes, so nothing has to be encoded twice alike. Headers added on the way (tracing)
 * are not covered, and nothing is decided by them.
 */
import type { Crypto } from "../crypto/port.ts";
import { toHex, utf8 } from "./bytes.ts";

/** CloudEvents extension attributes, as the Kafka binding writes them. */
export const ORIGIN_HEADERS = { key: "ce_originkey", mac: "ce_originmac" } as const;

type Hashing = Pick<Crypto, "sm3" | "hmacSm3">;

export interface OriginKey {
  /** Tells versions of an edge's key apart; public. */
  readonly id: string;
  readonly key: Uint8Array;
}

/** What of a bus record is authenticated. */
export interface OriginRecord {
  readonly topic: string;
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** The key for events that follows from the secret which edge and core share. */
export function originKeyOf(crypto: Hashing, edgeSecret: Uint8Array): OriginKey {
  const key = crypto.hmacSm3(edgeSecret, utf8("ronghe.edge.event-origin/v1"));
  return { key, id: toHex(crypto.sm3(utf8("ronghe.edge.key-id/v1\n"), key)).slice(0, 16) };
}

/** The record with the two headers that prove its origin. */
export function withOrigin<R extends OriginRecord>(crypto: Hashing, origin: OriginKey, record: R): R {
  const mac = toHex(originMac(crypto, origin.key, record));
  return { ...record, headers: { ...record.headers, [ORIGIN_HEADERS.key]: origin.id, [ORIGIN_HEADERS.mac]: mac } };
}

export type OriginDefect = "originMissing" | "originKeyUnknown" | "originForged";

/** Checks the headers under the keys of the edge that the record says it comes from, in constant time. */
export function checkOrigin(
  crypto: Hashing & Pick<Crypto, "equal">,
  keys: readonly OriginKey[],
  record: OriginRecord,
): OriginDefect | undefined {
  const id = headerOf(record, ORIGIN_HEADERS.key);
  const mac = headerOf(record, ORIGIN_HEADERS.mac);
  if (id === undefined || mac === undefined) return "originMissing";
  const origin = keys.find((one) => one.id === id);
  if (origin === undefined) return "originKeyUnknown";
  return crypto.equal(utf8(toHex(originMac(crypto, origin.key, record))), utf8(mac)) ? undefined : "originForged";
}

function originMac(crypto: Hashing, key: Uint8Array, record: OriginRecord): Uint8Array {
  const { topic, key: recordKey, value } = record;
  const parts = [topic, recordKey, headerOf(record, "ce_source") ?? "", headerOf(record, "ce_id") ?? "", toHex(crypto.sm3(value))];
  const text = parts.map((part) => `\n${utf8(part).length}:${part}`).join("");
  return crypto.hmacSm3(key, utf8(`ronghe.event-origin/v1${text}`));
}

function headerOf(record: OriginRecord, name: string): string | undefined {
  return Object.hasOwn(record.headers, name) ? record.headers[name] : undefined;
}
