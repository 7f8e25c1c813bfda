/** `POST /ingest` and the outcomes of `/internal/v1`: a bus by HTTP for edges that reach no broker. */
import { type Context, Hono } from "hono";
import * as v from "valibot";
import type { Access } from "../access/access.ts";
import type { EdgeContacts } from "../access/edge-contacts.ts";
import { type Edge, servesInstitution } from "../access/directory.ts";
import type { Ingest } from "../ingest.ts";
import type { OutcomeFeed } from "../outcome-feed.ts";
import { toBase64, utf8Text } from "../protocol/bytes.ts";
import { INGEST_BODY_BYTES_MAX, ingestRequest, OUTCOME_TOPICS, outcomesRequest, type OutcomeRecord } from "../protocol/ingest.ts";
import { JSON_LIMITS, parseStrictJson, toPlainJson } from "../protocol/json.ts";
import type { DeliveredRecord } from "../../streams/bus/port.ts";
import { hearing, internalAuth, type InternalAuthOptions, type InternalCall, secretsOf } from "./internal-auth.ts";

export interface IngestPorts extends Pick<InternalAuthOptions, "crypto" | "clock"> {
  readonly access: Access;
  /** Told what calls show of edges. */
  readonly contacts?: EdgeContacts;
  readonly ingest: Ingest;
  readonly outcomes: OutcomeFeed;
}

/** Mounted at `/ingest`. */
export function ingestRoutes(ports: IngestPorts): Hono<InternalCall> {
  const routes = new Hono<InternalCall>();
  routes.use(
    internalAuth({
      crypto: ports.crypto,
      clock: ports.clock,
      secretsOf: secretsOf(ports.access),
      heard: hearing(ports.contacts),
      bodyBytesMax: INGEST_BODY_BYTES_MAX,
    }),
  );
  routes.post("/", async function ingest(c) {
    const request = readBody(c, ingestRequest);
    if (request === undefined) return refuse(c, "badRequest", 400);
    const verdicts = await ports.ingest.take(edgeOf(ports, c), request.records);
    c.set("outcome", "ok");
    return c.json({ ok: true, verdicts });
  });
  return routes;
}

/** Mounted behind the authentication of `/internal/v1`. */
export function outcomeRoutes(ports: IngestPorts): Hono<InternalCall> {
  const routes = new Hono<InternalCall>();
  routes.post("/outcomes", async function outcomes(c) {
    const request = readBody(c, outcomesRequest);
    if (request === undefined) return refuse(c, "badRequest", 400);
    const edge = edgeOf(ports, c);
    const serves = (orgId: string): boolean => {
      const institution = ports.access.institution(orgId);
      return institution !== undefined && servesInstitution(edge, institution);
    };
    const page = await ports.outcomes.read({ ...request, serves });
    if (!page.ok) return refuse(c, "positionAhead", 409);
    c.set("outcome", "ok");
    return c.json({ ok: true, records: page.value.records.map(recordOf), positions: page.value.positions });
  });
  return routes;
}

/** Who passed the authentication; the directory may have changed since, but never loses an edge. */
function edgeOf(ports: IngestPorts, c: Context<InternalCall>): Edge {
  const edge = ports.access.edge(c.get("edgeId"));
  if (edge === undefined) throw new Error("an edge without registration passed authentication");
  return edge;
}

function readBody<Schema extends v.GenericSchema>(c: Context<InternalCall>, schema: Schema): v.InferOutput<Schema> | undefined {
  const text = utf8Text(c.get("body"));
  const json = text === undefined ? undefined : parseStrictJson(text, { ...JSON_LIMITS, lengthMax: INGEST_BODY_BYTES_MAX });
  if (json === undefined || !json.ok) return undefined;
  const parsed = v.safeParse(schema, toPlainJson(json.value), { abortEarly: true });
  return parsed.success ? parsed.output : undefined;
}

function refuse(c: Context<InternalCall>, error: "badRequest" | "positionAhead", status: 400 | 409): Response {
  c.set("outcome", "badRequest");
  return c.json({ ok: false, error }, status);
}

function recordOf(record: DeliveredRecord): OutcomeRecord {
  const topic = OUTCOME_TOPICS.find((one) => one === record.topic);
  if (topic === undefined) throw new Error("a feed of outcomes gave another topic");
  const { partition, key, headers, timestampMs } = record;
  return { topic, partition, offset: String(record.offset), key, headers: { ...headers }, value: toBase64(record.value), timestampMs };
}
