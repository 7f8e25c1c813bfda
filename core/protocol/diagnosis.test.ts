import { beforeAll, describe, expect, it } from "vitest";
import { loadCrypto } from "../crypto/index.ts";
import type { Crypto, Sm2KeyPair } from "../crypto/port.ts";
import { utf8 } from "./bytes.ts";
import { diagnose, type Diagnosis } from "./diagnosis.ts";
import { dialectOf, type DialectSettings, settingsOf } from "./dialects.ts";
import { type PartnerProfile, sealRequest } from "./envelope.ts";
import { jsonObjectOf } from "./json.ts";
import { sm2SignData } from "./partner.ts";
import { signText } from "./sign-text.ts";
import { type EventMs, formatCst14 } from "./time.ts";

const NOW = Date.UTC(2026, 0, 15, 2, 0, 0) as EventMs;
const SECRET = "3E4F5A6B7C8D9E0F1A2B3C4D5E6F7A8B";
const DATA = {
  outTradeNo: "S1",
  amount: 128.5,
  operatorName: "李敏",
  url: "a/b",
  empty: "",
  hollow: {},
  a: "1",
  B: "2",
  deep: { b: "1", a: "2" },
};
const FIELDS = { orgId: "H1", version: "1.0.0", encType: "SM4", transType: "rh.settle", signType: "SM2", timestamp: formatCst14(NOW) };

let crypto: Crypto;
let hospital: Sm2KeyPair;
beforeAll(async () => {
  crypto = await loadCrypto();
  hospital = crypto.sm2GenerateKeyPair();
});

const profile = (changes: Partial<PartnerProfile> = {}): PartnerProfile => ({
  appId: "19E179E5DC29C05E65B90CDE57A1C7E5",
  appSecret: SECRET,
  dialect: "standard",
  signType: "SM2",
  encryption: "optional",
  publicKeys: [hospital.publicKey],
  ...changes,
});
const differing = (changes: Partial<DialectSettings>): PartnerProfile["dialect"] => dialectOf({ ...settingsOf("standard"), ...changes });
const sign = (message: Uint8Array, userId?: string): Uint8Array => crypto.sm2Sign(hospital.privateKey, message, userId);
const sealed = (by: Partial<PartnerProfile> = {}, atMs: number = NOW): Promise<string> =>
  sealRequest(
    crypto,
    { orgId: "H1", transType: "rh.settle", version: "1.0.0", data: DATA, timestampMs: atMs as EventMs },
    profile({ encryption: "none", ...by }),
    sign,
  );
/** A request whose signature is over another text than is meant. */
async function signedOver(change: (wanted: string) => string): Promise<string> {
  const text = signText({ ...FIELDS, data: jsonObjectOf(DATA) }, "standard", SECRET) ?? "";
  return JSON.stringify({ ...FIELDS, signData: await sm2SignData(change(text), "standard", sign), data: DATA });
}
const ask = (body: string | Uint8Array, partner = profile(), ownSignText?: string): Diagnosis =>
  diagnose(crypto, { body: typeof body === "string" ? utf8(body) : body, partner, nowMs: NOW, ownSignText });
const failing = (found: Diagnosis): readonly string[] => found.findings.filter(({ ok }) => !ok).map(({ step }) => step);

