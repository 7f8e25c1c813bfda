import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SM2_ORDER } from "./curve.ts";
import { signatureToDer } from "./signature-der.ts";
import { loadCrypto } from "./index.ts";
import { jsSm2SignCandidate, jsSm2VerifyCandidate } from "./sm2-js.ts";
import { nodeSm2VerifyCandidate } from "./sm2-node.ts";
import { referenceSm2VerifyCandidate } from "./sm2-reference.ts";
import { concat, fromHex, toHex, utf8 } from "./text.ts";

const wasm = await loadCrypto();
const native = await loadCrypto({ candidates: { sm2Verify: [nodeSm2VerifyCandidate] } });
const portable = await loadCrypto({ candidates: { sm2Sign: [jsSm2SignCandidate], sm2Verify: [jsSm2VerifyCandidate] } });
const reference = await loadCrypto({ candidates: { sm2Verify: [referenceSm2VerifyCandidate] } });
const EACH = [
  ["WebAssembly", wasm],
  ["node:crypto", native],
  ["sm-crypto-v2", portable],
  ["sm-crypto", reference],
] as const;

function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new Error("not hex");
  return bytes;
}

function scalar(value: bigint): Uint8Array {
  return hex(value.toString(16).padStart(64, "0"));
}

function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  return bytes.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
}

/** GB/T 32918.5 annex A. */
const KEY = hex(
  "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13",
);
const PRIVATE_KEY = hex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8");
const MESSAGE = utf8("message digest");
const R = hex("f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3");
const S = hex("b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa");
const SIGNATURE = concat(R, S);
const r = BigInt(`0x${toHex(R)}`);
const s = BigInt(`0x${toHex(S)}`);
const ZERO = new Uint8Array(32);
const P = 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn;

const NOT_SIGNATURES: readonly (readonly [string, Uint8Array])[] = [
  ["nothing", new Uint8Array(0)],
  ["r = 0", concat(ZERO, S)],
  ["s = 0", concat(R, ZERO)],
  ["r = n", concat(scalar(SM2_ORDER), S)],
  ["s = n", concat(R, scalar(SM2_ORDER))],
  ["r of 256 ones", concat(new Uint8Array(32).fill(0xff), S)],
  ["s of 256 ones", concat(R, new Uint8Array(32).fill(0xff))],
  ["s = n - s (not a twin, as in ECDSA)", concat(R, scalar(SM2_ORDER - s))],
  ["r + s = n", concat(R, scalar(SM2_ORDER - r))],
  ["r and s exchanged", concat(S, R)],
  ["63 bytes", SIGNATURE.subarray(1)],
  ["65 bytes, a zero before", concat(Uint8Array.of(0), SIGNATURE)],
  ["65 bytes, a zero behind", concat(SIGNATURE, Uint8Array.of(0))],
  ["66 bytes, each half with a zero before", concat(Uint8Array.of(0), R, Uint8Array.of(0), S)],
  ["DER", signatureToDer(SIGNATURE)],
  ["hex", utf8(toHex(SIGNATURE))],
];

const NOT_KEYS: readonly (readonly [string, Uint8Array])[] = [
  ["nothing", new Uint8Array(0)],
  ["a point off the curve", flipBit(KEY, 8 * 64)],
  ["x = p", concat(KEY.subarray(0, 1), scalar(P), KEY.subarray(33))],
  ["zero coordinates", concat(Uint8Array.of(4), new Uint8Array(64))],
  ["compressed, 33 bytes", concat(Uint8Array.of(3), KEY.subarray(1, 33))],
  ["compressed prefix over 65 bytes", concat(Uint8Array.of(3), KEY.subarray(1))],
  ["hybrid", concat(Uint8Array.of(7), KEY.subarray(1))],
  ["infinity, one byte", Uint8Array.of(0)],
  ["infinity over 65 bytes", new Uint8Array(65)],
  ["64 bytes without the 04", KEY.subarray(1)],
  ["66 bytes", concat(KEY, Uint8Array.of(0))],
  ["another party's key", native.sm2GenerateKeyPair().publicKey],
];

