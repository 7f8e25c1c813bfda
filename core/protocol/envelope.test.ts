import * as fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { loadCrypto } from "../crypto/index.ts";
import type { Crypto, Sm2KeyPair } from "../crypto/port.ts";
import { fromBase64, toBase64 } from "./bytes.ts";
import { DIALECT_PRESETS, dialectOf, settingsOf } from "./dialects.ts";
import { openEnvelope, readEnvelope, sealRequest, type OpenedRequest, type PartnerProfile, type RequestToSeal } from "./envelope.ts";
import type { ErrorName } from "./errors.ts";
import { deriveDataKey, encryptData } from "./key-derivation.ts";
import { sm2SignData } from "./partner.ts";
import type { Result } from "./result.ts";
import { signText } from "./sign-text.ts";
import { jsonObjectOf } from "./json.ts";
import type { EventMs } from "./time.ts";

const NOW = Date.UTC(2026, 0, 15, 2, 0, 0) as EventMs;
const data = { orgId: "H51010000001", outTradeNo: "A-1", amount: "128.50", operatorName: '王芳&="\\', items: [{ b: "2", a: "1" }] };
const request: RequestToSeal = { orgId: "H51010000001", transType: "rh.settle", version: "1.0.0", data, timestampMs: NOW };

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
const clearRequest = (changes: Partial<PartnerProfile> = {}): Promise<string> =>
  sealRequest(crypto, request, partner({ encryption: "none", ...changes }), sign);
const edit = (body: string, change: (message: Record<string, unknown>) => void): string => {
  const message = JSON.parse(body) as Record<string, unknown>;
  change(message);
  return JSON.stringify(message);
};

const keyOf = (text: string): string => {
  const opened = open(text, partner());
  if (!opened.ok) throw new Error(opened.error);
  return opened.value.replayKey;
};

