/**
 * Traces from an edge to the ledger. What travels is one W3C `traceparent` text: in the header of a hospital's call, in the
 * headers of events on the bus, and back with the outcome. `tracestate` is not carried: anybody may write anything into it.
 *
 * The rooms know only the API of OpenTelemetry, whose tracer does nothing unless a composition brings a real one; a
 * `traceparent` that came in is then still handed on. Contexts are explicit.
 */
import {
  type Attributes,
  isSpanContextValid,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Tracer,
} from "@opentelemetry/api";

/** Name of the header, of HTTP and of events. */
export const TRACEPARENT = "traceparent";

const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.{0,400})?$/;

/** W3C Trace Context, 3.2; `undefined` for anything else. A later version may say more behind what we read. */
export function readTraceparent(text: string | undefined): SpanContext | undefined {
  const [, version, traceId = "", spanId = "", flags = "", more] = FORM.exec(text ?? "") ?? [];
  if (version === undefined || version === "ff" || (version === "00" && more !== undefined)) return undefined;
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true };
  return isSpanContextValid(context) ? context : undefined;
}

function printTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-0${(traceFlags & TraceFlags.SAMPLED).toString(16)}`;
}

/** Everything that a span may be called. */
const KINDS = {
  "edge.request": SpanKind.SERVER,
  "edge.outcome": SpanKind.CONSUMER,
  "core.call": SpanKind.SERVER,
  "core.intake": SpanKind.CONSUMER,
  "vault.open": SpanKind.INTERNAL,
  "rail.call": SpanKind.CLIENT,
  "ledger.commit": SpanKind.INTERNAL,
} as const;
export type SpanName = keyof typeof KINDS;

/** Everything that a span may say: nothing of a person, a code, or a caller's own number. */
export interface SpanFacts {
  readonly operation?: string | undefined;
  /** A name of the error table, a state of a settlement, or what a payer answered. */
  readonly outcome?: string | undefined;
  readonly institution?: string | undefined;
  readonly rail?: string | undefined;
  readonly action?: string | undefined;
  /** Origin of a log, and an entry's index in it. */
  readonly log?: string | undefined;
  readonly index?: bigint | undefined;
}

const ATTRIBUTES: Readonly<Record<keyof SpanFacts, string>> = {
  operation: "ronghe.operation",
  outcome: "ronghe.outcome",
  institution: "ronghe.institution",
  rail: "ronghe.rail",
  action: "ronghe.action",
  log: "ronghe.ledger.log",
  index: "ronghe.ledger.index",
};

export interface LiveSpan {
  /** For whatever follows from it; absent where there is no trace. */
  readonly traceparent?: string;
  readonly traceId?: string;
  /** `failed`: it threw; the error's text stays out, it may quote a caller. */
  end(facts?: SpanFacts, failed?: "failed"): void;
}

export class Tracing {
  readonly #tracer: Tracer;

  constructor(tracer: Tracer = new ProxyTracerProvider().getTracer("ronghe")) {
    this.#tracer = tracer;
  }

  /** `traceparent` of what it follows from; without one a trace begins here. `startedAt` by `performance.now`, now by default. */
  begin(name: SpanName, traceparent: string | undefined, facts: SpanFacts, startedAt?: number): LiveSpan {
    const parent = readTraceparent(traceparent);
    const context = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
    const started = startedAt === undefined ? {} : { startTime: startedAt };
    const span = this.#tracer.startSpan(name, { kind: KINDS[name], attributes: attributesOf(facts), ...started }, context);
    const own = span.spanContext();
    return {
      ...(isSpanContextValid(own) ? { traceparent: printTraceparent(own), traceId: own.traceId } : {}),
      end(more = {}, failed) {
        span.setAttributes(attributesOf(more));
        if (failed !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      },
    };
  }

  /** Of work that belongs to a trace, if it does: without `traceparent` nothing is begun. */
  follow(name: SpanName, traceparent: string | undefined, facts: SpanFacts): LiveSpan {
    return traceparent === undefined ? NOTHING : this.begin(name, traceparent, facts);
  }
}

const NOTHING: LiveSpan = { end: () => undefined };

/** Headers with the trace they belong to, if any. Nothing is decided by it, so an event's MAC does not cover it. */
export function tracedHeaders(
  headers: Readonly<Record<string, string>>,
  traceparent: string | undefined,
): Readonly<Record<string, string>> {
  return traceparent === undefined ? headers : { ...headers, [TRACEPARENT]: traceparent };
}

/** What a record says it follows from. */
export function traceparentOf(headers: Readonly<Record<string, string>>): string | undefined {
  const text = Object.hasOwn(headers, TRACEPARENT) ? headers[TRACEPARENT] : undefined;
  return readTraceparent(text) === undefined ? undefined : text;
}

function attributesOf(facts: SpanFacts): Attributes {
  const attributes: Attributes = {};
  for (const [fact, name] of Object.entries(ATTRIBUTES) as [keyof SpanFacts, string][]) {
    const value = facts[fact];
    // OpenTelemetry's integers end at 2^53; a log may go on.
    if (value !== undefined) attributes[name] = String(value);
  }
  return attributes;
}
