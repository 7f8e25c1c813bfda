/**
 * What operators see from outside: one trace of each settlement from the edge's call to the ledger entry and back, over
 * every way that events travel; metrics that Prometheus can read; and one line for each request.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { layoutOf, readRuntime } from "../cli/platform/layout.ts";
import { startKafka } from "../streams/bus/testing/kafka.ts";
import { type Collector, type CollectedSpan, startCollector } from "./harness/collector.ts";
import { type EdgeProcess, startEdge, untilReady } from "./harness/edges.ts";
import { temporaryFolder } from "./harness/folder.ts";
import { type Province, startProvince } from "./harness/province.ts";
import { setTimeout as sleep } from "node:timers/promises";

const kafka = await startKafka();
afterAll(async () => {
  if (!("skipped" in kafka)) await kafka.stop();
});

let serial = 0;
/** A trace as a hospital's own system begins it. */
function hospitalTrace(): { readonly traceId: string; readonly traceparent: string } {
  const traceId = (++serial).toString(16).padStart(32, "a");
  return { traceId, traceparent: `00-${traceId}-${"b".repeat(16)}-01` };
}

/** The spans of a trace, once the one that ends it has come; the test's own time is the limit. */
async function traceOf(
  collector: Collector,
  traceId: string,
  last: (spans: readonly CollectedSpan[]) => boolean,
): Promise<readonly CollectedSpan[]> {
  for (;;) {
    const spans = collector.spans().filter((span) => span.traceId === traceId);
    if (last(spans)) return spans;
    await sleep(100);
  }
}

const named = (spans: readonly CollectedSpan[], name: string): readonly CollectedSpan[] => spans.filter((span) => span.name === name);
const settledIn = (spans: readonly CollectedSpan[]): CollectedSpan | undefined =>
  named(spans, "ledger.commit").find((span) => span.attributes["ronghe.outcome"] === "settled");

/** Every span hangs on another of the trace, but for the first, which hangs on the hospital's. */
function expectConnected(spans: readonly CollectedSpan[], root: string): void {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  expect(ids.size).toBe(spans.length);
  for (const span of spans)
    expect(span.parentSpanId === root || ids.has(span.parentSpanId ?? ""), `${span.name} hangs on nothing`).toBe(true);
  expect(spans.filter(({ parentSpanId }) => parentSpanId === root)).toHaveLength(1);
}

const ATTRIBUTES = new Set(
  ["operation", "outcome", "institution", "rail", "action", "ledger.log", "ledger.index"].map((name) => `ronghe.${name}`),
);

const WAYS = [
  { way: "beside an embedded bus", brokers: undefined, skipped: false },
  { way: "by a Kafka broker", brokers: "skipped" in kafka ? undefined : kafka.brokers, skipped: "skipped" in kafka },
];

