import { readFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { loadCrypto } from "../crypto/index.ts";
import type { Crypto } from "../crypto/port.ts";
import { fromHex } from "../protocol/bytes.ts";
import { dialectOf } from "../protocol/dialects.ts";
import { openEnvelope, type PartnerProfile, readEnvelope } from "../protocol/envelope.ts";
import { parseWireTimestamp } from "../protocol/time.ts";
import type { EnvelopeVector, EnvelopeVectors } from "./format.ts";
import { presentVectors, vectorsText } from "./generate.ts";

let crypto: Crypto;
beforeAll(async () => {
  crypto = await loadCrypto();
});

const vectors = JSON.parse(await readFile(new URL("envelope.json", import.meta.url), "utf8")) as EnvelopeVectors;

function opened(vector: EnvelopeVector, body: string, changes: Partial<PartnerProfile> = {}): string {
  const partner: PartnerProfile = {
    appId: vectors.appId,
    appSecret: vectors.appSecret,
    dialect: dialectOf(vector.dialect),
    signType: vector.signType,
    encryption: "optional",
    publicKeys: [fromHex(vectors.publicKey) ?? new Uint8Array()],
    ...changes,
  };
  const raw = readEnvelope(body);
  if (!raw.ok) return raw.error;
  const result = openEnvelope(crypto, raw.value, partner, { nowMs: parseWireTimestamp(raw.value.timestamp) ?? 0 });
  return result.ok ? "valid" : result.error;
}

describe("the published vectors of the envelope", () => {
  it("are what the generator writes, every step of them", async () => {
    const committed = await readFile(new URL("envelope.json", import.meta.url), "utf8");
    expect(await vectorsText(crypto, await presentVectors()), "run `node core/envelope-vectors/generate.ts`").toBe(committed);
  });

  it.each(vectors.tests)("$tcId, $comment: is $result, clear and encrypted", (vector) => {
    const wanted = vector.result === "valid" ? "valid" : "unauthorised";
    expect([opened(vector, vector.clear), opened(vector, vector.encrypted)]).toEqual([wanted, wanted]);
  });

  it("are refused under another secret and another key", () => {
    const other = crypto.sm2GenerateKeyPair().publicKey;
    for (const vector of vectors.tests) {
      expect(opened(vector, vector.clear, { appSecret: "0".repeat(32) })).toBe("unauthorised");
      if (vector.signType === "SM2") expect(opened(vector, vector.clear, { publicKeys: [other] })).toBe("unauthorised");
    }
  });
});
