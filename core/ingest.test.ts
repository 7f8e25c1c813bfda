import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeEvent } from "../streams/contracts/codec.ts";
import type { DataTopic, WrittenData } from "../streams/contracts/topics.ts";
import type { BusRecord, EventBus } from "../streams/bus/port.ts";
import { createIngest } from "./ingest.ts";
import { createOutcomeFeed } from "./outcome-feed.ts";
import { toBase64, toHex, utf8 } from "./protocol/bytes.ts";
import { INGEST_RECORDS_MAX, INGEST_REFUSALS, type IngestRecord, ingestVerdict, type OutcomesRequest } from "./protocol/ingest.ts";
import { checkInternalReply, INTERNAL_HEADERS, signInternalRequest } from "./protocol/internal-auth.ts";
import { createCoreApp } from "./server.ts";
import { EDGE, HOSPITAL, openProvince, OTHER_HOSPITAL, type Province, TERMINAL, valueOf } from "./testing/province.ts";

const SUBMITTED = "settlement.request.submitted.v1";
const SCAN = "code.scan.observed.v1";
const SETTLED = "settlement.claim.settled.v1";
/** Serves the other hospital alone. */
const NARROW = "edge-narrow";

let province: Province;
let app: ReturnType<typeof createCoreApp>;
let narrowKey: Uint8Array;

beforeAll(async () => {
  province = await openProvince();
  narrowKey = valueOf(await province.core.access.registerEdge({ edgeId: NARROW, serves: [OTHER_HOSPITAL] }, "operator/test")).authKey;
  app = createCoreApp(province.core.ports);
});
afterAll(async () => {
  await province.close();
});

const submitted = (outTradeNo: string, more: Partial<WrittenData<typeof SUBMITTED>> = {}): WrittenData<typeof SUBMITTED> => ({
  action: "refund",
  institution: HOSPITAL,
  terminal: TERMINAL,
  businessType: "01301",
  outTradeNo,
  requestHash: "11".repeat(32),
  originalOutTradeNo: "O1",
  operatorId: "op7",
  acceptedAtMs: province.clock.now(),
  edge: EDGE,
  ...more,
});
const scan = (more: Partial<WrittenData<typeof SCAN>> = {}): WrittenData<typeof SCAN> => ({
  institution: HOSPITAL,
  terminal: TERMINAL,
  businessType: "01301",
  step: "verify",
  codeKind: "unreadable",
  outcome: "codeMalformed",
  observedBy: "edge",
  atMs: province.clock.now(),
  ...more,
});

function eventOf<T extends DataTopic>(
  type: T,
  id: string,
  data: WrittenData<T> & { readonly institution: string },
  edge = EDGE,
): BusRecord {
  return encodeEvent({ id, type, source: `/ronghe/edge/${edge}`, timeMs: province.clock.now(), key: data.institution, data });
}
const wired = ({ topic, key, headers, value }: BusRecord): IngestRecord => ({
  topic,
  key,
  headers: { ...headers },
  value: toBase64(value),
});
const request = (id: string): IngestRecord => wired(eventOf(SUBMITTED, id, submitted(id)));

interface Sender {
  readonly edge: string;
  readonly key: Uint8Array;
}

async function send(path: string, content: unknown, from: Partial<Sender> = {}) {
  const { edge, key } = { edge: EDGE, key: province.edgeKey, ...from };
  const body = utf8(typeof content === "string" ? content : JSON.stringify(content));
  const signed = signInternalRequest(province.crypto, key, { edge, method: "POST", path, body }, province.clock.now());
  const response = await app.request(path, { method: "POST", body: new Uint8Array(body), headers: { ...signed.headers } });
  const answer = new Uint8Array(await response.arrayBuffer());
  const reply = { requestSignature: signed.signature, status: response.status, body: answer };
  const genuine = checkInternalReply(province.crypto, key, reply, response.headers.get(INTERNAL_HEADERS.signature));
  const json: unknown = JSON.parse(new TextDecoder().decode(answer));
  return {
    status: response.status,
    genuine,
    json,
    again: () => app.request(path, { method: "POST", body: new Uint8Array(body), headers: { ...signed.headers } }),
  };
}
const ingest = (records: readonly unknown[], from: Partial<Sender> = {}) => send("/ingest", { records }, from);

