import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readEnvelope } from "./envelope.ts";

describe("the public parameters of S3 A.2", () => {
  const good = {
    orgId: "H1",
    version: "1.0.0",
    encType: "SM4",
    transType: "ec.query",
    signType: "SM3",
    signData: "A".repeat(64),
    timestamp: "20191016083145",
    data: {},
  };

  it("are read as they stand", () => {
    expect(readEnvelope(JSON.stringify({ ...good, extra: {} }))).toEqual({
      ok: true,
      value: {
        orgId: "H1",
        version: "1.0.0",
        encType: "SM4",
        transType: "ec.query",
        signType: "SM3",
        signData: "A".repeat(64),
        timestamp: "20191016083145",
        extra: {},
        payload: { kind: "clear", data: {} },
      },
    });
  });

  it("may have an empty `data` beside `encData`, as clients send that only emptied it", () => {
    expect(readEnvelope(JSON.stringify({ ...good, encData: "0".repeat(32) }))).toMatchObject({
      ok: true,
      value: { payload: { kind: "encrypted" } },
    });
  });

  it.each<readonly [string, object]>([
    ["an unknown member", { appId: "X" }],
    ["a member of Object.prototype", { toString: "X" }],
    ["no orgId", { orgId: undefined }],
    ["an orgId of 41 characters", { orgId: "A".repeat(41) }],
    ["an empty orgId", { orgId: "" }],
    ["a numeric orgId", { orgId: 1 }],
    ["an orgId that would split the sign text", { orgId: "H1&signType=SM2" }],
    ["an orgId with a line end", { orgId: "H1\n" }],
    ["a version of 11 characters", { version: "1".repeat(11) }],
    ["a numeric version", { version: 1.0 }],
    ["a transType of 41 characters", { transType: "a".repeat(41) }],
    ["a transType with =", { transType: "ec.query=" }],
    ["encType SM2, a profile that is not offered", { encType: "SM2" }],
    ["encType null", { encType: null }],
    ["signType RSA", { signType: "RSA" }],
    ["a signature of 101 characters", { signData: "A".repeat(101) }],
    ["an empty signature", { signData: "" }],
    ["no signature", { signData: undefined }],
    ["a signature in URL-safe Base64", { signData: "A-_=" }],
    ["a timestamp of 12 digits", { timestamp: "157118590512" }],
    ["30 February", { timestamp: "20190230083145" }],
    ["30 February as a number", { timestamp: 20_190_230_083_145 }],
    ["a fractional timestamp", { timestamp: 1_571_185_905.5 }],
    ["a negative timestamp", { timestamp: -1_571_185_905 }],
    ["a timestamp with an offset", { timestamp: "2019-10-16T08:31:45+08:00" }],
    ["no timestamp", { timestamp: undefined }],
    ["extra as text", { extra: "{}" }],
    ["extra as null", { extra: null }],
    ["data as text, as a DLL would", { data: "{}" }],
    ["data as an array", { data: [] }],
    ["data as null", { data: null }],
    ["neither data nor encData", { data: undefined }],
    ["both data and encData", { data: { a: "1" }, encData: "0".repeat(32) }],
    ["encData that is not hex", { data: undefined, encData: "g".repeat(32) }],
    ["encData that is no whole block", { data: undefined, encData: "0".repeat(34) }],
    ["empty encData", { data: undefined, encData: "" }],
    ["encData as an object", { data: undefined, encData: {} }],
  ])("are refused with %s", (_, changes) => {
    expect(readEnvelope(JSON.stringify({ ...good, ...changes }))).toEqual({ ok: false, error: "badRequest" });
  });

  it.each([
    ["a key twice", JSON.stringify(good).replace('"orgId":"H1"', '"orgId":"H1","orgId":"H1"')],
    ["a key twice inside data", JSON.stringify(good).replace('"data":{}', '"data":{"amount":"1","amount":"2"}')],
    ["the trailing comma of S3 B.1.4.1", JSON.stringify(good).replace(/}$/, ",}")],
    ["a timestamp with an exponent", JSON.stringify(good).replace('"20191016083145"', "1571185905e0")],
    ["something after the object", `${JSON.stringify(good)}{}`],
    ["an array", `[${JSON.stringify(good)}]`],
    ["nothing", ""],
  ])("are refused with %s", (_, body) => {
    expect(readEnvelope(body)).toEqual({ ok: false, error: "badRequest" });
  });

  it("never make the reader throw", () => {
    const outcomes = new Set<string>();
    const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(...Object.values(good), "sm3", {}, "0".repeat(32)));
    const message = fc.dictionary(fc.oneof(fc.constantFrom(...Object.keys(good), "encData", "extra"), fc.string()), value, {
      noNullPrototype: true,
    });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          message.map((members) => JSON.stringify({ ...good, ...members })),
        ),
        (body) => {
          const read = readEnvelope(body);
          outcomes.add(read.ok ? "read" : read.error);
        },
      ),
      { numRuns: 2000 },
    );
    expect(outcomes).toEqual(new Set(["read", "badRequest"]));
  });

  it("are too large over 256 k characters", () => {
    expect(readEnvelope(`${JSON.stringify(good)}${" ".repeat(262_144)}`)).toEqual({ ok: false, error: "bodyTooLarge" });
  });
});
