/**
 * The WebAssembly verifier against the vectors and edge keys, with each kind of table; `sm2-agreement.test.ts` holds it against others.
 *
 * Each of these defects was put in once, the module rebuilt, and a test seen to fail:
 *
 *   defect                                                       seen by
 *   a carry dropped in `multiply`                                "multiplies weights", "answers every vector"
 *   no fold in `reduceDifference`                                "folds a - b - 2c", "answers every vector"
 *   s not checked against n; r not checked against 0;            "answers every vector" (Range, Forged)
 *     t = r + s not checked against 0
 *   key not checked against the curve                            "answers every vector" (InvalidKey), "refuses a key …"
 *   coordinates not checked against p                            "answers every vector" (InvalidKey)
 *   one wrong entry in the base point's table                    "is right in every entry …"
 *   no second run after an exceptional addition;                 "answers every vector" (ExceptionalAddition)
 *     equal points taken for opposite ones in the second run
 *   second candidate c + n left out; not checked against p       "answers every vector" (LargeX; SmallX)
 *   e not reduced modulo n                                       "answers every vector" (EdgeDigest)
 *   one padding block too few in SM3                             "hashes as the standard says"
 *   a table given to another key and not forgotten by its first  "are made as keys are used …"
 *   a view kept after the memory has grown                       "answers every vector" with a table
 *
 * One was put in and not seen: without the explicit refusal of infinity after the second run the answer stays "no", because infinity is
 * stored as X = 1, Z = 0 and no candidate times 0 is 1. The refusal stays, so that this does not rest on a coordinate that means nothing.
 */
import * as nodeCrypto from "node:crypto";
import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sm2 } from "sm-crypto-v2";
import { SM2_ORDER } from "./curve.ts";
import { DEFAULT_CANDIDATES, loadCrypto } from "./index.ts";
import { nodeSm2Sign } from "./sm2-node.ts";
import { WasmSm2Verifier } from "./sm2-wasm.ts";
import { digestOf, runSm3, runVectors, type SignedMessage, TABLE_MODES } from "./testing/sm2-suite.ts";
import { addPoints, type AffinePoint, BASE_POINT, modulo, multiplyPoint } from "./testing/affine.ts";
import { concat, fromHex, toHex, utf8 } from "./text.ts";
import type { Sm2Vectors } from "./vectors/format.ts";
import { generateSm2Vectors, printSm2Vectors } from "./vectors/generate.ts";
import { compileSm2VerifyFile, instantiateSm2Verify } from "./wasm/module.ts";

const module = await compileSm2VerifyFile();
const committed = readFileSync(new URL("./vectors/sm2_verify.json", import.meta.url), "utf8");
const vectors: Sm2Vectors = JSON.parse(committed);
const each = await Promise.all(
  Object.entries(TABLE_MODES).map(async ([mode, limits]) => [mode, await WasmSm2Verifier.from(module, limits)] as const),
);
const USER_ID = "1234567812345678";

function bytes(hex: string): Uint8Array {
  const value = fromHex(hex);
  if (value === undefined) throw new Error("not hex");
  return value;
}

function scalar(value: bigint): Uint8Array {
  return bytes(value.toString(16).padStart(64, "0"));
}

function publicKeyOf(d: bigint): Uint8Array {
  return bytes(sm2.getPublicKeyFromPrivateKey(toHex(scalar(d))));
}

/** By OpenSSL, which is the fastest signer that we have. */
function signer(d: bigint): (message: Uint8Array, userId: string) => SignedMessage {
  const publicKey = publicKeyOf(d);
  const sign = nodeSm2Sign(nodeCrypto).prepare(scalar(d), publicKey);
  return (message, userId) => ({ publicKey, message, userId, signature: sign(message, userId) });
}

function drawnKey(): bigint {
  return (BigInt(`0x${nodeCrypto.randomBytes(32).toString("hex")}`) % (SM2_ORDER - 2n)) + 1n;
}

describe("the vectors", () => {
  it("are what their generator gives", () => {
    expect(printSm2Vectors(generateSm2Vectors())).toBe(committed);
  });

  it("hold a case of every note", () => {
    const flags = new Set(vectors.testGroups.flatMap((group) => group.tests.flatMap((test) => test.flags)));
    expect([...flags].sort()).toEqual(Object.keys(vectors.notes).sort());
  });

  it("are answered alike by sm-crypto-v2 and OpenSSL through the port, as far as they have a message", async () => {
    const message = { ...vectors, testGroups: vectors.testGroups.filter((group) => group.type === "Sm2Verify") };
    for (const candidate of DEFAULT_CANDIDATES.sm2Verify) {
      const crypto = await loadCrypto({ candidates: { sm2Verify: [candidate] } });
      if (candidate.name === "sm-crypto") continue;
      for (const group of message.testGroups) {
        for (const test of group.tests) {
          const got = crypto.sm2Verify(bytes(group.publicKey), bytes(test.msg ?? ""), bytes(test.sig), group.userId);
          expect(got, `${candidate.name}, vector ${test.tcId}: ${test.comment}`).toBe(test.result === "valid");
        }
      }
    }
  });
});

