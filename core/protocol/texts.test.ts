import { describe, expect, it } from "vitest";
import * as v from "valibot";
import { jsonSchemaOf } from "./json-schema.ts";
import { codePoints, identifier, text } from "./texts.ts";

const RARE = "𠮷";

describe("the length of a text", () => {
  it.each([
    ["twenty rare characters, forty UTF-16 units", RARE.repeat(20), true],
    ["twenty-one rare characters", RARE.repeat(21), false],
    ["twenty letters", "a".repeat(20), true],
    ["nothing", "", false],
    ["a control character", "a\u0007", false],
    ["a line end", "a\n", false],
  ])("is counted in code points: %s", (_, given, isText) => {
    expect(v.safeParse(text(20), given).success).toBe(isText);
  });

  it("of anything may hold line ends", () => {
    expect(v.safeParse(v.pipe(v.string(), codePoints(0, 3)), "a\nb").success).toBe(true);
    expect(v.safeParse(v.pipe(v.string(), codePoints(0, 3)), "a\nbc").success).toBe(false);
  });

  it("stands in documents as minLength and maxLength, which count code points too", () => {
    expect(jsonSchemaOf(text(20))).toEqual({ type: "string", minLength: 1, maxLength: 20, pattern: "^[^\\p{Cc}]*$" });
    expect(jsonSchemaOf(identifier(40))).toEqual({
      type: "string",
      pattern: "^[0-9A-Za-z][0-9A-Za-z._-]*$",
      minLength: 1,
      maxLength: 40,
    });
  });
});
