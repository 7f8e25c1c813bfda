import * as nodeCrypto from "node:crypto";
import smCrypto from "sm-crypto";
import { sm2 as v2 } from "sm-crypto-v2";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Candidate } from "./candidate.ts";
import { equal } from "./equal.ts";
import { DEFAULT_CANDIDATES, loadCrypto } from "./index.ts";
import type { Crypto } from "./port.ts";
import { nodeSm3 } from "./sm3-node.ts";
import { jsSm3, jsSm3Candidate } from "./sm3-js.ts";
import { nodeSm4 } from "./sm4-node.ts";
import { jsSm4, jsSm4Candidate } from "./sm4-js.ts";
import { jsSm2Sign, jsSm2SignCandidate, jsSm2Verify, jsSm2VerifyCandidate } from "./sm2-js.ts";
import { nodeSm2Sign, nodeSm2Verify } from "./sm2-node.ts";
import { referenceSm2VerifyCandidate } from "./sm2-reference.ts";
import { concat, fromHex, toHex, utf8 } from "./text.ts";

const native = await loadCrypto();
const portable = await loadCrypto({
  candidates: { sm3: [jsSm3Candidate], sm4: [jsSm4Candidate], sm2Sign: [jsSm2SignCandidate], sm2Verify: [jsSm2VerifyCandidate] },
});

/** Bytes that depend on length and seed only, so that a failing length can be repeated. */
function patterned(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 31 + seed * 17 + (at >>> 8)) & 0xff);
}

const LENGTHS = Array.from({ length: 261 }, (_, length) => length);
const MILLION = patterned(1_000_000, 3);

async function one<T>(candidate: Candidate<T>): Promise<T> {
  const implementation = await candidate.available();
  if (implementation === undefined) throw new Error(`${candidate.name} is not available`);
  return implementation;
}

