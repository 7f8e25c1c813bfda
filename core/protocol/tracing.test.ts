import { beforeAll, describe, expect, test } from "vitest";
import { loadCrypto } from "../crypto/index.ts";
import type { Crypto } from "../crypto/port.ts";
import { utf8 } from "./bytes.ts";
import { checkOrigin, originKeyOf, withOrigin } from "./event-origin.ts";
import { readTraceparent, tracedHeaders, traceparentOf, Tracing } from "./tracing.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

let crypto: Crypto;
beforeAll(async () => {
  crypto = await loadCrypto();
});

describe("a traceparent", () => {
  test.each([
    ["sampled", `00-${TRACE}-${SPAN}-01`, 1],
    ["not sampled", `00-${TRACE}-${SPAN}-00`, 0],
    ["with flags that we do not know", `00-${TRACE}-${SPAN}-ff`, 1],
    ["of a later version that says more", `cc-${TRACE}-${SPAN}-01-what-the-future-holds`, 1],
  ])("is read when it is %s", (_, text, traceFlags) => {
    expect(readTraceparent(text)).toEqual({ traceId: TRACE, spanId: SPAN, traceFlags, isRemote: true });
  });

  test.each([
    ["absent", undefined],
    ["empty", ""],
    ["of version ff", `ff-${TRACE}-${SPAN}-01`],
    ["longer than its version allows", `00-${TRACE}-${SPAN}-01-more`],
    ["in capitals", `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ["of no trace", `00-${"0".repeat(32)}-${SPAN}-01`],
    ["of no span", `00-${TRACE}-${"0".repeat(16)}-01`],
    ["an ID number", "510104199003071234"],
  ])("is none when it is %s", (_, text) => {
    expect(readTraceparent(text)).toBeUndefined();
    expect(traceparentOf(text === undefined ? {} : { traceparent: text })).toBeUndefined();
  });

  test("is handed on without a tracer, and none begins by itself", () => {
    const tracing = new Tracing();
    const text = `00-${TRACE}-${SPAN}-01`;
    expect(tracing.begin("edge.request", text, {})).toMatchObject({ traceparent: text, traceId: TRACE });
    const alone = tracing.begin("edge.request", undefined, {});
    expect([alone.traceparent, alone.traceId]).toEqual([undefined, undefined]);
  });

  test("leaves the origin of an event as it was: put on, changed or taken off on the way", () => {
    const key = originKeyOf(crypto, new Uint8Array(32).fill(7));
    const headers = { ce_source: "/ronghe/edge/e1", ce_id: "1" };
    const signed = withOrigin(crypto, key, { topic: "settlement.request.submitted.v1", key: "H1", value: utf8("{}"), headers });
    for (const traceparent of [undefined, `00-${TRACE}-${SPAN}-01`, `00-${TRACE}-${SPAN}-00`])
      expect(checkOrigin(crypto, [key], { ...signed, headers: tracedHeaders(signed.headers, traceparent) })).toBeUndefined();
  });
});
