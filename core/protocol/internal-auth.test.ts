import * as fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { loadCrypto } from "../crypto/index.ts";
import type { Crypto } from "../crypto/port.ts";
import { utf8 } from "./bytes.ts";
import { checkInternalReply, checkInternalRequest, readInternalClaim, signInternalReply, signInternalRequest } from "./internal-auth.ts";
import type { EventMs } from "./time.ts";

let crypto: Crypto;
beforeAll(async () => {
  crypto = await loadCrypto();
});

const KEY = new Uint8Array(32).fill(9);
const NOW = 1_780_000_000_000 as EventMs;

describe("the signature of an internal call", () => {
  it("verifies what was signed, whatever it is", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.webPath(), fc.constantFrom("GET", "POST"), (body, path, method) => {
        const { headers } = signInternalRequest(crypto, KEY, { edge: "e1", method, path, body }, NOW);
        const claim = readInternalClaim((name) => headers[name]);
        if (claim === undefined) throw new Error("our own headers are unreadable");
        expect(checkInternalRequest(crypto, KEY, claim, { method, path, body, nowMs: NOW })).toEqual({ ok: true, value: undefined });
        const forged = { ...claim, edge: "e2" };
        expect(checkInternalRequest(crypto, KEY, forged, { method, path, body, nowMs: NOW })).toEqual({ ok: false, error: "unauthorised" });
      }),
      { numRuns: 50 },
    );
  });

  it("holds within two minutes either way", () => {
    const request = { method: "GET", path: "/x", body: new Uint8Array() };
    const { headers } = signInternalRequest(crypto, KEY, { edge: "e1", ...request }, NOW);
    const claim = readInternalClaim((name) => headers[name]);
    if (claim === undefined) throw new Error("our own headers are unreadable");
    const at = (nowMs: number) => checkInternalRequest(crypto, KEY, claim, { ...request, nowMs: nowMs as EventMs }).ok;
    expect([at(NOW - 120_001), at(NOW - 120_000), at(NOW + 120_000), at(NOW + 120_001)]).toEqual([false, true, true, false]);
  });

  it.each([
    ["x-ronghe-edge", "a b"],
    ["x-ronghe-timestamp", "1e9"],
    ["x-ronghe-timestamp", "012"],
    ["x-ronghe-nonce", "00"],
    ["x-ronghe-signature", "A".repeat(64)],
  ])("refuses to read %s: %s", (name, value) => {
    const { headers } = signInternalRequest(crypto, KEY, { edge: "e1", method: "GET", path: "/x", body: new Uint8Array() }, NOW);
    expect(readInternalClaim((header) => (header === name ? value : headers[header]))).toBeUndefined();
  });

  it("binds a reply to its request, status and body", () => {
    const reply = { requestSignature: "ab".repeat(32), status: 200, body: utf8("{}") };
    const signature = signInternalReply(crypto, KEY, reply);
    expect(checkInternalReply(crypto, KEY, reply, signature)).toBe(true);
    expect(checkInternalReply(crypto, KEY, { ...reply, requestSignature: "cd".repeat(32) }, signature)).toBe(false);
    expect(checkInternalReply(crypto, KEY, { ...reply, status: 500 }, signature)).toBe(false);
    expect(checkInternalReply(crypto, KEY, { ...reply, body: utf8("[]") }, signature)).toBe(false);
    expect(checkInternalReply(crypto, KEY, reply, undefined)).toBe(false);
  });
});
