import { describe, expect, test } from "vitest";
import { Metrics, SERIES_MAX } from "./metrics.ts";

const NO_FAILURES = ["# HELP ronghe_metrics_failures_total Metrics that could not be read when they were asked for."];

describe("metrics as text", () => {
  test("tell help, type and every series, and count from nought what has no labels", async () => {
    const metrics = new Metrics();
    const calls = metrics.counter({ name: "ronghe_calls_total", help: "Calls.", labels: ["operation", "outcome"] });
    metrics.counter({ name: "ronghe_bare_total", help: "Nothing yet.", labels: [] });
    calls.add({ operation: "rh.settle", outcome: "ok" });
    calls.add({ outcome: "ok", operation: "rh.settle" }, 2);
    calls.add({ operation: "rh.settle", outcome: "internal" });
    expect(await metrics.text()).toBe(
      [
        "# HELP ronghe_calls_total Calls.",
        "# TYPE ronghe_calls_total counter",
        'ronghe_calls_total{operation="rh.settle",outcome="ok"} 3',
        'ronghe_calls_total{operation="rh.settle",outcome="internal"} 1',
        "# HELP ronghe_bare_total Nothing yet.",
        "# TYPE ronghe_bare_total counter",
        "ronghe_bare_total 0",
        ...NO_FAILURES,
        "# TYPE ronghe_metrics_failures_total counter",
        "",
      ].join("\n"),
    );
  });

  test("count a value in every bucket that holds it, and in +Inf", async () => {
    const metrics = new Metrics();
    const took = metrics.histogram({ name: "ronghe_took_seconds", help: "Time.", labels: ["rail"], buckets: [0.1, 1] });
    for (const seconds of [0.1, 0.5, 7]) took.observe({ rail: "bank" }, seconds);
    expect((await metrics.text()).split("\n").filter((line) => line.startsWith("ronghe_took"))).toEqual([
      'ronghe_took_seconds_bucket{rail="bank",le="0.1"} 1',
      'ronghe_took_seconds_bucket{rail="bank",le="1"} 2',
      'ronghe_took_seconds_bucket{rail="bank",le="+Inf"} 3',
      'ronghe_took_seconds_sum{rail="bank"} 7.6',
      'ronghe_took_seconds_count{rail="bank"} 3',
    ]);
  });

  test("keep a value from breaking its line", async () => {
    const metrics = new Metrics();
    metrics.gauge({ name: "ronghe_odd", help: "back\\slash\nline", labels: ["log"] }, () => [
      { labels: { log: 'a"b\\c\nd' }, value: 2n ** 60n },
    ]);
    const text = await metrics.text();
    expect(text).toContain(String.raw`# HELP ronghe_odd back\\slash\nline`);
    expect(text).toContain(String.raw`ronghe_odd{log="a\"b\\c\nd"} 1152921504606846976`);
  });

  test("leave out what cannot be read now, say so, and show the rest", async () => {
    const metrics = new Metrics();
    metrics.gauge({ name: "ronghe_away", help: "Away.", labels: [] }, () => Promise.reject(new Error("a message that quotes somebody")));
    metrics.gauge({ name: "ronghe_there", help: "There.", labels: [] }, () => [{ labels: {}, value: 1 }]);
    const text = await metrics.text();
    expect(text).toContain('ronghe_metrics_failures_total{metric="ronghe_away"} 1');
    expect(text).toContain("ronghe_there 1");
    expect(text).not.toContain("quotes");
    expect(text).not.toContain("\nronghe_away");
  });

  test("grow no further than a limit, whatever labels come", async () => {
    const metrics = new Metrics();
    const odd = metrics.counter({ name: "ronghe_odd_total", help: "Odd.", labels: ["what"] });
    for (let n = 0; n < SERIES_MAX + 50; n++) odd.add({ what: String(n) });
    const lines = (await metrics.text()).split("\n").filter((line) => line.startsWith("ronghe_odd_total"));
    expect(lines).toHaveLength(SERIES_MAX + 1);
    expect(lines).toContain('ronghe_odd_total{what="other"} 50');
  });

  test.each([
    ["a name twice", "ronghe_metrics_failures_total", ["metric"]],
    ["a name with a sign", "ronghe-odd", []],
    ["a label with a sign", "ronghe_odd", ["a-b"]],
    ["the label of buckets", "ronghe_odd", ["le"]],
  ])("refuse %s", (_, name, labels) => {
    expect(() => new Metrics().counter({ name, help: "", labels })).toThrow(RangeError);
  });
});
