import * as fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { loadCrypto } from "../crypto/index.ts";
import type { Crypto, Sm2KeyPair } from "../crypto/port.ts";
import { base62OfNumber } from "./base62.ts";
import { parseScannedCode, type FusedCode } from "./fused-code.ts";
import type { CodePurpose } from "./channel-operations.ts";
import { checkSignedCode, mintSignedCode, unsignedPart, type SignedCodeParts } from "./signed-token.ts";

const NOW = Date.UTC(2026, 0, 15, 2, 0, 0);
const parts: SignedCodeParts = {
  ehcId: "98FF9F2C05145CB9305E9D8A57E072BB51180CA49E5BE5E9D41BCE3A9A571928",
  valid: "0123456789ABCDEF0123456789ABCDEF",
  appId: "5101A0001",
  purpose: "settle",
  expiresAtMs: NOW + 60_000,
  random6: "aB3dE6",
};

const parsed = (code: string): FusedCode => {
  const scanned = parseScannedCode(code, { appIdWidth: 9 });
  if (!scanned.ok || scanned.value.kind !== "fused.signed") throw new Error("not a signed code");
  return scanned.value;
};

function neverSigns(): Uint8Array {
  throw new Error("signed");
}

describe("a signed code", () => {
  let crypto: Crypto;
  let platform: Sm2KeyPair;
  let earlier: Sm2KeyPair;
  let text = "";

  const mint = async (changes: Partial<SignedCodeParts> = {}, pair: Sm2KeyPair = platform): Promise<string> => {
    const minted = await mintSignedCode({ ...parts, ...changes, sign: (message) => crypto.sm2Sign(pair.privateKey, message) });
    if (!minted.ok) throw new Error("ambiguous");
    return minted.value;
  };
  const check = (code: string, changes: { nowMs?: number; purposes?: readonly CodePurpose[]; skewMs?: number } = {}) =>
    checkSignedCode(crypto, parsed(code), {
      publicKeys: [platform.publicKey, earlier.publicKey],
      purposes: ["settle"],
      nowMs: NOW,
      ...changes,
    });

  beforeAll(async () => {
    crypto = await loadCrypto();
    platform = crypto.sm2GenerateKeyPair();
    earlier = crypto.sm2GenerateKeyPair();
    text = await mint();
  });

  it("verifies with public keys alone, under the newest key or an earlier one", async () => {
    expect(check(text)).toEqual({ ok: true, value: { purpose: "settle", expiresAtMs: NOW + 60_000 } });
    expect(check(await mint({}, earlier)).ok).toBe(true);
  });

  it("tells its purpose, and is forged for any other", async () => {
    const identify = await mint({ purpose: "verify" });
    expect(check(identify, { purposes: ["settle", "verify"] })).toMatchObject({ ok: true, value: { purpose: "verify" } });
    expect(check(identify)).toEqual({ ok: false, error: "codeForged" });
    expect(check(text, { purposes: ["verify"] })).toEqual({ ok: false, error: "codeForged" });
    expect(check(text, { purposes: [] })).toEqual({ ok: false, error: "codeForged" });
  });

  it("rounds its expiry down to the second and is late only after the skew", async () => {
    const code = await mint({ expiresAtMs: NOW + 999 });
    expect(check(code)).toEqual({ ok: true, value: { purpose: "settle", expiresAtMs: NOW } });
    expect(check(code, { nowMs: NOW + 5_000 }).ok).toBe(true);
    expect(check(code, { nowMs: NOW + 5_001 })).toEqual({ ok: false, error: "codeExpired" });
    expect(check(code, { nowMs: NOW + 1, skewMs: 0 })).toEqual({ ok: false, error: "codeExpired" });
  });

  it("is said to be expired only when it is genuine", async () => {
    const stranger = crypto.sm2GenerateKeyPair();
    expect(check(await mint({ expiresAtMs: NOW - 86_400_000 }))).toEqual({ ok: false, error: "codeExpired" });
    expect(check(await mint({ expiresAtMs: NOW - 86_400_000 }, stranger))).toEqual({ ok: false, error: "codeForged" });
  });

  it("is forged when it claims to live longer than any code, whoever signed it", async () => {
    expect(check(await mint({ expiresAtMs: NOW + 600_000 })).ok).toBe(true);
    expect(check(await mint({ expiresAtMs: NOW + 601_000 }))).toEqual({ ok: false, error: "codeForged" });
  });

  it("is refused with any one character changed", () => {
    const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.nat(61), (at, letter) => {
        const changed = text.slice(0, at) + alphabet.charAt(letter) + text.slice(at + 1);
        const scanned = parseScannedCode(changed, { appIdWidth: 9 });
        if (!scanned.ok || scanned.value.kind !== "fused.signed" || scanned.value.text === text) return;
        expect(check(changed).ok).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it("is not made of the parts of two codes: VALID, app, expiry and random part are covered", async () => {
    const other = await mint({ valid: "F".repeat(32), appId: "5101A0002", random6: "zzzzzz", expiresAtMs: NOW + 120_000 });
    expect(text.length).toBe(other.length);
    const places = { valid: [67, 99], appId: [100, 109], expiry: [113, 119], random: [119, 125], signature: [125, 211] } as const;
    for (const [from, to] of Object.values(places)) {
      expect(check(text.slice(0, from) + other.slice(from, to) + text.slice(to))).toEqual({ ok: false, error: "codeForged" });
    }
  });

  it("has one text: a signature value of 2^512 or more is malformed, not reduced", () => {
    expect(check(text.slice(0, -86) + "z".repeat(86))).toEqual({ ok: false, error: "codeMalformed" });
    expect(check(text.slice(0, -86) + "0".repeat(86))).toEqual({ ok: false, error: "codeForged" });
  });

  it("covers a text laid down in the format, so that others can check it", async () => {
    const unsigned = `${parts.ehcId}:0:${parts.valid}:5101A0001RH98${base62OfNumber((NOW + 60_000) / 1000, 6)}aB3dE6`;
    expect(unsignedPart(parts)).toBe(unsigned);
    expect(text.startsWith(unsigned)).toBe(true);
    let signed = "";
    await mintSignedCode({
      ...parts,
      sign: (message) => {
        signed = new TextDecoder().decode(message);
        return new Uint8Array(64).fill(1);
      },
    });
    expect(signed).toBe(`ronghe.code/v1\nsettle\n${unsigned}`);
  });

  it("is never signed over parts of another form", async () => {
    for (const changes of [
      { appId: "5101\n0001" },
      { appId: "" },
      { ehcId: "00" },
      { valid: "" },
      { random6: "aB3dE" },
      { random6: "aB3dE-" },
      { expiresAtMs: -1 },
    ]) {
      await expect(mintSignedCode({ ...parts, ...changes, sign: neverSigns })).rejects.toThrow(RangeError);
    }
    await expect(mintSignedCode({ ...parts, sign: () => new Uint8Array(71) })).rejects.toThrow(RangeError);
  });

  it("is drawn again when the random part gives a second reading", async () => {
    // `RH86` before the 86 characters of the signature reads as a TLV of its own.
    const ambiguous = await mintSignedCode({
      ...parts,
      random6: "xxRH86",
      sign: (message) => crypto.sm2Sign(platform.privateKey, message),
    });
    expect(ambiguous).toEqual({ ok: false, error: "ambiguous" });
  });

  it("of an opaque kind is not for this check", () => {
    const opaque: FusedCode = { ...parsed(text), kind: "fused.opaque", token: "a".repeat(20) };
    expect(checkSignedCode(crypto, opaque, { publicKeys: [], purposes: ["settle"], nowMs: NOW })).toEqual({
      ok: false,
      error: "codeMalformed",
    });
  });
});
