/**
 * Events as the bus carries them: CloudEvents 1.0 in Kafka's binary content mode (attributes as `ce_` headers,
 * `content-type`, the canonical JSON of `data` as the value, the `partitionkey` extension as the key).
 *
 * Writers are strict by type; readers tolerate unknown optional fields and unknown values of lists that may grow
 * (`open-list.ts`), so that an old reader lives with a new writer.
 */
import * as v from "valibot";
import { utf8, utf8Text } from "../../core/protocol/bytes.ts";
import { ok, refused, type Result } from "../../core/protocol/result.ts";
import type { BusRecord, DeliveredRecord, TopicSpec } from "../bus/port.ts";
import { canonicalJson } from "./canonical.ts";
import type { DeadLetterReason } from "./dead-letter-reasons.ts";
import type { AnyEvent, RongheEvent, WrittenEvent } from "./event.ts";
import { type DataTopic, deadLetterTopic, type EventData, TOPICS, type TopicContract } from "./topics.ts";

/** Why a record is no event of its topic: a name fit for a dead letter's header, never a value of the record. */
export interface Undecodable {
  readonly reason: DeadLetterReason;
  /** Where in `data`, for `schemaMismatch`: names of fields only. */
  readonly at?: string;
}

const CONTENT_TYPE = "application/json";
const SOURCE = /^\/ronghe(?:\/[0-9A-Za-z._~:-]+)+$/;
const RFC3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/;
const DECIMAL = /^(?:0|[1-9]\d{0,18})$/;
const ID_LENGTH_MAX = 200;

/** The `dataschema` attribute of a topic, and the `$id` of its generated JSON Schema. */
export function dataSchemaOf(topic: DataTopic): string {
  return `urn:ronghe:schema:${topic}`;
}

/** Whether a topic carries JSON events, rather than leaves or notes. */
export function isDataTopic(topic: string): topic is DataTopic {
  if (!Object.hasOwn(TOPICS, topic)) return false;
  const contract: TopicContract = TOPICS[topic as DataTopic];
  return contract.data !== undefined;
}

/** @example encodeEvent({ id, type: "code.scan.observed.v1", source: "/ronghe/edge/e1", timeMs, key: orgId, data }) */
export function encodeEvent<T extends DataTopic>(event: WrittenEvent<T>): BusRecord {
  return {
    topic: event.type,
    key: event.key,
    headers: {
      ce_specversion: "1.0",
      ce_id: event.id,
      ce_source: event.source,
      ce_type: event.type,
      ce_time: new Date(event.timeMs).toISOString(),
      ...(event.subject === undefined ? {} : { ce_subject: event.subject }),
      ce_partitionkey: event.key,
      ce_dataschema: dataSchemaOf(event.type),
      ...(event.ledger === undefined ? {} : { ce_ledgerlog: event.ledger.log, ce_ledgerseq: event.ledger.index.toString() }),
      "content-type": CONTENT_TYPE,
    },
    value: utf8(canonicalJson(event.data)),
  };
}

/** Reads a record of any topic with JSON data, or of one topic when it is named. */
export function decodeEvent<T extends DataTopic>(record: Encoded, topic: T): Result<RongheEvent<T>, Undecodable>;
export function decodeEvent(record: Encoded): Result<AnyEvent, Undecodable>;
export function decodeEvent(record: Encoded, topic?: DataTopic): Result<RongheEvent, Undecodable> {
  try {
    return decode(record, topic);
  } catch {
    // A defect of ours, shown by a record of anybody's: it costs this record, and no reader its life.
    return refused({ reason: "decoderFailed" });
  }
}

/** As a writer made it, or as the bus delivered it. */
type Encoded = BusRecord & Pick<DeliveredRecord, "unreadable">;

function decode(record: Encoded, topic: DataTopic | undefined): Result<RongheEvent, Undecodable> {
  if (record.unreadable !== undefined) return refused({ reason: "batchUnreadable" });
  if (!isDataTopic(record.topic)) return refused({ reason: "topicUnknown" });
  if (topic !== undefined && record.topic !== topic) return refused({ reason: "topicMismatch" });
  const attributes = readAttributes(record);
  if (!attributes.ok) return attributes;
  const data = readData(record.topic, record.value);
  if (!data.ok) return data;
  return ok({ ...attributes.value, type: record.topic, data: data.value });
}

function readAttributes(record: BusRecord): Result<Omit<RongheEvent, "type" | "data">, Undecodable> {
  const header = (name: string): string | undefined => (Object.hasOwn(record.headers, name) ? record.headers[name] : undefined);
  if (header("ce_specversion") !== "1.0") return refused({ reason: "specversionUnknown" });
  if (header("ce_type") !== record.topic) return refused({ reason: "typeMismatch" });
  const contentType = header("content-type");
  if (contentType === undefined || contentType.split(";", 1)[0]?.trim().toLowerCase() !== CONTENT_TYPE)
    return refused({ reason: "contentTypeUnknown" });
  const id = header("ce_id");
  if (id === undefined || id.length === 0 || id.length > ID_LENGTH_MAX) return refused({ reason: "idInvalid" });
  const source = header("ce_source");
  if (source === undefined || !SOURCE.test(source)) return refused({ reason: "sourceInvalid" });
  const key = header("ce_partitionkey");
  if (key === undefined || key.length === 0 || key !== record.key) return refused({ reason: "keyMismatch" });
  const time = header("ce_time");
  const timeMs = time !== undefined && RFC3339.test(time) ? Date.parse(time) : Number.NaN;
  if (!Number.isSafeInteger(timeMs) || timeMs < 0) return refused({ reason: "timeInvalid" });
  const subject = header("ce_subject");
  const log = header("ce_ledgerlog");
  const index = header("ce_ledgerseq");
  if ((log === undefined) !== (index === undefined)) return refused({ reason: "ledgerPositionInvalid" });
  if (index !== undefined && !DECIMAL.test(index)) return refused({ reason: "ledgerPositionInvalid" });
  return ok({
    id,
    source,
    timeMs,
    key,
    ...(subject === undefined ? {} : { subject }),
    ...(log === undefined || index === undefined ? {} : { ledger: { log, index: BigInt(index) } }),
  });
}

function readData<T extends DataTopic>(topic: T, value: Uint8Array): Result<EventData<T>, Undecodable> {
  const text = utf8Text(value);
  if (text === undefined) return refused({ reason: "notUtf8" });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return refused({ reason: "notJson" });
  }
  const schema: v.GenericSchema = TOPICS[topic].data;
  const parsed = v.safeParse(schema, json, { abortEarly: true, abortPipeEarly: true });
  if (parsed.success) return ok(parsed.output as EventData<T>);
  const at = v.getDotPath(parsed.issues[0]);
  return refused({ reason: "schemaMismatch", ...(at === null ? {} : { at }) });
}

/** Every topic with `partitions`, and its dead-letter topic with one: there, order across keys costs nothing. For `EventBus.ensureTopics`. */
export function topicPlan(partitions: number): readonly TopicSpec[] {
  return Object.keys(TOPICS).flatMap((name) => [
    { name, partitions },
    { name: deadLetterTopic(name), partitions: 1 },
  ]);
}
