import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isJsonObject, JSON_LIMITS, JsonNumber, jsonObjectOf, parseStrictJson, toPlainJson, type JsonDefect } from "./json.ts";

const plain = (text: string): unknown => {
  const parsed = parseStrictJson(text);
  return parsed.ok ? toPlainJson(parsed.value) : parsed.error;
};

/** Members named `__proto__` are refused by design; everything else must read as JSON.parse reads it. */
const jsonText = fc.json({ maxDepth: 6, stringUnit: "binary" }).filter((text) => !text.includes("__proto__"));

const byJsonParse = (text: string): { readonly value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
};

describe("parseStrictJson", () => {
  it("reads every text as JSON.parse does", () => {
    fc.assert(
      fc.property(jsonText, fc.constantFrom(undefined, 1, "\t"), (text, indent) => {
        const spelt = JSON.stringify(JSON.parse(text), null, indent);
        expect(plain(spelt)).toEqual(JSON.parse(spelt));
      }),
      { numRuns: 2000 },
    );
  });

  it("accepts nothing that JSON.parse refuses, and calls a text malformed only when it does, whatever is changed in it", () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.constantFrom(...'{}[]":,\\u0e.-+1 tfn\n\u0000d')), { maxLength: 3 });
    let accepted = 0;
    fc.assert(
      fc.property(jsonText, edits, (text, changes) => {
        let changed = text;
        for (const [at, character] of changes) {
          const place = at % (changed.length + 1);
          changed = changed.slice(0, place) + character + changed.slice(place + 1);
        }
        const strict = parseStrictJson(changed);
        const lenient = byJsonParse(changed);
        if (strict.ok) accepted += 1;
        expect(strict.ok ? { value: toPlainJson(strict.value) } : lenient).toEqual(lenient);
        expect(!strict.ok && strict.error === "syntax" ? lenient : undefined).toBeUndefined();
      }),
      { numRuns: 3000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });

  it.each<readonly [string, string, JsonDefect]>([
    ["a key twice", '{"a":1,"a":1}', "duplicateKey"],
    ["a key twice under another spelling", '{"a":1,"\\u0061":2}', "duplicateKey"],
    ["a key twice deep inside", '[{"x":{"a":1,"b":2,"a":3}}]', "duplicateKey"],
    ["a member that would change the prototype", '{"__proto__":{}}', "reservedKey"],
    ["the same under another spelling", '{"__pr\\u006fto__":{}}', "reservedKey"],
    ["a high surrogate alone", '"\\ud800"', "loneSurrogate"],
    ["a low surrogate alone, unescaped", '"\udc00"', "loneSurrogate"],
    ["surrogates in the wrong order", '"\\udc00\\ud800"', "loneSurrogate"],
    ["the trailing comma of S3 B.1.4.1", '{"businessType":"1",}', "syntax"],
    ["a trailing comma in an array", "[1,]", "syntax"],
    ["a second value", "{} {}", "syntax"],
    ["nothing", "", "syntax"],
    ["an unfinished string", '"abc', "syntax"],
    ["a string ending in its escape", '"abc\\', "syntax"],
    ["a line end inside a string", '"a\nb"', "syntax"],
    ["an unknown escape", '"\\x41"', "syntax"],
    ["a short unicode escape", '"\\u12"', "syntax"],
    ["a leading zero", "007", "syntax"],
    ["a leading plus", "+1", "syntax"],
    ["a bare fraction", ".5", "syntax"],
    ["hexadecimal", "0x10", "syntax"],
    ["NaN", "NaN", "syntax"],
    ["single quotes", "{'a':1}", "syntax"],
    ["a comment", "/* */{}", "syntax"],
    ["a byte order mark", "\ufeff{}", "syntax"],
    ["a no-break space", "\u00a0{}", "syntax"],
    ["more levels than allowed", "[".repeat(17) + "]".repeat(17), "tooDeep"],
    ["an endless nest", "[".repeat(200_000), "tooDeep"],
    ["a text over the limit", `"${"a".repeat(JSON_LIMITS.lengthMax)}"`, "tooLarge"],
  ])("refuses %s", (_, text, defect) => {
    expect(parseStrictJson(text)).toEqual({ ok: false, error: defect });
  });

  it("allows exactly the levels of the limit", () => {
    expect(parseStrictJson("[".repeat(16) + "]".repeat(16)).ok).toBe(true);
    expect(parseStrictJson("[[1]]", { lengthMax: 100, depthMax: 1 })).toEqual({ ok: false, error: "tooDeep" });
  });

  it.each(["0", "-0", "1.0", "1E3", "1e+03", "12345678901234567890.123456789", "-0.10"])("keeps the lexeme %s", (lexeme) => {
    const parsed = parseStrictJson(`{"n":${lexeme}}`);
    if (!parsed.ok || !isJsonObject(parsed.value)) throw new Error("not read");
    expect(parsed.value["n"]).toEqual(new JsonNumber(lexeme));
    expect(plain(`{"n":${lexeme}}`)).toEqual({ n: Number(lexeme) });
  });

  it("treats names of Object.prototype as ordinary members", () => {
    expect(plain('{"constructor":1,"hasOwnProperty":2,"toString":3}')).toEqual({ constructor: 1, hasOwnProperty: 2, toString: 3 });
  });

  it("reads pairs of surrogates written either way", () => {
    expect(plain('"\\ud842\\udfb7𠮷"')).toBe("𠮷𠮷");
  });
});

describe("jsonObjectOf", () => {
  it("drops what JSON has no word for and keeps digits", () => {
    expect(jsonObjectOf({ a: undefined, b: "x", c: 1.5 })).toEqual({ b: "x", c: new JsonNumber("1.5") });
  });
  it("refuses what no strict reader would take back", () => {
    expect(() => jsonObjectOf({ a: "\ud800" })).toThrow(RangeError);
    expect(() => jsonObjectOf([])).toThrow(RangeError);
  });
});
