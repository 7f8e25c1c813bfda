import { beforeAll, describe, expect, it } from "vitest";
import { loadCrypto } from "../crypto/index.ts";
import type { Crypto } from "../crypto/port.ts";
import { toHex, utf8 } from "./bytes.ts";
import { asFen } from "./money.ts";
import { requestHash, settlementId, type RequestIdentity } from "./settlement-id.ts";

const field = (text: string): number[] => [0, 0, 0, text.length, ...utf8(text)];

let crypto: Crypto;
beforeAll(async () => {
  crypto = await loadCrypto();
});

describe("a settlement's id", () => {
  it("is the same for the same institution and number, and differs for any other split of the same characters", () => {
    expect(settlementId(crypto, "H1", "A1")).toBe(settlementId(crypto, "H1", "A1"));
    expect(settlementId(crypto, "H1", "A1")).toMatch(/^rs[0-9a-f]{32}$/);
    expect(new Set([settlementId(crypto, "H1", "A1"), settlementId(crypto, "H1A", "1"), settlementId(crypto, "", "H1A1")]).size).toBe(3);
  });
  it("is SM3 over length-prefixed fields, so that others can compute it", () => {
    const input = Uint8Array.from(["ronghe.settlement/v1", "H1", "A1"].flatMap(field));
    expect(settlementId(crypto, "H1", "A1")).toBe(`rs${toHex(crypto.sm3(input)).slice(0, 32)}`);
  });
});

describe("a request's hash", () => {
  const request: RequestIdentity = {
    action: "settle",
    institution: "H1",
    businessType: "01301",
    outTradeNo: "A1",
    amount: asFen(12_850n),
    originalOutTradeNo: "A0",
    credentialFingerprint: "ff",
  };
  it("changes with every field, and tells an absent field from an empty one", () => {
    const changed: RequestIdentity[] = [
      request,
      { ...request, action: "refund" },
      { ...request, institution: "H2" },
      { ...request, businessType: "02121" },
      { ...request, outTradeNo: "A2" },
      { ...request, amount: asFen(12_851n) },
      { ...request, amount: undefined },
      { ...request, originalOutTradeNo: "A9" },
      { ...request, originalOutTradeNo: "" },
      { ...request, originalOutTradeNo: undefined },
      { ...request, credentialFingerprint: "fe" },
      { ...request, credentialFingerprint: undefined },
    ];
    const hashes = changed.map((identity) => toHex(requestHash(crypto, identity)));
    expect(new Set(hashes).size).toBe(changed.length);
    for (const hash of hashes) expect(hash).toHaveLength(64);
    expect(requestHash(crypto, { ...request })).toEqual(requestHash(crypto, request));
  });
});
