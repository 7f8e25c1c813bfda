/** What becomes of a request that cannot be believed: a dead letter, an entry of the ledger, and a finding for the streams. */
import type { OriginCheck } from "../access/event-origin.ts";
import type { DeliveredRecord } from "../../streams/bus/port.ts";
import { encodeEvent } from "../../streams/contracts/codec.ts";
import type { SubmittedEvent } from "./acceptance.ts";
import { UNKNOWN_SOURCE } from "./quarantine.ts";
import type { Rejected } from "./shard.ts";

/** `undefined` for a request of an edge in force that serves the institution. */
export async function rejectedFor(
  origin: OriginCheck,
  record: DeliveredRecord,
  event: SubmittedEvent,
  nowMs: number,
): Promise<Rejected | undefined> {
  const checked = await origin.check(record, event.data, nowMs);
  if (checked.ok) return undefined;
  const source = checked.error === "originEdgeUnknown" ? UNKNOWN_SOURCE : event.data.edge;
  return { reason: checked.error, source, finding: findingOf(record, event, checked.error, nowMs) };
}

/** Names a record by where it stands. */
export function placeOf({ topic, partition, offset }: DeliveredRecord): string {
  return `${topic}/${partition}/${offset}`;
}

function findingOf(record: DeliveredRecord, event: SubmittedEvent, reason: string, atMs: number): Rejected["finding"] {
  const { institution, terminal, businessType, edge, action } = event.data;
  const id = `${placeOf(record)}.rejected`;
  const finding = {
    id,
    type: "settlement.request.rejected.v1",
    source: `/ronghe/core/settlement-${record.partition}`,
    timeMs: atMs,
    key: institution,
    data: {
      institution,
      terminal,
      businessType,
      edge,
      action,
      reason,
      partition: record.partition,
      offset: record.offset.toString(),
      atMs,
    },
  } as const;
  return { ...encodeEvent(finding), eventId: id };
}
