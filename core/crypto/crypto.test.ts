import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadCrypto } from "./index.ts";
import { jsSm3Candidate } from "./sm3-js.ts";
import { jsSm4Candidate } from "./sm4-js.ts";
import { concat, fromHex, toHex, utf8 } from "./text.ts";

const native = await loadCrypto();
const portable = await loadCrypto({ candidates: { sm3: [jsSm3Candidate], sm4: [jsSm4Candidate] } });

function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new Error("not hex");
  return bytes;
}

function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  return bytes.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
}

describe("SM4-ECB through the port", () => {
  const key = hex("0123456789abcdeffedcba9876543210");

  it("answers the worked example of GB/T 32907", () => {
    expect(toHex(native.sm4EcbEncrypt(key, key, "none"))).toBe("681edf34d206965e86b3e94f536e4246");
    expect(native.sm4EcbDecrypt(key, hex("681edf34d206965e86b3e94f536e4246"), "none")).toEqual(key);
  });

  it.each([
    ["no block at all", new Uint8Array(0)],
    ["a count of zero", native.sm4EcbEncrypt(key, new Uint8Array(16), "none")],
    ["a count of seventeen", native.sm4EcbEncrypt(key, new Uint8Array(16).fill(17), "none")],
    ["a count that the other bytes do not repeat", native.sm4EcbEncrypt(key, concat(new Uint8Array(13), Uint8Array.of(5, 3, 3)), "none")],
    ["part of a block", new Uint8Array(17)],
  ])("gives the same nothing for %s", (_, ciphertext) => {
    for (const crypto of [native, portable]) expect(crypto.sm4EcbDecrypt(key, ciphertext, "pkcs7")).toBeUndefined();
  });

  it("treats a wrong key length or a part of a block as a bug", () => {
    expect(() => native.sm4EcbEncrypt(key.subarray(1), key, "none")).toThrow(RangeError);
    expect(() => native.sm4EcbDecrypt(concat(key, key), key, "none")).toThrow(RangeError);
    expect(() => native.sm4EcbEncrypt(key, key.subarray(1), "none")).toThrow(RangeError);
  });
});

describe("sealing", () => {
  const key = native.random(32);
  const aad = utf8("row 7");
  const sealed = native.seal(key, utf8("secret"), aad);

  it("opens what it sealed, never twice the same bytes", () => {
    expect(native.open(key, sealed, aad)).toEqual(utf8("secret"));
    expect(toHex(native.seal(key, utf8("secret"), aad))).not.toBe(toHex(sealed));
    expect(sealed).toHaveLength(1 + 16 + 16 + 32);
  });

  it("refuses every flipped bit, every cut and every extension", () => {
    for (let bit = 0; bit < sealed.length * 8; bit += 1) expect(native.open(key, flipBit(sealed, bit), aad), `bit ${bit}`).toBeUndefined();
    for (let length = 0; length < sealed.length; length += 1) expect(native.open(key, sealed.subarray(0, length), aad)).toBeUndefined();
    expect(native.open(key, concat(sealed, new Uint8Array(16)), aad)).toBeUndefined();
  });

  it("is bound to key and associated data, and to where the data ends", () => {
    expect(native.open(native.random(32), sealed, aad)).toBeUndefined();
    expect(native.open(key, sealed, utf8("row 8"))).toBeUndefined();
    expect(native.open(key, sealed, new Uint8Array(0))).toBeUndefined();
    // The IV's first byte moved into the associated data: the same bytes in a row, another split.
    const moved = concat(Uint8Array.of(1), sealed.subarray(2));
    expect(native.open(key, moved, concat(aad, sealed.subarray(1, 2)))).toBeUndefined();
  });

  it("treats a short key as a bug", () => {
    expect(() => native.seal(key.subarray(1), aad, aad)).toThrow(RangeError);
    expect(() => native.open(key.subarray(1), sealed, aad)).toThrow(RangeError);
  });
});

describe("randomness and comparison", () => {
  it("gives any length, beyond one WebCrypto call too", () => {
    expect(native.random(0)).toHaveLength(0);
    const drawn = native.random(200_000);
    expect(new Set(drawn.subarray(190_000)).size).toBe(256);
    for (const wrong of [-1, 1.5, Number.NaN]) expect(() => native.random(wrong)).toThrow(RangeError);
  });

  it("compares bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6, max: 2 }), fc.uint8Array({ maxLength: 6, max: 2 }), (a, b) => {
        expect(native.equal(a, b)).toBe(toHex(a) === toHex(b));
      }),
    );
    expect(native.equal(new Uint8Array(99), new Uint8Array(99))).toBe(true);
  });
});
