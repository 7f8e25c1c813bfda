import type { StorageCause } from "../../core/protocol/server/storage-watch.ts";
import type { AppPorts } from "./app-ports.ts";

export interface Readiness {
  /** Whether calls can be taken: the core and the bus may be away, the outbox holds what waits for them. */
  readonly ready: boolean;
  readonly edge: string;
  readonly outbox: { readonly depth: number; readonly oldestAgeMs: number };
  readonly bundle: { readonly version: number; readonly ageMs: number; readonly expiresInMs: number } | null;
  /** Why the last bundle was not taken, until one is; calls are still taken under the one before, to its end. */
  readonly bundleRefused: string | null;
  readonly core: "reachable" | "unreachable";
  readonly results: "running" | "stopped";
  /** Why what is taken cannot be kept: `SQLITE_FULL` for example. */
  readonly storage: StorageCause | "ok";
}

export async function readiness(ports: AppPorts): Promise<Readiness> {
  const nowMs = ports.clock.now();
  const view = ports.settings.current();
  const outbox = ports.outbox.backlog();
  const room = outbox.depth < ports.limits.outboxDepthMax && outbox.oldestAgeMs < ports.limits.outboxAgeMsMax;
  const bundle = view?.bundle;
  const [failing] = (await ports.storage?.look()) ?? [];
  return {
    ready: room && bundle !== undefined && failing === undefined,
    edge: ports.edgeId,
    outbox,
    bundle:
      bundle === undefined ? null : { version: bundle.version, ageMs: nowMs - bundle.issuedAtMs, expiresInMs: bundle.expiresAtMs - nowMs },
    bundleRefused: ports.settings.state?.().refused?.reason ?? null,
    core: (await ports.link.reachable()) ? "reachable" : "unreachable",
    results: ports.results.running() ? "running" : "stopped",
    storage: failing?.cause ?? "ok",
  };
}
