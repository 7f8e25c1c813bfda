/** `GET /health`, `/ready` and `/metrics` of the streams: how the two services stand, and what they could not read, and whether what they find can be kept. */
import { Hono } from "hono";
import { storageMetrics } from "../../core/protocol/server/storage-metrics.ts";
import type { StorageStanding } from "../../core/protocol/server/storage-watch.ts";
import { Metrics, METRICS_CONTENT_TYPE } from "../../core/protocol/metrics.ts";
import type { Database } from "../../migrations/database.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import { gapsOf, type ServiceHealth } from "../../streams/gap.ts";
import { watchDeadLetters, withinBus } from "./bus-metrics.ts";

export interface WatchedStreams {
  readonly db: Pick<Database, "read">;
  readonly bus: Pick<EventBus, "read" | "endOffsets">;
  readonly health: () => readonly ServiceHealth[];
  readonly storage: StorageStanding;
}

export function streamsApp(streams: WatchedStreams): Hono {
  const { db, health, storage } = streams;
  const metrics = new Metrics();
  watchStreams(metrics, streams);
  storageMetrics(metrics, storage);
  const app = new Hono();
  app.get("/health", (c) => c.json({ status: "ok", storage: storage.failing()[0]?.cause ?? "ok", services: health() }));
  app.get("/ready", async (c) => {
    const gaps = await gapsOf(db)
      .then(({ length }) => length)
      .catch(() => undefined);
    const failing = await storage.look();
    const ready = gaps !== undefined && failing.length === 0 && health().every(({ state }) => state === "running");
    const found = gaps === undefined ? { database: "unreadable" } : { gaps };
    return c.json({ ready, services: health(), storage: failing, ...found }, ready ? 200 : 503);
  });
  app.get("/metrics", async (c) =>
    c.text(await metrics.text(), 200, { "content-type": METRICS_CONTENT_TYPE, "cache-control": "no-store" }),
  );
  return app;
}

function watchStreams(metrics: Metrics, { db, bus, health }: WatchedStreams): void {
  metrics.gauge({ name: "ronghe_streams_running", help: "1 while a service runs.", labels: ["service"] }, () =>
    health().map(({ service, state }) => ({ labels: { service }, value: state === "running" ? 1 : 0 })),
  );
  const gapLabels = ["service", "kind", "topic"] as const;
  metrics.gauge(
    { name: "ronghe_streams_gaps", help: "Findings of records that left a topic, or of a topic that counts anew.", labels: gapLabels },
    () => perGap(db, () => 1),
  );
  metrics.gauge(
    { name: "ronghe_streams_lost_records", help: "Records that had left a topic when they were needed.", labels: gapLabels },
    () => perGap(db, ({ records }) => records),
  );
  metrics.gauge({ name: "ronghe_fraud_journaled", help: "Events judged, late or put aside since founding.", labels: [] }, () =>
    figure(db, "SELECT COALESCE(MAX(position), 0) AS figure FROM fraud_state"),
  );
  metrics.gauge({ name: "ronghe_fraud_alerts", help: "Alerts raised since founding.", labels: [] }, () =>
    figure(db, "SELECT COUNT(*) AS figure FROM fraud_alert"),
  );
  metrics.gauge({ name: "ronghe_supervision_counted", help: "Scans and claims counted since founding.", labels: ["what"] }, async () =>
    (
      await db.read(
        `SELECT 'scans' AS what, COALESCE(SUM(scans), 0) AS figure FROM supervision_scan
         UNION ALL SELECT 'claims', COALESCE(SUM(claims), 0) FROM supervision_claim`,
      )
    ).map((row) => ({ labels: { what: String(row["what"]) }, value: Number(row["figure"]) })),
  );
  metrics.gauge(
    { name: "ronghe_streams_behind", help: "Records of a topic that a service has not read yet.", labels: ["service", "topic"] },
    () => withinBus(behind(db, bus)),
  );
  watchDeadLetters(metrics, bus);
}

/** Sums by service, kind and topic. */
async function perGap(db: Pick<Database, "read">, figureOf: (gap: { readonly records: number }) => number) {
  const sums = new Map<string, { readonly labels: { service: string; kind: string; topic: string }; value: number }>();
  for (const gap of await gapsOf(db)) {
    const labels = { service: gap.service, kind: gap.kind, topic: gap.topic };
    const name = JSON.stringify(labels);
    const sum = sums.get(name) ?? { labels, value: 0 };
    sum.value += figureOf(gap);
    sums.set(name, sum);
  }
  return sums.values();
}

async function figure(db: Pick<Database, "read">, sql: string) {
  const [row] = await db.read(sql);
  return [{ labels: {}, value: Number(row?.["figure"] ?? 0) }];
}

async function behind(db: Pick<Database, "read">, bus: Pick<EventBus, "endOffsets">) {
  const rows = await db.read(
    `SELECT 'fraud' AS service, topic, SUM(next_offset) AS stands FROM fraud_offset GROUP BY topic
     UNION ALL SELECT 'supervision', topic, SUM(next_offset) FROM supervision_offset GROUP BY topic`,
  );
  return await Promise.all(
    rows.map(async (row) => {
      const labels = { service: String(row["service"]), topic: String(row["topic"]) };
      const end = (await bus.endOffsets(labels.topic)).reduce((sum, one) => sum + one, 0n);
      return { labels, value: Math.max(0, Number(end) - Number(row["stands"])) };
    }),
  );
}
