/** How a consumer that keeps its own offsets reads a slice: what it has not seen yet, decoded, beside what can never be handled. */
import type { DeliveredRecord, Poison } from "../bus/port.ts";
import { decodeEvent } from "./codec.ts";
import type { DeadLetterReason } from "./dead-letter-reasons.ts";
import type { AnyEvent } from "./event.ts";

export interface Received {
  readonly record: DeliveredRecord;
  readonly event: AnyEvent;
}

/** Of a slice, in its order: an event, or what is to be put aside. */
export type Taken = Received | Poison;

/**
 * @param nextOffset the consumer's own offset of the partition; earlier records were delivered again and are left out.
 * @param unfit names what else makes a decoded event unfit for this consumer, if anything.
 */
export function readSlice(
  records: readonly DeliveredRecord[],
  nextOffset: bigint,
  unfit: (event: AnyEvent) => DeadLetterReason | undefined = () => undefined,
): readonly Taken[] {
  return records
    .filter(({ offset }) => offset >= nextOffset)
    .map((record) => {
      const event = decodeEvent(record);
      if (!event.ok) return { record, errorClass: event.error.reason };
      const errorClass = unfit(event.value);
      return errorClass === undefined ? { record, event: event.value } : { record, errorClass };
    });
}

export function isPoison(taken: Taken): taken is Poison {
  return "errorClass" in taken;
}
