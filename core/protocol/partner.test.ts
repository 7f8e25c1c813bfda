import { beforeAll, describe, expect, it } from "vitest";
import { loadCrypto } from "../crypto/index.ts";
import type { Crypto, Sm2KeyPair } from "../crypto/port.ts";
import { toBase64 } from "./bytes.ts";
import { DIALECT_PRESETS, type PartnerDialect } from "./dialects.ts";
import { openEnvelope, readEnvelope, sealRequest, type OpenedRequest, type PartnerProfile, type RequestToSeal } from "./envelope.ts";
import type { ErrorName } from "./errors.ts";
import { deriveDataKey } from "./key-derivation.ts";
import { keyedDigest, sm2SignData } from "./partner.ts";
import type { Result } from "./result.ts";
import type { EventMs } from "./time.ts";

const NOW = Date.UTC(2026, 0, 15, 2, 0, 0) as EventMs;
const request: RequestToSeal = { orgId: "H1", transType: "rh.settle", version: "1.0.0", data: { amount: "128.50" }, timestampMs: NOW };

let crypto: Crypto;
let hospital: Sm2KeyPair;
beforeAll(async () => {
  crypto = await loadCrypto();
  hospital = crypto.sm2GenerateKeyPair();
});

const partner = (changes: Partial<PartnerProfile> = {}): PartnerProfile => ({
  appId: "19E179E5DC29C05E65B90CDE57A1C7E5",
  appSecret: "3E4F5A6B7C8D9E0F1A2B3C4D5E6F7A8B",
  dialect: "standard",
  signType: "SM2",
  encryption: "optional",
  publicKeys: [hospital.publicKey],
  ...changes,
});
const sign = (message: Uint8Array): Uint8Array => crypto.sm2Sign(hospital.privateKey, message);
const open = (body: string, by: PartnerProfile, nowMs: number = NOW): Result<OpenedRequest, ErrorName> => {
  const raw = readEnvelope(body);
  return raw.ok ? openEnvelope(crypto, raw.value, by, { nowMs }) : raw;
};
const dataKeyText = (dialect: PartnerDialect): string => toBase64(deriveDataKey(crypto, partner({ dialect })));

describe("the SM4 key of a partner", () => {
  it("is the first 16 characters of the hex of the wrapped secret, used as text", () => {
    const key = deriveDataKey(crypto, partner());
    const wrapped = crypto.sm4EcbEncrypt(
      new TextEncoder().encode("19E179E5DC29C05E"),
      new TextEncoder().encode(partner().appSecret),
      "pkcs7",
    );
    expect(new TextDecoder().decode(key)).toBe(Buffer.from(wrapped).toString("hex").toUpperCase().slice(0, 16));
  });
  it("is another in the cryptotool dialect, and the same in all others", () => {
    expect(new Set(DIALECT_PRESETS.filter((name) => name !== "cryptotool").map(dataKeyText)).size).toBe(1);
    expect(dataKeyText("cryptotool")).not.toBe(dataKeyText("standard"));
  });
  it("is taken from the profile when it is kept there", async () => {
    const key = deriveDataKey(crypto, partner());
    const body = await sealRequest(crypto, request, partner(), sign);
    expect(open(body, partner({ dataKey: key })).ok).toBe(true);
    expect(open(body, partner({ dataKey: new Uint8Array(16) }))).toEqual({ ok: false, error: "unauthorised" });
  });
  it("is not derived from a short appId or an empty secret: a registration mistake, said at once", () => {
    expect(() => deriveDataKey(crypto, partner({ appId: "19E179E5DC29C05" }))).toThrow(RangeError);
    expect(() => deriveDataKey(crypto, partner({ appSecret: "" }))).toThrow(RangeError);
  });
  it("opens text outside ASCII whether the client escapes it or not", async () => {
    for (const dialect of ["standard", "nhsa-web"] as const) {
      const by = partner({ dialect, encryption: "required" });
      expect(open(await sealRequest(crypto, { ...request, data: { name: "欧阳𠮷" } }, by, sign), by)).toMatchObject({
        ok: true,
        value: { data: { name: "欧阳𠮷" } },
      });
    }
  });
});

describe("the parts of a signature", () => {
  it("fit S3's C 100 in every dialect", async () => {
    for (const dialect of DIALECT_PRESETS) expect((await sm2SignData("text", dialect, sign)).length).toBeLessThanOrEqual(100);
    expect(keyedDigest(crypto, "abc")).toBe("66C7F0F462EEEDD9D1F2D46BDC10E4E24167C4875CF2F7A2297DA02B8F4BA8E0");
  });
  it("are refused from a signer that does not answer 64 bytes", async () => {
    await expect(sealRequest(crypto, request, partner(), () => new Uint8Array(70))).rejects.toThrow(RangeError);
  });
});
