import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { signatureFromDer, signatureToDer } from "./signature-der.ts";
import { concat, fromHex } from "./text.ts";

function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new Error("not hex");
  return bytes;
}

function scalar(value: bigint): Uint8Array {
  return hex(value.toString(16).padStart(64, "0"));
}

describe("DER signatures", () => {
  it("turn into raw and back", () => {
    const half = fc.oneof(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.bigInt({ min: 0n, max: 300n }).map(scalar));
    fc.assert(
      fc.property(half, half, (r, s) => {
        expect(signatureFromDer(signatureToDer(concat(r, s)))).toEqual(concat(r, s));
      }),
    );
  });

  it.each([
    ["", "nothing"],
    ["30060201010201", "cut short"],
    ["300602010102010100", "a byte behind"],
    ["3081060201010201 01", "a length in two bytes"],
    ["30070202000102 0101", "a padded r"],
    ["3006020181020101", "a negative r"],
    ["30050200020101", "an empty r"],
    ["3006030101020101", "another tag"],
    ["3106020101020101", "another outer tag"],
    ["3009020101020101020101", "three numbers"],
    [`3026022101${"00".repeat(32)}020101`, "r of 257 bits"],
  ])("refuse %s (%s)", (text) => {
    expect(signatureFromDer(hex(text.replaceAll(" ", "")))).toBeUndefined();
  });
});