describe.each(EACH)("SM2 verification by %s", (name, crypto) => {
  it("is what it says", () => {
    expect(crypto.implementations.sm2Verify).toBe(name);
  });

  it("accepts the worked example of GB/T 32918.5, also with its key known", () => {
    for (let use = 0; use < 12; use += 1) expect(crypto.sm2Verify(KEY, MESSAGE, SIGNATURE)).toBe(true);
    expect(crypto.sm2Verify(KEY, MESSAGE, SIGNATURE, "1234567812345678")).toBe(true);
  });

  it.each(NOT_SIGNATURES)("refuses a signature that is %s", (_, signature) => {
    expect(crypto.sm2Verify(KEY, MESSAGE, signature)).toBe(false);
  });

  it.each(NOT_KEYS)("refuses a key that is %s, first and later", (_, key) => {
    expect(crypto.sm2Verify(key, MESSAGE, SIGNATURE)).toBe(false);
    expect(crypto.sm2Verify(key, MESSAGE, SIGNATURE)).toBe(false);
  });

  it.each(["", "1234567812345677", "ALICE123@YAHOO.COM", "\ud800", "x".repeat(8192)])("refuses another user id", (userId) => {
    expect(crypto.sm2Verify(KEY, MESSAGE, SIGNATURE, userId)).toBe(false);
  });

  it("refuses every flipped bit of a byte of r, s and message", () => {
    for (let bit = 0; bit < 8; bit += 1) {
      expect(crypto.sm2Verify(KEY, MESSAGE, flipBit(SIGNATURE, 8 * 31 + bit))).toBe(false);
      expect(crypto.sm2Verify(KEY, MESSAGE, flipBit(SIGNATURE, 8 * 40 + bit))).toBe(false);
      expect(crypto.sm2Verify(KEY, flipBit(MESSAGE, bit), SIGNATURE)).toBe(false);
    }
  });
});

it("refuses every single flipped bit of a signature", () => {
  for (const crypto of [wasm, native]) {
    for (let bit = 0; bit < 512; bit += 1) expect(crypto.sm2Verify(KEY, MESSAGE, flipBit(SIGNATURE, bit)), `bit ${bit}`).toBe(false);
  }
});

it("never throws and never accepts whatever comes from outside", () => {
  const anything = fc.uint8Array({ maxLength: 140 });
  const keys = fc.oneof(anything, fc.constant(KEY));
  const signatures = fc.oneof(anything, fc.uint8Array({ minLength: 64, maxLength: 64 }));
  fc.assert(
    fc.property(keys, anything, signatures, fc.string({ unit: "binary" }), (key, message, signature, userId) => {
      expect(wasm.sm2Verify(key, message, signature, userId)).toBe(false);
      expect(native.sm2Verify(key, message, signature, userId)).toBe(false);
      expect(portable.sm2Verify(key, message, signature, userId)).toBe(false);
    }),
  );
});

