import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { loadCrypto } from "./index.ts";
import { publicKeyToSpki } from "./der.ts";
import { canonicalPublicKey, readPrivateKey } from "./sm2-key-text.ts";
import { concat, fromHex, toBase64, toHex, toUpperHex, utf8 } from "./text.ts";

const crypto = await loadCrypto();

/** Both parities of y are met. */
const KEYS = [1, 2, 3, 4, 5, 6, 7, 8].map((d) => crypto.sm2PublicKey(concat(new Uint8Array(31), Uint8Array.of(d))));

function compressed(key: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(2 + ((key[64] ?? 0) & 1)), key.subarray(1, 33));
}

function pem(der: Uint8Array): string {
  return `-----BEGIN PUBLIC KEY-----\n${toBase64(der).replaceAll(/(.{64})/g, "$1\n")}\n-----END PUBLIC KEY-----\n`;
}

describe("one public key", () => {
  test.each([
    ["130 lower-case hex digits", (key: Uint8Array) => toHex(key)],
    ["130 upper-case hex digits", (key: Uint8Array) => toUpperHex(key)],
    ["128 hex digits without 04", (key: Uint8Array) => toUpperHex(key.subarray(1))],
    ["Base64 of the point", (key: Uint8Array) => toBase64(key)],
    ["a compressed point in hex", (key: Uint8Array) => toHex(compressed(key))],
    ["a compressed point in Base64", (key: Uint8Array) => toBase64(compressed(key))],
    ["SubjectPublicKeyInfo as PEM", (key: Uint8Array) => pem(publicKeyToSpki(key))],
    ["SubjectPublicKeyInfo in hex", (key: Uint8Array) => toHex(publicKeyToSpki(key))],
    ["SubjectPublicKeyInfo in Base64", (key: Uint8Array) => toBase64(publicKeyToSpki(key))],
    ["SubjectPublicKeyInfo as bytes of a file", (key: Uint8Array) => publicKeyToSpki(key)],
    ["PEM as bytes of a file", (key: Uint8Array) => utf8(pem(publicKeyToSpki(key)))],
    ["hex with spaces and line ends about it", (key: Uint8Array) => ` ${toHex(key)}\r\n`],
  ])("is the same key as %s", (_, spell) => {
    for (const key of KEYS) expect(canonicalPublicKey(spell(key))).toBe(toHex(key));
  });

  test("is told as OpenSSL writes it", () => {
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "SM2" });
    const der = publicKey.export({ type: "spki", format: "der" });
    const text = publicKey.export({ type: "spki", format: "pem" });
    expect(canonicalPublicKey(String(text))).toBe(toHex(der.subarray(-65)));
    expect(canonicalPublicKey(new Uint8Array(der))).toBe(toHex(der.subarray(-65)));
  });

  test("of another curve, beside the curve or cut short is none", () => {
    const [key = new Uint8Array()] = KEYS;
    const other = generateKeyPairSync("ec", { namedCurve: "prime256v1" }).publicKey.export({ type: "spki", format: "pem" });
    const beside = key.slice();
    beside[64] = (beside[64] ?? 0) ^ 1;
    const half = concat(Uint8Array.of(2), fromHex("ff".repeat(32)) ?? new Uint8Array());
    for (const given of [
      String(other),
      toHex(beside),
      toHex(key).slice(0, -2),
      `0${toHex(key)}`,
      toHex(half),
      "",
      "04",
      "ä",
      "-----BEGIN PUBLIC KEY-----",
    ])
      expect(canonicalPublicKey(given)).toBeUndefined();
  });
});

describe("a private key", () => {
  const d = concat(Uint8Array.of(0x80), new Uint8Array(30), Uint8Array.of(9));

  test("of 33 bytes that begin with one zero byte is the key behind it", () => {
    for (const text of [toHex(d), toUpperHex(d), `00${toHex(d)}`, toBase64(d), toBase64(concat(Uint8Array.of(0), d))])
      expect(readPrivateKey(text)).toEqual(d);
  });

  test.each([
    ["two zero bytes before it", `0000${"80".padEnd(64, "1")}`],
    ["33 bytes without the zero", `01${"80".padEnd(64, "1")}`],
    ["zero", "00".repeat(32)],
    ["n-1", "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54122"],
    ["31 bytes", "11".repeat(31)],
    ["no hex", "xyz"],
  ])("with %s is none", (_, text) => {
    expect(readPrivateKey(text)).toBeUndefined();
  });
});
