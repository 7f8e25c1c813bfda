/**
 * The edge: what hospitals and pharmacies call. Web standards and Hono only, so that the same app runs on Node, Deno
 * and workerd; everything that differs between them is a port (`ports.ts`).
 */
import { type Context, Hono } from "hono";
import { METRICS_CONTENT_TYPE } from "../core/protocol/metrics.ts";
import { TRACEPARENT, Tracing } from "../core/protocol/tracing.ts";
import { type Answer, answerCall, turnAway } from "./app/pipeline.ts";
import { docsLanguage, docsPage, docsPolicy } from "./app/docs-page.ts";
import { readiness } from "./app/health.ts";
import { openApiDocument } from "./app/openapi.ts";
import type { AppPorts } from "./app/app-ports.ts";
import { clockIsWrong } from "./app/clock.ts";
import { readTextWithin } from "../core/protocol/server/body.ts";
import { LinkMonitor } from "./app/link.ts";
import { edgeMetrics } from "./app/metrics.ts";
import { tellTrouble } from "../core/protocol/server/trouble.ts";
import { Shield } from "../core/protocol/server/shield.ts";
import { edgeStatus, findingsNow, standingOf } from "./app/status.ts";
import { statusPage, statusPolicy } from "./app/status-page.ts";
import { ReplyWriter } from "../core/protocol/server/replies.ts";
import type { EdgePorts, RequestLog } from "./ports.ts";

const PREFIX = "/v1/";
/** A terminal may be a page of any origin. What a call may do is decided by its signature; there are no cookies to borrow. */
const ANY_ORIGIN = { "access-control-allow-origin": "*", "access-control-expose-headers": "retry-after" };
const HEADERS = {
  ...ANY_ORIGIN,
  "content-type": "application/json; charset=utf-8",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
};
const PREFLIGHT = {
  ...ANY_ORIGIN,
  "access-control-allow-methods": "POST",
  "access-control-allow-headers": "content-type",
  "access-control-max-age": "86400",
};
/** Operations whose requests may list what is paid for. */
const WITH_FEE_LINES: ReadonlySet<string> = new Set(["rh.presettle", "rh.settle"]);

function responseOf({ body, retryAfterSeconds }: Answer): Response {
  const headers = retryAfterSeconds === undefined ? HEADERS : { ...HEADERS, "retry-after": String(retryAfterSeconds) };
  return new Response(body, { headers });
}

/**
 * @example
 * const app = createEdgeApp(ports);
 * const response = await app.request("/v1/rh.settle", { method: "POST", body: envelope });
 */
export function createEdgeApp(given: EdgePorts): Hono {
  const app = new Hono();
  const { tracing = new Tracing() } = given;
  const known: AppPorts = { ...given, tracing, link: new LinkMonitor(given), shield: new Shield(given.limits) };
  const metrics = edgeMetrics(known);
  const log: RequestLog = (line) => {
    metrics.observe(line);
    given.log?.(line);
  };
  const ports: AppPorts = { ...known, log };
  const replies = new ReplyWriter(ports);
  let document: ReturnType<typeof openApiDocument> | undefined;
  const answer = (c: Context): Response | Promise<Response> => {
    if (c.req.method === "OPTIONS")
      return noted(c, "preflight", new Response(null, { status: 204, headers: PREFLIGHT }), ports.clock.now());
    const source = ports.sourceOf?.(c.req.raw, c.env);
    const transType = c.req.method === "POST" ? c.req.path.slice(PREFIX.length) : "";
    const answered =
      turnAway(ports, replies, source) ??
      answerCall(ports, replies, {
        transType,
        source,
        traceparent: () => c.req.header(TRACEPARENT),
        readBody: () =>
          readTextWithin(c.req.raw, { bytesMax: WITH_FEE_LINES.has(transType) ? ports.limits.billBytesMax : ports.limits.bodyBytesMax }),
      });
    return answered instanceof Promise ? answered.then(responseOf) : responseOf(answered);
  };

  /** Writes the line of an answer that is no call's. */
  const noted = (c: Context, page: string, response: Response, atMs: number): Response => {
    log({ atMs, tookMs: ports.clock.now() - atMs, edge: ports.edgeId, method: methodOf(c), page, status: response.status });
    return response;
  };
  const page = (path: string, show: (c: Context) => Response | Promise<Response>): void =>
    void app.get(path, async function showPage(c) {
      const atMs = ports.clock.now();
      return noted(c, path, await show(c), atMs);
    });

  // One route for all of it: where two match, Hono composes them anew for each call, which garbage would pay for.
  app.all(`${PREFIX}*`, answer);
  page("/health", (c) => {
    const clock = clockIsWrong(ports, ports.clock.now()) ? "wrong" : "ok";
    const storage = ports.storage?.failing()[0]?.cause ?? "ok";
    return c.json({ status: "ok", edge: ports.edgeId, standing: standingOf(findingsNow(ports)), clock, storage });
  });
  page("/ready", async function ready(c) {
    const state = await readiness(ports);
    return c.json(state, state.ready ? 200 : 503);
  });
  page("/metrics", async (c) => c.text(await metrics.text(), 200, { "content-type": METRICS_CONTENT_TYPE, "cache-control": "no-store" }));
  page("/status", async function status(c) {
    const state = await edgeStatus(ports);
    c.header("cache-control", "no-store");
    c.header("vary", "accept");
    c.header("x-content-type-options", "nosniff");
    if (c.req.header("accept")?.includes("text/html") !== true) return c.json(state);
    c.header("content-security-policy", await statusPolicy());
    c.header("referrer-policy", "no-referrer");
    return await c.html(statusPage(state, docsLanguage(c.req.query("lang"))));
  });
  page("/openapi.json", (c) => c.json((document ??= openApiDocument())));
  page("/docs", async function docs(c) {
    c.header("content-security-policy", await docsPolicy());
    c.header("x-content-type-options", "nosniff");
    c.header("referrer-policy", "no-referrer");
    return await c.html(docsPage(docsLanguage(c.req.query("lang"))));
  });
  app.notFound((c) => noted(c, "other", c.json({ error: "no such address" }, 404), ports.clock.now()));
  app.onError((error, c) => {
    tellTrouble(ports, error);
    return noted(c, "other", c.json({ error: "internal" }, 500), ports.clock.now());
  });
  return app;
}

/** Anybody may make up a method. */
function methodOf(c: Context): string {
  return METHODS.has(c.req.method) ? c.req.method : "other";
}
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
