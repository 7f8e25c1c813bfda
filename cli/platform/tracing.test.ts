import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readTraceparent } from "../../core/protocol/tracing.ts";
import { type Collector, startCollector } from "../../test/harness/collector.ts";
import { readConfig } from "../config.ts";
import { openTraces } from "./tracing.ts";

let collector: Collector;
beforeAll(async () => {
  collector = await startCollector();
});
afterAll(() => collector.stop());

const open = (sample: string): ReturnType<typeof openTraces> =>
  openTraces(readConfig({ RONGHE_OTLP_URL: `${collector.url}/`, RONGHE_TRACE_SAMPLE: sample }));

describe("traces of a process", () => {
  test("are sent with the facts of their list, failure without a message, and nothing of the machine", async () => {
    const traces = await open("1");
    const span = traces.of("core").begin("rail.call", undefined, { rail: "bank", action: "capture" });
    span.end({ outcome: "done", index: 2n ** 60n }, "failed");
    await traces.stop();
    const [sent, ...others] = collector.spans().filter(({ traceId }) => traceId === span.traceId);
    expect(others).toEqual([]);
    expect(sent).toMatchObject({ service: "ronghe-core", name: "rail.call", parentSpanId: undefined });
    expect(sent?.attributes).toEqual({
      "ronghe.rail": "bank",
      "ronghe.action": "capture",
      "ronghe.outcome": "done",
      "ronghe.ledger.index": "1152921504606846976",
    });
    const resource = (JSON.parse(collector.bodies.at(-1) ?? "") as { resourceSpans: { resource: { attributes: { key: string }[] } }[] })
      .resourceSpans;
    expect(resource[0]?.resource.attributes.map(({ key }) => key)).toEqual(["service.name", "service.namespace"]);
  });

  test("with a sample of nought begin none of their own, say so to whoever follows, and go on with those that came sampled", async () => {
    const traces = await open("0");
    const tracing = traces.of("edge");
    const own = tracing.begin("edge.request", undefined, {});
    expect(readTraceparent(own.traceparent)?.traceFlags).toBe(0);
    const followed = tracing.begin("edge.request", `00-${"c".repeat(32)}-${"d".repeat(16)}-01`, {});
    own.end();
    followed.end();
    await traces.stop();
    const seen = collector.spans().map(({ traceId }) => traceId);
    expect(seen).not.toContain(own.traceId);
    expect(seen).toContain("c".repeat(32));
  });

  test("keep nobody waiting when the collector is away", async () => {
    const traces = await openTraces(readConfig({ RONGHE_OTLP_URL: "http://127.0.0.1:9" }));
    traces.of("core").begin("core.intake", undefined, {}).end();
    await expect(traces.stop()).resolves.toBeUndefined();
  });

  test.each(["2", "-1", "x", "1.5", "0.1234567"])("refuse a sample of %s", (sample) => {
    expect(() => readConfig({ RONGHE_TRACE_SAMPLE: sample })).toThrow("RONGHE_TRACE_SAMPLE");
  });
});