describe("SM2 signing", () => {
  it.each(EACH)("by the signer beside %s gives 64 canonical bytes, another each time", (_, crypto) => {
    const first = crypto.sm2Sign(PRIVATE_KEY, MESSAGE);
    const second = crypto.sm2Sign(PRIVATE_KEY, MESSAGE);
    expect(first).toHaveLength(64);
    expect(toHex(first)).not.toBe(toHex(second));
    expect(crypto.sm2Verify(KEY, MESSAGE, first) && crypto.sm2Verify(KEY, MESSAGE, second)).toBe(true);
  });

  it.each([
    ["zero", ZERO],
    ["n - 1", scalar(SM2_ORDER - 1n)],
    ["n", scalar(SM2_ORDER)],
    ["33 bytes", concat(Uint8Array.of(0), PRIVATE_KEY)],
    ["31 bytes", PRIVATE_KEY.subarray(1)],
  ])("refuses a private key that is %s as a bug", (_, key) => {
    for (const crypto of [native, portable]) {
      expect(() => crypto.sm2Sign(key, MESSAGE)).toThrow(RangeError);
      expect(() => crypto.sm2PublicKey(key)).toThrow(RangeError);
      expect(() => crypto.sm2Decrypt(key, MESSAGE)).toThrow(RangeError);
    }
  });

  it("works with the smallest and the largest private key", () => {
    for (const key of [scalar(1n), scalar(SM2_ORDER - 2n)]) {
      expect(native.sm2Verify(native.sm2PublicKey(key), MESSAGE, native.sm2Sign(key, MESSAGE))).toBe(true);
    }
  });

  it("is not changed by a caller who reuses the key's buffer", () => {
    const { privateKey, publicKey } = native.sm2GenerateKeyPair();
    const buffer = privateKey.slice();
    native.sm2Sign(buffer, MESSAGE);
    buffer.fill(0);
    expect(native.sm2Verify(publicKey, MESSAGE, native.sm2Sign(privateKey, MESSAGE))).toBe(true);
    expect(() => native.sm2Sign(buffer, MESSAGE)).toThrow(RangeError);
  });

  it.each(["\udc00", "x".repeat(8192)])("refuses a user id without one encoding or too long for ENTLA", (userId) => {
    expect(() => native.sm2Sign(PRIVATE_KEY, MESSAGE, userId)).toThrow(RangeError);
  });
});

describe("SM2 keys", () => {
  it("are sane, different, and match", () => {
    const seen = new Set<string>();
    for (let run = 0; run < 20; run += 1) {
      const { privateKey, publicKey } = native.sm2GenerateKeyPair();
      seen.add(toHex(privateKey));
      expect(toHex(privateKey)).not.toBe(toHex(scalar(1n)));
      expect(native.sm2IsPublicKey(publicKey)).toBe(true);
      expect(native.sm2PublicKey(privateKey)).toEqual(publicKey);
    }
    expect(seen.size).toBe(20);
    expect(toHex(native.sm2PublicKey(PRIVATE_KEY))).toBe(toHex(KEY));
  });

  it.each(NOT_KEYS.slice(0, -1))("are not %s", (_, key) => {
    expect(native.sm2IsPublicKey(key)).toBe(false);
    expect(() => native.sm2Encrypt(key, MESSAGE)).toThrow(RangeError);
  });
});

describe("SM2 decryption", () => {
  const sealed = native.sm2Encrypt(KEY, utf8("病历号 0001"));

  it.each([
    ["nothing", new Uint8Array(0)],
    ["a point and a MAC without content", sealed.subarray(0, 97)],
    ["one byte less", sealed.subarray(0, -1)],
    ["one byte more", concat(sealed, Uint8Array.of(0))],
    ["the point without its 04", sealed.subarray(1)],
    ["a compressed point", concat(Uint8Array.of(2), sealed.subarray(1))],
    ["a point off the curve", flipBit(sealed, 8 * 64)],
    ["the point's x off", flipBit(sealed, 8 * 10)],
    ["C3 changed", flipBit(sealed, 8 * 70)],
    ["C2 changed", flipBit(sealed, 8 * 98)],
    ["the legacy order", native.sm2Encrypt(KEY, MESSAGE, "C1C2C3")],
    ["for another key", native.sm2Encrypt(native.sm2GenerateKeyPair().publicKey, MESSAGE)],
  ])("gives the same nothing for %s", (_, ciphertext) => {
    expect(native.sm2Decrypt(PRIVATE_KEY, ciphertext)).toBeUndefined();
  });

  it("reads the order that it is told", () => {
    const legacy = native.sm2Encrypt(KEY, MESSAGE, "C1C2C3");
    expect(native.sm2Decrypt(PRIVATE_KEY, legacy, "C1C2C3")).toEqual(MESSAGE);
    expect(native.sm2Decrypt(PRIVATE_KEY, sealed)).toEqual(utf8("病历号 0001"));
    expect(() => native.sm2Encrypt(KEY, new Uint8Array(0))).toThrow(RangeError);
  });
});
