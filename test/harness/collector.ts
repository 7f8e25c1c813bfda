/** A trace collector: takes OTLP over HTTP as JSON, keeps every body as it came, and reads the spans in it. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import * as v from "valibot";

export interface CollectedSpan {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface Collector {
  readonly url: string;
  /** As they came. */
  readonly bodies: readonly string[];
  spans(): readonly CollectedSpan[];
  stop(): Promise<void>;
}

const attributes = v.array(v.object({ key: v.string(), value: v.object({ stringValue: v.string() }) }));
const span = v.object({
  name: v.string(),
  traceId: v.string(),
  spanId: v.string(),
  parentSpanId: v.optional(v.string()),
  attributes: v.optional(attributes, []),
});
const request = v.object({
  resourceSpans: v.array(v.object({ resource: v.object({ attributes }), scopeSpans: v.array(v.object({ spans: v.array(span) })) })),
});

export async function startCollector(): Promise<Collector> {
  const bodies: string[] = [];
  const server = createServer((asked, answer) => {
    const parts: Buffer[] = [];
    asked.on("data", (part: Buffer) => parts.push(part));
    asked.on("end", () => {
      if (asked.url === "/v1/traces") bodies.push(Buffer.concat(parts).toString("utf8"));
      answer.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", () => resolve()));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodies,
    spans: () => bodies.flatMap(spansOf),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function spansOf(body: string): readonly CollectedSpan[] {
  return v.parse(request, JSON.parse(body)).resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = named(resource.attributes)["service.name"] ?? "";
    return scopeSpans.flatMap(({ spans }) =>
      spans.map(({ name, traceId, spanId, parentSpanId, attributes: said }) => ({
        service,
        name,
        traceId,
        spanId,
        parentSpanId: parentSpanId === "" ? undefined : parentSpanId,
        attributes: named(said),
      })),
    );
  });
}

function named(said: v.InferOutput<typeof attributes>): Readonly<Record<string, string>> {
  return Object.fromEntries(said.map(({ key, value }) => [key, value.stringValue]));
}