async function onTheBus(topic: string): Promise<readonly string[]> {
  return (await province.bus.read(topic, 0, 0n, 10_000)).map((record) => String(record.headers["ce_id"]));
}

describe("a batch of an edge's events", () => {
  it("is on the bus, in order and byte for byte, before its signed answer", async () => {
    const event = eventOf(SUBMITTED, "a2", submitted("a2", { operatorId: "收费员 é" }));
    const answer = await ingest([request("a1"), wired(event), wired(eventOf(SCAN, "a3", scan()))]);
    expect(answer).toMatchObject({ status: 200, genuine: true, json: { ok: true, verdicts: ["stored", "stored", "stored"] } });
    expect(await onTheBus(SUBMITTED)).toEqual(["a1", "a2"]);
    expect(await onTheBus(SCAN)).toEqual(["a3"]);
    const stored = (await province.bus.read(SUBMITTED, 0, 1n, 1))[0];
    expect(stored).toMatchObject({ key: HOSPITAL, headers: event.headers });
    expect(toHex(stored?.value ?? new Uint8Array())).toBe(toHex(event.value));
  });

  it("is published once however often it comes, also at once and after a restart", async () => {
    const records = [request("b1"), request("b2"), request("b1")];
    const answers = await Promise.all([ingest(records), ingest(records), ingest(records)]);
    await province.reopen();
    app = createCoreApp(province.core.ports);
    for (const answer of [...answers, await ingest(records)])
      expect(answer.json).toEqual({ ok: true, verdicts: ["stored", "stored", "stored"] });
    expect((await onTheBus(SUBMITTED)).filter((id) => id.startsWith("b"))).toEqual(["b1", "b2"]);
  });

  it("of another edge with the same id is another event", async () => {
    const theirs = eventOf(SUBMITTED, "c1", submitted("c1", { institution: OTHER_HOSPITAL, edge: NARROW }), NARROW);
    const ours = eventOf(SUBMITTED, "c1", submitted("c1", { institution: OTHER_HOSPITAL }));
    await ingest([wired(ours)]);
    expect((await ingest([wired(theirs)], { edge: NARROW, key: narrowKey })).json).toEqual({ ok: true, verdicts: ["stored"] });
    expect((await onTheBus(SUBMITTED)).filter((id) => id === "c1")).toHaveLength(2);
  });

  const spoiled: [string, keyof typeof INGEST_REFUSALS, () => IngestRecord][] = [
    ["a topic of the core", "topicRefused", () => ({ ...request("x"), topic: SETTLED })],
    ["a dead-letter topic", "topicRefused", () => ({ ...request("x"), topic: "settlement.request.submitted.dlq.v1" })],
    ["a value that is no Base64", "eventMalformed", () => ({ ...request("x"), value: "=" })],
    ["a value that is no event", "eventMalformed", () => ({ ...request("x"), value: toBase64(utf8("{}")) })],
    ["an event of the other topic", "eventMalformed", () => ({ ...request("x"), topic: SCAN })],
    [
      "a key that is not the institution",
      "eventMalformed",
      () => wired({ ...eventOf(SUBMITTED, "x", submitted("x")), key: OTHER_HOSPITAL }),
    ],
    [
      "data of another institution than its key",
      "eventMalformed",
      () => {
        const { headers } = eventOf(SUBMITTED, "x", submitted("x", { institution: OTHER_HOSPITAL }));
        return { ...request("x"), key: OTHER_HOSPITAL, headers: { ...headers } };
      },
    ],
    [
      "a ledger position",
      "eventMalformed",
      () => ({ ...request("x"), headers: { ...request("x").headers, ce_ledgerlog: "l", ce_ledgerseq: "1" } }),
    ],
    ["another edge's source", "sourceRefused", () => wired(eventOf(SUBMITTED, "x", submitted("x"), "edge-9"))],
    ["another edge in its data", "sourceRefused", () => wired(eventOf(SUBMITTED, "x", submitted("x", { edge: "edge-9" })))],
    ["a scan that the core saw", "sourceRefused", () => wired(eventOf(SCAN, "x", scan({ observedBy: "core" })))],
    ["an institution nobody registered", "institutionRefused", () => wired(eventOf(SUBMITTED, "x", submitted("x", { institution: "H0" })))],
  ];
  it.each(spoiled)("with %s has that record refused as %s, and the others stored", async (what, refusal, record) => {
    const good = `good ${what}`;
    expect((await ingest([record(), request(good)])).json).toEqual({ ok: true, verdicts: [refusal, "stored"] });
    expect(await onTheBus(SUBMITTED)).not.toContain("x");
  });

  it("for an institution that this edge does not serve is refused", async () => {
    const record = wired(eventOf(SUBMITTED, "d1", submitted("d1", { edge: NARROW }), NARROW));
    expect((await ingest([record], { edge: NARROW, key: narrowKey })).json).toEqual({ ok: true, verdicts: ["institutionRefused"] });
  });

  it("is to be repeated while the bus is away, and set aside when the bus refuses it for good", async () => {
    const verdicts = [{ kind: "retryable", reason: "away" } as const, { kind: "fatal", reason: "too large" } as const];
    const calls: number[] = [];
    const bus: Pick<EventBus, "publish"> = {
      publish: (records) => {
        calls.push(records.length);
        return Promise.resolve(verdicts);
      },
    };
    const { registry, access } = province.core;
    const edge = access.edge(EDGE);
    if (edge === undefined) throw new Error("no edge");
    const tried = createIngest({ bus, db: registry.db, clock: province.clock, institution: (orgId) => access.institution(orgId) });
    expect(await tried.take(edge, [request("e1"), request("e2")])).toEqual(["later", "recordRefused"]);
    expect(await tried.take(edge, [request("e1"), request("e2")])).toEqual(["later", "recordRefused"]);
    expect(calls).toEqual([2, 2]);
  });

  it("knows a refusal for each word of its contract", () => {
    expect([...ingestVerdict.options].sort()).toEqual(["stored", "later", ...Object.keys(INGEST_REFUSALS)].sort());
  });
});

