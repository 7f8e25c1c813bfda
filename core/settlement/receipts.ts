/** The last touch before an event leaves: its receipt, once a signed head covers its entry. */
import type { Log } from "../../ledger/port.ts";
import type { OutboxRow } from "../../streams/bus/outbox.ts";
import { canonicalJson } from "../../streams/contracts/canonical.ts";
import { utf8, utf8Text } from "../protocol/bytes.ts";

/** A forwarder's `prepare`: rows up to the first whose entry no checkpoint covers yet, with receipts in their data. */
export function receiptsAttached(log: Log): (rows: readonly OutboxRow[]) => Promise<readonly OutboxRow[]> {
  return async function attachReceipts(rows) {
    const covered = log.latestCheckpoint()?.size ?? 0n;
    const uncovered = rows.findIndex((row) => row.ledgerIndex !== undefined && row.ledgerIndex >= covered);
    const ready = uncovered === -1 ? rows : rows.slice(0, uncovered);
    return await Promise.all(ready.map((row) => (row.ledgerIndex === undefined ? row : withReceipt(log, row, row.ledgerIndex))));
  };
}

async function withReceipt(log: Log, row: OutboxRow, index: bigint): Promise<OutboxRow> {
  const data: unknown = JSON.parse(utf8Text(row.value) ?? "");
  if (typeof data !== "object" || data === null) throw new TypeError("an event of this room has an object as data");
  return { ...row, value: utf8(canonicalJson({ ...data, receipt: await log.receipt(index) })) };
}
