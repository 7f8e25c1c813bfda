/**
 * One isolate of the Worker: the edge app over the Durable Objects behind it. Made with the first request, since
 * cryptography may draw randomness only then; whatever is not open serves nobody.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { createEdgeApp } from "../app.ts";
import { createCoreClient } from "../app/core-client.ts";
import { createOrigin } from "../app/origin.ts";
import { createSealer } from "../app/sealer.ts";
import { EDGE_REPLY_KEY } from "../identity.ts";
import { EDGE_LIMITS, type EdgePorts } from "../ports.ts";
import type { WorkerEnv } from "./bindings.ts";
import { readWorkerEnv } from "./environment.ts";
import { openIdentity } from "./identity.ts";
import { IsolateSettings } from "./isolate-settings.ts";
import { ShardPorts } from "./shard-ports.ts";

/** Of the request that is answered now. */
export interface RequestContext {
  waitUntil(work: Promise<unknown>): void;
}

const context = new AsyncLocalStorage<RequestContext>();

/** Keeps the request that is answered now open until `work` is done. */
function kept<T>(work: Promise<T>): Promise<T> {
  context.getStore()?.waitUntil(work.catch(() => undefined));
  return work;
}

export interface Isolate {
  answer(request: Request, env: WorkerEnv, ctx: RequestContext): Promise<Response>;
  readonly settings: IsolateSettings;
  /** Asks every shard how it is: wakes those that sleep, and says what waits in all of them. */
  lookAtShards(): Promise<void>;
}

export async function openIsolate(env: WorkerEnv): Promise<Isolate> {
  const config = readWorkerEnv(env);
  const { edgeId, crypto, clock, keys, secret, link } = await openIdentity(config);
  const shards = new ShardPorts(env, config.RONGHE_EDGE_SHARDS, clock, report);
  const settings = new IsolateSettings(env, crypto, () => clock.now());
  const client = createCoreClient(link);
  const ports: EdgePorts = {
    edgeId,
    crypto,
    clock,
    settings,
    state: shards.state,
    outbox: shards.outbox,
    results: shards.results,
    storage: shards.storage,
    // A call that outlives its request, or that several share, would end with the request that began it.
    core: {
      resolve: (request, traceparent) => kept(client.resolve(request, traceparent)),
      presettle: (request, traceparent) => kept(client.presettle(request, traceparent)),
      statement: (request, traceparent) => kept(client.statement(request, traceparent)),
      reachable: () => kept(createCoreClient(link).reachable()),
    },
    signer: { sign: (message, userId) => keys.sm2Sign(EDGE_REPLY_KEY, message, userId) },
    sealer: createSealer(crypto),
    origin: createOrigin(crypto, secret),
    limits: { ...EDGE_LIMITS, outboxDepthMax: config.RONGHE_OUTBOX_MAX },
    onBug: reportBug,
    ...(config.RONGHE_LOG === "json" ? { log: write } : {}),
    ...(config.RONGHE_TRUST_CF_CONNECTING_IP === "on"
      ? { sourceOf: (request) => request.headers.get("cf-connecting-ip") ?? undefined }
      : {}),
  };
  const app = createEdgeApp(ports);
  return {
    settings,
    async lookAtShards() {
      for (const error of await shards.look()) reportBug(error);
    },
    answer: (request, env, ctx) => context.run(ctx, async () => await app.fetch(request, env)),
  };
}

function write(line: object): void {
  // oxlint-disable-next-line no-console
  console.log(JSON.stringify(line));
}

/** By kind only: a message may quote what a caller sent. */
function reportBug(error: unknown): void {
  report({ bug: error instanceof Error ? error.name : typeof error });
}

function report(what: object): void {
  // oxlint-disable-next-line no-console
  console.error(JSON.stringify({ atMs: Date.now(), part: "edge", ...what }));
}
