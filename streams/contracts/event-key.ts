/** What makes two deliveries the same event, wherever they stand on the bus. */
import type { Crypto } from "../../core/crypto/port.ts";
import { utf8 } from "../../core/protocol/bytes.ts";
import type { AnyEvent } from "./event.ts";

/** SM3 of source and id (CloudEvents 1.0, 3.1.1). */
export function eventKey(crypto: Pick<Crypto, "sm3">, event: Pick<AnyEvent, "source" | "id">): Uint8Array {
  return crypto.sm3(utf8(`${event.source}\n${event.id}`));
}