describe.each(WAYS)("$way", ({ brokers, skipped }) => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let collector: Collector;
  let province: Province;
  const edges = new Map<string, EdgeProcess>();

  beforeAll(async () => {
    if (skipped) return;
    folder = await temporaryFolder();
    collector = await startCollector();
    const settings = { RONGHE_OTLP_URL: collector.url, RONGHE_LOG: "json" };
    province = await startProvince(folder.path, brokers, 4, settings);
    const runtimes = brokers === undefined ? (["Node", "Deno", "workerd"] as const) : (["Node"] as const);
    const started = await Promise.all(runtimes.map(async (runtime, at) => await startEdge(runtime, await province.edgeSettings(at + 2))));
    await Promise.all(started.map(untilReady));
    for (const edge of started) edges.set(edge.runtime, edge);
  });
  afterAll(async () => {
    await Promise.all([...edges.values()].map((edge) => edge.kill9()));
    await province?.stop();
    await collector?.stop();
    await folder?.[Symbol.asyncDispose]();
  });

  const edgeNamed = async (name: string): Promise<{ readonly url: string; readonly output?: () => string }> => {
    const url = name === "same process" ? (await readRuntime(layoutOf(province.data))).edgeUrl : undefined;
    const edge = url === undefined ? edges.get(name) : { url };
    if (edge === undefined) throw new Error(`no edge ${name}`);
    return edge;
  };

  const EDGES = brokers === undefined ? ["same process", "Node", "Deno", "workerd"] : ["Node"];

  describe.skipIf(skipped).each(EDGES)("an edge: %s", (name) => {
    it("joins a hospital's trace and leads it to the ledger and back", async () => {
      const { traceId, traceparent } = hospitalTrace();
      const desk = province.desk(await edgeNamed(name), 0, { traceparent });
      const outTradeNo = `T-${name.replace(" ", "")}`;
      const paid = await desk.client.settle({
        ...desk.scene,
        outTradeNo,
        code: await province.code(serial),
        amount: "900.00",
        waitSeconds: "30",
      });
      expect(paid).toMatchObject({ ok: true, value: { status: "settled" } });

      // A Worker has no exporter: it hands the trace on, and the core's spans hang on the hospital's.
      const isTold = name !== "workerd";
      const seen = await traceOf(
        collector,
        traceId,
        (all) =>
          settledIn(all) !== undefined && (!isTold || (named(all, "edge.request").length > 0 && named(all, "edge.outcome").length > 0)),
      );
      // Every edge that serves the hospital hears of the outcome, so others may have told of it too.
      const spans = isTold ? seen : seen.filter((span) => span.name !== "edge.outcome");
      expectConnected(spans, "b".repeat(16));
      const steps = ["core.intake", "vault.open", "rail.call", "ledger.commit", ...(isTold ? ["edge.request", "edge.outcome"] : [])];
      expect(new Set(spans.map((span) => span.name))).toEqual(new Set(steps));
      for (const { attributes } of spans) for (const attribute of Object.keys(attributes)) expect(ATTRIBUTES).toContain(attribute);
      expect(named(spans, "rail.call").map((call) => call.attributes)).toContainEqual({
        "ronghe.rail": "insurance",
        "ronghe.action": "capture",
        "ronghe.outcome": "done",
      });
      expect(settledIn(spans)?.attributes).toMatchObject({
        "ronghe.institution": desk.orgId,
        "ronghe.ledger.log": expect.stringMatching(/\/settlement-\d$/),
        "ronghe.ledger.index": expect.stringMatching(/^\d+$/),
      });
    });

    it("shows its metrics, and counts what it refused", async () => {
      const { url } = await edgeNamed(name);
      const before = await seriesOf(url);
      expect(before.get("ronghe_edge_outbox_depth")).toBeGreaterThanOrEqual(0);
      expect(before.get('ronghe_edge_link_up{link="core"}')).toBeDefined();
      expect((await fetch(`${url}/v1/rh.settle`, { method: "POST", body: "{}" })).status).toBe(200);
      const refused = [...(await seriesOf(url))].filter(([series]) =>
        series.startsWith('ronghe_edge_requests_total{operation="rh.settle"'),
      );
      expect(refused.filter(([series]) => !series.includes('outcome="ok"')).reduce((sum, [, count]) => sum + count, 0)).toBeGreaterThan(0);
    });

    it("writes one line for each request, refusals and pages included", async () => {
      const { url, output } = await edgeNamed(name);
      if (output === undefined) return;
      const linesNow = (): readonly Record<string, unknown>[] =>
        output()
          .split("\n")
          .flatMap((line) => (line.startsWith("{") ? [JSON.parse(line) as Record<string, unknown>] : []));
      const requests: readonly (readonly [string, RequestInit, object])[] = [
        ["/v1/rh.settle", { method: "POST", body: "x" }, { transType: "rh.settle", outcome: "badRequest" }],
        ["/v1/rh.nothing", { method: "POST", body: "x" }, { transType: "unknown", outcome: "unknownAddress" }],
        ["/v1/rh.settle", { method: "OPTIONS" }, { page: "preflight", status: 204 }],
        ["/health", {}, { page: "/health", status: 200 }],
        ["/ready", {}, { page: "/ready", status: 200 }],
        ["/status", {}, { page: "/status", status: 200 }],
        ["/metrics", {}, { page: "/metrics", status: 200 }],
        ["/openapi.json", {}, { page: "/openapi.json", status: 200 }],
        ["/docs", {}, { page: "/docs", status: 200 }],
        ["/510104199003071234?name=x", {}, { page: "other", status: 404 }],
      ];
      // What was written before has come through the pipe with this one.
      await (await fetch(`${url}/nowhere`, { method: "DELETE" })).arrayBuffer();
      while (linesNow().at(-1)?.["method"] !== "DELETE") await sleep(10);
      // No call of this test is under way beside them; what comes from elsewhere would be a line too many.
      for (const [path, init, told] of requests) {
        const from = linesNow().length;
        await (await fetch(`${url}${path}`, init)).arrayBuffer();
        while (linesNow().length === from) await sleep(10);
        expect(linesNow().slice(from)).toEqual([expect.objectContaining(told)]);
      }
      // However a runtime's own tools come to log: not what was typed. What they had to say came before this line.
      await (await fetch(`${url}/nowhere`, { method: "PUT" })).arrayBuffer();
      while (linesNow().at(-1)?.["method"] !== "PUT") await sleep(10);
      expect(output().includes("510104199003071234")).toBe(false);
    });
  });

  it.skipIf(skipped)("the core shows its metrics: calls, payers, settlements, logs, dead letters, cases", async () => {
    const { coreUrl } = await readRuntime(layoutOf(province.data));
    let series = await seriesOf(coreUrl ?? "");
    const letters = 'ronghe_dead_letters{topic="settlement.request.submitted.dlq.v1"}';
    // The bus has a moment to answer; on a busy machine it may take more than one reading.
    while (!series.has(letters)) series = await seriesOf(coreUrl ?? "");
    expect(series.get('ronghe_rail_calls_total{rail="insurance",action="capture",outcome="done"}')).toBeGreaterThanOrEqual(EDGES.length);
    expect(series.get('ronghe_rail_call_seconds_count{rail="insurance",action="capture"}')).toBeGreaterThanOrEqual(EDGES.length);
    expect(series.get('ronghe_settlements_decided_total{state="settled"}')).toBe(EDGES.length);
    expect(series.get('ronghe_settlements_open{state="unknown"}')).toBe(0);
    expect(series.get('ronghe_core_outbox_depth{shard="0"}')).toBeDefined();
    expect(series.get(letters)).toBe(0);
    // The brokers run on this machine; a reading may come before the first look at them.
    while (!series.has("ronghe_bus_clock_skew_seconds")) series = await seriesOf(coreUrl ?? "");
    expect(series.get("ronghe_bus_clock_skew_seconds")).toBe(0);
    expect(series.get("ronghe_bus_topics_repacked")).toBe(0);
    const health = (await (await fetch(`${coreUrl}/health`)).json()) as Record<string, unknown>;
    expect(health["bus"]).toEqual({ clockSkewMs: 0, repacked: [] });
    expect(series.get('ronghe_reconciliation_cases_open{state="open"}')).toBe(0);
    const logs = [...series].filter(([name]) => name.startsWith("ronghe_ledger_size"));
    expect(logs).toHaveLength(3);
    for (const [name, size] of logs) {
      expect(size).toBeGreaterThan(0);
      expect(series.get(name.replace("_size", "_checkpoint_age_seconds"))).toBeGreaterThanOrEqual(0);
    }
    expect([...series].filter(([name]) => name.startsWith("ronghe_metrics_failures_total{") && !name.includes("dead_letters"))).toEqual([]);
  });
});

