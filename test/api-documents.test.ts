import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { contradictions, examplesOf } from "./harness/json-schema.ts";

type Document = {
  readonly servers?: readonly { readonly url: string }[];
  readonly security?: unknown;
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly operationId?: string; readonly security?: unknown; readonly responses: object }>>>
  >;
};

describe.each(["openapi", "channel-openapi"])("the published document %s", async (name) => {
  const document = JSON.parse(await readFile(new URL(`../docs/generated/${name}.json`, import.meta.url), "utf8")) as Document;
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ at: `${method} ${path}`, operation })),
  );

  test("says where its operations are served, and by what HTTP security", () => {
    expect(document.servers?.length).toBeGreaterThan(0);
    for (const { at, operation } of operations) expect(operation.security ?? document.security, at).toBeDefined();
  });

  test("gives every operation an id of its own and an answer", () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(operations.length);
    for (const { at, operation } of operations) expect(Object.keys(operation.responses), at).not.toHaveLength(0);
  });

  test("has no example that its schema contradicts", () => {
    for (const { at, schema, value } of examplesOf(document)) expect(contradictions(schema, value, document), at).toEqual([]);
  });
});

test("an example that lacks a member, has another type or an unknown word is found", () => {
  const schema = { type: "object", required: ["a"], properties: { a: { type: "string", enum: ["x"] } }, additionalProperties: false };
  expect(contradictions(schema, { a: "x" }, {})).toEqual([]);
  for (const value of [{}, { a: 1 }, { a: "y" }, { a: "x", b: "1" }, []]) expect(contradictions(schema, value, {})).not.toEqual([]);
});

test("the document of hospitals has examples to check at all", async () => {
  const document: unknown = JSON.parse(await readFile(new URL("../docs/generated/openapi.json", import.meta.url), "utf8"));
  expect(examplesOf(document).length).toBeGreaterThan(10);
});
