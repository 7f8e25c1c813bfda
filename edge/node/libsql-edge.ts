/**
 * The edge on runtimes with files (Node, Deno): state, results and outbox in one libSQL file, owned by this process. The
 * entries bring the HTTP server of their runtime; signals belong to the caller.
 */
import type { Crypto, KeyStore } from "../../core/crypto/port.ts";
import { StorageWatch } from "../../core/protocol/server/storage-watch.ts";
import type { Clock } from "../../core/protocol/time.ts";
import { Tracing } from "../../core/protocol/tracing.ts";
import { type Database, openDatabase } from "../../migrations/database.ts";
import { enqueue, startForwarder } from "../../streams/bus/outbox.ts";
import type { EventBus } from "../../streams/bus/port.ts";
import { createEdgeApp } from "../app.ts";
import { createCoreCall } from "../app/core-calls.ts";
import { createCoreClient } from "../app/core-client.ts";
import { createOrigin } from "../app/origin.ts";
import { createSealer } from "../app/sealer.ts";
import { peerOf } from "../../core/protocol/server/source.ts";
import { createCoreBus } from "../core-bus.ts";
import { EDGE_LIMITS, type EdgeLimits, type EdgeNotice, type RequestLog } from "../ports.ts";
import { startResults } from "../results.ts";
import { openSettings } from "../settings.ts";
import { openBundleCache } from "./bundle-cache.ts";
import { openEdgeState } from "./state.ts";

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
  /**
   * Shared with other parts of the process; the edge does not close it. `core`: events go to the core's `POST /ingest`,
   * and outcomes are asked of it.
   */
  readonly bus: EventBus | "core";
  readonly crypto: Crypto;
  readonly keyStore: KeyStore;
  readonly clock: Clock;
  readonly coreFetch: (request: Request) => Promise<Response>;
  readonly log?: RequestLog;
  readonly tracing?: Tracing;
  readonly onBug?: (error: Error) => void;
  /** Watches the edge's database; by default one that says nothing to the log. */
  readonly storage?: StorageWatch;
  readonly notice?: (notice: EdgeNotice) => void;
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

/** Where an app is reached: what `edge/node/listen.ts` and `edge/deno/listen.ts` give. */
export interface Listening {
  readonly url: string;
  /** Takes no new connection, and resolves when the calls under way are answered. */
  close(): Promise<void>;
}
export type Listen = (
  fetch: (request: Request) => Response | Promise<Response>,
  at: { readonly host: string; readonly port: number },
) => Promise<Listening>;

export async function startLibsqlEdge(config: EdgeConfig, dependencies: EdgeDependencies, listen: Listen): Promise<RunningEdge> {
  const { crypto, clock, keyStore, tracing = new Tracing(), storage = new StorageWatch({ clock }) } = dependencies;
  const { edgeId } = config;
  // What was opened last closes first, also when a later part does not start.
  const opened = new AsyncDisposableStack();
  try {
    const db = await openDatabase({ kind: "edge", file: config.file, storage });
    opened.defer(() => db.close());
    const link = { url: config.coreUrl, edgeId, key: config.internalKey, crypto, clock, fetch: dependencies.coreFetch };
    const core = createCoreClient(link);
    const bus = dependencies.bus === "core" ? createCoreBus(createCoreCall(link)) : dependencies.bus;
    const cache = await openBundleCache(db, keyStore);
    const refreshMs = config.refreshMs ?? 30_000;
    const settings = await openSettings({
      crypto,
      clock,
      platformKey: config.platformKey,
      cache,
      edgeId,
      fetchBundle: async (trusts) => await core.bundle(trusts, await oldestWaitingMs(db, clock.now())),
      refreshMs,
      ...(dependencies.notice === undefined ? {} : { notice: dependencies.notice }),
    });
    opened.defer(() => settings.stop());
    const outbox = startForwarder({ db, bus, clock });
    opened.defer(() => outbox.stop());
    const state = await openEdgeState({ db, enqueue, onCommitted: () => outbox.notify(), nowMs: clock.now() });
    opened.defer(() => state.close(clock.now()));
    const results = await startResults({ bus, db, edgeId, tracing });
    opened.defer(() => results.stop());
    const signer = { sign: (message: Uint8Array, userId?: string) => keyStore.sm2Sign(config.replyKeyHandle, message, userId) };
    const limits = { ...EDGE_LIMITS, ...config.limits };
    const { log, onBug } = dependencies;
    const [sealer, origin] = [createSealer(crypto), createOrigin(crypto, config.internalKey)];
    const ports = { edgeId, crypto, clock, settings, state, outbox, core, results, signer, sealer, origin, limits, sourceOf: peerOf };
    const app = createEdgeApp({
      ...ports,
      tracing,
      storage,
      ...(log === undefined ? {} : { log }),
      ...(onBug === undefined ? {} : { onBug }),
    });
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

/** From the table: the outbox is opened later than the settings, and must not be missed after a restart. */
async function oldestWaitingMs(db: Database, nowMs: number): Promise<number> {
  const [row] = await db.read("SELECT created_at_ms FROM outbox ORDER BY seq LIMIT 1");
  return row === undefined ? 0 : nowMs - Number(row["created_at_ms"]);
}
