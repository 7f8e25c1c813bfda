/**
 * The edge: what hospitals and pharmacies call. Web standards and Hono only, so that the same app runs on Node, Deno
 * and workerd; everything that differs between them is a port (`ports.ts`).
 */
import { type Context, Hono } from "hono";
import { answerCall } from "./app/pipeline.ts";
import { docsLanguage, docsPage, docsPolicy } from "./app/docs-page.ts";
import { readiness } from "./app/health.ts";
import { openApiDocument } from "./app/openapi.ts";
import { readTextWithin } from "./app/body.ts";
import { ReplyWriter } from "./app/replies.ts";
import type { EdgePorts } from "./ports.ts";

/**
 * @example
 * const app = createEdgeApp(ports);
 * const response = await app.request("/v1/rh.settle", { method: "POST", body: envelope });
 */
export function createEdgeApp(ports: EdgePorts): Hono {
  const app = new Hono();
  const replies = new ReplyWriter(ports);
  let document: ReturnType<typeof openApiDocument> | undefined;
  const answer = async (c: Context, transType: string): Promise<Response> => {
    const { body, retryAfterSeconds } = await answerCall(ports, replies, transType, () =>
      readTextWithin(c.req.raw, ports.limits.bodyBytesMax),
    );
    const headers = { "content-type": "application/json; charset=utf-8", "cache-control": "no-store", "x-content-type-options": "nosniff" };
    return new Response(body, {
      headers: retryAfterSeconds === undefined ? headers : { ...headers, "retry-after": String(retryAfterSeconds) },
    });
  };

  app.post("/v1/:transType", async function operation(c) {
    return await answer(c, c.req.param("transType"));
  });
  app.all("/v1/*", async function noSuchOperation(c) {
    return await answer(c, "");
  });
  app.get("/health", (c) => c.json({ status: "ok", edge: ports.edgeId }));
  app.get("/ready", async function ready(c) {
    const state = await readiness(ports);
    return c.json(state, state.ready ? 200 : 503);
  });
  app.get("/openapi.json", (c) => c.json((document ??= openApiDocument())));
  app.get("/docs", async function docs(c) {
    c.header("content-security-policy", await docsPolicy());
    c.header("x-content-type-options", "nosniff");
    c.header("referrer-policy", "no-referrer");
    return await c.html(docsPage(docsLanguage(c.req.query("lang"))));
  });
  app.notFound((c) => c.json({ error: "no such address" }, 404));
  app.onError((error, c) => {
    ports.onBug?.(error);
    return c.json({ error: "internal" }, 500);
  });
  return app;
}
