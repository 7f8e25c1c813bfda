import { beforeAll, describe, expect, it } from "vitest";
import { loadCrypto } from "../crypto/index.ts";
import type { Crypto, Sm2KeyPair } from "../crypto/port.ts";
import { DIALECT_PRESETS } from "./dialects.ts";
import { openReply, sealReply, type PartnerProfile, type ReplyToSeal } from "./envelope.ts";
import { ERRORS, type ErrorName } from "./errors.ts";
import type { EventMs } from "./time.ts";

const NOW = Date.UTC(2026, 0, 15, 2, 0, 0) as EventMs;
const settled: ReplyToSeal = {
  orgId: "H1",
  error: "ok",
  data: { outTradeNo: "A-1", status: "settled", legs: [{ rail: "bank", amount: "1.00" }] },
};

let crypto: Crypto;
let platform: Sm2KeyPair;
beforeAll(async () => {
  crypto = await loadCrypto();
  platform = crypto.sm2GenerateKeyPair();
});
/** One profile serves both ends here: `publicKeys` are the platform's, as a client holds them. */
const partner = (changes: Partial<PartnerProfile> = {}): PartnerProfile => ({
  appId: "19E179E5DC29C05E65B90CDE57A1C7E5",
  appSecret: "3E4F5A6B7C8D9E0F1A2B3C4D5E6F7A8B",
  dialect: "standard",
  signType: "SM2",
  encryption: "optional",
  publicKeys: [platform.publicKey],
  ...changes,
});
const sign = (message: Uint8Array): Uint8Array => crypto.sm2Sign(platform.privateKey, message);
const seal = (reply: ReplyToSeal, to: PartnerProfile | undefined, encrypted = false): Promise<string> =>
  sealReply(crypto, reply, to, sign, NOW, encrypted);
const open = (body: string, by: PartnerProfile, nowMs: number = NOW) => openReply(crypto, body, by, { nowMs });
const fieldsOf = (body: string): Record<string, unknown> => JSON.parse(body) as Record<string, unknown>;
const edit = (body: string, changes: object): string => JSON.stringify({ ...fieldsOf(body), ...changes });

describe("a reply", () => {
  it("opens to what was sealed, in every dialect, signed either way, clear or encrypted", async () => {
    for (const dialect of DIALECT_PRESETS) {
      for (const signType of ["SM2", "SM3"] as const) {
        for (const encrypted of [true, false]) {
          const to = partner({ dialect, signType });
          const body = await seal(settled, to, encrypted);
          expect("encData" in fieldsOf(body)).toBe(encrypted);
          expect("data" in fieldsOf(body)).toBe(!encrypted);
          expect(open(body, to)).toEqual({
            ok: true,
            value: { orgId: "H1", code: "0", success: true, message: "成功", timestampMs: NOW, data: settled.data },
          });
        }
      }
    }
  });

  it("has the members of S3 A.3 and those that A.1.2 demands: code as text, success as boolean, 14 digits", async () => {
    const { signData, ...fields } = fieldsOf(await seal(settled, partner()));
    expect(signData).toMatch(/^[0-9A-Za-z+/]{86}==$/);
    expect(fields).toEqual({
      orgId: "H1",
      code: "0",
      message: "成功",
      data: settled.data,
      encType: "SM4",
      signType: "SM2",
      success: true,
      timestamp: "20260115100000",
    });
  });

  it("of an error carries its code and an empty `data`, clear and signed, whatever was to be sent", async () => {
    for (const error of Object.keys(ERRORS) as ErrorName[]) {
      if (error === "ok") continue;
      const body = await seal({ orgId: "H1", error, data: { secret: "x" } }, partner(), true);
      expect(fieldsOf(body)).toMatchObject({ code: ERRORS[error].code, success: false, data: {} });
      expect(body).not.toContain("secret");
      expect(open(body, partner())).toMatchObject({
        ok: true,
        value: { code: ERRORS[error].code, success: false, message: ERRORS[error].message, data: {} },
      });
    }
  });

  it("to an unknown caller is signed by the platform over an empty secret, and a client may believe it only as a refusal", async () => {
    const body = await seal({ orgId: "", error: "institutionUnknown" }, undefined, true);
    for (const signType of ["SM2", "SM3"] as const) {
      expect(open(body, partner({ signType, dialect: "cryptotool" }))).toMatchObject({
        ok: true,
        value: { orgId: "", code: "500057", success: false },
      });
    }
    expect(open(body, partner({ publicKeys: [crypto.sm2GenerateKeyPair().publicKey] }))).toEqual({ ok: false, error: "unauthorised" });
    expect(open(await seal(settled, undefined), partner())).toEqual({ ok: false, error: "unauthorised" });
  });

  it("of another platform may write success and code as S3 does in three ways", async () => {
    // Signed over what was received: the lexeme of a number and the text of a boolean are the same characters.
    const body = await seal(settled, partner());
    expect(open(body.replace('"code":"0"', '"code":0'), partner())).toMatchObject({ ok: true, value: { code: "0", success: true } });
    expect(open(body.replace('"success":true', '"success":"true"'), partner())).toMatchObject({ ok: true });
    expect(open(body.replace('"timestamp":"20260115100000"', '"timestamp":20260115100000'), partner())).toMatchObject({ ok: true });
  });
});

