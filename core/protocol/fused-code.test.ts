import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatFusedCode, parseScannedCode, type FusedCodeParts } from "./fused-code.ts";

const EHC_ID = "98FF9F2C05145CB9305E9D8A57E072BB51180CA49E5BE5E9D41BCE3A9A571928";
const VALID = "0123456789ABCDEF0123456789ABCDEF";
const APP = "5101A0001";
const width = { appIdWidth: 9 };
const malformed = { ok: false, error: "codeMalformed" };

const alphanumeric = fc.constantFrom(..."0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
/** Rich in `RH` and digits, so that second readings are met. */
const tricky = fc.constantFrom("R", "H", "RH", "0", "1", "2", "9", "RH01", "RH12", "a");
const hex = (length: number) => fc.string({ unit: fc.constantFrom(..."0123456789ABCDEF"), minLength: length, maxLength: length });
const token = fc.oneof(
  fc.string({ unit: alphanumeric, minLength: 20, maxLength: 99 }),
  fc.string({ unit: tricky, minLength: 20, maxLength: 99 }).map((text) => text.slice(0, 99)),
);
const appId = fc.oneof(
  fc.string({ unit: alphanumeric, minLength: 9, maxLength: 9 }),
  fc.string({ unit: tricky, minLength: 9, maxLength: 30 }).map((text) => text.slice(0, 9)),
);
const parts: fc.Arbitrary<FusedCodeParts> = fc.record({ ehcId: hex(64), valid: hex(32), appId, token });

describe("a fused code", () => {
  it("is parsed into the parts it was formatted from, or was refused as ambiguous", () => {
    let ambiguous = 0;
    fc.assert(
      fc.property(parts, (given) => {
        const formatted = formatFusedCode(given);
        const text = `${given.ehcId}:0:${given.valid}:${given.appId}RH${given.token.length}${given.token}`;
        const kind = given.token.length === 98 ? "fused.signed" : "fused.opaque";
        if (!formatted.ok) ambiguous += 1;
        expect(formatted).toEqual(formatted.ok ? { ok: true, value: text } : { ok: false, error: "ambiguous" });
        expect(parseScannedCode(text, width)).toEqual(formatted.ok ? { ok: true, value: { kind, text, ...given } } : malformed);
      }),
      { numRuns: 3000, seed: 7 },
    );
    expect(ambiguous).toBeGreaterThan(0);
  });

  it("is S0 5.1's own example, twelve digits, as an opaque token of a foreign issuer", () => {
    const text = `${EHC_ID}:0:${VALID}:${APP}RH12881234567890`;
    expect(parseScannedCode(text, width)).toEqual({
      ok: true,
      value: { kind: "fused.opaque", text, ehcId: EHC_ID, valid: VALID, appId: APP, token: "881234567890" },
    });
  });

  it("has one canonical text whichever case its hex was printed in", () => {
    const text = `${EHC_ID.toLowerCase()}:0:${VALID.toLowerCase()}:${APP}RH20abcdefghij0123456789`;
    const parsed = parseScannedCode(text, width);
    expect(parsed).toMatchObject({ ok: true, value: { text: `${EHC_ID}:0:${VALID}:${APP}RH20abcdefghij0123456789`, ehcId: EHC_ID } });
  });

  it.each([
    ["a LEN too small for its value", `${EHC_ID}:0:${VALID}:${APP}RH11881234567890`],
    ["a LEN too large for its value", `${EHC_ID}:0:${VALID}:${APP}RH13881234567890`],
    ["a hexadecimal LEN", `${EHC_ID}:0:${VALID}:${APP}RH0C881234567890`],
    ["a LEN of 00", `${EHC_ID}:0:${VALID}:${APP}RH00`],
    ["a token that could be guessed (11 characters)", `${EHC_ID}:0:${VALID}:${APP}RH1188123456789`],
    ["another TAG", `${EHC_ID}:0:${VALID}:${APP}RX12881234567890`],
    ["a lower-case TAG", `${EHC_ID}:0:${VALID}:${APP}rh12881234567890`],
    ["an EHCAPPID too short", `${EHC_ID}:0:${VALID}:5101A001RH12881234567890`],
    ["an EHCAPPID too long", `${EHC_ID}:0:${VALID}:5101A00001RH12881234567890`],
    ["no EHCAPPID", `${EHC_ID}:0:${VALID}:RH12881234567890`],
    ["two readings, the longer at the width", `${EHC_ID}:0:${VALID}:${APP}RH20ABCDRH12abcdefghijkl`],
    ["a token on a static code", `${EHC_ID}:1::${APP}RH12881234567890`],
    ["a VALID on a static code", `${EHC_ID}:1:${VALID}:${APP}`],
    ["no VALID on a dynamic code", `${EHC_ID}:0::${APP}RH12881234567890`],
    ["a VALID of 31 characters", `${EHC_ID}:0:${VALID.slice(1)}:${APP}RH12881234567890`],
    ["an EHCID of 32 characters", `${EHC_ID.slice(32)}:0:${VALID}:${APP}RH12881234567890`],
    ["an EHCID that is not hex", `G${EHC_ID.slice(1)}:0:${VALID}:${APP}RH12881234567890`],
    ["a second segment of 2", `${EHC_ID}:2:${VALID}:${APP}RH12881234567890`],
    ["a second segment of 00", `${EHC_ID}:00:${VALID}:${APP}RH12881234567890`],
    ["a fifth segment", `${EHC_ID}:0:${VALID}:${APP}RH12881234567890:`],
    ["three segments", `${EHC_ID}:0:${VALID}`],
    ["two segments", `${EHC_ID}:0`],
    ["a regional prefix", `85:${EHC_ID}:1`],
    ["a full-width colon", `${EHC_ID}：0：${VALID}：${APP}RH12881234567890`],
    ["white space at the end", `${EHC_ID}:0:${VALID}:${APP}RH12881234567890 `],
    ["a line end", `${EHC_ID}:0:${VALID}:${APP}RH12881234567890\n`],
    ["a leading byte order mark", `\ufeff${EHC_ID}:0:${VALID}:${APP}RH12881234567890`],
    ["full-width digits in the value", `${EHC_ID}:0:${VALID}:${APP}RH12８81234567890`],
    ["a character outside [0-9A-Za-z] in the value", `${EHC_ID}:0:${VALID}:${APP}RH12881234567-90`],
    ["513 characters", `${EHC_ID}:0:${VALID}:${"A".repeat(513 - 100)}`],
    ["nothing", ""],
    ["33 characters that are no EHC code", "0".repeat(33)],
  ])("is refused with %s", (_, text) => {
    expect(parseScannedCode(text, width)).toEqual(malformed);
  });

  it("is refused when its app id and token can be cut in two ways", () => {
    const tail = "RH14abcdefghijklmn";
    expect(parseScannedCode(`${EHC_ID}:0:${VALID}:${APP}RH${4 + tail.length}wxyz${tail}`, width)).toEqual(malformed);
    expect(parseScannedCode(`${EHC_ID}:0:${VALID}:${APP}RH${4 + tail.length}wxyz${tail.replace("RH14", "RH15")}`, width)).toMatchObject({
      ok: true,
    });
  });

  it("is not issued with a token that could be guessed, nor with parts of another form", () => {
    const good = { ehcId: EHC_ID, valid: VALID, appId: APP, token: "a".repeat(20) };
    expect(formatFusedCode(good).ok).toBe(true);
    for (const bad of [
      { ...good, token: "a".repeat(19) },
      { ...good, token: "a".repeat(100) },
      { ...good, token: `${"a".repeat(20)}:` },
      { ...good, appId: "" },
      { ...good, ehcId: EHC_ID.slice(1) },
      { ...good, valid: "" },
    ]) {
      expect(() => formatFusedCode(bad)).toThrow(RangeError);
    }
  });
});

describe("EHC and NHSA codes", () => {
  it.each([
    ["static", `${EHC_ID}:1::${APP}`, { kind: "ehc.static", text: `${EHC_ID}:1::${APP}`, ehcId: EHC_ID, appId: APP }],
    [
      "static in lower-case hex",
      `${EHC_ID.toLowerCase()}:1::${APP}`,
      { kind: "ehc.static", text: `${EHC_ID}:1::${APP}`, ehcId: EHC_ID, appId: APP },
    ],
    ["static in the short form", `${EHC_ID}:1`, { kind: "ehc.static", text: `${EHC_ID}:1`, ehcId: EHC_ID }],
    [
      "dynamic",
      `${EHC_ID}:0:${VALID}:${APP}`,
      { kind: "ehc.dynamic", text: `${EHC_ID}:0:${VALID}:${APP}`, ehcId: EHC_ID, valid: VALID, appId: APP },
    ],
    ["NHSA, 12 characters", "280000000007", { kind: "nhsa", text: "280000000007" }],
    ["NHSA, 32 characters", "Ab".repeat(16), { kind: "nhsa", text: "Ab".repeat(16) }],
  ])("are told apart: %s", (_, text, value) => {
    expect(parseScannedCode(text, width)).toEqual({ ok: true, value });
  });

  it.each(["a", "7", "hello", "13900001111", "https://a.cn/q?x=1", "28000000000:00000000", "a b", "A".repeat(33)])(
    "%s is no code: an NHSA code is 12 to 32 letters and digits",
    (text) => {
      expect(parseScannedCode(text, width)).toEqual(malformed);
    },
  );

  it("an app id that reads as a token elsewhere is refused, not guessed at", () => {
    expect(parseScannedCode(`${EHC_ID}:0:${VALID}:ABCDRH01X`, width)).toEqual(malformed);
    expect(parseScannedCode(`${EHC_ID}:1:::${APP}`, width)).toEqual(malformed);
    expect(parseScannedCode(`${EHC_ID}:1:${APP}`, width)).toEqual(malformed);
    expect(parseScannedCode(`${EHC_ID}:1::`, width)).toEqual(malformed);
    expect(parseScannedCode(`${EHC_ID}:1:`, width)).toEqual(malformed);
  });
});

describe("parsing", () => {
  it("never throws, and what it accepts parses again to the same from its canonical text", () => {
    const noise = fc.oneof(
      fc.string({ unit: "binary", maxLength: 600 }),
      fc.string({ unit: fc.constantFrom("RH", "12", ":", "0", "1", "A", "f", EHC_ID, VALID, APP, "：", "\n", "\ud800"), maxLength: 12 }),
      fc.tuple(parts, fc.nat(), fc.string({ maxLength: 2 })).map(([given, at, inserted]) => {
        const text = `${given.ehcId}:0:${given.valid}:${given.appId}RH${given.token.length}${given.token}`;
        const place = at % (text.length + 1);
        return text.slice(0, place) + inserted + text.slice(place + (at % 3));
      }),
    );
    fc.assert(
      fc.property(noise, fc.integer({ min: 0, max: 20 }), (text, appIdWidth) => {
        const parsed = parseScannedCode(text, { appIdWidth });
        expect(parsed.ok ? parseScannedCode(parsed.value.text, { appIdWidth }) : malformed).toEqual(parsed);
      }),
      { numRuns: 10_000 },
    );
  });
});
