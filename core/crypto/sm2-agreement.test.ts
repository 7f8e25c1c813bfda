/** The WebAssembly verifier and three other implementations on the same signatures, good and spoiled. */
import * as nodeCrypto from "node:crypto";
import { describe, expect, it } from "vitest";
import { sm2 } from "sm-crypto-v2";
import type { Sm2Verify } from "./candidate.ts";
import { loadCrypto } from "./index.ts";
import { jsSm2Verify } from "./sm2-js.ts";
import { nodeSm2Sign, nodeSm2VerifyCandidate } from "./sm2-node.ts";
import { referenceSm2VerifyCandidate } from "./sm2-reference.ts";
import { wasmSm2VerifyCandidate } from "./sm2-wasm.ts";
import { CORRUPTIONS, type SignedMessage } from "./testing/sm2-suite.ts";
import { fromHex, toHex } from "./text.ts";

const USER_ID = "1234567812345678";

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

/** Signs by OpenSSL, which is the fastest signer that we have. */
function signer(): (message: Uint8Array, userId: string) => SignedMessage {
  const pair = sm2.generateKeyPairHex();
  const [privateKey, publicKey] = [fromHex(pair.privateKey), fromHex(pair.publicKey)];
  if (privateKey === undefined || publicKey === undefined) throw new Error("not hex");
  const sign = nodeSm2Sign(nodeCrypto).prepare(privateKey, publicKey);
  return (message, userId) => ({ publicKey, message, userId, signature: sign(message, userId) });
}

describe("agreement on 10,000 good and 10,000 spoiled signatures", () => {
  const KEYS = 25;
  const PER_KEY = 400;
  const kinds = Object.entries(CORRUPTIONS);

  it("with OpenSSL on all, sm-crypto-v2 on every eighth, sm-crypto on every two hundredth", async () => {
    const crypto = await loadCrypto({ candidates: { sm2Verify: [wasmSm2VerifyCandidate()] } });
    const reference = await referenceSm2VerifyCandidate.available();
    if (reference === undefined) throw new Error("sm-crypto is not there");
    const native = await loadCrypto({
      candidates: { sm2Verify: [nodeSm2VerifyCandidate] },
    });
    const counted = { good: 0, spoiled: 0, byV2: 0, byReference: 0 };
    for (let index = 0; index < KEYS; index += 1) {
      const sign = signer();
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
