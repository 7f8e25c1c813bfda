/**
 * The core's HTTP address: `/internal/v1/*` for edges, `/v1/*` for apps, `/health` and `/ready` for whoever runs it.
 * Built from ports; `app.fetch` serves on any runtime.
 */
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { channelRoutes, type ChannelPorts } from "./http/channel-routes.ts";
import type { InternalCall } from "./http/internal-auth.ts";
import { internalRoutes, type InternalPorts } from "./http/internal-routes.ts";
import type { ErrorName } from "./protocol/errors.ts";

export interface CorePorts extends ChannelPorts, InternalPorts {
  readonly vault: ChannelPorts["vault"] & InternalPorts["vault"];
  /** What must hold before calls are sent here, by name: `{ checkpoint: true, bus: false }`. */
  readonly ready: () => Readonly<Record<string, boolean>>;
  /** One wide line per call; absent means no log. Holds no name, number, code, token or key. */
  readonly log?: (line: CallLine) => void;
}

export interface CallLine {
  readonly atMs: number;
  readonly method: string;
  /** First two steps of the path; never a query. */
  readonly route: string;
  readonly status: number;
  readonly durationMs: number;
  /** An edge's or app's registered name, once it is proven. */
  readonly caller?: string;
  /** `ok` or a name of the error table. */
  readonly outcome?: ErrorName;
}

type CoreCall = { Variables: Partial<InternalCall["Variables"]> & { caller?: string } };

const INTERNAL_BODY_BYTES_MAX = 64 * 1024;

export function createCoreApp(ports: CorePorts): Hono<CoreCall> {
  const app = new Hono<CoreCall>();
  app.use(async function wideLog(c, next) {
    const startMs = ports.clock.now();
    await next();
    if (ports.log === undefined) return;
    const caller = c.get("edgeId") ?? c.get("caller");
    const outcome = c.get("outcome");
    ports.log({
      atMs: startMs,
      method: c.req.method,
      status: c.res.status,
      durationMs: ports.clock.now() - startMs,
      route: c.req.path.split("/", 4).slice(0, 3).join("/"),
      ...(caller === undefined ? {} : { caller }),
      ...(outcome === undefined ? {} : { outcome }),
    });
  });
  app.get("/health", (c) => c.json({ status: "ok" }));
  app.get("/ready", (c) => {
    const checks = ports.ready();
    const ready = Object.values(checks).every(Boolean);
    return c.json({ status: ready ? "ok" : "unavailable", checks }, ready ? 200 : 503);
  });
  const tooLarge = bodyLimit({ maxSize: INTERNAL_BODY_BYTES_MAX, onError: (c) => c.json({ ok: false, error: "bodyTooLarge" }, 413) });
  app.use("/internal/*", tooLarge);
  app.route("/internal/v1", internalRoutes(ports));
  app.route("/v1", channelRoutes(ports));
  app.notFound((c) => c.json({ ok: false, error: "unknownAddress" }, 404));
  // The caller learns that it failed and nothing else; what failed is for the operator.
  app.onError((error, c) => {
    ports.onBug?.(error);
    return c.json({ ok: false, error: "internal" }, 500);
  });
  return app;
}
