import type { Crypto } from "../../core/crypto/port.ts";
import { originKeyOf, withOrigin } from "../../core/protocol/event-origin.ts";
import type { EventOrigin } from "../ports.ts";

/** Signs events under the key that follows from the edge's secret. What waits in an outbox is signed already. */
export function createOrigin(crypto: Crypto, edgeSecret: Uint8Array): EventOrigin {
  const key = originKeyOf(crypto, edgeSecret);
  return { sign: (record) => withOrigin(crypto, key, record) };
}
