import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8, utf8Text } from "../../core/protocol/bytes.ts";
import type { BusRecord } from "../bus/port.ts";
import { canonicalJson } from "./canonical.ts";
import { decodeEvent, encodeEvent, isDataTopic, topicPlan } from "./codec.ts";
import type { WrittenEvent } from "./event.ts";
import { deadLetterTopic, TOPICS } from "./topics.ts";

const scan: WrittenEvent<"code.scan.observed.v1"> = {
  id: "e-1",
  type: "code.scan.observed.v1",
  source: "/ronghe/edge/e1",
  timeMs: Date.UTC(2026, 0, 5, 1, 2, 3, 456),
  key: "H1",
  data: {
    institution: "H1",
    terminal: "T1",
    businessType: "01301",
    step: "verify",
    codeKind: "fused.signed",
    codeFingerprint: "a1".repeat(32),
    outcome: "accepted",
    observedBy: "edge",
    atMs: 1_767_574_923_456,
  },
};
const record = encodeEvent(scan);
const withHeaders = (headers: Record<string, string>): BusRecord => ({ ...record, headers: { ...record.headers, ...headers } });
const withValue = (value: string | Uint8Array): BusRecord => ({ ...record, value: typeof value === "string" ? utf8(value) : value });
const without = (header: string): BusRecord => {
  const headers = { ...record.headers };
  delete headers[header];
  return { ...record, headers };
};