describe.each(each)("SM2 verification in WebAssembly with %s", (mode, verifier) => {
  it("answers every vector", () => {
    expect(runVectors(verifier, vectors, mode === "large table" ? 2 : 1).failures).toEqual([]);
  });

  it("takes signatures by a thousand edge keys: powers of two, their neighbours, both ends of the range", () => {
    const keys = new Set<bigint>();
    for (let k = 1n; k <= 140n; k += 1n) keys.add(k).add(SM2_ORDER - 1n - k);
    for (let bit = 0n; bit < 256n; bit += 1n) for (const near of [-1n, 0n, 1n]) keys.add((1n << bit) + near);
    const edge = [...keys].filter((d) => d >= 1n && d <= SM2_ORDER - 2n);
    expect(edge.length).toBeGreaterThan(990);
    for (const [at, d] of edge.entries()) {
      // All of them without a table; of the others, whose tables take long, every fourth.
      if (mode !== "no table" && at % 4 !== 0) continue;
      const signed = signer(d)(scalar(d), USER_ID);
      const key = verifier.key(signed.publicKey);
      expect(key?.verify(signed.message, signed.signature, USER_ID), `d = ${d.toString(16)}`).toBe(true);
      expect(key?.verify(utf8("another"), signed.signature, USER_ID), `d = ${d.toString(16)}`).toBe(false);
    }
  });

  it("hashes as the standard says", () => {
    expect(runSm3(verifier).failures).toEqual([]);
  });

  it("refuses a key, signature or digest of another length without touching its memory", () => {
    const signed = signer(7n)(utf8("m"), USER_ID);
    const key = verifier.key(signed.publicKey);
    for (const length of [0, 1, 31, 33, 63, 65, 66, 128, 1 << 20]) {
      const wrong = new Uint8Array(length).fill(4);
      expect(key?.verify(signed.message, wrong, USER_ID)).toBe(false);
      expect(key?.verifyDigest(wrong, signed.signature)).toBe(false);
      // 65 bytes of 04 are not a point.
      expect(verifier.key(wrong)).toBeUndefined();
    }
    expect(key?.verifyDigest(digestOf(signed), signed.signature)).toBe(true);
  });
});

describe("the table of the base point", () => {
  it("is right in every entry that a scalar below n can reach", async () => {
    const verifier = await WasmSm2Verifier.from(module, TABLE_MODES["large table"]);
    const t = drawnKey();
    const ofKey = multiplyPoint(t * 12_345n, BASE_POINT);
    const key = verifier.key(publicKeyOf(12_345n));
    const wrong: string[] = [];
    const check = (s: bigint, sum: AffinePoint | undefined, entry: string): void => {
      const r = modulo(t - s, SM2_ORDER);
      const digest = scalar(modulo(r - (sum?.x ?? 0n), SM2_ORDER));
      if (key?.verifyDigest(digest, concat(scalar(r), scalar(s))) !== true) wrong.push(entry);
    };
    let column: AffinePoint | undefined = BASE_POINT;
    for (let at = 0n; at < 32n; at += 1n) {
      let sum = ofKey;
      for (let digit = 1n; digit <= 128n; digit += 1n) {
        sum = addPoints(sum, column);
        check(digit << (8n * at), sum, `column ${at}, digit ${digit}`);
      }
      for (let doubling = 0; doubling < 8; doubling += 1) column = addPoints(column, column);
    }
    // 255·2^248 = 2^256 - 2^248 takes the one entry of the last column.
    check(255n << 248n, addPoints(ofKey, multiplyPoint(255n << 248n, BASE_POINT)), "column 32, digit 1");
    expect(wrong).toEqual([]);
  });
});

