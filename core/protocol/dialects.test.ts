import * as fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import * as v from "valibot";
import { loadCrypto } from "../crypto/index.ts";
import type { Crypto, Sm2KeyPair } from "../crypto/port.ts";
import { DIALECT_PRESETS, dialectInput, type DialectSettings, dialectOf, partnerDialect, readDialect, settingsOf } from "./dialects.ts";
import { openEnvelope, openReply, type PartnerProfile, readEnvelope, sealReply, sealRequest } from "./envelope.ts";
import type { EventMs } from "./time.ts";

const NOW = Date.UTC(2026, 0, 15, 2, 0, 0) as EventMs;
const settings: fc.Arbitrary<DialectSettings> = fc.record({
  keyOrder: fc.constantFrom("ordinal", "caseInsensitive"),
  sortDepth: fc.constantFrom("every", "level1"),
  scalars: fc.constantFrom("quoted", "kept"),
  emptyString: fc.constantFrom("dropped", "kept"),
  emptyObject: fc.constantFrom("dropped", "kept"),
  plaintext: fc.constantFrom("raw", "rawAscii", "canonical"),
  signatureForm: fc.constantFrom("raw", "der"),
  dataKey: fc.constantFrom("hex", "base64"),
  userId: fc.constantFrom("1234567812345678", "hospital-1", "H"),
});

let crypto: Crypto;
let hospital: Sm2KeyPair;
let platform: Sm2KeyPair;
beforeAll(async () => {
  crypto = await loadCrypto();
  hospital = crypto.sm2GenerateKeyPair();
  platform = crypto.sm2GenerateKeyPair();
});

describe("a dialect", () => {
  it("is one text for its settings, a preset's name where there is one, and reads back to them", () => {
    fc.assert(
      fc.property(settings, (given) => {
        const dialect = dialectOf(given);
        expect(settingsOf(dialect)).toEqual(given);
        expect(v.is(partnerDialect, dialect)).toBe(true);
        expect(readDialect(dialect)).toBe(dialect);
      }),
    );
    for (const name of DIALECT_PRESETS) expect(settingsOf(dialectOf(settingsOf(name)))).toEqual(settingsOf(name));
  });

  it("of the names that were agreed before stands as it was", () => {
    for (const name of ["standard", "nhsa-web", "vendor-java", "csharp", "keep-numbers", "cryptotool"]) {
      expect(v.is(partnerDialect, name)).toBe(true);
      expect(v.parse(dialectInput, name)).toBe(name);
    }
  });

  it("is written by people as what differs from a preset, and kept in one form", () => {
    const der = v.parse(dialectInput, ' { "userId": "hospital-1", "signatureForm": "der" } ');
    expect(settingsOf(der)).toEqual({ ...settingsOf("standard"), signatureForm: "der", userId: "hospital-1" });
    const tool = v.parse(dialectInput, '{"preset":"cryptotool","signatureForm":"raw"}');
    expect(settingsOf(tool)).toEqual({ ...settingsOf("cryptotool"), signatureForm: "raw" });
    expect(v.parse(dialectInput, '{"preset":"cryptotool"}')).toBe("cryptotool");
  });

  it.each([
    "cobol",
    "",
    "{}x",
    "[]",
    "null",
    '{"keyOrder":"random"}',
    '{"colour":"red"}',
    '{"userId":""}',
    '{"userId":"名"}',
    '{"preset":"cobol"}',
  ])("is not %s", (text) => {
    expect(v.is(dialectInput, text)).toBe(false);
    expect(v.is(partnerDialect, text)).toBe(false);
  });

  it("in a second spelling is not one that a row, leaf or bundle may hold", () => {
    expect(v.is(partnerDialect, '{"signatureForm":"der"}')).toBe(false);
    expect(v.is(partnerDialect, ` ${dialectOf({ ...settingsOf("standard"), signatureForm: "der" })}`)).toBe(false);
  });

  it("of any combination of settings opens what it sealed, requests and replies, signed either way, clear or encrypted", async () => {
    const data = { b: "2", A: { y: "", x: {}, list: [{ n: 1.5, m: true }] }, name: "𠮷野" };
    await fc.assert(
      fc.asyncProperty(settings, fc.constantFrom("SM2", "SM3"), fc.boolean(), async (given, signType, encrypted) => {
        const profile: PartnerProfile = {
          appId: "19E179E5DC29C05E65B90CDE57A1C7E5",
          appSecret: "3E4F5A6B7C8D9E0F1A2B3C4D5E6F7A8B",
          dialect: dialectOf(given),
          signType,
          encryption: encrypted ? "required" : "none",
          publicKeys: [hospital.publicKey],
        };
        const request = { orgId: "H1", transType: "rh.settle", version: "1.0.0", data, timestampMs: NOW };
        const body = await sealRequest(crypto, request, profile, (message, userId) => crypto.sm2Sign(hospital.privateKey, message, userId));
        const raw = readEnvelope(body);
        expect(raw.ok && openEnvelope(crypto, raw.value, profile, { nowMs: NOW })).toMatchObject({ ok: true });
        const sign = (message: Uint8Array, userId?: string): Uint8Array => crypto.sm2Sign(platform.privateKey, message, userId);
        const reply = await sealReply(crypto, { orgId: "H1", error: "ok", data: { a: "1" } }, profile, sign, NOW, encrypted);
        const opened = openReply(crypto, reply, { ...profile, publicKeys: [platform.publicKey] }, { nowMs: NOW });
        expect(opened).toMatchObject({ ok: true, value: { data: { a: "1" } } });
      }),
    );
  });
});
