/** What `GET /metrics` says of storage, under the same names for every part. */
import type { Metrics } from "../metrics.ts";
import type { StorageStanding } from "./storage-watch.ts";

export function storageMetrics(metrics: Metrics, storage: StorageStanding): void {
  metrics.gauge(
    {
      name: "ronghe_storage_failing",
      help: "1 for each database that cannot be written to, with the cause.",
      labels: ["database", "cause"],
    },
    () => storage.failing().map(({ database, cause }) => ({ labels: { database, cause }, value: 1 })),
  );
  metrics.gauge(
    { name: "ronghe_storage_watched", help: "Databases and folders whose writing is watched, by name.", labels: ["database"] },
    () => {
      const watched = storage.watched();
      return [...new Set(watched)].map((database) => ({ labels: { database }, value: watched.filter((name) => name === database).length }));
    },
  );
  metrics.gauge({ name: "ronghe_storage_failed_calls", help: "Calls since the start that failed for want of storage.", labels: [] }, () => [
    { labels: {}, value: storage.failedCalls() },
  ]);
}
