import * as fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { loadCrypto } from "../crypto/index.ts";
import type { Crypto } from "../crypto/port.ts";
import { fromHex, toUpperHex } from "./bytes.ts";
import { EHC_DOCUMENT_TYPES, isEhcDocumentType } from "./documents.ts";
import { deriveEhcId, diversifier, openEhcId } from "./ehc-id.ts";
import { formatCst14, type EventMs } from "./time.ts";
import { checkValidExpiry, makeValid, readValid, type BlockCipher } from "./valid.ts";

const bytesOf = (hex: string): Uint8Array => fromHex(hex) ?? new Uint8Array(0);
const ROOT = bytesOf("0123456789ABCDEFFEDCBA9876543210");
const PROTECTION = bytesOf("00112233445566778899AABBCCDDEEFF");
const MAIN_INDEX = "ABD17E7ED399EF68AB5660155D6E226D2C92EAC3254A4A66BED83AED0ADA1E9E";

let crypto: Crypto;
let security: BlockCipher;
const encrypt =
  (key: Uint8Array): BlockCipher =>
  (block) =>
    crypto.sm4EcbEncrypt(key, block, "none");
const decrypt =
  (key: Uint8Array): BlockCipher =>
  (block) =>
    crypto.sm4EcbDecrypt(key, block, "none") ?? new Uint8Array(0);

beforeAll(async () => {
  crypto = await loadCrypto();
  security = encrypt(ROOT);
});

describe("EHC-ID", () => {
  it("is the national guide's worked example, step by step", async () => {
    const factor = diversifier(bytesOf(MAIN_INDEX));
    expect(toUpperHex(factor)).toBe("92CDCE45A16799FD");
    const seen: string[] = [];
    const spy: BlockCipher = async (block) => {
      const out = await security(block);
      seen.push(toUpperHex(block), toUpperHex(out));
      return out;
    };
    const ehcId = await deriveEhcId(crypto, MAIN_INDEX, { idType: "01", idNo: "11010020171225006X" }, spy);
    expect(seen).toEqual(["92CDCE45A16799FD6D3231BA5E986602", "86C63180C2806ED1F47B859DE501215B"]);
    expect(ehcId).toBe("98FF9F2C05145CB9305E9D8A57E072BB51180CA49E5BE5E9D41BCE3A9A571928");
    expect(await openEhcId(crypto, ehcId ?? "", MAIN_INDEX.toLowerCase(), security)).toEqual({ idType: "01", idNo: "11010020171225006X" });
  });

  it("opens to the document it was made of, and always has 64 characters, for short numbers too", async () => {
    const idType = fc.constantFrom(...Object.keys(EHC_DOCUMENT_TYPES).filter(isEhcDocumentType));
    const idNo = fc.string({ unit: fc.constantFrom(..."0123456789XEHM()/-"), minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(idType, idNo, async (type, number) => {
        const ehcId = await deriveEhcId(crypto, MAIN_INDEX, { idType: type, idNo: number }, security);
        expect(ehcId).toMatch(/^[0-9A-F]{64}$/);
        expect(await openEhcId(crypto, ehcId ?? "", MAIN_INDEX, security)).toEqual({ idType: type, idNo: number });
      }),
    );
  });

  it("is not made of a number over 30 characters, an empty one, or one outside ASCII", async () => {
    for (const idNo of ["1".repeat(31), "", "军字第1号", "E 123", "E\x00123"]) {
      expect(await deriveEhcId(crypto, MAIN_INDEX, { idType: "04", idNo }, security)).toBeUndefined();
    }
  });

  it("does not open under another key or for another person", async () => {
    const ehcId = (await deriveEhcId(crypto, MAIN_INDEX, { idType: "01", idNo: "11010020171225006X" }, security)) ?? "";
    expect(await openEhcId(crypto, ehcId, MAIN_INDEX, encrypt(PROTECTION))).toBeUndefined();
    expect(await openEhcId(crypto, ehcId, MAIN_INDEX.replace("A", "B"), security)).toBeUndefined();
    expect(await openEhcId(crypto, ehcId.slice(32), MAIN_INDEX, security)).toBeUndefined();
    expect(await openEhcId(crypto, "zz", MAIN_INDEX, security)).toBeUndefined();
  });

  it("takes a main index ID of 32 bytes only", async () => {
    await expect(deriveEhcId(crypto, MAIN_INDEX.slice(2), { idType: "01", idNo: "1" }, security)).rejects.toThrow(RangeError);
    await expect(deriveEhcId(crypto, "main index", { idType: "01", idNo: "1" }, security)).rejects.toThrow(RangeError);
  });
});

describe("VALID", () => {
  it("reads back the second it was made of", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 253_370_735_999 }), async (seconds) => {
        const at = (seconds * 1000) as EventMs;
        const valid = await makeValid((at + (seconds % 1000)) as EventMs, encrypt(PROTECTION));
        expect(valid).toMatch(/^[0-9A-F]{32}$/);
        expect(await readValid(valid.toLowerCase(), decrypt(PROTECTION))).toBe(at);
      }),
    );
  });

  it("is one block of BCD digits in UTC+8 and nine zero bytes", async () => {
    const at = Date.UTC(2026, 0, 15, 2, 3, 4) as EventMs;
    expect(await makeValid(at, (block) => block)).toBe(`${formatCst14(at)}${"0".repeat(18)}`);
    expect(formatCst14(at)).toBe("20260115100304");
  });

  it.each([
    ["digits that are not decimal", "2026011510030A000000000000000000"],
    ["padding that is not zero", "20260115100304000000000000000001"],
    ["30 February", "20260230100304000000000000000000"],
    ["hour 24", "20260115240000000000000000000000"],
    ["all zero", "0".repeat(32)],
  ])("is refused with %s", async (_, clear) => {
    const valid = toUpperHex(await encrypt(PROTECTION)(bytesOf(clear)));
    expect(await readValid(valid, decrypt(PROTECTION))).toBeUndefined();
  });

  it("is refused when it is not one block of hex, or was made under another key such as the security key", async () => {
    const valid = await makeValid(Date.UTC(2026, 0, 15) as EventMs, security);
    expect(await readValid(valid, decrypt(PROTECTION))).toBeUndefined();
    for (const text of ["", valid.slice(2), `${valid}00`, valid.replace(/^./, "g")])
      expect(await readValid(text, decrypt(ROOT))).toBeUndefined();
  });

  it("is acted on from 10 minutes before its end to 5 seconds after", () => {
    const now = Date.UTC(2026, 0, 15);
    const expiry = (offset: number): EventMs => (now + offset) as EventMs;
    expect(checkValidExpiry(expiry(600_000), now).ok).toBe(true);
    expect(checkValidExpiry(expiry(600_001), now)).toEqual({ ok: false, error: "codeMalformed" });
    expect(checkValidExpiry(expiry(-5_000), now).ok).toBe(true);
    expect(checkValidExpiry(expiry(-5_001), now)).toEqual({ ok: false, error: "codeExpired" });
  });
});
