import { describe, expect, it } from "vitest";
import type { Candidate, CryptoCandidates, Sm2Sign, Sm2Verify, Sm3 } from "./candidate.ts";
import { CryptoSelfTestError, loadCrypto } from "./index.ts";
import { jsSm2Sign, jsSm2Verify, jsSm2VerifyCandidate } from "./sm2-js.ts";
import { jsSm3 } from "./sm3-js.ts";
import { jsSm4 } from "./sm4-js.ts";
import { utf8 } from "./text.ts";

function broken<T>(implementation: T): readonly [Candidate<T>] {
  return [{ name: "broken", available: async () => implementation }];
}

describe("the self-test at start", () => {
  const zeroHash: Sm3 = { ...jsSm3, hash: () => new Uint8Array(32) };
  const plainHmac: Sm3 = { ...jsSm3, hmac: (_, parts) => jsSm3.hash(parts) };
  const yesMan: Sm2Verify = { prepare: () => () => true };
  const noUserId: Sm2Verify = {
    prepare(key) {
      const verify = jsSm2Verify.prepare(key);
      return (message, signature) => verify(message, signature, "1234567812345678");
    },
  };
  const throwing: Sm2Verify = {
    prepare() {
      throw new Error("no SM2 here");
    },
  };
  const repeated = new Map<string, Uint8Array>();
  const fixedNonce: Sm2Sign = {
    prepare(privateKey, publicKey) {
      const sign = jsSm2Sign.prepare(privateKey, publicKey);
      return (message, userId) => {
        const signature = repeated.get(userId) ?? sign(message, userId);
        repeated.set(userId, signature);
        return signature;
      };
    },
  };
  const cases: readonly (readonly [string, Partial<CryptoCandidates>, string])[] = [
    ["a wrong SM3", { sm3: broken(zeroHash) }, "sm3"],
    ["a wrong HMAC", { sm3: broken(plainHmac) }, "sm3"],
    ["a wrong SM4", { sm4: broken({ ...jsSm4, ecbDecrypt: jsSm4.ecbEncrypt }) }, "sm4"],
    ["a CBC that is ECB", { sm4: broken({ ...jsSm4, cbcEncrypt: (key, _, blocks) => jsSm4.ecbEncrypt(key, blocks) }) }, "sm4"],
    ["a verifier that accepts everything", { sm2Verify: broken(yesMan) }, "sm2Verify"],
    ["a verifier that ignores the user id", { sm2Verify: broken(noUserId) }, "sm2Verify"],
    ["a verifier that throws", { sm2Verify: broken(throwing) }, "sm2Verify"],
    ["a signer that repeats itself", { sm2Sign: broken(fixedNonce) }, "sm2Sign"],
    ["no candidate", { sm2Encrypt: [] }, "sm2Encrypt"],
    ["a candidate that cannot load", { sm3: [{ name: "absent", available: () => Promise.reject(new Error("no module")) }] }, "sm3"],
  ];

  it.each(cases)("stops the start for %s and names the family", async (_, candidates, family) => {
    await expect(loadCrypto({ candidates })).rejects.toThrow(CryptoSelfTestError);
    await expect(loadCrypto({ candidates })).rejects.toMatchObject({ family });
  });

  it("skips a wrong candidate for the next one that is right", async () => {
    const crypto = await loadCrypto({ candidates: { sm2Verify: [...broken(yesMan), jsSm2VerifyCandidate] } });
    expect(crypto.implementations.sm2Verify).toBe("sm-crypto-v2");
    expect(crypto.sm2Verify(crypto.sm2GenerateKeyPair().publicKey, utf8("m"), new Uint8Array(64).fill(7))).toBe(false);
  });
});
