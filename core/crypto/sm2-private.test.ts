/** SM2 with private keys in WebAssembly: the suite that every runtime passes, agreement with others, and defects that it must find. */
import * as nodeCrypto from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { loadCrypto } from "./index.ts";
import { jsSm2Encrypt, jsSm2Verify } from "./sm2-js.ts";
import { nodeSm2VerifyCandidate } from "./sm2-node.ts";
import { wasmSm2Encrypt, wasmSm2Sign, WasmSm2Private } from "./sm2-private.ts";
import { referenceSm2VerifyCandidate } from "./sm2-reference.ts";
import { PRIVATE_CHECKS, runPrivateSuite } from "./testing/sm2-private-suite.ts";
import { buildSm2Private } from "./wasm/build.ts";
import { compileSm2PrivateFile } from "./wasm/module.ts";

const USER_ID = "1234567812345678";
const module = await compileSm2PrivateFile();

describe("SM2 with private keys in WebAssembly", () => {
  it("gives what affine arithmetic and RFC 6979 give, for numbers, points and digests at every edge", async () => {
    expect(await runPrivateSuite(module)).toEqual({ checks: PRIVATE_CHECKS, failures: [] });
  });

  it("is what its source gives, byte for byte", () => {
    const committed = readFileSync(new URL("./wasm/sm2private.wasm", import.meta.url));
    expect(Buffer.compare(buildSm2Private(), committed)).toBe(0);
  });

  it("is what the port uses for signing, key pairs and encryption on Node", async () => {
    const { implementations } = await loadCrypto();
    expect([implementations.sm2Sign, implementations.sm2Encrypt]).toEqual(["WebAssembly", "WebAssembly"]);
  });

  it("signs 10,000 messages that OpenSSL verifies all, sm-crypto-v2 every eighth, sm-crypto every two hundredth", async () => {
    const sm2 = await WasmSm2Private.from(module);
    const [sign, encrypt] = [wasmSm2Sign(sm2), wasmSm2Encrypt(sm2)];
    const native = await nodeSm2VerifyCandidate.available();
    const reference = await referenceSm2VerifyCandidate.available();
    if (native === undefined || reference === undefined) throw new Error("OpenSSL or sm-crypto is not there");
    const wrong: string[] = [];
    for (let key = 0; key < 25; key += 1) {
      const { privateKey, publicKey } = encrypt.generateKeyPair();
      const signer = sign.prepare(privateKey, publicKey);
      const verifiers = { native: native.prepare(publicKey), v2: jsSm2Verify.prepare(publicKey), reference: reference.prepare(publicKey) };
      for (let at = 0; at < 400; at += 1) {
        const number = key * 400 + at;
        const message = nodeCrypto.randomBytes(at);
        const userId = at % 4 === 0 ? "ALICE123@YAHOO.COM" : USER_ID;
        const signature = signer(message, userId);
        const asked = [verifiers.native, ...(number % 8 === 0 ? [verifiers.v2] : []), ...(number % 200 === 0 ? [verifiers.reference] : [])];
        for (const verify of asked) if (!verify(message, signature, userId)) wrong.push(`message ${number}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("opens what sm-crypto-v2 encrypts and the other way round, in both orders, and refuses what was changed", async () => {
    const ours = wasmSm2Encrypt(await WasmSm2Private.from(module));
    for (let at = 1; at <= 200; at += 1) {
      const { privateKey, publicKey } = at % 2 === 0 ? ours.generateKeyPair() : jsSm2Encrypt.generateKeyPair();
      expect(ours.publicKey(privateKey)).toEqual(publicKey);
      const plaintext = new Uint8Array(nodeCrypto.randomBytes(at));
      const order = at % 3 === 0 ? "C1C2C3" : "C1C3C2";
      expect(ours.decrypt(privateKey, jsSm2Encrypt.encrypt(publicKey, plaintext, order), order)).toEqual(plaintext);
      const sealed = ours.encrypt(publicKey, plaintext, order);
      expect(jsSm2Encrypt.decrypt(privateKey, sealed, order)).toEqual(plaintext);
      const changed = sealed.map((byte, index) => (index === (at * 7) % sealed.length ? byte ^ 1 : byte));
      expect(ours.decrypt(privateKey, changed, order)).toBeUndefined();
    }
  });
});

/** A line of the source, what stands there instead, and a word of the check that must fail. */
interface Defect {
  readonly what: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  readonly foundBy: string;
}

const DEFECTS: readonly Defect[] = [
  {
    what: "a bit of each window is lost",
    file: "complete.ts",
    from: "(from & 31)) & 31);",
    to: "(from & 31)) & 15);",
    foundBy: "multiple of the base point",
  },
  {
    what: "negative digits look up another entry",
    file: "complete.ts",
    from: "(window ^ <u32>negative) & 15",
    to: "window & 15",
    foundBy: "multiple of the base point",
  },
  {
    what: "a negative entry is inverted and not negated",
    file: "complete.ts",
    from: "(load<i32>(a + at) ^ mask) - mask)",
    to: "load<i32>(a + at) ^ mask)",
    foundBy: "multiple of a point",
  },
  {
    what: "a sign in the complete formulas is wrong",
    file: "complete.ts",
    from: "subtract(g, g, t0);",
    to: "add(g, g, t0);",
    foundBy: "two points, added",
  },
  {
    what: "the mixed addition forgets a term",
    file: "complete.ts",
    from: "  multiply(u, x2, zz);\n  add(u, u, point);",
    to: "  multiply(u, x2, zz);",
    foundBy: "added from a table",
  },
  {
    what: "a carry beyond 256 bits is dropped",
    file: "private-scalar.ts",
    from: "~below | (0 - carry)",
    to: "~below",
    foundBy: "signature by",
  },
  {
    what: "a digest of n or more is not reduced for the nonce",
    file: "private.ts",
    from: "  reduceOnce(T, 0, N_WORDS, SPARE);\n  storeWords(DIGEST_MOD_N, T);",
    to: "  storeWords(DIGEST_MOD_N, T);",
    foundBy: "signature by",
  },
  {
    what: "n-1 is taken as a private key",
    file: "private.ts",
    from: "(usable & ~maskOfZero(T)) == 0",
    to: "usable == 0",
    foundBy: "which has no inverse",
  },
  {
    what: "any number is taken as a factor",
    file: "private.ts",
    from: "return (maskOfBelow(K, N_WORDS) & ~maskOfZero(K)) != 0;",
    to: "return true;",
    foundBy: "out of range",
  },
  {
    what: "a point off the curve is multiplied",
    file: "curve.ts",
    from: "return isEqual(left, right);",
    to: "return true;",
    foundBy: "off the curve",
  },
  {
    what: "randomness does not reach the nonce",
    file: "nonce.ts",
    from: "memory.copy(MESSAGE + length + 2 * SCALAR_BYTES, ENTROPY, SCALAR_BYTES);",
    to: "memory.fill(MESSAGE + length + 2 * SCALAR_BYTES, 0, SCALAR_BYTES);",
    foundBy: "fresh randomness",
  },
  {
    what: "the odd representative is signed with in place of the nonce",
    file: "private.ts",
    from: "addSecret(T, R, K, SPARE);",
    to: "addSecret(T, R, ODD, SPARE);",
    foundBy: "signature by",
  },
  {
    what: "secrets stay in memory",
    file: "private.ts",
    from: "memory.fill(SECRETS, 0, SECRETS_END - SECRETS);",
    to: "memory.fill(SECRETS, 0, 32);",
    foundBy: "leaves behind",
  },
];

describe("a deliberate defect is found", () => {
  it.each(DEFECTS)("where $what", async ({ file, from, to, foundBy }) => {
    const folder = mkdtempSync(join(tmpdir(), "defect-"));
    try {
      cpSync(new URL("./wasm/assembly/", import.meta.url), folder, { recursive: true });
      const path = join(folder, file);
      const source = readFileSync(path, "utf8");
      expect(source.split(from)).toHaveLength(2);
      writeFileSync(path, source.replace(from, to));
      const built = await WebAssembly.compile(Uint8Array.from(buildSm2Private(pathToFileURL(`${folder}/`))));
      const { failures } = await runPrivateSuite(built);
      expect(
        failures.some((line) => line.includes(foundBy)),
        failures.slice(0, 3).join("\n"),
      ).toBe(true);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
