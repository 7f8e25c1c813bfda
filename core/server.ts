/**
 * The core's HTTP address: `/internal/v1/*` and `/ingest` for edges, `/operator/v1/*` for operators, `/v1/*` for apps,
 * `/health` and `/ready` for whoever runs it.
 * Built from ports; `app.fetch` serves on any runtime.
 */
import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import { type AccessOrderPorts, accessOrderRoutes } from "./http/access-order-routes.ts";
import { channelOpenApi } from "./http/channel-openapi.ts";
import { channelRoutes, type ChannelPorts } from "./http/channel-routes.ts";
import { bareTurnAway, type DoorCall, type DoorPorts, shieldedDoors } from "./http/door.ts";
import { ledgerRoutes, type PublicLog, witnessReport } from "./http/ledger-routes.ts";
import type { InternalCall } from "./http/internal-auth.ts";
import { type IngestPorts, ingestRoutes, outcomeRoutes } from "./http/ingest-routes.ts";
import { internalRoutes, type InternalPorts } from "./http/internal-routes.ts";
import { operatorRoutes, type OperatorPorts } from "./http/operator-routes.ts";
import { isChannelOperation } from "./http/channel-operations.ts";
import { tellTrouble } from "./protocol/server/trouble.ts";
import { CALL_SECONDS, Metrics, METRICS_CONTENT_TYPE } from "./protocol/metrics.ts";
import { readTraceparent, TRACEPARENT, Tracing } from "./protocol/tracing.ts";
import type { BusHealth } from "../streams/bus/port.ts";
import { SKEW_MS_MAX } from "../streams/bus/watch.ts";

export interface CorePorts extends DoorPorts, ChannelPorts, InternalPorts, IngestPorts, AccessOrderPorts {
  readonly vault: ChannelPorts["vault"] & InternalPorts["vault"];
  /** What must hold before calls are sent here, by name: `{ checkpoint: true, bus: false }`. */
  readonly ready: () => Readonly<Record<string, boolean>> | Promise<Readonly<Record<string, boolean>>>;
  /** How the bus stands, as it was last looked at. */
  readonly bus?: () => BusHealth;
  /** The logs that are open here: what of them is public is served under `/ledger/v1`. */
  readonly logs?: () => readonly PublicLog[];
  /** One wide line per call; absent means no log. Holds no name, number, code, token or key. */
  readonly log?: (line: CallLine) => void;
  readonly tracing?: Tracing;
  /** What `GET /metrics` shows beside the calls. */
  readonly metrics?: Metrics;
  /** Operators' work on the books; absent where there are none. */
  readonly operator?: OperatorPorts;
}

export interface CallLine {
  readonly atMs: number;
  readonly method: string;
  /** One of the core's own addresses, or `other`: never what somebody typed. */
  readonly route: string;
  readonly status: number;
  readonly durationMs: number;
  /** An edge's or app's registered name, once it is proven. */
  readonly caller?: string;
  /** `ok`, a name of the error table, or the code with which an operator's request was refused. */
  readonly outcome?: string;
  /** Of the trace that the call belongs to, once its caller is proven. */
  readonly traceId?: string;
  /** Calls since the last such line that were turned away alike and have no line of their own. */
  readonly alike?: number;
}

type CoreCall = { Variables: Partial<InternalCall["Variables"]> & DoorCall["Variables"] };