describe("an event on the bus", () => {
  test("travels in CloudEvents binary mode: attributes as headers, canonical JSON as the value", () => {
    expect(record.headers).toEqual({
      ce_specversion: "1.0",
      ce_id: "e-1",
      ce_source: "/ronghe/edge/e1",
      ce_type: "code.scan.observed.v1",
      ce_time: "2026-01-05T01:02:03.456Z",
      ce_partitionkey: "H1",
      ce_dataschema: "urn:ronghe:schema:code.scan.observed.v1",
      "content-type": "application/json",
    });
    expect(utf8Text(record.value)).toMatch(/^\{"atMs":1767574923456,"businessType":"01301","codeFingerprint":"a1/);
  });

  test("comes back as it was, whatever its ids, times and texts", () => {
    const events = fc.record({
      id: fc.string({ minLength: 1, maxLength: 200 }),
      timeMs: fc.integer({ min: 0, max: 4_102_444_800_000 }),
      subject: fc.option(fc.string(), { nil: undefined }),
      ledger: fc.option(fc.record({ log: fc.string(), index: fc.bigInt({ min: 0n, max: 2n ** 53n }) }), { nil: undefined }),
      outcome: fc.string({ unit: "binary" }).filter((text) => text.isWellFormed()),
    });
    fc.assert(
      fc.property(events, ({ id, timeMs, subject, ledger, outcome }) => {
        const event = {
          ...scan,
          id,
          timeMs,
          ...(subject === undefined ? {} : { subject }),
          ...(ledger === undefined ? {} : { ledger }),
          data: { ...scan.data, outcome },
        };
        expect(decodeEvent(encodeEvent(event))).toEqual({ ok: true, value: event });
      }),
    );
  });

  test("may carry optional fields that this version does not know", () => {
    const newer = withValue(canonicalJson({ ...scan.data, device: { model: "X9" } }));
    expect(decodeEvent(newer)).toEqual({ ok: true, value: scan });
    expect(decodeEvent(withHeaders({ traceparent: "00-ab-cd-01" }))).toEqual({ ok: true, value: scan });
  });

  test("may be read with its topic named, and only as that topic", () => {
    expect(decodeEvent(record, "code.scan.observed.v1")).toEqual({ ok: true, value: scan });
    expect(decodeEvent(record, "identity.token.resolved.v1")).toEqual({ ok: false, error: { reason: "topicMismatch" } });
  });
});

describe("a record is no event", () => {
  test.each<[string, BusRecord, string]>([
    ["on a topic nobody declared", { ...record, topic: "no.such.topic.v1" }, "topicUnknown"],
    ["on a topic named like a property of every object", { ...record, topic: "constructor" }, "topicUnknown"],
    ["on a topic of leaves", { ...record, topic: "ledger.entry.appended.v1" }, "topicUnknown"],
    ["of another CloudEvents version", withHeaders({ ce_specversion: "0.3" }), "specversionUnknown"],
    ["of another type than its topic", withHeaders({ ce_type: "identity.token.resolved.v1" }), "typeMismatch"],
    ["without a type", without("ce_type"), "typeMismatch"],
    ["of another content type", withHeaders({ "content-type": "application/xml" }), "contentTypeUnknown"],
    ["without an id", without("ce_id"), "idInvalid"],
    ["with an empty id", withHeaders({ ce_id: "" }), "idInvalid"],
    ["with an endless id", withHeaders({ ce_id: "x".repeat(201) }), "idInvalid"],
    ["without a source", without("ce_source"), "sourceInvalid"],
    ["from a foreign source", withHeaders({ ce_source: "https://example.org/" }), "sourceInvalid"],
    ["under another key than it says", { ...record, key: "H2" }, "keyMismatch"],
    ["without a time", without("ce_time"), "timeInvalid"],
    ["on an impossible day", withHeaders({ ce_time: "2026-13-01T00:00:00Z" }), "timeInvalid"],
    ["with a local time", withHeaders({ ce_time: "2026-01-05T01:02:03" }), "timeInvalid"],
    ["with a log but no index", withHeaders({ ce_ledgerlog: "x" }), "ledgerPositionInvalid"],
    ["with an index that is no number", withHeaders({ ce_ledgerlog: "x", ce_ledgerseq: "007" }), "ledgerPositionInvalid"],
    ["when its value is not UTF-8", withValue(Uint8Array.of(0x22, 0xff, 0x22)), "notUtf8"],
    ["when its value is not JSON", withValue("{"), "notJson"],
  ])("%s", (_, bad, reason) => {
    expect(decodeEvent(bad)).toEqual({ ok: false, error: { reason } });
  });

  test("when a required field is missing or malformed; the refusal names the field and never its value", () => {
    const { institution: _, ...missing } = scan.data;
    expect(decodeEvent(withValue(canonicalJson(missing)))).toEqual({ ok: false, error: { reason: "schemaMismatch", at: "institution" } });
    const malformed = canonicalJson({ ...scan.data, codeFingerprint: "secret" });
    expect(decodeEvent(withValue(malformed))).toEqual({ ok: false, error: { reason: "schemaMismatch", at: "codeFingerprint" } });
  });

  test("whatever its bytes: reading never throws", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.dictionary(fc.string(), fc.string()), (value, headers) => {
        expect(decodeEvent({ ...record, value, headers }).ok).toBe(false);
      }),
    );
  });
});

describe("canonical JSON", () => {
  test("does not depend on the order in which fields were set, and leaves undefined out", () => {
    expect(canonicalJson({ b: 1, a: [true, null, "ü"], c: undefined })).toBe('{"a":[true,null,"ü"],"b":1}');
  });

  test("is read back as the same value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(canonicalJson(JSON.parse(canonicalJson(value)))).toBe(canonicalJson(value));
      }),
    );
  });

  test.each([1n, Number.NaN, () => 0])("has no text for %s", (value) => {
    expect(() => canonicalJson({ value })).toThrow(TypeError);
  });
});

test("the topic plan has every topic, and one dead-letter topic for each", () => {
  const plan = topicPlan(4);
  expect(plan).toHaveLength(2 * Object.keys(TOPICS).length);
  expect(new Set(plan.map(({ name }) => name)).size).toBe(plan.length);
  expect(plan).toContainEqual({ name: "settlement.claim.settled.v1", partitions: 4 });
  expect(plan).toContainEqual({ name: deadLetterTopic("settlement.claim.settled.v1"), partitions: 1 });
  expect(isDataTopic("settlement.claim.settled.dlq.v1")).toBe(false);
});