const SAMPLE =
  /^([a-z][a-z0-9_]*(?:\{[a-z][a-z0-9_]*="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z][a-z0-9_]*="(?:[^"\\\n]|\\["\\n])*")*\})?) (-?[0-9.e+-]+|[+-]Inf|NaN)$/;

/** Reads a page of metrics as strictly as the format is written, and gives its samples. */
async function seriesOf(url: string): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(`${url}/metrics`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const text = await response.text();
  expect(text.endsWith("\n")).toBe(true);
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  let helped: string | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    const [, help] = /^# HELP ([a-z0-9_]+) ./.exec(line) ?? [];
    const [, typed, type] = /^# TYPE ([a-z0-9_]+) (counter|gauge|histogram)$/.exec(line) ?? [];
    if (help !== undefined) {
      helped = help;
      continue;
    }
    if (typed !== undefined && type !== undefined) {
      expect(typed).toBe(helped);
      expect(types.has(typed)).toBe(false);
      types.set(typed, type);
      continue;
    }
    const [, series, value] = SAMPLE.exec(line) ?? [];
    if (series === undefined) throw new Error(`not a line of metrics: ${line}`);
    expect(series.split("{", 1)[0]?.startsWith(helped ?? "-"), `${series} stands below ${helped}`).toBe(true);
    expect(samples.has(series), `${series} twice`).toBe(false);
    samples.set(series, Number(value));
  }
  return samples;
}