export function createCoreApp(ports: CorePorts): Hono<CoreCall> {
  const app = new Hono<CoreCall>();
  let document: ReturnType<typeof channelOpenApi> | undefined;
  const { metrics = new Metrics(), tracing = new Tracing() } = ports;
  const observe = observer(metrics);
  let addresses: ReadonlySet<string> | undefined;
  app.use(async function wideLog(c, next) {
    const startMs = ports.clock.now();
    const startedAt = performance.now();
    await next();
    addresses ??= new Set(app.routes.filter(({ method }) => method !== "ALL").map(({ path }) => path));
    const caller = provenCaller(ports, c);
    const outcome = c.get("outcome");
    const route = routeOf(addresses, c.req.path);
    const { status } = c.res;
    const traceparent = caller === undefined ? undefined : c.req.header(TRACEPARENT);
    // Whoever calls for a hospital goes on with its trace; what nobody traces begins none.
    const context = readTraceparent(traceparent);
    if (context !== undefined)
      tracing.begin("core.call", traceparent, { operation: route, outcome: outcome ?? String(status) }, startedAt).end();
    observe({ route, status, outcome }, (performance.now() - startedAt) / 1000);
    const turnedAway = c.get("turnedAway");
    // One line a second tells of them all, or the log would be the flood.
    if (turnedAway === "untold") return;
    ports.log?.({
      atMs: startMs,
      method: METHODS.has(c.req.method) ? c.req.method : "other",
      status,
      durationMs: ports.clock.now() - startMs,
      route,
      ...(caller === undefined ? {} : { caller }),
      ...(outcome === undefined ? {} : { outcome }),
      ...(context === undefined ? {} : { traceId: context.traceId }),
      ...(turnedAway === undefined ? {} : { alike: turnedAway }),
    });
  });
  app.get("/metrics", async (c) =>
    c.text(await metrics.text(), 200, { "content-type": METRICS_CONTENT_TYPE, "cache-control": "no-store" }),
  );
  app.get("/health", (c) => {
    const storage = ports.storage?.failing()[0]?.cause ?? "ok";
    return c.json({
      status: "ok",
      storage,
      ...(ports.logs === undefined ? {} : { ledger: witnessReport(ports.logs()).status }),
      ...(ports.bus === undefined ? {} : { bus: busReport(ports.bus()) }),
    });
  });
  app.get("/openapi.json", (c) => c.json((document ??= channelOpenApi())));
  app.get("/ready", async (c) => {
    const checks = { ...(await ports.ready()), ...(ports.bus === undefined ? {} : { busClock: isNear(ports.bus()) }) };
    const ready = Object.values(checks).every(Boolean);
    return c.json({ status: ready ? "ok" : "unavailable", checks }, ready ? 200 : 503);
  });
  const doors = shieldedDoors(ports);
  for (const path of ["/internal/*", "/ingest", "/operator/*"]) app.use(path, doors(bareTurnAway));
  app.route("/internal/v1", internalRoutes(ports).route("/", outcomeRoutes(ports)));
  app.route("/ingest", ingestRoutes(ports));
  app.route("/operator/v1", accessOrderRoutes(ports));
  // Apps are pages of any origin. What a call may do is decided by its signature; there are no cookies to borrow.
  app.use(
    "/v1/*",
    cors({ origin: "*", allowMethods: ["POST"], allowHeaders: ["content-type"], exposeHeaders: ["retry-after"], maxAge: 86_400 }),
  );
  app.route("/v1", channelRoutes(ports, doors));
  if (ports.operator !== undefined) app.route("/operator/v1", operatorRoutes(ports.operator, ports));
  if (ports.logs !== undefined) app.route("/ledger/v1", ledgerRoutes(ports.logs));
  app.notFound((c) => c.json({ ok: false, error: "unknownAddress" }, 404));
  // The caller learns that it failed and nothing else; what failed is for the operator.
  app.onError((error, c) => {
    tellTrouble(ports, error);
    return c.json({ ok: false, error: "internal" }, 500);
  });
  return app;
}

/** `clockSkewMs`: how far the bus's clock is ahead of ours; `null` where the bus does not tell. */
function busReport({ skewMs = null, repacked }: { readonly skewMs?: number | null } & Pick<BusHealth, "repacked">): object {
  return { clockSkewMs: skewMs, repacked };
}

/** A clock that nobody knows is not a wrong one. */
function isNear({ skewMs = 0 }: BusHealth): boolean {
  return Math.abs(skewMs) <= SKEW_MS_MAX;
}

const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
const OPERATION = /^\/v1\/([^/]+)$/;

function routeOf(addresses: ReadonlySet<string>, path: string): string {
  if (addresses.has(path)) return path;
  const [, operation] = OPERATION.exec(path) ?? [];
  return operation !== undefined && isChannelOperation(operation) ? path : "other";
}

/** Whom a call came from, where that is proven. */
function provenCaller(ports: CorePorts, c: Context<CoreCall>): string | undefined {
  const edgeId = c.get("edgeId");
  if (edgeId !== undefined) return edgeId;
  const app = c.get("caller");
  return app !== undefined && ports.access.institution(app) !== undefined ? app : undefined;
}

function observer(
  metrics: Metrics,
): (call: Pick<CallLine, "route" | "status"> & { readonly outcome: string | undefined }, seconds: number) => void {
  const calls = metrics.counter({
    name: "ronghe_core_requests_total",
    help: "Calls by address, HTTP status and, where the call got so far, name of the outcome.",
    labels: ["route", "status", "outcome"],
  });
  const took = metrics.histogram({
    name: "ronghe_core_request_seconds",
    help: "How long calls take; edges that wait for outcomes hold theirs open.",
    labels: ["route"],
    buckets: CALL_SECONDS,
  });
  return ({ route, status, outcome }, seconds) => {
    calls.add({ route, status: String(status), outcome: outcome ?? "none" });
    took.observe({ route }, seconds);
  };
}
