/**
 * How a consumer that keeps its own offsets reads a slice: what it has not seen yet, decoded, up to the first record
 * that can never be handled. What stands before that record is worked first, so nothing is skipped with it.
 */
import type { DeliveredRecord } from "../bus/port.ts";
import { decodeEvent } from "./codec.ts";
import type { AnyEvent } from "./event.ts";

export interface Received {
  readonly record: DeliveredRecord;
  readonly event: AnyEvent;
}

export interface Intake {
  readonly received: readonly Received[];
  /** The record to be put aside, with the name of what is wrong. */
  readonly poison?: { readonly record: DeliveredRecord; readonly reason: string };
}

/**
 * @param nextOffset the consumer's own offset of the partition; earlier records were delivered again and are left out.
 * @param unfit names what else makes a decoded event unfit for this consumer, if anything.
 */
export function readSlice(
  records: readonly DeliveredRecord[],
  nextOffset: bigint,
  unfit: (event: AnyEvent) => string | undefined = () => undefined,
): Intake {
  const received: Received[] = [];
  for (const record of records) {
    if (record.offset < nextOffset) continue;
    const event = decodeEvent(record);
    const reason = event.ok ? unfit(event.value) : event.error.reason;
    if (!event.ok || reason !== undefined) return { received, poison: { record, reason: reason ?? "unfit" } };
    received.push({ record, event: event.value });
  }
  return { received };
}
