import { RECORD_BYTES_MAX, type BusRecord, type PublishVerdict } from "./port.ts";

/**
 * Key and headers together. With {@link RECORD_BYTES_MAX} this stays under Kafka's default `message.max.bytes` of
 * 1,048,588, and leaves a dead letter room for its headers.
 */
export const RECORD_FRAME_BYTES_MAX = 64 * 1024;

/** Of a letter that had to leave its record's content where it was. */
export const KEY_LENGTH_MAX = 1_000;

/** Why no bus will ever take this record, or `undefined` when its size is fine. */
export function sizeRefusal(record: BusRecord): PublishVerdict | undefined {
  if (record.value.length > RECORD_BYTES_MAX)
    return { kind: "fatal", reason: `value of ${record.value.length} bytes, at most ${RECORD_BYTES_MAX} are allowed` };
  const frame = frameBytes(record);
  if (frame > RECORD_FRAME_BYTES_MAX)
    return { kind: "fatal", reason: `key and headers of ${frame} bytes, at most ${RECORD_FRAME_BYTES_MAX} are allowed` };
  return undefined;
}

export function frameBytes(record: BusRecord): number {
  let bytes = Buffer.byteLength(record.key);
  for (const [name, value] of Object.entries(record.headers)) bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  return bytes;
}

/** `undefined` when the record names no partition or one that exists. */
export function partitionRefusal(record: BusRecord, partitions: number): PublishVerdict | undefined {
  const { partition } = record;
  if (partition === undefined || (Number.isInteger(partition) && partition >= 0 && partition < partitions)) return undefined;
  return { kind: "fatal", reason: `partition ${partition} of ${record.topic}, which has ${partitions}` };
}
