import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat, fromBase64, fromHex, toBase64, toHex, utf8 } from "./text.ts";

const bytes = fc.uint8Array({ maxLength: 300 });

describe("text of bytes", () => {
  it("reads back what it prints, in hex and Base64", () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(fromHex(toHex(value))).toEqual(value);
        expect(fromHex(toHex(value).toUpperCase())).toEqual(value);
        expect(fromBase64(toBase64(value))).toEqual(value);
        expect(toBase64(value)).toBe(Buffer.from(value).toString("base64"));
      }),
    );
  });

  it("prints more bytes than one call takes arguments", () => {
    const many = new Uint8Array(200_000).fill(7);
    expect(toBase64(many)).toBe(Buffer.from(many).toString("base64"));
  });

  it.each(["0", "0g", "0x", " 00", "00 ", "００"])("refuses %j as hex", (text) => {
    expect(fromHex(text)).toBeUndefined();
  });

  // "QQ==" is one byte; "QR==" decodes to the same byte with stray low bits.
  it.each(["QQ", "QQ=", "QR==", "QUF=", "QQ==\n", "Q Q=", "QQ==QQ==", "====", "-_==", "QQ＝＝"])("refuses %j as Base64", (text) => {
    expect(fromBase64(text)).toBeUndefined();
  });

  it("joins parts into a copy", () => {
    const part = Uint8Array.of(1, 2);
    const joined = concat(part, utf8("融"), new Uint8Array(0));
    part[0] = 9;
    expect(toHex(joined)).toBe("0102e89e8d");
  });
});