describe("a call to /ingest that is refused as a whole", () => {
  const refusals: [string, number, string, () => Promise<{ status: number; json: unknown }>][] = [
    ["what is not JSON", 400, "badRequest", () => send("/ingest", "{")],
    ["an unknown field", 400, "badRequest", () => send("/ingest", { records: [request("f")], more: 1 })],
    ["an unknown field of a record", 400, "badRequest", () => ingest([{ ...request("f"), partition: 1 }])],
    ["a header of another alphabet", 400, "badRequest", () => ingest([{ ...request("f"), headers: { "CE id": "x" } }])],
    ["no records", 400, "badRequest", () => ingest([])],
    ["too many records", 400, "badRequest", () => ingest(Array.from({ length: INGEST_RECORDS_MAX + 1 }, () => request("f")))],
    ["more than 1 MiB", 413, "bodyTooLarge", () => send("/ingest", { records: [], more: "x".repeat(1024 * 1024) })],
    ["an edge nobody registered", 401, "unauthorised", () => ingest([request("f")], { edge: "edge-9" })],
    ["another edge's key", 401, "unauthorised", () => ingest([request("f")], { key: narrowKey })],
  ];
  it.each(refusals)("has %s: %i %s", async (_what, status, error, call) => {
    const answer = await call();
    expect({ status: answer.status, json: answer.json }).toEqual({ status, json: { ok: false, error } });
    expect(await onTheBus(SUBMITTED)).not.toContain("f");
  });

  it("is a replay of a signed one", async () => {
    const first = await ingest([request("g")]);
    const second = await first.again();
    expect([second.status, await second.json()]).toEqual([401, { ok: false, error: "requestReplayed" }]);
  });
});

const settled = (institution: string, outTradeNo: string): WrittenData<typeof SETTLED> => ({
  settlementId: `S-${outTradeNo}`,
  institution,
  terminal: TERMINAL,
  businessType: "01301",
  outTradeNo,
  requestHash: "22".repeat(32),
  atMs: province.clock.now(),
  person: "33".repeat(32),
  amount: "1.00",
  legs: [],
});

const ask = async (more: Partial<OutcomesRequest> = {}, from: Partial<Sender> = {}) => {
  const { status, genuine, json } = await send("/internal/v1/outcomes", { positions: [], recordsMax: 500, waitMs: 0, ...more }, from);
  return {
    status,
    genuine,
    json: json as {
      ok: boolean;
      error?: string;
      records: { headers: Record<string, string> }[];
      positions: OutcomesRequest["positions"];
    },
  };
};

const ids = (answer: { json: { records: { headers: Record<string, string> }[] } }) =>
  answer.json.records.map(({ headers }) => headers["ce_id"]);

