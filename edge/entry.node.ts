/** The edge on Node: its database and outbox in one libSQL file, HTTP by node:http. Signals belong to the caller. */
import type { Crypto, KeyStore } from "../core/crypto/port.ts";
import type { Clock } from "../core/protocol/time.ts";
import { openDatabase } from "../migrations/database.ts";
import { enqueue, startForwarder } from "../streams/bus/outbox.ts";
import type { EventBus } from "../streams/bus/port.ts";
import { createEdgeApp } from "./app.ts";
import { createCoreClient } from "./app/core-client.ts";
import { createSealer } from "./app/sealer.ts";
import { openBundleCache } from "./node/bundle-cache.ts";
import { listen } from "./node/listen.ts";
import { openEdgeState } from "./node/state.ts";
import { EDGE_LIMITS, type EdgeLimits, type RequestLog } from "./ports.ts";
import { startResults } from "./results.ts";
import { openSettings } from "./settings.ts";

export interface EdgeConfig {
  readonly edgeId: string;
  /** Path of `edge.db`. */
  readonly file: string;
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly coreUrl: string;
  /** HMAC-SM3 key shared with the core, given at registration. */
  readonly internalKey: Uint8Array;
  /** SM2 key that signs bundles, pinned at installation. */
  readonly platformKey: Uint8Array;
  /** Handle in the key store of the key that signs replies. */
  readonly replyKeyHandle: string;
  readonly refreshMs?: number;
  readonly limits?: Partial<EdgeLimits>;
}

export interface EdgeDependencies {
  /** Shared with other parts of the process; the edge does not close it. */
  readonly bus: EventBus;
  readonly crypto: Crypto;
  readonly keyStore: KeyStore;
  readonly clock: Clock;
  readonly coreFetch: (request: Request) => Promise<Response>;
  readonly log?: RequestLog;
  readonly onBug?: (error: unknown) => void;
}

export interface RunningEdge {
  readonly url: string;
  /** Resolves when nothing waits for the bus any more. */
  drained(): Promise<void>;
  /** Rejects when the result consumer died for good; the process should then end. */
  readonly crashed: Promise<never>;
  /** Takes no more calls, answers those under way, and closes; what the bus does not have stays in the outbox. */
  stop(): Promise<void>;
}

export async function startEdge(config: EdgeConfig, dependencies: EdgeDependencies): Promise<RunningEdge> {
  const { bus, crypto, clock, keyStore } = dependencies;
  const { edgeId } = config;
  // What was opened last closes first, also when a later part does not start.
  const opened = new AsyncDisposableStack();
  try {
    const db = await openDatabase({ kind: "edge", file: config.file });
    opened.defer(() => db.close());
    const core = createCoreClient({ url: config.coreUrl, edgeId, key: config.internalKey, crypto, clock, fetch: dependencies.coreFetch });
    const cache = await openBundleCache(db, keyStore);
    const refreshMs = config.refreshMs ?? 30_000;
    const settings = await openSettings({
      crypto,
      clock,
      platformKey: config.platformKey,
      cache,
      fetchBundle: () => core.bundle(),
      refreshMs,
    });
    opened.defer(() => settings.stop());
    const outbox = startForwarder({ db, bus, clock });
    opened.defer(() => outbox.stop());
    const state = await openEdgeState({ db, enqueue, onCommitted: () => outbox.notify(), nowMs: clock.now() });
    opened.defer(() => state.close(clock.now()));
    const results = await startResults({ bus, db, edgeId });
    opened.defer(() => results.stop());
    const signer = { sign: (message: Uint8Array) => keyStore.sm2Sign(config.replyKeyHandle, message) };
    const limits = { ...EDGE_LIMITS, ...config.limits };
    const { log, onBug } = dependencies;
    const ports = { edgeId, crypto, clock, settings, state, outbox, core, results, signer, sealer: createSealer(crypto), limits };
    const app = createEdgeApp({ ...ports, ...(log === undefined ? {} : { log }), ...(onBug === undefined ? {} : { onBug }) });
    const server = await listen(app.fetch, config);
    opened.defer(() => {
      results.release();
      return server.close();
    });
    return { url: server.url, crashed: results.crashed, drained: () => outbox.drained(), stop: () => opened.disposeAsync() };
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}
