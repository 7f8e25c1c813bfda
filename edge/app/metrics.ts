/**
 * What `GET /metrics` of an edge shows: calls by operation and outcome, how long they take, what waits for the bus, and
 * how its links are. On Workers counters are of one isolate; what the shards hold is of all of them.
 */
import { ERRORS } from "../../core/protocol/errors.ts";
import { CALL_SECONDS, type Labels, Metrics, type Sample } from "../../core/protocol/metrics.ts";
import { storageMetrics } from "../../core/protocol/server/storage-metrics.ts";
import type { RequestLine, PageLine } from "../ports.ts";
import type { AppPorts } from "./app-ports.ts";
import { clockSkewMs } from "./clock.ts";
import { FINDINGS, findingsNow } from "./status.ts";

export interface EdgeMetrics {
  /** Counts what a line tells. */
  readonly observe: (line: RequestLine | PageLine) => void;
  readonly text: () => Promise<string>;
}

export function edgeMetrics(ports: AppPorts): EdgeMetrics {
  const metrics = new Metrics();
  const calls = metrics.counter({
    name: "ronghe_edge_requests_total",
    help: "Calls by operation and outcome; code is what the caller was told.",
    labels: ["operation", "outcome", "code"],
  });
  const seconds = metrics.histogram({
    name: "ronghe_edge_request_seconds",
    help: "How long calls take, waiting for an outcome included where the caller asked for it.",
    labels: ["operation"],
    buckets: CALL_SECONDS,
  });
  const pages = metrics.counter({
    name: "ronghe_edge_pages_total",
    help: "Requests that are no calls, by page.",
    labels: ["page", "status"],
  });
  const gauge = (name: string, help: string, read: () => number | undefined): void =>
    metrics.gauge({ name, help, labels: [] }, () => alone(read()));

  const backlog = (): ReturnType<AppPorts["outbox"]["backlog"]> => ports.outbox.backlog();
  gauge("ronghe_edge_outbox_depth", "Events that wait for the bus.", () => backlog().depth);
  gauge("ronghe_edge_outbox_depth_max", "Events from which on nothing new is taken.", () => ports.limits.outboxDepthMax);
  gauge("ronghe_edge_outbox_oldest_seconds", "Age of the event that waits longest.", () => backlog().oldestAgeMs / 1000);
  metrics.gauge({ name: "ronghe_edge_link_up", help: "Whether core and bus are there, as calls find out.", labels: ["link"] }, () => {
    const state = ports.link.state(ports.clock.now());
    return (["core", "bus"] as const).map((link) => ({ labels: { link }, value: state[link] === "there" ? 1 : 0 }));
  });
  gauge("ronghe_edge_offline_seconds", "How long core or bus have been away.", () => {
    const nowMs = ports.clock.now();
    const { offlineSinceMs } = ports.link.state(nowMs);
    return offlineSinceMs === undefined ? 0 : (nowMs - offlineSinceMs) / 1000;
  });
  metrics.gauge({ name: "ronghe_edge_finding", help: "What is wrong with this edge, as /status says it.", labels: ["finding"] }, () => {
    const found = new Set<string>(findingsNow(ports));
    return Object.keys(FINDINGS).map((finding) => ({ labels: { finding }, value: found.has(finding) ? 1 : 0 }));
  });
  gauge("ronghe_edge_settings_version", "Version of the platform's settings in force.", () => ports.settings.current()?.bundle.version);
  gauge("ronghe_edge_settings_left_seconds", "How long they are still good.", () => {
    const bundle = ports.settings.current()?.bundle;
    return bundle === undefined ? undefined : (bundle.expiresAtMs - ports.clock.now()) / 1000;
  });
  gauge("ronghe_edge_outcomes_left_out", "Records on the outcome topics that could not be read, since the start.", () =>
    ports.results.leftOut?.(),
  );
  gauge("ronghe_edge_clock_skew_seconds", "This clock less the core's, as far as its last answers show.", () => {
    const skewMs = clockSkewMs(ports, ports.clock.now());
    return skewMs === undefined ? undefined : skewMs / 1000;
  });

  if (ports.storage !== undefined) storageMetrics(metrics, ports.storage);

  return {
    observe(line) {
      if ("page" in line) return pages.add({ page: line.page, status: String(line.status) });
      const { transType: operation, outcome } = line;
      calls.add({ operation, outcome, code: ERRORS[outcome].code }, 1 + (line.alike ?? 0));
      seconds.observe({ operation }, line.tookMs / 1000);
    },
    text: () => metrics.text(),
  };
}

function alone(value: number | undefined): readonly Sample<never>[] {
  return value === undefined ? [] : [{ labels: {} as Labels<never>, value }];
}