const publish = async (institution: string, outTradeNo: string): Promise<void> => {
  const [verdict] = await province.bus.publish([eventOf(SETTLED, `o-${outTradeNo}`, settled(institution, outTradeNo))]);
  expect(verdict?.kind).toBe("ok");
};

describe("outcomes for an edge", () => {
  it("are those of its own institutions, from its positions on, signed", async () => {
    await publish(HOSPITAL, "1");
    await publish(OTHER_HOSPITAL, "2");
    const wide = await ask();
    expect(wide).toMatchObject({ status: 200, genuine: true });
    expect(ids(wide)).toEqual(["o-1", "o-2"]);
    const narrow = await ask({}, { edge: NARROW, key: narrowKey });
    expect(ids(narrow)).toEqual(["o-2"]);
    expect(narrow.json.positions).toEqual(wide.json.positions);
    await publish(OTHER_HOSPITAL, "3");
    const next = await ask({ positions: narrow.json.positions, waitMs: 20_000 }, { edge: NARROW, key: narrowKey });
    expect(ids(next)).toEqual(["o-3"]);
  });

  it("come in pages, and without any when only positions are asked for", async () => {
    const start = await ask({ recordsMax: 0 });
    expect(start.json.records).toEqual([]);
    expect(start.json.positions.map(({ next }) => next)).toEqual(["0", "0", "0", "0"]);
    const first = await ask({ recordsMax: 1 });
    expect(ids(first)).toEqual(["o-1"]);
    expect(ids(await ask({ recordsMax: 1, positions: first.json.positions }))).toEqual(["o-2"]);
  });

  it("wake who waits for them", async () => {
    const { positions } = (await ask()).json;
    const waiting = ask({ positions, waitMs: 20_000 });
    await publish(HOSPITAL, "4");
    expect(ids(await waiting)).toEqual(["o-4"]);
  });

  it("are the same from memory and from the bus, whoever reads from where", async () => {
    const feed = createOutcomeFeed(province.bus);
    const everything = { serves: () => true, recordsMax: 500, waitMs: 0 };
    const atEnd = valueOf(await feed.read({ ...everything, positions: [] })).positions;
    for (let n = 10; n < 40; n++) await publish(n % 2 === 0 ? HOSPITAL : OTHER_HOSPITAL, String(n));
    const late = valueOf(await feed.read({ ...everything, positions: atEnd, waitMs: 20_000 }));
    const whole = valueOf(await createOutcomeFeed(province.bus).read({ ...everything, positions: [] }));
    expect(late.records.length).toBeGreaterThan(0);
    const rest = valueOf(await createOutcomeFeed(province.bus).read({ ...everything, positions: late.positions }));
    const known = valueOf(await feed.read({ ...everything, positions: [] })).records;
    expect(known.map(({ offset }) => offset)).toEqual(whole.records.map(({ offset }) => offset));
    expect([...late.records, ...rest.records].map(({ offset }) => offset)).toEqual(whole.records.slice(-30).map(({ offset }) => offset));
    feed.close();
  });

  it("are refused to a position that no record of this topic can have given", async () => {
    const answer = await ask({ positions: [{ topic: SETTLED, partition: 0, next: "999" }] });
    expect(answer).toMatchObject({ status: 409, genuine: true, json: { ok: false, error: "positionAhead" } });
  });

  it("end their waiting when the core stops", async () => {
    const feed = createOutcomeFeed(province.bus);
    const { positions } = valueOf(await feed.read({ serves: () => true, positions: [], recordsMax: 500, waitMs: 0 }));
    const waiting = feed.read({ serves: () => true, positions, recordsMax: 500, waitMs: 3_600_000 });
    feed.close();
    expect(valueOf(await waiting).records).toEqual([]);
  });

  const malformed: [string, unknown][] = [
    ["a topic that is none of theirs", { positions: [{ topic: SUBMITTED, partition: 0, next: "0" }], recordsMax: 1, waitMs: 0 }],
    ["a wait of an hour", { positions: [], recordsMax: 1, waitMs: 3_600_000 }],
    ["an unknown field", { positions: [], recordsMax: 1, waitMs: 0, all: true }],
  ];
  it.each(malformed)("are refused for %s", async (_what, content) => {
    expect(await send("/internal/v1/outcomes", content)).toMatchObject({ status: 400, json: { ok: false, error: "badRequest" } });
  });
});
