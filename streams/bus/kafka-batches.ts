/**
 * What a broker answers to a fetch, read batch by batch. kafkajs gives up the whole answer for one batch that it cannot
 * unpack, asks for the same again, and ends; here such a batch is one record that says so, at the batch's last offset,
 * and reading goes on behind it.
 *
 * kafkajs asks every broker from 2.3 on by version 11 of the request; its reader of that version is replaced.
 */
import Decoder from "kafkajs/src/protocol/decoder.js";
import decodeBatch from "kafkajs/src/protocol/recordBatch/v0/decoder.js";
import fetchResponse, { type FetchedPartition, type FetchedRecord } from "kafkajs/src/protocol/requests/fetch/v11/response.js";
import "./kafka-codecs.ts";
import { errorClass } from "./log.ts";

/** Base offset, length: what stands before the bytes that a batch's length counts. */
const BATCH_FRAME_BYTES = 12;
/** The rest of the head of a batch: from the leader's epoch to the number of records. */
const BATCH_HEAD_BYTES = 49;
const MAGIC = 2;
const AT = { lastOffsetDelta: 11, maxTimestamp: 23, producerId: 31, records: 45 } as const;

fetchResponse.decode = decodeResponse;

async function decodeResponse(raw: Buffer): ReturnType<typeof fetchResponse.decode> {
  const decoder = new Decoder(raw);
  const clientSideThrottleTime = decoder.readInt32();
  const errorCode = decoder.readInt16();
  const sessionId = decoder.readInt32();
  const responses = await decoder.readArrayAsync(async (topic) => ({
    topicName: topic.readString(),
    partitions: await topic.readArrayAsync(decodePartition),
  }));
  // A broker that throttles expects the client to wait, and answers nothing before (as kafkajs has it).
  return { throttleTime: 0, clientSideThrottleTime, errorCode, sessionId, responses };
}

async function decodePartition(decoder: Decoder): Promise<FetchedPartition> {
  return {
    partition: decoder.readInt32(),
    errorCode: decoder.readInt16(),
    highWatermark: String(decoder.readInt64()),
    lastStableOffset: String(decoder.readInt64()),
    lastStartOffset: String(decoder.readInt64()),
    abortedTransactions: decoder.readArray((one) => ({ producerId: String(one.readInt64()), firstOffset: String(one.readInt64()) })),
    preferredReadReplica: decoder.readInt32(),
    messages: await recordsOf(decoder),
  };
}

async function recordsOf(decoder: Decoder): Promise<readonly FetchedRecord[]> {
  const size = decoder.readInt32();
  return size <= 0 ? [] : await readBatches(decoder.readBytes(size));
}

/** The last batch of an answer may be cut off by the answer's size: it comes whole with the next. */
export async function readBatches(bytes: Buffer): Promise<readonly FetchedRecord[]> {
  const records: FetchedRecord[] = [];
  for (let at = 0; at + BATCH_FRAME_BYTES <= bytes.length;) {
    const end = at + BATCH_FRAME_BYTES + bytes.readInt32BE(at + 8);
    if (end > bytes.length || end - at < BATCH_FRAME_BYTES + BATCH_HEAD_BYTES) break;
    // Not by `push(...)`: a batch may hold more records than a call takes arguments.
    for (const record of await readBatch(bytes.subarray(at, end))) records.push(record);
    at = end;
  }
  return records;
}

async function readBatch(batch: Buffer): Promise<readonly FetchedRecord[]> {
  try {
    const magic = batch.readInt8(BATCH_FRAME_BYTES + 4);
    if (magic !== MAGIC) throw new RangeError(`batches of magic ${magic} are not read`);
    return (await decodeBatch(new Decoder(batch))).records;
  } catch (error) {
    return [placeholder(batch, errorClass(error))];
  }
}

function placeholder(batch: Buffer, error: string): FetchedRecord {
  const head = batch.subarray(BATCH_FRAME_BYTES);
  const lastOffset = batch.readBigInt64BE(0) + BigInt(head.readInt32BE(AT.lastOffsetDelta));
  return {
    offset: String(lastOffset),
    timestamp: String(head.readBigInt64BE(AT.maxTimestamp)),
    key: null,
    value: null,
    headers: {},
    batchContext: { producerId: String(head.readBigInt64BE(AT.producerId)), inTransaction: false },
    unreadable: { error, records: head.readInt32BE(AT.records) },
  };
}
