/** Events that were once published stay readable for ever; a golden file is added, never changed. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { utf8 } from "../../core/protocol/bytes.ts";
import { canonicalJson } from "./canonical.ts";
import { decodeEvent, encodeEvent, isDataTopic } from "./codec.ts";
import { contractDocuments } from "./documents.ts";
import { TOPICS } from "./topics.ts";

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
    expect(encodeEvent(decoded.value)).toEqual(record);
  });

  test.each(golden)("$topic/$file is read when a newer writer adds fields", ({ topic, event: { key, headers, value } }) => {
    const newer = { topic, key, headers, value: utf8(canonicalJson({ ...value, addedLater: { a: 1 } })) };
    expect(decodeEvent(newer)).toEqual(decodeEvent({ ...newer, value: utf8(canonicalJson(value)) }));
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
