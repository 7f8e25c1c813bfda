/**
 * The edge on Cloudflare Workers: a stateless front that checks envelopes and codes, and Durable Objects behind it that
 * keep what must be remembered (`edge/workerd/`). Bindings and variables: `wrangler.toml`.
 */
import { storageCauseOf } from "../core/protocol/server/storage-watch.ts";
import type { WorkerEnv } from "./workerd/bindings.ts";
import { type Isolate, openIsolate, type RequestContext } from "./workerd/isolate.ts";

export { EdgeSettings } from "./workerd/settings-object.ts";
export { EdgeShard } from "./workerd/shard.ts";

/** Pages that say what waits in the shards. */
const TELLING: ReadonlySet<string> = new Set(["/ready", "/status", "/metrics"]);

let opened: Isolate | undefined;

export default {
  async fetch(request: Request, env: WorkerEnv, ctx: RequestContext): Promise<Response> {
    try {
      // Each early request opens for itself: what one request waits for, another must not.
      const isolate = (opened ??= await openIsolate(env));
      const { pathname } = new URL(request.url);
      await isolate.settings.ensure();
      if (isolate.settings.stale) ctx.waitUntil(isolate.settings.refresh().catch(() => undefined));
      if (pathname === "/health") ctx.waitUntil(isolate.lookAtShards().catch(() => undefined));
      else if (TELLING.has(pathname)) await isolate.lookAtShards();
      return await isolate.answer(request, env, ctx);
    } catch (error) {
      // No keys, no sound cryptography or no storage: nothing was taken, and callers may try elsewhere.
      if (storageCauseOf(error) === undefined)
        // oxlint-disable-next-line no-console
        console.error(JSON.stringify({ atMs: Date.now(), part: "edge", bug: error instanceof Error ? error.name : typeof error }));
      return Response.json({ error: "unavailable" }, { status: 503 });
    }
  },
  /** A cron trigger, so that shards whose alarm was lost with their machine are woken without a caller. */
  async scheduled(_event: unknown, env: WorkerEnv): Promise<void> {
    opened ??= await openIsolate(env);
    await opened.lookAtShards();
  },
};
