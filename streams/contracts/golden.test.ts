/** Events that were once published stay readable for ever; a golden file is added, never changed. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { GenericSchema } from "valibot";
import { describe, expect, expectTypeOf, test } from "vitest";
import { utf8 } from "../../core/protocol/bytes.ts";
import { canonicalJson } from "./canonical.ts";
import { decodeEvent, encodeEvent, isDataTopic } from "./codec.ts";
import { contractDocuments } from "./documents.ts";
import type { AnyWrittenEvent } from "./event.ts";
import { openFields } from "./open-list.ts";
import { type DataTopic, type EventData, TOPICS, type WrittenData } from "./topics.ts";
import { readAs, unknownFields } from "./unknown-fields.ts";

interface Golden {
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: object;
}
const folder = new URL("./golden/", import.meta.url);
const golden = readdirSync(folder).flatMap((topic) =>
  readdirSync(new URL(`${topic}/`, folder)).map((file) => ({
    topic,
    file,
    event: JSON.parse(readFileSync(new URL(`${topic}/${file}`, folder), "utf8")) as Golden,
  })),
);

describe("golden events", () => {
  test("stand for every topic with JSON data", () => {
    const topics = new Set(golden.map(({ topic }) => topic));
    expect(
      Object.keys(TOPICS)
        .filter(isDataTopic)
        .filter((topic) => !topics.has(topic)),
    ).toEqual([]);
  });

  test.each(golden)("$topic/$file is read, and written again to the byte", ({ topic, event: { key, headers, value } }) => {
    const record = { topic, key, headers, value: utf8(canonicalJson(value)) };
    const decoded = decodeEvent(record);
    if (!decoded.ok) throw new Error(`${decoded.error.reason} ${decoded.error.at ?? ""}`);
    expect(encodeEvent(decoded.value as AnyWrittenEvent)).toEqual(record);
  });

  test.each(golden)("$topic/$file is read when a newer writer adds fields", ({ topic, event: { key, headers, value } }) => {
    const newer = { topic, key, headers, value: utf8(canonicalJson({ ...value, addedLater: { a: 1 } })) };
    expect(decodeEvent(newer)).toEqual(decodeEvent({ ...newer, value: utf8(canonicalJson(value)) }));
  });
});

describe("a list that may grow", () => {
  const lists = golden.flatMap(({ topic, file, event }) => {
    const data: GenericSchema | undefined = TOPICS[topic as DataTopic].data;
    return openFields(data).map((field) => ({ topic, file, event, field }));
  });

  test.each(lists)("$topic/$file is read with $field as unknown when a newer writer has a new value", ({ topic, event, field }) => {
    const { key, headers, value } = event;
    const before = decodeEvent({ topic, key, headers, value: utf8(canonicalJson(value)) });
    const newer = decodeEvent({ topic, key, headers, value: utf8(canonicalJson({ ...value, [field]: "added.later" })) });
    if (!before.ok || !newer.ok) throw new Error("a golden event is not read");
    expect(newer.value).toEqual({ ...before.value, data: { ...before.value.data, [field]: "unknown" } });
    expect(unknownFields(newer.value)).toEqual([field]);
    expect(unknownFields(readAs(before.value, [field]))).toEqual([field]);
    const other = decodeEvent({ topic, key, headers, value: utf8(canonicalJson({ ...value, [field]: 7 })) });
    expect(other).toEqual({ ok: false, error: { reason: "schemaMismatch", at: field } });
  });

  test("is named in the documents", () => {
    const listed = [...contractDocuments()].flatMap(([path, text]) =>
      path.startsWith("schemas/") ? [`${path} ${text.split("x-extensible-enum").length - 1}`] : [],
    );
    expect(listed).toMatchInlineSnapshot(`
      [
        "schemas/settlement.request.submitted.v1.json 0",
        "schemas/settlement.request.rejected.v1.json 1",
        "schemas/settlement.claim.settled.v1.json 1",
        "schemas/settlement.claim.refused.v1.json 2",
        "schemas/settlement.claim.refunded.v1.json 1",
        "schemas/settlement.claim.unknown.v1.json 1",
        "schemas/code.scan.observed.v1.json 3",
        "schemas/identity.token.resolved.v1.json 0",
        "schemas/identity.binding.changed.v1.json 2",
        "schemas/supervision.reconciliation.finished.v1.json 3",
        "schemas/fraud.rule.published.v1.json 0",
        "schemas/fraud.alert.raised.v1.json 1",
      ]
    `);
  });

  test.each([
    ["settle.json", "action"],
    ["refund-cash.json", "refundType"],
  ])("is none where the core acts on the value: %s with a new %s is refused as a whole", (file, field) => {
    const topic = "settlement.request.submitted.v1";
    const found = golden.find((one) => one.topic === topic && one.file === file);
    if (found === undefined) throw new Error("no such golden event");
    const { key, headers, value } = found.event;
    const newer = { topic, key, headers, value: utf8(canonicalJson({ ...value, [field]: "added.later" })) };
    expect(decodeEvent(newer)).toEqual({ ok: false, error: { reason: "schemaMismatch", at: field } });
  });

  test("holds writers by their type, while readers have to expect unknown", () => {
    type Kind = WrittenData<"code.scan.observed.v1">["codeKind"];
    expectTypeOf<Kind>().toEqualTypeOf<"fused.signed" | "fused.opaque" | "ehc.static" | "ehc.dynamic" | "nhsa" | "unreadable">();
    expectTypeOf<EventData<"code.scan.observed.v1">["codeKind"]>().toEqualTypeOf<Kind | "unknown">();
  });
});

describe("generated documents", () => {
  const generated = new URL("../../docs/generated/", import.meta.url);

  test.each([...contractDocuments()])("docs/generated/%s is what `node streams/contracts/generate.ts` writes", (path, text) => {
    expect(existsSync(new URL(path, generated)), "run the generator").toBe(true);
    expect(readFileSync(new URL(path, generated), "utf8")).toBe(text);
  });

  test("no schema is left over from a topic that is gone", () => {
    const written = readdirSync(new URL("schemas/", generated)).map((file) => `schemas/${file}`);
    expect(written.filter((path) => !contractDocuments().has(path))).toEqual([]);
  });
});
