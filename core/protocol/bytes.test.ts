import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { base62OfBytes, base62OfNumber, base62Width, bytesOfBase62, numberOfBase62 } from "./base62.ts";
import { concatBytes, fromBase64, fromHex, toBase64, toHex, toUpperHex, utf8, utf8Text } from "./bytes.ts";

const bytes = fc.uint8Array({ maxLength: 100 });

describe("hex", () => {
  it("reads back what it wrote, in either case, and agrees with Buffer", () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(toHex(value)).toBe(Buffer.from(value).toString("hex"));
        expect(fromHex(toHex(value))).toEqual(value);
        expect(fromHex(toUpperHex(value))).toEqual(value);
      }),
    );
  });
  it.each(["0", "0g", "0x", " 00", "００", "0\u0100"])("refuses %j", (text) => {
    expect(fromHex(text)).toBeUndefined();
  });
});

describe("Base64", () => {
  it("reads back what it wrote and agrees with Buffer", () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(toBase64(value)).toBe(Buffer.from(value).toString("base64"));
        expect(fromBase64(toBase64(value))).toEqual(value);
      }),
    );
  });
  it("has one text per value: what it reads, it writes the same", () => {
    let read = 0;
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."AQgwB9+/="), maxLength: 12 }), (text) => {
        const value = fromBase64(text);
        if (value !== undefined) read += 1;
        expect(value === undefined ? text : toBase64(value)).toBe(text);
      }),
      { numRuns: 5000 },
    );
    expect(read).toBeGreaterThan(100);
  });
  it.each(["A", "AA", "AAA", "AB==", "AAB=", "A===", "====", "AA=A", "AA==AA==", "A-_=", " AAA", "AAA\n"])("refuses %j", (text) => {
    expect(fromBase64(text)).toBeUndefined();
  });
});

describe("UTF-8", () => {
  it("reads back what it wrote and refuses broken sequences", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(utf8Text(utf8(text))).toBe(text);
      }),
    );
    expect(utf8Text(Uint8Array.of(0xc0, 0x80))).toBeUndefined();
    expect(utf8Text(Uint8Array.of(0xed, 0xa0, 0x80))).toBeUndefined();
  });
  it("joins parts in order", () => {
    expect(concatBytes(Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3))).toEqual(Uint8Array.of(1, 2, 3));
  });
});

describe("base 62", () => {
  it("writes bytes in a fixed width and reads them back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), (value) => {
        const text = base62OfBytes(value);
        expect(text).toMatch(/^[0-9A-Za-z]{86}$/);
        expect(bytesOfBase62(text, 64)).toEqual(value);
      }),
    );
  });
  it("orders digits 0-9A-Za-z", () => {
    expect(base62OfNumber(61, 2)).toBe("0z");
    expect(base62OfNumber(62, 2)).toBe("10");
    expect(base62OfNumber(10, 1)).toBe("A");
    expect(numberOfBase62("zzzzzz")).toBe(62 ** 6 - 1);
  });
  it("has one text per value: numbers read back to the same text", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."09AZaz5"), minLength: 6, maxLength: 6 }), (text) => {
        const value = numberOfBase62(text);
        expect(value === undefined ? undefined : base62OfNumber(value, 6)).toBe(text);
      }),
    );
  });
  it("refuses values over the bytes asked for: 2^512 and above", () => {
    expect(bytesOfBase62("z".repeat(86), 64)).toBeUndefined();
    const largest = base62OfBytes(new Uint8Array(64).fill(255));
    expect(bytesOfBase62(largest, 64)).toEqual(new Uint8Array(64).fill(255));
    const last = largest.charCodeAt(85);
    expect(bytesOfBase62(largest.slice(0, 85) + String.fromCharCode(last + 1), 64)).toBeUndefined();
  });
  it("refuses other widths and characters", () => {
    expect(bytesOfBase62("0".repeat(85), 64)).toBeUndefined();
    expect(bytesOfBase62(`${"0".repeat(85)}-`, 64)).toBeUndefined();
    expect(numberOfBase62("00000é")).toBeUndefined();
    expect(numberOfBase62("")).toBeUndefined();
    expect(numberOfBase62("zzzzzzzzzz")).toBeUndefined();
  });
  it("refuses to write what does not fit", () => {
    expect(() => base62OfNumber(62 ** 6, 6)).toThrow(RangeError);
    expect(() => base62OfNumber(-1, 6)).toThrow(RangeError);
    expect(() => base62OfNumber(1.5, 6)).toThrow(RangeError);
    expect(base62Width(64)).toBe(86);
  });
});