describe("a request that does not verify", () => {
  it("is told apart from one that does", async () => {
    for (const encryption of ["none", "required"] as const) {
      const found = ask(await sealed({ encryption }));
      expect(found).toMatchObject({ verifies: true, signText: { bytes: expect.any(Number) as number } });
      expect(failing(found)).toEqual([]);
    }
  });

  it.each<[string, string, () => Promise<string | Uint8Array>, Partial<PartnerProfile>]>([
    ["bytes that are not UTF-8", "encoding", async () => new Uint8Array([0x7b, 0xff, 0x7d]), {}],
    ["a byte order mark", "encoding", async () => `\ufeff${await sealed()}`, {}],
    ["a trailing comma", "json", async () => (await sealed()).replace(/\}$/, ",}"), {}],
    ["a key twice", "json", async () => (await sealed()).replace('"version"', '"orgId":"H1","version"'), {}],
    ["an unknown member", "fields", async () => (await sealed()).replace('"version"', '"colour":"red","version"'), {}],
    ["clear data where encryption is agreed", "agreement", () => sealed(), { encryption: "required" }],
    ["another signType", "agreement", () => sealed({ signType: "SM3" }), {}],
    ["a key from Base64", "encData", () => sealed({ encryption: "required", dialect: differing({ dataKey: "base64" }) }), {}],
    ["another secret, encrypted", "encData", () => sealed({ encryption: "required", appSecret: "X".repeat(32) }), {}],
    ["a DER signature", "signatureForm", () => sealed({ dialect: differing({ signatureForm: "der" }) }), {}],
    [
      "a lower-case digest",
      "signatureForm",
      async () => (await sealed({ signType: "SM3" })).replace(/"[0-9A-F]{64}"/, (text) => text.toLowerCase()),
      { signType: "SM3" },
    ],
    ["another key", "signature", () => sealed(), { publicKeys: [] }],
  ])("for %s is stopped at the step %s", async (_, step, make, agreed) => {
    const found = ask(await make(), profile(agreed));
    expect(found.verifies).toBe(false);
    expect(failing(found)).toEqual([step]);
  });

  it("because a member is missing or malformed names it, and never its value", async () => {
    const body = (await sealed()).replace(/"version":"[^"]*",/, "").replace(/"timestamp":"\d+"/, '"timestamp":"the-secret-value"');
    const says = ask(body).findings.at(-1)?.says ?? "";
    expect(says).toContain("version is missing");
    expect(says).toContain("timestamp is not");
    expect(says).not.toContain("the-secret-value");
  });

  it("because its clock is eight hours off is told so, and its signature is judged all the same", async () => {
    const found = ask(await sealed({}, NOW - 8 * 3_600_000));
    expect(failing(found)).toEqual(["timestamp"]);
    expect(found.findings.find(({ step }) => step === "timestamp")?.says).toContain("eight hours");
    expect(found.verifies).toBe(true);
  });

  it.each<Partial<DialectSettings>>([
    { keyOrder: "caseInsensitive" },
    { sortDepth: "level1" },
    { scalars: "kept" },
    { emptyString: "kept" },
    { emptyObject: "dropped" },
    { userId: "H1" },
    { scalars: "kept", emptyObject: "dropped" },
  ])("because it was made with %o is told exactly that", async (changes) => {
    expect(ask(await sealed({ dialect: differing(changes) }))).toMatchObject({ verifies: false, differs: changes });
  });

  it.each<[string, (wanted: string) => string, RegExp]>([
    ["no secret", (text) => text.replace(/&key=.*$/, ""), /without `&key=` and the secret/],
    ["a bare secret", (text) => text.replace("&key=", ""), /follows without `&key=`/],
    ["escaped Chinese", (text) => text.replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16)}`), /escaped as \\u/],
    ["escaped slashes", (text) => text.replaceAll("/", "\\/"), /slashes/],
  ])("because of a slip, %s, is told which", async (_, change, says) => {
    expect(ask(await signedOver(change)).findings.at(-1)?.says).toMatch(says);
  });

  it("shows where the maker's own text parts from the one that is meant, by place and name", async () => {
    const own = (signText({ ...FIELDS, data: jsonObjectOf(DATA) }, "standard", SECRET) ?? "").replace("李敏", "李 敏");
    const says = ask(await signedOver(() => own), profile(), own).findings.at(-1)?.says ?? "";
    expect(says).toContain("`operatorName`");
    expect(says).not.toContain("李");
  });

  it("never has the secret or a value of data repeated", async () => {
    const bodies = [
      await sealed({ appSecret: "Y".repeat(32) }),
      await signedOver((text) => `${text}!`),
      await sealed({ dialect: "cryptotool" }),
    ];
    for (const body of bodies)
      for (const hidden of [SECRET, "李敏", "S1", "128.5"])
        expect(JSON.stringify(ask(body, profile(), `x${SECRET}`))).not.toContain(hidden);
  });
});