describe("SM3 and HMAC-SM3 in three implementations", () => {
  const node = nodeSm3(nodeCrypto);

  it("agree on every length from 0 to 260", () => {
    for (const length of LENGTHS) {
      const message = patterned(length, length);
      const expected = smCrypto.sm3([...message]);
      expect(toHex(node.hash([message])), `node, ${length} bytes`).toBe(expected);
      expect(toHex(jsSm3.hash([message])), `sm-crypto-v2, ${length} bytes`).toBe(expected);
    }
  });

  it("agree on HMAC for every message and key length from 0 to 260", () => {
    for (const length of LENGTHS) {
      const message = patterned(length, 5);
      const key = patterned(260 - length, 9);
      const expected = smCrypto.sm3([...message], { key: [...key] });
      expect(toHex(node.hmac(key, [message])), `node, key of ${key.length}`).toBe(expected);
      expect(toHex(jsSm3.hmac(key, [message])), `sm-crypto-v2, key of ${key.length}`).toBe(expected);
    }
  });

  it("agree on a million bytes, at once, in parts and running", () => {
    const expected = smCrypto.sm3(MILLION);
    const parts = [MILLION.subarray(0, 1), MILLION.subarray(1, 65), MILLION.subarray(65)];
    for (const sm3 of [node, jsSm3]) {
      expect(toHex(sm3.hash([MILLION]))).toBe(expected);
      expect(toHex(sm3.hash(parts))).toBe(expected);
      const stream = sm3.stream();
      for (const part of parts) stream.update(part);
      expect(toHex(stream.digest())).toBe(expected);
    }
  });

  it("do not keep a reference to streamed bytes, and end once", () => {
    for (const sm3 of [node, jsSm3]) {
      const piece = utf8("abc");
      const stream = sm3.stream().update(piece);
      piece.fill(0);
      expect(toHex(stream.digest())).toBe("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
      expect(() => stream.digest()).toThrow(/ended|Digest already called/);
      expect(() => stream.update(piece)).toThrow(/ended|Digest already called/);
    }
  });

  it("give plain Uint8Arrays, whose slice copies", () => {
    for (const crypto of [native, portable]) {
      for (const value of [crypto.sm3(), crypto.hmacSm3(utf8("k")), crypto.sm3Stream().digest(), crypto.random(3)]) {
        expect(Object.getPrototypeOf(value)).toBe(Uint8Array.prototype);
      }
    }
  });
});

describe("SM4 in three implementations", () => {
  const node = nodeSm4(nodeCrypto);
  const key = patterned(16, 1);
  const iv = patterned(16, 2);

  it("agree on every padded length from 0 to 260 through the port", () => {
    for (const length of LENGTHS) {
      const plaintext = patterned(length, 4);
      const expected = Uint8Array.from(smCrypto.sm4.encrypt([...plaintext], [...key], { output: "array" }));
      for (const crypto of [native, portable]) {
        expect(crypto.sm4EcbEncrypt(key, plaintext, "pkcs7"), `${crypto.implementations.sm4}, ${length} bytes`).toEqual(expected);
        expect(crypto.sm4EcbDecrypt(key, expected, "pkcs7")).toEqual(plaintext);
      }
    }
  });

  it.each([16, 32, 112, 128, 144, 256, 4096])("agree on CBC of %i bytes", (length) => {
    const plaintext = patterned(length, 6);
    const expected = smCrypto.sm4.encrypt([...plaintext], [...key], { mode: "cbc", iv: [...iv], padding: "none", output: "array" });
    for (const sm4 of [node, jsSm4]) expect([...sm4.cbcEncrypt(key, iv, plaintext)]).toEqual(expected);
  });

  it.each([16, 112, 128, 144, 4096, 1_000_000])("undo each other over %i bytes, and leave their input alone", (length) => {
    const plaintext = patterned(length, 6);
    const before = plaintext.slice();
    for (const [from, to] of [
      [node, jsSm4],
      [jsSm4, node],
    ] as const) {
      expect(equal(to.ecbDecrypt(key, from.ecbEncrypt(key, plaintext)), before)).toBe(true);
      expect(equal(to.cbcDecrypt(key, iv, from.cbcEncrypt(key, iv, plaintext)), before)).toBe(true);
    }
    expect(equal(plaintext, before)).toBe(true);
  });
});

describe("sealing natively and in JavaScript", () => {
  const key = patterned(32, 7);
  const crosswise: readonly (readonly [Crypto, Crypto])[] = [
    [native, portable],
    [portable, native],
  ];

  it("opens what the other sealed, for every length from 0 to 260 and a million bytes", () => {
    for (const [sealer, opener] of crosswise) {
      for (const length of LENGTHS) {
        const plaintext = patterned(length, 8);
        expect(opener.open(key, sealer.seal(key, plaintext, iv(length)), iv(length)), `${length} bytes`).toEqual(plaintext);
      }
      const opened = opener.open(key, sealer.seal(key, MILLION, utf8("aad")), utf8("aad"));
      expect(opened !== undefined && opener.equal(opened, MILLION)).toBe(true);
    }
  });

  function iv(length: number): Uint8Array {
    return patterned(length % 19, length);
  }
});

describe("SM2 signatures across implementations", () => {
  const { privateKey, publicKey } = native.sm2GenerateKeyPair();
  const d = toHex(privateKey);
  const point = toHex(publicKey);
  const options = (userId: string): { hash: true; userId: string; publicKey: string } => ({ hash: true, userId, publicKey: point });

  it("verify each other's, with several user ids", async () => {
    const signers = [
      nodeSm2Sign(nodeCrypto).prepare(privateKey, publicKey),
      jsSm2Sign.prepare(privateKey, publicKey),
      (message: Uint8Array, userId: string) => fromHex(smCrypto.sm2.doSignature([...message], d, options(userId))) ?? new Uint8Array(0),
    ];
    const verifiers = [
      nodeSm2Verify(nodeCrypto).prepare(publicKey),
      jsSm2Verify.prepare(publicKey),
      (await one(referenceSm2VerifyCandidate)).prepare(publicKey),
    ];
    for (const userId of ["1234567812345678", "", "医保-510100", "x".repeat(300)]) {
      const message = patterned(50 + userId.length, 11);
      for (const [signer, sign] of signers.entries()) {
        const signature = sign(message, userId);
        for (const [verifier, verify] of verifiers.entries()) {
          const which = `signer ${signer}, verifier ${verifier}, user id of ${userId.length}`;
          expect(verify(message, signature, userId), `${which}: its own`).toBe(true);
          expect(verify(message, signature, `${userId}!`), `${which}: another`).toBe(false);
        }
      }
    }
  });

  it("verify many random messages, past the point where the JavaScript verifier makes its table", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (message) => {
        expect(portable.sm2Verify(publicKey, message, native.sm2Sign(privateKey, message))).toBe(true);
        expect(native.sm2Verify(publicKey, message, portable.sm2Sign(privateKey, message))).toBe(true);
        expect(portable.sm2Verify(publicKey, concat(message, utf8(".")), native.sm2Sign(privateKey, message))).toBe(false);
      }),
      { numRuns: 25 },
    );
  });

  it("hold under a million bytes", () => {
    expect(portable.sm2Verify(publicKey, MILLION, native.sm2Sign(privateKey, MILLION))).toBe(true);
  });
});

