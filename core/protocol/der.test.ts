import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex } from "./bytes.ts";
import { derOfRaw, rawOfDer } from "./der.ts";

/** Half of the numbers begin with zeros or a high bit, where encodings go wrong. */
const number = fc
  .tuple(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.constantFrom(0, 1, 31), fc.boolean())
  .map(([value, zeros, high]) => value.map((byte, at) => (at < zeros ? 0 : at === zeros && high ? byte | 0x80 : byte)));

describe("DER of an SM2 signature", () => {
  it("reads back what it wrote, in at most 72 bytes", () => {
    fc.assert(
      fc.property(number, number, (r, s) => {
        const raw = Uint8Array.of(...r, ...s);
        const der = derOfRaw(raw);
        expect(der.length).toBeLessThanOrEqual(72);
        expect(rawOfDer(der)).toEqual(raw);
      }),
      { numRuns: 1000 },
    );
  });

  it("has one encoding: whatever it accepts, it would have written", () => {
    let read = 0;
    fc.assert(
      fc.property(number, number, fc.nat(), fc.nat(255), (r, s, at, byte) => {
        const der = derOfRaw(Uint8Array.of(...r, ...s));
        der[at % der.length] = byte;
        const raw = rawOfDer(der);
        if (raw !== undefined) read += 1;
        expect(raw === undefined ? der : derOfRaw(raw)).toEqual(der);
      }),
      { numRuns: 3000 },
    );
    expect(read).toBeGreaterThan(100);
  });

  it.each([
    ["nothing", ""],
    ["another tag", "3106020101020101"],
    ["a length beyond the end", "3007020101020101"],
    ["bytes after the end", "300602010102010100"],
    ["a long-form length", "308106020101020101"],
    ["an empty INTEGER", "30050200020101"],
    ["a negative INTEGER", "3006020181020101"],
    ["a padded INTEGER", "300702020001020101"],
    ["a third INTEGER", "3009020101020101020101"],
    ["one INTEGER", "3003020101"],
    ["an INTEGER of 33 bytes", `30260221${"01".repeat(33)}020101`],
  ])("refuses %s", (_, hex) => {
    expect(rawOfDer(fromHex(hex) ?? new Uint8Array(0))).toBeUndefined();
  });

  it("takes 64 bytes only", () => {
    expect(() => derOfRaw(new Uint8Array(63))).toThrow(RangeError);
  });
});
