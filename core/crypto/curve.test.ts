import { describe, expect, it } from "vitest";
import { isCanonicalSignature, isPrivateKey, isPublicKey, isUserId, SM2_ORDER, zaInput } from "./curve.ts";
import { jsSm3 } from "./sm3-js.ts";
import { concat, fromHex, toHex } from "./text.ts";

const P = 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn;
const B = 0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93n;

function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new Error("not hex");
  return bytes;
}

function field(value: bigint): Uint8Array {
  return hex(value.toString(16).padStart(64, "0"));
}

function key(x: bigint, y: bigint): Uint8Array {
  return concat(Uint8Array.of(4), field(x), field(y));
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let factor = base % P, left = exponent; left > 0n; left >>= 1n, factor = (factor * factor) % P) {
    if (left & 1n) result = (result * factor) % P;
  }
  return result;
}

/** The point with the smallest x: only for x below 2^224 does x + p still fit into 32 bytes. */
function smallestPoint(): { readonly x: bigint; readonly y: bigint } {
  for (let x = 1n; ; x += 1n) {
    const square = (x * x * x - 3n * x + B) % P;
    const y = power(square, (P + 1n) / 4n);
    if ((y * y) % P === square) return { x, y };
  }
}

/** These checks stand before every implementation: what a library checks as well must not hide that they fail. */
describe("the checks before any library", () => {
  it("know a point by its equation and by reduced coordinates", () => {
    const { x, y } = smallestPoint();
    expect(isPublicKey(key(x, y))).toBe(true);
    expect(isPublicKey(key(x, P - y))).toBe(true);
    expect(isPublicKey(key(x + P, y))).toBe(false);
    expect(isPublicKey(key(x, y ^ 1n))).toBe(false);
    expect(isPublicKey(key(0n, 0n))).toBe(false);
    expect(isPublicKey(key(x, y).with(0, 3))).toBe(false);
    expect(isPublicKey(key(x, y).subarray(1))).toBe(false);
  });

  it.each([
    [1n, 1n, true],
    [SM2_ORDER - 1n, SM2_ORDER - 1n, true],
    [0n, 1n, false],
    [1n, 0n, false],
    [SM2_ORDER, 1n, false],
    [1n, SM2_ORDER, false],
    [1n, SM2_ORDER - 1n, false],
    [SM2_ORDER - 5n, 5n, false],
    [SM2_ORDER - 5n, 6n, true],
  ])("take r = %i, s = %i for canonical: %s", (r, s, canonical) => {
    expect(isCanonicalSignature(concat(field(r), field(s)))).toBe(canonical);
    expect(isCanonicalSignature(concat(field(r), field(s), Uint8Array.of(0)))).toBe(false);
  });

  it.each([
    [0n, false],
    [1n, true],
    [SM2_ORDER - 2n, true],
    [SM2_ORDER - 1n, false],
    [SM2_ORDER, false],
  ])("take d = %i for a private key: %s", (d, sane) => {
    expect(isPrivateKey(field(d))).toBe(sane);
  });

  it("take user ids that ENTLA can count and UTF-8 can write", () => {
    expect(isUserId("")).toBe(true);
    expect(isUserId("医".repeat(2730))).toBe(true);
    expect(isUserId("医".repeat(2731))).toBe(false);
    expect(isUserId("\ud83d")).toBe(false);
  });
});

it("ZA is the worked example's (GB/T 32918.5 A.2)", () => {
  const publicKey = hex(
    "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13",
  );
  expect(toHex(jsSm3.hash([zaInput(publicKey, "1234567812345678")]))).toBe(
    "b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3",
  );
});