describe("SM2 encryption across implementations", () => {
  const { privateKey, publicKey } = native.sm2GenerateKeyPair();
  const [d, point] = [toHex(privateKey), toHex(publicKey)];
  const modes = [
    ["C1C3C2", 1],
    ["C1C2C3", 0],
  ] as const;

  it.each(modes)("opens the libraries' ciphertexts and they open ours, %s", (order, mode) => {
    // One byte is left out: the libraries let an all-zero key stream through, which we refuse.
    for (const length of [5, 31, 32, 33, 200]) {
      const plaintext = patterned(length, 12);
      const ours = toHex(native.sm2Encrypt(publicKey, plaintext, order)).slice(2);
      expect(Uint8Array.from(smCrypto.sm2.doDecrypt(ours, d, mode, { output: "array" }))).toEqual(plaintext);
      expect(v2.doDecrypt(ours, d, mode, { output: "array" })).toEqual(plaintext);
      const ascii = plaintext.map((byte) => byte & 0x7f);
      const theirs = fromHex(`04${smCrypto.sm2.doEncrypt(String.fromCharCode(...ascii), point, mode)}`) ?? plaintext;
      expect(native.sm2Decrypt(privateKey, theirs, order)).toEqual(ascii);
      const v2s = fromHex(`04${v2.doEncrypt(plaintext, point, mode)}`) ?? plaintext;
      expect(native.sm2Decrypt(privateKey, v2s, order)).toEqual(plaintext);
    }
  });

  it("neither makes nor opens a ciphertext whose key stream is all zero (GB/T 32918.4 A5, B4)", () => {
    // One in 256 for a single byte, so the library that lets it through meets one soon.
    let cleartext: Uint8Array | undefined;
    for (let attempt = 0; cleartext === undefined && attempt < 5000; attempt += 1) {
      const made = fromHex(`04${v2.doEncrypt(Uint8Array.of(65), point, 1)}`);
      if (made?.at(-1) === 65) cleartext = made;
    }
    expect(v2.doDecrypt(toHex(cleartext ?? new Uint8Array(0)).slice(2), d, 1, { output: "array" })).toEqual(Uint8Array.of(65));
    expect(native.sm2Decrypt(privateKey, cleartext ?? new Uint8Array(0))).toBeUndefined();
    const ours = native.sm2Encrypt(publicKey, Uint8Array.of(65));
    expect(ours.at(-1)).not.toBe(65);
    expect(native.sm2Decrypt(privateKey, ours)).toEqual(Uint8Array.of(65));
  });
});

it("takes WebAssembly for SM2, and OpenSSL for the rest where Node has it", () => {
  expect(native.implementations).toEqual({
    sm3: "node:crypto",
    sm4: "node:crypto, short input sm-crypto-v2",
    sm2Sign: "WebAssembly",
    sm2Verify: "WebAssembly",
    sm2Encrypt: "WebAssembly",
  });
  expect(DEFAULT_CANDIDATES.sm2Verify.map((candidate) => candidate.name)).toEqual([
    "WebAssembly",
    "node:crypto",
    "sm-crypto-v2",
    "sm-crypto",
  ]);
});
