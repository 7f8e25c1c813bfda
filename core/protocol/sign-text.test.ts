import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DIALECT_PRESETS, type PartnerDialect, settingsOf } from "./dialects.ts";
import { isJsonObject, parseStrictJson, toPlainObject, type JsonObject } from "./json.ts";
import { canonicalData, signedData, signText } from "./sign-text.ts";

const read = (json: string): JsonObject => {
  const parsed = parseStrictJson(json);
  if (!parsed.ok || !isJsonObject(parsed.value)) throw new Error("test data is no object");
  return parsed.value;
};
const text = (data: string, dialect: PartnerDialect): string | undefined =>
  signText(read(`{"orgId":"H1","data":${data}}`), dialect, "secret");

describe("the sign text", () => {
  it("drops what is never signed, sorts the rest, and ends with the secret", () => {
    const message = read(
      '{"version":"1.0.0","transType":"rh.settle","timestamp":20191016083145,"signType":"sm2","signData":"x","orgId":"H1",' +
        '"extra":{"a":1},"encType":"sm4","encData":"00","data":{"b":"二","a":"1"},"message":"","code":null}',
    );
    expect(signText(message, "standard", "s3cret")).toBe(
      'data={"a":"1","b":"二"}&encType=sm4&orgId=H1&signType=sm2&timestamp=20191016083145&transType=rh.settle&version=1.0.0&key=s3cret',
    );
  });

  it("ends with `&key=` when there is no secret, as in replies to unknown callers", () => {
    expect(signText(read('{"code":"500057","success":false,"data":{}}'), "standard", "")).toBe("code=500057&data={}&success=false&key=");
  });

  /** One row per difference of domain notes 1.4; the columns are the dialects. */
  it.each<readonly [string, string, Readonly<Record<PartnerDialect, string>>]>([
    [
      "key order at the first level, with upper case and underscore",
      '{"a_b":"1","aB":"2","Z":"3","ab0":"4"}',
      {
        standard: '{"Z":"3","aB":"2","a_b":"1","ab0":"4"}',
        "nhsa-web": '{"Z":"3","aB":"2","a_b":"1","ab0":"4"}',
        "vendor-java": '{"a_b":"1","aB":"2","ab0":"4","Z":"3"}',
        csharp: '{"Z":"3","aB":"2","a_b":"1","ab0":"4"}',
        "keep-numbers": '{"Z":"3","aB":"2","a_b":"1","ab0":"4"}',
        cryptotool: '{"Z":"3","aB":"2","a_b":"1","ab0":"4"}',
      },
    ],
    [
      "key order inside an object, and inside objects of an array",
      '{"o":{"b":"1","a":"2"},"l":[{"d":"3","c":{"y":"4","x":"5"}}]}',
      {
        standard: '{"l":[{"c":{"x":"5","y":"4"},"d":"3"}],"o":{"a":"2","b":"1"}}',
        "nhsa-web": '{"l":[{"c":{"y":"4","x":"5"},"d":"3"}],"o":{"b":"1","a":"2"}}',
        "vendor-java": '{"l":[{"c":{"x":"5","y":"4"},"d":"3"}],"o":{"a":"2","b":"1"}}',
        csharp: '{"l":[{"c":{"x":"5","y":"4"},"d":"3"}],"o":{"a":"2","b":"1"}}',
        "keep-numbers": '{"l":[{"c":{"x":"5","y":"4"},"d":"3"}],"o":{"a":"2","b":"1"}}',
        cryptotool: '{"l":[{"c":{"x":"5","y":"4"},"d":"3"}],"o":{"a":"2","b":"1"}}',
      },
    ],
    [
      "numbers with their lexeme, and booleans",
      '{"a":1.0,"b":1E3,"c":true,"d":[false,2]}',
      {
        standard: '{"a":"1.0","b":"1E3","c":"true","d":["false","2"]}',
        "nhsa-web": '{"a":"1.0","b":"1E3","c":"true","d":["false","2"]}',
        "vendor-java": '{"a":"1.0","b":"1E3","c":"true","d":["false","2"]}',
        csharp: '{"a":"1.0","b":"1E3","c":"true","d":["false","2"]}',
        "keep-numbers": '{"a":1.0,"b":1E3,"c":true,"d":[false,2]}',
        cryptotool: '{"a":1.0,"b":1E3,"c":true,"d":[false,2]}',
      },
    ],
    [
      "null, empty string, empty array, empty object, and an object that becomes empty",
      '{"a":null,"b":"","c":[],"d":{},"e":{"x":null},"f":"1","g":[null,"",{}]}',
      {
        standard: '{"d":{},"e":{},"f":"1","g":[null,"",{}]}',
        "nhsa-web": '{"d":{},"e":{},"f":"1","g":[null,"",{}]}',
        "vendor-java": '{"d":{},"e":{},"f":"1","g":[null,"",{}]}',
        csharp: '{"d":{},"e":{},"f":"1","g":[null,"",{}]}',
        "keep-numbers": '{"f":"1","g":[null,"",{}]}',
        cryptotool: '{"b":"","d":{},"e":{},"f":"1","g":[null,"",{}]}',
      },
    ],
    [
      "characters that need an escape, and those that do not",
      '{"a":"\\"\\\\\\/\\u0001\\n汉\\u6c49&="}',
      Object.fromEntries(DIALECT_PRESETS.map((dialect) => [dialect, '{"a":"\\"\\\\/\\u0001\\n汉汉&="}'])) as Record<PartnerDialect, string>,
    ],
  ])("of each dialect: %s", (_, data, expected) => {
    for (const dialect of DIALECT_PRESETS)
      expect([dialect, text(data, dialect)]).toEqual([dialect, `data=${expected[dialect]}&orgId=H1&key=secret`]);
  });

  it("leaves out `data` that is empty only where the dialect drops empty objects", () => {
    for (const dialect of DIALECT_PRESETS) {
      const dropped = settingsOf(dialect).emptyObject === "dropped";
      expect(text('{"a":""}', dialect === "cryptotool" ? "standard" : dialect)).toBe(`${dropped ? "" : "data={}&"}orgId=H1&key=secret`);
    }
  });

  it("has no meaning for keys that differ in case only where the dialect sorts without case", () => {
    expect(text('{"a":"1","A":"2"}', "vendor-java")).toBeUndefined();
    expect(text('{"o":[{"ﬀ":"1","İ":"2"}]}', "vendor-java")).toBeDefined();
    expect(text('{"o":[{"é":"1","É":"2"}]}', "vendor-java")).toBeUndefined();
    expect(text('{"a":"1","A":"2"}', "standard")).toBe('data={"A":"2","a":"1"}&orgId=H1&key=secret');
  });

  it("is the same in every dialect when data is flat, of non-empty strings, with keys in one case", () => {
    const flat = fc.dictionary(
      fc.string({ unit: fc.constantFrom(..."abcxyz019"), minLength: 1, maxLength: 8 }),
      fc.string({ unit: "binary", minLength: 1 }),
      {
        noNullPrototype: true,
      },
    );
    fc.assert(
      fc.property(flat, (data) => {
        const texts = DIALECT_PRESETS.map((dialect) => text(JSON.stringify({ ...data, last: "1" }), dialect));
        expect(new Set(texts).size).toBe(1);
      }),
    );
  });

  it("does not depend on the order in which members arrived, nor on white space", () => {
    const data = fc.dictionary(
      fc.string({ minLength: 1, maxLength: 5 }).filter((key) => key !== "__proto__"),
      fc.jsonValue({ maxDepth: 2, stringUnit: "grapheme" }),
      {
        noNullPrototype: true,
      },
    );
    fc.assert(
      fc.property(data, (members) => {
        const reversed = Object.fromEntries(Object.entries(members).toReversed());
        if (JSON.stringify(members).includes("__proto__")) return;
        expect(text(JSON.stringify(reversed, null, 2), "standard")).toBe(text(JSON.stringify(members), "standard"));
      }),
    );
  });
});

describe("what a receiver may act on", () => {
  it("is exactly what the signature covers, with types as received", () => {
    const data = read('{"a":null,"b":"","c":{"d":"","e":1.50},"f":[]}');
    expect(toPlainObject(signedData(data, "standard"))).toEqual({ c: { e: 1.5 } });
    expect(toPlainObject(signedData(data, "cryptotool"))).toEqual({ b: "", c: { d: "", e: 1.5 } });
    expect(canonicalData(data, "keep-numbers")).toBe('{"c":{"e":1.50}}');
  });
});