describe("a reply that is not the platform's", () => {
  it.each<readonly [string, object, ErrorName]>([
    ["no signature", { signData: undefined }, "unauthorised"],
    ["an empty signature", { signData: "" }, "unauthorised"],
    ["no data at all", { data: undefined }, "unauthorised"],
    ["another orgId", { orgId: "H2" }, "unauthorised"],
    ["another message", { message: "失败" }, "unauthorised"],
    ["other data", { data: { status: "settled" } }, "unauthorised"],
    ["another timestamp", { timestamp: "20260115100001" }, "unauthorised"],
    ["a forged failure", { code: "600041", success: false, data: {} }, "unauthorised"],
    ["another signType", { signType: "SM3" }, "unauthorised"],
    ["data turned into encData", { data: {}, encData: "0".repeat(32) }, "unauthorised"],
    ["both data and encData", { encData: "0".repeat(32) }, "unauthorised"],
    ["encData that is no text", { data: undefined, encData: 1 }, "unauthorised"],
    ["code and success that contradict each other", { success: false }, "badRequest"],
    ["success as a word", { success: "yes" }, "badRequest"],
    ["code as a boolean", { code: true }, "badRequest"],
    ["code 00", { code: "00" }, "badRequest"],
    ["no code", { code: undefined }, "badRequest"],
    ["a message that would split the sign text", { message: "成功&success=true" }, "badRequest"],
    ["an unknown member", { token: "x" }, "badRequest"],
    ["no timestamp", { timestamp: undefined }, "badRequest"],
    ["an impossible date", { timestamp: "20260230100000" }, "badRequest"],
  ])("is refused: %s", async (_, changes, error) => {
    expect(open(edit(await seal(settled, partner()), changes), partner())).toEqual({ ok: false, error });
  });

  it("is refused when a success loses its `success` and its code", async () => {
    const refusal = await seal({ orgId: "H1", error: "noFunds" }, partner());
    expect(open(edit(refusal, { code: "0", success: true }), partner())).toEqual({ ok: false, error: "unauthorised" });
  });

  it("is refused in every other text: duplicate keys, no object, garbage", async () => {
    const body = await seal(settled, partner());
    for (const text of [body.replace('"code":"0"', '"code":"0","code":"0"'), `[${body}]`, "<html>", ""]) {
      expect(open(text, partner())).toEqual({ ok: false, error: "badRequest" });
    }
  });

  it("is refused when its ciphertext was changed", async () => {
    const body = await seal(settled, partner(), true);
    const encData = String(fieldsOf(body)["encData"]);
    for (const changed of [encData.slice(32), `${encData.slice(0, -1)}${encData.endsWith("0") ? "1" : "0"}`, "00", ""]) {
      expect(open(edit(body, { encData: changed }), partner())).toEqual({ ok: false, error: "unauthorised" });
    }
  });

  it("is refused outside its window, after its signature was checked", async () => {
    const body = await seal(settled, partner());
    expect(open(body, partner(), NOW + 300_000).ok).toBe(true);
    expect(open(body, partner(), NOW + 300_001)).toEqual({ ok: false, error: "timestampOutside" });
    expect(open(edit(body, { message: "x" }), partner(), NOW + 300_001)).toEqual({ ok: false, error: "unauthorised" });
  });

  it("is never made with a message that would be ambiguous", async () => {
    await expect(seal({ orgId: "H1", error: "badRequest", message: "a=b" }, partner())).rejects.toThrow(RangeError);
  });
});
