/** JSON Schema of the valibot schemas that routes check, for every document that is made from them. */
import { type JsonSchema, toJsonSchema } from "@valibot/to-json-schema";
import type * as v from "valibot";
import { lengthsOf } from "./texts.ts";

/** Names the known values of a list that may grow; documents say so by the keyword that API tools know. */
export const EXTENSIBLE = "x-extensible-enum";

/**
 * Draft 2020-12, the dialect of OpenAPI 3.1 and of our events. Its patterns are Unicode patterns and its lengths count
 * code points, so the flag `u` may go; `v.ip()` has no counterpart and is named by its two formats.
 */
export function jsonSchemaOf(schema: v.GenericSchema): JsonSchema {
  const { $schema: _dialect, ...converted } = toJsonSchema(schema, {
    target: "draft-2020-12",
    errorMode: "throw",
    overrideAction: ({ valibotAction, jsonSchema }) => {
      if (valibotAction.type === "ip") return { ...jsonSchema, anyOf: [{ format: "ipv4" }, { format: "ipv6" }] };
      // What such a list is read as concerns the reader; on the wire it is the text itself.
      if (valibotAction.type === "transform" && EXTENSIBLE in jsonSchema) return jsonSchema;
      if (valibotAction.type !== "regex" || !("requirement" in valibotAction)) return undefined;
      return valibotAction.requirement instanceof RegExp ? matching(jsonSchema, valibotAction.requirement) : undefined;
    },
  });
  return converted;
}

/** The converter may have set the pattern already; a second one beside a first stands in `allOf`. */
function matching(schema: JsonSchema, requirement: RegExp): JsonSchema {
  const lengths = lengthsOf(requirement);
  if (lengths !== undefined) return { ...withoutPattern(schema, requirement.source), ...lengths };
  const { source: pattern } = requirement;
  if (schema.pattern === pattern) return schema;
  return schema.pattern === undefined ? { ...schema, pattern } : { ...schema, allOf: [{ pattern }] };
}

function withoutPattern(schema: JsonSchema, source: string): JsonSchema {
  if (schema.pattern !== source) return schema;
  const { pattern: _, ...rest } = schema;
  return rest;
}