describe("a request", () => {
  it("opens to what was sealed, in every dialect, signed either way, clear or encrypted", async () => {
    const replayKeys = new Set<string>();
    for (const dialect of DIALECT_PRESETS) {
      for (const signType of ["SM2", "SM3"] as const) {
        for (const encryption of ["required", "none"] as const) {
          const by = partner({ dialect, signType, encryption });
          const opened = open(await sealRequest(crypto, request, by, sign), by);
          expect(opened).toMatchObject({
            ok: true,
            value: {
              orgId: request.orgId,
              transType: "rh.settle",
              version: "1.0.0",
              timestampMs: NOW,
              data,
              encrypted: encryption === "required",
            },
          });
          if (opened.ok) replayKeys.add(opened.value.replayKey);
        }
      }
    }
    for (const key of replayKeys) expect(key).toMatch(/^[0-9a-f]{64}$/);
    // SM2 signatures differ each time; a keyed digest depends on the sign text alone, of which there are fewer than dialects.
    expect(replayKeys.size).toBeGreaterThan(DIALECT_PRESETS.length * 2);
  });

  it("opens in any dialect when data is flat, of non-empty strings", async () => {
    const flat = { ...request, data: { a: "1", b: "二" } };
    const body = await sealRequest(crypto, flat, partner({ encryption: "none" }), sign);
    for (const dialect of DIALECT_PRESETS.filter((name) => name !== "cryptotool")) expect(open(body, partner({ dialect })).ok).toBe(true);
  });

  it("does not open in a dialect that signs another text or another form", async () => {
    const numbers = { ...request, data: { count: 1 } };
    const body = await sealRequest(crypto, numbers, partner({ encryption: "none" }), sign);
    expect(open(body, partner())).toMatchObject({ ok: true, value: { data: { count: 1 } } });
    expect(open(body, partner({ dialect: "keep-numbers" }))).toEqual({ ok: false, error: "unauthorised" });
    expect(open(await clearRequest(), partner({ dialect: "cryptotool" }))).toEqual({ ok: false, error: "unauthorised" });
    expect(open(await clearRequest({ dialect: "cryptotool" }), partner())).toEqual({ ok: false, error: "unauthorised" });
  });

  it("verifies under any of the partner's keys, and under the user id agreed", async () => {
    const next = crypto.sm2GenerateKeyPair();
    const body = await clearRequest();
    expect(open(body, partner({ publicKeys: [next.publicKey, hospital.publicKey] })).ok).toBe(true);
    expect(open(body, partner({ publicKeys: [next.publicKey] }))).toEqual({ ok: false, error: "unauthorised" });
    expect(open(body, partner({ publicKeys: [] }))).toEqual({ ok: false, error: "unauthorised" });
    const own = await sealRequest(crypto, request, partner({ encryption: "none" }), (message) =>
      crypto.sm2Sign(hospital.privateKey, message, "hospital-1"),
    );
    expect(open(own, partner({ dialect: dialectOf({ ...settingsOf("standard"), userId: "hospital-1" }) })).ok).toBe(true);
    expect(open(own, partner())).toEqual({ ok: false, error: "unauthorised" });
  });

  it("takes its timestamp as a string or a number, of 10, 13 or 14 digits, and signs the lexeme", async () => {
    for (const digits of [String(NOW / 1000), String(NOW), "20260115100000"]) {
      const fields = { orgId: "H1", version: "1.0.0", encType: "sm4", transType: "rh.result", signType: "sm2", timestamp: digits };
      const text = signText(jsonObjectOf({ ...fields, data: { a: "1" } }), "standard", partner().appSecret) ?? "";
      const body = JSON.stringify({ ...fields, data: { a: "1" }, signData: await sm2SignData(text, "standard", sign) });
      const asNumber = body.replace(`"${digits}"`, digits);
      expect(asNumber).not.toBe(body);
      const [one, other] = [open(body, partner()), open(asNumber, partner())];
      expect(one).toMatchObject({ ok: true, value: { timestampMs: NOW } });
      expect(other).toEqual(one);
    }
  });

  it("is in time from five minutes before to five minutes after, unless another window is agreed", async () => {
    const body = await clearRequest();
    for (const offset of [-300_000, 300_000]) expect(open(body, partner(), NOW + offset).ok).toBe(true);
    for (const offset of [-300_001, 300_001, Number.NaN])
      expect(open(body, partner(), NOW + offset)).toEqual({ ok: false, error: "timestampOutside" });
    const raw = readEnvelope(body);
    if (!raw.ok) throw new Error("not read");
    expect(openEnvelope(crypto, raw.value, partner(), { nowMs: NOW + 2, windowMs: 1 })).toEqual({ ok: false, error: "timestampOutside" });
  });

  it("gives away nothing that the signature does not cover", async () => {
    const body = edit(await clearRequest(), (message) => {
      message["data"] = { ...data, code: null, ecToken: "", list: [], extra: null };
    });
    expect(open(body, partner())).toMatchObject({ ok: true, value: { data } });
    const opened = open(body, partner());
    expect(opened.ok && Object.keys(opened.value.data).toSorted()).toEqual(Object.keys(data).toSorted());
  });

  it("has the replay key of its org, timestamp and signature: not of its unsigned parts", async () => {
    const body = await clearRequest();
    expect(keyOf(edit(body, (message) => void (message["extra"] = { trace: 1 })))).toBe(keyOf(body));
    expect(keyOf(await clearRequest())).not.toBe(keyOf(body));
  });
});

