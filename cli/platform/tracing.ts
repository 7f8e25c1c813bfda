/** Traces of this process: nothing without `RONGHE_OTLP_URL`, and the packages that send them are loaded only with it. */
import { Tracing } from "../../core/protocol/tracing.ts";
import type { Config } from "../config.ts";

export interface ProcessTraces {
  /** Of one part; its name is the service that spans are shown under. */
  of(part: string): Tracing;
  /** Sends what has ended so far. */
  flush(): Promise<void>;
  /** Sends what is left; a collector that is away keeps nobody waiting for long. */
  stop(): Promise<void>;
}

/** Spans that wait to be sent; beyond, the newest are dropped rather than the process. */
const QUEUE_MAX = 8_192;
const SEND_MS_MAX = 3_000;
const SEND_EVERY_MS = 1_000;

export async function openTraces(config: Pick<Config, "RONGHE_OTLP_URL" | "RONGHE_TRACE_SAMPLE">): Promise<ProcessTraces> {
  const { RONGHE_OTLP_URL: collector, RONGHE_TRACE_SAMPLE: share } = config;
  if (collector === undefined) {
    const silent = new Tracing();
    return { of: () => silent, flush: () => Promise.resolve(), stop: () => Promise.resolve() };
  }
  const sdk = await import("@opentelemetry/sdk-trace");
  const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-http");
  const { resourceFromAttributes } = await import("@opentelemetry/resources");
  // Where a trace came with the call, the one who began it has decided.
  const sampler = new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(share) });
  const url = `${collector.replace(/\/$/, "")}/v1/traces`;
  const providers: InstanceType<typeof sdk.TracerProvider>[] = [];
  return {
    of(part) {
      const exporter = new OTLPTraceExporter({ url, timeoutMillis: SEND_MS_MAX });
      const processor = new sdk.BatchSpanProcessor({
        exporter,
        maxQueueSize: QUEUE_MAX,
        scheduledDelayMillis: SEND_EVERY_MS,
        exportTimeoutMillis: SEND_MS_MAX,
      });
      // Nothing of the machine: host names and process arguments stay here.
      const resource = resourceFromAttributes({ "service.name": `ronghe-${part}`, "service.namespace": "ronghe" });
      const provider = new sdk.TracerProvider({ sampler, resource, spanProcessors: [processor] });
      providers.push(provider);
      return new Tracing(provider.getTracer("ronghe"));
    },
    async flush() {
      await Promise.all(providers.map((provider) => provider.forceFlush()));
    },
    async stop() {
      await Promise.allSettled(providers.map((provider) => provider.shutdown()));
    },
  };
}
