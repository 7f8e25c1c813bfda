/**
 * The WebAssembly verifier against the vectors, against three other implementations, and against itself with each kind of table.
 *
MUTATIONS
 */
import * as nodeCrypto from "node:crypto";
import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sm2 } from "sm-crypto-v2";
import type { Sm2Verify } from "./candidate.ts";
import { SM2_ORDER } from "./curve.ts";
import { DEFAULT_CANDIDATES, loadCrypto } from "./index.ts";
import { jsSm2Verify } from "./sm2-js.ts";
import { nodeSm2Sign, nodeSm2Verify } from "./sm2-node.ts";
import { referenceSm2VerifyCandidate } from "./sm2-reference.ts";
import { WasmSm2Verifier, wasmSm2VerifyCandidate } from "./sm2-wasm.ts";
import { CORRUPTIONS, digestOf, runSm3, runVectors, type SignedMessage, TABLE_MODES } from "./testing/sm2-suite.ts";
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

type Prepared = ReturnType<Sm2Verify["prepare"]>;

/** sm-crypto-v2 throws for r and s out of range, which the port answers before it asks. */
function verdict(verify: () => boolean): boolean {
  try {
    return verify();
  } catch {
    return false;
  }
}

function disagree(how: string): never {
  throw new Error(how);
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

  it("takes signatures by a thousand edge keys: powers of two, their neighbours, both ends of the range", { timeout: 60_000 }, () => {
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

describe("agreement on 10,000 good and 10,000 spoiled signatures", { timeout: 120_000 }, () => {
  const KEYS = 25;
  const PER_KEY = 400;
  const kinds = Object.entries(CORRUPTIONS);

  it("with OpenSSL on all, sm-crypto-v2 on every eighth, sm-crypto on every two hundredth", async () => {
    const crypto = await loadCrypto({ candidates: { sm2Verify: [wasmSm2VerifyCandidate()] } });
    const reference = await referenceSm2VerifyCandidate.available();
    if (reference === undefined) throw new Error("sm-crypto is not there");
    const native = await loadCrypto({
      candidates: { sm2Verify: [{ name: "node:crypto", available: async () => nodeSm2Verify(nodeCrypto) }] },
    });
    const counted = { good: 0, spoiled: 0, byV2: 0, byReference: 0 };
    for (let index = 0; index < KEYS; index += 1) {
      const sign = signer(drawnKey());
      const others = new Map<Sm2Verify, Prepared>();
      for (let at = 0; at < PER_KEY; at += 1) {
        const number = index * PER_KEY + at;
        const good = sign(nodeCrypto.randomBytes(at), at % 4 === 0 ? "" : USER_ID);
        const [kind, corrupt] = kinds[number % kinds.length] ?? ["", (signed: SignedMessage) => signed];
        for (const [signed, wanted] of [
          [good, true],
          [corrupt(good, number), false],
        ] as const) {
          const { publicKey, message, signature, userId } = signed;
          const what = `${wanted ? "good" : kind}: ${toHex(publicKey)} ${toHex(message)} ${toHex(signature)}`;
          const got = crypto.sm2Verify(publicKey, message, signature, userId);
          if (got !== wanted) disagree(`WebAssembly says ${got} of ${what}`);
          if (native.sm2Verify(publicKey, message, signature, userId) !== wanted) disagree(`OpenSSL disagrees on ${what}`);
          counted[wanted ? "good" : "spoiled"] += 1;
          const slow: Sm2Verify | undefined = number % 200 === 0 ? reference : number % 8 === 0 ? jsSm2Verify : undefined;
          if (slow !== undefined && publicKey === good.publicKey && signature.length === 64) {
            const verify: Prepared = others.get(slow) ?? slow.prepare(publicKey);
            others.set(slow, verify);
            const says = verdict(() => verify(message, signature, userId));
            if (says !== wanted) disagree(`another library says ${says} of ${what}`);
            counted[slow === reference ? "byReference" : "byV2"] += 1;
          }
        }
      }
    }
    expect(counted.good).toBe(10_000);
    expect(counted.spoiled).toBe(10_000);
    expect(counted.byV2).toBeGreaterThan(1500);
    expect(counted.byReference).toBeGreaterThan(50);
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
    expect(concat(...WebAssembly.Module.exports(module).map((one) => utf8(one.name))).length).toBeGreaterThan(0);
  });
});
