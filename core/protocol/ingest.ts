/**
 * How an edge that reaches no broker hands its events over and gets outcomes back: `POST /ingest` and
 * `POST /internal/v1/outcomes` of the core, signed both ways like every call between the two (`internal-auth.ts`).
 */
import * as v from "valibot";
import { codePoints } from "./texts.ts";

/** Records of one batch, and bytes of its body. */
export const INGEST_RECORDS_MAX = 500;
export const INGEST_BODY_BYTES_MAX = 1024 * 1024;
/** No event of an edge comes near it. */
export const INGEST_VALUE_BYTES_MAX = 64 * 1024;
const HEADERS_MAX = 24;

/** Topics an edge may write. */
export const EDGE_TOPICS = ["settlement.request.submitted.v1", "code.scan.observed.v1"] as const;
/** Topics that tell an edge what became of its requests. */
export const OUTCOME_TOPICS = [
  "settlement.claim.settled.v1",
  "settlement.claim.refused.v1",
  "settlement.claim.refunded.v1",
  "settlement.claim.unknown.v1",
] as const;

const name = v.pipe(v.string(), codePoints(1, 100));
const headers = v.pipe(
  v.record(v.pipe(v.string(), v.regex(/^[a-z][a-z0-9_-]{0,39}$/)), v.pipe(v.string(), codePoints(0, 2_048))),
  v.maxEntries(HEADERS_MAX),
);
const base64 = (bytesMax: number) => v.pipe(v.string(), v.maxLength(Math.ceil(bytesMax / 3) * 4));
const offset = v.pipe(v.string(), v.regex(/^(?:0|[1-9]\d{0,18})$/));
const partition = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1_023));

/** An event as it waits in an outbox; `value` in Base64, so that it arrives byte for byte. */
export const ingestRecord = v.strictObject({ topic: name, key: name, headers, value: base64(INGEST_VALUE_BYTES_MAX) });
export type IngestRecord = v.InferOutput<typeof ingestRecord>;

/** Oldest first: order holds per institution. */
export const ingestRequest = v.strictObject({
  records: v.pipe(v.array(ingestRecord), v.minLength(1), v.maxLength(INGEST_RECORDS_MAX)),
});
export type IngestRequest = v.InferOutput<typeof ingestRequest>;

/**
 * Why a record is never taken, in the order in which it is asked. Repeating does not help: the edge sets it aside.
 */
export const INGEST_REFUSALS = {
  topicRefused: "an edge does not write this topic",
  eventMalformed: "not an event of its topic",
  sourceRefused: "the event names another edge",
  institutionRefused: "this edge does not serve the institution",
  recordRefused: "the bus refuses the record for good",
} as const;
export type IngestRefusal = keyof typeof INGEST_REFUSALS;

/** One per record, in order: `stored` is durable on the bus, `later` asks for a repetition. */
export const ingestVerdict = v.picklist([
  "stored",
  "later",
  "topicRefused",
  "eventMalformed",
  "sourceRefused",
  "institutionRefused",
  "recordRefused",
]);
export type IngestVerdict = v.InferOutput<typeof ingestVerdict>;
export const ingestReply = v.strictObject({ ok: v.literal(true), verdicts: v.array(ingestVerdict) });

/** How far a reader is in one partition: the offset it wants next. */
const position = v.strictObject({ topic: v.picklist(OUTCOME_TOPICS), partition, next: offset });
export type OutcomePosition = v.InferOutput<typeof position>;
export const OUTCOMES_MAX = 500;
export const OUTCOME_WAIT_MS_MAX = 20_000;

/** What an edge asks for: outcomes behind its positions, of the institutions it serves. */
export const outcomesRequest = v.strictObject({
  /** Partitions left out begin at their first record. */
  positions: v.pipe(v.array(position), v.maxLength(1_024)),
  /** 0 asks for the positions alone. */
  recordsMax: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(OUTCOMES_MAX)),
  /** How long to hold the answer back while there is nothing to tell. */
  waitMs: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(OUTCOME_WAIT_MS_MAX)),
});
export type OutcomesRequest = v.InferOutput<typeof outcomesRequest>;

const outcomeRecord = v.strictObject({
  topic: v.picklist(OUTCOME_TOPICS),
  partition,
  offset,
  key: name,
  headers: v.record(v.string(), v.string()),
  value: v.string(),
  timestampMs: v.number(),
});
export type OutcomeRecord = v.InferOutput<typeof outcomeRecord>;

/** `positions` are those of every partition, behind what was looked at; records of others were passed over. */
export const outcomesReply = v.strictObject({ ok: v.literal(true), records: v.array(outcomeRecord), positions: v.array(position) });
export type OutcomesReply = v.InferOutput<typeof outcomesReply>;
