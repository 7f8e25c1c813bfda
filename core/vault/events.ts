/** What the vault tells the streams; people by pseudonym, codes by fingerprint. */
import { encodeEvent } from "../../streams/contracts/codec.ts";
import type { WrittenData } from "../../streams/contracts/topics.ts";
import type { OutboxRecord } from "../../streams/bus/outbox-port.ts";
import type { LedgerPosition } from "../../ledger/leaf-draft.ts";

const SOURCE = "/ronghe/core/vault";

type Told = "identity.token.resolved.v1" | "code.scan.observed.v1" | "identity.binding.changed.v1";

/**
 * One event per entry of the log: the position is its id, fixed before the first attempt to publish.
 *
 * @param key institution or person, as the topic is keyed.
 */
export function vaultEvent<T extends Told>(
  type: T,
  key: string,
  data: WrittenData<T> & { readonly atMs: number },
  position: LedgerPosition,
): OutboxRecord {
  const id = `${position.origin}/${position.index}`;
  const ledger = { log: position.origin, index: position.index };
  return { ...encodeEvent<T>({ id, type, source: SOURCE, timeMs: data.atMs, key, ledger, data }), eventId: id };
}