describe("a changed request", () => {
  it.each<readonly [string, unknown]>([
    ["orgId", "H51010000002"],
    ["version", "1.0.1"],
    ["encType", "sm4"],
    ["transType", "rh.refund"],
    ["signType", "sm2"],
    ["timestamp", "20260115100001"],
    ["timestamp", NOW],
    ["data", { ...data, amount: "128.5" }],
    ["data", { ...data, more: "x" }],
    ["data", { ...data, items: [{ b: "2", a: "2" }] }],
    ["data", {}],
    ["signData", toBase64(new Uint8Array(64).fill(7))],
    ["signData", toBase64(new Uint8Array(64))],
    ["signData", "AAAA"],
    ["signData", "0".repeat(64)],
  ])("is unauthorised: %s as %j", async (field, value) => {
    const body = edit(await clearRequest(), (message) => void (message[field] = value));
    expect(open(body, partner())).toEqual({ ok: false, error: "unauthorised" });
  });

  it("is unauthorised with any other text of the same signature, so that a replay has no second name", async () => {
    const body = await clearRequest();
    const signData = String((JSON.parse(body) as Record<string, unknown>)["signData"]);
    const digit = signData.charAt(85);
    // The four unused bits of the last digit.
    const twin = signData.slice(0, 85) + String.fromCharCode(digit.charCodeAt(0) + 1) + "==";
    expect(Buffer.from(twin, "base64")).toEqual(Buffer.from(fromBase64(signData) ?? []));
    for (const other of [twin, signData.slice(0, -1), signData.slice(0, -2), signData.replaceAll("=", "")]) {
      expect(
        open(
          edit(body, (message) => void (message["signData"] = other)),
          partner(),
        ),
      ).toEqual({ ok: false, error: "unauthorised" });
    }
    const digest = await clearRequest({ signType: "SM3" });
    const lower = edit(digest, (message) => void (message["signData"] = String(message["signData"]).toLowerCase()));
    expect(open(digest, partner({ signType: "SM3" })).ok).toBe(true);
    expect(open(lower, partner({ signType: "SM3" }))).toEqual({ ok: false, error: "unauthorised" });
  });

  it("is unauthorised when it names another signType than agreed, though its signature covers that name", async () => {
    const fields = { orgId: "H1", version: "1.0.0", encType: "SM4", transType: "rh.result", signType: "SM3", timestamp: "20260115100000" };
    const text = signText(jsonObjectOf({ ...fields, data: { a: "1" } }), "standard", partner().appSecret) ?? "";
    const body = JSON.stringify({ ...fields, data: { a: "1" }, signData: await sm2SignData(text, "standard", sign) });
    expect(open(body, partner())).toEqual({ ok: false, error: "unauthorised" });
  });

  it("cannot choose a weaker signature than agreed, nor a digest under an empty secret", async () => {
    expect(open(await clearRequest({ signType: "SM3" }), partner())).toEqual({ ok: false, error: "unauthorised" });
    expect(open(await clearRequest(), partner({ signType: "SM3" }))).toEqual({ ok: false, error: "unauthorised" });
    const without = partner({ signType: "SM3", appSecret: "", encryption: "none" });
    expect(open(await sealRequest(crypto, request, without, sign), without)).toEqual({ ok: false, error: "unauthorised" });
    const wrong = await clearRequest({ signType: "SM3", appSecret: "another" });
    expect(open(wrong, partner({ signType: "SM3" }))).toEqual({ ok: false, error: "unauthorised" });
  });

  it("is unauthorised whatever is changed in its ciphertext: one answer, no oracle", async () => {
    const by = partner({ encryption: "required" });
    const body = await sealRequest(crypto, request, by, sign);
    const encData = String((JSON.parse(body) as Record<string, unknown>)["encData"]);
    expect(encData).toMatch(/^[0-9A-F]+$/);
    const withCiphertext = (text: string): Result<OpenedRequest, ErrorName> =>
      open(
        edit(body, (message) => void (message["encData"] = text)),
        by,
      );
    expect(withCiphertext(encData.toLowerCase()).ok).toBe(true);
    fc.assert(
      fc.property(fc.nat(encData.length - 1), fc.integer({ min: 1, max: 15 }), (at, by) => {
        const digit = ((Number.parseInt(encData.charAt(at), 16) + by) % 16).toString(16);
        expect(withCiphertext(encData.slice(0, at) + digit + encData.slice(at + 1))).toEqual({ ok: false, error: "unauthorised" });
      }),
      { numRuns: 150 },
    );
    expect(withCiphertext(encData.slice(0, -32))).toEqual({ ok: false, error: "unauthorised" });
    expect(withCiphertext(encData.slice(32))).toEqual({ ok: false, error: "unauthorised" });
    expect(withCiphertext(encData + encData)).toEqual({ ok: false, error: "unauthorised" });
    expect(open(body, { ...by, appSecret: by.appSecret.toLowerCase() })).toEqual({ ok: false, error: "unauthorised" });
    for (const plaintext of ['{"a":"1","a":"1"}', "[]", '"text"', "", "{}x", "null"]) {
      expect(withCiphertext(encryptData(crypto, deriveDataKey(crypto, by), plaintext))).toEqual({ ok: false, error: "unauthorised" });
    }
  });

  it("is malformed when it names another org inside than outside, though it is signed", async () => {
    const inner = { ...request, data: { ...data, orgId: "H51010000009" } };
    for (const encryption of ["required", "none"] as const) {
      expect(open(await sealRequest(crypto, inner, partner({ encryption }), sign), partner())).toEqual({ ok: false, error: "badRequest" });
    }
    const number = { ...request, orgId: "51010000009", data: { orgId: 51_010_000_009 } };
    expect(open(await sealRequest(crypto, number, partner(), sign), partner())).toEqual({ ok: false, error: "badRequest" });
  });

  it("is malformed when clear where encryption is agreed, or encrypted where it is not", async () => {
    expect(open(await clearRequest(), partner({ encryption: "required" }))).toEqual({ ok: false, error: "badRequest" });
    const encrypted = await sealRequest(crypto, request, partner(), sign);
    expect(open(encrypted, partner({ encryption: "none" }))).toEqual({ ok: false, error: "badRequest" });
  });
});