describe("whatever comes from outside", () => {
  it("is refused, and leaves the verifier sound", () => {
    const anything = fc.uint8Array({ maxLength: 140 });
    const keys = fc.oneof(anything, fc.uint8Array({ minLength: 65, maxLength: 65 }), fc.constant(publicKeyOf(99n)));
    const signatures = fc.oneof(anything, fc.uint8Array({ minLength: 64, maxLength: 64 }));
    for (const [, verifier] of each) {
      fc.assert(
        fc.property(keys, anything, signatures, fc.string({ unit: "binary" }), (publicKey, message, signature, userId) => {
          expect(verifier.key(publicKey)?.verify(message, signature, userId) ?? false).toBe(false);
          expect(verifier.key(publicKey)?.verifyDigest(message, signature) ?? false).toBe(false);
        }),
        { numRuns: 300 },
      );
      const signed = signer(99n)(utf8("still here"), USER_ID);
      expect(verifier.key(signed.publicKey)?.verify(signed.message, signed.signature, USER_ID)).toBe(true);
    }
  });
});

describe("tables of keys", () => {
  const limits = { smallTablesMax: 3, largeTablesMax: 2, smallAfterUses: 2, largeAfterUses: 5 };
  const signedBy = Array.from({ length: 7 }, (_, at) => signer(1000n + BigInt(at))(utf8(`message ${at}`), USER_ID));

  it("are made as keys are used, taken away when others need the room, and never change an answer", async () => {
    const verifier = await WasmSm2Verifier.from(module, limits);
    const keys = signedBy.map((signed) => ({ signed, key: verifier.key(signed.publicKey) }));
    const roomMax = 6 * 65_536 + 3 * 9216 + 2 * 99_072 + 65_536;
    let state = 1;
    for (let step = 0; step < 1500; step += 1) {
      state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
      // Some keys often, some seldom, in runs.
      const place = ((state >> 16) % 7) % (1 + ((step >> 5) % 7));
      const one = keys[place];
      const other = keys[(place + 1) % 7];
      expect(one?.key?.verify(one.signed.message, one.signed.signature, USER_ID), `step ${step}`).toBe(true);
      expect(one?.key?.verify(one.signed.message, other?.signed.signature ?? new Uint8Array(64), USER_ID), `step ${step}`).toBe(false);
    }
    expect(verifier.memoryBytes).toBeLessThanOrEqual(roomMax);
    expect(verifier.memoryBytes).toBeGreaterThan(6 * 65_536);
  });

  it("take no more memory than their limits say, however many keys come", async () => {
    const verifier = await WasmSm2Verifier.from(module, { ...limits, smallAfterUses: 1, largeAfterUses: 2 });
    const sizes = new Set<number>();
    for (let at = 0; at < 60; at += 1) {
      const signed = signer(5000n + BigInt(at))(utf8("m"), USER_ID);
      const key = verifier.key(signed.publicKey);
      for (let use = 0; use < 3; use += 1) expect(key?.verify(signed.message, signed.signature, USER_ID)).toBe(true);
      if (at > 10) sizes.add(verifier.memoryBytes);
    }
    expect(sizes.size).toBe(1);
  });
});

describe("loading", () => {
  it("takes a module that the rim passes in before all others, and the file beside it otherwise", async () => {
    const given = await loadCrypto({ sm2VerifyModule: module, candidates: { sm2Verify: [] } });
    expect(given.implementations.sm2Verify).toBe("WebAssembly");
    expect((await loadCrypto()).implementations.sm2Verify).toBe("WebAssembly");
  });

  it("falls to the next candidate when the module is another one or gives other answers", async () => {
    const empty = await WebAssembly.compile(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
    await expect(instantiateSm2Verify(empty)).rejects.toThrow("not sm2verify.wasm");
    expect((await loadCrypto({ sm2VerifyModule: empty })).implementations.sm2Verify).toBe("WebAssembly");
    const next = DEFAULT_CANDIDATES.sm2Verify.slice(1);
    expect((await loadCrypto({ sm2VerifyModule: empty, candidates: { sm2Verify: next } })).implementations.sm2Verify).toBe("node:crypto");
  });

  it("imports nothing, is small, and exports no signer", () => {
    expect(WebAssembly.Module.imports(module)).toEqual([]);
    const size = readFileSync(new URL("./wasm/sm2verify.wasm", import.meta.url)).length;
    expect(size).toBeLessThan(20_000);
    const functions = WebAssembly.Module.exports(module).filter((one) => one.kind === "function");
    const called = ["initialise", "keepTable", "loadKey", "sm3Finish", "sm3Start", "sm3Update", "verify"];
    const tested = ["multiply", "multiplyDifference", "reduceDifference", "square"];
    expect(functions.map((one) => one.name).sort()).toEqual([...called, ...tested].sort());
  });
});
