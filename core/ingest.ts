/**
 * `POST /ingest`: events from edges that reach no broker, put on the bus. An edge may write the topics of an edge, for
 * institutions it serves, under its own name; a batch is answered when the bus has it. What was answered is remembered
 * for an hour, so that a batch whose answer was lost is not published again; later repetitions are dropped by those who
 * read, as any other (DESIGN 7).
 */
import { type Database, insertRows } from "../migrations/database.ts";
import { GroupCommit } from "../migrations/queue.ts";
import type { BusRecord, EventBus, PublishVerdict } from "../streams/bus/port.ts";
import { decodeEvent } from "../streams/contracts/codec.ts";
import { type Edge, type Institution, servesInstitution } from "./access/directory.ts";
import { fromBase64 } from "./protocol/bytes.ts";
import { EDGE_TOPICS, INGEST_VALUE_BYTES_MAX, type IngestRecord, type IngestRefusal, type IngestVerdict } from "./protocol/ingest.ts";
import { ok, refused, type Result } from "./protocol/result.ts";
import type { Clock } from "./protocol/time.ts";
import { textOf } from "./rows.ts";

export interface Ingest {
  /** One verdict per record, in order; rejects when nothing can be said of any. */
  take(edge: Edge, records: readonly IngestRecord[]): Promise<readonly IngestVerdict[]>;
}

export interface IngestOptions {
  readonly bus: Pick<EventBus, "publish">;
  /** The core's database. */
  readonly db: Database;
  readonly clock: Clock;
  readonly institution: (orgId: string) => Pick<Institution, "orgId" | "kind"> | undefined;
}

/** How long a handed-over event is remembered. */
const MEMORY_MS = 3_600_000;
const SWEEP_ROWS_MAX = 20_000;
/** Batches of different edges that share one publish. */
const CALLS_MAX = 8;
/** Look-ups per statement. */
const KEYS_MAX = 2_000;

/** A record that may go out. */
interface Ready {
  readonly edgeId: string;
  readonly eventId: string;
  readonly record: BusRecord;
}

export function createIngest(options: IngestOptions): Ingest {
  const calls = new GroupCommit<readonly Ready[], readonly IngestVerdict[]>((batches) => publish(options, batches), CALLS_MAX);
  return {
    async take(edge, records) {
      const read = records.map((record) => readRecord(options, edge, record));
      const verdicts = await calls.submit(read.flatMap((one) => (one.ok ? [one.value] : [])));
      let next = 0;
      return read.map((one) => (one.ok ? (verdicts[next++] ?? "later") : one.error));
    },
  };
}

/** The checks, in the order of `INGEST_REFUSALS`. */
function readRecord(options: IngestOptions, edge: Edge, { topic, key, headers, value }: IngestRecord): Result<Ready, IngestRefusal> {
  const named = EDGE_TOPICS.find((one) => one === topic);
  if (named === undefined) return refused("topicRefused");
  const bytes = fromBase64(value);
  if (bytes === undefined || bytes.length > INGEST_VALUE_BYTES_MAX) return refused("eventMalformed");
  const record: BusRecord = { topic, key, headers, value: bytes };
  const event = decodeEvent(record, named);
  if (!event.ok || event.value.data.institution !== key || event.value.ledger !== undefined) return refused("eventMalformed");
  const { data, source, id } = event.value;
  const speaker = "edge" in data ? data.edge === edge.edgeId : data.observedBy === "edge";
  if (source !== `/ronghe/edge/${edge.edgeId}` || !speaker) return refused("sourceRefused");
  const institution = options.institution(key);
  if (institution === undefined || !servesInstitution(edge, institution)) return refused("institutionRefused");
  return ok({ edgeId: edge.edgeId, eventId: id, record });
}

/** One batch at a time, so that of two equal events one is published. */
async function publish(options: IngestOptions, batches: readonly (readonly Ready[])[]): Promise<readonly (readonly IngestVerdict[])[]> {
  const all = batches.flat();
  const known = await knownAmong(options.db, all);
  const sending = new Map<string, Ready>();
  for (const one of all) if (!known.has(nameOf(one)) && !sending.has(nameOf(one))) sending.set(nameOf(one), one);
  const fresh = [...sending.values()];
  const answers = fresh.length === 0 ? [] : await options.bus.publish(fresh.map(({ record }) => record));
  const verdicts = new Map(fresh.map((one, at) => [nameOf(one), verdictOf(answers[at])]));
  await remember(
    options,
    fresh.filter((one) => verdicts.get(nameOf(one)) === "stored"),
  );
  return batches.map((batch) => batch.map((one) => verdicts.get(nameOf(one)) ?? "stored"));
}

async function knownAmong(db: Database, all: readonly Ready[]): Promise<ReadonlySet<string>> {
  const known = new Set<string>();
  for (let from = 0; from < all.length; from += KEYS_MAX) {
    const part = all.slice(from, from + KEYS_MAX);
    const rows = await db.read(
      `SELECT edge_id, event_id FROM ingested_event WHERE (edge_id, event_id) IN (VALUES ${part.map(() => "(?,?)").join(",")})`,
      ...part.flatMap(({ edgeId, eventId }) => [edgeId, eventId]),
    );
    for (const row of rows) known.add(nameOf({ edgeId: textOf(row, "edge_id"), eventId: textOf(row, "event_id") }));
  }
  return known;
}

/** The bus has them already: should this be lost, a repetition is published once more. */
async function remember({ db, clock }: IngestOptions, stored: readonly Ready[]): Promise<void> {
  if (stored.length === 0) return;
  const nowMs = clock.now();
  const rows = stored.map(({ edgeId, eventId }) => [edgeId, eventId, nowMs]);
  await db.write(
    [
      {
        sql: `DELETE FROM ingested_event WHERE rowid IN (SELECT rowid FROM ingested_event WHERE at_ms < ? LIMIT ${SWEEP_ROWS_MAX})`,
        args: [nowMs - MEMORY_MS],
      },
      ...insertRows("ingested_event", ["edge_id", "event_id", "at_ms"], rows, "ON CONFLICT DO NOTHING"),
    ],
    "process",
  );
}

function verdictOf(answer: PublishVerdict | undefined): IngestVerdict {
  switch (answer?.kind) {
    case "ok":
      return "stored";
    case "fatal":
      return "recordRefused";
    case "retryable":
    case undefined:
      return "later";
  }
}

/** Neither part holds a line feed: an edge's name is checked, an event id stands in a header. */
function nameOf({ edgeId, eventId }: Pick<Ready, "edgeId" | "eventId">): string {
  return `${edgeId}\n${eventId}`;
}
